"""`vos track`: the flags; `tracking` does the work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import UsageError
from vos.prompts import (
    Prompt,
    load_prompts,
    parse_box,
    parse_mask,
    parse_point,
    parse_polygon,
    parse_scribble,
)
from vos_cli.errors import one_line
from vos_cli.tracking import DIRECTIONS, SAVES, Job, Outcome, default_output, run

_PROMPTS = "Prompts (each may be repeated; ID 1-255, default 1; FRAME default 0)"
_RANGE = "What to track"
_MODEL = "Model"
_OUTPUT = "Output"


def _option(*names: str, text: str, panel: str, metavar: str, choices: tuple[str, ...] = ()):
    return typer.Option(
        *names,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        show_default=False,
        autocompletion=(lambda: list(choices)) if choices else None,
    )


def track(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A video, a folder of images, or a quoted glob of images."
        ),
    ],
    output: Annotated[
        Path | None,
        _option(
            "-o",
            "--output",
            text="Folder to write; default INPUT-vos beside the input.",
            panel=_OUTPUT,
            metavar="DIR",
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        _option("--box", text="A box.", panel=_PROMPTS, metavar="[ID:]x1,y1,x2,y2[@FRAME]"),
    ] = None,
    point: Annotated[
        list[str] | None,
        _option(
            "--point", text="A point on the object.", panel=_PROMPTS, metavar="[ID:]x,y[@FRAME]"
        ),
    ] = None,
    neg_point: Annotated[
        list[str] | None,
        _option(
            "--neg-point",
            text="A point that is not on the object.",
            panel=_PROMPTS,
            metavar="[ID:]x,y[@FRAME]",
        ),
    ] = None,
    polygon: Annotated[
        list[str] | None,
        _option(
            "--polygon", text="An outline.", panel=_PROMPTS, metavar="[ID:]x,y,x,y,...[@FRAME]"
        ),
    ] = None,
    scribble: Annotated[
        list[str] | None,
        _option(
            "--scribble",
            text="A stroke over the object.",
            panel=_PROMPTS,
            metavar="[ID:]x,y,x,y,...[@FRAME]",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        _option(
            "--mask",
            text="A mask or label image of the video's size.",
            panel=_PROMPTS,
            metavar="[ID:]FILE.png[@FRAME]",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        _option("--prompts", text="A prompt file.", panel=_PROMPTS, metavar="FILE.json"),
    ] = None,
    start: Annotated[
        str | None,
        _option(
            "--start", text="First frame: 300f, 10.5s or 00:00:10.5.", panel=_RANGE, metavar="T"
        ),
    ] = None,
    end: Annotated[
        str | None,
        _option("--end", text="Where to stop, exclusive.", panel=_RANGE, metavar="T"),
    ] = None,
    direction: Annotated[
        str,
        _option(
            "--direction",
            text="forward (default), backward or both.",
            panel=_RANGE,
            metavar="WAY",
            choices=DIRECTIONS,
        ),
    ] = "forward",
    save: Annotated[
        str | None,
        _option(
            "--save",
            text=f"What to write, of {','.join(SAVES)}; default all.",
            panel=_OUTPUT,
            metavar="LIST",
        ),
    ] = None,
    model: Annotated[
        str | None,
        _option(
            "--model",
            text="auto (default), a name of `vos models list`, or a weight file.",
            panel=_MODEL,
            metavar="NAME|PATH",
        ),
    ] = None,
    refiner: Annotated[
        str | None,
        _option(
            "--refiner",
            text="auto (default: the one trained for this model), none, or a refiner file.",
            panel=_MODEL,
            metavar="auto|none|NAME|PATH",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        _option("--policy", text="Memory policy: fifo (default).", panel=_MODEL, metavar="NAME"),
    ] = None,
    device: Annotated[
        str | None,
        _option(
            "--device",
            text="auto (default), cpu, cuda, cuda:N or mps.",
            panel=_MODEL,
            metavar="NAME",
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        _option(
            "--dtype",
            text=f"One of {', '.join(settings.choices(settings.Dtype))}.",
            panel=_MODEL,
            metavar="NAME",
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        _option(
            "--decoder",
            text="Video reader: pyav (default) or decord.",
            panel=_RANGE,
            metavar="NAME",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an earlier output of vos.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object on stdout.", rich_help_panel=_OUTPUT),
    ] = False,
    progress: Annotated[
        str | None,
        _option(
            "--progress",
            text="auto (default), rich, plain, json or none.",
            panel=_OUTPUT,
            metavar="FORM",
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q", "--quiet", help="Only errors and warnings on stderr.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", help="The traceback of an error too.", rich_help_panel=_OUTPUT
        ),
    ] = False,
) -> None:
    """Follow the prompted objects through a video.

    Writes masks, an overlay video and statistics to a folder and prints its path.
    """
    del verbose  # read from the command line by the error handler, which must work before this
    if quiet and progress not in (None, "none"):
        raise UsageError(f"--quiet and --progress {progress} contradict each other; give one")
    chosen = settings.resolve(
        {
            "model": model,
            "refiner": refiner,
            "policy": policy,
            "device": device,
            "dtype": dtype,
            "decoder": decoder,
            "save": save,
            "progress": "none" if quiet else progress,
        }
    )
    asked: list[Prompt] = [
        *([] if prompts is None else load_prompts(prompts)),
        *map(parse_box, box or ()),
        *map(parse_point, point or ()),
        *(parse_point(text, positive=False) for text in neg_point or ()),
        *map(parse_polygon, polygon or ()),
        *map(parse_scribble, scribble or ()),
        *(one for text in mask or () for one in parse_mask(text)),
    ]
    job = Job.checked(
        source=source,
        output=default_output(source) if output is None else output,
        prompts=tuple(asked),
        start=start,
        end=end,
        direction=direction,
        settings=chosen,
        overwrite=overwrite,
    )
    outcome = run(job, say=_silent if quiet else _say, warn=_warn)
    print_outcome(outcome, as_json=as_json)
    if not quiet:
        _say(outcome.summary())


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """The result on stdout: the folder, or one JSON object."""
    print(json.dumps(outcome.as_json()) if as_json else outcome.output)


def _say(text: str) -> None:
    print(f"vos: {one_line(text)}", file=sys.stderr)


def _warn(text: str) -> None:
    print(f"vos: warning: {one_line(text)}", file=sys.stderr)


def _silent(_text: str) -> None:
    pass
