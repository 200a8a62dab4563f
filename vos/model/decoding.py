"""What the mask decoder answers, and the one mask among it that counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sam2.modeling.sam2_base import NO_OBJ_SCORE, SAM2Base
from torch import Tensor

from vos.model.types import Decoded, FrameFeatures, PromptTokens

ChooseMask = Callable[[Float[Tensor, "b k"]], Int[Tensor, " b"]]


def best_iou(iou_pred: Float[Tensor, "b k"]) -> Int[Tensor, " b"]:
    """SAM 2's choice among the alternatives: the highest predicted IoU."""
    return torch.argmax(iou_pred, dim=-1)


@dataclass(frozen=True, slots=True)
class Answers:
    """All masks of the decoder, the single-mask answer first."""

    logits: Float[Tensor, "b k s4 s4"]
    iou_pred: Float[Tensor, "b k"]
    tokens: Float[Tensor, "b k c"]
    object_score: Float[Tensor, "b 1"]


def run_mask_decoder(
    net: SAM2Base,
    embedding: Float[Tensor, "b c h w"],
    features: FrameFeatures,
    tokens: PromptTokens,
) -> Answers:
    """Source: `MaskDecoder.predict_masks`, whose annotation promises two tensors of four."""
    b = embedding.shape[0]
    answers: Any = net.sam_mask_decoder.predict_masks(
        image_embeddings=embedding,
        image_pe=tokens.image_pe,
        sparse_prompt_embeddings=tokens.sparse,
        dense_prompt_embeddings=tokens.dense,
        repeat_image=False,
        high_res_features=[expand_batch(features.s4, b), expand_batch(features.s8, b)],
    )
    return Answers(*answers)


def choose_mask(
    net: SAM2Base,
    answers: Answers,
    *,
    multimask: bool,
    from_prompt: bool,
    exact: bool,
    choose: ChooseMask = best_iou,
) -> Decoded:
    """The mask, its scores and its pointer, without `state`.

    multimask: `choose` among the alternatives. exact: see `Sam2Model`. Source:
    `SAM2Base._forward_sam_heads`.
    """
    decoder = net.sam_mask_decoder
    all_logits, all_iou = answers.logits, answers.iou_pred
    rows = torch.arange(len(all_logits), device=all_logits.device)
    best = torch.zeros_like(rows)
    token = answers.tokens[:, 0]
    if multimask:
        best = choose(all_iou[:, 1:]) + 1
        raw = all_logits[rows, best].unsqueeze(1)
        iou = all_iou[rows, best].unsqueeze(1)
        if decoder.use_multimask_token_for_obj_ptr:
            token = answers.tokens[rows, best]
    elif decoder.dynamic_multimask_via_stability:
        raw, iou = decoder._dynamic_multimask_via_stability(all_logits, all_iou)
    else:
        raw, iou = all_logits[:, :1], all_iou[:, :1]
    raw = raw.float()
    present = answers.object_score > 0
    memory_logits = None
    if multimask and not from_prompt and exact:
        # Bit parity: SAM 2 upsamples the alternatives together, then picks; one alone rounds
        # otherwise.
        visible = torch.where(present[:, None, None], all_logits[:, 1:].float(), NO_OBJ_SCORE)
        memory_logits = resize_logits(visible, (net.image_size, net.image_size))[
            rows, best - 1
        ].unsqueeze(1)
    return Decoded(
        mask_logits=torch.where(present[:, None, None], raw, NO_OBJ_SCORE),
        raw_logits=raw,
        all_logits=all_logits,
        all_iou_pred=all_iou,
        iou_pred=iou,
        object_score=answers.object_score,
        obj_ptr=_pointer(net, net.obj_ptr_proj(token), present.float(), answers.object_score),
        from_prompt=from_prompt,
        memory_logits=memory_logits,
    )


def expand_batch(features: Tensor, batch: int) -> Tensor:
    """One image's features for every object of it; a batch of that size stays as it is."""
    return features if features.shape[0] == batch else features.expand(batch, -1, -1, -1)


def resize_logits(logits: Tensor, size_hw: tuple[int, int], *, antialias: bool = False) -> Tensor:
    """Bilinear and in fp32, as SAM 2 does it everywhere."""
    return F.interpolate(
        logits.float(), size=size_hw, mode="bilinear", align_corners=False, antialias=antialias
    )


def _pointer(net: SAM2Base, pointer: Tensor, present: Tensor, object_score: Tensor) -> Tensor:
    weight = object_score.sigmoid() if net.soft_no_obj_ptr else present
    if net.fixed_no_obj_ptr:
        pointer = weight * pointer
    return pointer + (1 - weight) * net.no_obj_ptr
