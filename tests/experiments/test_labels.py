"""The experiment on labels and copies, on few rows."""

import dataclasses
import itertools

import numpy as np
import pytest

from rethink import intervals
from rethink.experiments import labels


def doubts(small, kind, seed=0):
    return labels.run(small, kind=kind, seed=seed)


@pytest.fixture(scope="module")
def given(small):
    return doubts(small, "given")


def test_tasks_are_plain_and_differ():
    tasks = labels.tasks(5)
    assert len(tasks) == 5 + 2 * 2 + 1 + 3 == len({tuple(task.items()) for task in tasks})
    assert all(type(v) in (int, str) for task in tasks for v in task.values())
    assert all(0 < labels.seconds(task) < 60 for task in tasks)
    assert len(labels.tasks(1)) == 1 + 3 + 3


def test_shapes_and_the_same_bits_again(small, given):
    n, m = 1001, 203
    assert given["joint"].shape == (10, 10) and given["joint"].sum() == pytest.approx(1)
    # Calibrated: as many images bear each label as do.
    bearing = np.bincount(small.train_labels, minlength=10) / n
    np.testing.assert_allclose(given["joint"].sum(axis=1), bearing)
    assert given["issues"] == pytest.approx(n * (1 - given["joint"].trace()))
    assert given["quality"].shape == (n,) and given["quality"].dtype == np.float16
    assert given["doubtful"].shape == given["suggested"].shape == (50,)
    assert given["test_predicted"].shape == given["test_quality"].shape == (m,)
    assert (np.diff(given["quality"][given["doubtful"]]) >= 0).all()
    again = doubts(small, "given")
    assert given.keys() == again.keys()
    for name, values in given.items():
        np.testing.assert_array_equal(values, again[name])
    assert (doubts(small, "given", 1)["quality"] != given["quality"]).any()
    assert sum(values.nbytes for values in given.values()) < 10_000


def test_networks_are_judged_on_what_they_have_not_seen(small, given):
    """With labels drawn at random nothing can be learned, so held-out answers are chance."""
    rng = np.random.default_rng(3)
    drawn = dataclasses.replace(
        small, train_labels=rng.permutation(small.train_labels), digest="drawn"
    )
    held, _ = labels._held_out(drawn, drawn.train_labels.astype(np.int64), 0)
    right = int((held.argmax(axis=1) == drawn.train_labels).sum())
    chance = np.bincount(small.train_labels).max() / 1001
    assert intervals.wilson_interval(right, 1001, 0.999).low < chance
    assert given["accuracy"] > 0.55


def test_every_row_is_held_out_once_whatever_the_number(small, monkeypatch):
    asked = {}

    class Networks:
        def probabilities(self, images):
            asked["held"] = asked.get("held", images)
            shape = (labels.FOLDS, images.shape[-2], 10)
            return np.full(shape, 0.1) + np.arange(labels.FOLDS)[:, None, None]

    def fit(recipe, images, targets, rows, seeds, classes):
        asked["rows"] = rows
        return Networks()

    monkeypatch.setattr(labels, "fit", fit)
    held, _ = labels._held_out(small, small.train_labels.astype(np.int64), 0)
    for row, fold in enumerate(held[:, 0].round().astype(int).tolist()):
        assert row not in asked["rows"][fold]
    assert asked["rows"].shape == (5, 1001 - 201)


@pytest.mark.parametrize("kind", ["uniform", "alike"])
def test_controls_alter_a_known_fiftieth_and_find_much_of_it(small, given, kind):
    result = doubts(small, kind)
    rows, new = result["altered"], result["labels"]
    assert len(rows) == 20 == len(new) and (new != small.train_labels[rows]).all()
    if kind == "alike":
        nearest = labels.nearest_class(small.train_images, small.train_labels)
        assert new.tolist() == nearest[small.train_labels[rows]].tolist()
    # By chance the most doubtful twentieth would hold a twentieth of them.
    assert np.isin(rows, result["doubtful"]).mean() > 0.25
    assert "quality" not in result


def test_own_labels_are_what_networks_say(small, given):
    result = doubts(small, "own")
    share = 1 - len(result["altered"]) / 1001
    assert 0.6 < share < 1
    # What follows from the images is learned better than what was given.
    assert result["accuracy"] > given["accuracy"]


def test_nearest_class_is_the_one_with_the_nearest_mean(small):
    found = labels.nearest_class(small.train_images, small.train_labels)
    means = [small.train_images[small.train_labels == c].mean(axis=0) for c in range(10)]
    for c in range(10):
        apart = {k: np.linalg.norm(means[c] - means[k]) for k in range(10) if k != c}
        assert found[c] == min(apart, key=apart.__getitem__)


def test_pairs_know_copies_mirror_images_and_others(small):
    turned = np.flip(small.train_images[:100].reshape(-1, 28, 28), axis=2).reshape(-1, 784)
    tests = np.concatenate([small.train_images[:100], turned, small.test_images[200:]])
    data = dataclasses.replace(small, test_images=tests, digest="copies")
    straight, mirror = (labels.run(data, kind=kind, seed=0) for kind in ("test", "mirrored"))
    assert (straight["distances"][:100] == 0).all() and (mirror["distances"][100:200] == 0).all()
    assert straight["neighbours"][:100].tolist() == list(range(100))
    assert straight["distances"].shape == straight["neighbours"].shape == (203,)
    assert straight["rows"].tolist() == list(range(203))
    within = labels.run(data, kind="train", seed=0)
    assert len(set(within["rows"].tolist())) == 203 and (within["distances"] > 0).all()
    assert (within["neighbours"] != within["rows"]).all()


def test_unknown_kind_is_named(small):
    with pytest.raises(ValueError, match=r"kind must be one of given, uniform.*'judged'"):
        labels.run(small, kind="judged", seed=0)


def test_judgements_are_of_the_drawn_images(fashion):
    made = labels.judgements()
    known = (*fashion.classes, labels.UNDECIDABLE)
    assert [j.sample for j in made] == ["random"] * 50 + ["doubtful"] * 50
    assert all(j.seen in known and 0 <= j.index < 60_000 for j in made)
    drawn = np.random.default_rng([0, 77]).choice(60_000, 50, replace=False)
    assert {j.index for j in made[:50]} == set(drawn.tolist())
    assert len({j.index for j in made[50:]}) == 50
    # Doubtful labels are disagreed with more often, or the score would mean nothing.
    right = [fashion.classes[fashion.train_labels[j.index]] == j.seen for j in made]
    assert sum(right[:50]) > sum(right[50:])
    assert all(a.sample == b.sample or a.sample == "random" for a, b in itertools.pairwise(made))
