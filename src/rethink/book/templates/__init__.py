"""What is written here and not by Jupyter Book, as templates beside this file."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def fill(template: str, /, **values: Any) -> str:
    """Return the text of a template with these values, which are escaped unless they are `Markup`.

    Raises:
        jinja2.UndefinedError: if the template asks for a value that is not given.
    """
    return _TEMPLATES.get_template(template).render(**values)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["base64"] = lambda text: base64.b64encode(text.encode("utf-8")).decode("ascii")
