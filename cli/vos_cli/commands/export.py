"""`vos export`: a finished result as the files that compositors, editors and analysts take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import UsageError
from vos.io.write.deliver.edges import Edges
from vos.io.write.deliver.export import Exported, export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import ExportPlan, Order, parse_span, plan_export
from vos.io.write.deliver.registry import FORMATS
from vos_cli.console.errors import Interrupted
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.options import track as options
from vos_cli.options.track import OUTPUT_PANEL, form_of_progress

_WHAT = "What to export"
_EDGES = "Edges of mattes (0 is off; in this order)"
_FORMATS = "; ".join(f"{one.name}: {one.summary}" for one in FORMATS.values())


def export_command(
    *,
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A folder that `vos track` has made.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help=f"{_FORMATS}.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PLACE",
            help="Folder to write; RESULT-FORMAT by default.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            "--objects",
            metavar="IDS",
            help="Ids or names, separated by commas; all by default.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            "--span",
            metavar="A..B",
            help="First and last frame, counted from 0; the whole clip by default.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    invert: Annotated[
        bool,
        typer.Option("--invert", help="Mattes of all but the object.", rich_help_panel=_WHAT),
    ] = False,
    bits: Annotated[
        int,
        typer.Option(
            "--bits", metavar="8|16", help="Of png-matte's values.", rich_help_panel=_WHAT
        ),
    ] = 8,
    despeckle: Annotated[
        float,
        typer.Option(
            "--despeckle",
            metavar="PX",
            help="Drop parts of at most PX x PX pixels.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    fill_holes: Annotated[
        float,
        typer.Option(
            "--fill-holes",
            metavar="PX",
            help="Fill holes of at most PX x PX pixels.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    grow: Annotated[
        float,
        typer.Option(
            "--grow",
            metavar="PX",
            help="Move the edge out.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    shrink: Annotated[
        float,
        typer.Option(
            "--shrink",
            metavar="PX",
            help="Move the edge in.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    smooth: Annotated[
        float,
        typer.Option(
            "--smooth",
            metavar="PX",
            help="Round off what is smaller than about PX.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    temporal: Annotated[
        int,
        typer.Option(
            "--temporal",
            metavar="N",
            help="Take the median over N frames before and after, against flicker.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    feather: Annotated[
        float,
        typer.Option(
            "--feather",
            metavar="PX",
            help="Let the edge fade over PX to either side.",
            rich_help_panel=_EDGES,
            show_default=False,
        ),
    ] = 0,
    start_number: Annotated[
        int | None,
        typer.Option(
            "--start-number",
            metavar="N",
            help="Number of the first exported frame in file names, such as 1001.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="TEMPLATE",
            help="Of file names: {clip}, {object}, {id} and, for stills, %04d; without {object} "
            "and {id} all objects go into one matte.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="PATH", help="The input, where it was moved."),
    ] = None,
    no_verify: Annotated[
        bool,
        typer.Option(
            "--no-verify",
            help="Do not read back what was written.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace an earlier export with other settings.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    as_json: options.Json = False,
    progress: options.ProgressForm = None,
    quiet: options.Quiet = False,
) -> None:
    """Write a finished result in a format that other programs take, and check that it arrived.

    No model runs: stored masks are what is exported. Prints the folder's path.
    """
    if bits not in (8, 16):
        raise UsageError(f"--bits {bits}: a matte has 8 or 16 bits a value; give one of them")
    form = form_of_progress(progress, quiet=quiet)
    report = settings.resolve({"progress": form}).progress
    on_notice = stay_silent if quiet else notify
    order = Order(
        format=to,
        output=output,
        objects=None if objects is None else tuple(one for one in objects.split(",") if one),
        start_number=start_number,
        name=name,
        span=None if span is None else parse_span(span),
        is_inverted=invert,
        bits=bits,  # pyright: ignore[reportArgumentType]
        edges=Edges(despeckle, fill_holes, grow, shrink, smooth, temporal, feather),
    )
    opened = open_finished(result, source=source)
    try:
        plan = plan_export(opened, order)
        for text in plan.notices:
            on_notice(text)
        counter = open_progress(report, len(plan.shot.frames))
        with counter:
            exported = export(
                opened,
                plan,
                overwrite=overwrite,
                is_verified=not no_verify,
                on_frame=lambda _idx: counter.advance(),
            )
    except KeyboardInterrupt as error:
        raise Interrupted("nothing was exported; the same command starts over") from error
    finally:
        opened.close()
    source_warnings = () if opened.source is None else tuple(opened.source.warnings)
    warnings = [*source_warnings, *exported.warnings]
    for text in warnings:
        warn(text)
    place = exported.output if output is None else output
    if as_json:
        values = {
            "schema": 1,
            "output": str(place),
            "format": to,
            "frames": exported.frames,
            "objects": list(plan.shot.objects),
            "files": [one.stem for one in plan.shot.targets],
            "mattes": _mattes(plan),
            "edges": plan.shot.edges.as_json(),
            "compared": exported.compared,
            "skipped": exported.is_skipped,
            "warnings": warnings,
        }
        print(json.dumps(values))
    else:
        print(place)
    on_notice(_summary(exported, _mattes(plan)))


def _mattes(plan: ExportPlan) -> str | None:
    """Say which mattes are exported, None where the format holds none."""
    if not plan.format.holds_mattes:
        return None
    return "soft" if plan.shot.is_soft else "hard"


def _summary(exported: Exported, mattes: str | None) -> str:
    if exported.is_skipped:
        return "already exported with these settings, skipped (--overwrite makes it again)"
    checked = (
        "not verified"
        if exported.compared is None
        else f"read back, {exported.compared} mattes compared"
    )
    return f"{exported.frames} frames, {checked}" + (f", {mattes} mattes" if mattes else "")
