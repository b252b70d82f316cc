import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from rethink.questions import damage

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 784), dtype=np.uint8)
GREY = np.full((500, 784), 128, dtype=np.uint8)  # far enough from black and white for some noise

quick = settings(deadline=None, max_examples=60)


def test_the_ratio_is_that_of_a_loop():
    damaged = IMAGES[::-1]
    signal = noise = 0.0
    for before, after in zip(IMAGES.ravel().tolist(), damaged.ravel().tolist(), strict=True):
        signal += (before / 255) ** 2
        noise += (after / 255 - before / 255) ** 2
    assert damage.snr_db(IMAGES, damaged) == pytest.approx(10 * math.log10(signal / noise))
    assert damage.snr_db(IMAGES, damaged / 255) == pytest.approx(damage.snr_db(IMAGES, damaged))
    assert damage.snr_db(IMAGES, IMAGES) == math.inf
    assert damage.snr_db(IMAGES, np.zeros_like(IMAGES)) == pytest.approx(0)


@pytest.mark.parametrize("db", [30.0, 15.0, 0.0, -10.0])
def test_noise_is_gaussian_and_as_strong_as_asked(db):
    noisy = damage.add_noise(GREY, db, seed=3, clip=False)
    assert noisy.images.dtype == np.float32
    assert noisy.db == pytest.approx(db, abs=0.05)
    # A ratio of amplitudes is 20 dB where it is ten: an independent way to the same strength.
    assert noisy.sd == pytest.approx(128 / 255 / 10 ** (db / 20), rel=1e-5)
    noise = (noisy.images - np.float32(128 / 255)) / noisy.sd
    assert stats.kstest(noise.ravel()[::50], "norm").pvalue > 0.01
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.01


def test_clipping_takes_noise_away():
    weak, strong = (damage.add_noise(GREY, db, seed=1) for db in (40, -10))
    assert weak.db == pytest.approx(40, abs=0.05)
    assert strong.images.min() == 0 and strong.images.max() == 1
    # Each pixel is at most half a grey scale off: the noise cannot outweigh such a signal.
    assert strong.db > -0.1
    assert damage.snr_db(GREY, strong.images) == strong.db
    assert np.array_equal(strong.images, damage.add_noise(GREY, -10, 1, False).images.clip(0, 1))


def test_noise_of_one_seed_differs_in_strength_alone():
    one, ten = (damage.add_noise(IMAGES, db, 2, clip=False) for db in (20, 0))
    clean = IMAGES / 255
    assert np.allclose((ten.images - clean) / 10, one.images - clean, atol=1e-5)
    other = damage.add_noise(IMAGES, 20, 4, clip=False)
    assert not np.array_equal(other.images, one.images)
    assert np.array_equal(damage.add_noise(IMAGES, 20, 2, clip=False).images, one.images)


def test_scans_of_flat_images_by_the_tables_of_the_standard():
    # Table K.3 of ITU-T T.81: 2 bits for an unchanged mean, K.5: 4 bits to end a block, and 28
    # pixels make 4 blocks a side. Black at quality 50 is -128 * 8 / 16 = -64, for the first block
    # 5 bits for its size and 7 for itself in place of the 2.
    grey, black = GREY[:2], np.zeros((1, 784), dtype=np.uint8)
    assert damage.jpeg(grey, 50).scan_bytes == 16 * (2 + 4) / 8
    assert damage.jpeg(black, 50).scan_bytes == math.ceil((16 * (2 + 4) + 5 + 7 - 2) / 8)
    assert np.array_equal(damage.jpeg(grey, 50).images, grey)


def test_jpeg_is_pillows_image_by_image(fashion):
    images = fashion.test_images[:30]
    found = damage.jpeg(images, 25)
    sizes = []
    for row, decoded in zip(images, found.images, strict=True):
        file = io.BytesIO()
        Image.frombytes("L", (28, 28), row.tobytes()).save(file, "JPEG", quality=25)
        sizes.append(len(file.getvalue()))
        assert np.asarray(Image.open(file)).tobytes() == decoded.tobytes()
    assert found.file_bytes == np.mean(sizes)
    # What is left without the scan is the same for every image.
    other = damage.jpeg(images[:7], 25)
    assert found.file_bytes - found.scan_bytes == other.file_bytes - other.scan_bytes


