"""How much of a frame's work is on the device at once, and what to do when that is too much."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.refine.base import Refiner
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, StreamPosition
from vos.track.step import track_encoded

# Tokens of one memory map, over all objects of a batch: a CPU gains nothing beyond.
_CPU_TOKENS, _GPU_TOKENS = 8192, 65536
# Up to this side four images are encoded at once, as much arithmetic as one of 1024 px; above it
# two, whose features fill 220 MB in fp32. A CPU gains nothing: an image of nano takes 35.8 ms alone
# and 36.3 among four.
_SMALL_IMAGE = 512

_log = logging.getLogger("vos")


@dataclass(slots=True)
class Capacity:
    """Shrinks, step by step, when the device runs out of memory.

    objects_per_batch: at least 1. banks_on_cpu: memories wait in host memory between frames.
    look_ahead: images of a file encoded at once, at least 1.
    """

    objects_per_batch: int
    banks_on_cpu: bool = False
    look_ahead: int = 1

    @staticmethod
    def of(model: Sam2Model) -> Capacity:
        """What suits the model's device and input size."""
        tokens = _CPU_TOKENS if model.device.type == "cpu" else _GPU_TOKENS
        batch = max(1, tokens // (model.image_size // 16) ** 2)
        if model.exact or model.device.type == "cpu":
            return Capacity(batch)
        return Capacity(batch, look_ahead=4 if model.image_size <= _SMALL_IMAGE else 2)

    def shrink(self, objects: int) -> str | None:
        """Take the next step down; what it is, or None if there is none left.

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


def track_within(
    capacity: Capacity,
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    banks: Mapping[int, MemoryBank],
    encode: Callable[[], FrameFeatures],
    prompts: Mapping[int, ModelPrompt],
    step: StreamPosition,
) -> tuple[dict[int, Decoded], dict[int, MemoryBank]]:
    """As `track_frame`; on out of memory, shrinks the capacity, says so in the log, and repeats.

    encode: makes the frame's features, each time anew or not.

    Raises: torch.OutOfMemoryError once the capacity is the smallest.
    """
    while True:
        try:
            raw = encode()
            decoded, remembered = track_encoded(
                model,
                refiner,
                policy,
                banks,
                raw,
                refiner.augment(model, raw, step.frame_idx),
                prompts,
                step,
                capacity.objects_per_batch,
            )
        except torch.OutOfMemoryError:
            shrunk = capacity.shrink(len({*banks, *prompts}))
            if shrunk is None:
                raise
        else:
            return decoded, _placed(remembered, capacity)
        # Out here nothing but `encode` holds the failed frame's tensors any more.
        raw = None
        _log.warning("vos: warning: frame %d: GPU memory is full; %s", step.frame_idx, shrunk)
        banks = _placed(banks, capacity)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _placed(banks: Mapping[int, MemoryBank], capacity: Capacity) -> dict[int, MemoryBank]:
    if not capacity.banks_on_cpu:
        return dict(banks)
    return {i: bank.to(torch.device("cpu")) for i, bank in banks.items()}
