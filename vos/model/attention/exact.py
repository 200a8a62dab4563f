"""SAM 2's own memory attention, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.attention.weighing import weigh
from vos.model.layout import to_tokens
from vos.model.types import Recall


class ExactMemoryAttention:
    """The memory attention of `net`, all memories of one object as one sequence."""

    def __init__(self, net: SAM2Base):
        self._net = net
        self._space: Tensor | None = None

    def attend(
        self,
        current: Float[Tensor, "n b c"],
        position: Float[Tensor, "n b c"],
        recalls: Sequence[Recall],
        pointers: Float[Tensor, "p b m"],
        pointer_pos: Float[Tensor, "p b m"],
    ) -> Float[Tensor, "n b c"]:
        """Attend as `CachedMemoryAttention.attend` does, to one recall.

        Source: `SAM2Base._prepare_memory_conditioned_features`.
        """
        net = self._net
        (recall,) = recalls
        memories, positions = [], []
        for i, (slot, entry) in enumerate(recall.spatial):
            spatial = entry.map_on(net.device)
            memories.append(to_tokens(spatial))
            space = to_tokens(self._encoding(spatial)).expand(-1, len(spatial), -1)
            places = space + net.maskmem_tpos_enc[net.num_maskmem - slot - 1]
            if recall.map_weights:
                places = weigh(memories[-1].float(), places, recall.map_weights[i])
            positions.append(places)
        if len(pointers):
            memories.append(pointers)
            positions.append(pointer_pos)
        return net.memory_attention(
            curr=current,
            curr_pos=position,
            memory=torch.cat(memories, dim=0),
            memory_pos=torch.cat(positions, dim=0),
            num_obj_ptr_tokens=len(pointers),
        )

    def _encoding(self, spatial: Tensor) -> Tensor:
        kept = self._space
        if kept is None or kept.shape[-2:] != spatial.shape[-2:] or kept.device != spatial.device:
            kept = self._net.memory_encoder.position_encoding(spatial[:1]).float()
            self._space = kept
        return kept
