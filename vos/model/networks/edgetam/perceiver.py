"""EdgeTAM's perceiver: it makes a memory map of any side 512 tokens.

Sources: arXiv 2501.07256, section 3.2, and the tensors of the published weights, whose names those
of the modules are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sam2.modeling.position_encoding import PositionEmbeddingSine
from torch import Tensor, nn

SIDE = 16
"""Of the square in which the second half of the tokens lies."""
GLOBAL_TOKENS = SIDE * SIDE
TOKENS = GLOBAL_TOKENS + SIDE * SIDE
WIDTH = 64


class _FromMap(nn.Module):
    """Attention of latents to the tokens of a map."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_x, self.norm_latents = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_kv = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.to_out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(
        self,
        latents: Float[Tensor, "b n m"],
        tokens: Float[Tensor, "b t m"],
        position: Float[Tensor, "b t m"] | None,
    ) -> Float[Tensor, "b n m"]:
        q = self.to_q(self.norm_latents(latents))
        k, v = self.to_kv(self.norm_x(tokens)).chunk(2, dim=-1)
        if position is not None:
            k, v = k + position, v + position
        return self.to_out(_attend(q, k, v))


class _AmongThemselves(nn.Module):
    """Attention of latents to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.to_q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.to_kv = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.to_out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, latents: Float[Tensor, "b n m"]) -> Float[Tensor, "b n m"]:
        latents = self.norm(latents)
        k, v = self.to_kv(latents).chunk(2, dim=-1)
        return self.to_out(_attend(self.to_q(latents), k, v))


def _attend(
    q: Float[Tensor, "b n m"], k: Float[Tensor, "b t m"], v: Float[Tensor, "b t m"]
) -> Float[Tensor, "b n m"]:
    """Attend with one head."""
    return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]


def _feed_forward() -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(WIDTH),
        nn.Linear(WIDTH, 4 * WIDTH, bias=False),
        nn.GELU(),
        nn.Linear(4 * WIDTH, WIDTH, bias=False),
    )


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn, self.ff = _FromMap(), _feed_forward()
        self.self_attn, self.self_ff = _AmongThemselves(), _feed_forward()

    def forward(
        self, latents: Tensor, tokens: Tensor, position: Tensor | None = None
    ) -> Float[Tensor, "b n m"]:
        latents = self.attn(latents, tokens, position) + latents
        latents = self.ff(latents) + latents
        latents = self.self_attn(latents) + latents
        return self.self_ff(latents) + latents


class Perceiver(nn.Module):
    """Half of its tokens look at the whole map, each of the others at its own square of it."""

    def __init__(self) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(GLOBAL_TOKENS, WIDTH))
        self.latents_2d = nn.Parameter(torch.randn(SIDE * SIDE, WIDTH))
        self.position_encoding = PositionEmbeddingSine(num_pos_feats=WIDTH)
        self.layers = nn.ModuleList(_Layer() for _ in range(2))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(
        self, spatial: Float[Tensor, "b m h w"], position: Float[Tensor, "_ m h w"]
    ) -> Float[Tensor, "b m t 1"]:
        """Return the tokens as a map one wide. h = w: a multiple of `SIDE`."""
        b = len(spatial)
        tokens, places = (x.flatten(2).transpose(1, 2) for x in (spatial, position))
        latents, latents_2d = self.latents, self.latents_2d
        if not torch.is_grad_enabled():
            # torch's counter of arithmetic stumbles over parameters that go into modules.
            latents, latents_2d = latents.detach(), latents_2d.detach()
        whole = latents.expand(b, -1, -1)
        squares = spatial.unflatten(2, (SIDE, -1)).unflatten(4, (SIDE, -1))
        squares = squares.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)
        # A batch of squares, with one latent for each.
        local = latents_2d.expand(b, -1, -1).reshape(-1, 1, WIDTH)
        for layer in self.layers:
            whole = layer(whole, tokens, places)
            local = layer(local, squares)
        local = local.reshape(b, SIDE * SIDE, WIDTH)
        return torch.cat([self.norm(whole), self.norm(local)], dim=1).transpose(1, 2)[..., None]

    def places(self, like: Float[Tensor, "b m t 1"]) -> Float[Tensor, "1 t m"]:
        """Return the position encoding of its tokens: none for those that saw the whole map."""
        square = self.position_encoding(like.new_zeros(1, WIDTH, SIDE, SIDE))
        local = square.flatten(2).transpose(1, 2)
        return torch.cat([torch.zeros_like(local), local], dim=1)
