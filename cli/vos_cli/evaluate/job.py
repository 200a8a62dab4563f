"""One evaluation: which data set, from which prompts, with what, and where to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vos.errors import UsageError
from vos.settings import Settings
from vos_eval.data_sets.base import DataSet

PREDICTIONS = "predictions"
ROUNDS_FOLDER = "rounds"
INTERACTIVE_CLICKS = 3

Kind = Literal["mask", "box", "clicks"]
Interactive = Literal["offline", "online"]

_MOST_CLICKS = 20


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """What the tracker gets of an object's first mask.

    kind: the mask itself, its tight box, or simulated clicks.
    clicks: how many on each prompted frame; 0 for the other kinds.
    """

    kind: Kind = "mask"
    clicks: int = 0

    def __str__(self) -> str:
        return f"clicks:{self.clicks}" if self.kind == "clicks" else self.kind


def parse_prompt(text: str) -> PromptChoice:
    """Read mask, box or clicks:N. Raises UsageError."""
    found = re.fullmatch(r"clicks:(\d{1,3})", text)
    if found and 1 <= int(found[1]) <= _MOST_CLICKS:
        return PromptChoice("clicks", int(found[1]))
    if text == "mask" or text == "box":
        return PromptChoice(text)
    raise UsageError(
        f"--prompt {text}: expected mask, box or clicks:N with N from 1 to {_MOST_CLICKS}, such as "
        "clicks:3"
    )


@dataclass(frozen=True, slots=True)
class EvalJob:
    """One evaluation.

    data_set: what to track.
    output: folder of predictions.
    settings: what tracks.
    prompt: what each object's first mask becomes.
    interactive: how frames are chosen to be corrected; None for no correction.
    limit: how many videos; None for all.
    shard: which share of the videos to track, and of how many.
    overwrite: whether predictions made with other parameters are replaced.
    """

    data_set: DataSet
    output: Path
    settings: Settings
    prompt: PromptChoice = PromptChoice()
    interactive: Interactive | None = None
    limit: int | None = None
    shard: tuple[int, int] = (0, 1)
    overwrite: bool = False

    @property
    def predictions(self) -> Path:
        """Return the folder of predictions, one folder per video in it."""
        return self.output / PREDICTIONS

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return what decides the masks besides the tracker, as JSON values by name."""
        cuts = self.settings.scene_cuts
        return {
            "data_set": self.data_set.name,
            "prompt": str(self.prompt),
            "interactive": self.interactive,
            "scene_cuts": "reset" if cuts == "reset" else "off",
            "every_mask": self.data_set.is_every_mask,
        }


# What evaluations did before these were recorded.
EARLIER_PARAMETERS: Mapping[str, Any] = {
    "prompt": "mask",
    "interactive": None,
    "scene_cuts": "off",
    "every_mask": False,
}


def check_job(job: EvalJob) -> None:
    """Refuse choices that contradict each other or the data set. Raises UsageError."""
    if job.settings.scene_cuts == "stop":
        raise UsageError(
            "--scene-cuts stop: an evaluation needs a mask of every frame; choose off, mark or "
            "reset"
        )
    simulates = job.prompt.kind == "clicks"
    if simulates and job.settings.scene_cuts == "reset":
        raise UsageError(
            "--scene-cuts reset does not go with clicks: simulated clicks remember all frames"
        )
    if job.interactive is None:
        return
    if not simulates:
        raise UsageError(
            f"--interactive {job.interactive} gives clicks only; leave out --prompt, or give "
            "--prompt clicks:N"
        )
    if job.data_set.scoring is None:
        raise UsageError(
            f"--interactive {job.interactive} needs the true masks of later frames, which "
            f"{job.data_set.name} does not have here"
        )
