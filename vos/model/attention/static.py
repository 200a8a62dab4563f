"""Functions of tensors that track a frame once every shape is fixed, to be compiled.

From 15 frames after an object's last prompt on, only values change from frame to frame: slots and
distances of its memories come in as tensors, never as Python numbers, and nothing is kept inside.
Rotations are written with real numbers, which compilers know. Equal to the verbs up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.attention.cached import (
    QUERIES_PER_CHUNK,
    attend_in_heads,
    make_pooled_bias,
    make_rotations,
    should_attend_in_chunks,
    split_heads,
)
from vos.model.attention.pointers import pointer_places
from vos.model.host_memory import to_device
from vos.model.layout import to_image, to_tokens
from vos.model.networks.nano.propagation import Propagation, read_keys
from vos.model.tensor_fields import TensorFields
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, MemoryInput, PromptTokens, Recall

if TYPE_CHECKING:
    from vos.model.parts import Refine
    from vos.model.sam2 import Sam2Model


@dataclass(frozen=True, slots=True)
class Memories(TensorFields):
    """What r objects remember, k maps and p pointers each, every one in the tensor it came in.

    slots: of the maps, as in `Recall`.
    is_prompted: of the maps, whether they are in slot 0; known beforehand, unlike slots. None as
        `keys`, which alone need it.
    maps, pointers: object by object.
    distances: of the pointers, per object.
    keys: of the maps' frames, for all objects; none for a model that does not propagate masks.
    masks: at the keys' positions, object by object; none as `keys`.
    """

    slots: Int[Tensor, " k"]
    is_prompted: tuple[bool, ...]
    maps: tuple[tuple[Float[Tensor, "1 m h w"], ...], ...]
    pointers: tuple[tuple[Float[Tensor, "1 c"], ...], ...]
    distances: Float[Tensor, "r p"]
    keys: tuple[Float[Tensor, "1 k h8 w8"], ...] = ()
    masks: tuple[tuple[Float[Tensor, "1 1 h8 w8"], ...], ...] = ()


def has_static_shapes(recalls: Sequence[Recall], net: SAM2Base) -> bool:
    """Tell whether every recent slot is filled, so that shapes stay until the next prompt.

    recalls: of equal `shape`.
    """
    first = recalls[0]
    prompted = sum(slot == 0 for slot, _ in first.spatial)
    is_full = (
        len(first.spatial) - prompted == (net.num_maskmem - 1) // getattr(net, "memory_stride", 1)
        and len(first.pointers) - prompted == first.pointer_span - 1
    )
    return (
        net.use_obj_ptrs_in_encoder
        and not first.is_weighted
        and first.pointer_span == net.max_obj_ptrs_in_encoder
        and (is_full or all(recall.is_settled for recall in recalls))
        and all(_have_common_keys(column) for column in _columns(recalls))
    )


def gather_recalls(
    recalls: Sequence[Recall], device: torch.device, slots: Tensor | None = None
) -> Memories:
    """Gather recalls of equal `shape`, one object each. slots: theirs, if there already."""
    if slots is None:
        slots = to_device(torch.tensor([slot for slot, _ in recalls[0].spatial]), device)
    distances = [[float(distance) for distance, _ in r.pointers] for r in recalls]
    columns = _columns(recalls)
    has_keys = columns[0][0].keys is not None
    return Memories(
        slots=slots,
        is_prompted=tuple(slot == 0 for slot, _ in recalls[0].spatial) if has_keys else (),
        maps=tuple(tuple(entry.map_on(device) for _, entry in r.spatial) for r in recalls),
        pointers=tuple(tuple(entry.obj_ptr for _, entry in r.pointers) for r in recalls),
        distances=to_device(torch.tensor(distances), device),
        keys=tuple(read_keys(column[0])[0] for column in columns) if has_keys else (),
        masks=tuple(tuple(read_keys(entry)[1] for _, entry in r.spatial) for r in recalls)
        if has_keys
        else (),
    )


def _columns(recalls: Sequence[Recall]) -> list[tuple[MemoryEntry, ...]]:
    """Return the entries of each map, object by object."""
    return list(zip(*([entry for _, entry in r.spatial] for r in recalls), strict=True))


def _have_common_keys(column: Sequence[MemoryEntry]) -> bool:
    return all(entry.keys is column[0].keys for entry in column)


class StaticMemoryAttention:
    """Memory attention of `net` at its present input size.

    pool: as `CachedMemoryAttention` has it.
    """

    def __init__(self, net: SAM2Base, pool: int):
        self._net, self._pool = net, pool
        side = net.image_size // net.backbone_stride
        cross = net.memory_attention.layers[0].cross_attn_image
        like = torch.zeros(1, net.mem_dim, side, side, device=net.device)
        self._space = self._tokens(net.memory_encoder.position_encoding(like).float())
        self._query_turns, self._key_turns = (
            torch.view_as_real(make_rotations(cross, side, step).to(net.device)).clone()
            for step in (1, pool)
        )

    def __call__(self, memories: Memories, features: FrameFeatures) -> Float[Tensor, "r c h w"]:
        """Attend as `Sam2Model.condition` does, for objects of one image."""
        net = self._net
        attention = net.memory_attention
        x = to_tokens(features.s16).transpose(0, 1)
        if attention.pos_enc_at_input:
            x = x + 0.1 * to_tokens(features.pos16).transpose(0, 1)
        maps = torch.stack([torch.cat(row) for row in memories.maps])
        r, k = maps.shape[:2]
        places = self._space + net.maskmem_tpos_enc[net.num_maskmem - memories.slots - 1][:, 0]
        tokens = self._tokens(maps.flatten(0, 1).float()).unflatten(0, (r, k))
        pointers, pointer_places = self._pointers(memories)
        values = torch.cat([tokens.flatten(1, 2), pointers], dim=1)
        keys = torch.cat([(tokens + places).flatten(1, 2), pointers + pointer_places], dim=1)
        in_maps = k * self._space.shape[1]
        bias = make_pooled_bias(self._pool, in_maps, pointers)
        for layer in attention.layers:
            alone = layer.norm1(x)
            own = self._attend(layer.self_attn, alone, alone, alone, alone.shape[1], None)
            x = x + own
            seen = self._attend(
                layer.cross_attn_image,
                layer.norm2(x),
                keys,
                values,
                in_maps,
                bias,
            )
            x = x + seen
            x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
        shape = (r, *features.s16.shape[1:])
        embedding = to_image(attention.norm(x).transpose(0, 1), shape)
        if features.keys is None:
            return embedding
        return embedding + self._propagate(memories, features.keys)

    def _propagate(self, memories: Memories, keys: Tensor) -> Float[Tensor, "r c h w"]:
        """Read the remembered masks as `Sam2Model.condition` does."""
        seen = [
            (key, torch.cat(column))
            for key, column in zip(memories.keys, zip(*memories.masks, strict=True), strict=True)
        ]
        marks = memories.is_prompted
        groups = [
            [one for one, mark in zip(seen, marks, strict=True) if mark == wanted]
            for wanted in (True, False)
        ]
        return cast(Propagation, self._net.get_submodule("propagation")).read(keys, [tuple(groups)])

    def _attend(
        self,
        attention: RoPEAttention,
        queries: Float[Tensor, "b n c"],
        keys: Float[Tensor, "r t m"],
        values: Float[Tensor, "r t m"],
        turned: int,
        bias: Float[Tensor, " t"] | None,
    ) -> Float[Tensor, "r n c"]:
        """Attend in one layer.

        turned: how many tokens, from the first on, have keys that are rotated.
        """
        q = rotate_real(
            split_heads(attention.q_proj(queries), attention.num_heads), self._query_turns
        )
        k = split_heads(attention.k_proj(keys), attention.num_heads)
        table = self._query_turns if keys is queries else self._key_turns
        k = torch.cat([rotate_real(k[:, :, :turned], table), k[:, :, turned:]], dim=2)
        q = q.expand(len(k), -1, -1, -1)
        if should_attend_in_chunks(attention, k) and values.shape[-1] < k.shape[-1]:
            return attention.out_proj(attention.v_proj(_in_chunks(q[:, 0], k[:, 0], values, bias)))
        v = split_heads(attention.v_proj(values), attention.num_heads)
        return attention.out_proj(attend_in_heads(q, k, v, bias))

    def _tokens(self, maps: Float[Tensor, "b m h w"]) -> Float[Tensor, "b t m"]:
        if self._pool > 1:
            maps = F.avg_pool2d(maps, self._pool)
        return maps.flatten(2).transpose(1, 2)

    def _pointers(self, memories: Memories) -> tuple[Tensor, Tensor]:
        """Return the pointers' tokens and their encodings, r x tokens x m.

        Source: `SAM2Base._prepare_memory_conditioned_features`.
        """
        net = self._net
        pointers = torch.stack([torch.cat(row) for row in memories.pointers])
        span = net.max_obj_ptrs_in_encoder
        places = pointer_places(net, memories.distances, span, pointers)
        parts = net.hidden_dim // net.mem_dim
        return pointers.unflatten(2, (parts, net.mem_dim)).flatten(1, 2), places.repeat_interleave(
            parts, 1
        )


class StaticStep:
    """Attending, decoding and remembering in one function, of unprompted objects of one image."""

    def __init__(self, model: Sam2Model):
        """Prepare for the model's present input size."""
        self._model = model
        self.attention = StaticMemoryAttention(model.net, model.pool_memory)

    def __call__(
        self,
        memories: Memories,
        features: FrameFeatures,
        tokens: PromptTokens,
        refine: Refine | None = None,
        beside: tuple[Any, ...] = (),
    ) -> tuple[Decoded, MemoryEntry]:
        """Track a frame, a row per object; the entry's frame index is 0, and it lacks its keys.

        tokens: of `Sam2Model.no_prompt`. refine, beside: as in `FastPath.track`.
        """
        embedding = self.attention(memories, features)
        decoded = self._model.decode_unprompted(
            embedding, features, tokens, with_state=refine is not None
        )
        if refine is not None:
            # What only the refiner reads stays in the recording.
            decoded = replace(refine(decoded, features, *beside), state=None)
        entry = self._model.encode_memory(features, MemoryInput.of(decoded), 0)
        return decoded, replace(entry, keys=None)


def rotate_real(x: Float[Tensor, "b heads t c"], table: Float[Tensor, "u d 2"]) -> Tensor:
    """Rotate as `vos.model.kept_encodings.rotate` in real numbers, not in place; u divides t."""
    pairs = x.float().unflatten(-1, (-1, 2)).unflatten(2, (-1, len(table)))
    cos, sin = table.unbind(-1)
    even, odd = pairs.unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).flatten(2, 3).to(x.dtype)


def _in_chunks(
    q: Float[Tensor, "r n c"],
    k: Float[Tensor, "r t c"],
    v: Float[Tensor, "r t m"],
    bias: Tensor | None,
) -> Float[Tensor, "r n m"]:
    """Attend as `attend_in_chunks` does, all objects at once."""
    keys = k.transpose(1, 2)
    scale = q.shape[-1] ** -0.5
    parts: list[Tensor] = []
    for chunk in q.split(QUERIES_PER_CHUNK, dim=1):
        logits = torch.bmm(chunk * scale, keys)
        if bias is not None:
            logits = logits + bias
        parts.append(torch.bmm(torch.softmax(logits, dim=-1), v))
    return torch.cat(parts, dim=1)
