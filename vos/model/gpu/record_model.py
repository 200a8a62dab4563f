"""A model whose steady work is recorded on a GPU and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from jaxtyping import UInt8
from torch import Tensor

from vos.model.compiling import Compiled
from vos.model.gpu.recording import CudaRecorder, Recorded, Recorder
from vos.model.gpu.resize import resize_pixels, resizes_rows_first
from vos.model.preprocess import to_network
from vos.model.sam2 import Sam2Model
from vos.model.static_path import Encode, StaticPath
from vos.model.types import FrameFeatures

P = ParamSpec("P")
R = TypeVar("R")


def record_model(model: Sam2Model, recorder: Recorder | None = None) -> Sam2Model:
    """Return the same model with a fast path of recordings, of its compiled parts if it has some.

    recorder: None for that of the model's device.
    """
    recorder = CudaRecorder(model.device) if recorder is None else recorder
    return Sam2Model(
        model.net,
        exact=model.exact,
        pool_memory=model.pool_memory,
        parts=model.parts,
        fast_path=RecordedPath(model, recorder),
    )


class RecordedPath(StaticPath):
    """Recordings of the image encoder, of the steady step, and of what refiners do on each frame.

    model: as it is without recordings, compiled or not.
    """

    def __init__(self, model: Sam2Model, recorder: Recorder):
        self._recorder = recorder
        plain = Sam2Model(
            model.net, exact=model.exact, pool_memory=model.pool_memory, parts=model.parts
        )
        is_compiled = model.fast_path is not None
        wrap = self._record_compiled if is_compiled else self._record
        super().__init__(plain, wrap, takes_refiners=True)
        self._encode_recorded = self._record(self._encode_resized, "the image encoder")
        self._quickened: dict[Callable[..., Any], Callable[..., Any]] = {}

    @property
    def encode(self) -> Encode:
        """Return what resizes images on the device and encodes them."""
        return self._encode

    def quicken(self, work: Callable[P, R], name: str, /) -> Callable[P, R]:
        """Return a recorded form of the function, the same each time."""
        if work not in self._quickened:
            self._quickened[work] = self._record(work, name)
        return self._quickened[work]

    def _record(self, work: Callable[P, R], name: str) -> Callable[P, R]:
        return Recorded(work, name, self._recorder)

    def _record_compiled(self, work: Callable[P, R], name: str) -> Callable[P, R]:
        return self._record(Compiled(work, name), name)

    def _encode(self, pixels: UInt8[Tensor, "b h w 3"]) -> FrameFeatures:
        height, width = pixels.shape[1:3]
        rows_first = resizes_rows_first((height, width), self._model.image_size)
        return self._encode_recorded(pixels, rows_first)

    def _encode_resized(self, pixels: Tensor, rows_first: bool) -> FrameFeatures:
        resized = resize_pixels(pixels, self._model.image_size, rows_first=rows_first)
        return self._model.encode_image(to_network(resized))
