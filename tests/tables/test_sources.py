"""Parquet, NPZ, images, data sets by name and Python's objects."""

import contextlib
import gzip
import hashlib
import io
import math
import os
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rethink.errors import InputError
from rethink.tables import memory, sources
from rethink.tables.read import from_arrays, read
from tests.tables.reading import FUZZ, check


def test_parquet_reads_as_the_data_frame_does(tmp_path):
    from datetime import date, datetime
    from decimal import Decimal

    frame = pl.DataFrame(
        {
            "i": [1, None, 3],
            "d": [Decimal("0.1"), Decimal("2.5"), None],
            "t": [date(1970, 1, 2), None, date(1970, 1, 4)],
            "s": [datetime(1970, 1, 1, 12), datetime(1970, 1, 2), datetime(1970, 1, 3)],
            "c": pl.Series(["lo", "hi", "lo"], dtype=pl.Enum(["lo", "mid", "hi"])),
            "b": [True, False, None],
            "y": ["u", "v", "u"],
        }
    )
    frame.write_parquet(tmp_path / "t.bin")
    expected = [[1, 0.1, 1, 0.5, 0, 1], [1, 2.5, 1, 1, 2, 0], [3, 0.1, 3, 2, 0, 0]]
    for table in (
        read(tmp_path / "t.bin"),
        from_arrays(frame),
        from_arrays(frame[:, :6], ["u", "v", "u"]),
    ):
        check(table)
        assert table.features.tolist() == expected and table.classes == ("u", "v")
    pl.DataFrame({"a": [[1], [2]], "y": [0, 1]}).write_parquet(tmp_path / "t.bin")
    with pytest.raises(InputError, match="'a' is of type List"):
        read(tmp_path / "t.bin")


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "f": [0.5, np.nan, 2],
            "t": pd.to_datetime(["1970-01-02", "1970-01-03", None]),
            "c": pd.Categorical(["lo", "hi", None], categories=["lo", "hi"], ordered=True),
            "o": [1, "x", None],
            "y": ["u", "v", "u"],
        }
    )
    table = from_arrays(frame)
    check(table)
    assert table.features.tolist() == [[1, 0.5, 1, 0, 0], [1, 0.5, 2, 1, 1], [3, 2, 1, 2, 2]]
    assert from_arrays(frame, target="c").classes == ("lo", "hi")


def test_arrays_and_tensors():
    import torch

    x = np.array([[0, 1], [200, 3]])
    for table in (
        from_arrays(x, ["b", "a"]),
        from_arrays(x.tolist(), np.array([[1], [0]])),
        from_arrays(torch.tensor(x), torch.tensor([7, 5])),
        from_arrays(x.astype(np.uint8).reshape(2, 1, 2), [True, False]),
    ):
        check(table)
        assert table.features.tolist() == x.tolist() and table.labels.tolist() == [1, 0]
    mixed = from_arrays(np.array([[1, "a"], [2, "b"]], dtype=object), [0, 1])
    assert mixed.features.tolist() == [[1, 0], [2, 1]]
    assert from_arrays(np.array([[1.0], [np.nan], [3]]), [0, 1, 1]).features.tolist() == [
        [1],
        [1],
        [3],
    ]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((2, 2)), [0, 1, 2]),
        (np.zeros((0, 2)), []),
        (np.zeros((2, 2)), np.eye(2)),
        (np.zeros((2, 2), complex), [0, 1]),
        (np.zeros((2, 2)), None),
        (np.full((2, 2), np.inf), [0, 1]),
        ([[1, 2], [3]], [0, 1]),
        (np.zeros((2, 2)), [np.nan, np.nan]),
        (np.zeros((2, 2)), [[1], [1, 2]]),
        (np.zeros((2, 2)), [2.0**60, 1.0]),
        (np.ma.masked_array([[1, 2]], mask=[[0, 1]]), [1]),
        (3, 4),
        (None, [1]),
        ("text", "text"),
    ],
)
def test_arrays_that_are_no_table(x, y):
    with pytest.raises(InputError):
        from_arrays(x, y)


