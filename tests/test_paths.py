from pathlib import Path

import pytest

from rethink import paths


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
