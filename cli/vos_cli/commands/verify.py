"""`vos verify`: read an export back, and compare it with the result it was made of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import VosError
from vos.io.write.deliver.finished import FinishedResult, open_finished
from vos.io.write.deliver.verify import read_shot, verify
from vos_cli.console.errors import message
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.options.shared import OUTPUT_PANEL, Json, ProgressForm, Quiet, form_of_progress
from vos_cli.options.takes import takes


@takes(verbose_panel=OUTPUT_PANEL)
def verify_command(
    *,
    place: Annotated[
        Path, typer.Argument(metavar="PLACE", help="A folder that `vos export` has made.")
    ],
    result: Annotated[
        Path | None,
        typer.Option("--result", metavar="DIR", help="What it was made of, where it was moved."),
    ] = None,
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Read an export back with another decoder than wrote it, and compare its mattes.

    Frames, rate, timecode, size and channels are checked on every frame, mattes on the first, the
    middle, the last and every 50th. Ends with exit code 8, naming the frame, where one differs.
    """
    form = form_of_progress(progress, quiet=quiet)
    report = settings.resolve({"progress": form}).progress
    kind, shot, manifest = read_shot(place)
    made_of = _find_result(place, manifest.get("source"), result)
    try:
        counter = open_progress(report, len(shot.frames) * len(shot.targets))
        with counter:
            compared = verify(place, kind, shot, made_of, lambda _position: counter.advance())
    finally:
        if made_of is not None:
            made_of.close()
    frames = len(shot.frames)
    if as_json:
        values = {
            "schema": 1,
            "output": str(place),
            "format": kind.name,
            "frames": frames,
            "compared": compared,
        }
        print(json.dumps(values))
    else:
        print(f"{kind.name}: {frames} frames as they should be, {compared} mattes compared")
    (stay_silent if quiet else notify)("verified")


def _find_result(place: Path, recorded: str | None, given: Path | None) -> FinishedResult | None:
    if given is not None:
        return open_finished(given)
    if recorded is None:
        return None
    try:
        return open_finished(Path(os.path.normpath(place.resolve() / recorded)))
    except VosError as error:
        warn(f"mattes are not compared, as the result is not there ({message(error)}): --result")
        return None
