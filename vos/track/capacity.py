"""Limit how much of a frame's work is on the device at once, and shrink it when needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from vos.model.sam2 import Sam2Model
from vos.track.memory_bank import MemoryBank

T = TypeVar("T")

# Tokens of one memory map, over all objects of a batch: a CPU gains nothing beyond.
_CPU_TOKENS, _GPU_TOKENS = 8192, 65536
# Up to this side four images are encoded at once, as much arithmetic as one of 1024 px; above it
# two, whose features fill 220 MB in fp32. A CPU gains nothing: an image of nano takes 35.8 ms alone
# and 36.3 among four.
_SMALL_IMAGE = 512

_log = logging.getLogger("vos")


@dataclass(slots=True)
class Capacity:
    """How much goes onto the device at once; it shrinks when the device runs out of memory.

    objects_per_batch: unprompted objects that go through the model at once, at least 1.
    banks_on_cpu: whether memories wait in host memory between frames.
    look_ahead: images of a file encoded at once, at least 1.
    """

    objects_per_batch: int
    banks_on_cpu: bool = False
    look_ahead: int = 1

    @staticmethod
    def of(model: Sam2Model) -> Capacity:
        """Return the capacity that suits the model's device and input size."""
        tokens = _CPU_TOKENS if model.device.type == "cpu" else _GPU_TOKENS
        batch = max(1, tokens // model.embedding_size**2)
        if model.exact or model.device.type == "cpu":
            return Capacity(batch)
        return Capacity(batch, look_ahead=4 if model.image_size <= _SMALL_IMAGE else 2)

    def run(self, work: Callable[[], T], *, objects: int, frame_idx: int) -> T:
        """Do a frame's work; on out of memory shrink, log it, and do it again.

        work: reads this capacity anew each time. objects: how many are tracked now.

        Raises: torch.OutOfMemoryError once the capacity is the smallest.
        """
        while True:
            try:
                return work()
            except torch.OutOfMemoryError:
                shrunk = self.shrink(objects)
                if shrunk is None:
                    raise
            # Out here nothing holds the failed attempt's tensors any more.
            _log.warning("vos: warning: frame %d: GPU memory is full; %s", frame_idx, shrunk)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def place(self, banks: Mapping[int, MemoryBank]) -> dict[int, MemoryBank]:
        """Return the banks where they wait between frames."""
        if not self.banks_on_cpu:
            return dict(banks)
        return {i: bank.to(torch.device("cpu")) for i, bank in banks.items()}

    def shrink(self, objects: int) -> str | None:
        """Take the next step down and say which; return None if there is none left.

        objects: how many are tracked now.
        """
        if self.look_ahead > 1:
            self.look_ahead = 1
            return "images are encoded one by one"
        batch = min(self.objects_per_batch, objects)
        if batch > 1:
            self.objects_per_batch = batch // 2
            return f"objects per batch: {self.objects_per_batch}"
        if not self.banks_on_cpu:
            self.banks_on_cpu = True
            return "memory banks move to host memory"
        return None
