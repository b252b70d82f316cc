import dataclasses
import json

import numpy as np
import pytest

from rethink.data import split
from rethink.experiments import robustness
from rethink.questions import attacks, damage
from rethink.questions.networks import Recipe, fit

TASK = {"hidden": (16, 8), "seeds": 2, "epochs": 5}


@pytest.fixture(scope="module")
def found(small):
    return robustness.run(small, **TASK)


@pytest.fixture(scope="module")
def networks(small):
    """The same networks, trained here."""
    rows = np.stack([split(1001, seed).train for seed in (0, 1)])
    return fit(Recipe((16, 8), epochs=5), small.train_images, small.train_labels, rows, [0, 1])


@pytest.fixture(scope="module")
def score(small, networks):
    def right(images):
        answers = networks.predict(images)
        pairs = [zip(each, small.test_labels, strict=True) for each in answers.tolist()]
        return [sum(a == b for a, b in pair) / 203 for pair in pairs]

    return right


def test_tasks_are_plain_and_cost_what_was_allowed():
    tasks = robustness.tasks(5)
    assert [tuple(each["hidden"]) for each in tasks] == [(256, 128, 128), (32, 16, 16), (8, 4, 4)]
    assert [each["seeds"] for each in json.loads(json.dumps(tasks))] == [5, 5, 5]
    assert 0 < sum(map(robustness.seconds, tasks)) < 270


def test_results_are_small_and_whole(found):
    shapes = {name: value.shape for name, value in found.items()}
    assert shapes["clean"] == shapes["half_db"] == shapes["clipped_point_db"] == (2,)
    assert shapes["noise"] == shapes["clipped"] == (2, 10)
    assert shapes["noise_db"] == shapes["clipped_db"] == (10,)
    assert shapes["jpeg"] == (2, 7) and shapes["jpeg_scan_bytes"] == (7,)
    assert shapes["grey"] == (2, 8) and shapes["grey_levels"] == (8,)
    assert shapes["drift"] == (2, 5, 6) and shapes["drift_db"] == (5, 6)
    assert shapes["pgd"] == shapes["fgsm_db"] == (2, len(found["epsilon"]))
    assert shapes["flat"] == shapes["pgd_half_db"] == shapes["least_half_db"] == (2,)
    assert shapes["signs"] == shapes["pgd"]
    assert shapes["least"] == (2, 71) and shapes["least_db"] == (71,)
    assert shapes["total"] == (2, 6) and shapes["total_db"] == (6,)
    assert found["attacked"] == 203
    assert sum(value.nbytes for value in found.values()) < 20_000
    assert all(value.dtype.kind in "ifU" for value in found.values())
    assert not any(np.isnan(value).any() for value in found.values() if value.dtype.kind == "f")


def test_no_damage_is_no_loss(found, score, small):
    assert found["clean"].tolist() == pytest.approx(score(small.test_images))
    assert min(found["clean"]) > 0.4
    for same in (
        found["grey"][:, 0],
        found["drift"][:, 0, 0],
        found["drift"][:, 4, 0],
        found["fgsm"][:, 0],
        found["pgd"][:, 0],
        found["signs"][:, 0],
    ):
        assert np.array_equal(same, found["clean"])
    assert np.isinf(found["drift_db"][:, 0]).all() and np.isinf(found["grey_db"][0])
    assert (found["drift_amounts"][:, 0] == [0, 0, 0, 1, 0]).all()


