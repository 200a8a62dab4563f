"""`vos export`: a finished result as the files that compositors, editors and analysts take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import InputError, Parameter, UsageError, VosError
from vos.io.paths import display_name
from vos.io.results.manifest import read_manifest
from vos.io.write.deliver.edges import Edges
from vos.io.write.deliver.finished import is_result, open_finished
from vos.io.write.deliver.order import Order, parse_span
from vos.io.write.deliver.registry import FORMATS, parse_formats
from vos_cli.batch.folder import CLIPS_NAME, EXIT_SOME_FAILED
from vos_cli.console.errors import Interrupted, message
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.job.deliver import Delivered, export_one
from vos_cli.options.shared import OUTPUT_PANEL, Json, ProgressForm, Quiet, form_of_progress
from vos_cli.options.takes import takes

_WHAT = "What to export"
_EDGES = "Edges of mattes (0 is off; in this order)"
_FORMATS = "; ".join(f"{one.name}: {one.summary}" for one in FORMATS.values())


@takes(verbose_panel=OUTPUT_PANEL)
def export_command(
    *,
    result: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT", help="Folders that `vos track` has made, or one of `vos batch`."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"One or more, separated by commas. {_FORMATS}.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PLACE",
            help="Folder to write, by default RESULT-FORMAT; of several exports, the folder that "
            "they are in.",
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
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="COLOUR|checker|blur",
            help="What green puts objects over; needs no --to.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(
            "--compression",
            metavar="NAME",
            help="Of EXR: zips (default), zip, piz or, for exr, dwaa.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
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
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Write a finished result in a format that other programs take, and check that it arrived.

    No model runs: stored masks are what is exported. Prints the path of each export's folder.
    """
    if bits not in (8, 16):
        raise UsageError(f"--bits {bits}: a matte has 8 or 16 bits a value; give one of them")
    if to is None:
        if background is None:
            raise UsageError(f"--to: say which format to export; one of {', '.join(FORMATS)}")
        to = "green"
    form = form_of_progress(progress, quiet=quiet)
    report = settings.resolve({"progress": form}).progress
    on_notice = stay_silent if quiet else notify
    order = Order(
        format="",
        output=output,
        objects=None if objects is None else tuple(one for one in objects.split(",") if one),
        start_number=start_number,
        name=name,
        span=None if span is None else parse_span(span),
        is_inverted=invert,
        bits=bits,  # pyright: ignore[reportArgumentType]
        compression=compression,
        background=background,
        edges=Edges(despeckle, fill_holes, grow, shrink, smooth, temporal, feather),
    )
    formats = parse_formats(to, Parameter("to"))
    results = find_results(result)
    is_one = len(results) == len(formats) == 1
    if source is not None and len(results) > 1:
        raise UsageError("--input is of one result; export them one by one")
    done: list[Delivered] = []
    failed: list[dict[str, object]] = []
    for place, format_name in ((one, name) for one in results for name in formats):
        folder = output
        if output is not None and not is_one:
            folder = output / f"{place.name}-{format_name}"
        one = replace(order, format=format_name, output=folder)
        try:
            opened = open_finished(place, source=source)
            try:
                delivered = export_one(
                    opened,
                    one,
                    overwrite=overwrite,
                    is_verified=not no_verify,
                    say=on_notice,
                    show=lambda frames: open_progress(report, frames),
                )
            finally:
                opened.close()
        except VosError as error:
            if is_one or isinstance(error, Interrupted):
                raise
            where = f"{display_name(place)} as {format_name}"
            warn(f"{where} failed: {message(error)}")
            failed.append(
                {
                    "result": str(place),
                    "format": format_name,
                    "reason": message(error),
                    "exit_code": error.exit_code,
                }
            )
            continue
        for text in delivered.warnings:
            warn(text)
        shown = delivered.exported.output if folder is None else folder
        done.append(replace(delivered, exported=replace(delivered.exported, output=shown)))
        if not as_json:
            print(shown, flush=True)
        on_notice(delivered.summary() if is_one else f"{format_name}: {delivered.summary()}")
    if as_json:
        values = [one.as_json() for one in done]
        content = values[0] if is_one else {"exports": values, "failed": failed}
        print(json.dumps({"schema": 1, **content}))
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def find_results(given: Sequence[Path]) -> list[Path]:
    """Return the results that are named, those of each clip for a folder of `vos batch`."""
    found: list[Path] = []
    for place in given:
        clips = place / CLIPS_NAME
        if read_manifest(place) is not None or not clips.is_dir():
            found.append(place)
            continue
        inside = [one for one in sorted(clips.iterdir()) if is_result(read_manifest(one))]
        if not inside:
            raise InputError(
                f"{display_name(place)}: no clip of this batch is finished; run it again"
            )
        found += inside
    return found
