import errno
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rethink import paths
from rethink.errors import CommandError, WritingError


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "a" / "b.txt"
    paths.write_text(path, "ä")
    paths.write_text(path, "ö")
    assert path.read_bytes() == "ö".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "b.txt"
    paths.write_text(path, "old")
    write = Path.write_bytes

    def full_disk(self, content):
        write(self, content[:1])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        paths.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_write_leaves_nothing_behind(tmp_path):
    target = tmp_path / "taken"
    (target / "by a folder").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        paths.write_bytes(target, b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_files_that_belong_together_are_written_all_or_none(tmp_path):
    whole, failing = tmp_path / "a" / "one.txt", tmp_path / "b" / "two.txt"
    paths.write_files([(whole, b"old"), (failing, b"old")])
    failing.unlink()
    (failing / "a folder").mkdir(parents=True)
    with pytest.raises(WritingError, match=r"two\.txt: Is a directory; change that"):
        paths.write_files([(whole, b"new"), (failing, b"new")])
    assert whole.read_bytes() == b"old"
    assert list(whole.parent.iterdir()) == [whole]
    assert list(failing.parent.iterdir()) == [failing]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "{}: No space left on device; make room there"),
        (errno.EDQUOT, "{}: Disk quota exceeded; make room there"),
        (errno.EACCES, "{}: Permission denied; change that, or name another place"),
        (errno.EROFS, "{}: Read-only file system; change that, or name another place"),
        (errno.EBADF, "{} cannot be written: [Errno 9] Bad file descriptor"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, number, words):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fails)
    path = tmp_path / "file"
    with pytest.raises(WritingError) as error:
        paths.write_text(path, "new")
    assert str(error.value) == words.format(path)
    assert list(tmp_path.iterdir()) == []


# ---- folders for a time --------------------------------------------------------------------------

ENDED_WITHIN = """
import os, sys
from pathlib import Path
from rethink import paths

with paths.scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "large").write_text("much")
    os._exit(9)
"""


@pytest.fixture
def left(tmp_path):
    """A folder in which a process that was killed has left its own."""
    done = subprocess.run([sys.executable, "-c", ENDED_WITHIN, tmp_path], check=False)
    assert done.returncode == 9
    (found,) = tmp_path.iterdir()
    assert (found / "files" / "large").exists()
    return tmp_path


def test_a_scratch_folder_is_empty_and_goes_with_its_block(tmp_path):
    with paths.scratch_folder(tmp_path) as folder:
        assert list(folder.iterdir()) == []
        (folder / "below").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_removed_and_nothing_else(left):
    (left / ".rethink-notes").mkdir()
    (left / "rethink-notes").mkdir()
    with paths.scratch_folder(left) as held, paths.scratch_folder(left) as folder:
        assert held.exists() and folder.exists()
        found = {each.name for each in left.iterdir()}
    assert found == {
        ".rethink-notes",
        "rethink-notes",
        held.parent.name,
        folder.parent.name,
    }


def test_a_scratch_folder_of_a_process_killed_before_its_lock_or_after_it_is_removed(tmp_path):
    with paths.scratch_folder(tmp_path) as folder:
        name = folder.parent.name
    (tmp_path / name).mkdir()
    with paths.scratch_folder(tmp_path) as held:
        assert list(tmp_path.iterdir()) == [held.parent]


def test_a_scratch_folder_that_a_kernel_made_again_is_removed(tmp_path):
    with paths.scratch_folder(tmp_path) as folder:
        pass
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text("{}")
    with paths.scratch_folder(tmp_path) as held:
        assert list(tmp_path.iterdir()) == [held.parent]


def test_the_lock_of_a_scratch_folder_goes_last(tmp_path, monkeypatch):
    def killed(folder, **_):
        remove(folder)
        raise SystemExit

    remove = shutil.rmtree
    with pytest.raises(SystemExit), paths.scratch_folder(tmp_path) as folder:
        (folder / "large").write_text("much")
        monkeypatch.setattr(shutil, "rmtree", killed)
    monkeypatch.undo()
    (left,) = tmp_path.iterdir()
    assert [each.name for each in left.iterdir()] == [".in-use"]


