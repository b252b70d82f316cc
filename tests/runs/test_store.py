import dataclasses
import errno
import os
import re
import resource
import shutil
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rethink.protocol import Record, Spec
from rethink.runs import fingerprints
from rethink.runs import store as records
from rethink.runs.store import Store, key, pack, publish, result_digest, unpack, write_arrays
from rethink.trainer import train

SPEC = Spec((8, 4), seed=1, epochs=3, share=0.3, random_labels=0.25)
OTHER_SPEC = Spec((7,), seed=2, epochs=4, share=0.5, random_labels=0.5, batch=32, learning_rate=0.1)


def made(seed=0, **changes):
    """A record that nobody trained, with the numbers that are the easiest to lose."""
    generator = np.random.default_rng(seed)
    names = ("loss", "running", "validation", "test", "validation_loss", "test_loss")
    curves = {name: generator.random(3) for name in names}
    curves["loss"][:] = np.nan, -0.0, 5e-324
    record = Record(
        spec=SPEC,
        curves=curves,
        milestones=np.array([1, 3]),
        train=generator.random(2),
        leaking=generator.random(2),
        train_confusion=generator.integers(2**40, size=(10, 10)),
        validation_confusion=generator.integers(100, size=(10, 10)).T,
        test_predictions=generator.integers(10, size=203).astype(np.uint8),
        seconds=12.345,
        environment={"processor": "Intel® Xeon™", "torch": "2.13.0"},
    )
    return dataclasses.replace(record, **changes)


