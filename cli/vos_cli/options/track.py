"""The options of `vos track`, which `vos batch` takes too, and the job they describe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import PromptError
from vos.io.read.open import open_source
from vos.io.results.layout import MATTES_NAME
from vos.io.write.deliver.registry import FORMATS
from vos.model.options import OPTION_NAMES, Dtype
from vos.policies import MOST_LAG, describe_policies
from vos.prompts import (
    parse_absent,
    parse_box,
    parse_mask,
    parse_point,
    parse_polygon,
    parse_scribble,
)
from vos.prompts.detections.first_boxes import take_first_boxes
from vos.prompts.detections.read import read_detections
from vos.prompts.file import NamedPrompts, load_named_prompts
from vos.settings import Settings
from vos_cli.job.job import DIRECTIONS, SAVES, Job
from vos_cli.options.shared import OUTPUT_PANEL, PROMPTS_PANEL, option

_RANGE = "What to track"
_MODEL = "Model"

MODEL_OPTIONS = OPTION_NAMES
DRAWN_OPTIONS = ("box", "point", "neg_point", "polygon", "scribble", "mask", "absent", "prompts")
PROMPT_OPTIONS = (*DRAWN_OPTIONS, "boxes")


@dataclass(frozen=True, slots=True)
class TrackFlags:
    """The options of one clip as they were written; None or () where not given.

    A command gets them with `takes(TrackFlags)`, all or some.
    """

    box: Annotated[
        tuple[str, ...],
        option(
            "--box",
            text="A box; alone, it opens a page to draw in (--point, --polygon, --scribble too).",
            panel=PROMPTS_PANEL,
            metavar="[ID:]x1,y1,x2,y2[@FRAME]",
        ),
    ] = ()
    point: Annotated[
        tuple[str, ...],
        option(
            "--point",
            text="A point on the object.",
            panel=PROMPTS_PANEL,
            metavar="[ID:]x,y[@FRAME]",
        ),
    ] = ()
    neg_point: Annotated[
        tuple[str, ...],
        option(
            "--neg-point",
            text="A point that is not on the object.",
            panel=PROMPTS_PANEL,
            metavar="[ID:]x,y[@FRAME]",
        ),
    ] = ()
    polygon: Annotated[
        tuple[str, ...],
        option(
            "--polygon", text="An outline.", panel=PROMPTS_PANEL, metavar="[ID:]x,y,x,y,...[@FRAME]"
        ),
    ] = ()
    scribble: Annotated[
        tuple[str, ...],
        option(
            "--scribble",
            text="A stroke over the object.",
            panel=PROMPTS_PANEL,
            metavar="[ID:]x,y,x,y,...[@FRAME]",
        ),
    ] = ()
    mask: Annotated[
        tuple[str, ...],
        option(
            "--mask",
            text="A mask or label image of the video's size.",
            panel=PROMPTS_PANEL,
            metavar="[ID:]FILE.png[@FRAME]",
        ),
    ] = ()
    absent: Annotated[
        tuple[str, ...],
        option(
            "--absent",
            text="Where an object is not; FRAME.. until it is prompted again.",
            panel=PROMPTS_PANEL,
            metavar="ID@FRAME[..FRAME]",
        ),
    ] = ()
    prompts: Annotated[
        Path | None,
        option("--prompts", text="A prompt file.", panel=PROMPTS_PANEL, metavar="FILE.json"),
    ] = None
    boxes: Annotated[
        str | None,
        option(
            "--boxes",
            text="Boxes of a detector, as COCO, YOLO or MOT: the first of each track is a prompt. "
            "FIRST is the number that the first frame has there.",
            panel=PROMPTS_PANEL,
            metavar="FILE[@FIRST]",
        ),
    ] = None
    start: Annotated[
        str | None,
        option(
            "--start", text="First frame: 300f, 10.5s or 00:00:10.5.", panel=_RANGE, metavar="T"
        ),
    ] = None
    end: Annotated[
        str | None,
        option("--end", text="Where to stop, exclusive.", panel=_RANGE, metavar="T"),
    ] = None
    direction: Annotated[
        str,
        option(
            "--direction",
            text="forward (default), backward or both.",
            panel=_RANGE,
            metavar="WAY",
            choices=DIRECTIONS,
        ),
    ] = "forward"
    save: Annotated[
        str | None,
        option(
            "--save",
            text=f"What to write, of {','.join(SAVES)}; default all but mattes.",
            panel=OUTPUT_PANEL,
            metavar="LIST",
        ),
    ] = None
    soft: Annotated[
        bool,
        typer.Option(
            "--soft",
            help="Write soft mattes too, with which `vos export` makes soft edges; the same as "
            "mattes in --save.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False
    deliver: Annotated[
        str | None,
        option(
            "--deliver",
            "--to",
            text="What to export beside the result, as `vos export` does; default nothing. Of "
            f"{', '.join(FORMATS)}.",
            panel=OUTPUT_PANEL,
            metavar="LIST",
        ),
    ] = None
    model: Annotated[
        str | None,
        option(
            "--model",
            text="auto (default), a name of `vos models list`, or a weight file.",
            panel=_MODEL,
            metavar="NAME|PATH",
        ),
    ] = None
    refiner: Annotated[
        str | None,
        option(
            "--refiner",
            text="auto (default: the one trained for this model), none, or a refiner file.",
            panel=_MODEL,
            metavar="auto|none|NAME|PATH",
        ),
    ] = None
    policy: Annotated[
        str | None,
        option(
            "--policy",
            text=f"Memory; default fifo. {describe_policies()}.",
            panel=_MODEL,
            metavar="NAME",
        ),
    ] = None
    lag: Annotated[
        int | None,
        option(
            "--lag",
            text="With --policy long: write a frame's mask so many frames later, when more is "
            f"known; default 0, at most {MOST_LAG}.",
            panel=_MODEL,
            metavar="N",
        ),
    ] = None
    device: Annotated[
        str | None,
        option(
            "--device",
            text="auto (default), cpu, cuda, cuda:N or mps.",
            panel=_MODEL,
            metavar="NAME",
        ),
    ] = None
    dtype: Annotated[
        str | None,
        option(
            "--dtype",
            text=f"One of {', '.join(settings.choices(Dtype))}.",
            panel=_MODEL,
            metavar="NAME",
        ),
    ] = None
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="SAM 2's own arithmetic to the last bit, one object after the other; slower.",
            rich_help_panel=_MODEL,
        ),
    ] = False
    compile: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile the model first (a minute, kept for later runs); faster frames.",
            rich_help_panel=_MODEL,
        ),
    ] = False
    size: Annotated[
        int | None,
        option(
            "--size",
            text="Side of the model's input: 512 or 768 is faster and coarser than SAM 2's 1024.",
            panel=_MODEL,
            metavar="PX",
        ),
    ] = None
    pool_memory: Annotated[
        int | None,
        option(
            "--pool-memory",
            text="2: attend to 2 x 2 memory tokens as one; faster, for inputs of 1024 px.",
            panel=_MODEL,
            metavar="N",
        ),
    ] = None
    decoder: Annotated[
        str | None,
        option(
            "--decoder",
            text="Video reader: pyav (default) or decord.",
            panel=_RANGE,
            metavar="NAME",
        ),
    ] = None
    rate: Annotated[
        str | None,
        option(
            "--rate",
            text="Frames per second of an image sequence, such as 30 or 30000/1001; default 24.",
            panel=_RANGE,
            metavar="FPS",
        ),
    ] = None
    scene_cuts: Annotated[
        str | None,
        option(
            "--scene-cuts",
            text="mark (default), off, stop: end there, or reset: remember only prompted frames.",
            panel=_RANGE,
            metavar="off|mark|stop|reset",
            choices=tuple(settings.choices(settings.SceneCuts)),
        ),
    ] = None
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an earlier output of vos.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = False

    def all_prompts(self, find_size: Callable[[], tuple[int, int]] | None = None) -> NamedPrompts:
        """Read every prompt these flags name, with the names of objects. Raises PromptError.

        find_size: gives height and width of the frames, which a detector's boxes need; without it
            their file is only read, and no prompt made of it.
        """
        read = NamedPrompts() if self.prompts is None else load_named_prompts(self.prompts)
        prompts = (
            *read.prompts,
            *map(parse_box, self.box),
            *map(parse_point, self.point),
            *(parse_point(text, positive=False) for text in self.neg_point),
            *map(parse_polygon, self.polygon),
            *map(parse_scribble, self.scribble),
            *(one for text in self.mask for one in parse_mask(text)),
            *map(parse_absent, self.absent),
        )
        read = replace(read, prompts=prompts)
        if self.boxes is None:
            return read
        detections = read_detections(self.boxes)
        if find_size is None:
            return read
        found = take_first_boxes(detections, find_size())
        return replace(
            read,
            prompts=(*prompts, *found.prompts),
            names={**found.names, **read.names},
            notes=found.notes,
        )

    def settings(self, progress: str | None = None) -> Settings:
        """Join these choices with environment, file and defaults. Raises ConfigError."""
        given = {name: getattr(self, name, None) for name in settings.SETTING_NAMES}
        off = {name: None for name, value in given.items() if value is False}
        found = settings.resolve({**given, **off, "progress": progress})
        if self.soft and MATTES_NAME not in found.save:
            found = replace(found, save=(*found.save, MATTES_NAME))
        return found

    def job(self, source: str, output: Path, *, progress: str | None) -> Job:
        """Make the job of tracking `source` into `output`. Raises UsageError of every kind."""
        job = self.job_without_prompts(source, output, progress=progress)
        drawn = self.all_prompts(lambda: self.frame_size(source))
        if not drawn.prompts:
            raise PromptError(
                "no prompt: something must say what to track; give --box x1,y1,x2,y2, --point x,y, "
                "--mask FILE.png, --prompts FILE.json or --boxes FILE, or --box alone to draw one"
            )
        return replace(
            job,
            prompts=drawn.prompts,
            names=drawn.names,
            drawn_on=drawn.size_hw,
            notes=drawn.notes,
        )

    def frame_size(self, source: str) -> tuple[int, int]:
        """Return height and width of a source's frames in pixels. Raises InputError."""
        found = self.settings()
        with open_source(source, decoder=found.decoder, rate=found.rate) as opened:
            return opened.info.size_hw

    def job_without_prompts(self, source: str, output: Path, *, progress: str | None) -> Job:
        """Make the job for prompts that are yet to come."""
        return Job.checked(
            source=source,
            output=output,
            prompts=(),
            start=self.start,
            end=self.end,
            direction=self.direction,
            settings=self.settings(progress),
            overwrite=self.overwrite,
        )
