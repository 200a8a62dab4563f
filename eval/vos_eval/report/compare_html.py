"""One page for several predictions: totals, differences, attributes, curves side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path

from vos_eval.compare.bootstrap import Interval
from vos_eval.compare.comparison import Comparison, numeric_columns
from vos_eval.protocols.base import ObjectScore
from vos_eval.report.export import write_text
from vos_eval.report.paper_tables import LOWER_IS_BETTER
from vos_eval.report.plot import COLOURS, curves
from vos_eval.report.provenance import fingerprint, read_run

PAGE_NAME = "index.html"


def write_comparison(
    comparison: Comparison, gt_dir: Path, predictions: Mapping[str, Path], folder: Path
) -> Path:
    """Write FOLDER/index.html, which needs nothing else, and return its path.

    Raises:
        EvalError: it cannot be written.
    """
    path = folder / PAGE_NAME
    write_text(_page(comparison, gt_dir, predictions), path)
    return path


def _page(comparison: Comparison, gt_dir: Path, predictions: Mapping[str, Path]) -> str:
    style = files("vos_eval.report").joinpath("report.css").read_text("utf-8")
    objects = comparison.first.objects
    videos = len({item.video for item in objects})
    names = ", ".join(comparison.scores)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(names)} – {escape(comparison.protocol.name)}</title>
<style>{style}</style></head><body><main>
<header><p class="eyebrow">Video object segmentation · {len(comparison.scores)} predictions</p>
<h1>{escape(comparison.protocol.name)} comparison</h1>
<p class="lead">{videos} videos, {len(objects)} objects of {escape(str(gt_dir))}.
Scored as by {escape(comparison.protocol.description)}.</p></header>
{_notices(comparison)}
{_totals(comparison)}
{_differences(comparison)}
{attribute_section(comparison)}
{_object_table(comparison)}
{_curves(comparison)}
{_provenance(comparison, predictions)}
</main></body></html>
"""


def _notices(comparison: Comparison) -> str:
    texts = [*comparison.notes, *comparison.readings]
    if comparison.left_out:
        texts.append(f"Left out: {', '.join(comparison.left_out)}.")
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<section class="notice"><ul>{items}</ul></section>'


def _totals(comparison: Comparison) -> str:
    columns = list(comparison.first.totals)
    rows = []
    for index, (name, score) in enumerate(comparison.scores.items()):
        cells = [
            _cell(
                score.totals[column],
                comparison.intervals.get(name, {}).get(column),
                _is_best(comparison, name, column),
            )
            for column in columns
        ]
        rows.append([_named(index, name), *cells])
    note = (
        "<p class='note'>Percent. Small: the middle 95 % over data sets of as many videos drawn "
        "with replacement. Bold: the best of a column.</p>"
    )
    return f"<section><h2>Totals</h2>{_table(['Prediction', *columns], rows)}{note}</section>"


def _is_best(comparison: Comparison, name: str, column: str) -> bool:
    values = [score.totals[column] for score in comparison.scores.values()]
    there = [value for value in values if not math.isnan(value)]
    if not there:
        return False
    best = min(there) if column in LOWER_IS_BETTER else max(there)
    return comparison.scores[name].totals[column] == best


def _differences(comparison: Comparison) -> str:
    if not comparison.differences:
        return ""
    columns = list(comparison.first.totals)
    base = next(iter(comparison.scores))
    rows = []
    for name, numbers in comparison.differences.items():
        cells = [
            _cell(one.value, one.interval, one.interval.excludes_zero(), signed=True)
            for one in (numbers[column] for column in columns)
        ]
        rows.append([f"{escape(name)} − {escape(base)}", *cells])
    note = (
        "<p class='note'>Points. Both are scored on the same drawn videos. Bold: 0 lies outside "
        "the interval.</p>"
    )
    table = _table(["Difference", *columns], rows)
    return f"<section><h2>Differences</h2>{table}{note}</section>"


def attribute_section(comparison: Comparison) -> str:
    """Return the means over the objects with each attribute."""
    if not comparison.attributes:
        return ""
    columns = numeric_columns(comparison.protocol)[:3]
    names = list(comparison.scores)
    head = ["Attribute", "objects"]
    head += [
        f"{column} · {name}" if len(names) > 1 else column for column in columns for name in names
    ]
    rows = [
        [
            escape(row.name),
            str(row.objects),
            *(_cell(row.numbers[name][column]) for column in columns for name in names),
        ]
        for row in comparison.attributes
    ]
    note = (
        "<p class='note'>Mean over objects, whatever groups the totals have. Small objects are "
        "under 1 % of the image, large ones over 10 %.</p>"
    )
    return f"<section><h2>By attribute</h2>{_table(head, rows)}{note}</section>"


