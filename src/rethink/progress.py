"""What is said about work under way; results alone go to standard output."""

from rich.console import Console

# Everything said about the work goes to standard error.
console = Console(stderr=True, highlight=False)


def in_words(seconds: float) -> str:
    """Write a time shortly: seconds up to 90, minutes above."""
    if seconds == float("inf"):
        return "unknown time"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
