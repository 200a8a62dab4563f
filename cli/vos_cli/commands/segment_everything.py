"""`vos segment-everything`: all objects of stills; `vos_cli.job.everything` does the work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vos.errors import UsageError
from vos.model import registry
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.job.everything import (
    MOST_OBJECTS,
    list_stills,
    segment_everything,
)
from vos_cli.options.shared import OUTPUT_PANEL, Json, ProgressForm, Quiet, form_of_progress
from vos_cli.options.takes import takes
from vos_cli.options.track import MODEL_OPTIONS, TrackFlags

_LOOK = "What to look for"


@takes(
    TrackFlags,
    only=[name for name in MODEL_OPTIONS if name not in ("policy", "refiner", "pool_memory")],
    verbose_panel=OUTPUT_PANEL,
)
def everything(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Images, or folders of images.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder to make; default IMAGE-everything beside the only input.",
            rich_help_panel=OUTPUT_PANEL,
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int, typer.Option(help="Points along one side of the grid.", rich_help_panel=_LOOK)
    ] = 32,
    min_iou: Annotated[
        float | None,
        typer.Option(
            help="A mask's predicted IoU is higher; default 0.8, 0.6 for nano.",
            rich_help_panel=_LOOK,
            show_default=False,
        ),
    ] = None,
    min_stability: Annotated[
        float | None,
        typer.Option(
            help="IoU of the mask at a higher and a lower threshold, at least; default 0.95, 0.7 "
            "for nano.",
            rich_help_panel=_LOOK,
            show_default=False,
        ),
    ] = None,
    max_overlap: Annotated[
        float,
        typer.Option(help="Box IoU above which two masks are one object.", rich_help_panel=_LOOK),
    ] = 0.7,
    crops: Annotated[
        int,
        typer.Option(help="1: look at four parts too, 2: at sixteen more.", rich_help_panel=_LOOK),
    ] = 0,
    most: Annotated[
        int,
        typer.Option(help="Objects of an image at most, the best.", rich_help_panel=_LOOK),
    ] = MOST_OBJECTS,
    flags: TrackFlags,
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Find all objects of images, without a prompt.

    Writes a label PNG, a JSON with run lengths and an overlay of each image to a new folder and
    prints its path.
    """
    if not 1 <= most <= MOST_OBJECTS:
        raise UsageError(f"--most {most}: it is 1 to {MOST_OBJECTS}, as a label image has room for")
    if output is None and len(images) > 1:
        raise UsageError("several inputs have no folder in common: name one with -o")
    folder = output or _beside(images[0])
    chosen = flags.settings(form_of_progress(progress, quiet=quiet))
    say = stay_silent if quiet else notify
    stills = list_stills(images, say)
    model = registry.resolve(chosen.model)
    from vos.track.everything import Everything, suit_model

    usual = suit_model(model.name)
    wanted = Everything(
        points,
        usual.min_iou if min_iou is None else min_iou,
        usual.min_stability if min_stability is None else min_stability,
        max_overlap,
        crops,
    )

    def load():
        from vos.loading import load

        return load(chosen)

    report = open_progress(chosen.progress, len(stills))
    with report:
        looked = segment_everything(
            stills,
            folder,
            load,
            wanted,
            most=most,
            say=say,
            warn=warn,
            on_done=report.advance,
        )
    count = sum(one.objects for one in looked)
    say(f"{count} objects on {len(looked)} image{'' if len(looked) == 1 else 's'}")
    if not as_json:
        print(folder)
        return
    listed = [{"image": o.image, "objects": o.objects, "files": list(o.files)} for o in looked]
    print(json.dumps({"schema": 1, "output": str(folder), "images": listed}))


def _beside(image: Path) -> Path:
    path = image.absolute() if image.name in ("", "..") else image
    return path.with_name(f"{path.name}-everything")
