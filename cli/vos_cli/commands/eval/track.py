"""`vos eval davis`, `lvos`, `sav`, `ytvos`, `mose`, `vost` and `track`: from a download to a table.

Where the true masks are not public, to the zip that the evaluation server takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vos_cli.commands.eval.data_set import EVAL_OPTIONS, EvalFlags, track_and_finish
from vos_cli.options.takes import takes
from vos_eval.data_sets.davis import open_davis
from vos_eval.data_sets.lvos import open_lvos
from vos_eval.data_sets.mose import open_mose
from vos_eval.data_sets.own import open_own
from vos_eval.data_sets.sav import open_sav
from vos_eval.data_sets.vost import open_vost
from vos_eval.data_sets.ytvos import open_ytvos
from vos_eval.protocols.davis import DAVIS
from vos_eval.protocols.registry import PROTOCOLS
from vos_eval.protocols.sav import SAV
from vos_eval.protocols.vost import VOST

Root = Annotated[Path, typer.Argument(metavar="ROOT", help="The data set's folder, unpacked.")]
Split = Annotated[str | None, typer.Option("--split", metavar="S", help="Split; default val.")]
Version = Literal["1", "2"]


@takes(EvalFlags, only=EVAL_OPTIONS)
def davis(
    root: Root,
    *,
    year: Annotated[
        int | None,
        typer.Option(
            "--year",
            metavar="Y",
            help="2016 or 2017; in 2016 all objects are one. Default: the list that is there.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="S", help="List ImageSets/YEAR/S.txt; default: val or all"),
    ] = None,
    flags: EvalFlags,
) -> None:
    """Track every object of DAVIS 2016 or 2017 from the first annotation, then score.

    test-dev and test-challenge, whose masks are not public, become a zip for their server.
    """
    track_and_finish(
        lambda: open_davis(root, year=year, split=split), flags, DAVIS, "vos-eval-davis"
    )


@takes(EvalFlags, only=EVAL_OPTIONS)
def lvos(
    root: Root,
    *,
    version: Annotated[
        Version, typer.Option("--version", help="LVOS version, named in the report.")
    ],
    split: Annotated[
        str, typer.Option("--split", metavar="S", help="Folder of the split.")
    ] = "valid",
    protocol: Annotated[
        Literal["lvos", "lvos-v1-era"],
        typer.Option(help="Today's official rules, or those before the v2 rewrite."),
    ] = "lvos",
    unseen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Unseen videos, instead of the official list."),
    ] = None,
    flags: EvalFlags,
) -> None:
    """Track every object of LVOS from its own first mask, then score as the official evaluator.

    Of the ground truth only these first masks reach the tracker. test, whose masks are not public,
    becomes a zip for its server.
    """
    rules = PROTOCOLS[protocol]
    track_and_finish(
        lambda: open_lvos(root, version=version, split=split, protocol=rules, unseen=unseen),
        flags,
        rules,
        f"vos-eval-lvos{version}-{split}",
    )


@takes(EvalFlags, only=EVAL_OPTIONS)
def sav(root: Root, *, split: Split = None, flags: EvalFlags) -> None:
    """Track SA-V val or test at 24 frames a second, and score the annotated frames.

    Masks of different objects may overlap: each object has its own folder of masks.
    """
    track_and_finish(lambda: open_sav(root, split=split), flags, SAV)


@takes(EvalFlags, only=EVAL_OPTIONS)
def ytvos(
    root: Root,
    *,
    year: Annotated[
        Literal["2018", "2019"] | None,
        typer.Option("--year", help="Which server the zip is for; default: both are named."),
    ] = None,
    split: Split = None,
    all_frames: Annotated[
        bool,
        typer.Option(
            "--all-frames", help="Track the 30 frames a second of valid_all_frames beside valid."
        ),
    ] = False,
    flags: EvalFlags,
) -> None:
    """Track every object of YouTube-VOS from its own first mask, and make the server's zip."""
    number_of_year = None if year is None else int(year)
    track_and_finish(
        lambda: open_ytvos(root, year=number_of_year, split=split, is_all_frames=all_frames),
        flags,
        SAV,
    )


@takes(EvalFlags, only=EVAL_OPTIONS)
def mose(
    root: Root,
    *,
    version: Annotated[
        Version | None,
        typer.Option("--version", help="Which server the zip is for; default: both are named."),
    ] = None,
    split: Split = None,
    flags: EvalFlags,
) -> None:
    """Track every object of MOSE from its own first mask, and make the server's zip.

    train, whose masks are public, is scored: v2 by its own rule, v1 by SA-V's.
    """
    track_and_finish(lambda: open_mose(root, version=version, split=split), flags, SAV)


@takes(EvalFlags, only=EVAL_OPTIONS)
def vost(root: Root, *, split: Split = None, flags: EvalFlags) -> None:
    """Track every object of VOST from its first mask, then score; pixels of 255 are no object."""
    track_and_finish(lambda: open_vost(root, split=split), flags, VOST)


@takes(EvalFlags, only=EVAL_OPTIONS)
def track(
    *,
    images: Annotated[
        Path, typer.Option("--images", metavar="DIR", help="A folder of images per video.")
    ],
    masks: Annotated[
        Path, typer.Option("--masks", metavar="DIR", help="A folder of masks per video.")
    ],
    names: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="The videos, one a line; default: all that have masks."
        ),
    ] = None,
    every_mask: Annotated[
        bool,
        typer.Option("--every-mask", help="Every mask is a prompt, however many there are."),
    ] = False,
    flags: EvalFlags,
) -> None:
    """Track videos of your own from their masks, and score them where there are enough masks.

    Masks of a tenth of the frames or more are ground truth, of which only each object's first one
    is a prompt. Fewer are prompts, all of them.
    """
    track_and_finish(
        lambda: open_own(images, masks, names=names, is_every_mask=every_mask), flags, SAV
    )
