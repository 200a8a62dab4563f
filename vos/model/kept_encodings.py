"""Keep what depends on weights and input size alone, which sam2 computes anew on every frame.

Each class here gives the same bits as the one it stands in for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn
from torch.nn import functional as F


def keep_encodings(net: SAM2Base) -> None:
    """Make `net` keep its position encodings and rotary tables between frames; works in place."""
    neck = net.image_encoder.neck
    if not isinstance(neck.position_encoding, _CoarsePositionEncoding):
        neck.position_encoding = _CoarsePositionEncoding(
            neck.position_encoding, lambda: net.sam_image_embedding_size
        )
    trunk = net.image_encoder.trunk
    if type(trunk) is Hiera:
        trunk.__class__ = _Hiera
    for module in net.memory_attention.modules():
        if type(module) is RoPEAttention:
            module.__class__ = MemoryRopeAttention


class _CoarsePositionEncoding(nn.Module):
    """Sine encoding of the stride-16 map only; nothing reads the fine levels' (120 MB at 1024
    px).
    """

    def __init__(self, sine: nn.Module, side: Callable[[], int]):
        super().__init__()
        self.sine = sine
        self._side = side

    def forward(self, x: Tensor) -> Tensor:
        return self.sine(x[:1]) if x.shape[-1] <= self._side() else x.new_zeros(0)


class _Hiera(Hiera):
    """A Hiera trunk that keeps its upsampled position embedding for equal weights and size."""

    def _get_pos_embed(self, hw: tuple[int, int]) -> Tensor:
        if torch.is_grad_enabled():
            return super()._get_pos_embed(hw)
        weights = (self.pos_embed, self.pos_embed_window)
        # A weight's version counts writes to it; inference tensors have none.
        key = (hw, *((w.data_ptr(), 0 if w.is_inference() else w._version) for w in weights))
        kept = cast(tuple[object, Tensor] | None, getattr(self, "_kept", None))
        if kept is None or kept[0] != key:
            kept = (key, super()._get_pos_embed(hw))
            self._kept = kept
        return kept[1]


class MemoryRopeAttention(RoPEAttention):
    """Rotary attention that turns in place, by a table for one map however many maps there are."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, num_k_exclude_rope: int = 0) -> Tensor:
        q = self._separate_heads(self.q_proj(q), self.num_heads)
        k = self._separate_heads(self.k_proj(k), self.num_heads)
        table = self.table(q)
        rotate(q, table)
        rotate(k[:, :, : k.shape[-2] - num_k_exclude_rope], table)
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        dropout = self.dropout_p if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return self.out_proj(self._recombine_heads(out))

    def table(self, q: Tensor) -> Tensor:
        """Return unit complex numbers, tokens x channel pairs, on q's device."""
        tokens = q.shape[-2]
        if self.freqs_cis.shape[0] != tokens or self.freqs_cis.device != q.device:
            side = round(tokens**0.5)
            with torch.inference_mode(False):
                self.freqs_cis = self.compute_cis(end_x=side, end_y=side).to(q.device)
        return self.freqs_cis


def rotate(x: Tensor, table: Tensor) -> None:
    """Turn channel pairs by their token's angles, in place.

    x: b x heads x (maps * tokens) x channels. table: tokens x channel pairs, unit complex numbers.
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    pairs.unflatten(2, (-1, len(table))).mul_(table)
    if x.dtype != torch.float32:
        x.copy_(torch.view_as_real(pairs).flatten(-2))
