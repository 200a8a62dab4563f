"""Runs EfficientTAM's own code, a program of its own: its package is called `sam2` as Meta's is.

python efficienttam_authors.py PACKAGE WEIGHTS FRAMES WIDTH SIZE OUT: writes logits by frame index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def main(package: str, weights: str, frames: str, width: str, size: str, out: str) -> None:
    sys.path.insert(0, package)
    import numpy as np
    import torch

    predictor = build(int(width), int(size))
    state = torch.load(weights, map_location="cpu", weights_only=True)["model"]
    predictor.load_state_dict(state, strict=True)
    inference = predictor.init_state(frames)
    corners = np.array([[30.0, 20.0], [90.5, 70.0]], dtype=np.float32)
    predictor.add_new_points(inference, 0, 1, corners, np.array([2, 3], dtype=np.int32))
    logits = {
        index: found[0, 0].clone() for index, _ids, found in predictor.propagate_in_video(inference)
    }
    torch.save(logits, Path(out))


def build(width: int, size: int) -> Any:
    """The predictor of the package, with the values of its configs/efficienttam/*.yaml."""
    from sam2.modeling.backbones.image_encoder import ImageEncoder, ViTDetNeck
    from sam2.modeling.backbones.vitdet import ViT
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam.transformer import RoPEAttention
    from sam2.sam2_video_predictor import SAM2VideoPredictor

    def sine(features: int) -> Any:
        return PositionEmbeddingSine(
            num_pos_feats=features, normalize=True, scale=None, temperature=10000
        )

    def rope(**extra: Any) -> Any:
        return RoPEAttention(
            rope_theta=10000.0,
            feat_sizes=[32, 32],
            embedding_dim=256,
            num_heads=1,
            downsample_rate=1,
            dropout=0.1,
            **extra,
        )

    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=2048,
        dropout=0.1,
        pos_enc_at_attn=False,
        self_attention=rope(),
        d_model=256,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=rope(rope_k_repeat=True, kv_in_dim=64),
    )
    trunk = ViT(
        patch_size=16,
        embed_dim=width,
        depth=12,
        num_heads=width // 64,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.0,
        use_rel_pos=False,
        window_size=14,
        window_block_indexes=[0, 1, 3, 4, 6, 7, 9, 10],
    )
    neck = ViTDetNeck(sine(256), d_model=256, backbone_channel_list=[width], neck_norm="LN")
    memory_encoder = MemoryEncoder(
        out_dim=64,
        position_encoding=sine(64),
        mask_downsampler=MaskDownSampler(kernel_size=3, stride=2, padding=1),
        fuser=Fuser(
            CXBlock(dim=256, kernel_size=7, padding=3, layer_scale_init_value=1e-6), num_layers=2
        ),
    )
    return SAM2VideoPredictor(
        image_encoder=ImageEncoder(trunk=trunk, neck=neck, scalp=0),
        memory_attention=MemoryAttention(
            d_model=256, pos_enc_at_input=True, layer=layer, num_layers=4
        ),
        memory_encoder=memory_encoder,
        num_maskmem=7,
        image_size=size,
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=False,
        multimask_output_in_sam=True,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        add_tpos_enc_to_obj_ptrs=False,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        use_mlp_for_obj_ptr_proj=True,
        binarize_mask_from_pts_for_mem_enc=True,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    ).eval()


if __name__ == "__main__":
    main(*sys.argv[1:])
