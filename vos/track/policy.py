"""Memory policies decide which frames are kept, which are attended to, and which mask is chosen.

Here are the seam and SAM 2's own rule; the others are in `vos.track.policies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Int
from torch import Tensor

from vos.model.decoding import best_iou
from vos.model.types import Candidates, Decoded, MemoryEntry, Recall
from vos.track.hypotheses import Hypotheses
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

    @property
    def next_idx(self) -> int:
        """Return the index of the frame that comes next in tracking direction."""
        return self.frame_idx - 1 if self.reverse else self.frame_idx + 1

    @property
    def last_idx(self) -> int:
        """Return the index of the frame that came last before this one."""
        return self.frame_idx + 1 if self.reverse else self.frame_idx - 1

    def distance(self, entry: MemoryEntry) -> int:
        """Return how many frames ago a remembered frame was, in tracking direction."""
        away = self.frame_idx - entry.frame_idx
        return -away if self.reverse else away


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

    @property
    def present_above(self) -> float:
        """Return the object score above which an object is present; SAM 2's own is 0, and frames
        with another leave the fast path.
        """
        ...

    @property
    def hypotheses(self) -> Hypotheses | None:
        """Return how several hypotheses about an object are followed; None for a policy of one."""
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

    @property
    def present_above(self) -> float:
        return 0.0

    @property
    def hypotheses(self) -> Hypotheses | None:
        return None

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
        span = self.pointer_span
        if at.frame_count is not None:
            span = min(at.frame_count, span)
        prompted = self.find_nearest_prompted(bank, at)
        recent = {at.distance(entry): entry for entry in bank.recent}
        spatial = [(0, entry) for entry in prompted]
        for away in range(self.memory_slots - 1, 0, -1):
            entry = recent.get(away)
            if entry is not None and entry.spatial is not None:
                spatial.append((self.memory_slots - away, entry))
        pointers = [(at.distance(entry), entry) for entry in prompted]
        pointers += [(away, recent[away]) for away in range(1, span) if away in recent]
        return Recall(tuple(spatial), tuple(pointers), span)

    def choose(
        self, candidates: Candidates, bank: MemoryBank, at: StreamPosition
    ) -> Int[Tensor, " b"]:
        return best_iou(candidates)

    def find_nearest_prompted(
        self, bank: MemoryBank, at: StreamPosition
    ) -> tuple[MemoryEntry, ...]:
        """Return the prompted frames that are attended to here."""
        entries = bank.prompted
        if len(entries) <= self.max_prompted:
            return entries
        others = sorted(entries[1:], key=lambda entry: abs(at.frame_idx - entry.frame_idx))
        kept = {id(entry) for entry in others[: self.max_prompted - 1]}
        return (entries[0], *(entry for entry in entries[1:] if id(entry) in kept))
