"""Forget frames without the object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from vos.model.types import Decoded, MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank, PolicyState
from vos.track.policy import Fifo, StreamPosition


@dataclass(frozen=True, slots=True)
class VisibleNotes(PolicyState):
    """What `Visible` notes of an object when it keeps the last frame.

    last_is_poor: whether the last recent frame is there only until the next one comes.
    """

    last_is_poor: bool = False


@dataclass(frozen=True, slots=True)
class Visible(Fifo):
    """A policy that forgets frames without the object, so that it is known when it comes back.

    Slots and distances count the kept frames, not the stream's. Source: `use_memory_selection` of
    SAM 3's tracker, which selects by the mean over all objects, and by the loop's end leaves out
    the pointer of the oldest frame; here each object has its own selection and all its pointers.

    least_worth: a frame is kept if `iou_pred * (2 * sigmoid(object_score) - 1)` exceeds this.
    keep_last: remember the very last frame whatever it is worth, until the next one comes, as SAM 3
        does. A small model believes by it that the object is gone.
    """

    least_worth: float = 0.01
    keep_last: bool = False

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        notes = bank.policy_state
        if isinstance(notes, VisibleNotes) and notes.last_is_poor:
            bank = replace(bank, recent=bank.recent[:-1], policy_state=None)
        is_poor = not prompted and not self._is_worth_keeping(entry)
        if is_poor and not self.keep_last:
            return bank
        bank = Fifo.admit(self, bank, entry, decoded, prompted=prompted)
        return replace(bank, policy_state=VisibleNotes(True)) if is_poor else bank

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        sign = -1 if at.reverse else 1
        nearest = 1
        if self.keep_last and any(at.distance(entry) == 1 for entry in bank.prompted):
            nearest = 2  # the last frame has its place, and is among the prompted ones
        consecutive = tuple(
            replace(entry, frame_idx=at.frame_idx - sign * away)
            for away, entry in enumerate(reversed(bank.recent), nearest)
        )
        return Fifo.select(self, replace(bank, recent=consecutive), at)

    def _is_worth_keeping(self, entry: MemoryEntry) -> bool:
        """Tell whether a frame is worth keeping for any video of a batch."""
        presence = 2 * torch.sigmoid(entry.object_score) - 1
        return bool((entry.iou_pred * presence > self.least_worth).any())
