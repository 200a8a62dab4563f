"""What the descendants of SAM 2.0 share with it: its memory encoder and its choices."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention

D_MODEL, MEM_DIM = 256, 64

CHOICES: Mapping[str, Any] = MappingProxyType(
    {
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "multimask_output_in_sam": True,
        "multimask_min_pt_num": 0,
        "multimask_max_pt_num": 1,
        "multimask_output_for_tracking": True,
        "use_multimask_token_for_obj_ptr": True,
        "iou_prediction_use_sigmoid": True,
        "use_obj_ptrs_in_encoder": True,
        "add_tpos_enc_to_obj_ptrs": False,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "pred_obj_scores": True,
        "pred_obj_scores_mlp": True,
        "fixed_no_obj_ptr": True,
        "use_mlp_for_obj_ptr_proj": True,
        "binarize_mask_from_pts_for_mem_enc": True,
        "sam_mask_decoder_extra_args": {
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    }
)
"""Keywords of `SAM2Base`: those of sam2's configs/sam2/*.yaml, and of its video predictor."""


def build_memory_encoder() -> MemoryEncoder:
    """Build SAM 2's memory encoder with random weights."""
    return MemoryEncoder(
        out_dim=MEM_DIM,
        position_encoding=PositionEmbeddingSine(num_pos_feats=MEM_DIM),
        mask_downsampler=MaskDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(dim=D_MODEL), num_layers=2),
    )


def build_memory_attention(layers: int, cross_attention: Any, side: int) -> MemoryAttention:
    """Build SAM 2's memory attention with random weights.

    cross_attention: a class of rotary attention. side: of the image embedding, in cells.
    """

    def rope(make: Any, **extra: Any) -> Any:
        return make(
            embedding_dim=D_MODEL, num_heads=1, dropout=0.0, feat_sizes=(side, side), **extra
        )

    return MemoryAttention(
        d_model=D_MODEL,
        pos_enc_at_input=True,
        num_layers=layers,
        layer=MemoryAttentionLayer(
            activation="relu",
            d_model=D_MODEL,
            dim_feedforward=2048,
            dropout=0.0,
            pos_enc_at_attn=False,
            pos_enc_at_cross_attn_keys=True,
            pos_enc_at_cross_attn_queries=False,
            self_attention=rope(RoPEAttention),
            cross_attention=rope(cross_attention, rope_k_repeat=True, kv_in_dim=MEM_DIM),
        ),
    )
