"""Any table as numbers, wherever it comes from: what the measurements on one's own data take.

Sources are text files, Parquet, NPZ, folders of images, data sets by name, and Python's arrays and
data frames.
"""

from pathlib import Path
from typing import Any

from rethink.errors import InputError
from rethink.tables import memory, sources, text_files
from rethink.tables.encode import Choices
from rethink.tables.sources import NAMED, Files, files_of
from rethink.tables.table import Column, Report, Table, from_frame, from_matrix

__all__ = [
    "NAMED", "Choices", "Column", "InputError", "Report", "Table", "from_arrays", "read"
]  # fmt: skip

_USUAL = Choices()


def read(
    source: str | Path | Files,
    target: str | None = None,
    header: bool | None = None,
    choices: Choices = _USUAL,
) -> Table:
    """Read a table from a file, several files, a folder of images or a data set's name.

    Args:
        source: a path, a pattern such as `parts/*.csv`, or one of `NAMED`, or what `files_of` found
            of it. What a file is shows in its first bytes, whatever its name.
        target: the column of labels; the last one if None. Without names, columns count from 1.
        header: whether a text file's first line has names; found out if None.
        choices: what to do in other ways than usual.

    Raises:
        InputError: there is no such table, or not one that can be read in one way only, or a choice
            does not apply to what was found.
    """
    files = files_of(source)
    name, found, paths = files.name, files.format, list(files.paths)
    if found != "text":
        _only_text(choices, header, f"{name} ({found})")
    if found not in ("text", "Parquet") and target is not None:
        raise InputError(f"{name} ({found}) has its labels apart: target (--target) does not apply")
    if found == "NPZ" and len(paths) > 1:
        raise InputError(f"{name} names {len(paths)} NPZ files; only one can be read at a time")
    match found:
        case "folder of images":
            return sources.read_images(paths[0], choices)
        case "named data set":
            return sources.read_named(files.data_set, choices)
        case "NPZ":
            return sources.read_npz(paths[0], choices)
        case "Parquet":
            return from_frame(sources.read_parquet(paths), target, choices, name)
    text = text_files.read_text(
        paths, header, choices.delimiter, choices.encoding, choices.missing_values
    )
    divided = text_files.DELIMITERS.get(text.delimiter, repr(text.delimiter))
    first = "names in the first line" if text.header else "no names in the first line"
    how = f"{name} ({text.encoding}, divided at {divided}, {first})"
    return from_frame(text.frame, target, choices, how, text.notes, text.header)


def from_arrays(
    x: Any,
    y: Any = None,
    target: str | None = None,
    choices: Choices = _USUAL,
) -> Table:
    """Take a table from Python: arrays and tensors with `y`, data frames with or without it.

    Args:
        x: shape (n, d), or (n, ...), which is flattened; or a data frame of pandas or Polars. Rows
            of shape (height, width) or (height, width, channels) are images.
        y: labels, shape (n,) or (n, 1); None if a column of the data frame has them.
        target: that column; the last one if None.
        choices: what to do in other ways than usual.

    Raises:
        InputError: as for `read`.
    """
    _only_text(choices, None, "the array or data frame")
    with sources.reading("the array or data frame"):
        frame = sources.as_frame(x)
        if frame is not None:
            size = memory.of_frame(*frame.shape, sources.text_bytes(frame.lazy()))
            memory.require("the data frame", size)
        if frame is not None and y is None:
            return from_frame(frame, target, choices, "data frame")
        if y is None:
            raise InputError("y must have the labels where x is no data frame, but it is missing")
        if target is not None:
            raise InputError("target names a column of labels, but they were passed as y")
        labels = sources.as_series("y", sources.as_array(y))
        if frame is None:
            array = sources.as_array(x)
            memory.require("the array", memory.of_array(array.shape, array.dtype))
            return from_matrix(array, labels, choices, "array")
        if len(labels) != frame.height:
            raise InputError(f"y must have {frame.height} labels, but it has {len(labels)}")
        name = "y"
        while name in frame.columns:
            name += "'"
        return from_frame(frame.with_columns(labels.alias(name)), name, choices, "data frame")


def _only_text(choices: Choices, header: bool | None, source: str) -> None:
    """Refuse choices that apply to text files only."""
    passed = {
        "header (--header)": header is not None,
        "delimiter (--delimiter)": choices.delimiter is not None,
        "encoding (--encoding)": choices.encoding is not None,
        "decimal (--decimal)": choices.decimal != ".",
    }
    for name, given in passed.items():
        if given:
            raise InputError(f"{source}: {name} applies to text files only; leave it out")
