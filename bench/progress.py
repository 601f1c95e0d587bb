"""What is going on, for the waiting reader; standard output is for the results."""

import sys


def progress(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)
