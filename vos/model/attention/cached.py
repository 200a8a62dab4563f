"""Attend to recalled memories, all objects of one image in a batch: SAM 2's attention up to
rounding, with less work.

What depends on one memory alone is computed once and kept as long as the memory: its keys and
values in every layer. Adding the slot's encoding afterwards is the same, as projecting and rotating
are linear. Where that is less work, values are projected after attending: rows of attention weights
sum to 1, and memories are a quarter as wide as queries.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from vos.model.kept_encodings import rotate
from vos.model.types import MemoryEntry, Recall

QUERIES_PER_CHUNK = 256
# Above it (512 px), keys and values of one object would fill 100 MB to save 5 % of a frame.
LARGEST_KEPT_MAP = 1024


@dataclass(frozen=True, slots=True)
class _Projected:
    """One memory map of t tokens, projected.

    tokens: before projecting.
    keys: per layer.
    values: per layer; none where they are projected after attending.
    """

    tokens: Float[Tensor, "b t m"]
    keys: tuple[Float[Tensor, "b heads t c"], ...]
    values: tuple[Float[Tensor, "b heads t c"], ...]


class CachedMemoryAttention:
    """The memory attention of `net`, for inference.

    pool: side of the squares of memory tokens that are averaged into one, 1 for none. A pooled
    token counts as often as it has parts, as in EfficientTAM (arXiv 2411.18933, section 3.2).
    """

    def __init__(self, net: SAM2Base, pool: int = 1):
        self._net, self._pool = net, pool
        self._kept: MutableMapping[Tensor, _Projected] = WeakIdKeyDictionary()
        self._added_keys: dict[tuple[int, int | None, int, torch.dtype], Tensor] = {}
        self._tables: dict[tuple[int, int, torch.device], Tensor] = {}

    def attend(
        self,
        current: Float[Tensor, "n b c"],
        position: Float[Tensor, "n b c"],
        recalls: Sequence[Recall],
        pointers: Float[Tensor, "p r m"],
        pointer_pos: Float[Tensor, "p r m"],
    ) -> Float[Tensor, "n r c"]:
        """Return image tokens that have seen the memories, a row per object.

        recalls: of equal `shape`. One recall may instead hold a batch, one row per row of
        `current`. pointers: tokens of the object pointers, p may be 0. Source:
        `MemoryAttention.forward`.
        """
        attention = self._net.memory_attention
        x, position = current.transpose(0, 1), position.transpose(0, 1)
        pointers, pointer_pos = (t.transpose(0, 1).contiguous() for t in (pointers, pointer_pos))
        memories = [[self._project_entry(entry) for _, entry in r.spatial] for r in recalls]
        slots = [slot for slot, _ in recalls[0].spatial]
        folded = None
        if not memories[0][0].values:
            folded = torch.cat(
                [torch.cat([one.tokens for one in row], dim=1) for row in memories], dim=0
            )
            folded = torch.cat([folded, pointers], dim=1)
        in_maps = sum(one.tokens.shape[1] for one in memories[0])
        bias = make_pooled_bias(self._pool, in_maps, pointers)
        if attention.pos_enc_at_input:
            x = x + 0.1 * position
        for index, layer in enumerate(attention.layers):
            x = layer._forward_sa(x, position)
            if len(x) != len(pointers):
                x = x.expand(len(pointers), -1, -1)
            cross = layer.cross_attn_image
            q = split_heads(cross.q_proj(layer.norm2(x)), cross.num_heads)
            rotate(q, self._table(cross, round(q.shape[2] ** 0.5), 1, q.device))
            k = _join(
                [[one.keys[index] for one in row] for row in memories],
                split_heads(cross.k_proj(pointers + pointer_pos), cross.num_heads),
                [self._slot_key(index, slot, memories[0][0]) for slot in slots],
            )
            if recalls[0].map_weights:
                weights = [recall.map_weights for recall in recalls]
                _scale_maps(k, weights, self._bias_key(index, memories[0][0]))
            if folded is not None:
                seen = cross.v_proj(attend_in_chunks(q[:, 0], k[:, 0], folded, bias))
            else:
                v = _join(
                    [[one.values[index] for one in row] for row in memories],
                    split_heads(cross.v_proj(pointers), cross.num_heads),
                )
                seen = attend_in_heads(q, k, v, bias)
            x = x + cross.out_proj(seen)
            x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
        return attention.norm(x).transpose(0, 1)

    def _project_entry(self, entry: MemoryEntry) -> _Projected:
        spatial = entry.map_on(self._net.device)
        kept = self._kept.get(spatial)
        if kept is None or kept.keys[0].dtype != self._precision():
            kept = self._project(spatial)
            if spatial is entry.spatial and kept.tokens.shape[1] <= LARGEST_KEPT_MAP:
                self._kept[spatial] = kept
        return kept

    def _precision(self) -> torch.dtype:
        """Return the type that projections made now have."""
        kind = self._net.device.type
        if torch.is_autocast_enabled(kind):
            return torch.get_autocast_dtype(kind)
        return self._net.maskmem_tpos_enc.dtype

    def _project(self, spatial: Float[Tensor, "b m h w"]) -> _Projected:
        encoding = self._net.memory_encoder.position_encoding(spatial[:1]).float()
        tokens, positions = (
            F.avg_pool2d(maps.float(), self._pool).flatten(2).transpose(1, 2).contiguous()
            for maps in (spatial, encoding)
        )
        keys, values = [], []
        for layer in self._net.memory_attention.layers:
            cross = layer.cross_attn_image
            key = split_heads(cross.k_proj(tokens + positions), cross.num_heads)
            rotate(key, self._table(cross, spatial.shape[-1], self._pool, key.device))
            keys.append(key)
            if not should_attend_in_chunks(cross, key):
                values.append(split_heads(cross.v_proj(tokens), cross.num_heads))
        return _Projected(tokens, tuple(keys), tuple(values))

    def _slot_key(self, index: int, slot: int, like: _Projected) -> Tensor:
        """Return what the encoding of a slot adds to every key of a layer: heads x t x c."""
        net = self._net
        encoding = net.maskmem_tpos_enc[net.num_maskmem - slot - 1].reshape(1, 1, -1)
        return self._added_key(index, slot, encoding, like)

    def _bias_key(self, index: int, like: _Projected) -> Tensor:
        """Return what the projection's bias adds to every key of a layer: heads x t x c."""
        return self._added_key(index, None, None, like)

    def _added_key(
        self, index: int, slot: int | None, encoding: Tensor | None, like: _Projected
    ) -> Tensor:
        """Return the part of a layer's keys that is the same for every memory in this slot.

        encoding: of the slot; without a slot it is the bias of the projection.
        """
        key = like.keys[index]
        name = (index, slot, key.shape[2], key.dtype)
        if name not in self._added_keys:
            cross = self._net.memory_attention.layers[index].cross_attn_image
            if encoding is None:
                added = cross.k_proj.bias.reshape(1, 1, -1)
            else:
                added = F.linear(encoding, cross.k_proj.weight)
            added = split_heads(added, cross.num_heads)
            added = added.expand(-1, -1, key.shape[2], -1).contiguous()
            side = self._pool * round(key.shape[2] ** 0.5)
            rotate(added, self._table(cross, side, self._pool, key.device))
            self._added_keys[name] = added[0].to(key.dtype)
        return self._added_keys[name]

    def _table(
        self, cross: RoPEAttention, side: int, pool: int, device: torch.device
    ) -> Complex[Tensor, "tokens pairs"]:
        key = side, pool, device
        if key not in self._tables:
            self._tables[key] = make_rotations(cross, side, pool).to(device)
        return self._tables[key]