def test_damaged_images_are_those_of_the_modules(found, score, small, networks):
    images, labels = small.test_images, small.test_labels
    noisy = damage.add_noise(images, -5, 0)
    assert found["clipped_db"][8] == pytest.approx(noisy.db)
    assert found["clipped"][:, 8].tolist() == pytest.approx(score(noisy.images))
    noisy = damage.add_noise(images, 5, 0, clip=False)
    assert found["noise_db"][6] == 5
    assert found["noise"][:, 6].tolist() == pytest.approx(score(noisy.images))
    jpeg = damage.jpeg(images, 5)
    assert found["jpeg_quality"][5] == 5 and found["jpeg_file_bytes"][5] == jpeg.file_bytes
    assert found["jpeg"][:, 5].tolist() == pytest.approx(score(jpeg.images))
    assert found["grey_levels"][-1] == 2
    assert found["grey"][:, -1].tolist() == pytest.approx(score(damage.quantize(images, 2)))
    kind, severity = found["drift_kinds"].tolist().index("blur"), 4
    blurred = damage.drift(images, "blur", severity)
    assert found["drift"][:, kind, severity].tolist() == pytest.approx(score(blurred))
    assert found["drift_db"][kind, severity] == pytest.approx(damage.snr_db(images, blurred))
    assert found["drift_amounts"][kind, severity] == 1.5
    last = attacks.pgd(networks, images, labels, 32 / 255, steps=10, seed=0)
    assert found["epsilon"][-1] == 32 / 255
    assert found["pgd"][:, -1].tolist() == pytest.approx(score(last))
    assert found["pgd_db"][1, -1] == pytest.approx(damage.snr_db(images, last[1]))


def test_what_misleads_in_total_is_what_the_attacks_find(found, score, small, networks):
    images, labels = small.test_images, small.test_labels
    lengths = attacks.ddn(networks, images, labels, robustness.LEAST_STEPS).lengths
    place = found["least_db"].tolist().index(25)
    # A change of this length in each image leaves 25 dB over all of them.
    power = np.square(damage.as_shares(images)).sum(axis=1).mean()
    radius = (power / 10**2.5) ** 0.5
    kept = (lengths > radius).mean(axis=1)
    assert found["least"][:, place].tolist() == pytest.approx(kept.tolist())
    altered = attacks.pgd_l2(networks, images, labels, radius, robustness.STEPS)
    place = found["total_db"].tolist().index(25)
    assert found["total"][:, place].tolist() == pytest.approx(score(altered))
    # Clipping takes some noise away.
    assert 25 <= damage.snr_db(images, altered[0]) < 25.5
    assert found["total_beats"] < 0.02
    assert (np.diff(found["least"], axis=1) <= 0).all()


def test_an_attack_does_more_than_chance_of_its_kind(found):
    assert (found["signs"][:, -1] > found["pgd"][:, -1] + 0.2).all()
    assert (found["least_half_db"] > found["pgd_half_db"]).all()
    assert (found["least_half_db"] > found["half_db"] + 10).all()


def test_falls_lie_on_their_curves(found):
    for member in range(2):
        target = found["clean"][member] - 0.01
        at = np.interp(-found["point_db"][member], -found["noise_db"], found["noise"][member])
        assert at == pytest.approx(target)
        at = np.interp(found["pgd_half"][member], found["epsilon"], found["pgd"][member])
        assert at == pytest.approx((found["clean"][member] + 0.1) / 2)
        at = np.interp(
            -found["pgd_half_db"][member], -found["pgd_db"][member, 1:], found["pgd"][member, 1:]
        )
        assert at == pytest.approx((found["clean"][member] + 0.1) / 2)


def test_the_same_task_gives_the_same_bits(found, small):
    again = robustness.run(small, **TASK)
    assert again.keys() == found.keys()
    assert all(np.array_equal(again[name], found[name]) for name in found)


def test_a_network_that_learned_nothing_has_nothing_to_lose(small):
    only = dataclasses.replace(
        small, test_images=small.test_images[:20], test_labels=np.zeros(20, dtype=np.uint8)
    )
    # With labels that are all the same, some constant answer has accuracy 0 and another one 1.
    found = robustness.run(only, hidden=(1, 1, 1), seeds=3, epochs=1)
    for name in ("half_db", "clipped_half_db"):
        assert (np.isnan(found[name]) == (found["clean"] <= 0.1)).all()
    assert (np.isnan(found["pgd_half"]) == (found["pgd"][:, 0] <= 0.1)).all()
    assert (np.isnan(found["least_half_db"]) == (found["pgd"][:, 0] <= 0.1)).all()
    assert np.isnan(found["half_db"]).any()
