"""The prompts of a session that wait for their frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vos.errors import Parameter, PromptError
from vos.prompts.kinds import ObjectPrompt, Prompt
from vos.track.frame_order import has_passed


@dataclass(slots=True)
class PromptsAhead:
    """What is prompted on the frames that a stream has not reached yet.

    by_frame: joined prompts by frame index and object id; None before the first frame, as its size
        decides what prompts mean.
    """

    by_frame: dict[int, dict[int, ObjectPrompt]] | None = None

    def take(self, frame_idx: int, *, reverse: bool) -> dict[int, ObjectPrompt]:
        """Return the prompts on this frame by object id; they wait no longer.

        Raises PromptError if the stream is behind a prompted frame and never reaches it.
        """
        by_frame = self.by_frame or {}
        for prompted, by_object in sorted(by_frame.items()):
            is_behind = prompted != frame_idx and has_passed(prompted, frame_idx, reverse=reverse)
            if by_object and is_behind:
                raise _outside_error(prompted)
        return by_frame.pop(frame_idx, {})

    def add(self, frame_idx: int, object_id: int, prompt: ObjectPrompt) -> None:
        """Let a prompt wait, in the place of an earlier one of the same object and frame."""
        assert self.by_frame is not None
        self.by_frame.setdefault(frame_idx, {})[object_id] = prompt

    def remove(self, object_id: int) -> None:
        """Drop what waits for an object."""
        for by_object in (self.by_frame or {}).values():
            by_object.pop(object_id, None)

    def check_none_left(self, prompts: Sequence[Prompt]) -> None:
        """Raise PromptError if a prompted frame never came.

        prompts: those of the session, which all wait before the first frame.
        """
        if self.by_frame is None:
            missed = {prompt.frame_idx for prompt in prompts}
        else:
            missed = {idx for idx, by_object in self.by_frame.items() if by_object}
        if missed:
            raise _outside_error(min(missed))

    def pairs(self) -> tuple[tuple[int, int], ...] | None:
        """Return frame index and object id of what waits; None before the first frame."""
        if self.by_frame is None:
            return None
        return tuple(
            (idx, object_id) for idx, by_object in self.by_frame.items() for object_id in by_object
        )


def keep_pairs(
    joined: dict[int, dict[int, ObjectPrompt]], pairs: Collection[tuple[int, int]]
) -> PromptsAhead:
    """Return those of joined prompts whose frame index and object id are among the pairs."""
    kept = PromptsAhead({})
    for frame_idx, by_object in joined.items():
        for object_id, prompt in by_object.items():
            if (frame_idx, object_id) in pairs:
                kept.add(frame_idx, object_id, prompt)
    return kept


def _outside_error(frame_idx: int) -> PromptError:
    return PromptError(
        f"prompt on frame {frame_idx}: the frames tracked do not include it; "
        "give a frame inside the video and inside ",
        Parameter("start"),
        "/",
        Parameter("end"),
    )
