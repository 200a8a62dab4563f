"""Training clips: generated on the GPU in place, or by a process beside the CPU that trains."""

from __future__ import annotations

import multiprocessing
import queue
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vos.synth.clips import ClipConfig, Clips, generate_clips
from vos.synth.pasted import PastedConfig, generate_pasted

TARGET = 1
MIN_VISIBLE_PX = 64
_AHEAD = 2
_LOOK_UP_S = 5.0
Batch = tuple[Tensor, Tensor]


class ClipShape(NamedTuple):
    """The shape of a batch of clips."""

    batch: int
    frames: int
    size_px: int
    config: ClipConfig | PastedConfig = ClipConfig()

    def generate(self, seed: int, device: torch.device | str = "cpu") -> Clips:
        """Generate a batch of that shape."""
        if isinstance(self.config, PastedConfig):
            return generate_pasted(self.batch, self.frames, self.size_px, seed, self.config, device)
        return generate_clips(self.batch, self.frames, self.size_px, seed, device, self.config)


class ClipFeed:
    """A feed of fresh clips when there are some, else recent ones seen through `augment`.

    reuse: on a GPU, steps per generated batch; on the CPU the generating process sets the pace and
        a step waits for it only while its shape has no batch yet.
    pool: batches kept per shape.
    """

    def __init__(self, device: torch.device, *, reuse: int, pool: int):
        self.device, self.reuse = device, reuse
        self._pools: defaultdict[ClipShape, deque[Batch]] = defaultdict(lambda: deque(maxlen=pool))
        self._unseen: defaultdict[ClipShape, int] = defaultdict(int)
        self._served = 0
        self._worker = _Worker() if device.type == "cpu" else None

    def next(self, shape: ClipShape, seed: int, generator: torch.Generator) -> Batch:
        """Return frames uint8 (b, t, 3, h, w) and labels uint8 (b, t, h, w) on the device."""
        self._fill(shape, seed)
        self._served += 1
        pool = self._pools[shape]
        if self._unseen[shape]:
            batch = pool[-self._unseen[shape]]
            self._unseen[shape] -= 1
            return batch
        pick = int(torch.randint(len(pool), (), generator=generator, device=self.device))
        return augment(*pool[pick], generator)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()

    def _fill(self, shape: ClipShape, seed: int) -> None:
        if self._worker is not None:
            self._worker.request(shape, seed)
            for made, batch in self._worker.take():
                self._add(made, batch)
            while not self._pools[shape]:
                self._worker.request(shape, seed)
                for made, batch in self._worker.take(wait_s=1.0):
                    self._add(made, batch)
        elif not self._pools[shape] or self._served % self.reuse == 0:
            clips = shape.generate(seed, self.device)
            self._add(shape, (clips.frames, clips.labels))

    def _add(self, shape: ClipShape, batch: Batch) -> None:
        pool = self._pools[shape]
        pool.append(batch)
        self._unseen[shape] = min(self._unseen[shape] + 1, len(pool))


class _Worker:
    """One generating process; a few requests are always under way."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._requests: Queue[tuple[ClipShape, int]] = context.Queue()
        self._made: Queue[tuple[ClipShape, np.ndarray, np.ndarray]] = context.Queue(_AHEAD)
        self._pending = 0
        self._process = context.Process(
            target=_generate_requested, args=(self._requests, self._made), daemon=True
        )
        self._process.start()

    def request(self, shape: ClipShape, seed: int) -> None:
        """Request batches of that shape, unless enough are under way."""
        while self._pending < _AHEAD:
            self._requests.put((shape, seed * _AHEAD + self._pending))
            self._pending += 1

    def take(self, wait_s: float = 0.0) -> Iterator[tuple[ClipShape, Batch]]:
        """Yield what has been made by now, or within `wait_s`."""
        try:
            while True:
                shape, frames, labels = self._made.get(block=wait_s > 0, timeout=wait_s or None)
                self._pending -= 1
                yield shape, (torch.from_numpy(frames), torch.from_numpy(labels))
                wait_s = 0.0
        except queue.Empty:
            if not self._process.is_alive():
                raise RuntimeError("the clip generating process died") from None

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


def _generate_requested(requests: Queue, made: Queue) -> None:
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    waiting: tuple[ClipShape, np.ndarray, np.ndarray] | None = None
    while parent is not None and parent.is_alive():  # a killed parent takes this process with it
        try:
            if waiting is None:
                shape, seed = requests.get(timeout=_LOOK_UP_S)
                clips = shape.generate(seed)
                waiting = shape, clips.frames.numpy(), clips.labels.numpy()
            made.put(waiting, timeout=_LOOK_UP_S)
            waiting = None
        except (queue.Empty, queue.Full):
            continue
    made.cancel_join_thread()


def augment(frames: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, transpose, reorder colours, and reverse time where the target is there last."""

    def coin() -> bool:
        return bool(torch.rand((), generator=generator, device=frames.device) < 0.5)

    views: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda x: x.flip(-1),
        lambda x: x.flip(-2),
        lambda x: x.transpose(-1, -2),
    )
    for view in views:
        if coin():
            frames, labels = view(frames), view(labels)
    frames = frames[:, :, torch.randperm(3, generator=generator, device=frames.device)]
    last = (labels[:, -1] == TARGET).flatten(1).sum(1)
    if coin() and bool(last.ge(MIN_VISIBLE_PX).all()):
        frames, labels = frames.flip(1), labels.flip(1)
    return frames.contiguous(), labels.contiguous()


def pick_objects(
    labels: Tensor, per_clip: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Choose `per_clip` objects that are visible in each clip's first frame.

    The target comes first, then others at random (again the target where there are none).

    labels: uint8 (b, t, h, w). Returns: clip index (r,) and masks bool (r, t, h, w), r = b *
    per_clip.
    """
    b = labels.shape[0]
    first = labels[:, 0].flatten(1).long()
    highest = int(first.max())
    ones = torch.ones_like(first, dtype=torch.float32)
    area = ones.new_zeros(b, highest + 1).scatter_add_(1, first, ones)[:, 1:]
    draw = torch.rand(area.shape, generator=generator, device=labels.device)
    draw = torch.where(area >= MIN_VISIBLE_PX, draw, -torch.ones_like(draw))
    draw[:, 0] = 2.0
    order = draw.argsort(dim=1, descending=True)
    rank = torch.arange(per_clip, device=labels.device).clamp(max=highest - 1)
    chosen = order[:, rank]
    chosen = torch.where(draw.gather(1, chosen) < 0, torch.zeros_like(chosen), chosen) + TARGET
    rows = torch.arange(b, device=labels.device).repeat_interleave(per_clip)
    return rows, labels[rows] == chosen.flatten()[:, None, None, None]
