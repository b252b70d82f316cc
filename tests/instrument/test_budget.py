"""Plans against what is promised of them, on shapes from tiny to large."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethink import mec
from rethink.errors import InputError
from rethink.instrument import budget as plans
from rethink.instrument.budget import plan

SHAPES = [
    (20, 1, 2, None),
    (150, 4, 3, None),
    (569, 30, 2, None),
    (1_797, 64, 10, (8, 8)),
    (60_000, 784, 10, (28, 28)),
    (60_000, 784, 10, None),
    (50_000, 3_072, 10, (32, 32, 3)),
    (2_000_000, 10, 5, None),
    (100, 20_000, 2, None),
    (10_000, 50, 300, None),
]
MINUTES = (0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 40, 60)


def affordable(n, d, c, shape):
    """Plans for all the minutes that suffice."""
    found = []
    for minutes in MINUTES:
        try:
            found.append(plan(n, d, c, minutes, shape=shape))
        except InputError as error:
            assert not found, f"{minutes} are too few, but fewer were not: {error}"
    return found


@pytest.mark.parametrize(("n", "d", "c", "shape"), SHAPES)
def test_it_fits_and_more_minutes_are_never_less_work(n, d, c, shape):
    found = affordable(n, d, c, shape)
    assert found
    assert all(0 < each.total <= 60 * each.minutes for each in found)
    for less, more in itertools.pairwise(found):
        for name in ("rows", "train_rows", "steps", "trees", "iterations", "hidden", "total"):
            assert getattr(less, name) <= getattr(more, name)
        assert set(less.learners) <= set(more.learners)
        batches = [-(-each.train_rows // plans.BATCH) for each in (less, more)]
        passes = [
            each.convolution_epochs * b for each, b in zip((less, more), batches, strict=True)
        ]
        assert passes[0] <= passes[1]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(20, 10**6), st.integers(1, 3_000), st.integers(2, 50), st.floats(0.2, 60))
def test_what_holds_of_every_plan(n, d, c, minutes):
    if 5 * c > n:
        return
    try:
        made = plan(n, d, c, minutes)
    except InputError:
        return
    assert made == plan(n, d, c, minutes)
    assert made.total <= 60 * minutes
    assert made.rows <= n and made.train_rows + made.test_rows == made.rows
    assert made.train_rows >= c and made.test_rows >= 4
    assert made.hidden[0] == 0 and list(made.hidden) == sorted(set(made.hidden))
    assert 4 * made.seeds * made.rows * d <= 2**30
    assert made.seconds.keys() == plans.PARTS.keys()


def test_capacities_run_from_below_the_labels_bits_to_above():
    for n, d, c, minutes in ((150, 4, 3, 1), (569, 30, 2, 1), (1_797, 64, 10, 2)):
        made = plan(n, d, c, minutes)
        bits = [mec.perceptron_mec((d, h, c), "four-rules").bits for h in made.hidden[1:]]
        labels = mec.dictionary_bits([made.train_rows // c] * c)
        assert bits[0] < labels / 4 and 1.5 * labels < bits[-1] < 3 * labels


def test_images_get_a_convolution_and_many_classes_no_boosting():
    assert "convolution" in plan(5_000, 100, 10, 10, shape=(10, 10)).learners
    for shape in (None, (9, 9), (10, 11), (10, 10, 3)):
        assert "convolution" not in plan(5_000, 100, 10, 10, shape=shape).learners
    assert "convolution" in plan(5_000, 100, 10, 10, shape=(10, 10, 1)).learners
    assert "boosting" not in plan(1_000, 10, 31, 10).learners


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((19, 4, 2, 1), "19 rows are too few .* rethink measure"),
        ((100, 0, 2, 1), "without features .* rethink measure"),
        ((100, 4, 1, 1), "one class; use rethink measure"),
        ((100, 4, 21, 1), "21 classes are too many for 100 rows .* rethink measure"),
        ((100, 4, 2, 0.1), "between 0.2 and 60"),
        ((100, 4, 2, float("nan")), "between 0.2 and 60"),
        ((100, 4, 2, 1, 1), "seeds must be 2 or more"),
        ((10_000, 10_000_000, 2, 60), "GiB .* rethink measure"),
    ],
)
def test_what_cannot_be_planned_is_said(arguments, said):
    with pytest.raises(InputError, match=said):
        plan(*arguments)


def test_too_few_minutes_name_minutes_that_would_do():
    with pytest.raises(InputError, match="too few") as caught:
        plan(50_000, 3_072, 10, 0.2, shape=(32, 32, 3))
    words = str(caught.value).split()
    enough = float(words[words.index("would") - 1])
    assert plan(50_000, 3_072, 10, enough, shape=(32, 32, 3)).total > 60 * 0.2
    # Not more than needed, up to the decimal that is shown.
    with pytest.raises(InputError):
        plan(50_000, 3_072, 10, enough - 0.2)


def test_the_table_shown_has_every_part_and_the_sum():
    made = plan(569, 30, 2, 1)
    lines = str(made).splitlines()
    for part in plans.PARTS:
        assert any(line.startswith(part) for line in lines)
    assert lines[-1].split()[2] == f"{made.total:.0f}"
    assert made.to_dict()["steps"] == made.epochs * 8  # 455 rows are 8 batches