def test_what_a_killed_process_left_beside_a_file_is_removed_by_the_next_write(left):
    paths.write_text(left / "file", "content")
    assert [each.name for each in left.iterdir()] == ["file"]


def test_what_a_killed_process_left_beside_a_lock_is_removed(left):
    with paths.exclusive(left / "lock", CommandError("held")):
        assert [each.name for each in left.iterdir()] == ["lock"]


def test_what_is_left_among_temporary_files_is_removed(left, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    with paths.scratch_folder() as folder:
        assert list(left.iterdir()) == [folder.parent]
        assert folder.parent.name.startswith("rethink-")


def test_a_scratch_folder_without_room_is_named_also_behind_another_error(tmp_path):
    with (
        pytest.raises(WritingError, match=rf"^{tmp_path}: No space left on device; make room"),
        paths.scratch_folder(tmp_path),
    ):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise ValueError("could not be sent") from error


def test_what_is_known_of_an_error_in_a_worker_is_its_words(tmp_path):
    words = "Traceback …\nOSError: [Errno 28] No space left on device"
    with (
        pytest.raises(WritingError, match=rf"^{tmp_path}: No space left on device; make room"),
        paths.scratch_folder(tmp_path),
    ):
        raise ValueError("could not be sent") from RuntimeError(words)


def test_a_sentence_about_another_place_is_left_alone(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    sentence = WritingError("/elsewhere is full")
    with pytest.raises(WritingError, match="elsewhere"), paths.scratch_folder(tmp_path):
        raise sentence from full


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(errno.ENOENT, "x", "/y")])
def test_other_errors_in_a_scratch_folder_are_left_alone(tmp_path, error):
    with pytest.raises(type(error)) as found, paths.scratch_folder(tmp_path):
        raise error
    assert found.value is error


def test_without_any_folder_for_temporary_files_one_sentence_says_so(monkeypatch):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with (
        pytest.raises(
            WritingError,
            match=r"^No usable temporary directory found in \['/x'\]; make room in one, or name",
        ),
        paths.scratch_folder(),
    ):
        pytest.fail("there is none")


def test_a_second_process_is_refused_what_one_holds(tmp_path):
    lock = tmp_path / "new" / "lock"
    refusal = CommandError("held")
    with (
        paths.exclusive(lock, refusal),
        pytest.raises(CommandError, match="held"),
        paths.exclusive(lock, refusal),
    ):
        pytest.fail("it is held")
    with paths.exclusive(lock, refusal):
        pass
    assert list(lock.parent.iterdir()) == []
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(WritingError, match=r"file(/lock)?: (File exists|Not a directory);"),
        paths.exclusive(tmp_path / "file" / "lock", refusal),
    ):
        pytest.fail("there is no such folder")


# ---- where things are ---------------------------------------------------------------------------


def test_the_cache_is_the_variable_or_in_the_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("RETHINK_CACHE", str(tmp_path))
    assert paths.cache_folder() == tmp_path
    monkeypatch.delenv("RETHINK_CACHE")
    folder = paths.cache_folder()
    assert folder.name == ".cache" and (folder.parent / "pyproject.toml").is_file()
    installed = tmp_path / "rethink" / "paths.py"  # no repository around it
    monkeypatch.setattr(paths, "__file__", str(installed))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.cache_folder() == tmp_path / ".cache" / "rethink"


def test_the_repository_is_the_one_that_holds_the_package():
    folder = paths.repository()
    assert folder is not None
    assert (folder / "src" / "rethink" / "paths.py").samefile(paths.__file__)


def test_a_project_that_an_installed_package_lies_in_is_not_its_repository(tmp_path, monkeypatch):
    installed = tmp_path / ".venv" / "lib" / "site-packages" / "rethink" / "paths.py"
    monkeypatch.setattr(paths, "__file__", str(installed))
    (tmp_path / "pyproject.toml").write_text("")
    assert paths.repository() is None
    assert paths.card_files() == installed.parent / "book" / "card_files"
