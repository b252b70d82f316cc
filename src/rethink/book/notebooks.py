"""From a chapter's text to an executed notebook."""

import base64
import json
import re
from contextlib import AbstractContextManager
from pathlib import Path

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from rethink import environment
from rethink.book import claims
from rethink.book.integrity import seal
from rethink.book.pages import BookError, Edition, read, settings
from rethink.errors import CommandError, WritingError, writing_error
from rethink.paths import scratch_folder, write_files

# The variables that name the folders where Jupyter and IPython keep what is theirs.
KERNEL_FOLDERS = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")


def execute(
    edition: Edition, page: str, mark: str, output: Path | None = None, strict: bool = True
) -> None:
    """Execute one page; write the notebook and its results, whole or not at all.

    Args:
        edition: the book.
        page: its name.
        mark: the stamp to leave in the notebook.
        output: where to write the notebook, by default the edition's own place.
        strict: whether warnings on standard error are errors; else the page shows them.

    Raises:
        BookError: if a parameter is wrong or a cell fails: which, and the end of the traceback.
    """
    overrides = edition.overrides.get(page, {})
    settings(edition.root, page, overrides)
    output = output or edition.book / f"{page}.ipynb"
    unfinished = edition.build / "unfinished" / f"{page}.ipynb"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(edition.build) as scratch:
        _execute(edition, page, unfinished, scratch)
    notebook = clean(nbformat.read(unfinished, as_version=4))  # type: ignore[no-untyped-call]
    for number, cell in enumerate(notebook.cells, start=1):
        for each in cell.get("outputs", []):
            if strict and each.output_type == "stream" and each.name == "stderr":
                raise BookError(f"{page}, cell {number} wrote to standard error: {each.text}")
    notebook.metadata["rethink"] = {"stamp": mark, "parameters": overrides}
    keep(notebook, output)
    unfinished.unlink()


def _execute(edition: Edition, page: str, unfinished: Path, scratch: Path) -> None:
    """Execute one page into a notebook, with a scratch folder for what its kernel needs."""
    try:
        with surroundings(edition):
            papermill.execute_notebook(
                read(edition.root, page),
                unfinished,
                parameters=edition.overrides.get(page, {}),
                kernel_name="python3",
                cwd=edition.root,
                progress_bar=False,
                record_timing=False,
                # The kernel would talk on the terminal: that its port is open to this machine, and
                # that it was interrupted at the end.
                extra_arguments=["--log-level=CRITICAL"],
                # Else this file, with its ports and its key, lies among the temporary ones, where a
                # process that is killed leaves it.
                config=Config({"KernelManager": {"connection_file": str(scratch / "kernel.json")}}),
            )
    except RuntimeError as error:  # of nbclient's: a kernel that died, or did not start
        raise BookError(f"chapters/{page}.md: {error}; too little memory?") from None
    except PapermillExecutionError as error:
        raise _failure(page, error, unfinished) from None
    except OSError as error:
        if said := writing_error(error, edition.build):
            raise said from error
        raise


def surroundings(edition: Edition) -> AbstractContextManager[None]:
    """Let kernels that are started in this block know for which book they are executed.

    Threads that execute pages of one book side by side must all be started within such a block: the
    environment is that of the whole process.
    """
    # Also where a page has no parameters to reduce: it may read what reduced ones found.
    reduced = json.dumps(edition.overrides) if edition.overrides else ""
    values = {"RETHINK_BOOK": str(edition.book), "RETHINK_REDUCED": reduced}
    # Else the kernel needs the user's home, to write to, and executes what he has in his profile.
    values |= {name: str(edition.build / "jupyter") for name in KERNEL_FOLDERS}
    return environment.variables(values)


def keep(notebook: NotebookNode, output: Path) -> None:
    """Write an executed notebook and its results, with the digests that tell if one is changed."""
    found = claims.results(notebook)
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    results = text.encode("utf-8")
    notebook.metadata["rethink"] = seal(json.loads(_text(notebook)), results)
    write_files(
        [
            (output.parent / "results" / f"{output.stem}.json", results),
            (output, f"{_text(notebook)}\n".encode()),
        ]
    )


def _text(notebook: NotebookNode) -> str:
    return str(nbformat.writes(notebook))  # type: ignore[no-untyped-call]


def clean(notebook: NotebookNode) -> NotebookNode:
    """Strip what differs between two executions with the same result."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
            cell.metadata["tags"] = ["injected-parameters", "hide-input"]
        if cell.cell_type != "code":
            continue
        merged: list[NotebookNode] = []
        for output in cell.outputs:
            # How many pieces a stream arrives in is a matter of timing.
            last = merged[-1] if merged else {}
            if output.output_type == "stream" and output.name == last.get("name"):
                last["text"] += output.text
            else:
                merged.append(output)
        notebook.cells[number]["outputs"] = merged
    return notebook


def _failure(page: str, error: PapermillExecutionError, unfinished: Path) -> CommandError:
    """Return what is to be raised for a cell that failed."""
    if error.ename == WritingError.__name__:
        return WritingError(error.evalue)
    # What the kernel may not write is no fault of the chapter.
    said = None
    if error.ename in (OSError.__name__, PermissionError.__name__):
        said = writing_error(OSError(error.evalue))
    if said is not None:
        return WritingError(f"chapters/{page}.md could not be executed: {error.evalue}")
    return BookError(_explain(page, error, unfinished))


def _explain(page: str, error: PapermillExecutionError, unfinished: Path) -> str:
    """Say which cell of which chapter failed, with the end of its traceback."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback)).splitlines()
    return (
        f"chapters/{page}.md failed in code cell {error.exec_count}: "
        f"{error.ename}: {error.evalue}\n"
        + "\n".join(f"    {line}" for line in lines[-12:])
        + f"\nWhat was executed is in {unfinished}; the last good chapter stays in place."
    )


def picture(notebook: Path) -> bytes:
    """Return the first figure that an executed notebook shows, as a PNG file; nothing if none."""
    executed = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"])
    return b""
