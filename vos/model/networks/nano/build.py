"""Construct the embedded model with random weights, of the sam2 package's own classes."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.prompt_encoder import PromptEncoder
from sam2.modeling.sam.transformer import RoPEAttention, TwoWayTransformer
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import MLP
from torch import Tensor

from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.efficientnet import EfficientNetLite0
from vos.model.networks.nano.propagation import KeyEncoder, Propagation


class NanoEncoder(ImageEncoder):
    """An image encoder that also gives keys of positions, by which masks are propagated."""

    def __init__(self, key_dim: int, **parts: Any):
        super().__init__(**parts)
        widths: Any = self.trunk.channel_list
        _, s8, s16, *_ = widths[::-1]
        self.key_encoder = KeyEncoder(s8, s16, key_dim)

    def forward(self, sample: Float[Tensor, "b 3 s s"]) -> dict[str, Any]:
        """Encode as `ImageEncoder.forward`, which keeps the trunk's features to itself."""
        levels = self.trunk(sample)
        features, positions = self.neck(levels)
        return {
            "vision_features": features[2],
            "vision_pos_enc": positions[:3],
            "backbone_fpn": features[:3],
            "keys": self.key_encoder(levels[1], levels[2]),
        }


class NanoSAM2(SAM2Base):
    """SAM2Base with mask-decoder widths that suit a small model, and with what propagates masks."""

    def __init__(self, config: NanoConfig, **parts: Any):
        self._config = config
        self.box_zoom = config.box_zoom
        self.memory_stride = config.memory_stride
        super().__init__(**parts)
        if config.key_dim:
            self.propagation = Propagation(config.d_model)

    def _build_sam_heads(self) -> None:
        config = self._config
        side = self.image_size // self.backbone_stride
        self.sam_prompt_embed_dim = self.hidden_dim
        self.sam_image_embedding_size = side
        self.sam_prompt_encoder = PromptEncoder(
            embed_dim=self.hidden_dim,
            image_embedding_size=(side, side),
            input_image_size=(self.image_size, self.image_size),
            mask_in_chans=16,
        )
        self.sam_mask_decoder = MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=self.hidden_dim,
                mlp_dim=config.decoder_mlp_dim,
                num_heads=config.decoder_heads,
            ),
            transformer_dim=self.hidden_dim,
            iou_head_depth=3,
            iou_head_hidden_dim=self.hidden_dim,
            use_high_res_features=True,
            iou_prediction_use_sigmoid=True,
            pred_obj_scores=True,
            pred_obj_scores_mlp=True,
            use_multimask_token_for_obj_ptr=True,
        )
        self.obj_ptr_proj = MLP(self.hidden_dim, self.hidden_dim, self.hidden_dim, 3)
        self.obj_ptr_tpos_proj = torch.nn.Linear(self.hidden_dim, self.mem_dim)


def build_nano(config: NanoConfig) -> SAM2Base:
    """Build the embedded model's architecture with random weights, in eval mode."""
    d, m, side = config.d_model, config.mem_dim, config.image_size // 16
    encoder = _build_encoder(config)

    def rope(**extra: Any) -> RoPEAttention:
        return RoPEAttention(
            embedding_dim=d, num_heads=1, dropout=0.0, feat_sizes=(side, side), **extra
        )

    attention = MemoryAttention(
        d_model=d,
        pos_enc_at_input=True,
        num_layers=config.memory_layers,
        layer=MemoryAttentionLayer(
            activation="relu",
            d_model=d,
            dim_feedforward=config.memory_mlp_dim,
            dropout=0.0,
            pos_enc_at_attn=False,
            pos_enc_at_cross_attn_keys=True,
            pos_enc_at_cross_attn_queries=False,
            self_attention=rope(),
            cross_attention=rope(rope_k_repeat=True, kv_in_dim=m),
        ),
    )
    memory_encoder = MemoryEncoder(
        in_dim=d,
        out_dim=m,
        position_encoding=PositionEmbeddingSine(num_pos_feats=m),
        mask_downsampler=MaskDownSampler(embed_dim=d, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(CXBlock(dim=d, layer_scale_init_value=1e-1), num_layers=2),
    )
    return NanoSAM2(
        config,
        image_encoder=encoder,
        memory_attention=attention,
        memory_encoder=memory_encoder,
        num_maskmem=config.memory_slots,
        max_obj_ptrs_in_encoder=config.pointer_span,
        image_size=config.image_size,
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        no_obj_embed_spatial=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        multimask_min_pt_num=1,
        multimask_max_pt_num=1,
        multimask_output_for_tracking=False,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        add_tpos_enc_to_obj_ptrs=True,
        proj_tpos_enc_in_obj_ptrs=True,
        use_signed_tpos_enc_to_obj_ptrs=True,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        use_multimask_token_for_obj_ptr=True,
        use_mlp_for_obj_ptr_proj=True,
        binarize_mask_from_pts_for_mem_enc=True,
    ).eval()


def _build_encoder(config: NanoConfig) -> ImageEncoder:
    """Build the encoder of strides 4, 8 and 16; EfficientNet's fourth level only informs these."""
    d = config.d_model
    if config.trunk == "hiera":
        depth = sum(config.stages)
        trunk: Any = Hiera(
            embed_dim=config.embed_dim,
            num_heads=1,
            q_pool=2,
            stages=config.stages,
            window_spec=(8, 4, 8),
            window_pos_embed_bkg_spatial_size=(7, 7),
            global_att_blocks=(depth - 2, depth - 1),
        )
        top_down = [2]
    else:
        trunk = EfficientNetLite0()
        top_down = [2, 3]
    neck = FpnNeck(
        position_encoding=PositionEmbeddingSine(num_pos_feats=d),
        d_model=d,
        backbone_channel_list=trunk.channel_list,
        fpn_top_down_levels=top_down,
        fpn_interp_model="nearest",
    )
    scalp = len(trunk.channel_list) - 3
    if config.key_dim:
        return NanoEncoder(config.key_dim, trunk=trunk, neck=neck, scalp=scalp)
    return ImageEncoder(trunk=trunk, neck=neck, scalp=scalp)
