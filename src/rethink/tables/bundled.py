"""The small data sets that scikit-learn brings, read from its files.

`sklearn.datasets` gives the same, but to import it takes longer than to read and measure them all.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
    "concave points", "symmetry", "fractal dimension",
)  # fmt: skip
# The columns of each; the files have no names of them.
COLUMNS = {
    "iris": ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
    "wine": (
        "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols",
        "flavanoids", "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue",
        "od280/od315_of_diluted_wines", "proline",
    ),
    "breast-cancer": (
        *(f"mean {each}" for each in _MEASURES),
        *(f"{each} error" for each in _MEASURES),
        *(f"worst {each}" for each in _MEASURES),
    ),
    "digits": tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
}  # fmt: skip
_FILES = {
    "iris": "iris.csv",
    "wine": "wine_data.csv",
    "breast-cancer": "breast_cancer.csv",
    "digits": "digits.csv.gz",
}


@dataclass(frozen=True, eq=False)
class Bundled:
    """Features of shape (n, d), labels of shape (n,) from 0 on, and what both are called."""

    features: NDArray[np.float64]
    labels: NDArray[np.intp]
    classes: list[str]
    columns: list[str]
    shape: tuple[int, ...] | None  # of a row that is an image


def load(name: str) -> Bundled:
    """Read one of `COLUMNS`.

    Raises:
        OSError: this scikit-learn has no such file.
    """
    path = _folder() / _FILES[name]
    if name == "digits":
        rows: NDArray[Any] = np.loadtxt(path, delimiter=",")
        classes = [str(digit) for digit in range(10)]
    else:
        # Its first line has the numbers of rows and columns, and the names of the classes.
        with path.open(encoding="utf-8") as lines:
            classes = next(lines).strip().split(",")[2:]
            rows = np.loadtxt(lines, delimiter=",")
    shape = (8, 8) if name == "digits" else None
    return Bundled(rows[:, :-1], rows[:, -1].astype(np.intp), classes, list(COLUMNS[name]), shape)


def _folder() -> Path:
    """Return where scikit-learn has its data, without importing it."""
    found = importlib.util.find_spec("sklearn")
    places = found.submodule_search_locations if found else None
    if not places:
        raise OSError("scikit-learn is not installed")
    return Path(places[0], "datasets", "data")