def test_npz(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, X=np.array([[1, 2], [3, 4]]), y=["a", "b"])
    assert read(path).features.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="--target"):
        read(path, target="y")
    np.savez(path, data=[1])
    with pytest.raises(InputError, match="arrays X and y, but has data"):
        read(path)
    np.savez(path, X=np.array([[{}]], dtype=object), y=[1])
    with pytest.raises(InputError, match="pickle"):
        read(path)
    np.save(tmp_path / "t.npy", [1])
    with pytest.raises(InputError, match=r"np\.savez"):
        read(tmp_path / "t.npy")


def test_images(tmp_path):
    for name, colour in (("cat", 7), ("dog", 9), ("empty", None)):
        (tmp_path / name).mkdir()
        if colour:
            Image.new("L", (3, 2), colour).save(tmp_path / name / "1.png")
    table = read(tmp_path)
    check(table)
    assert table.shape == (2, 3)
    assert table.features.tolist() == [[7] * 6, [9] * 6] and table.classes == ("cat", "dog")
    assert any("empty has no images" in note for note in table.report.notes)
    Image.new("RGBA", (3, 2), (1, 2, 3, 255)).save(tmp_path / "cat" / "2.png")
    assert read(tmp_path).shape == (2, 3, 3)
    assert read(tmp_path).features[:2].tolist() == [[7] * 18, [1, 2, 3] * 6]
    for broken, message in (
        (Image.new("L", (2, 3)), "one size"),
        (Image.new("RGBA", (3, 2), (1, 2, 3, 4)), "transparent"),
        (Image.new("I;16", (3, 2)), "mode I;16"),
    ):
        broken.save(tmp_path / "dog" / "2.png")
        with pytest.raises(InputError, match=message):
            read(tmp_path)
    (tmp_path / "dog" / "2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"2\.png cannot be read"):
        read(tmp_path)
    with pytest.raises(InputError, match="one folder of images for each class"):
        read(tmp_path / "empty")


@pytest.mark.parametrize("form", ["EPS", "SGI", "PCX", "TGA", "ICNS"])
def test_images_of_formats_that_are_not_offered_are_refused(tmp_path, monkeypatch, form):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", None)  # must not be run
    (tmp_path / "a").mkdir()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(tmp_path / "a" / "1.png", form)
    with pytest.raises(InputError, match=r"1\.png cannot be read: cannot identify image file"):
        read(tmp_path)


def test_images_are_known_by_their_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    for k, form in enumerate(sorted({*sources._IMAGES.values()})):
        Image.new("RGB", (16, 16), (1, 2, 3)).save(tmp_path / "a" / f"{k}.png", form)
    assert read(tmp_path).report.rows == 7


def test_a_png_whose_last_pixels_and_checksum_are_overwritten_is_refused(tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "cat").mkdir()
    file = tmp_path / "cat" / "1.png"
    Image.fromarray(generator.integers(256, size=(4, 5), dtype=np.uint8)).save(file)
    whole = file.read_bytes()
    end = whole.index(b"IEND") - 4
    for start in range(end - 12, end):
        file.write_bytes(whole[:start] + bytes(end - start) + whole[end:])
        with pytest.raises(InputError, match=r"1\.png cannot be read"):
            read(tmp_path)
        file.write_bytes(whole[:start] + bytes(len(whole) - start))
        with pytest.raises(InputError, match=r"1\.png cannot be read"):
            read(tmp_path)


def damaged_tiffs():
    """Yield TIFFs of which something is missing: tags, the end, one that is far too long."""
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        file = io.BytesIO()
        image.save(file, "TIFF", compression=compression)
        data = file.getvalue()
        for cut in range(0, len(data), 3):
            yield data[:cut]
        # An entry of the directory has tag, type, count and value: 2, 2, 4 and 4 bytes.
        entries = int.from_bytes(data[4:8], "little") + 2
        for entry in range(entries, entries + 12 * 8, 12):
            for at in (2, 5, 7, 10):
                yield data[: entry + at] + b"\x7f" + data[entry + at + 1 :]


def test_damaged_tiffs_are_refused_and_nothing_else_is_on_the_screen(tmp_path, capfd):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "1.tif"
    refusals = set()
    for data in damaged_tiffs():
        path.write_bytes(data)
        try:
            read(tmp_path)
        except InputError as error:
            assert "\n" not in str(error)
            refusals.add(str(error).partition("1.tif ")[2][:10])
    assert refusals >= {"is damaged", "cannot be "}
    assert capfd.readouterr() == ("", "")


def test_errors_that_pillow_logs_are_not_on_the_screen(tmp_path):
    """In a process of its own, since pytest hears what is logged."""
    (tmp_path / "a").mkdir()
    image = io.BytesIO()
    Image.new("RGB", (3, 2)).save(image, "TIFF")
    samples = struct.pack("<HHII", 277, 3, 1, 3)  # three samples a pixel, which become 99
    data = image.getvalue()
    assert data.count(samples) == 1
    data = data.replace(samples, struct.pack("<HHII", 277, 3, 1, 99))
    (tmp_path / "a" / "1.tif").write_bytes(data)
    code = (
        "import sys; from rethink.tables import read\n"
        "try: read.read(sys.argv[1])\nexcept read.InputError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "1.tif cannot be read: cannot identify" in done.stdout and done.stderr == ""


def test_tiffs_with_too_many_entries_of_a_tag_are_whole(tmp_path):
    (tmp_path / "a").mkdir()
    file = io.BytesIO()
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).save(file, "TIFF")
    compression = struct.pack("<HHI", 259, 3, 1)  # one number, which becomes two
    data = file.getvalue()
    assert data.count(compression) == 1
    data = data.replace(compression, struct.pack("<HHI", 259, 3, 2))
    (tmp_path / "a" / "1.tif").write_bytes(data)
    assert read(tmp_path).features.tolist() == [[*range(6)]]


def test_arrays_from_python_2_are_read_in_silence(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for name, array in (("X", np.array([[1, 2], [3, 4]])), ("y", np.array([0, 1]))):
            file = io.BytesIO()
            np.save(file, array)
            length = repr(array.shape).replace(",", "L,").replace(")", "L)").replace("L,L", "L,")
            header = file.getvalue().replace(
                f"{array.shape}, }}".encode(), f"{length}, }}".encode()
            )
            archive.writestr(f"{name}.npy", _padded(header, (1, 0)))
    assert read(tmp_path / "t.npz").features.tolist() == [[1, 2], [3, 4]]


def test_hidden_copies_of_images_are_left_out(tmp_path):
    for name in ("cat", ".git"):
        (tmp_path / name / ".cache" / "deep").mkdir(parents=True)
        (tmp_path / name / "more").mkdir()
        for part in ("1.png", ".2.png", ".cache/3.png", ".cache/deep/4.png", "more/5.png"):
            Image.new("L", (3, 2), 7).save(tmp_path / name / part)
    table = read(tmp_path)
    assert len(table.labels) == 2 and table.classes == ("cat",)


def test_a_closed_standard_error_is_left_alone(tmp_path, samples, monkeypatch):
    # Its descriptor may belong to Polars then, which waits for ever on what takes its place.
    (tmp_path / "t.parquet").write_bytes(samples[".parquet"])
    replaced = []
    with monkeypatch.context() as closed:
        closed.setattr(sources.sys, "stderr", None)
        closed.setattr(sources.os, "dup2", lambda *given: replaced.append(given))
        assert len(read(tmp_path / "t.parquet").labels) == 3
    assert not replaced


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    pl.DataFrame({"a": [1.5, None, 3], "b": ["x", "y", "x"], "y": [0, 1, 1]}).write_parquet(
        folder / "t.parquet"
    )
    np.savez(folder / "t.npz", X=np.eye(3), y=[0, 1, 1])
    Image.new("RGB", (4, 4), (1, 2, 3)).save(folder / "t.png")
    return {p.suffix: p.read_bytes() for p in folder.iterdir()}


@FUZZ
@given(
    suffix=st.sampled_from([".npz", ".png"]),
    at=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 255),
    cut=st.floats(0, 1) | st.just(1.0),
)
def test_broken_binaries_are_read_or_refused(tmp_path, samples, suffix, at, value, cut):
    data = bytearray(samples[suffix])
    data[int(at * len(data))] = value
    data = data[: math.ceil(cut * len(data))]
    (tmp_path / "c").mkdir(exist_ok=True)
    path = tmp_path / "c" / f"t{suffix}"
    path.write_bytes(data)
    try:
        check(read(tmp_path / "c" if suffix == ".png" else path))
    except InputError:
        pass
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("name", "rows", "features", "classes", "shape"),
    [  # as their documentation has it
        ("iris", 150, 4, ("setosa", "versicolor", "virginica"), None),
        ("wine", 178, 13, ("class_0", "class_1", "class_2"), None),
        ("Breast_Cancer", 569, 30, ("malignant", "benign"), None),
        ("digits", 1797, 64, tuple("0123456789"), (8, 8)),
    ],
)
def test_scikit_learns_sets_by_name(name, rows, features, classes, shape):
    table = read(name)
    check(table)
    assert table.features.shape == (rows, features)
    assert table.classes == classes and table.shape == shape


