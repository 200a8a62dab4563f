"""Memory policies: which frames are kept, which are attended to, which alternative mask is
chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vos.model.decoding import best_iou
from vos.model.types import MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Where in the stream one frame is.

    frame_idx: 0-based, presentation order. reverse: tracking runs towards frame 0. frame_count:
    length of the whole clip where known; only clips under `pointer_span` frames are affected by it.
    """

    frame_idx: int
    reverse: bool = False
    frame_count: int | None = None


class MemoryPolicy(Protocol):
    """The seam for memory management; FIFO is the reference."""

    def admit(self, bank: MemoryBank, entry: MemoryEntry, *, prompted: bool) -> MemoryBank: ...

    def select(self, bank: MemoryBank, step: StreamPosition) -> Recall: ...

    def choose(self, iou_pred: Float[Tensor, "b k"]) -> Int[Tensor, " b"]: ...


@dataclass(frozen=True, slots=True)
class Fifo:
    """SAM 2's own rule: prompted frames, then the last frames by distance.

    max_prompted: prompted frames attended to at once: the first one and the nearest others. The
    bank keeps them all. Source: `SAM2Base._prepare_memory_conditioned_features`.
    """

    memory_slots: int = 7
    pointer_span: int = 16
    max_prompted: int = 4

    def admit(self, bank: MemoryBank, entry: MemoryEntry, *, prompted: bool) -> MemoryBank:
        return bank.push(
            entry,
            prompted=prompted,
            memory_slots=self.memory_slots,
            pointer_span=self.pointer_span,
        )

    def select(self, bank: MemoryBank, step: StreamPosition) -> Recall:
        sign = -1 if step.reverse else 1
        span = self.pointer_span
        if step.frame_count is not None:
            span = min(step.frame_count, span)

        def distance(entry: MemoryEntry) -> int:
            return (step.frame_idx - entry.frame_idx) * sign

        prompted = self._nearest_prompted(bank, step)
        recent = {distance(entry): entry for entry in bank.recent}
        spatial = [(0, entry) for entry in prompted]
        for away in range(self.memory_slots - 1, 0, -1):
            entry = recent.get(away)
            if entry is not None and entry.spatial is not None:
                spatial.append((self.memory_slots - away, entry))
        pointers = [(distance(entry), entry) for entry in prompted]
        pointers += [(away, recent[away]) for away in range(1, span) if away in recent]
        return Recall(tuple(spatial), tuple(pointers), span)

    choose = staticmethod(best_iou)

    def _nearest_prompted(self, bank: MemoryBank, step: StreamPosition) -> tuple[MemoryEntry, ...]:
        entries = bank.prompted
        if len(entries) <= self.max_prompted:
            return entries
        others = sorted(entries[1:], key=lambda entry: abs(step.frame_idx - entry.frame_idx))
        kept = {id(entry) for entry in others[: self.max_prompted - 1]}
        return (entries[0], *(entry for entry in entries[1:] if id(entry) in kept))


@dataclass(frozen=True, slots=True)
class Visible(Fifo):
    """Frames without the object are forgotten, so a hidden one is known again when it comes back.

    Slots and distances count the kept frames, not the stream's. SAM 3 selects by the same measure
    but always keeps the very last frame, which tells a small model that the object is gone.

    least_worth: a frame is kept if `iou_pred * (2 * sigmoid(object_score) - 1)` exceeds this.
    Source: `use_memory_selection` of SAM 3's tracker.
    """

    least_worth: float = 0.01

    def admit(self, bank: MemoryBank, entry: MemoryEntry, *, prompted: bool) -> MemoryBank:
        if not prompted and not self._is_worth_keeping(entry):
            return bank
        return Fifo.admit(self, bank, entry, prompted=prompted)

    def select(self, bank: MemoryBank, step: StreamPosition) -> Recall:
        sign = -1 if step.reverse else 1
        consecutive = tuple(
            replace(entry, frame_idx=step.frame_idx - sign * away)
            for away, entry in zip(range(len(bank.recent), 0, -1), bank.recent, strict=True)
        )
        return Fifo.select(self, replace(bank, recent=consecutive), step)

    def _is_worth_keeping(self, entry: MemoryEntry) -> bool:
        """In a batch of videos: worth keeping for one of them."""
        presence = 2 * torch.sigmoid(entry.object_score) - 1
        return bool((entry.iou_pred * presence > self.least_worth).any())
