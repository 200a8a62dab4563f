"""The official tools' CSV tables, as far as several protocols share them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from vos_eval.protocols.base import ObjectScore


def sequence_table(named: Iterable[tuple[str, ObjectScore]], columns: Sequence[str]) -> str:
    """Return one row per object: its name in the table and the mean of each column."""
    rows: list[Sequence[str]] = [["Sequence", *(f"{column}-Mean" for column in columns)]]
    for name, item in named:
        numbers = item.numbers()
        rows.append([name, *(three_decimals(numbers[column]) for column in columns)])
    return to_csv(rows)


def global_table(columns: Mapping[str, str], numbers: Mapping[str, float]) -> str:
    """Return one row of global numbers. columns: heading -> name of the number under it."""
    return to_csv([list(columns), [three_decimals(numbers[name]) for name in columns.values()]])


def three_decimals(value: float) -> str:
    """Format a number as the DAVIS and LVOS tools do; NaN is an empty cell."""
    return "" if math.isnan(value) else f"{value:.3f}"


def to_csv(rows: Iterable[Sequence[str]]) -> str:
    """Join rows of cells to the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
