"""How much memory a process has held."""

import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Most memory that this process has held, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts the peak of the parent into ru_maxrss, but not into this.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
