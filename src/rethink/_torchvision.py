"""Torchvision, imported also where its compiled extension cannot be loaded.

PyPI's torchvision is built for CUDA. Beside a CPU-only torch its extension does not load, so the
operators `nms` and `qnms` are never declared, and the import dies on them with `operator
torchvision::nms does not exist`. This book needs no operator of it, only its data sets: declaring
the two, without a body, is enough.

They are declared only where loading the extension has been tried and failed. Where it loads, it
declares them itself, and a second declaration would clash.
"""

import contextlib
import importlib
import importlib.util
import io
import socket
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_SILENCE = 10  # seconds without an answer after which a server is given up
# The declarations last only as long as the object that made them.
_libraries: list[Any] = []


def import_torchvision() -> ModuleType:
    """Return the module torchvision, declaring its missing operators first where that is needed.

    Raises ModuleNotFoundError where torch or torchvision is not installed.
    """
    import torch

    _load_extension()
    missing = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
    if missing:
        library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in missing:
            library.define(name + _SIGNATURE)
        _libraries.append(library)
    return importlib.import_module("torchvision")


def download_fashion_mnist(folder: Path) -> Path:
    """Download the four files, quietly, and return the folder that they are in.

    Raises RuntimeError or OSError, soon where there is no network.
    """
    datasets = import_torchvision().datasets
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE)
    try:
        # The progress bars would land in a notebook's output.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return Path(datasets.FashionMNIST(folder, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)


def _load_extension() -> None:
    """Load torchvision's compiled extension as its own import would, if it can be loaded.

    Loading it again later, as torchvision does, has no effect: it is one library in the process.
    """
    import torch

    package = importlib.util.find_spec("torchvision")
    if package is None or package.submodule_search_locations is None:
        return
    extension = PathFinder.find_spec("_C", list(package.submodule_search_locations))
    if extension is None or extension.origin is None:
        return
    try:
        torch.ops.load_library(extension.origin)  # type: ignore[no-untyped-call]
    except (ImportError, OSError):
        return