def bits(record):
    """Everything in a record, such that == compares it bit for bit."""

    def array(a):
        return a.dtype.str, a.shape, a.tobytes()

    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    values["curves"] = {name: array(curve) for name, curve in record.curves.items()}
    return {n: array(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}


# Packing


def test_unpacking_gives_back_every_bit():
    for spec in (SPEC, OTHER_SPEC):
        record = made(spec=spec)
        again = unpack(pack(record))
        assert bits(again) == bits(record)
        assert again.environment == record.environment
        assert again.seconds == 12.345
        assert hash(again.spec) == hash(spec)


def test_time_is_kept_to_the_millisecond():
    assert unpack(pack(made(seconds=1.23456))).seconds == 1.235


def test_a_file_gives_back_every_bit_and_holds_no_pickle(tmp_path):
    Store(tmp_path, None).put("a", made())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert bits(unpack(arrays)) == bits(made())


# Writing


@contextmanager
def no_room(limit=100):
    """Let every file end after some bytes, as on a full disk: Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def replacing_ends_with(error):
    def fail(*_, **__):
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", fail)
        patch.setattr(os, "rename", fail)
        yield


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        (no_room, OSError),
        (lambda: replacing_ends_with(OSError(errno.ENOSPC, "full")), OSError),
        (lambda: replacing_ends_with(KeyboardInterrupt()), KeyboardInterrupt),
    ],
    ids=["no room", "no replacing", "interrupted"],
)
@pytest.mark.parametrize("before", [True, False], ids=["over an old file", "where none was"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, failing, expected, before):
    path = tmp_path / "file.npz"
    if before:
        write_arrays(path, {"old": np.arange(3)})
    content = path.read_bytes() if before else None
    with pytest.raises(expected), failing():
        write_arrays(path, {"new": np.random.default_rng(0).random(1000)})
    assert list(tmp_path.iterdir()) == ([path] if before else [])
    assert not before or path.read_bytes() == content


def test_unchanged_content_leaves_the_file_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "file.npz"
    assert write_arrays(path, {"a": np.arange(3)})
    os.utime(path, ns=(10**18, 10**18))
    assert not write_arrays(path, {"a": np.arange(3)})
    assert path.stat().st_mtime_ns == 10**18
    assert write_arrays(path, {"a": np.arange(4)})
    assert path.stat().st_mtime_ns != 10**18
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o444 == 0o444  # others may read it, unlike a temporary file


# Publishing


def packed(results):
    return {name: pack(record) for name, record in results.items()}


def test_published_records_are_read_back_equal(tmp_path):
    all_of_them = {f"k{n}": made(n, spec=dataclasses.replace(SPEC, seed=n)) for n in range(4)}
    assert publish(tmp_path / "runs.npz", packed(all_of_them))
    store = Store(tmp_path / "none", published=tmp_path / "runs.npz")
    assert len(store) == 4
    for name, record in all_of_them.items():
        assert bits(store.get(name)) == bits(record)
    assert store.get("k4") is None
    assert not (tmp_path / "none").exists()


def test_equal_records_are_published_as_equal_bytes(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    all_of_them = {f"k{n}": made(n) for n in range(4)}
    publish(one, packed(all_of_them))
    assert not publish(one, packed(all_of_them))
    # In another order, and after a way through files.
    store, from_one = Store(tmp_path, None), Store(tmp_path, one)
    for name in all_of_them:
        store.put(name, from_one.get(name))
    publish(two, {name: store.arrays(name) for name in reversed(all_of_them)})
    assert two.read_bytes() == one.read_bytes()
    with zipfile.ZipFile(one) as file:  # no time of writing, which two runs would not share
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert publish(two, packed({"k0": made(0)}))
    assert len(Store(tmp_path, two)) == 1


# Store


def test_published_records_come_before_the_folders(tmp_path):
    published = tmp_path / "runs.npz"
    publish(published, packed({"both": made(0), "published": made(1)}))
    for store in (Store(tmp_path, published), Store(tmp_path, None)):
        store.put("both", made(2))
        store.put("folder", made(3))

    def found(published):
        store = Store(tmp_path, published)
        got = (store.get(name) for name in ("both", "published", "folder", "neither"))
        return [record and bits(record) for record in got], len(store)

    zero, one, two, three = (bits(made(seed)) for seed in range(4))
    assert found(published) == ([zero, one, three, None], 2)
    assert found(None) == ([two, None, three, None], 0)
    assert found(tmp_path / "missing.npz") == ([two, None, three, None], 0)


def spoil(content, where):
    """Change one byte."""
    return content[:where] + bytes([content[where] ^ 0xFF]) + content[where + 1 :]


def as_file(arrays):
    path = Path("spoiled.npz")
    write_arrays(path, arrays)
    return path.read_bytes()


SPOILED = {
    "empty": lambda whole: b"",
    "cut early": lambda whole: whole[:10],
    "cut in the middle": lambda whole: whole[: len(whole) // 2],
    "cut at the last byte": lambda whole: whole[:-1],
    "zeros after a crash": lambda whole: bytes(len(whole)),
    "text": lambda whole: b"no archive, but longer than a signature",
    "compressed data": lambda whole: spoil(whole, 28 + len("about.npy") + 30),
    "checksum": lambda whole: spoil(whole, whole.index(b"PK\x01\x02") + 16),
    "version": lambda whole: spoil(whole, whole.index(b"PK\x01\x02") + 6),
    "another archive": lambda whole: as_file({"a": np.arange(3)}),
    "part of a record": lambda whole: as_file({"about": pack(made())["about"]}),
    "array": lambda whole: b"\x93NUMPY" + b"\x01\x00" + b"\x00" * 20,
    "pickle": lambda whole: b"\x80\x04N.",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_no_record_and_is_replaced(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "records", None)
    store.put("a", made())
    path = tmp_path / "records" / "a.npz"
    path.write_bytes(SPOILED[how](path.read_bytes()))
    assert store.get("a") is None
    store.put("a", made())
    assert bits(store.get("a")) == bits(made())


def test_no_cut_of_a_file_is_taken_for_a_record(tmp_path):
    store, path = Store(tmp_path, None), tmp_path / "a.npz"
    store.put("a", made())
    whole = path.read_bytes()
    for end in range(1, len(whole), 97):
        path.write_bytes(whole[:end])
        assert store.get("a") is None
        path.write_bytes(whole[:end] + bytes(len(whole) - end))
        assert store.get("a") is None


# Fingerprint and key


@pytest.fixture
def fingerprint_with(tmp_path, monkeypatch):
    """Return a function: the fingerprint of a copy of the code after an edit of one module."""
    folder = Path(store.__file__).parent
    files = {path: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)

    def compute(module=None, edit=None):
        for path, text in files.items():
            if path.stem == module:
                changed = edit(text)
                assert changed != text, f"{module}.py has nothing to edit"
                text = changed
            (tmp_path / path.name).write_text(text, encoding="utf-8")
        store.fingerprint.cache_clear()
        return store.fingerprint()

    yield compute
    store.fingerprint.cache_clear()
    shutil.rmtree(tmp_path)


def comments(text):
    return re.sub(r"^( *)(def|class|return|for) ", r"\1# A note.\n\n\1\2 ", text, flags=re.M)


def docstrings(text):
    return re.sub(r'^( *)"""(?=[A-Z])', r'\1"""Said anew. ', text, flags=re.M)


def no_docstrings(text):
    # Only where something else follows, without which there would be no body.
    return re.sub(r'^( +)"""[A-Z][^"]*"""\n\n?(?=\1\S)', "", text, flags=re.M)


def of(old, new):
    return lambda text: text.replace(old, new, 1)


def another_function(text):
    return text + "\n\nEXTRA = 1\n\n\ndef another():\n    return EXTRA\n"


@pytest.mark.parametrize("module", ["trainer", "mlp", "data", "perturb"])
@pytest.mark.parametrize("edit", [comments, docstrings, no_docstrings])
def test_the_fingerprint_does_not_see_words(fingerprint_with, module, edit):
    assert fingerprint_with(module, edit) == fingerprint_with()


DECISIVE = [
    ("trainer", of("MILESTONES = (1, 10,", "MILESTONES = (1, 11,")),
    ("trainer", of("EVALUATION_ROWS = 1_000", "EVALUATION_ROWS = 2_000")),
    ("trainer", of("div_(255)", "div_(256)")),
    ("trainer", another_function),
    ("mlp", of("ALIGNMENT = 16", "ALIGNMENT = 32")),
    ("mlp", of("2 * uniform - 1", "3 * uniform - 1")),
    ("mlp", another_function),
    ("data", of("[seed, 1]", "[seed, 2]")),
    ("data", of("validation: float = 0.2", "validation: float = 0.3")),
    ("perturb", of("[seed, 3]", "[seed, 4]")),
    ("perturb", of("round(share * len(labels))", "int(share * len(labels))")),
]


def test_the_fingerprint_sees_what_decides_a_result(fingerprint_with):
    seen = {fingerprint_with(), *(fingerprint_with(*change) for change in DECISIVE)}
    assert len(seen) == len(DECISIVE) + 1


INDIFFERENT = [
    ("data", another_function),
    ("data", of("T-shirt/top", "T-shirt")),
    ("data", of("def _read(", "def _read_it(")),
    ("perturb", another_function),
    ("perturb", of("import numpy as np\n", "import math\n\nimport numpy as np\n")),
    ("records", another_function),
    ("study", another_function),
]


@pytest.mark.parametrize("change", INDIFFERENT, ids=lambda change: change[0])
def test_the_fingerprint_does_not_see_other_code(fingerprint_with, change):
    assert fingerprint_with(*change) == fingerprint_with()


def changes_of_the_specification():
    """One specification for each field, which differs from SPEC in that field alone."""
    for field in dataclasses.fields(Spec):
        new = getattr(OTHER_SPEC, field.name)
        assert new != getattr(SPEC, field.name)
        yield dataclasses.replace(SPEC, **{field.name: new})


def test_a_key_depends_on_all_that_decides_a_result(monkeypatch):
    names = [key(SPEC, "data"), key(SPEC, "other data")]
    names += [key(spec, "data") for spec in changes_of_the_specification()]
    monkeypatch.setattr(store, "fingerprint", lambda: "other code")
    names.append(key(SPEC, "data"))
    assert len(set(names)) == len(names) == 3 + len(dataclasses.fields(Spec))


def test_equal_specifications_have_the_same_key():
    assert key(SPEC, "data") == key(dataclasses.replace(OTHER_SPEC, **vars(SPEC)), "data")
    assert re.fullmatch("[0-9a-f]{20}", key(SPEC, "data"))


# Result digest


def test_the_result_digest_does_not_see_time_and_machine():
    elsewhere = made(seconds=99.0, environment={"processor": "another"})
    assert result_digest([elsewhere]) == result_digest([made()])
    assert result_digest([unpack(pack(made()))]) == result_digest([made()])


def last_bit(array):
    changed = array.copy(order="K")
    changed.flat[-1] = np.nextafter(array.flat[-1], 2) if array.dtype.kind == "f" else 1
    assert changed.flat[-1] != array.flat[-1]
    return changed


def test_the_result_digest_sees_everything_else():
    whole = made()
    changed = [made(spec=spec) for spec in changes_of_the_specification()]
    names = {f.name for f in dataclasses.fields(Record)} - {"seconds", "environment", "spec"}
    for name in names - {"curves"}:
        changed.append(made(**{name: last_bit(getattr(whole, name))}))
    for name, curve in whole.curves.items():
        changed.append(made(curves=whole.curves | {name: last_bit(curve)}))
    curves = dict(whole.curves)
    changed.append(made(curves=curves | {"loss": curves["test"], "test": curves["loss"]}))
    curves["other"] = curves.pop("loss")
    changed.append(made(curves=curves))
    digests = {result_digest([record]) for record in (whole, *changed)}
    assert len(digests) == 1 + len(changed)


def test_the_result_digest_sees_shape_and_type():
    whole = made()
    for other in (whole.train_confusion.reshape(4, 25), whole.train_confusion.view(np.float64)):
        assert result_digest([made(train_confusion=other)]) != result_digest([whole])


def test_the_result_digest_sees_order_and_number():
    one, two = made(1), made(2)
    lists = ([], [one], [two], [one, two], [two, one], [one, one], [one, two, two])
    assert len({result_digest(each) for each in lists}) == len(lists)


def test_equal_results_are_not_published_again(small, tmp_path):
    record = train([Spec((5,), 0, epochs=1)], small)[0]
    path = tmp_path / "runs.npz"
    assert publish(path, packed({"a": record}))
    before = path.read_bytes()
    elsewhere = dataclasses.replace(record, seconds=9.0, environment={"device": "other"})
    assert not publish(path, packed({"a": elsewhere}))
    assert path.read_bytes() == before
    curves = record.curves | {"test": record.curves["test"] + 0.1}
    assert publish(path, packed({"a": dataclasses.replace(record, curves=curves)}))
    assert publish(path, packed({"a": record, "b": record}))
    assert publish(path, packed({"a": record}))
    assert path.read_bytes() == before
