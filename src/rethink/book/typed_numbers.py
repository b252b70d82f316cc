"""What a page says, and the numbers in it that were typed and not handed over by code."""

import re

from nbformat import NotebookNode

# Numbers that the data themselves are: pictures, pixels, the highest level, pixels a side.
CONSTANTS = ("60,000", "48,000", "12,000", "10,000", "784", "255", "28")
# What is a name and no result.
_NAMED = re.compile(
    r"""
    \b(?:figure|table|algorithm|question|chapter|model|layer|seed|class|edition|page|version)s?
      \s\d+(?:(?:,\s\d|\s(?:to|and|or)\s\d{1,2})\b(?![-\u2011.,]\d))*\b(?![.,]\d|\s?[%×])
    | \bN[13]\b                                      # measures of complexity
    | \[\d+(?:,\s?\d+){2,}\]                          # [8, 4, 4]
    | (?<![\d.-])\d+(?:[-\u2011]\d+){2,}(?![\d.-])     # 8-4-4, but no range
    | \b(?:in|since|[a-z]+ber|[a-z]+uary|march|april|may|june|july|august)\s(?:19|20)\d\d\b
    | \b95\s?%(?=[^.]{0,30}(?:interval|confidence|Student))
    | (?:intervals?\s(?:\(|of\s)|probability\sof\s|tries\sat\s)95\s?%
    | (?<![\w.,/:])[01](?![\w.,/:]*\d)(?!\s?(?:%|×|x\b|million|of\s))
    | (?<![\w.,])(?:{})(?![\w.,]*\d)
    """.replace("{}", "|".join(CONSTANTS)),
    re.VERBOSE | re.IGNORECASE,
)
# What a role shows is said, what it leads to is not.
_SHOWN = re.compile(r"\{(?:term|ref|doc|numref|download)\}`([^`<]*)<[^`>]*>`")
# Code, roles, formulas, targets of links, comments, tags, the number that a title begins with, and
# of a directive its fences and options.
_SILENT = re.compile(
    r"^(`{3,})[^`{\n]*$.*?^\1\s*$"
    r"| ^[`:]{3,}(?:\{(?:button-ref|bibliography)\}[^\n]*|\{[\w-]+\})?"
    r"| ^:[\w-]+:[^\n]*$ | ^\#\s\d+\. | \{[\w:-]+\}`[^`]*` | `[^`]*`"
    r"| \$\$.*?\$\$ | \$[^$]+?\$ | (?:\[\d+\.\s[^\]]*)?\]\([^)]*\)"
    r"| https?://\S+ | <!--.*?--> | </?[a-z][^>]*>",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def bare_numbers(text: str) -> list[str]:
    """Return the numbers that stand in a text as digits and were not handed over by code.

    Names (Figure 8, model 3, [8, 4, 4]), years, the level of a 95% interval, 0, 1 and ``CONSTANTS``
    are no results. Numbers in words and in formulas are not looked for.
    """
    rest = _NAMED.sub(" ", _SILENT.sub(" ", _SHOWN.sub(r" \1 ", text)))
    return re.findall(r"[+−-]?(?:\d[\d,]*)?\.?\d+(?:\s?%)?|[½⅓⅔¼¾]", rest)


def words(notebook: NotebookNode) -> str:
    """Return what a page says: its prose, and the captions and descriptions of its figures."""
    said = []
    for cell in notebook.cells:
        about = cell.metadata.get("mystnb", {})
        said.append(cell.source if cell.cell_type == "markdown" else "")
        said.append(about.get("figure", {}).get("caption", ""))
        said.append(about.get("image", {}).get("alt", ""))
    return "\n\n".join(filter(None, said))
