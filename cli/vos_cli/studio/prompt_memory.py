"""Masks from the memory of an object's prompted frames alone: nothing between them was tracked.

They are what a `Session` gives that had only those frames, so an absence is kept, and a prompt on a
later frame corrects what the memory gives there. Tracking remembers the frames between too, so its
masks are other ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vos.prompts import Absent, Prompt
from vos.prompts.absence import Absences

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.frame import Frame
    from vos.track.compose import ObjectLogits
    from vos.track.memory_bank import MemoryBank

_BANKS_KEPT = 64  # a prompted frame of SAM 2.1 takes some 2 MB, and up to 4 more where it is a mask

Prompted = tuple[int, tuple[Prompt, ...]]
"""A frame that an object has a prompt on, and all of its prompts that decide what is remembered."""

ReadFrame = Callable[[int, Mapping[int, "MemoryBank"]], "Frame"]
"""From a frame's number and the banks of its objects to the frame, which best carries what it was
encoded to, and what the objects are there before anybody prompts them."""


def is_known_before(prompts: Sequence[Prompt], frame_idx: int) -> bool:
    """Tell whether one of an object's prompts is on an earlier frame and says where it is."""
    return any(one.frame_idx < frame_idx and not isinstance(one, Absent) for one in prompts)


def select_until(prompts: Sequence[Prompt], frame_idx: int) -> tuple[Prompt, ...]:
    """Return an object's prompts that decide its mask on a frame, and what is remembered of it.

    That of the frame after is one of them: an absence may end before it.
    """
    return tuple(prompt for prompt in prompts if prompt.frame_idx <= frame_idx + 1)


class PromptMemory:
    """The memory banks of objects after their prompted frames, the latest used kept."""

    def __init__(self) -> None:
        self._banks: OrderedDict[Prompted, Mapping[int, MemoryBank]] = OrderedDict()

    def predict(
        self, tracker: Tracker, prompts: Sequence[Prompt], frame_idx: int, read: ReadFrame
    ) -> ObjectLogits:
        """Predict an object's mask on a frame, from the memory of its prompted frames before.

        prompts: all of this one object, one of them known before. read: returns a frame.

        Raises PromptError where its prompts cannot start it.
        """
        object_id = prompts[0].object_id
        marked = sorted(
            {one.frame_idx for one in prompts} | Absences.of(prompts).end_frames(object_id)
        )
        keys = [(idx, select_until(prompts, idx)) for idx in marked if idx < frame_idx]
        # From the latest on, as a key is costly to look up where masks were painted.
        done = next((at for at in range(len(keys), 0, -1) if keys[at - 1] in self._banks), 0)
        session = tracker.session(prompts)
        if done:
            from vos.track.snapshot import SessionState

            known = keys[done - 1]
            self._banks.move_to_end(known)
            waiting = tuple((idx, object_id) for idx in marked if idx > known[0])
            state = SessionState(self._banks[known], waiting)
            session = session.resume(state, read(frame_idx, {}).size_hw)
        for key in keys[done:]:
            session.decode(read(key[0], session.banks))
            self._keep(key, session.banks)
        found = session.decode(read(frame_idx, session.banks))[object_id]
        if frame_idx in marked:
            self._keep((frame_idx, select_until(prompts, frame_idx)), session.banks)
        return replace(found, alternatives=None, alternative_ious=None)

    def _keep(self, key: Prompted, banks: Mapping[int, MemoryBank]) -> None:
        self._banks[key] = banks
        self._banks.move_to_end(key)
        while len(self._banks) > _BANKS_KEPT:
            self._banks.popitem(last=False)
