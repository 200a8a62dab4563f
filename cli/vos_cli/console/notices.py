"""Single lines on stderr."""

from __future__ import annotations

import sys

from vos_cli.console.errors import one_line


def say(text: str) -> None:
    print(f"vos: {one_line(text)}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    say(f"warning: {text}")


def complain(text: str) -> None:
    """One of several errors; a single one is raised."""
    say(f"error: {text}")


def silent(_text: str) -> None:
    """In place of `say`."""
