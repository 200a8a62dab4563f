"""Make tokens of object pointers and encode how far away they are, for memory attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe
from torch import Tensor

from vos.model.attention.weighing import weigh_pointers
from vos.model.host_memory import to_device
from vos.model.types import Recall


def pointer_places(
    net: SAM2Base, distances: Num[Tensor, "x y"], span: int, like: Tensor
) -> Float[Tensor, "x y m"]:
    """Encode how many frames away pointers are; zeros in `like`'s type where the net has
    none.

    span: pointers reach back this many frames. Source:
    `SAM2Base._prepare_memory_conditioned_features`.
    """
    if not net.add_tpos_enc_to_obj_ptrs:
        return like.new_zeros(*distances.shape, net.mem_dim)
    if not net.use_signed_tpos_enc_to_obj_ptrs:
        distances = distances.abs()
    dim = net.hidden_dim if net.proj_tpos_enc_in_obj_ptrs else net.mem_dim
    return net.obj_ptr_tpos_proj(get_1d_sine_pe(distances / (span - 1), dim=dim))


def pointer_tokens(
    net: SAM2Base, recalls: Sequence[Recall], images: int
) -> tuple[Float[Tensor, "p r m"], Float[Tensor, "p r m"]]:
    """Return the tokens of the recalled objects' pointers and their encodings; p may be 0.

    recalls: an object each, or one with a row for each of the `images`.
    """
    c, m = net.hidden_dim, net.mem_dim
    if not net.use_obj_ptrs_in_encoder or not recalls[0].pointers:
        none = torch.zeros(0, images * len(recalls), m, device=net.device)
        return none, none
    columns = list(zip(*(recall.pointers for recall in recalls), strict=True))
    pointers = torch.stack(
        [torch.cat([entry.obj_ptr.to(net.device) for _, entry in column]) for column in columns]
    )
    rows = pointers.shape[1]
    distances = [[distance for distance, _ in column] for column in columns]
    steps = to_device(torch.tensor(distances), net.device)
    position = pointer_places(net, steps, recalls[0].pointer_span, pointers)
    position = position.expand(-1, rows, m)
    if m < c:
        pointers = pointers.reshape(-1, rows, c // m, m).permute(0, 2, 1, 3).flatten(0, 1)
        position = position.repeat_interleave(c // m, dim=0)
    return pointers, weigh_pointers(recalls, pointers, position)
