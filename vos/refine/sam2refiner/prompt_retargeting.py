"""Prompt Retargeting: the decoder's embedding meets the prompt once more (SAM2Refiner, 3.3)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from sam2.modeling.sam.prompt_encoder import PromptEncoder
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import DecoderState, ModelPrompt
from vos.refine.base import PromptHistory
from vos.refine.layers import ChannelNorm, to_image, to_tokens, zero_init
from vos.refine.prompt_map import PromptMap, PromptMapConfig
from vos.refine.prompt_reuse import PromptReuse, standing_prompt

BRANCHES = (3, 5, 7)
_CLICKS = 2  # channels of the map before the mask


@dataclass(frozen=True, slots=True)
class PromptRetargetingConfig:
    """The options of Prompt Retargeting.

    radius_px: of click disks, at a map of side 256.
    click_dropout: how often training clears a row's click channels, as on tracked frames.
    mask_dropout: how often training clears a row's mask channel.
    """

    radius_px: float = 3.0
    click_dropout: float = 0.25
    mask_dropout: float = 0.1


class PromptRetargeting(nn.Module):
    """Receptive field block, dense prompt encoding, then one two-way attention block.

    Where the paper is silent: branch width c/4; channel norm and GELU (batch norm is wrong for one
    video); dense encoder widths c/16, c/4, c; queries are the decoder's updated tokens; the
    attention block starts as a copy of the decoder's second one, the field block as the identity.
    """

    def __init__(self, config: PromptRetargetingConfig, model: Sam2Model):
        super().__init__()
        self.config = config
        net = model.net
        decoder = net.sam_mask_decoder
        dim = net.hidden_dim
        self.field = _ReceptiveField(dim)
        self.map = PromptMap(
            PromptMapConfig(radius_px=config.radius_px, channels=("pos", "neg", "mask"))
        )
        self.dense = nn.Sequential(
            nn.Conv2d(_CLICKS + 1, dim // 16, 2, 2),
            ChannelNorm(dim // 16),
            nn.GELU(),
            nn.Conv2d(dim // 16, dim // 4, 2, 2),
            ChannelNorm(dim // 4),
            nn.GELU(),
            nn.Conv2d(dim // 4, dim, 1),
        )
        layers = cast(nn.ModuleList, decoder.transformer.layers)
        self.attention = deepcopy(layers[1]).requires_grad_(True)
        self._output_tokens = decoder.num_mask_tokens + 1 + int(decoder.pred_obj_scores)
        # In a tuple, so that the frozen encoder does not become part of this module.
        self._prompt_encoder: tuple[PromptEncoder] = (net.sam_prompt_encoder,)

    def forward(
        self,
        state: DecoderState,
        mask_logits: Float[Tensor, "b 1 h4 w4"],
        prompts: PromptHistory,
        reuse: PromptReuse,
        image_size: int,
    ) -> Float[Tensor, "b c h w"]:
        """Return the object's embedding with the prompt's place in it.

        mask_logits: of this very pass, unsuppressed; no gradient goes there. reuse: what stands for
        the prompt on tracked frames: "first_frame" (the paper) its disks and its sparse tokens,
        "none" nothing, "self" one disk at the deepest point of the mask.
        """
        mask_logits = mask_logits.detach()
        prompt, tokens, token_pe = prompts.now, state.tokens, state.token_pe
        if prompt is None:
            prompt = standing_prompt(prompts, reuse, mask_logits, image_size)
            if reuse == "first_frame" and prompt is not None and prompt.points_xy is not None:
                tokens, token_pe = self._with_prompt(state, prompt)
        drawn = self.map(
            prompt,
            mask_logits,
            image_size=image_size,
            batch=mask_logits.shape[0],
            device=mask_logits.device,
        )
        if self.training:
            drawn = self._drop_channels(drawn)
        keys = self.field(state.embedding) + self.dense(drawn)
        _, refined = self.attention(
            queries=tokens,
            keys=to_tokens(keys),
            query_pe=token_pe,
            key_pe=to_tokens(state.image_pe),
        )
        return to_image(refined, keys)

    def _with_prompt(self, state: DecoderState, prompt: ModelPrompt) -> tuple[Tensor, Tensor]:
        """Put an earlier prompt's sparse tokens in place of the padding that the decoder saw."""
        (encoder,) = self._prompt_encoder
        sparse, _ = encoder(points=(prompt.points_xy, prompt.labels), boxes=None, masks=None)
        n = self._output_tokens
        return (
            torch.cat([state.tokens[:, :n], sparse], dim=1),
            torch.cat([state.token_pe[:, :n], sparse], dim=1),
        )

    def _drop_channels(self, drawn: Float[Tensor, "b 3 m m"]) -> Float[Tensor, "b 3 m m"]:
        draw = torch.rand(2, drawn.shape[0], 1, 1, 1, device=drawn.device)
        clicks = drawn[:, :_CLICKS] * (draw[0] >= self.config.click_dropout)
        mask = drawn[:, _CLICKS:] * (draw[1] >= self.config.mask_dropout)
        return torch.cat([clicks, mask], dim=1)


class _ReceptiveField(nn.Module):
    """Three branches 1x1, 1xn, nx1 and a shortcut (RFB without its dilated convolutions)."""

    def __init__(self, dim: int):
        super().__init__()
        narrow = dim // 4
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(dim, narrow, 1),
                ChannelNorm(narrow),
                nn.GELU(),
                nn.Conv2d(narrow, narrow, (1, n), padding=(0, n // 2)),
                nn.Conv2d(narrow, narrow, (n, 1), padding=(n // 2, 0)),
                ChannelNorm(narrow),
                nn.GELU(),
            )
            for n in BRANCHES
        )
        self.fuse = zero_init(nn.Conv2d(len(BRANCHES) * narrow, dim, 1))
        self.shortcut = zero_init(nn.Conv2d(dim, dim, 1))
        nn.init.dirac_(self.shortcut.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        fused = self.fuse(torch.cat([branch(x) for branch in self.branches], dim=1))
        return fused + self.shortcut(x)
