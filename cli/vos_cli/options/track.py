"""The options of `vos track`, which `vos batch` takes too, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from vos import settings
from vos.errors import PromptError, UsageError
from vos.prompts import parse_box, parse_mask, parse_point, parse_polygon, parse_scribble
from vos.prompts.file import NamedPrompts, load_named_prompts
from vos.settings import Settings
from vos_cli.job.job import DIRECTIONS, SAVES, Job

_PROMPTS = "Prompts (each may be repeated; ID 1-255, default 1; FRAME default 0)"


_RANGE = "What to track"


_MODEL = "Model"


OUTPUT_PANEL = "Output"


def _option(*names: str, text: str, panel: str, metavar: str, choices: tuple[str, ...] = ()):
    return typer.Option(
        *names,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        show_default=False,
        autocompletion=(lambda: list(choices)) if choices else None,
    )


Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", help="A video, a folder of images, or a quoted glob of images."
    ),
]


Boxes = Annotated[
    list[str] | None,
    _option(
        "--box",
        text="A box; alone, it opens a page to draw in (--point, --polygon, --scribble too).",
        panel=_PROMPTS,
        metavar="[ID:]x1,y1,x2,y2[@FRAME]",
    ),
]


PointsOn = Annotated[
    list[str] | None,
    _option("--point", text="A point on the object.", panel=_PROMPTS, metavar="[ID:]x,y[@FRAME]"),
]


PointsOff = Annotated[
    list[str] | None,
    _option(
        "--neg-point",
        text="A point that is not on the object.",
        panel=_PROMPTS,
        metavar="[ID:]x,y[@FRAME]",
    ),
]


Polygons = Annotated[
    list[str] | None,
    _option("--polygon", text="An outline.", panel=_PROMPTS, metavar="[ID:]x,y,x,y,...[@FRAME]"),
]


Scribbles = Annotated[
    list[str] | None,
    _option(
        "--scribble",
        text="A stroke over the object.",
        panel=_PROMPTS,
        metavar="[ID:]x,y,x,y,...[@FRAME]",
    ),
]


Masks = Annotated[
    list[str] | None,
    _option(
        "--mask",
        text="A mask or label image of the video's size.",
        panel=_PROMPTS,
        metavar="[ID:]FILE.png[@FRAME]",
    ),
]


PromptFile = Annotated[
    Path | None,
    _option("--prompts", text="A prompt file.", panel=_PROMPTS, metavar="FILE.json"),
]


Start = Annotated[
    str | None,
    _option("--start", text="First frame: 300f, 10.5s or 00:00:10.5.", panel=_RANGE, metavar="T"),
]


End = Annotated[
    str | None,
    _option("--end", text="Where to stop, exclusive.", panel=_RANGE, metavar="T"),
]


Way = Annotated[
    str,
    _option(
        "--direction",
        text="forward (default), backward or both.",
        panel=_RANGE,
        metavar="WAY",
        choices=DIRECTIONS,
    ),
]


Save = Annotated[
    str | None,
    _option(
        "--save",
        text=f"What to write, of {','.join(SAVES)}; default all.",
        panel=OUTPUT_PANEL,
        metavar="LIST",
    ),
]


Model = Annotated[
    str | None,
    _option(
        "--model",
        text="auto (default), a name of `vos models list`, or a weight file.",
        panel=_MODEL,
        metavar="NAME|PATH",
    ),
]


Refiner = Annotated[
    str | None,
    _option(
        "--refiner",
        text="auto (default: the one trained for this model), none, or a refiner file.",
        panel=_MODEL,
        metavar="auto|none|NAME|PATH",
    ),
]


Policy = Annotated[
    str | None,
    _option(
        "--policy",
        text="Memory: fifo (default), or visible: forget frames on which the object is hidden.",
        panel=_MODEL,
        metavar="fifo|visible",
    ),
]


Device = Annotated[
    str | None,
    _option(
        "--device",
        text="auto (default), cpu, cuda, cuda:N or mps.",
        panel=_MODEL,
        metavar="NAME",
    ),
]


Dtype = Annotated[
    str | None,
    _option(
        "--dtype",
        text=f"One of {', '.join(settings.choices(settings.Dtype))}.",
        panel=_MODEL,
        metavar="NAME",
    ),
]


Exact = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="SAM 2's own arithmetic to the last bit, one object after the other; slower.",
        rich_help_panel=_MODEL,
    ),
]


Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the model first (a minute, kept for later runs); faster frames.",
        rich_help_panel=_MODEL,
    ),
]


Size = Annotated[
    int | None,
    _option(
        "--size",
        text="Side of the model's input: 512 or 768 is faster and coarser than SAM 2's 1024.",
        panel=_MODEL,
        metavar="PX",
    ),
]


PoolMemory = Annotated[
    int | None,
    _option(
        "--pool-memory",
        text="2: attend to 2 x 2 memory tokens as one; faster, for inputs of 1024 px.",
        panel=_MODEL,
        metavar="N",
    ),
]


Decoder = Annotated[
    str | None,
    _option(
        "--decoder",
        text="Video reader: pyav (default) or decord.",
        panel=_RANGE,
        metavar="NAME",
    ),
]


SceneCuts = Annotated[
    str | None,
    _option(
        "--scene-cuts",
        text="mark (default), off, stop: end there, or reset: remember only prompted frames.",
        panel=_RANGE,
        metavar="off|mark|stop|reset",
        choices=tuple(settings.choices(settings.SceneCuts)),
    ),
]


Host = Annotated[
    str | None,
    _option(
        "--host",
        text="Where the page listens: an address or name of this machine, 0.0.0.0 for all; default "
        "127.0.0.1, which only this machine reaches.",
        panel=OUTPUT_PANEL,
        metavar="ADDRESS",
    ),
]


Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace an earlier output of vos.", rich_help_panel=OUTPUT_PANEL
    ),
]


Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout.", rich_help_panel=OUTPUT_PANEL),
]


ProgressForm = Annotated[
    str | None,
    _option(
        "--progress",
        text="auto (default), rich, plain, json or none.",
        panel=OUTPUT_PANEL,
        metavar="FORM",
    ),
]


Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", help="Only errors and warnings on stderr.", rich_help_panel=OUTPUT_PANEL
    ),
]


Verbose = Annotated[
    bool,
    typer.Option(
        "-v", "--verbose", help="The traceback of an error too.", rich_help_panel=OUTPUT_PANEL
    ),
]


@dataclass(frozen=True, slots=True)
class TrackFlags:
    """The options of one clip as they were written; None or () where not given."""

    box: tuple[str, ...] = ()
    point: tuple[str, ...] = ()
    neg_point: tuple[str, ...] = ()
    polygon: tuple[str, ...] = ()
    scribble: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    prompts: Path | None = None
    start: str | None = None
    end: str | None = None
    direction: str = "forward"
    save: str | None = None
    model: str | None = None
    refiner: str | None = None
    policy: str | None = None
    device: str | None = None
    dtype: str | None = None
    exact: bool = False
    compile: bool = False
    size: int | None = None
    pool_memory: int | None = None
    decoder: str | None = None
    scene_cuts: str | None = None
    overwrite: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From a command's parameters by name; those that are no option of a clip are left out."""
        kept: dict[str, Any] = {}
        for field in fields(cls):
            if field.name in given:
                value = given[field.name]
                kept[field.name] = tuple(value or ()) if field.default == () else value
        return cls(**kept)

    def all_prompts(self) -> NamedPrompts:
        """Every prompt these flags name, with the names of the prompt file. Raises PromptError."""
        read = NamedPrompts() if self.prompts is None else load_named_prompts(self.prompts)
        prompts = (
            *read.prompts,
            *map(parse_box, self.box),
            *map(parse_point, self.point),
            *(parse_point(text, positive=False) for text in self.neg_point),
            *map(parse_polygon, self.polygon),
            *map(parse_scribble, self.scribble),
            *(one for text in self.mask for one in parse_mask(text)),
        )
        return replace(read, prompts=prompts)

    def settings(self, progress: str | None) -> Settings:
        """These choices joined with environment, file and defaults. Raises ConfigError."""
        return settings.resolve(
            {
                "model": self.model,
                "refiner": self.refiner,
                "policy": self.policy,
                "device": self.device,
                "dtype": self.dtype,
                "exact": self.exact or None,
                "compile": self.compile or None,
                "size": self.size,
                "pool_memory": self.pool_memory,
                "decoder": self.decoder,
                "scene_cuts": self.scene_cuts,
                "save": self.save,
                "progress": progress,
            }
        )

    def job(self, source: str, output: Path, *, progress: str | None) -> Job:
        """The job of tracking `source` into `output`. Raises UsageError of every kind."""
        job = self.job_without_prompts(source, output, progress=progress)
        asked = self.all_prompts()
        if not asked.prompts:
            raise PromptError(
                "no prompt: something must say what to track; give --box x1,y1,x2,y2, --point x,y, "
                "--mask FILE.png or --prompts FILE.json, or --box alone to draw one"
            )
        return replace(job, prompts=asked.prompts, names=asked.names, drawn_on=asked.size_hw)

    def job_without_prompts(self, source: str, output: Path, *, progress: str | None) -> Job:
        """As `job`, for prompts that are yet to come."""
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


def form_of_progress(progress: str | None, *, quiet: bool) -> str | None:
    """What --progress and --quiet ask for together. Raises UsageError if they contradict."""
    if quiet and progress not in (None, "none"):
        raise UsageError(f"--quiet and --progress {progress} contradict each other; give one")
    return "none" if quiet else progress


def parse_shard(text: str) -> tuple[int, int]:
    """The 0-based index and the count of `i/n`. Raises UsageError."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise UsageError(f"--shard {text}: expected i/n with 1 <= i <= n, such as 1/4")
    return int(first) - 1, int(count)
