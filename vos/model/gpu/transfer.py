"""Copy images to a GPU and results back while it computes.

Copies go through pinned memory, which a GPU reads and writes by itself, and on streams of their
own. On any other device they are plain copies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

_MOST_BUFFERS = 8
"""Pinned buffers of one uploader: a few frames on their way."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An image on its way to the device.

    pixels: where it arrives. arrived: None where it is there already.
    """

    pixels: UInt8[Tensor, "1 h w 3"]
    arrived: torch.cuda.Event | None = None

    def get(self) -> UInt8[Tensor, "1 h w 3"]:
        """Return the image for work on the present stream, which waits for it."""
        if self.arrived is not None:
            stream = torch.cuda.current_stream(self.pixels.device)
            stream.wait_event(self.arrived)
            self.pixels.record_stream(stream)
        return self.pixels


class Uploader:
    """Copies images to a device, from any thread, through a bounded pool of pinned buffers."""

    def __init__(self, device: torch.device):
        self._device = device
        self._lock = threading.Lock()
        self._buffers: list[tuple[Tensor, torch.cuda.Event]] = []

    def __call__(self, image: UInt8[np.ndarray, "h w 3"]) -> Uploaded:
        """Begin to copy an image, which may be changed afterwards."""
        if self._device.type != "cuda":
            return Uploaded(torch.from_numpy(image.copy()).to(self._device)[None])
        buffer, sent = self._take(image.size)
        view = buffer.view(image.shape)
        view.numpy()[:] = image
        stream = _copy_stream(self._device, "up")
        with torch.cuda.stream(stream):
            pixels = view.to(self._device, non_blocking=True)[None]
            sent.record()
        with self._lock:
            self._buffers.append((buffer, sent))
        return Uploaded(pixels, sent)

    def _take(self, size: int) -> tuple[Tensor, torch.cuda.Event]:
        """Return a buffer that nothing is copied from any more, and an event of its own."""
        with self._lock:
            kept = [one for one in self._buffers if one[0].numel() == size]
            found = next((one for one in kept if one[1].query()), None)
            if found is None and len(kept) >= _MOST_BUFFERS:
                found = kept[0]
            # Buffers of another size are of an earlier video.
            self._buffers = [one for one in kept if one is not found]
        if found is None:
            buffer = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        else:
            buffer, sent = found
            sent.synchronize()
        return buffer, torch.cuda.Event()


def fetch_later(tensors: Sequence[Tensor]) -> Callable[[], list[np.ndarray]]:
    """Begin to copy tensors of one device to the host; return what waits for them.

    The device goes on with other work meanwhile.
    """
    device = tensors[0].device
    if device.type != "cuda":
        return lambda: [tensor.cpu().numpy() for tensor in tensors]
    stream = _copy_stream(device, "down")
    stream.wait_stream(torch.cuda.current_stream(device))
    copies: list[Tensor] = []
    with torch.cuda.stream(stream):
        for tensor in tensors:
            copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            copies.append(copy.copy_(tensor, non_blocking=True))
            tensor.record_stream(stream)
        arrived = torch.cuda.Event()
        arrived.record()

    def wait() -> list[np.ndarray]:
        arrived.synchronize()
        # Results may be kept for long, and pinned memory is dear.
        return [copy.numpy().copy() for copy in copies]

    return wait


@lru_cache(maxsize=64)
def _copy_stream(device: torch.device, _way: str) -> torch.cuda.Stream:
    """Return the one stream for a device's copies in one direction."""
    return torch.cuda.Stream(device)
