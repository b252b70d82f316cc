"""Manuscripts of tiny books, to be written, executed and rendered in a folder of a test."""

from nbformat.v4 import new_code_cell, new_output

from rethink.book.pages import Edition

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

CONFIG = """title: Tiny
author: Nobody
only_build_toc_files: true
execute: {execute_notebooks: "off"}
html: {use_issues_button: false, use_repository_button: false}
"""

ONE = """# One

```{code-cell}
:tags: [parameters, hide-input]

seeds = 5
share = 0.5
name = "all"
```

Some prose.

```{code-cell}
from rethink import alpha

runs = study.results("training_runs", study="capacity", seeds=seeds, epochs=30)
```
"""

# Executed in a second; it leaves a number and a verdict.
ANSWER = """# One

The answer is {glue:text}`answer`, as [before](index).

```{code-cell}
:tags: [parameters, hide-input]

seeds = 5
name = "all"
```

```{code-cell}
import os
import time
from pathlib import Path

from rethink.book import claims

print("some", flush=True)
time.sleep(0.2)
print(f"{seeds} {name}", flush=True)
print(Path(os.environ["RETHINK_BOOK"]).name, repr(os.environ["RETHINK_REDUCED"]), Path.cwd().name)
```

```{code-cell}
:tags: [remove-cell]

claims.value("answer", 42.5 * seeds, 0.1)
claims.settle("input-784", "all", seeds > 3)
```
"""

SUMMARY = """# Summary

```{code-cell}
from rethink.book import claims

settled = claims.all_settled()
```
"""

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
TABLE = "panel,series,x,y\n1,line,2,3\n"


def write_book(root, chapters):
    """Write a book of these chapters, the first its root; from three on they stand in parts."""
    first, second, *rest = chapters
    toc = f"format: jb-book\nroot: book/{first}\n"
    if rest:
        toc += f"parts:\n- caption: Before\n  chapters:\n  - file: book/{second}\n"
        toc += "- caption: After\n  chapters:\n"
        toc += "".join(f"  - file: book/{page}\n" for page in rest)
    else:
        toc += f"chapters:\n- file: book/{second}\n"
    (root / "chapters").mkdir(parents=True)
    (root / "_toc.yml").write_text(toc)
    (root / "_config.yml").write_text(CONFIG)
    (root / "constraints.txt").write_text("numpy==2.0\n")
    (root / "chapters" / "references.bib").write_text("")
    (root / "chapters" / "drafts.yml").write_text("01-one: {seeds: 2}\n")
    for page, text in chapters.items():
        write_chapter(root, page, text)
    return root


def write_chapter(root, page, text):
    """Write the source of one page below its header."""
    (root / "chapters" / f"{page}.md").write_text(HEADER + text)


def code(*cells):
    """The text of a chapter of code cells."""
    return "# Title\n" + "".join(f"\n```{{code-cell}}\n{cell}\n```\n" for cell in cells)


def append(path, text="\n# more\n"):
    """Add to a file, which need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def edition_of(folder, text=ANSWER):
    """Write a book of one chapter."""
    return Edition.full(write_book(folder, {"index": "# Tiny\n", "01-one": text}))


def figure(table=TABLE, name="fig-one", caption="It rises.\n"):
    """A code cell that shows a figure."""
    picture = new_output("display_data", data={"image/png": PIXEL, "text/csv": table})
    about = {"figure": {"name": name, "caption": caption}, "image": {"alt": "a line that rises"}}
    metadata = {"mystnb": about, "tags": ["remove-input"]}
    return new_code_cell("plot()", outputs=[picture], metadata=metadata)


def handed_over(name, value, tolerance):
    """A code cell that handed a number to the prose."""
    left = new_output(
        "display_data",
        data={"application/papermill.record/text/plain": repr(value)},
        metadata={"scrapbook": {"name": name}, "rethink": {"tolerance": tolerance}},
    )
    source = f"claims.value({name!r}, {value}, {tolerance})"
    return new_code_cell(source, id=f"cell-{name}", outputs=[left])
