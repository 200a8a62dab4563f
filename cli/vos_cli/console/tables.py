"""Tables on stdout that stay one record per line, whatever the width, so scripts can cut them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence


def print_table(rows: Sequence[Sequence[str]], styles: Mapping[str, str] | None = None) -> None:
    """Print aligned columns; cells whose text is a key of `styles` are coloured on a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if not sys.stdout.isatty():
        for row in rows:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(line.rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    for row in rows:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append(cell, style=(styles or {}).get(cell, ""))
            line.append(" " * (width - len(cell) + 2))
        line.rstrip()
        console.print(line)
