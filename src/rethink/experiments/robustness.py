"""What networks trained on clean images make of damaged ones.

The report gives its network's average resilience in dB, as a ratio of two expectations that no
damaged image enters. Here it is measured: test images get Gaussian noise at a known signal-to-noise
ratio, JPEG compression, fewer grey levels, drift of five kinds, and attacks; accuracy is measured
at each strength. The noise at which a network has lost half of what it has over chance, and that at
which it has lost a percentage point, are resilience in dB. Attacks and drift are put on the same
axis by the signal-to-noise ratio that they leave.

Decibels are total noise, so that the worst noise at so many of them is bounded in total: for each
attacked image the least change that misleads is looked for (`attacks.ddn`), and accuracy at a ratio
is the share of images that need more. Projected gradient descent within the same total is its
control. The attack that bounds the change of a pixel is compared with itself at random: each pixel
changed by as much, up or down by chance.

Trained on the clean split with the default recipe; only the images tested are damaged. All members
are tested on the same damaged images, attacks aside, which are each member's own. Sources: see
`rethink.questions.damage` and `rethink.questions.attacks`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethink.data import Dataset, split
from rethink.questions import attacks, damage
from rethink.questions.networks import Networks, Recipe, fit

HIDDEN = ((256, 128, 128), (32, 16, 16), (8, 4, 4))
DB = (40, 30, 25, 20, 15, 10, 5, 0, -5, -10)
QUALITIES = (95, 75, 50, 25, 10, 5, 1)
LEVELS = (256, 128, 64, 32, 16, 8, 4, 2)
# Grey levels out of 255. An attacker of stored images could not change a pixel by less than one,
# but one is already enough to cost more than a percentage point.
EPSILONS = (0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32)
STEPS = 10  # of projected gradient descent
LEAST_STEPS = 80  # of the search for the least change
LEAST_DB = tuple(range(70, -1, -1))
TOTAL_DB = (45, 40, 35, 30, 25, 20)  # where projected gradient descent is its control
ATTACKED = 2_000  # test images, the first ones: an attack costs as much as training on them
NOISE_SEED = 0

Arrays = dict[str, NDArray[Any]]


def tasks(seeds: int, epochs: int = 10) -> list[dict[str, Any]]:
    """Return one task for each network, all its seeds in one stack."""
    return [{"hidden": hidden, "seeds": seeds, "epochs": epochs} for hidden in HIDDEN]


def seconds(task: dict[str, Any]) -> float:
    """Return roughly how many core seconds a task takes."""
    units = sum(task["hidden"])
    return float(task["seeds"] / 5 * ((1.8 + units / 90) * task["epochs"] + units / 9 + 9) + 16)


def elsewhere(task: dict[str, Any]) -> dict[str, float]:
    """Return how far arrays may lie apart on another type of machine; see `rethink.runs.audit`."""
    return {"clean": 0.02, "noise": 0.05, "grey": 0.03}


def run(data: Dataset, *, hidden: tuple[int, ...], seeds: int, epochs: int) -> Arrays:
    """Train a network's members and test them under damage.

    Accuracies are shares of the test images, S = `seeds` members first; strengths are arrays, too.

    Returns:
        ``clean`` (S,): accuracy without damage.

        Noise: ``noise_db`` (k,) asked for, ``noise`` (S, k) accuracies, pixels not clipped;
        ``clipped_db`` (k,) what clipping to black and white leaves of it, ``clipped`` (S, k).

        ``half_db`` and ``point_db`` (S,): where `damage.half_fall` and `damage.point_fall` put
        ``noise``; ``clipped_half_db`` and ``clipped_point_db`` (S,): the same for ``clipped``.

        JPEG: ``jpeg_quality``, ``jpeg_file_bytes``, ``jpeg_scan_bytes``, ``jpeg_db`` (7,);
        ``jpeg`` (S, 7).

        Grey levels: ``grey_levels``, ``grey_db`` (8,); ``grey`` (S, 8).

        Drift: ``drift_kinds`` (5,) names, ``drift_amounts`` and ``drift_db`` (5, 6) for severities
        0 to 5, ``drift`` (S, 5, 6).

        Attacks, on the first ``attacked`` () test images; ``flat`` (S,): share of them where the
        gradient is zero.

        Bounded a pixel: ``epsilon`` (e,) with white as 1; ``fgsm`` and ``pgd`` (S, e); ``fgsm_db``
        and ``pgd_db`` (S, e); ``pgd_half`` and ``pgd_point`` (S,): epsilon at which ``pgd`` has
        fallen, and ``pgd_half_db`` and ``pgd_point_db`` (S,): the same in dB; ``signs`` (S, e):
        each pixel changed by epsilon up or down by chance, and kept between black and white.

        Bounded in total: ``least_db`` (k,), ``least`` (S, k): share of the images that are right
        and need more noise than that to be misled, as far as was found; ``least_half_db`` and
        ``least_point_db`` (S,): where it has fallen; ``total_db`` (t,), ``total`` (S, t):
        accuracy under projected gradient descent within that noise; ``total_beats`` (): share of
        the images, all members and levels together, that it misled with less than was found.
    """
    networks = _train(data, hidden, seeds, epochs)
    images = data.test_images
    truth = data.test_labels

    def accuracy(damaged: NDArray[Any]) -> NDArray[np.float64]:
        return _accuracy(networks, damaged, truth)

    clean = accuracy(images)
    chance = 1 / len(data.classes)
    found: Arrays = {"clean": clean}
    noisy = [damage.add_noise(images, db, NOISE_SEED, clip=False).images for db in DB]
    found["noise_db"] = np.array(DB, dtype=np.float64)
    found["noise"] = _columns(map(accuracy, noisy))
    clipped = [each.clip(0, 1) for each in noisy]
    found["clipped_db"] = np.array([damage.snr_db(images, each) for each in clipped])
    found["clipped"] = _columns(map(accuracy, clipped))
    del noisy, clipped
    for prefix, levels, curves in (
        ("", found["noise_db"], found["noise"]),
        ("clipped_", found["clipped_db"], found["clipped"]),
    ):
        falls = _falls(levels, curves, clean, chance)
        found[f"{prefix}half_db"], found[f"{prefix}point_db"] = falls

    jpegs = [damage.jpeg(images, quality) for quality in QUALITIES]
    found["jpeg_quality"] = np.array(QUALITIES)
    found["jpeg_file_bytes"] = np.array([each.file_bytes for each in jpegs])
    found["jpeg_scan_bytes"] = np.array([each.scan_bytes for each in jpegs])
    found["jpeg_db"] = np.array([damage.snr_db(images, each.images) for each in jpegs])
    found["jpeg"] = _columns(accuracy(each.images) for each in jpegs)

    coarse = [damage.quantize(images, levels) for levels in LEVELS]
    found["grey_levels"] = np.array(LEVELS)
    found["grey_db"] = np.array([damage.snr_db(images, each) for each in coarse])
    found["grey"] = _columns(map(accuracy, coarse))
    return found | _drift(images, accuracy) | _attacks(networks, images, truth, chance)


def _train(data: Dataset, hidden: tuple[int, ...], seeds: int, epochs: int) -> Networks:
    images = data.train_images
    rows = np.stack([split(len(images), seed).train for seed in range(seeds)])
    recipe = Recipe(tuple(hidden), epochs)
    return fit(recipe, images, data.train_labels, rows, range(seeds), len(data.classes))


def _accuracy(
    networks: Networks, images: NDArray[Any], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return each member's share of right answers, shape (S,)."""
    return np.asarray((networks.predict(images) == labels).mean(axis=1))


