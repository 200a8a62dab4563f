"""A stand-in for CUDA graphs, which computes on the CPU what a graph would."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from vos.model.tensor_fields import find_tensors

R = TypeVar("R")


class StandIn:
    """A recorder that runs the work anew at each replay.

    As a graph's memory is, each recording's own tensors are only good until the next replay: here
    those of every recording are spoilt then.

    recordings: how many there are. replays: how many there were.
    """

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.lock = threading.RLock()
        self.recordings = self.replays = 0
        self._own: list[Tensor] = []

    def can_record(self) -> bool:
        return True

    def record(
        self, work: Callable[[], R], inputs: Sequence[Tensor]
    ) -> tuple[R, Callable[[], None]]:
        self.recordings += 1
        work()  # which modules keep parts of
        result = work()
        results = list(find_tensors(result))
        # What modules keep, and give each time, is not the recording's own.
        kept = {tensor.data_ptr() for tensor in find_tensors(work())}

        def replay() -> None:
            self.replays += 1
            given = [tensor.clone() for tensor in inputs]
            self.spoil()
            for tensor, value in zip(inputs, given, strict=True):
                tensor.copy_(value)
            for tensor, value in zip(results, find_tensors(work()), strict=True):
                tensor.copy_(value)

        kept |= {tensor.data_ptr() for tensor in inputs}
        self._own += [*inputs, *(one for one in results if one.data_ptr() not in kept)]
        return result, replay

    def spoil(self) -> None:
        """Overwrite what all recordings read and wrote."""
        with torch.inference_mode():
            for tensor in self._own:
                if tensor.is_floating_point():
                    tensor.fill_(torch.nan)
                else:
                    tensor.fill_(99)
