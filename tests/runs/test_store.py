import dataclasses
import errno
import os
import resource
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rethink import checksums
from rethink.paths import repository
from rethink.protocol import Record
from rethink.runs.store import PUBLISHED, RecordsError, Store, publish, result_digest, write_arrays
from rethink.runs.training_results import record as record_of
from tests.runs.examples import SPEC, bits, bits_of, made, result_of


def test_a_file_gives_back_every_bit_and_holds_no_pickle(tmp_path):
    Store(tmp_path, None).put("a", result_of(made()))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert bits(record_of(arrays)) == bits(made())


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


def packed(records):
    return {name: result_of(record) for name, record in records.items()}


def test_published_records_are_read_back_equal(tmp_path):
    all_of_them = {f"k{n}": made(n, spec=dataclasses.replace(SPEC, seed=n)) for n in range(4)}
    assert publish(tmp_path / "runs.npz", packed(all_of_them))
    store = Store(tmp_path / "none", published=tmp_path / "runs.npz")
    assert len(store.published) == 4
    for name, record in all_of_them.items():
        assert bits(record_of(store.get(name))) == bits(record)
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
    publish(two, {name: store.get(name) for name in reversed(all_of_them)})
    assert two.read_bytes() == one.read_bytes()
    with zipfile.ZipFile(one) as file:  # no time of writing, which two runs would not share
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert publish(two, packed({"k0": made(0)}))
    assert len(Store(tmp_path, two).published) == 1


# Store


def test_published_records_come_before_the_folders(tmp_path):
    published = tmp_path / "runs.npz"
    publish(published, packed({"both": made(0), "published": made(1)}))
    for store in (Store(tmp_path, published), Store(tmp_path, None)):
        store.put("both", result_of(made(2)))
        store.put("folder", result_of(made(3)))

    def found(published):
        store = Store(tmp_path, published)
        got = (store.get(name) for name in ("both", "published", "folder", "neither"))
        return [result and bits_of(result) for result in got], len(store.published)

    zero, one, two, three = (bits_of(result_of(made(seed))) for seed in range(4))
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
    "array": lambda whole: b"\x93NUMPY" + b"\x01\x00" + b"\x00" * 20,
    "pickle": lambda whole: b"\x80\x04N.",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_no_record_and_is_replaced(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "records", None)
    store.put("a", result_of(made()))
    path = tmp_path / "records" / "a.npz"
    path.write_bytes(SPOILED[how](path.read_bytes()))
    assert store.get("a") is None
    store.put("a", result_of(made()))
    assert bits(record_of(store.get("a"))) == bits(made())


def test_the_file_of_another_result_is_none(tmp_path):
    store = Store(tmp_path, None)
    store.put("one", result_of(made(1)))
    store.put("two", result_of(made(2)))
    assert bits_of(store.get("one")) == bits_of(result_of(made(1)))
    (tmp_path / "one.npz").write_bytes((tmp_path / "two.npz").read_bytes())
    assert store.get("one") is None
    assert bits_of(store.get("two")) == bits_of(result_of(made(2)))
    # As they were kept before they had keys.
    write_arrays(tmp_path / "old.npz", result_of(made(3)))
    assert bits_of(store.get("old")) == bits_of(result_of(made(3)))


def published_in(tmp_path, recorded):
    """A file with a published result, with its digest beside it or not."""
    path = tmp_path / "records.npz"
    publish(path, packed({"a": made()}))
    if not recorded:
        (tmp_path / checksums.NAME).unlink()
    return path


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("recorded", [True, False])
def test_spoiled_published_results_are_refused_with_what_restores_them(
    tmp_path, monkeypatch, how, recorded
):
    monkeypatch.chdir(tmp_path)
    path = published_in(tmp_path, recorded)
    path.write_bytes(SPOILED[how](path.read_bytes()))
    words = (
        rf"^{path} is damaged, or .*; restore it, as by `git checkout {path}( .*)?`, or delete it"
    )
    for work in (
        lambda: Store(tmp_path / "none", path).get("a"),
        lambda: publish(path, packed({"b": made()})),
    ):
        with pytest.raises(RecordsError, match=words):
            work()


def test_no_flipped_bit_gives_another_number(tmp_path):
    """Without the digest: the archive's own checksums are looked at."""
    path = tmp_path / "records.npz"
    result = {"about": np.zeros(3, np.uint8), "x": np.arange(4.0)}
    publish(path, {"a": result})
    (tmp_path / checksums.NAME).unlink()
    whole, refused = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(spoil(whole, place))
        try:
            found = Store(tmp_path, path).published
        except RecordsError:
            refused += 1
        else:
            assert bits_of(found["a"]) == bits_of(result)
    assert refused > len(whole) / 2


