import gzip
import hashlib
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rethink import data, paths
from rethink._torchvision import import_torchvision
from rethink.data import Collection, DataError, Dataset, Part, Source, load, randomize_labels, split

NAMES = [part.name for part in data.FASHION_MNIST.parts]


def tiny_arrays() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (6, 4)]
    labels = [np.tile(np.arange(2, dtype=np.uint8), n) for n in (3, 2)]
    return [images[0], labels[0], images[1], labels[1]]


def tiny_parts() -> tuple[Part, ...]:
    return tuple(
        Part(name, array.shape, hashlib.sha256(array.data).hexdigest())
        for name, array in zip(NAMES, tiny_arrays(), strict=True)
    )


TINY = Collection("Tiny", tiny_parts(), ("a", "b"))


def put(folder: Path, suffix: str = "", names: list[str] | None = None) -> Path:
    """Write the files of TINY, as another program would."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, tiny_arrays(), strict=True):
        lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
        content = bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()
        if names is None or name in names:
            (folder / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)
    return folder


def from_folder(name: str, folder: Path, asked: list[str] | None = None) -> Source:
    def provide(_: Path) -> Path:
        if asked is not None:
            asked.append(name)
        return folder

    return name, provide


def failing(name: str, message: str) -> Source:
    def provide(_: Path) -> Path:
        raise RuntimeError(message)

    return name, provide


def flip(path: Path, offset: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def raw_of(cache: Path) -> Path:
    return cache / "FashionMNIST" / "raw"


def is_tiny(found: Dataset) -> bool:
    arrays = [found.train_images, found.train_labels, found.test_images, found.test_labels]
    pairs = zip(arrays, tiny_arrays(), strict=True)
    return all(np.array_equal(a, b.reshape(a.shape)) and a.dtype == np.uint8 for a, b in pairs)


def test_importing_the_module_imports_no_torch() -> None:
    code = "import sys, rethink.data; sys.exit('torch' in sys.modules or 'filelock' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What is loaded


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_that_a_user_put_there_are_enough(tmp_path: Path, suffix: str) -> None:
    put(raw_of(tmp_path), suffix)
    found = load(TINY, tmp_path, [failing("network", "must not be asked")])
    assert is_tiny(found) and found.train_images.shape == (6, 784)
    assert found.classes == ("a", "b") and found.name == "Tiny" and len(found.digest) == 64
    with pytest.raises(ValueError, match="read-only"):
        found.train_images[0, 0] = 1


def test_the_digest_depends_on_the_content_alone(tmp_path: Path) -> None:
    put(raw_of(tmp_path / "a"))
    put(raw_of(tmp_path / "b"), ".gz")
    assert load(TINY, tmp_path / "a").digest == load(TINY, tmp_path / "b").digest


# Where missing files come from


def test_sources_are_asked_in_order_until_one_has_the_files(tmp_path: Path) -> None:
    asked: list[str] = []
    none, some = tmp_path / "none", put(tmp_path / "some", ".gz", NAMES[:2])
    rest, full = put(tmp_path / "rest"), put(tmp_path / "full")
    folders = {"none": none, "some": some, "rest": rest, "full": full}
    sources = [from_folder(name, folder, asked) for name, folder in folders.items()]
    assert is_tiny(load(TINY, tmp_path / "cache", [failing("first", "no network"), *sources]))
    assert asked == ["none", "some", "rest"]
    assert sorted(path.name for path in raw_of(tmp_path / "cache").iterdir()) == sorted(NAMES)


def test_the_sources_of_fashion_mnist_and_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(_: Path) -> Path:
        raise OSError("no network")

    def no_apt(_: Path) -> Path:
        raise FileNotFoundError("no apt-get")

    monkeypatch.setattr(data, "SYSTEM_COPY", tmp_path / "system")
    monkeypatch.setattr(data, "download_fashion_mnist", no_network)
    monkeypatch.setattr(data, "debian_package", no_apt)
    with pytest.raises(DataError) as caught:
        data.fashion_mnist(tmp_path)
    message = str(caught.value)
    words = ["files in", "system's copy", "no network", "no apt-get", str(raw_of(tmp_path))]
    places = [message.index(word) for word in words[:4]]
    assert places == sorted(places)
    assert all(word in message for word in (*words, *NAMES)) and "\n" not in message


def test_without_any_source_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no good copy of .*not there.*web: refused.*Put these"):
        load(TINY, tmp_path, [failing("web", "tried\nrefused")])


@pytest.mark.parametrize("harm", ["truncated", "altered", "header"])
@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_named_set_aside_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, harm: str
) -> None:
    path = put(raw_of(tmp_path)) / name
    path.with_name(f"{name}.broken").write_bytes(b"an older one")
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        flip(path, -1 if harm == "altered" else 3)
    broken = path.read_bytes()
    with caplog.at_level(logging.WARNING, logger="rethink"):
        assert is_tiny(load(TINY, tmp_path, [from_folder("copy", put(tmp_path / "copy"))]))
    assert len(caplog.messages) == 1 and str(path) in caplog.messages[0]
    assert path.with_name(f"{name}.broken").read_bytes() == broken


def test_a_broken_gz_of_the_user_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = put(raw_of(tmp_path), ".gz")
    (raw / f"{NAMES[0]}.gz").write_bytes(b"not gzip")
    (raw / f"{NAMES[1]}.gz").write_bytes((raw / f"{NAMES[1]}.gz").read_bytes()[:-9])
    assert is_tiny(load(TINY, tmp_path, [from_folder("copy", put(tmp_path / "copy"))]))
    assert (raw / f"{NAMES[0]}.gz.broken").is_file() and (raw / f"{NAMES[1]}.gz.broken").is_file()
    assert len(caplog.messages) == 2


def test_a_broken_copy_elsewhere_is_passed_over_and_left_alone(tmp_path: Path) -> None:
    bad = put(tmp_path / "bad")
    flip(bad / NAMES[1])
    before = (bad / NAMES[1]).read_bytes()
    sources = [from_folder("bad", bad), from_folder("good", put(tmp_path / "good"))]
    assert is_tiny(load(TINY, tmp_path / "cache", sources))
    assert (bad / NAMES[1]).read_bytes() == before
    with pytest.raises(DataError, match=f"bad: {NAMES[1]} has altered bytes"):
        load(TINY, tmp_path / "other", sources[:1])


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be put into .*RETHINK_CACHE"):
        load(TINY, tmp_path / "file", [from_folder("copy", put(tmp_path / "copy"))])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=r"Permission denied.*RETHINK_CACHE"):
        load(TINY, tmp_path / "cache")


def test_several_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    raw = put(raw_of(tmp_path))
    flip(raw / NAMES[0])
    source = from_folder("copy", put(tmp_path / "copy"))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: load(TINY, tmp_path, [source]), range(8)))
    assert all(is_tiny(one) for one in found)
    assert len(list(raw.glob("*.broken"))) == 1 and not list(raw.glob(".*"))


def test_torchvision_reads_the_same(fashion):
    datasets = import_torchvision().datasets
    for train, images, labels in (
        (True, fashion.train_images, fashion.train_labels),
        (False, fashion.test_images, fashion.test_labels),
    ):
        theirs = datasets.FashionMNIST(paths.cache_folder(), train=train)
        assert (theirs.data.numpy().reshape(len(images), -1) == images).all()
        assert (theirs.targets.numpy() == labels).all()
        assert len(theirs.classes) == len(fashion.classes)


# The real data set


def test_the_real_data_set(fashion: Dataset) -> None:
    assert fashion.train_images.shape == (60_000, 784) and fashion.test_images.shape == (
        10_000,
        784,
    )
    assert set(np.bincount(fashion.train_labels)) == {6_000}
    assert set(np.bincount(fashion.test_labels)) == {1_000}
    assert len(fashion.classes) == 10 and fashion.classes[9] == "Ankle boot"
    assert fashion.digest == "6858dc7a953882b9084b8a0ee993fe580b913124fb12982390dc8b68d9a06fcf"


@pytest.mark.usefixtures("fashion")
def test_one_altered_label_in_a_copy_is_caught(tmp_path: Path) -> None:
    raw = raw_of(tmp_path)
    raw.mkdir(parents=True)
    assert data.check_cache(tmp_path) == []
    for name in NAMES:
        shutil.copy(raw_of(paths.cache_folder()) / name, raw / name)
    assert data.check_cache(tmp_path) == []
    flip(raw / NAMES[3], 5_000)
    (raw / f"{NAMES[1]}.gz").write_bytes(b"")
    before = sorted(raw.iterdir())
    assert data.check_cache(tmp_path) == [f"{NAMES[1]}.gz", NAMES[3]]
    assert sorted(raw.iterdir()) == before


@pytest.mark.parametrize("lists", ["system", "emptied"])
def test_debians_package(tmp_path: Path, lists: str) -> None:
    (tmp_path / "scratch").mkdir()
    options = [] if lists == "system" else ["-o", f"Dir::State::lists={tmp_path}/empty"]
    try:
        folder = data.debian_package(tmp_path / "scratch", options)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Debian package here: {data._brief(error)}")
    for part in data.FASHION_MNIST.parts:
        assert data._read(folder / f"{part.name}.gz", part)[1] == ""


# Splits


@pytest.mark.parametrize(("rows", "share", "held", "kept"), [(1000, 1.0, 200, 800), (7, 0.5, 1, 3)])
def test_a_split_has_the_parts_it_promises(rows: int, share: float, held: int, kept: int) -> None:
    found = split(rows, 3, share)
    assert (len(found.train), len(found.validation), len(found.leaking)) == (kept, held, held)
    assert not set(found.train) & set(found.validation)
    assert all(part.dtype == np.int64 for part in (found.train, found.validation, found.leaking))
    if share == 1:
        assert sorted([*found.train, *found.validation]) == list(range(rows))


def test_a_split_is_fixed_by_its_seed_and_nests_in_its_share() -> None:
    whole, again, other, half = split(500, 1), split(500, 1), split(500, 2), split(500, 1, 0.5)
    assert np.array_equal(whole.train, again.train) and np.array_equal(whole.leaking, again.leaking)
    assert not np.array_equal(whole.train, other.train)
    assert np.array_equal(half.train, whole.train[:200])
    assert np.array_equal(half.validation, whole.validation)
    assert np.array_equal(half.leaking, whole.leaking)


def test_a_leaking_validation_set_was_mostly_trained_on() -> None:
    found = split(60_000, 0)
    assert len(set(found.leaking)) == 12_000
    # 12,000 drawn of 60,000 without replacement, 48,000 of them trained on: SD 0.3 %.
    assert np.isin(found.leaking, found.train).mean() == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"share": 0.0}, "share must be .* but 0.0 was passed"),
        ({"share": 1.5}, "share must be .* but 1.5 was passed"),
        ({"share": float("nan")}, "share must be .* but nan was passed"),
        ({"validation": 0.0}, "validation must be .* but 0.0 was passed"),
        ({"validation": 1.0}, "validation must be .* but 1.0 was passed"),
        ({"rows": 2}, "rows must be .* but 2 was passed"),
        ({"share": 0.001}, "rows must be .* but 100 was passed"),
        ({"rows": 0}, "rows must be .* but 0 was passed"),
    ],
)
def test_a_split_that_cannot_be_says_why(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split(**{"rows": 100, "seed": 0, **arguments})  # type: ignore[arg-type]


# Random labels

LABELS = np.arange(20_000) % 10


def test_the_share_of_random_labels_is_exact_and_draws_are_uniform():
    changed = randomize_labels(LABELS, 0.5, 10, seed=0)
    # A tenth of the replaced labels is drawn as it was: 9,000 of 10,000 differ, give or take 30.
    assert abs((changed != LABELS).sum() - 9_000) < 150
    everything = randomize_labels(LABELS, 1.0, 10, seed=0)
    counts = np.bincount(everything, minlength=10)
    assert counts.min() > 1_800
    assert abs(np.corrcoef(everything, LABELS)[0, 1]) < 0.03


def test_shares_of_random_labels_nest_and_seeds_differ():
    less, more = (randomize_labels(LABELS, share, 10, seed=4) for share in (0.2, 0.7))
    touched = less != LABELS
    assert (more[touched] == less[touched]).all()
    assert (randomize_labels(LABELS, 0.2, 10, seed=5) != less).any()
    assert (randomize_labels(LABELS, 0.2, 10, seed=4) == less).all()


def test_no_label_changes_at_zero_and_the_input_never():
    labels = LABELS.copy()
    assert (randomize_labels(labels, 0.0, 10, seed=1) == LABELS).all()
    randomize_labels(labels, 1.0, 10, seed=1)
    assert (labels == LABELS).all()


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_random_labels_out_of_range(share):
    with pytest.raises(ValueError, match=f"share must lie between 0 and 1, but {share}"):
        randomize_labels(LABELS, share, 10, seed=0)
