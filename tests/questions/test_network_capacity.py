import subprocess
import sys

import numpy as np
import pytest
from torch import nn

from rethink import mec
from rethink.questions.module_capacity import module_mec
from rethink.questions.network_capacity import network_mec

SIZES = (5, 4, 6, 3)
MODULE = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize("rule", ["report", "four-rules", "tfmeter"])
def test_sizes_and_modules_are_counted_where_each_is(rule):
    assert network_mec(SIZES, rule=rule) == mec.perceptron_mec(SIZES, rule)
    assert network_mec(MODULE, (5,), rule) == module_mec(MODULE, (5,), rule)
    assert network_mec(SIZES, rule=rule).bits == network_mec(MODULE, (5,), rule).bits


def test_one_rule_is_usual_for_both():
    usual = {network_mec(SIZES).rule, network_mec(MODULE, (5,)).rule}
    usual |= {mec.perceptron_mec(SIZES).rule, module_mec(MODULE, (5,)).rule}
    assert usual == {"four-rules"}


@pytest.mark.parametrize("sizes", [list(SIZES), np.array(SIZES)])
def test_any_sequence_has_sizes(sizes):
    assert network_mec(sizes).bits == network_mec(SIZES).bits


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SIZES, (5,)), r"input_shape must be left out where network has sizes.*\(5,\)"),
        ((MODULE,), "input_shape must be that of one example.*None"),
        ((784, (784,)), "module must be a torch.nn.Module, but 784 was passed"),
        (("net", None), "sizes must be"),
        (((784,),), "sizes must be two or more"),
        ((SIZES, None, "five-rules"), "rule must be one of .*'five-rules'"),
        ((MODULE, (5,), "five-rules"), "rule must be one of .*'five-rules'"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        network_mec(*arguments)


def test_sizes_need_no_pytorch():
    code = (
        "import sys; from rethink.questions.network_capacity import network_mec; "
        "assert network_mec((4, 3, 2)).bits == 18; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
