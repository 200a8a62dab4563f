"""The refiner seam: three methods around SAM 2's decoder, each the identity by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt

FrameCache = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked of one object.

    now: on this frame, None on tracked frames. first: what started the object. before: the answer
    to the previous prompt on this very frame (interactive segmentation), None at the first one.
    """

    now: ModelPrompt | None
    first: ModelPrompt | None
    before: Decoded | None = None


class Refiner(Protocol):
    """Improves masks without touching the memory attention or the bank.

    augment: prompt-free work, once per frame, shared by all objects. fuse: per object, before
    decoding. refine: per object, after decoding. wants_image_2x: augment reads `features.image_2x`.
    plain_memory: where `fuse` changes the embedding, the decoder answers a second time from the
    unchanged one, and that answer's score, pointer and mask are what the memory keeps.
    """

    name: str
    wants_image_2x: bool
    plain_memory: bool

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache: ...

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, asked: Asked
    ) -> Float[Tensor, "b c h w"]: ...

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, asked: Asked
    ) -> Decoded: ...


class NoRefiner:
    """Plain SAM 2."""

    name = "none"
    wants_image_2x = False
    plain_memory = False

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        return {}

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, asked: Asked
    ) -> Float[Tensor, "b c h w"]:
        return embedding

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, asked: Asked
    ) -> Decoded:
        return decoded
