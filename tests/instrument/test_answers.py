from dataclasses import replace

import numpy as np
import pytest

from rethink.instrument import answers, measurement, training
from rethink.tables import read


@pytest.fixture(scope="module")
def parts():
    """Everything measured of a small table, as chapter 10 does it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 120)
    table = read.from_arrays(rng.normal(size=(120, 4)) + 3 * labels[:, None], labels)
    data = (table.features, table.labels)
    plan = replace(training.plan(120, 4, 2, 0.2, 2), hidden=(0, 4), epochs=4)
    sweep = training.sweep(*data, plan)
    return {
        "measured": measurement.measure(table),
        "sweep": sweep,
        "learners": training.learners(*data, plan),
        "noise": training.resilience(*data, plan, sweep),
        "curve": training.learning_curve(*data, plan, sweep),
        "doubts": training.doubtful_labels(*data, plan),
    }


def test_there_are_nine_answers_each_with_a_control(parts):
    nine = answers.nine(**parts)
    assert [question.split("]")[0][1:] for question, _, _ in nine] == [
        "Labels", "Success", "Capacity", "Resilience", "Enough data", "Memorization",
        "Generalization", "Quality", "Reproducibility",
    ]  # fmt: skip
    assert all(answer and control for _, answer, control in nine)
    for (question, _, _), (_, place) in zip(nine, answers.QUESTIONS, strict=True):
        assert question.endswith(f"(#{place})")


def test_what_was_left_out_says_so(parts):
    few = parts | {"learners": None, "noise": None, "doubts": None, "curve": None}
    said = {question.split("]")[0][1:]: answer for question, answer, _ in answers.nine(**few)}
    late = [name for name, answer in said.items() if answer == answers.LATE]
    assert late == ["Labels", "Resilience", "Quality"]
    assert "best other learner" not in said["Success"]
    assert answers.best_learner(None) is None


def test_numbers_are_those_of_the_results(parts):
    sweep = replace(parts["sweep"], test=np.array([[0.5, 0.5], [0.9, 0.7]]))
    said = dict((name, answer) for name, answer, _ in answers.nine(**parts | {"sweep": sweep}))
    # Mean of two and Student's interval, 0.8 ± 12.706 * 0.1414 / sqrt(2), cut at 0 and 1.
    assert "network 80.0% [0.0, 100.0]" in said["[Success](#success-of-yours)"]
    assert "14.1 points" in said["[Reproducibility](#again-of-yours)"]


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([1.0, 2.0, 3.0], "2.0 dB [-0.5, 4.5]"),
        ([1.0, np.nan, 3.0], "2.0 dB [-10.7, 14.7]"),
        ([np.inf, 1.0], "–"),
        ([], "–"),
    ],
)
def test_seeds_without_a_value_do_not_count(samples, text):
    assert answers.between(samples, 1, " dB") == text


def test_a_loss_that_never_comes_is_said(parts):
    noise = replace(parts["noise"], half_db=np.array([np.nan, np.inf]))
    said = answers.nine(**parts | {"noise": noise})[3][1]
    assert said == "0 of 2 seeds lose half of what was learned in the range of noise"


def test_a_difference_that_could_be_none_is_called_so(parts):
    sweep, learners = parts["sweep"], parts["learners"]
    same = replace(learners, test=np.tile(sweep.test[-1], (len(learners.names), 1)))
    assert "no difference for certain" in answers.nine(**parts | {"learners": same})[7][1]
