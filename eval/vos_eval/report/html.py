"""The report: one HTML file that needs nothing else, for people to look at and to pass on."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from vos_eval.compare.comparison import Comparison, numeric_columns
from vos_eval.metrics.boundary import Boundary
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score
from vos_eval.protocols.plan import Plan
from vos_eval.protocols.published import IMAGES, PublishedRow, PublishedTable
from vos_eval.report.compare_html import attribute_section
from vos_eval.report.frames import WorstFrame, worst_frames
from vos_eval.report.page import facts, notices, page_text, percent, tile, tiles, write_page
from vos_eval.report.plot import object_plot
from vos_eval.report.provenance import RUN_NAME, fingerprint, read_run


def write_report(
    score: Score,
    gt_dir: Path,
    pred_dir: Path,
    options: Options,
    folder: Path,
    comparison: Comparison | None = None,
) -> Path:
    """Write FOLDER/index.html and return its path.

    comparison: has the means by attribute to show.

    Raises:
        EvalError: it cannot be written.
    """
    plan = score.plan
    page = _page(
        score,
        options,
        read_run(pred_dir),
        worst_frames(score, plan, gt_dir),
        {
            "ground truth": fingerprint(f.gt for s in plan.sequences for f in s.frames),
            "predictions": fingerprint(
                f.pred for s in plan.sequences for f in s.frames if f.pred is not None
            ),
        },
        "" if comparison is None else attribute_section(comparison),
    )
    return write_page(page, folder)


def _frame_count(plan: Plan) -> int:
    return len({(s.video, f.name) for s in plan.sequences for f in s.frames})


def _page(
    score: Score,
    options: Options,
    run: dict[str, str],
    worst: list[WorstFrame],
    hashes: dict[str, str],
    attributes: str,
) -> str:
    title = run.get("data_set") or f"{score.protocol.name} evaluation"
    frame_count = _frame_count(score.plan)
    videos = len({item.video for item in score.objects})
    headline = next(iter(score.totals))
    model = run.get("model")
    sections = [
        _tiles(score),
        _notices(score, options),
        _comparison(score, options, run),
        attributes,
        _objects(score),
        _worst(worst),
        _provenance(score, options, run, hashes),
        _images_table(),
    ]
    lead = (
        f"{videos} videos, {len(score.objects)} objects, {frame_count:,} scored frames.\n"
        f"Scored as by {escape(score.protocol.description)}."
    )
    return page_text(
        f"{title} – {headline} {percent(score.totals[headline])}",
        heading=title,
        kind=model,
        lead=lead,
        sections=sections,
    )


_TILE_TEXT = {
    "J&F": "mean of region and contour",
    "J": "region similarity",
    "F": "contour accuracy",
    "Js": "J, seen",
    "Fs": "F, seen",
    "Ju": "J, unseen",
    "Fu": "F, unseen",
    "V": "instability, lower is better",
    "J_tr": "J of the last quarter",
    "J&Fdot": "J, and contours by object size",
    "Fdot": "contours by object size",
    "J&Fdot_d": "while an object is gone",
    "J&Fdot_r": "once it is back",
    "JR": "J recall",
    "JD": "J decay",
    "FR": "F recall",
    "FD": "F decay",
}


def _tiles(score: Score) -> str:
    return tiles(
        [
            tile(percent(value), name, _TILE_TEXT.get(name, ""), is_main=not index)
            for index, (name, value) in enumerate(score.totals.items())
        ]
    )


def _notices(score: Score, options: Options) -> str:
    texts = [*score.notes, *score.plan.readings]
    if options.boundary is not Boundary.STANDARD:
        texts.append(f"Contour rule {options.boundary}: F is not comparable with standard F.")
    if options.fixes:
        names = ", ".join(sorted(options.fixes))
        texts.append(f"Quirks of the official tool switched off: {names}.")
    if options.unseen is not None:
        texts.append(f"List of unseen videos: {options.unseen}, not the official one.")
    if options.only_videos is not None:
        texts.append(
            f"A part of the data set: {len(options.only_videos)} videos. Not comparable with "
            "published numbers."
        )
    return notices(texts)


def _comparison(score: Score, options: Options, run: dict[str, str]) -> str:
    data_set = run.get("data_set", "")
    candidates = score.protocol.published
    if not candidates:
        return ""
    tables = [table for table in candidates if table.data_set == data_set]
    is_known = bool(tables)
    is_partial = options.only_videos is not None or bool(score.plan.left_out or options.leave_out)
    parts = [_published_table(table, score, is_known, is_partial) for table in tables or candidates]
    return f"<section><h2>Beside published numbers</h2>{''.join(parts)}</section>"


def _published_table(table: PublishedTable, score: Score, is_known: bool, is_partial: bool) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    own = "".join(f"<td>{percent(score.totals.get(name, math.nan))}</td>" for name in table.columns)
    rules = score.protocol.rules or score.protocol.name
    rows = [f'<tr class="own"><td>This run</td>{own}<td>{escape(rules)}</td><td></td></tr>']
    rows += [_published_row(row, score.protocol) for row in table.rows]
    doubt = []
    if not is_known:
        doubt.append(
            f"Nothing records that {table.data_set} is what was scored: these rows count only if "
            "it is, with all its videos."
        )
    if is_partial:
        doubt.append("This run covers only a part of the data set.")
    warning = f'<p class="warn">⚠ {escape(" ".join(doubt))}</p>' if doubt else ""
    return (
        f"<h3>{escape(table.data_set)}</h3>{warning}<div class='scroll'><table>"
        f"<thead><tr><th>Method</th>{head}<th>Scored by</th><th>Printed in</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        "<p class='note'>⚠ marks rows made by other rules than this run, or by rules nobody "
        "states. The same masks differ by up to 4 points between rules, and papers disagree on "
        "the same baseline: compare gains over each paper's own plain model.</p>"
    )


def _published_row(row: PublishedRow, protocol: Protocol) -> str:
    differs = row.rules is not protocol.rules
    cells = "".join(f"<td>{'' if value is None else f'{value:.1f}'}</td>" for value in row.numbers)
    mark = '<span class="mark" title="other rules than this run">⚠</span> ' if differs else ""
    remark = f" {row.remark}" if row.remark else ""
    return (
        f'<tr class="{"other" if differs else ""}"><td>{escape(row.method)}</td>{cells}'
        f"<td>{mark}{escape(row.rules)}</td><td>{escape(row.source + remark)}</td></tr>"
    )


def _objects(score: Score) -> str:
    cards = [_card(item, score.protocol) for item in score.objects]
    return (
        '<section><h2>Every object over time</h2><p class="key"><i class="j"></i>J '
        '<i class="f"></i>F, percent, over the scored frames. In long videos each point is the '
        f'lowest frame of its bin.</p><div class="cards">{"".join(cards)}</div></section>'
    )


def _card(item: ObjectScore, protocol: Protocol) -> str:
    group = ""
    if item.is_seen is not None:
        group = f'<em class="tag">{"seen" if item.is_seen else "unseen"}</em>'
    columns = numeric_columns(protocol)
    numbers = item.numbers()
    extra = " · ".join(
        f"{escape(name)} {percent(numbers[name])}" for name in (columns[1:4] or columns)
    )
    return (
        f"<article><h4>{escape(item.video)} <span>object {item.object_id}</span>{group}"
        f"<b>{percent(numbers[columns[0]])}</b></h4>{object_plot(item)}"
        f"<p>{extra} · {len(item.frames)} frames</p></article>"
    )


def _worst(worst: list[WorstFrame]) -> str:
    if not worst:
        return "<section><h2>Worst frames</h2><p>Every frame is perfect.</p></section>"
    items = "".join(
        f'<figure><img src="{frame.thumbnail}" alt="{escape(frame.video)} {escape(frame.frame)}">'
        f"<figcaption><b>{escape(frame.video)}</b> object {frame.object_id}, frame "
        f"{escape(frame.frame)}<br>J {percent(frame.j)} · F {percent(frame.f)}</figcaption>"
        "</figure>"
        for frame in worst
    )
    return (
        '<section><h2>Worst frames</h2><p class="key"><i class="right"></i>right '
        '<i class="missed"></i>missed <i class="surplus"></i>too much</p>'
        f'<div class="frames">{items}</div></section>'
    )


def _provenance(score: Score, options: Options, run: dict[str, str], hashes: dict[str, str]) -> str:
    rows = {"protocol": score.protocol.name, "contour rule": str(options.boundary)} | run
    rows |= {f"SHA-256 of the scored {name}": value for name, value in hashes.items()}
    if not run:
        rows["model"] = f"not recorded: no {RUN_NAME} beside the predictions"
    named = {key.replace("_", " "): value for key, value in rows.items()}
    return f"<section><h2>What was scored</h2>{facts(named)}</section>"


def _images_table() -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in IMAGES.columns)
    rows = "".join(
        f"<tr><td>{escape(row.method)}</td>"
        + "".join(f"<td>{value:.1f}</td>" for value in row.numbers if value is not None)
        + f"<td>{escape(row.source)}</td></tr>"
        for row in IMAGES.rows
    )
    return (
        "<section><details><summary>Another task: published numbers of single images</summary>"
        "<p class='warn'>⚠ Not comparable with the video scores above, and box rows not with "
        "10-point rows. Left of each pair mIoU, right mBIoU.</p>"
        f"<div class='scroll'><table><thead><tr><th>Method</th>{head}<th>Printed in</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div></details></section>"
    )
