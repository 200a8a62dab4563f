"""Print single lines on stderr."""

from __future__ import annotations

import sys

from vos_cli.console.errors import one_line


def notify(text: str) -> None:
    print(f"vos: {one_line(text)}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    notify(f"warning: {text}")


def complain(text: str) -> None:
    """Print one of several errors; a single one is raised."""
    notify(f"error: {text}")


def stay_silent(_text: str) -> None:
    """Print nothing; stands in for `notify`."""
