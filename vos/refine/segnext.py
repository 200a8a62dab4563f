"""SegNext-style refiner (after arXiv 2404.00741): the prompt map meets the image embedding.

They meet before the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from sam2.modeling.position_encoding import PositionEmbeddingRandom
from sam2.modeling.sam.transformer import Attention
from torch import Tensor, nn

from vos.model.mask_prompt import MASK_PROMPT_LOGIT
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.refine.base import FrameCache, PromptHistory
from vos.refine.layers import to_image, to_tokens, zero_init
from vos.refine.memory_gate import MemoryMask
from vos.refine.prompt_map import PromptMap, PromptMapConfig
from vos.refine.prompt_reuse import PromptReuse, check_prompt_reuse

HEADS = 8
PATCH = 16
_CHANNELS = ("mask", "pos", "neg")


@dataclass(frozen=True, slots=True)
class SegNextConfig:
    """The options of the SegNext-style refiner.

    blocks: self-attention blocks over the sum (the paper's SAx1, SAx2).
    radius_px: of clicks and lines at a map of side 256; the default is SegNext's 5 px at 1024.
    prompt_reuse: what tracked frames see: "first_frame" the map of the object's first prompt,
        "none" nothing, so that they are left to the base; "self" needs a mask, which does not exist
        before decoding, and is "none".
    memory_mask: "coarse" keeps what the memory sees free of the fusion, "refined" does not.

    Raises: ValueError for another `prompt_reuse`.
    """

    blocks: Literal[1, 2] = 1
    radius_px: float = 1.25
    prompt_reuse: PromptReuse = "first_frame"
    memory_mask: MemoryMask = "coarse"

    def __post_init__(self) -> None:
        check_prompt_reuse(self.prompt_reuse)


class SegNextStyle(nn.Module):
    """A refiner that adds a prompt map to the embedding, runs ViT blocks and returns a residual.

    The map is drawn at full resolution and cut into 16x16 patches.

    All kinds of prompt become one map: clicks disks, boxes and polygons outlines, strokes lines,
    masks (the previous prediction, or a mask prompt seen again on tracked frames) probabilities.

    This is no reproduction. SegNext trains a ViT-B of width 768 end to end with an all-MLP head;
    here image encoder and mask decoder are SAM 2's, frozen, the width is the base's, and what the
    blocks give is a residual on the decoder's input, of which the memory sees nothing. Ours, too:
    SAM's position encoding on queries and keys, 8 heads, a last projection that starts at zero.
    """

    name = "segnext"
    is_identity = False
    is_static = False
    wants_image_2x = False

    def __init__(self, config: SegNextConfig, model: Sam2Model):
        super().__init__()
        self.config = config
        self.plain_memory = config.memory_mask == "coarse"
        dim = model.net.hidden_dim
        self.map = PromptMap(
            PromptMapConfig(stride=1, radius_px=config.radius_px, channels=_CHANNELS, boxes=True)
        )
        self.patches = nn.Conv2d(len(_CHANNELS), dim, PATCH, PATCH)
        self.blocks = nn.ModuleList(_Block(dim) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(dim)
        self.out = zero_init(nn.Linear(dim, dim))
        # In a tuple, so that the frozen encoding does not become part of this module.
        self._position: tuple[PositionEmbeddingRandom] = (model.net.sam_prompt_encoder.pe_layer,)

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        """Do nothing: all of the work depends on the prompt."""
        return {}

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, prompts: PromptHistory
    ) -> Float[Tensor, "b c h w"]:
        """Add a residual to the embedding.

        It stays untouched where a mask is the prediction, and where there is no prompt to fuse.
        """
        prompt = prompts.now
        if prompt is None and self.config.prompt_reuse == "first_frame":
            prompt = prompts.first
        elif prompt is not None and prompt.mask is not None:
            return embedding
        if prompt is None:
            return embedding
        drawn = self.map(
            prompt,
            _known_mask(prompt, prompts.before),
            image_size=PATCH * embedding.shape[-1],
            batch=embedding.shape[0],
            device=embedding.device,
        )
        x = to_tokens(embedding + self.patches(drawn))
        (encoding,) = self._position
        with torch.no_grad():
            position = to_tokens(encoding(embedding.shape[-2:])[None])
        for block in self.blocks:
            x = block(x, position)
        delta = to_image(self.out(self.norm(x)), embedding)
        return embedding + delta.to(embedding.dtype)

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, prompts: PromptHistory
    ) -> Decoded:
        """Return the decoder's own prediction: the frozen decoder is the head."""
        return decoded


class _Block(nn.Module):
    """A plain pre-norm ViT block."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = Attention(dim, HEADS)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(
        self, x: Float[Tensor, "b n c"], position: Float[Tensor, "1 n c"]
    ) -> Float[Tensor, "b n c"]:
        normed = self.norm_attention(x)
        x = x + self.attention(q=normed + position, k=normed + position, v=normed)
        return x + self.mlp(self.norm_mlp(x))


def _known_mask(prompt: ModelPrompt, before: Decoded | None) -> Float[Tensor, "b 1 h w"] | None:
    """Return the logits of the latest mask known before decoding; None at first."""
    if prompt.previous is not None:
        return prompt.previous
    if before is not None:
        return before.output_logits
    if prompt.mask is not None:
        return (2 * prompt.mask - 1) * MASK_PROMPT_LOGIT
    return None
