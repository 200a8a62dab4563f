"""`vos eval score`: masks on disk against ground truth, by a benchmark's own rules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from vos_cli.console.notices import complain, notify, warn
from vos_cli.console.scores import print_comparison
from vos_eval.compare.attributes import Attributes, read_attributes
from vos_eval.compare.bootstrap import RESAMPLES
from vos_eval.compare.comparison import Comparison, compare
from vos_eval.compare.names import name_predictions
from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.metrics.boundary import Boundary
from vos_eval.protocols.base import Options, Protocol
from vos_eval.protocols.plan import Missing, Quirk
from vos_eval.protocols.registry import PROTOCOLS
from vos_eval.report.export import comparison_json, failure_json, write_csv
from vos_eval.report.frame_table import write_frames
from vos_eval.report.paper_tables import TableForm, paper_tables
from vos_eval.texts import read_names

ProtocolName = StrEnum("ProtocolName", {name: name for name in PROTOCOLS})
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Also write the official tool's tables."),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="DIR", help="Also write a report page, DIR/index.html."),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", metavar="N", help="Processes; the digits stay the same. Default: one per core."
    ),
]


def default_jobs() -> int:
    """Return one process per core we may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def score(
    protocol: Annotated[
        ProtocolName,  # pyright: ignore[reportInvalidTypeForm] - its members are the registry's
        typer.Option(help="Whose numbers to reproduce."),
    ],
    gt: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Ground truth: LVOS split folder, DAVIS, VOST or MOSEv2 root, SA-V root or "
            "annotation folder.",
        ),
    ],
    pred: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]DIR",
            help="Predictions: DIR/VIDEO/FRAME.png, or an output of vos track, fix, batch or eval. "
            "Repeat it to compare several with the first.",
        ),
    ],
    unseen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="lvos: unseen videos, instead of the official list."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="davis, vost: list ImageSets/YEAR/S.txt, or YEAR/S; lvos: metadata S_meta.json.",
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Score only the videos named there, one a line."),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Leave out videos whose predictions are not all there, and name them."
        ),
    ] = False,
    missing: Annotated[
        Literal["error", "empty"],
        typer.Option(help="Absent predictions: refuse to score, or score as empty."),
    ] = "error",
    fix: Annotated[
        list[Quirk] | None,
        typer.Option(help="Switch off a quirk of the official tool (may be repeated)."),
    ] = None,
    boundary: Annotated[
        Boundary,
        typer.Option(help="Contour rule; lvos-cython is that of LVOS's compiled operator."),
    ] = Boundary.STANDARD,
    attributes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Attributes of videos or objects, CSV or JSON."),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Drawn data sets for the 95 % intervals. Default: 1000 with several --pred, "
            "else 0.",
        ),
    ] = None,
    table: Annotated[
        TableForm | None, typer.Option(help="Print the totals as a table for a paper instead.")
    ] = None,
    as_json: Json = False,
    csv: Csv = None,
    frames_csv: Annotated[
        Path | None,
        typer.Option("--frames-csv", metavar="FILE", help="Also write J and F of every frame."),
    ] = None,
    html: Html = None,
    jobs: Jobs = default_jobs(),
) -> None:
    """Score predicted masks exactly as the official evaluator of a benchmark does.

    Nothing is scored unless everything can be: all problems are listed, and the exit code is 3.
    """
    rules = PROTOCOLS[protocol]
    outputs = Outputs(as_json=as_json, csv=csv, html=html, frames_csv=frames_csv, table=table)
    try:
        if partial and missing == "empty":
            raise EvalUsageError("--partial and --missing empty: choose one of the two")
        if as_json and table is not None:
            raise EvalUsageError("--json and --table: choose one of the two")
        predictions = name_predictions(pred)
        options = Options(
            unseen=unseen,
            split=split,
            missing=Missing.SKIP if partial else Missing(missing),
            fixes=frozenset(fix or ()),
            boundary=boundary,
            jobs=jobs,
            only_videos=None if videos is None else frozenset(read_names(videos, "list of videos")),
        )
        known = None if attributes is None else read_attributes(attributes)
    except EvalError as error:
        fail(rules, error, as_json=as_json)
    resamples = bootstrap if bootstrap is not None else RESAMPLES * (len(predictions) > 1)
    compare_and_print(rules, gt, predictions, options, outputs, known, resamples)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is written and printed.

    as_json: one JSON object on stdout.
    csv: file of the official tool's tables.
    html: folder of the page.
    frames_csv: file of the scores of every frame.
    table: print the totals in this form.
    extra: what else the JSON says, by name.
    """

    as_json: bool = False
    csv: Path | None = None
    html: Path | None = None
    frames_csv: Path | None = None
    table: TableForm | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def score_and_print(
    protocol: Protocol,
    gt: Path,
    pred: Path,
    options: Options,
    *,
    as_json: bool,
    csv: Path | None,
    html: Path | None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Score one prediction, write the files that are wanted, and print.

    extra: what else the JSON says, by name.
    """
    outputs = Outputs(as_json=as_json, csv=csv, html=html, extra=extra or {})
    compare_and_print(protocol, gt, {pred.name: pred}, options, outputs, None, 0)


def compare_and_print(
    protocol: Protocol,
    gt: Path,
    predictions: Mapping[str, Path],
    options: Options,
    outputs: Outputs,
    attributes: Attributes | None,
    resamples: int,
) -> None:
    """Score, write the files that are wanted, and print; on failure name every problem and exit."""
    try:
        result = compare(
            protocol,
            gt,
            predictions,
            options,
            resamples=resamples,
            attributes=attributes,
            on_note=warn,
            on_reading=notify,
        )
        if attributes is not None:
            unknown = attributes.unknown_videos(result.first.objects)
            if unknown:
                notify(f"attributes of videos that are not scored: {', '.join(unknown)}")
        write_files(result, gt, predictions, options, outputs)
    except EvalError as error:
        fail(protocol, error, as_json=outputs.as_json)
    if outputs.as_json:
        print(json.dumps(comparison_json(result) | dict(outputs.extra), ensure_ascii=False))
    elif outputs.table is not None:
        print(paper_tables(result, outputs.table), end="")
    else:
        print_comparison(result)


def write_files(
    result: Comparison,
    gt: Path,
    predictions: Mapping[str, Path],
    options: Options,
    outputs: Outputs,
) -> None:
    """Write the files that are wanted.

    Raises:
        EvalError: one cannot be written.
    """
    for name, score in result.scores.items():
        if outputs.csv is not None:
            path = outputs.csv
            if len(result.scores) > 1:
                path = path.with_name(f"{path.stem}-{name}{path.suffix}")
            write_csv(score, path)
    if outputs.frames_csv is not None:
        write_frames(result.scores, outputs.frames_csv)
    if outputs.html is not None:
        from vos_eval.report.compare_html import write_comparison
        from vos_eval.report.html import write_report

        if len(result.scores) > 1:
            page = write_comparison(result, gt, predictions, outputs.html)
        else:
            (pred,) = predictions.values()
            page = write_report(result.first, gt, pred, options, outputs.html, result)
        notify(f"report: {page}")


def fail(protocol: Protocol, error: EvalError, *, as_json: bool) -> NoReturn:
    """Name every problem on stderr, as JSON on stdout too with `as_json`, and exit.

    Raises:
        typer.Exit: with the error's exit code, always.
    """
    for problem in error.problems:
        complain(problem)
    count = len(error.problems)
    complain(f"no score: {count} problem{'s' * (count != 1)}")
    if as_json:
        print(json.dumps(failure_json(protocol, error.problems), ensure_ascii=False))
    raise typer.Exit(error.exit_code)