def _object_table(comparison: Comparison) -> str:
    headline = numeric_columns(comparison.protocol)[0]
    names = list(comparison.scores)
    head = ["Video", "object", *names]
    head += [f"{name} − {names[0]}" for name in names[1:]]
    rows = []
    for items in _rows_of_objects(comparison):
        values = [item.numbers()[headline] for item in items]
        cells = [_cell(value) for value in values]
        cells += [_cell(value - values[0], signed=True) for value in values[1:]]
        rows.append([escape(items[0].video), str(items[0].object_id), *cells])
    return f"<section><h2>Objects, {escape(headline)}</h2>{_table(head, rows)}</section>"


def _rows_of_objects(comparison: Comparison) -> list[list[ObjectScore]]:
    """Return each object's scores, those first in which the predictions differ the most."""
    headline = numeric_columns(comparison.protocol)[0]
    rows = [
        list(items) for items in zip(*(s.objects for s in comparison.scores.values()), strict=True)
    ]

    def spread(items: list[ObjectScore]) -> float:
        values = [item.numbers()[headline] for item in items]
        return max(values) - min(values)

    return sorted(rows, key=spread, reverse=True)


def _curves(comparison: Comparison) -> str:
    key = "".join(
        f'<i class="line c{index % COLOURS}"></i>{escape(name)} '
        for index, name in enumerate(comparison.scores)
    )
    cards = "".join(_card(comparison, items) for items in _rows_of_objects(comparison))
    return (
        f'<section><h2>J and F over time</h2><p class="key">{key}– left J, right F, percent; '
        "objects first in which the predictions differ the most. In long videos each point is the "
        f'lowest frame of its bin.</p><div class="cards wide">{cards}</div></section>'
    )


def _card(comparison: Comparison, items: list[ObjectScore]) -> str:
    headline = numeric_columns(comparison.protocol)[0]
    longest = max(items, key=lambda item: len(item.frames))
    title = f"{longest.video} object {longest.object_id}"
    plots = "".join(
        curves(longest.frames, [getattr(item, part) for item in items], f"{title}: {part.upper()}")
        for part in ("j", "f")
    )
    values = " · ".join(
        f"{escape(name)} {_percent(item.numbers()[headline])}"
        for name, item in zip(comparison.scores, items, strict=True)
    )
    return (
        f"<article><h4>{escape(longest.video)} <span>object {longest.object_id}</span></h4>"
        f'<div class="pair">{plots}</div><p>{escape(headline)}: {values}</p></article>'
    )


def _provenance(comparison: Comparison, predictions: Mapping[str, Path]) -> str:
    parts = []
    plan = comparison.first.plan
    gt = fingerprint(frame.gt for one in plan.sequences for frame in one.frames)
    rows = {"protocol": comparison.protocol.name, "SHA-256 of the ground truth": gt}
    parts.append(_definitions("", rows))
    for name, score in comparison.scores.items():
        rows = {"folder": str(predictions[name])} | read_run(predictions[name])
        rows["SHA-256 of the scored predictions"] = fingerprint(
            frame.pred
            for one in score.plan.sequences
            for frame in one.frames
            if frame.pred is not None
        )
        parts.append(_definitions(f"<h3>{escape(name)}</h3>", rows))
    return f"<section><h2>What was scored</h2>{''.join(parts)}</section>"


def _definitions(title: str, rows: Mapping[str, str]) -> str:
    items = "".join(
        f"<dt>{escape(key.replace('_', ' '))}</dt><dd>{escape(value)}</dd>"
        for key, value in rows.items()
    )
    return f"{title}<dl>{items}</dl>"


def _named(index: int, name: str) -> str:
    return f'<i class="line c{index % COLOURS}"></i>{escape(name)}'


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Lay out cells that are HTML under headings that are text."""
    top = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(
    value: float, interval: Interval | None = None, is_bold: bool = False, *, signed: bool = False
) -> str:
    text = _percent(value, signed=signed)
    text = f"<b>{text}</b>" if is_bold else text
    if interval is None or math.isnan(interval.low):
        return text
    low, high = (_percent(end, signed=signed) for end in (interval.low, interval.high))
    return f"{text} <small>{low} to {high}</small>"


def _percent(value: float, *, signed: bool = False) -> str:
    return "–" if math.isnan(value) else f"{100 * value:{'+' if signed else ''}.1f}"
