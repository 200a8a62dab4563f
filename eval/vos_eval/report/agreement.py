"""The page of two results side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from vos_eval.agreement import Comparison, ObjectComparison, Span
from vos_eval.png import read_labels
from vos_eval.report.frames import as_grey, choose_lowest, paint_difference, plain_grey
from vos_eval.report.page import facts, notices, page_text, percent, tile, tiles, write_page
from vos_eval.report.plot import plot

SCHEMA = 1

Pictures = Callable[[Sequence[str]], Mapping[str, np.ndarray]]
"""Names of frames -> their images, uint8 H x W x 3, RGB; those that are not there are left out."""


def write_comparison(
    found: Comparison,
    folder: Path,
    *,
    names: Mapping[int, str],
    about: Mapping[str, tuple[str, str]],
    notes: Sequence[str],
    pictures: Pictures,
) -> Path:
    """Write FOLDER/index.html and return its path.

    names: what objects are called. about: facts of both sides by their name. notes: what a reader
    has to know besides the notes of the comparison. pictures: reads the frames that are shown.
    """
    a, b = (side.name for side in found.sides)
    lead = (
        f"{len(found.frames):,} frames, {len(found.objects)} objects that both have. Agreement is "
        "J of the two masks, in percent, over the frames on which one of them shows the object; "
        f"they part where it is below {percent(found.below)}."
    )
    sections = [
        tiles(_tiles(found)),
        notices([*find_notes(found, names), *notes]),
        _truth(found, names),
        _objects(found, names),
        _spans(found, names),
        _worst(found, names, pictures),
        _about(found, about),
    ]
    page = page_text(
        f"{a} and {b}",
        heading=f"{a} | {b}",
        kind="two results",
        lead=escape(lead),
        sections=sections,
    )
    return write_page(page, folder)


def to_json(found: Comparison, names: Mapping[int, str]) -> dict[str, Any]:
    """Return the comparison as JSON-ready values: unrounded, 0-1, null where there is none."""
    return {
        "schema": SCHEMA,
        "frames": len(found.frames),
        "below": found.below,
        "objects": [_object_json(found, item, names) for item in found.objects],
        "only_in_a": list(found.only[0]),
        "only_in_b": list(found.only[1]),
        "truth_frames": len(found.truth_frames),
        "only_in_truth": list(found.only_in_truth),
    }


def find_notes(found: Comparison, names: Mapping[int, str]) -> list[str]:
    """Return what a reader has to know of a comparison: what was left out."""
    notes = list(found.notes)
    for side, ids in zip(found.sides, found.only, strict=True):
        if ids:
            listed = ", ".join(call(i, names) for i in ids)
            notes.append(f"only in {side.name}, so compared with nothing: {listed}")
    if found.only_in_truth:
        listed = ", ".join(map(str, found.only_in_truth))
        notes.append(f"only in the ground truth: object {listed}")
    never = [call(item.object_id, names) for item in found.objects if item.mean is None]
    if never:
        notes.append(f"on no frame of either: {', '.join(never)}")
    return notes


def call(object_id: int, names: Mapping[int, str]) -> str:
    """Return what people call an object."""
    name = names.get(object_id)
    return f"object {object_id}" if name is None else f"object {object_id} ({name})"


def _object_json(
    found: Comparison, item: ObjectComparison, names: Mapping[int, str]
) -> dict[str, Any]:
    values = item.agreement.tolist()
    scores: dict[str, Any] = {}
    for side, score in zip(("a", "b"), item.scores, strict=False):
        scores[side] = score.numbers
    return {
        "object_id": item.object_id,
        "name": names.get(item.object_id),
        "agreement": item.mean,
        "lowest_frame": None if item.lowest is None else found.frames[item.lowest],
        "frames_shown": int(np.count_nonzero(~np.isnan(item.agreement))),
        "spans": [
            {
                "first": found.frames[span.first],
                "last": found.frames[span.last],
                "lowest_frame": found.frames[span.lowest],
                "lowest": values[span.lowest],
            }
            for span in item.spans
        ],
        "scores": scores or None,
        "over_time": {
            name: None if math.isnan(value) else value
            for name, value in zip(found.frames, values, strict=True)
        },
    }


def _tiles(found: Comparison) -> list[str]:
    means = [item.mean for item in found.objects if item.mean is not None]
    apart = len(
        {t for item in found.objects for s in item.spans for t in range(s.first, s.last + 1)}
    )
    whole = sum(means) / len(means) if means else math.nan
    least = min(means, default=math.nan)
    shown = [
        tile(percent(whole), "agreement", "mean over objects", is_main=True),
        tile(percent(least), "lowest", "of one object"),
        tile(str(apart), "frames apart", f"of {len(found.frames):,}"),
    ]
    for index, side in enumerate(found.sides):
        scored = [item.scores[index].numbers["J&F"] for item in found.objects if item.scores]
        if scored:
            shown.append(tile(percent(sum(scored) / len(scored)), "J&F", side.name))
    return shown


def _truth(found: Comparison, names: Mapping[int, str]) -> str:
    scored = [item for item in found.objects if item.scores]
    if not scored:
        return ""
    rows = []
    for item in scored:
        cells = "".join(
            f"<td>{percent(value)}</td>" for one in item.scores for value in one.numbers.values()
        )
        rows.append(f"<tr><td>{escape(call(item.object_id, names))}</td>{cells}<td></td></tr>")
    head = "".join(
        f"<th>{column}, {escape(side.name)}</th>"
        for side in found.sides
        for column in ("J&amp;F", "J", "F")
    )
    return (
        f"<section><h2>Beside ground truth</h2><p class='note'>On {len(found.truth_frames):,} "
        "frames with ground truth, prompted ones included; a benchmark's own rules are those of "
        "<code>vos eval score</code>.</p><div class='scroll'><table><thead><tr><th>Object</th>"
        f"{head}<th></th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _objects(found: Comparison, names: Mapping[int, str]) -> str:
    cards = []
    for item in found.objects:
        title = f"{call(item.object_id, names)}: agreement on {len(found.frames)} frames"
        mean = math.nan if item.mean is None else item.mean
        where = "" if item.lowest is None else f"lowest on {found.frames[item.lowest]} · "
        cards.append(
            f"<article><h4>{escape(call(item.object_id, names))}<b>{percent(mean)}</b></h4>"
            f"{plot([('j', item.agreement)], found.frames, title)}"
            f"<p>{escape(where)}{_count_spans(len(item.spans))}</p></article>"
        )
    return (
        '<section><h2>Agreement over time</h2><p class="key"><i class="j"></i>J of the two masks, '
        "percent. In long videos each point is the lowest frame of its bin.</p>"
        f'<div class="cards">{"".join(cards)}</div></section>'
    )


def _spans(found: Comparison, names: Mapping[int, str]) -> str:
    rows = [
        f"<tr><td>{escape(call(item.object_id, names))}</td>{_span_cells(found, item, span)}</tr>"
        for item in found.objects
        for span in item.spans
    ]
    if not rows:
        return "<section><h2>Where they part</h2><p>Nowhere.</p></section>"
    return (
        "<section><h2>Where they part</h2><div class='scroll'><table><thead><tr><th>Object</th>"
        "<th>First frame</th><th>Last frame</th><th>Frames</th><th>Lowest</th><th>On</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _span_cells(found: Comparison, item: ObjectComparison, span: Span) -> str:
    cells = [
        found.frames[span.first],
        found.frames[span.last],
        f"{span.last - span.first + 1:,}",
        percent(float(item.agreement[span.lowest])),
        found.frames[span.lowest],
    ]
    return "".join(f"<td>{escape(cell)}</td>" for cell in cells)


def _worst(found: Comparison, names: Mapping[int, str], pictures: Pictures) -> str:
    chosen = choose_lowest([(item, item.agreement) for item in found.objects])
    if not chosen:
        return "<section><h2>Frames that differ most</h2><p>Every mask is the same.</p></section>"
    images = pictures([found.frames[t] for _, t in chosen])
    a, b = found.sides
    figures = []
    for item, t in chosen:
        name = found.frames[t]
        masks = [read_labels(side.masks[name]) == item.object_id for side in found.sides]
        image = images.get(name)
        base = plain_grey(masks[0].shape) if image is None else as_grey(image)
        caption = f"frame {name}, agreement {percent(float(item.agreement[t]))}"
        figures.append(
            f'<figure><img src="{paint_difference(base, *masks)}" alt="{escape(caption)}">'
            f"<figcaption><b>{escape(call(item.object_id, names))}</b><br>{escape(caption)}"
            "</figcaption></figure>"
        )
    return (
        '<section><h2>Frames that differ most</h2><p class="key"><i class="right"></i>both '
        f'<i class="missed"></i>only {escape(a.name)} <i class="surplus"></i>only '
        f'{escape(b.name)}</p><div class="frames">{"".join(figures)}</div></section>'
    )


def _about(found: Comparison, about: Mapping[str, tuple[str, str]]) -> str:
    parts = []
    for index, side in enumerate(found.sides):
        rows = {key: values[index] for key, values in about.items() if values[index]}
        parts.append(f"<h3>{escape(side.name)}</h3>{facts(rows)}")
    return f"<section><h2>What was compared</h2>{''.join(parts)}</section>"


def _count_spans(count: int) -> str:
    return f"{count} span{'' if count == 1 else 's'} apart"
