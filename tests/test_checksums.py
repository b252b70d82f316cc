import shutil
import subprocess

import pytest

from rethink import checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "below" / "two and.txt").write_text("two")
    return tmp_path


def test_a_folder_is_as_it_was_made_until_something_in_it_changes(folder):
    names = checksums.files_of(folder)
    assert names == ["below/two and.txt", "one.txt"]
    assert checksums.differences(folder, names) == {
        name: f"has no digest in {folder.name}/SHA256SUMS" for name in names
    }
    checksums.record(folder, names)
    assert checksums.files_of(folder) == names
    assert checksums.differences(folder, names) == {}
    (folder / "one.txt").write_text("One")
    (folder / "below" / "two and.txt").unlink()
    assert checksums.differences(folder, names) == {
        "below/two and.txt": "is missing",
        "one.txt": "is not as it was made",
    }


def test_what_is_recorded_of_other_files_stays(folder):
    checksums.record(folder, ["one.txt"])
    before = checksums.recorded(folder)["one.txt"]
    (folder / "one.txt").write_text("changed")
    checksums.record(folder, ["below/two and.txt"])
    assert checksums.recorded(folder)["one.txt"] == before
    assert list(checksums.differences(folder, checksums.files_of(folder))) == ["one.txt"]


def test_a_well_kept_tool_reads_the_digests(folder):
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("there is no sha256sum")
    checksums.record(folder, checksums.files_of(folder))
    command = [program, "--check", "--strict", "--quiet", checksums.NAME]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 0
    (folder / "one.txt").write_text("changed")
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert b"one.txt: FAILED" in done.stdout


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"no digest  one.txt\n"])
def test_of_spoiled_digests_nothing_is_known(folder, content):
    (folder / checksums.NAME).write_bytes(content)
    assert checksums.recorded(folder) == {}
    checksums.record(folder, ["one.txt"])
    assert list(checksums.recorded(folder)) == ["one.txt"]
