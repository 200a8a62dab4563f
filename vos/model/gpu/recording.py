"""Record what a function does on a GPU once, and replay it: CUDA graphs of eager code.

A small network leaves a GPU idle while Python launches its hundreds of kernels. Recorded, they are
launched as one, with the same bits and without a compiler. What this asks of a function: the same
work for the same shapes, on tensors alone, and never a look at a value.

A recording reads and writes the same memory each time. So arguments are copied into it and results
out of it, each in one launch, and nobody holds memory that a later replay writes to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from vos.model.tensor_fields import describe_tensors, find_tensors, map_tensors

R = TypeVar("R")

_WARM_UP_RUNS = 3
_MOST_RECORDINGS = 64
"""Per function; each keeps memory of its own, so that beyond it nothing new is recorded."""

_log = logging.getLogger("vos")


class Recorder(Protocol):
    """What records work on a device. Recordings of one recorder are never replayed at once."""

    device: torch.device
    lock: threading.RLock

    def can_record(self) -> bool:
        """Tell whether the caller's thread and its settings allow it."""
        ...

    def record(
        self, work: Callable[[], R], inputs: Sequence[Tensor]
    ) -> tuple[R, Callable[[], None]]:
        """Return the result of `work` and a function that does it again, into the same tensors.

        inputs: what `work` reads, on the device.
        """
        ...


class CudaRecorder:
    """A recorder of CUDA graphs, which share one pool of memory for what lies between."""

    def __init__(self, device: torch.device):
        self.device = device
        self.lock = threading.RLock()
        self._pool: Any = None

    def can_record(self) -> bool:
        # Replays are in order with each other and with all else only on the device's own stream.
        stream = torch.cuda.current_stream(self.device)
        return stream == torch.cuda.default_stream(self.device)

    def record(
        self, work: Callable[[], R], inputs: Sequence[Tensor]
    ) -> tuple[R, Callable[[], None]]:
        with torch.cuda.device(inputs[0].device):
            # What modules keep from their first run must not lie in the graph's memory.
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP_RUNS):
                    work()
            torch.cuda.current_stream().wait_stream(side)
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            # Other threads go on decoding and copying meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                result = work()
        graph.replay()
        return result, graph.replay


@dataclass(frozen=True, slots=True)
class _Recording(Generic[R]):
    """One recorded call.

    inputs: what is copied into. result: where each replay writes.
    """

    inputs: Sequence[Tensor]
    result: R
    replay: Callable[[], None]


class Recorded(Generic[R]):
    """A function that is recorded for each new shape of its arguments, and replayed after that.

    Results are the caller's own tensors. Arguments that are no tensors are part of what is
    recorded, and have to be hashable. Where it cannot be recorded it runs as it is: with gradients,
    on another stream than the device's own, without memory for it.
    """

    def __init__(self, plain: Callable[..., R], name: str, recorder: Recorder):
        self._plain, self._name, self._recorder = plain, name, recorder
        self._recordings: dict[Hashable, _Recording[R] | None] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        if not torch.is_inference_mode_enabled() or not self._recorder.can_record():
            return self._plain(*args, **kwargs)
        given = list(find_tensors((args, kwargs)))
        kind = self._recorder.device.type
        is_mixed = torch.is_autocast_enabled(kind)
        key = (describe_tensors((args, kwargs)), is_mixed and torch.get_autocast_dtype(kind))
        with self._recorder.lock:
            if key not in self._recordings:
                return self._first_run(key, given, args, kwargs)
            recording = self._recordings[key]
            if recording is not None:
                copy_into(recording.inputs, given)
                recording.replay()
                return copy_out(recording.result)
        return self._plain(*args, **kwargs)

    def _first_run(self, key: Hashable, given: Sequence[Tensor], args: Any, kwargs: Any) -> R:
        """Record this call and return its result; where that fails, run it as it is."""
        self._recordings[key] = None
        if len(self._recordings) > _MOST_RECORDINGS:
            return self._plain(*args, **kwargs)
        started = time.monotonic()
        try:
            recording = self._record(given, args, kwargs)
        except torch.OutOfMemoryError:
            _log.warning("vos: warning: no memory to record %s; it runs as it is", self._name)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            _log.warning(
                "vos: warning: %s cannot be recorded and runs as it is (%s)", self._name, reason
            )
        else:
            self._recordings[key] = recording
            shape = "x".join(map(str, given[0].shape))
            seconds = time.monotonic() - started
            _log.info("vos: recorded %s for %s in %.1f s", self._name, shape, seconds)
            return copy_out(recording.result)
        return self._plain(*args, **kwargs)

    def _record(self, given: Sequence[Tensor], args: Any, kwargs: Any) -> _Recording[R]:
        device = self._recorder.device
        inputs = [torch.empty_like(tensor, device=device) for tensor in given]
        copy_into(inputs, given)
        fresh = iter(inputs)
        fixed_args, fixed_kwargs = map_tensors((args, kwargs), lambda _: next(fresh))

        def work() -> R:
            # Casts of weights that autocast keeps would be freed when it ends.
            with torch.autocast(
                device.type,
                torch.get_autocast_dtype(device.type),
                enabled=torch.is_autocast_enabled(device.type),
                cache_enabled=False,
            ):
                return self._plain(*fixed_args, **fixed_kwargs)

        result, replay = self._recorder.record(work, inputs)
        return _Recording(inputs, result, replay)


def copy_into(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copy tensors of equal shapes; those on the device take one launch per dtype."""
    near: list[int] = []
    for index, (target, source) in enumerate(zip(targets, sources, strict=True)):
        if source.device == target.device:
            near.append(index)
        else:
            target.copy_(source, non_blocking=True)
    if near:
        _copy_all([targets[i] for i in near], [sources[i] for i in near])


def copy_out(value: R) -> R:
    """Return a copy with tensors of its own, made by one launch per dtype."""
    found = list(find_tensors(value))
    copies = [torch.empty_like(tensor) for tensor in found]
    if found:
        _copy_all(copies, found)
    fresh = iter(copies)
    return map_tensors(value, lambda _: next(fresh))


# One launch for all tensors of a type, where `copy_` launches once for each.
_copy_all: Callable[[list[Tensor], list[Tensor]], Any] = vars(torch)["_foreach_copy_"]
