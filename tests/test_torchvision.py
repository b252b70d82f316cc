"""The import of torchvision, in processes of their own: an operator stays declared in a process."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_works_twice_and_only_when_asked() -> None:
    code = """
import sys
from rethink import _torchvision
assert "torch" not in sys.modules and "torchvision" not in sys.modules
module = _torchvision.import_torchvision()
assert module is _torchvision.import_torchvision()
import torch
assert hasattr(torch.ops.torchvision, "nms") and hasattr(torch.ops.torchvision, "qnms")
assert module.extension._has_ops() == (not _torchvision._libraries)
print(module.datasets.FashionMNIST.__name__)
"""
    assert run(code) == "FashionMNIST"


def test_operators_that_exist_are_not_declared_again() -> None:
    """As beside a CUDA torch, where the extension declares them."""
    code = """
import torch
from rethink import _torchvision
_torchvision._load_extension()
if not hasattr(torch.ops.torchvision, "nms"):
    theirs = torch.library.Library("torchvision", "DEF")
    theirs.define("nms" + _torchvision._SIGNATURE)
    theirs.define("qnms" + _torchvision._SIGNATURE)
_torchvision.import_torchvision()
print(len(_torchvision._libraries))
"""
    assert run(code) == "0"