def make_rotations(cross: RoPEAttention, side: int, pool: int) -> Complex[Tensor, "tokens pairs"]:
    """Make rotations for a map of this side before pooling, at the centres of the squares.

    Source: `sam2.modeling.position_encoding.compute_axial_cis`.
    """
    wanted = cross.compute_cis.keywords
    exponents = torch.arange(0, wanted["dim"], 4)[: wanted["dim"] // 4].float()
    rates = 1.0 / (wanted["theta"] ** (exponents / wanted["dim"]))
    centres = torch.arange(0, side, pool).float() + (pool - 1) / 2
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    angles = torch.cat([x.reshape(-1, 1) * rates, y.reshape(-1, 1) * rates], dim=-1)
    return torch.polar(torch.ones_like(angles), angles)


def should_attend_in_chunks(cross: RoPEAttention, key: Tensor) -> bool:
    """Tell whether `attend_in_chunks` is quicker: on a CPU in fp32, and it knows one head only."""
    return cross.num_heads == 1 and key.device.type == "cpu" and key.dtype == torch.float32


def make_pooled_bias(
    pool: int, in_maps: int, pointers: Float[Tensor, "r p m"]
) -> Float[Tensor, " tokens"] | None:
    """Make the bias by which a pooled token counts for all of its parts; None if none is pooled.

    in_maps: tokens of all maps of an object; those of its pointers come after them.
    """
    if pool == 1:
        return None
    spatial = pointers.new_full((in_maps,), 2 * log(pool))
    return torch.cat([spatial, pointers.new_zeros(pointers.shape[1])])


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def _join(
    maps: Sequence[Sequence[Tensor]], pointers: Tensor, added: Sequence[Tensor] | None = None
) -> Float[Tensor, "r heads k c"]:
    """Join the tokens of all maps of an object and those of its pointers, a row per object."""
    first = maps[0][0]
    b, heads, t, c = first.shape
    count = len(maps[0])
    joined = first.new_empty(len(pointers), heads, count * t + pointers.shape[2], c)
    for at, row in enumerate(maps):
        for i, one in enumerate(row):
            place = joined[at * b : (at + 1) * b, :, i * t : (i + 1) * t]
            if added is None:
                place.copy_(one)
            else:
                torch.add(one, added[i], out=place)
    joined[:, :, count * t :] = pointers
    return joined


def _scale_maps(
    keys: Float[Tensor, "r heads k c"],
    weights: Sequence[Sequence[float]],
    bias: Float[Tensor, "heads t c"],
) -> None:
    """Scale what is projected to the keys of maps, in place.

    weights: per row and map. bias: the part of every key that the bias of the projection makes,
    which is scaled by nothing.
    """
    t = bias.shape[1]
    for row, of_maps in zip(keys, weights, strict=True):
        for i, weight in enumerate(of_maps):
            place = row[:, i * t : (i + 1) * t]
            place.mul_(weight).add_(bias, alpha=1 - weight)


def attend_in_heads(
    q: Float[Tensor, "b heads n c"],
    k: Float[Tensor, "b heads k c"],
    v: Float[Tensor, "b heads k v"],
    bias: Float[Tensor, " k"] | None,
) -> Float[Tensor, "b n heads*v"]:
    """Attend with torch's own kernel, heads side by side. bias: added to the logits of each key."""
    mask = None if bias is None else bias.to(q.dtype).expand(1, 1, q.shape[2], -1)
    seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return seen.transpose(1, 2).flatten(2)


def attend_in_chunks(
    q: Float[Tensor, "b n c"],
    k: Float[Tensor, "b k c"],
    v: Float[Tensor, "b k m"],
    bias: Float[Tensor, " k"] | None = None,
) -> Float[Tensor, "b n m"]:
    """Attend with one head. The CPU's own attention kernels want values as wide as keys.

    bias: added to the logits of each key.
    """
    out = q.new_empty(*q.shape[:2], v.shape[-1])
    scale = q.shape[-1] ** -0.5
    for row in range(len(q)):
        keys = k[row].transpose(0, 1)
        for at in range(0, q.shape[1], QUERIES_PER_CHUNK):
            chunk = slice(at, at + QUERIES_PER_CHUNK)
            logits = torch.mm(q[row, chunk] * scale, keys)
            weights = torch.softmax(logits if bias is None else logits.add_(bias), dim=-1)
            torch.mm(weights, v[row], out=out[row, chunk])
    return out
