"""A still as the second frame of a clip: another view of it comes first and is remembered.

Refiners are trained on stills and used on video, where the decoder reads an embedding that memory
attention has changed and has no prompt of its own. Showing that in training is ours; the paper
trains on prompted stills alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures, MemoryInput, ModelPrompt
from vos.refine.base import NoRefiner
from vos.track.engine import EncodedFrame, Engine
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition
from vos.train.refiner.forward import decode_prompt
from vos.train.refiner.prompts import PromptKind, training_prompt

_TURN = math.radians(12)
_GROWTH = 1.2
_SHIFT = 0.15
_LIGHT = 0.15


@dataclass(frozen=True, slots=True)
class EarlierFrame:
    """The encoded earlier views of a batch.

    features: of the views.
    target: where their objects are, in [0, 1].
    """

    features: FrameFeatures
    target: Float[Tensor, "b 1 l l"]

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        model: Sam2Model,
        images: Float[Tensor, "b 3 s s"],
        target: Float[Tensor, "b 1 l l"],
        generator: torch.Generator,
    ) -> Self:
        """Draw earlier views and encode them.

        images: in [0, 1], the later frames.
        """
        before, truth = earlier_view(images, target, generator)
        return cls(model.encode_image(normalise(before)), truth)

    @torch.no_grad()
    def remember(
        self,
        model: Sam2Model,
        rows: Int[Tensor, " r"],
        kind: PromptKind,
        generator: torch.Generator,
        box_jitter: float = 0.0,
    ) -> MemoryBank:
        """Prompt these rows as frame 0 and return the bank; "mask" is the object itself."""
        features, target, size = self.features.rows(rows), self.target[rows], model.image_size
        if kind == "mask":
            exact = F.interpolate(target, (size, size), mode="bilinear", antialias=True)
            prompt = ModelPrompt(mask=(exact > 0.5).float())
        else:
            prompt = training_prompt(kind, target, size, generator, box_jitter)
        frame = EncodedFrame(features, {}, StreamPosition(0))
        decoded = decode_prompt(Engine(model, NoRefiner(), Fifo()), frame, prompt)
        entry = model.encode_memory(features, MemoryInput.of(decoded), 0)
        return Fifo().admit(MemoryBank(first_prompt=prompt), entry, decoded, prompted=True)


def earlier_view(
    images: Float[Tensor, "b 3 s s"],
    target: Float[Tensor, "b 1 l l"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b 3 s s"], Float[Tensor, "b 1 l l"]]:
    """Turn, scale, shift and light each still a little, as an earlier view of it.

    By up to 12 degrees, 1.2, 7.5 % of its side and 15 %. A row whose object would leave the frame
    stays where it is.
    """
    draw = 2 * torch.rand(5, len(images), generator=generator, device=images.device) - 1
    angle, scale = _TURN * draw[0], _GROWTH ** draw[1]
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(-1, 2, 2)
    theta = torch.cat([turn * scale[:, None, None], _SHIFT * draw[2:4].T[:, :, None]], dim=2)
    gone = (_move(target, theta) > 0.5).flatten(1).any(1).logical_not()
    theta[gone] = torch.eye(2, 3, device=images.device)
    light = (1 + _LIGHT * draw[4])[:, None, None, None]
    return (_move(images, theta) * light).clamp(0, 1), _move(target, theta)


def _move(x: Float[Tensor, "b c h w"], theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b c h w"]:
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