def _columns(accuracies: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack(list(accuracies), axis=1)


def _falls(
    levels: NDArray[np.float64],
    curves: NDArray[np.float64],
    clean: NDArray[np.float64],
    chance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each member's half fall and point fall, shape (S,) both."""
    pairs = list(zip(curves, clean, strict=True))
    return (
        np.array([damage.half_fall(levels, curve, best, chance) for curve, best in pairs]),
        np.array([damage.point_fall(levels, curve, best) for curve, best in pairs]),
    )


def _drift(
    images: NDArray[np.uint8], accuracy: Callable[[NDArray[Any]], NDArray[np.float64]]
) -> Arrays:
    kinds = list(damage.DRIFTS)
    found = []
    db = []
    for kind in kinds:
        for severity in range(6):
            moved = damage.drift(images, kind, severity)
            found.append(accuracy(moved))
            db.append(damage.snr_db(images, moved))
    # Only contrast is a factor: it is 1 where nothing is altered.
    amounts = [[float(kind == "contrast"), *damage.DRIFTS[kind]] for kind in kinds]
    return {
        "drift_kinds": np.array(kinds),
        "drift_amounts": np.array(amounts),
        "drift_db": np.reshape(db, (len(kinds), 6)),
        "drift": _columns(found).reshape(-1, len(kinds), 6),
    }


def _attacks(
    networks: Networks, images: NDArray[np.uint8], truth: NDArray[np.uint8], chance: float
) -> Arrays:
    images = images[:ATTACKED]
    truth = truth[:ATTACKED]
    epsilon = np.array(EPSILONS) / 255
    found: Arrays = {
        "attacked": np.array(len(images)),
        "epsilon": epsilon,
        "flat": attacks.flat_share(networks, images, truth),
    }
    for name, attack, options in (
        ("fgsm", attacks.fgsm, {}),
        ("pgd", attacks.pgd, {"steps": STEPS, "seed": NOISE_SEED}),
    ):
        accuracies = []
        db = []
        for each in epsilon:
            altered = attack(networks, images, truth, each, **options)
            accuracies.append(_accuracy(networks, altered, truth))
            db.append(np.array([damage.snr_db(images, member) for member in altered]))
        found[name] = _columns(accuracies)
        found[f"{name}_db"] = _columns(db)
    curves = found["pgd"]
    found["pgd_half"], found["pgd_point"] = _falls(epsilon, curves, curves[:, 0], chance)
    # Epsilon zero is infinitely many dB, which no line leads to: the curve begins after it.
    falls = np.array(
        [
            _falls(db[1:], curve[None, 1:], curve[:1], chance)
            for db, curve in zip(found["pgd_db"], curves, strict=True)
        ]
    )
    found["pgd_half_db"], found["pgd_point_db"] = falls[:, 0, 0], falls[:, 1, 0]

    up = np.random.default_rng([NOISE_SEED, 7]).random(images.shape) < 0.5
    signs = np.where(up, np.float32(1), np.float32(-1))
    clean = damage.as_shares(images)
    found["signs"] = _columns(
        _accuracy(networks, (clean + np.float32(each) * signs).clip(0, 1), truth)
        for each in epsilon
    )
    return found | _bounded_in_total(networks, images, truth, chance)


def _bounded_in_total(
    networks: Networks, images: NDArray[np.uint8], truth: NDArray[np.uint8], chance: float
) -> Arrays:
    # Every image may get the noise that a ratio leaves room for on average, as in `add_noise`.
    power = float(np.square(damage.as_shares(images)).sum(axis=1, dtype=np.float64).mean())
    lengths = attacks.ddn(networks, images, truth, LEAST_STEPS).lengths

    def unmoved(db: float) -> NDArray[np.bool_]:
        return lengths > radius(db)

    def radius(db: float) -> float:
        return float((power * 10 ** (-db / 10)) ** 0.5)

    levels = np.array(LEAST_DB, dtype=np.float64)
    least = _columns(unmoved(db).mean(axis=1) for db in LEAST_DB)
    falls = _falls(levels, least, (lengths > 0).mean(axis=1), chance)
    totals = []
    beaten = []
    for db in TOTAL_DB:
        altered = attacks.pgd_l2(networks, images, truth, radius(db), STEPS)
        right = networks.predict(altered) == truth
        totals.append(right.mean(axis=1))
        beaten.append(unmoved(db) & ~right)
    return {
        "least_db": levels,
        "least": least,
        "least_half_db": falls[0],
        "least_point_db": falls[1],
        "total_db": np.array(TOTAL_DB, dtype=np.float64),
        "total": _columns(totals),
        "total_beats": np.array(np.mean(beaten)),
    }
