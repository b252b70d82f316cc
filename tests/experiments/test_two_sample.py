import json

import numpy as np
import pytest

from rethink.experiments import two_sample


def test_tasks_are_plain_and_cost_what_was_allowed():
    tasks = two_sample.tasks(5)
    kinds = [(each["kind"], each["severity"]) for each in json.loads(json.dumps(tasks))]
    assert kinds[:2] == [("test", 0), ("train", 0)] and len(set(kinds)) == len(kinds) == 11
    assert 0 < sum(map(two_sample.seconds, tasks)) <= 45


@pytest.mark.parametrize("kind", ["test", "train"])
def test_sets_drawn_alike_are_not_told_apart(small, kind):
    found = two_sample.run(small, kind=kind, severity=0, seeds=3)
    trials = int(found["trials"])
    assert trials == 202  # of 203 test images, an even number, half of them judged
    share = found["right"] / trials
    # Five standard errors of a fair coin, about 0.035 each.
    assert (abs(share - 0.5) < 5 * 0.5 / trials**0.5).all()
    assert found["trained"].shape == (3,) and (found["trained"] > share).all()
    assert (found["confusion"].sum(axis=2) == trials / 2).all()
    assert (found["confusion"][:, [0, 1], [0, 1]].sum(axis=1) == found["right"]).all()


def test_altered_images_are_told_apart(small):
    found = two_sample.run(small, kind="contrast", severity=3, seeds=2)
    assert (found["right"] > 0.9 * found["trials"]).all()


def test_no_row_is_both_learned_and_judged(small, monkeypatch):
    seen = {}

    def spy(recipe, images, labels, rows, seeds, classes):
        seen.update(labels=labels, rows=rows, images=images)
        return real(recipe, images, labels, rows, seeds, classes=classes)

    real = two_sample.fit
    monkeypatch.setattr(two_sample, "fit", spy)
    for kind in ("test", "train"):
        two_sample.run(small, kind=kind, severity=0, seeds=2)
        for labels, rows in zip(seen["labels"], seen["rows"], strict=True):
            assert len(set(rows.tolist())) == len(rows) == 202
            assert labels[rows].sum() == 101
            # All of the second set's rows that were not learned are judged, and no others.
            assert labels.sum() == 202
        # Learned rows differ from member to member.
        assert set(seen["rows"][0].tolist()) != set(seen["rows"][1].tolist())
    assert np.array_equal(seen["images"], small.train_images)


def test_class_counts(small):
    found = two_sample.run(small, kind="test", severity=0, seeds=2)
    slow = [
        [list(labels).count(each) for each in range(10)]
        for labels in (small.train_labels, small.test_labels)
    ]
    assert found["class_counts"].tolist() == slow
    counts = np.array(slow, dtype=float)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()
    draws = np.random.default_rng(0).chisquare(9, 200_000)
    assert found["class_p"] == pytest.approx((draws > statistic).mean(), abs=0.01)


def test_the_same_task_gives_the_same_bits(small):
    task = {"kind": "blur", "severity": 2, "seeds": 2}
    first, again = (two_sample.run(small, **task) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_bad_input(small):
    with pytest.raises(ValueError, match=r"kind must be one of rotation, .*'noise'"):
        two_sample.run(small, kind="noise", severity=1, seeds=2)