def test_a_number_changed_by_hand_is_refused(tmp_path):
    path = published_in(tmp_path, recorded=True)
    with np.load(path) as file:
        entries = dict(file)
    entries["a/train"] = entries["a/train"] + 1
    write_arrays(path, entries)
    with pytest.raises(RecordsError, match=f"its digest is not the one in {checksums.NAME}"):
        Store(tmp_path, path).get("a")
    path.unlink()
    assert Store(tmp_path, path).get("a") is None


def test_a_digest_that_is_not_there_is_recorded(tmp_path):
    path = published_in(tmp_path, recorded=False)
    before = path.read_bytes()
    assert not publish(path, packed({"a": made()}))
    assert path.read_bytes() == before
    assert checksums.differences(tmp_path, [path.name]) == {}


@pytest.mark.parametrize("renamed", range(4))
def test_a_kill_while_results_are_published_leaves_old_or_new_ones(tmp_path, monkeypatch, renamed):
    path = published_in(tmp_path, True)
    new = packed({"b": made(1)})
    left = [Path.replace] * renamed

    def killed(self, target):
        if not left:
            raise SystemExit
        return left.pop()(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    if renamed < 3:
        with pytest.raises(SystemExit):
            publish(path, new)
    else:
        publish(path, new)
    monkeypatch.undo()
    assert Store(tmp_path, path).published.keys() == ({"a"} if renamed < 2 else {"b"})
    publish(path, new)
    assert checksums.differences(tmp_path, [path.name]) == {}
    assert Store(tmp_path, path).published.keys() == {"b"}


def test_no_cut_of_a_file_is_taken_for_a_record(tmp_path):
    store, path = Store(tmp_path, None), tmp_path / "a.npz"
    store.put("a", result_of(made()))
    whole = path.read_bytes()
    for end in range(1, len(whole), 97):
        path.write_bytes(whole[:end])
        assert store.get("a") is None
        path.write_bytes(whole[:end] + bytes(len(whole) - end))
        assert store.get("a") is None


def test_the_store_of_this_machine_stands_behind_what_is_published(tmp_path, monkeypatch):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    monkeypatch.delenv("RETHINK_RECORDS", raising=False)
    assert Store.here().folder == tmp_path / "records"
    assert Store.here().file == repository() / PUBLISHED
    monkeypatch.setenv("RETHINK_RECORDS", str(tmp_path / "some.npz"))
    assert Store.here().file == tmp_path / "some.npz"
    assert Store.here().published == {}


# Result digest


def digest(records):
    return result_digest(map(result_of, records))


def test_the_result_digest_does_not_see_time_and_machine():
    elsewhere = made(seconds=99.0, environment={"processor": "another"})
    assert digest([elsewhere]) == digest([made()])


def last_bit(array):
    changed = array.copy(order="K")
    changed.flat[-1] = np.nextafter(array.flat[-1], 2) if array.dtype.kind == "f" else 1
    assert changed.flat[-1] != array.flat[-1]
    return changed


def test_the_result_digest_sees_everything_else():
    whole = made()
    changed = []
    names = {f.name for f in dataclasses.fields(Record)} - {"seconds", "environment", "spec"}
    for name in names - {"curves"}:
        changed.append(made(**{name: last_bit(getattr(whole, name))}))
    for name, curve in whole.curves.items():
        changed.append(made(curves=whole.curves | {name: last_bit(curve)}))
    curves = dict(whole.curves)
    changed.append(made(curves=curves | {"loss": curves["test"], "test": curves["loss"]}))
    curves["other"] = curves.pop("loss")
    changed.append(made(curves=curves))
    digests = {digest([record]) for record in (whole, *changed)}
    assert len(digests) == 1 + len(changed)


def test_the_result_digest_sees_shape_and_type():
    whole = made()
    for other in (whole.train_confusion.reshape(4, 25), whole.train_confusion.view(np.float64)):
        assert digest([made(train_confusion=other)]) != digest([whole])


def test_the_result_digest_sees_order_and_number():
    one, two = made(1), made(2)
    lists = ([], [one], [two], [one, two], [two, one], [one, one], [one, two, two])
    assert len({digest(each) for each in lists}) == len(lists)


def test_equal_results_are_not_published_again(tmp_path):
    record = made()
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
