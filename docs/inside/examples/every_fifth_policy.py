"""A memory policy that keeps every fifth tracked frame, as an example (add_a_policy.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vos.model.types import Decoded, MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition


@dataclass(frozen=True, slots=True)
class EveryFifth(Fifo):
    """Keeps the frames whose number is divisible by `period`, so that memory reaches further back.

    Slots and distances count kept frames, not those of the stream.

    period: every how many frames one is kept.
    """

    period: int = 5

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        if not prompted and entry.frame_idx % self.period:
            return bank
        return Fifo.admit(self, bank, entry, decoded, prompted=prompted)

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        step = -1 if at.reverse else 1
        newest_first = enumerate(reversed(bank.recent), start=1)
        renumbered = [
            replace(entry, frame_idx=at.frame_idx - step * away) for away, entry in newest_first
        ]
        return Fifo.select(self, replace(bank, recent=tuple(reversed(renumbered))), at)