def test_iris_by_name_is_fishers():
    table = read("iris")
    assert table.columns[0] == "sepal length (cm)"
    assert table.features[0].tolist() == [5.1, 3.5, 1.4, 0.2]
    assert np.bincount(table.labels).tolist() == [50, 50, 50]
    assert table.sums()[1] == 1 and table.sums()[0][0] == 102


def test_fashion_mnist_by_name(fashion):
    table = read("Fashion_MNIST")
    assert table.shape == (28, 28) and table.classes == fashion.classes
    assert (table.features == fashion.train_images).all()
    assert (table.labels == fashion.train_labels).all()


def write_idx(path, array, kind=8):
    """Write an array as Y. LeCun's page on MNIST describes it: zeros, type, shape, numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = b"".join(struct.pack(">I", n) for n in array.shape)
    path.write_bytes(bytes([0, 0, kind, array.ndim]) + shape + array.tobytes())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    return tmp_path


def publish(monkeypatch, kind, files):
    """Take these files, each with the .gz beside it, for those that torchvision knows."""
    known = []
    for path in files:
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        known.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    resources = {"train": known} if isinstance(kind.resources, dict) else known
    monkeypatch.setattr(kind, "resources", resources)


def write_digits(cache, monkeypatch, name):
    """Write a small MNIST or KMNIST, as if it were the published one; returns its arrays."""
    from rethink._torchvision import import_torchvision

    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    labels = np.arange(20, dtype="u1") % 10
    files = []
    for part in ("train", "t10k"):
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            files.append(cache / name / "raw" / f"{part}-{what}-ubyte")
            write_idx(files[-1], array)
    publish(monkeypatch, getattr(import_torchvision().datasets, name), files)
    return images, labels


@pytest.mark.parametrize("name", ["MNIST", "KMNIST"])
def test_sets_of_digits_are_read_by_torchvision(cache, monkeypatch, name):
    images, labels = write_digits(cache, monkeypatch, name)
    table = read(name.lower())
    check(table)
    assert table.shape == (28, 28) and (table.features == images.reshape(20, -1)).all()
    assert table.labels.tolist() == labels.tolist()
    assert table.classes[3] == {"MNIST": "3 - three", "KMNIST": "tsu"}[name]


@pytest.mark.parametrize("part", ["images-idx3", "labels-idx1"])
def test_other_digits_than_those_published_are_refused(cache, monkeypatch, part):
    write_digits(cache, monkeypatch, "MNIST")
    path = cache / "MNIST" / "raw" / f"train-{part}-ubyte"
    packed = path.with_name(f"{path.name}.gz")
    whole = path.read_bytes()
    for content in (whole[:-1] + b"\5", whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not mnist as it was published; move"):
            read("mnist")

    path.write_bytes(whole)
    for content in (gzip.compress(whole, 1), gzip.compress(whole)[:-1], b""):
        packed.write_bytes(content)
        with pytest.raises(InputError, match="is not mnist as it was published; move"):
            read("mnist")
    packed.unlink()
    with pytest.raises(InputError, match=f"cannot be verified without {packed.name}"):
        read("mnist")


def test_digits_of_an_older_torchvision_are_refused(cache, monkeypatch):
    import torch

    write_digits(cache, monkeypatch, "MNIST")
    folder = cache / "MNIST" / "processed"
    folder.mkdir()
    data = torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.long)
    for name in ("training.pt", "test.pt"):
        torch.save(data, folder / name)
    with pytest.raises(InputError, match=r"of an older torchvision in .* cannot be verified"):
        read("mnist")


def test_qmnist_has_its_labels_among_other_columns(cache, monkeypatch):
    from rethink._torchvision import import_torchvision

    images = np.arange(2 * 28 * 28).astype("u1").reshape(2, 28, 28)
    labels = np.array([[5, 70, 71, 72, 73, 74, 75, 76], [0, 1, 2, 3, 4, 5, 6, 7]], ">i4")
    raw = cache / "QMNIST" / "raw"
    files = [raw / "qmnist-train-images-idx3-ubyte", raw / "qmnist-train-labels-idx2-int"]
    write_idx(files[0], images)
    write_idx(files[1], labels, kind=12)
    publish(monkeypatch, import_torchvision().datasets.QMNIST, files)
    table = read("qmnist")
    assert table.classes == ("0 - zero", "5 - five") and table.labels.tolist() == [1, 0]
    assert (table.features == images.reshape(2, -1)).all()
    files[1].write_bytes(files[1].read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match="is not qmnist as it was published"):
        read("qmnist")


def test_cifar_and_svhn_are_read_by_torchvision(cache, monkeypatch):
    """Small files of their formats; their checksums are replaced by those of the small ones."""
    import pickle

    from scipy.io import savemat

    from rethink._torchvision import import_torchvision

    sets = import_torchvision().datasets
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    planes = images.transpose(0, 3, 1, 2)  # as CIFAR stores them: red, green, blue
    folder = cache / "cifar-10-batches-py"
    folder.mkdir()
    files = {
        "train": {"data": planes.reshape(3, -1), "labels": [2, 0, 1]},
        "meta": {"label_names": ["plane", "car", "bird"]},
    }
    sums = {}
    for name, content in files.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(sets.CIFAR10, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(sets.CIFAR10, "test_list", [])
    meta = {"filename": "meta", "key": "label_names", "md5": sums["meta"]}
    monkeypatch.setattr(sets.CIFAR10, "meta", meta)
    table = read("cifar10")
    assert table.shape == (32, 32, 3) and (table.features == images.reshape(3, -1)).all()
    assert [table.classes[k] for k in table.labels] == ["bird", "plane", "car"]

    # SVHN's arrays are (height, width, channels, n), and 10 stands for the digit 0.
    savemat(cache / "train_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": [[10], [3], [1]]})
    found = hashlib.md5((cache / "train_32x32.mat").read_bytes()).hexdigest()
    monkeypatch.setitem(sets.SVHN.split_list, "train", ["", "train_32x32.mat", found])
    table = read("svhn")
    assert table.shape == (32, 32, 3) and (table.features == images.reshape(3, -1)).all()
    assert [table.classes[k] for k in table.labels] == ["0", "3", "1"]


@pytest.mark.parametrize("name", sorted(sources.TORCHVISION))
def test_a_download_that_fails_is_one_sentence(cache, monkeypatch, name):
    from rethink._torchvision import import_torchvision

    def offline(*_, **__):
        raise OSError("Network is unreachable")

    datasets = import_torchvision().datasets
    monkeypatch.setattr("urllib.request.urlopen", offline)
    assert isinstance(getattr(datasets, sources.TORCHVISION[name]), type)
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        read(name)
    assert "\n" not in str(caught.value) and str(cache) in str(caught.value)


def test_what_would_not_fit_in_memory_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "t.npz", X=np.zeros((1000, 100), "u1"), y=np.zeros(1000))
    frame = pl.DataFrame({"a": np.zeros(13_501), "y": [0] * 13_501})
    frame.write_parquet(tmp_path / "t.parquet")
    pl.DataFrame({"a": ["x" * 1000] * 900, "y": [0] * 900}).write_parquet(tmp_path / "s.parquet")
    (tmp_path / "t.csv").write_text("1,2\n" * 13_501)
    for k in range(2):
        (tmp_path / "images" / str(k)).mkdir(parents=True)
        Image.new("L", (330, 330)).save(tmp_path / "images" / str(k) / "1.png")
    assert (tmp_path / "t.npz").stat().st_size < 10_000
    sizes = {
        "t.npz": memory.of_array((1000, 100), np.uint8) + memory.CHARACTER * 8_000,
        "t.parquet": memory.of_frame(13_501, 2),
        "s.parquet": memory.of_frame(900, 2, 900_000),
        "t.csv": memory.of_text(4 * 13_501, 13_502, 2 * 13_501 + 1),
        "images": memory.of_array((2, 330, 330), np.uint8),
    }
    for name, size in sizes.items():
        room = math.ceil(size / memory.SHARE)
        monkeypatch.setattr(memory, "available", lambda room=room: room)
        assert read(tmp_path / name).report.rows
        monkeypatch.setattr(memory, "available", lambda room=room: room - 2)
        with pytest.raises(InputError, match="GiB of memory to be read and measured"):
            read(tmp_path / name)
    monkeypatch.setattr(memory, "available", lambda: 10_000)
    for x, y, what in ((frame, None, "data frame"), (np.zeros((999, 9)), [0] * 999, "array")):
        with pytest.raises(InputError, match=f"the {what} would take some .* GiB of memory"):
            from_arrays(x, y)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("suffix", [".npy", ""])
def test_sizes_in_headers_are_believed_before_memory_is_taken(tmp_path, version, suffix):
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for name, shape in (("X", (10**9, 10)), ("y", (10**9,))):
            file = io.BytesIO()
            np.lib.format.write_array(file, np.zeros(1), version=version)
            header = file.getvalue().replace(b"(1,), }", f"{shape}, }}".encode())
            archive.writestr(name + suffix, _padded(header, version))
    with pytest.raises(InputError, match=r"would take some [3-9][0-9]{2} GiB of memory"):
        read(tmp_path / "t.npz")


def _padded(data, version):
    """Mend the length of a header, which NumPy's description of the format puts at byte 8."""
    size = 2 if version == (1, 0) else 4
    length = data.index(b"\n") + 1 - 8 - size
    return data[:8] + length.to_bytes(size, "little") + data[8 + size :]


