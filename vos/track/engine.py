"""What tracks, and one image as it sees it, encoded once for all objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures
from vos.refine.base import FrameCache, Refiner
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, StreamPosition


@dataclass(frozen=True, slots=True)
class Engine:
    """The model and what goes with it, the same on every frame of a stream.

    model: the network's verbs.
    refiner: improves the masks.
    policy: manages the memories.
    dtype: float32, or bfloat16 for mixed precision.
    obeys_clicks: whether clicked pixels are as clicked (`vos.track.obeyed_clicks`), of models that
        propagate masks. The training of such a model does without: its decoder shall learn it.
    """

    model: Sam2Model
    refiner: Refiner
    policy: MemoryPolicy
    dtype: torch.dtype = torch.float32
    obeys_clicks: bool = True

    def autocast(self) -> torch.autocast:
        """Return the context of mixed precision on the model's device; nothing for float32."""
        return torch.autocast(
            self.model.device.type, self.dtype, enabled=self.dtype != torch.float32
        )


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One image, encoded once for all objects.

    features: of the image encoder.
    cache: what the refiner made of them.
    at: the frame's place in the stream.
    foreseen: by object id, what is known already of objects that somebody will prompt here.
    """

    features: FrameFeatures
    cache: FrameCache
    at: StreamPosition
    foreseen: Mapping[int, Foreseen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a tracked object is on a frame before anybody prompts it there.

    bank: the memory that says so.
    embedding: of the image, conditioned on that memory.
    decoded: the mask, which points correct; None where it depends on the prompts.
    """

    bank: MemoryBank
    embedding: Float[Tensor, "1 c h w"]
    decoded: Decoded | None


def encode_frame(
    engine: Engine,
    image: Float[Tensor, "b 3 s s"],
    at: StreamPosition,
    image_2x: Float[Tensor, "b 3 s2 s2"] | None = None,
) -> EncodedFrame:
    """Encode one image for all objects. image_2x: the same at twice the side, where the refiner
    wants it.
    """
    return look_at(engine, replace(engine.model.encode_image(image), image_2x=image_2x), at)


def look_at(engine: Engine, features: FrameFeatures, at: StreamPosition) -> EncodedFrame:
    """Let the refiner do its part that knows no prompt, on an encoded image."""
    refiner = engine.refiner
    if refiner.is_static:
        augment = engine.model.quicken(refiner.augment, "the refiner")
        return EncodedFrame(features, augment(engine.model, features, 0), at)
    return EncodedFrame(features, refiner.augment(engine.model, features, at.frame_idx), at)
