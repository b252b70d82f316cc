"""What the last bits of a result depend on: processor, device, libraries."""

import platform
import re
from importlib.metadata import version
from pathlib import Path


def environment(device: str = "cpu") -> dict[str, str]:
    """Describe this machine, and the device that PyTorch names so."""
    import torch

    kind = torch.device(device)
    return {
        "device": torch.cuda.get_device_name(kind) if kind.type == "cuda" else kind.type,
        "processor": _processor(),
        "vector": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": str(torch.__version__),
        "numpy": version("numpy"),
        "sklearn": version("scikit-learn"),
    }


def name(environment: dict[str, str]) -> str:
    """Name a type of machine by its processor and vector unit, such as AMD EPYC (AVX2).

    A GPU has its own name.
    """
    if environment["device"] != "cpu":
        return environment["device"]
    words = re.sub(r"\((?:R|TM)\)|\b(?:CPU|Processor)\b", " ", environment["processor"]).split()
    return f"{' '.join(words)} ({environment['vector'].replace('AVX512', 'AVX-512')})"


def same_machine(old: dict[str, str], new: dict[str, str]) -> bool:
    """Tell whether a new environment is what an old one says of its own."""
    return all(new.get(name) == value for name, value in old.items())


def _processor() -> str:
    """Name the processor; the operating system keeps the name in different places."""
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
