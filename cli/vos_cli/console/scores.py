"""Scores on the terminal: the objects of one prediction, or several predictions side by side."""

from __future__ import annotations

import math

from vos_cli.console.errors import one_line
from vos_cli.console.tables import print_table
from vos_eval.compare.bootstrap import Interval
from vos_eval.compare.comparison import Comparison, numeric_columns
from vos_eval.protocols.base import ObjectScore, Score


def print_comparison(comparison: Comparison) -> None:
    """Print the objects of a single prediction, or the totals and differences of several."""
    if len(comparison.scores) == 1:
        _print_objects(comparison.first)
    else:
        _print_totals(comparison)
    if len(comparison.scores) == 1 and comparison.intervals:
        print()
        _print_totals(comparison)
    if comparison.differences:
        print()
        _print_differences(comparison)
    if len(comparison.scores) > 1 and comparison.attributes:
        print()
        _print_attributes(comparison)


def _print_objects(result: Score) -> None:
    columns = result.protocol.columns
    rows = [["sequence", "object", *columns, "frames"]]
    for item in result.objects:
        values = _values(item)
        rows.append(
            [
                one_line(item.video),
                str(item.object_id),
                *(values[column] for column in columns),
                str(len(item.frames)),
            ]
        )
    total = {name: _percent(value) for name, value in result.totals.items()}
    frames = str(sum(len(item.frames) for item in result.objects))
    rows.append(["total", "", *(total.get(column, "") for column in columns), frames])
    print_table(rows, {"total": "bold"})
    names = result.protocol.summary
    if names:
        print()
        print_table([names, [total[name] for name in names]], {names[0]: "bold"})


def _print_totals(comparison: Comparison) -> None:
    """Print a row per prediction, and under it the interval of each number."""
    columns = list(comparison.first.totals)
    rows = [["prediction", *columns]]
    for name, score in comparison.scores.items():
        rows.append([one_line(name), *(_percent(score.totals[column]) for column in columns)])
        found = comparison.intervals.get(name)
        if found is not None:
            rows.append(["  95 %", *(_span(found[column]) for column in columns)])
    print_table(rows)


def _print_differences(comparison: Comparison) -> None:
    columns = list(comparison.first.totals)
    base = next(iter(comparison.scores))
    rows = [["difference", *columns]]
    for name, numbers in comparison.differences.items():
        found = [numbers[column] for column in columns]
        title = one_line(f"{name} - {base}")
        rows.append([title, *(_percent(one.value, signed=True) for one in found)])
        rows.append(["  95 %", *(_span(one.interval, signed=True) for one in found)])
    print_table(rows)


def _print_attributes(comparison: Comparison) -> None:
    headline = numeric_columns(comparison.protocol)[0]
    rows = [[f"{headline} by attribute", "objects", *map(one_line, comparison.scores)]]
    rows += [
        [
            one_line(row.name),
            str(row.objects),
            *(_percent(row.numbers[name][headline]) for name in comparison.scores),
        ]
        for row in comparison.attributes
    ]
    print_table(rows)


def _values(item: ObjectScore) -> dict[str, str]:
    cells = {name: _percent(value) for name, value in item.numbers().items()}
    return cells | {"seen": "yes" if item.is_seen else "no"}


def _span(interval: Interval, *, signed: bool = False) -> str:
    if math.isnan(interval.low):
        return ""
    return "..".join(_percent(end, signed=signed) for end in (interval.low, interval.high))


def _percent(value: float, *, signed: bool = False) -> str:
    """Format as percent with one decimal, as papers print it; "-" where there is no value."""
    return "-" if math.isnan(value) else f"{100 * value:{'+' if signed else ''}.1f}"