def test_threads_leave_standard_error_as_it_was(capfd):
    before = os.fstat(2)
    barrier = threading.Barrier(2, timeout=0.05)

    def use():
        for _ in range(20):
            with (
                sources.silence_libraries(),
                sources.silence_libraries(),
            ):  # twice by one thread, too
                with contextlib.suppress(threading.BrokenBarrierError):
                    barrier.wait()  # both inside at once, if they can be
                os.write(2, b"not heard")

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_more_files_than_arguments_may_be(monkeypatch):
    code = "import os, sys\nif sys.stdin.buffer.read().count(b'x' * 200) != {}: os.abort()"
    paths = [Path("x" * 200)] * 40_000  # 8 MB; Linux passes on 6 at most
    monkeypatch.setattr(sources, "_PROBE", code.format(40_000))
    sources._probe(paths)
    monkeypatch.setattr(sources, "_PROBE", code.format(40_001))
    with pytest.raises(InputError):
        sources._probe(paths)


def test_names_of_parquet_files_may_have_line_feeds(tmp_path, samples, monkeypatch):
    paths = [tmp_path / name for name in ("a\nb", "c\nd", "e\nf")]
    for path in paths:
        path.write_bytes(samples[".parquet"])
    assert sources.read_parquet(paths).height == 9
    ending = sources._PROBE.replace("lazy.collect()", "b'd' in name[-2:] and os.abort()")
    monkeypatch.setattr(sources, "_PROBE", ending)
    with pytest.raises(InputError, match=r"/c\\nd cannot be read: it is damaged inside"):
        sources.read_parquet(paths)


