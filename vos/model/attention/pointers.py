"""Encode how far away object pointers are, for memory attention."""

from __future__ import annotations

from jaxtyping import Float, Num
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe
from torch import Tensor


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
