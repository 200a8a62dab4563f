"""Run the mask decoder and choose the mask that counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam2_base import NO_OBJ_SCORE, SAM2Base
from torch import Tensor

from vos.model.types import Candidates, Decoded, DecoderState, FrameFeatures, PromptTokens

Transformer = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(image embedding, its encoding, tokens) -> (tokens, image embedding as tokens)."""

ChooseMask = Callable[[Candidates], Int[Tensor, " b"]]


def best_iou(candidates: Candidates) -> Int[Tensor, " b"]:
    """Choose as SAM 2 does: the alternative with the highest predicted IoU."""
    return torch.argmax(candidates.iou_pred, dim=-1)


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """All masks of the decoder, the single mask first, then the three alternatives.

    logits: at the model's mask size.
    iou_pred: predicted IoU of each mask.
    tokens: the output token of each mask.
    object_score: visibility logit.
    """

    logits: Float[Tensor, "b k s4 s4"]
    iou_pred: Float[Tensor, "b k"]
    tokens: Float[Tensor, "b k c"]
    object_score: Float[Tensor, "b 1"]


class WatchedTransformer:
    """The decoder's transformer for one call, with a note of what it took and gave.

    sam2's decoder does not return what its transformer saw, and a hook on the module would see the
    calls of other threads.
    """

    def __init__(self, transformer: Transformer, embedding: Tensor, tokens: PromptTokens):
        self._transformer, self._shape, self._image_pe = (
            transformer,
            embedding.shape,
            tokens.image_pe,
        )
        self.state: DecoderState | None = None

    def __call__(self, image: Tensor, image_pe: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        out, keys = self._transformer(image, image_pe, tokens)
        self.state = DecoderState(
            keys.transpose(1, 2).reshape(self._shape), out, tokens, self._image_pe
        )
        return out, keys


class _DecoderWith:
    """A mask decoder in all but its transformer, so that the shared module need not be changed."""

    def __init__(self, decoder: MaskDecoder, transformer: Transformer):
        self._decoder = decoder
        self.transformer = transformer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)


def run_mask_decoder(
    net: SAM2Base,
    embedding: Float[Tensor, "b c h w"],
    features: FrameFeatures,
    tokens: PromptTokens,
    transformer: Transformer | None = None,
) -> DecoderOutput:
    """Run sam2's decoder. transformer: takes the place of its own.

    Source: `MaskDecoder.predict_masks`, whose annotation promises two tensors of four.
    """
    b = embedding.shape[0]
    fine = None
    if features.s4 is not None and features.s8 is not None:
        fine = [expand_batch(features.s4, b), expand_batch(features.s8, b)]
    decoder: Any = net.sam_mask_decoder
    if transformer is not None:
        decoder = _DecoderWith(decoder, transformer)
    output: Any = MaskDecoder.predict_masks(
        decoder,
        image_embeddings=embedding,
        image_pe=tokens.image_pe,
        sparse_prompt_embeddings=tokens.sparse,
        dense_prompt_embeddings=tokens.dense,
        repeat_image=False,
        high_res_features=fine,
    )
    return DecoderOutput(*output)


def choose_mask(
    net: SAM2Base,
    output: DecoderOutput,
    *,
    multimask: bool,
    from_prompt: bool,
    exact: bool,
    choose: ChooseMask = best_iou,
    present_above: float = 0.0,
) -> Decoded:
    """Return the mask that counts with its scores and its pointer, without `state`.

    multimask: `choose` among the alternatives. exact: see `Sam2Model`. present_above: the object is
    absent at this score or less. Source: `SAM2Base._forward_sam_heads`.
    """
    decoder = net.sam_mask_decoder
    all_logits, all_iou = output.logits, output.iou_pred
    rows = torch.arange(len(all_logits), device=all_logits.device)
    chosen: Tensor | None = torch.zeros_like(rows)
    token = output.tokens[:, 0]
    if multimask:
        candidates = Candidates(all_logits[:, 1:], all_iou[:, 1:], output.object_score)
        chosen = choose(candidates) + 1
        raw = all_logits[rows, chosen].unsqueeze(1)
        iou = all_iou[rows, chosen].unsqueeze(1)
        if decoder.use_multimask_token_for_obj_ptr:
            token = output.tokens[rows, chosen]
    elif decoder.dynamic_multimask_via_stability:
        raw, iou = decoder._dynamic_multimask_via_stability(all_logits, all_iou)
        chosen = None
    else:
        raw, iou = all_logits[:, :1], all_iou[:, :1]
    raw = raw.float()
    present = output.object_score > present_above
    memory_logits = None
    if chosen is not None and multimask and not from_prompt and exact:
        # Bit parity: SAM 2 upsamples the alternatives together, then picks; one alone rounds
        # otherwise.
        visible = torch.where(present[:, None, None], all_logits[:, 1:].float(), NO_OBJ_SCORE)
        memory_logits = resize_logits(visible, (net.image_size, net.image_size))[
            rows, chosen - 1
        ].unsqueeze(1)
    return Decoded(
        mask_logits=torch.where(present[:, None, None], raw, NO_OBJ_SCORE),
        raw_logits=raw,
        all_logits=all_logits,
        all_iou_pred=all_iou,
        iou_pred=iou,
        object_score=output.object_score,
        obj_ptr=_pointer(net, net.obj_ptr_proj(token), present.float(), output.object_score),
        from_prompt=from_prompt,
        chosen=chosen,
        memory_logits=memory_logits,
        present_above=present_above,
    )


def choose_again(
    net: SAM2Base, decoded: Decoded, chosen: Int[Tensor, " b"], *, exact: bool
) -> Decoded:
    """Return an unprompted frame's prediction with other masks chosen.

    decoded: with the decoder's state. chosen: 0 to 2, which of the three alternatives, per row.
    Raises ValueError without the state.
    """
    if decoded.state is None:
        raise ValueError("a prediction without the decoder's state has no other pointers")
    count = decoded.all_logits.shape[1]
    # The tokens of object score and predicted IoU come before those of the masks.
    tokens = decoded.state.tokens[:, 2 : 2 + count]
    output = DecoderOutput(decoded.all_logits, decoded.all_iou_pred, tokens, decoded.object_score)
    again = choose_mask(
        net,
        output,
        multimask=True,
        from_prompt=False,
        exact=exact,
        choose=lambda _candidates: chosen,
        present_above=decoded.present_above,
    )
    return replace(again, state=decoded.state)


def expand_batch(features: Tensor, batch: int) -> Tensor:
    """Repeat an image's features for each of its objects; a batch of that size stays as it is."""
    return features if features.shape[0] == batch else features.expand(batch, -1, -1, -1)


def resize_logits(logits: Tensor, size_hw: tuple[int, int], *, antialias: bool = False) -> Tensor:
    """Resize bilinearly and in fp32, as SAM 2 does everywhere."""
    return F.interpolate(
        logits.float(), size=size_hw, mode="bilinear", align_corners=False, antialias=antialias
    )


def _pointer(net: SAM2Base, pointer: Tensor, present: Tensor, object_score: Tensor) -> Tensor:
    weight = object_score.sigmoid() if net.soft_no_obj_ptr else present
    if net.fixed_no_obj_ptr:
        pointer = weight * pointer
    return pointer + (1 - weight) * net.no_obj_ptr
