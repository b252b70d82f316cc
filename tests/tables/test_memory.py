"""What tables are said to take, and what is said to be there."""

import numpy as np
import pytest

from rethink.errors import InputError
from rethink.tables import memory


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of which 8 GiB are available; returns the folders of its process and groups."""
    monkeypatch.setattr(memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    text = f"MemTotal: {16 << 20} kB\nMemFree: {1 << 20} kB\nMemAvailable: {8 << 20} kB\n"
    (tmp_path / "proc" / "meminfo").write_text(text)
    return tmp_path / "proc" / "self" / "cgroup", tmp_path / "groups"


def write_group(folder, limit, used, idle, old=False):
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    names = names if old else ("memory.max", "memory.current", "inactive_file")
    for name, value in zip(names, (limit, used), strict=False):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{names[2]} {idle}\n")


def test_what_linux_says_is_available(machine):
    assert memory.available() == 8 << 30


def test_without_it_all_memory_counts(machine):
    (machine[0].parents[1] / "meminfo").write_text("MemTotal: 1 kB\n")
    assert memory.available() > 64 << 20  # of the machine that this runs on


def test_control_groups_count(machine):
    lines, groups = machine
    lines.write_text("0::/user/own\n")
    assert memory.available() == 8 << 30  # which are not seen from here
    write_group(groups / "user" / "own", "max", 5, 1)
    assert memory.available() == 8 << 30
    write_group(groups / "user", 4 << 30, 1 << 30, 1 << 20)
    assert memory.available() == (3 << 30) + (1 << 20)
    write_group(groups, 1 << 30, 2 << 30, 0)
    assert memory.available() == 0


def test_control_groups_of_version_1_count(machine):
    lines, groups = machine
    lines.write_text("9:cpu:/own\n4:memory,other:/own\n0::/\n")
    write_group(groups / "memory" / "own", 2**63 - 4096, 5, 1, old=True)
    assert memory.available() == 8 << 30
    write_group(groups / "memory", 2 << 30, 1 << 30, 1 << 29, old=True)
    assert memory.available() == 3 << 29


def test_more_than_a_share_is_refused_in_a_sentence(machine):
    memory.require("t.csv", 6 << 30)
    with pytest.raises(InputError) as error:
        memory.require("t.csv", (6 << 30) + 1)
    assert str(error.value) == (
        "t.csv would take some 6 GiB of memory to be read and measured, and may take 75% of the "
        "8 GiB that are available here; take a part of it, or a machine with more"
    )


def test_every_part_of_a_table_counts():
    assert memory.of_array((2, 20_000_000), np.uint8) > 10 * memory.of_array((2, 10**6), "u1")
    assert memory.of_array((10**6, 2), np.uint8) < memory.of_array((10**6, 2), np.float32)
    assert memory.of_array((10**4, 28, 28), "u1") < memory.of_array((10**4, 784), "u1")
    assert memory.of_array((10**4, 20), "U50") > memory.of_array((10**4, 20), float)
    assert memory.of_text(10**6) < memory.of_text(10**6, 10) < memory.of_text(10**6, 10, 100)
    assert memory.of_frame(10, 10) < memory.of_frame(10, 10, 10) < memory.of_frame(10, 11, 10)
