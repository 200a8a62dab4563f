"""The passes over one video: which sessions it takes, and where each begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from vos.errors import PromptError, UsageError
from vos.io.read.scene_cuts import CutWatch, SceneCuts
from vos.io.read.source import SourceInfo
from vos.model.sam2 import Sam2Model
from vos.prompts import Absent, Direction, Prompt
from vos.track.lookout import Lookout
from vos.track.session import Session


class SessionMaker(Protocol):
    """The part of a tracker that a stream needs: its model, and a session for each pass."""

    @property
    def model(self) -> Sam2Model: ...

    def session(
        self,
        prompts: Sequence[Prompt] = (),
        *,
        reverse: bool = False,
        frame_count: int | None = None,
        soft: bool = False,
        lookout: Lookout | None = None,
    ) -> Session: ...


@dataclass(frozen=True, slots=True)
class Passes:
    """The passes that a video takes, before any of its frames is read.

    backward: the session of the backward pass; None where there is none.
    top_idx: index of the frame with which the backward pass begins; 0 where there is none.
    cuts_below: the scene cuts of the backward pass.
    forward: the session that goes forward; None where the backward pass leaves nothing to do.
    cuts: the scene cuts of the results.
    """

    backward: Session | None
    top_idx: int
    cuts_below: CutWatch
    forward: Session | None
    cuts: CutWatch


def plan_passes(
    tracker: SessionMaker,
    info: SourceInfo,
    prompts: Sequence[Prompt],
    *,
    direction: Direction,
    scene_cuts: SceneCuts,
    soft: bool,
    lookout: Lookout | None,
) -> Passes:
    """Make the sessions of a video; arguments as those of `Stream`.

    Raises: PromptError without prompts, UsageError for another direction, or a lookout in one that
    is not forward.
    """
    if lookout is None and all(isinstance(prompt, Absent) for prompt in prompts):
        raise PromptError("no prompt: nothing to track; give a box, point, polygon or mask")
    if direction not in get_args(Direction):
        raise UsageError(f"direction {direction!r}: not one of {', '.join(get_args(Direction))}")
    if lookout is not None and direction != "forward":
        raise UsageError(f"direction {direction!r}: a lookout goes forward; leave out one")
    # Only a folder's length is certain, and only clips under 16 frames depend on it.
    count = info.frame_count if info.kind != "video" else None
    backward = forward = first_prompt = last_prompt = None
    top_idx = 0
    if direction != "forward":
        used = prompts if direction == "backward" else _find_earliest(prompts)
        indices = [one.frame_idx for one in used if not isinstance(one, Absent)]
        first_prompt, top_idx = min(indices), max(indices)
        backward = tracker.session(used, reverse=True, frame_count=count)
    if direction != "backward":
        last_prompt = max((prompt.frame_idx for prompt in prompts), default=0)
        forward = tracker.session(prompts, frame_count=count, soft=soft, lookout=lookout)
    # A mark is set where the results are given.
    below = CutWatch("off" if scene_cuts == "mark" else scene_cuts, first_prompt, reverse=True)
    return Passes(backward, top_idx, below, forward, CutWatch(scene_cuts, last_prompt))


def _find_earliest(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return each object's prompts on the first frame that shows it, and its absences before."""
    first: dict[int, int] = {}
    for prompt in prompts:
        if not isinstance(prompt, Absent):
            known = first.get(prompt.object_id, prompt.frame_idx)
            first[prompt.object_id] = min(known, prompt.frame_idx)
    return [prompt for prompt in prompts if prompt.frame_idx <= first.get(prompt.object_id, -1)]
