"""Memory policies decide which frames are kept, which are attended to, and which mask is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from jaxtyping import Int
from torch import Tensor

from vos.model.decoding import best_iou
from vos.model.types import Candidates, Decoded, MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The place of one frame in its stream.

    frame_idx: 0-based, presentation order.
    reverse: whether tracking runs towards frame 0.
    frame_count: length of the whole clip where known; it only changes clips under `pointer_span`
        frames.
    """

    frame_idx: int
    reverse: bool = False
    frame_count: int | None = None


class MemoryPolicy(Protocol):
    """The seam for memory management; FIFO is the reference.

    A policy holds no state of its own: what it must remember of an object goes into the bank's
    `policy_state`. Nothing here may wait for a GPU without need.
    """

    @property
    def chooses_best(self) -> bool:
        """Tell whether `choose` is `best_iou` whatever it is given, which lets frames take the fast
        path.
        """
        ...

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        """Return the bank after a frame.

        decoded: the frame's prediction, `chosen` mask and alternatives included; None for a memory
            that was made from a stored mask.
        prompted: whether the frame had a prompt.
        """
        ...

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        """Return the memories that the frame at this place attends to."""
        ...

    def choose(
        self, candidates: Candidates, bank: MemoryBank, at: StreamPosition
    ) -> Int[Tensor, " b"]:
        """Return the index of the alternative mask to take, per batch row."""
        ...


@dataclass(frozen=True, slots=True)
class Fifo:
    """SAM 2's own rule: prompted frames, then the last frames by distance.

    Source: `SAM2Base._prepare_memory_conditioned_features`.

    memory_slots: spatial memories attended to, one of them for prompted frames.
    pointer_span: how many frames pointers reach back, the current one included.
    max_prompted: prompted frames attended to at once: the first one and the nearest others. The
        bank keeps them all.
    """

    memory_slots: int = 7
    pointer_span: int = 16
    max_prompted: int = 4

    @property
    def chooses_best(self) -> bool:
        return True

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        return bank.push(
            entry,
            prompted=prompted,
            memory_slots=self.memory_slots,
            pointer_span=self.pointer_span,
        )

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        sign = -1 if at.reverse else 1
        span = self.pointer_span
        if at.frame_count is not None:
            span = min(at.frame_count, span)

        def distance(entry: MemoryEntry) -> int:
            return (at.frame_idx - entry.frame_idx) * sign

        prompted = self._nearest_prompted(bank, at)
        recent = {distance(entry): entry for entry in bank.recent}
        spatial = [(0, entry) for entry in prompted]
        for away in range(self.memory_slots - 1, 0, -1):
            entry = recent.get(away)
            if entry is not None and entry.spatial is not None:
                spatial.append((self.memory_slots - away, entry))
        pointers = [(distance(entry), entry) for entry in prompted]
        pointers += [(away, recent[away]) for away in range(1, span) if away in recent]
        return Recall(tuple(spatial), tuple(pointers), span)

    def choose(
        self, candidates: Candidates, bank: MemoryBank, at: StreamPosition
    ) -> Int[Tensor, " b"]:
        return best_iou(candidates)

    def _nearest_prompted(self, bank: MemoryBank, at: StreamPosition) -> tuple[MemoryEntry, ...]:
        entries = bank.prompted
        if len(entries) <= self.max_prompted:
            return entries
        others = sorted(entries[1:], key=lambda entry: abs(at.frame_idx - entry.frame_idx))
        kept = {id(entry) for entry in others[: self.max_prompted - 1]}
        return (entries[0], *(entry for entry in entries[1:] if id(entry) in kept))


@dataclass(frozen=True, slots=True)
class Visible(Fifo):
    """A policy that forgets frames without the object, so that it is known when it comes back.

    Slots and distances count the kept frames, not the stream's. SAM 3 selects by the same measure
    but always keeps the very last frame, by which a small model believes that the object is gone.

    least_worth: a frame is kept if `iou_pred * (2 * sigmoid(object_score) - 1)` exceeds this.
    Source: `use_memory_selection` of SAM 3's tracker.
    """

    least_worth: float = 0.01

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        if not prompted and not self._is_worth_keeping(entry):
            return bank
        return Fifo.admit(self, bank, entry, decoded, prompted=prompted)

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        sign = -1 if at.reverse else 1
        consecutive = tuple(
            replace(entry, frame_idx=at.frame_idx - sign * away)
            for away, entry in zip(range(len(bank.recent), 0, -1), bank.recent, strict=True)
        )
        return Fifo.select(self, replace(bank, recent=consecutive), at)

    def _is_worth_keeping(self, entry: MemoryEntry) -> bool:
        """Tell whether a frame is worth keeping for any video of a batch."""
        presence = 2 * torch.sigmoid(entry.object_score) - 1
        return bool((entry.iou_pred * presence > self.least_worth).any())
