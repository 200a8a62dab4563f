"""Single lines on stderr."""

from __future__ import annotations

import sys

from vos_cli.errors import one_line


def say(text: str) -> None:
    print(f"vos: {one_line(text)}", file=sys.stderr)


def warn(text: str) -> None:
    say(f"warning: {text}")


def silent(_text: str) -> None:
    """In place of `say`."""
