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
class PromptHistory:
    """What the user prompted for one object.

    now: on this frame, None on tracked frames.
    first: what started the object.
    before: the prediction for the previous prompt on this very frame (interactive segmentation),
        None at the first one.
    """

    now: ModelPrompt | None
    first: ModelPrompt | None
    before: Decoded | None = None


class Refiner(Protocol):
    """Improves masks without touching the memory attention or the bank.

    name: as registered.
    is_identity: whether all three methods change nothing, which lets frames take the fast path.
    is_static: whether `fuse` changes nothing, and the other two do the same work on every frame
        without a prompt and never look at a value, so that a GPU may record them.
    wants_image_2x: whether augment reads `features.image_2x`.
    plain_memory: where `fuse` changes the embedding, the decoder runs a second time on the
        unchanged one, and that prediction's score, pointer and mask are what the memory keeps.
    """

    name: str
    is_identity: bool
    is_static: bool
    wants_image_2x: bool
    plain_memory: bool

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        """Do the work that knows no prompt, once per frame, for all objects."""
        ...

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, prompts: PromptHistory
    ) -> Float[Tensor, "b c h w"]:
        """Change one object's embedding before it is decoded."""
        ...

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, prompts: PromptHistory
    ) -> Decoded:
        """Refine one object's decoded mask."""
        ...


class NoRefiner:
    """Plain SAM 2. A refiner that builds on it sets `is_identity` to False."""

    name = "none"
    is_identity = True
    is_static = False
    wants_image_2x = False
    plain_memory = False

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        return {}

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, prompts: PromptHistory
    ) -> Float[Tensor, "b c h w"]:
        return embedding

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, prompts: PromptHistory
    ) -> Decoded:
        return decoded
