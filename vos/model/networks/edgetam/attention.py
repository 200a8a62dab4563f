"""Memory attention over the tokens that the perceiver has made of each frame's memory map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.attention.weighing import stack_weights, weigh
from vos.model.kept_encodings import MemoryRopeAttention, rotate
from vos.model.networks.edgetam.perceiver import GLOBAL_TOKENS, SIDE, TOKENS, Perceiver
from vos.model.types import Recall


def find_perceiver(net: SAM2Base) -> Perceiver | None:
    """Return what makes tokens of this network's memories; None for one that keeps maps."""
    found = getattr(net, "spatial_perceiver", None)
    return found if isinstance(found, Perceiver) else None


class TokenRopeAttention(MemoryRopeAttention):
    """Rotary attention to memories of `TOKENS` tokens, of which only the local ones are turned."""

    _places: Tensor | None = None

    def forward(self, q: Tensor, k: Tensor, v: Tensor, num_k_exclude_rope: int = 0) -> Tensor:
        q = self._separate_heads(self.q_proj(q), self.num_heads)
        k = self._separate_heads(self.k_proj(k), self.num_heads)
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        rotate(q, self.table(q))
        for start in range(0, k.shape[-2] - num_k_exclude_rope, TOKENS):
            rotate(k[:, :, start + GLOBAL_TOKENS : start + TOKENS], self._local_table(k))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(self._recombine_heads(out))

    def _local_table(self, like: Tensor) -> Complex[Tensor, "tokens pairs"]:
        if self._places is None or self._places.device != like.device:
            with torch.inference_mode(False):
                self._places = self.compute_cis(end_x=SIDE, end_y=SIDE).to(like.device)
        return self._places


class TokenMemoryAttention:
    """The memory attention of an EdgeTAM, all objects of one image in a batch."""

    def __init__(self, net: SAM2Base, perceiver: Perceiver):
        self._net, self._perceiver = net, perceiver

    def attend(
        self,
        current: Float[Tensor, "n b c"],
        position: Float[Tensor, "n b c"],
        recalls: Sequence[Recall],
        pointers: Float[Tensor, "p r m"],
        pointer_pos: Float[Tensor, "p r m"],
    ) -> Float[Tensor, "n r c"]:
        """Attend as `CachedMemoryAttention.attend` does."""
        net, rows = self._net, pointers.shape[1]
        memory = torch.cat([self._read(recall) for recall in recalls], dim=1)
        places = self._places([slot for slot, _ in recalls[0].spatial], memory)
        places = places.expand(-1, rows, -1)
        if recalls[0].map_weights:
            weights = [recall.map_weights for recall in recalls]
            places = weigh(memory, places, stack_weights(weights, TOKENS, memory))
        memory = torch.cat([memory, pointers])
        places = torch.cat([places, pointer_pos])
        if current.shape[1] != rows:
            current, position = (x.expand(-1, rows, -1) for x in (current, position))
        return net.memory_attention(
            curr=current,
            curr_pos=position,
            memory=memory,
            memory_pos=places,
            num_obj_ptr_tokens=len(pointers),
        )

    def _read(self, recall: Recall) -> Float[Tensor, "t b m"]:
        maps = [entry.map_on(self._net.device) for _, entry in recall.spatial]
        return torch.cat([one.flatten(2).permute(2, 0, 1).float() for one in maps])

    def _places(self, slots: Sequence[int], like: Tensor) -> Float[Tensor, "t 1 m"]:
        space = self._perceiver.places(like).transpose(0, 1)
        time = self._net.maskmem_tpos_enc
        return torch.cat([space + time[self._net.num_maskmem - slot - 1] for slot in slots])