def test_broken_parquet_is_read_or_refused(tmp_path, samples):
    """Few, since each takes a process of its own."""
    rng = np.random.default_rng(0)
    path = tmp_path / "t.parquet"
    for k in range(4):
        data = bytearray(samples[".parquet"])
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data))] if k % 2 else data)
        with contextlib.suppress(InputError):
            check(read(path))


def test_a_parquet_file_that_ends_the_process_is_refused(tmp_path, samples, monkeypatch):
    path = tmp_path / "t.parquet"
    path.write_bytes(samples[".parquet"])
    assert read(path).report.rows == 3
    ending = sources._PROBE.replace("lazy.collect()", "import os; os.abort()")
    assert ending != sources._PROBE
    monkeypatch.setattr(sources, "_PROBE", ending)
    with pytest.raises(InputError, match=r"t\.parquet cannot be read: it is damaged inside"):
        read(path)


def test_a_source_is_looked_up_once(tmp_path, monkeypatch):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "c.csv").mkdir()
    files = sources.files_of(tmp_path / "*.csv")
    assert (files.name, files.format) == (str(tmp_path / "*.csv"), "text")
    assert files.paths == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert sources.files_of("Fashion_MNIST").data_set == "fashion-mnist"
    assert sources.files_of(tmp_path).format == "folder of images"

    usual = read(tmp_path / "*.csv")
    for look in ("paths_of", "format_of"):
        monkeypatch.setattr(sources, look, None)
    assert sources.files_of(files) is files
    assert read(files).report == usual.report