def test_jpeg_loses_more_at_lower_quality(fashion):
    images = fashion.test_images[:50]
    found = [damage.jpeg(images, quality) for quality in (95, 50, 10, 1)]
    ratios = [damage.snr_db(images, each.images) for each in found]
    assert ratios == sorted(ratios, reverse=True)
    sizes = [each.scan_bytes for each in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("levels", [2, 3, 4, 8, 100, 256])
def test_quantizing_goes_to_the_nearest_level(levels):
    every = np.arange(256, dtype=np.uint8)
    allowed = [255 * k / (levels - 1) for k in range(levels)]
    found = damage.quantize(every, levels).tolist()
    for pixel, got in enumerate(found):
        nearest = min(abs(pixel - each) for each in allowed)
        assert any(
            abs(pixel - each) <= nearest + 1e-9 and abs(got - each) <= 0.5 for each in allowed
        )
    assert len(set(found)) == levels and found[0] == 0 and found[-1] == 255
    assert found == sorted(found)
    assert damage.quantize(np.array(found, dtype=np.uint8), levels).tolist() == found


@pytest.mark.parametrize("kind", damage.DRIFTS)
def test_severity_zero_is_no_drift_and_each_next_is_more(kind, fashion):
    images = fashion.test_images[:50]
    same = damage.drift(images, kind, 0)
    assert np.array_equal(same, images) and not np.shares_memory(same, images)
    moved = [damage.drift(images, kind, severity) for severity in range(1, 6)]
    assert all(each.dtype == np.uint8 and each.shape == images.shape for each in moved)
    ratios = [damage.snr_db(images, each) for each in moved]
    assert ratios == sorted(ratios, reverse=True)


def test_a_shift_is_a_slice():
    moved = damage.drift(IMAGES, "shift", 4).reshape(-1, 28, 28)
    assert np.array_equal(moved[:, :, 4:], IMAGES.reshape(-1, 28, 28)[:, :, :-4])
    assert not moved[:, :, :4].any()


def test_a_rotation_by_a_right_angle_is_numpys(monkeypatch):
    monkeypatch.setitem(damage.DRIFTS, "rotation", (90, 180, 0, 0, 0))
    for severity in (1, 2):  # np.rot90 goes anticlockwise where the first axis points down
        turned = np.rot90(IMAGES.reshape(-1, 28, 28), severity, axes=(1, 2))
        moved = damage.drift(IMAGES, "rotation", severity)
        assert np.array_equal(moved, turned.reshape(-1, 784))


def test_a_rotation_is_pillows(fashion):
    images = fashion.test_images[:20]
    moved = damage.drift(images, "rotation", 3).reshape(-1, 28, 28)
    for row, found in zip(images.reshape(-1, 28, 28), moved, strict=True):
        turned = np.asarray(Image.fromarray(row).rotate(20, Image.Resampling.BILINEAR))
        # At the border the two fill differently, so the middle is compared.
        gap = np.abs(turned.astype(float) - found)[4:-4, 4:-4]
        assert gap.max() <= 2


def test_blur_is_a_weighted_sum_of_neighbours():
    image = IMAGES[0].reshape(28, 28)
    found = damage.drift(IMAGES[:1], "blur", 3).reshape(28, 28)
    for row, column in [(14, 14), (0, 0), (27, 5), (3, 20)]:
        total = weight = 0.0
        for i in range(row - 4, row + 5):
            for j in range(column - 4, column + 5):
                w = math.exp(-((i - row) ** 2 + (j - column) ** 2) / 2)
                weight += w
                total += w * int(image[i, j]) if 0 <= i < 28 and 0 <= j < 28 else 0
        assert abs(found[row, column] - total / weight) <= 0.51


def test_contrast_and_brightness_by_their_formulas():
    flat = damage.drift(IMAGES, "contrast", 3)
    mean = IMAGES.mean(axis=1, keepdims=True)
    assert np.abs(flat - (mean + 0.4 * (IMAGES - mean))).max() <= 0.51
    bright = damage.drift(IMAGES, "brightness", 2)
    assert np.abs(bright - np.minimum(IMAGES + 0.2 * 255, 255)).max() <= 0.51


levels_and_values = st.lists(st.integers(0, 20), min_size=2, max_size=8).flatmap(
    lambda values: st.tuples(
        st.just([v / 20 for v in values]),
        st.lists(st.integers(1, 9), min_size=len(values), max_size=len(values)),
        st.sampled_from([-1, 1]),
        st.integers(-1, 21).map(lambda v: v / 20),
    )
)


@quick
@given(levels_and_values)
def test_a_crossing_is_the_first_and_lies_on_the_curve(case):
    values, gaps, sign, target = case
    levels = (sign * np.cumsum(gaps)).astype(float)
    found = damage.first_crossing(levels, values, target)
    distance = sign * (levels - levels[0])
    if min(values) > target:
        assert found == sign * math.inf
    elif values[0] < target:
        assert found == -sign * math.inf
    else:
        reached = sign * (found - levels[0])
        assert np.interp(reached, distance, values) == pytest.approx(target)
        before = np.linspace(0, reached, 50)[:-1] if reached else []
        assert (np.interp(before, distance, values) > target - 1e-9).all()


def test_falls_of_a_curve_drawn_by_hand():
    db, accuracy = [30, 20, 10, 0], [0.9, 0.9, 0.7, 0.3]
    # Half of what is over chance is gone at 0.5, halfway from 10 to 0; a point at 0.89.
    assert damage.half_fall(db, accuracy, clean=0.9, chance=0.1) == pytest.approx(5)
    assert damage.point_fall(db, accuracy, clean=0.9) == pytest.approx(19.5)
    assert math.isnan(damage.half_fall(db, [0.1] * 4, clean=0.1, chance=0.1))
    assert damage.point_fall(db, [0.1] * 4, clean=0.1) == -math.inf


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: damage.add_noise(IMAGES, math.nan, 0), "db must be finite, but nan"),
        (lambda: damage.add_noise(IMAGES, -math.inf, 0), "db must be finite, but -inf"),
        (lambda: damage.add_noise(0 * IMAGES, 10, 0), "images must hold a signal"),
        (
            lambda: damage.snr_db(IMAGES, IMAGES[:3]),
            r"images' shape \(40, 784\), not \(3, 784\)",
        ),
        (lambda: damage.jpeg(IMAGES, 0), "quality must lie between 1 and 95, but 0"),
        (lambda: damage.jpeg(IMAGES, 96), "quality must lie between 1 and 95, but 96"),
        (lambda: damage.jpeg(IMAGES[:, :783], 50), "images must be square, but one had 783"),
        (lambda: damage.quantize(IMAGES, 1), "levels must lie between 2 and 256, but 1 was"),
        (lambda: damage.quantize(IMAGES, 257), "levels must lie between 2 and 256, but 257"),
        (lambda: damage.drift(IMAGES, "fog", 1), "kind must be one of rotation, .*'fog'"),
        (lambda: damage.drift(IMAGES, "blur", 6), "severity must be 0, .* but was 6"),
        (lambda: damage.drift(IMAGES[:, :5], "blur", 1), "images must be square"),
        (lambda: damage.first_crossing([1, 2], [1], 0), r"one shape \(k,\), .* \(2,\) and \(1,\)"),
        (lambda: damage.first_crossing([1], [1], 0), r"one shape \(k,\), .* \(1,\) and \(1,\)"),
        (lambda: damage.first_crossing([1, 2, 2], [1, 1, 1], 0), "rise or fall throughout"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
