"""`vos eval score`: masks on disk against ground truth, by a benchmark's own rules."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

import typer

from vos_cli.console.errors import one_line
from vos_cli.console.notices import complain, notify, warn
from vos_cli.console.tables import print_table
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.metrics.boundary import Boundary
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score
from vos_eval.protocols.plan import Missing, Quirk
from vos_eval.protocols.registry import PROTOCOLS
from vos_eval.report.export import failure_json, to_json, write_csv

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
            help="Ground truth: LVOS split folder, DAVIS root, or SA-V annotation folder.",
        ),
    ],
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Predictions: DIR/VIDEO/FRAME.png.")],
    unseen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="lvos: unseen videos, instead of the official list."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="S", help="davis: list ImageSets/YEAR/S.txt; lvos: metadata S_meta.json."
        ),
    ] = None,
    missing: Annotated[
        Missing, typer.Option(help="Absent predictions: refuse to score, or score as empty.")
    ] = Missing.ERROR,
    fix: Annotated[
        list[Quirk] | None,
        typer.Option(help="Switch off a quirk of the official tool (may be repeated)."),
    ] = None,
    boundary: Annotated[
        Boundary,
        typer.Option(help="Contour rule; lvos-cython is that of LVOS's compiled operator."),
    ] = Boundary.STANDARD,
    as_json: Json = False,
    csv: Csv = None,
    html: Html = None,
    jobs: Jobs = default_jobs(),
) -> None:
    """Score predicted masks exactly as the official evaluator of a benchmark does.

    Nothing is scored unless everything can be: all problems are listed, and the exit code is 3.
    """
    options = Options(
        unseen=unseen,
        split=split,
        missing=missing,
        fixes=frozenset(fix or ()),
        boundary=boundary,
        jobs=jobs,
    )
    rules = PROTOCOLS[protocol]
    score_and_print(rules, gt, pred, options, as_json=as_json, csv=csv, html=html)


def score_and_print(
    protocol: Protocol,
    gt: Path,
    pred: Path,
    options: Options,
    *,
    as_json: bool,
    csv: Path | None,
    html: Path | None,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Score, write the files that are wanted, and print; on failure name every problem and exit.

    extra: what else the JSON says, by name.
    """
    try:
        result = evaluate(protocol, gt, pred, options)
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            write_csv(result, csv)
        if html is not None:
            from vos_eval.report.html import write_report

            page = write_report(result, gt, pred, options, html)
            notify(f"report: {page}")
    except EvalError as error:
        fail(protocol, error, as_json=as_json)
    for note in result.notes:
        warn(note)
    if as_json:
        print(json.dumps(to_json(result) | dict(extra), ensure_ascii=False))
    else:
        _print_tables(result)


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


def _print_tables(result: Score) -> None:
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
    total = {name: _cell(value) for name, value in result.totals.items()}
    frames = str(sum(len(item.frames) for item in result.objects))
    rows.append(["total", "", *(total.get(column, "") for column in columns), frames])
    print_table(rows, {"total": "bold"})
    names = result.protocol.summary
    if names:
        print()
        print_table([names, [total[name] for name in names]], {names[0]: "bold"})


def _values(item: ObjectScore) -> dict[str, str]:
    cells = {name: _cell(value) for name, value in item.numbers().items()}
    return cells | {"seen": "yes" if item.is_seen else "no"}


def _cell(value: float) -> str:
    """Format as percent with one decimal, as papers print it."""
    return f"{100 * value:.1f}"
