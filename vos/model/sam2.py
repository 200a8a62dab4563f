"""The verbs over the sam2 package's modules: encode_image, condition, decode, encode_memory.

No loop and no state. Each verb equals the matching part of `sam2.modeling.sam2_base.SAM2Base`
bit for bit (tests/unit/track/test_parity.py); the fifth verb, refine, belongs to vos.refine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from jaxtyping import Float
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from vos.model.attention.cached import CachedMemoryAttention
from vos.model.attention.exact import ExactMemoryAttention
from vos.model.attention.pointers import pointer_places
from vos.model.decoding import (
    ChooseMask,
    best_iou,
    choose_mask,
    expand_batch,
    resize_logits,
    run_mask_decoder,
)
from vos.model.host_memory import to_device
from vos.model.kept_encodings import keep_encodings
from vos.model.layout import image_of, tokens_of
from vos.model.types import (
    Decoded,
    DecoderState,
    FrameFeatures,
    MemoryEntry,
    ModelPrompt,
    PromptTokens,
    Recall,
)

MASK_PROMPT_LOGIT = 10.0
PREVIOUS_LOGIT_LIMIT = 32.0


class FastPath(Protocol):
    """A faster way for frames whose recalls `fits` accepts."""

    def fits(self, features: FrameFeatures, recalls: Sequence[Recall]) -> bool: ...

    def condition(
        self, features: FrameFeatures, recalls: Sequence[Recall]
    ) -> Float[Tensor, "r c h w"]: ...

    def track(
        self, features: FrameFeatures, recalls: Sequence[Recall], frame_idx: int
    ) -> tuple[Decoded, MemoryEntry]: ...


class Sam2Model:
    """SAM 2's parts as stateless verbs. `net` holds the modules and weights.

    exact: SAM 2's own arithmetic, bit for bit, one object after the other. Otherwise rounding
    differs: objects go in batches, what they have in common is computed once, and fp32 values are
    projected after attending where that is less work.
    """

    def __init__(self, net: SAM2Base, *, exact: bool = True, pool_memory: int = 1):
        """pool_memory: side of the squares of memory tokens attended to as one; 1 if exact."""
        self.net = net.eval()
        self.exact, self.pool_memory = exact, pool_memory
        keep_encodings(net)
        self._reader = (
            ExactMemoryAttention(net) if exact else CachedMemoryAttention(net, pool_memory)
        )
        if not exact:
            # A tenth to a third less of their time at 1024 px; the image encoder gains nothing.
            for part in (net.sam_mask_decoder, net.memory_encoder):
                part.to(memory_format=torch.channels_last)
            for block in net.memory_encoder.fuser.layers:
                # In bfloat16 a strided operand makes `linear` repeat its weights per row.
                block.pwconv1.register_forward_pre_hook(_contiguous)
        self._image_pe: Tensor | None = None
        self.fast_path: FastPath | None = None

    @property
    def image_size(self) -> int:
        """Side of the square network input in pixels."""
        return self.net.image_size

    def set_image_size(self, size_px: int) -> None:
        """Run at another input side (a multiple of 32). Weights do not depend on it."""
        net, side = self.net, size_px // 16
        encoder = net.sam_prompt_encoder
        net.image_size, net.sam_image_embedding_size = size_px, side
        encoder.image_embedding_size = (side, side)
        encoder.input_image_size = (size_px, size_px)
        encoder.mask_input_size = (4 * side, 4 * side)

    @property
    def device(self) -> torch.device:
        return self.net.device

    @property
    def memory_slots(self) -> int:
        """Spatial memories attended to: prompted frames in slot 0 plus this many minus one
        recent.
        """
        return self.net.num_maskmem

    @property
    def pointer_span(self) -> int:
        """Object pointers reach back this many frames, the current one included."""
        return self.net.max_obj_ptrs_in_encoder

    def encode_image(self, image: Float[Tensor, "b 3 s s"]) -> FrameFeatures:
        """Run the image encoder. Source: `SAM2Base.forward_image`."""
        out = self.net.image_encoder(image)
        fpn4, fpn8, s16 = out["backbone_fpn"]
        decoder = self.net.sam_mask_decoder
        return FrameFeatures(
            image=image,
            s4=decoder.conv_s0(fpn4),
            s8=decoder.conv_s1(fpn8),
            s16=s16,
            fpn4=fpn4,
            fpn8=fpn8,
            pos16=out["vision_pos_enc"][-1],
        )

    def condition(self, features: FrameFeatures, recall: Recall | None) -> Float[Tensor, "b c h w"]:
        """Attend to the selected memories; None is an object's first frame, without memory.

        Source: `SAM2Base._prepare_memory_conditioned_features`.
        """
        if recall is None:
            current = tokens_of(features.s16)
            return image_of(current + self.net.no_mem_embed, features.s16.shape)
        return self._attended(features, (recall,))

    def condition_all(
        self, features: FrameFeatures, recalls: Sequence[Recall]
    ) -> Float[Tensor, "r c h w"]:
        """As `condition`, for several objects of one image: recalls of equal `shape`, a row each.

        One recall may instead hold a batch, one row per row of `features`.
        """
        if self.fast_path is not None and self.fast_path.fits(features, recalls):
            return self.fast_path.condition(features, recalls)
        return self._attended(features, recalls)

    def _attended(self, features: FrameFeatures, recalls: Sequence[Recall]) -> Tensor:
        b, c, h, w = features.s16.shape
        pointers, pointer_pos = self._pointer_tokens(recalls, b)
        current, current_pos = tokens_of(features.s16), tokens_of(features.pos16).expand(-1, b, -1)
        attended = self._reader.attend(current, current_pos, recalls, pointers, pointer_pos)
        return image_of(attended, (pointers.shape[1], c, h, w))

    def track(
        self, features: FrameFeatures, recalls: Sequence[Recall], frame_idx: int
    ) -> tuple[Decoded, MemoryEntry] | None:
        """`condition_all`, `decode` and `encode_memory` in one, less the decoder's state, where
        that is faster; else None.
        """
        if self.fast_path is None or not self.fast_path.fits(features, recalls):
            return None
        return self.fast_path.track(features, recalls, frame_idx)

    def decode(
        self,
        embedding: Float[Tensor, "b c h w"],
        features: FrameFeatures,
        prompt: ModelPrompt | None,
        *,
        first: bool,
        choose: ChooseMask = best_iou,
    ) -> Decoded:
        """Mask, scores and pointer of one object from a conditioned image embedding.

        first: the object has no memory yet. A mask prompt is taken as the answer and the decoder
        only makes its pointer. Source: `SAM2Base._track_step`, `_forward_sam_heads`,
        `_use_mask_as_output`.
        """
        if prompt is not None and prompt.mask is not None:
            return self._decode_mask_prompt(features, prompt.mask)
        previous = None if prompt is None else prompt.previous
        if previous is not None:
            previous = previous.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)
        if prompt is None or prompt.points_xy is None or prompt.labels is None:
            tokens = self.no_prompt(len(embedding), previous)
            count = 0
        else:
            tokens = self._prompt_tokens(prompt.points_xy, prompt.labels, previous)
            count = prompt.labels.shape[1]
        multimask = self._has_alternatives(count, first=first)
        return self._run_decoder(embedding, features, tokens, multimask, prompt is not None, choose)

    def encode_memory(
        self, features: FrameFeatures, decoded: Decoded, frame_idx: int
    ) -> MemoryEntry:
        """What this frame leaves in the bank. Source: `SAM2Base._encode_new_memory`."""
        net = self.net
        seen = decoded.seen_logits
        if seen.shape[-1] != net.image_size:
            seen = resize_logits(seen, (net.image_size, net.image_size))
        if decoded.from_prompt and net.binarize_mask_from_pts_for_mem_enc:
            mask = (seen > 0).float()
        else:
            mask = torch.sigmoid(seen)
        mask = mask * net.sigmoid_scale_for_mem_enc + net.sigmoid_bias_for_mem_enc
        image = _rolled(features.s16)
        spatial = net.memory_encoder(image, mask, skip_mask_sigmoid=True)["vision_features"]
        if net.no_obj_embed_spatial is not None:
            absent = 1 - (decoded.object_score > 0).float()
            spatial = spatial + absent[..., None, None] * net.no_obj_embed_spatial[
                ..., None, None
            ].expand(*spatial.shape)
        return MemoryEntry(
            frame_idx=frame_idx,
            spatial=spatial.to(torch.bfloat16),
            obj_ptr=decoded.obj_ptr,
            iou_pred=decoded.iou_pred,
            object_score=decoded.object_score,
        )

    def no_prompt(self, rows: int, previous: Tensor | None = None) -> PromptTokens:
        """What the decoder is told on a tracked frame. previous: mask logits, `rows` of them."""
        points = torch.zeros(rows, 1, 2, device=self.device)
        labels = -torch.ones(rows, 1, dtype=torch.int32, device=self.device)
        return self._prompt_tokens(points, labels, previous)

    def decode_unprompted(
        self, embedding: Float[Tensor, "b c h w"], features: FrameFeatures, tokens: PromptTokens
    ) -> Decoded:
        """As `decode` of a tracked frame, without `state`; touches nothing but tensors.

        tokens: of `no_prompt`.
        """
        answers = run_mask_decoder(self.net, embedding, features, tokens)
        multimask = self._has_alternatives(0, first=False)
        return choose_mask(
            self.net, answers, multimask=multimask, from_prompt=False, exact=self.exact
        )

    def _prompt_tokens(
        self, points: Tensor, labels: Tensor, previous: Tensor | None
    ) -> PromptTokens:
        encoder = self.net.sam_prompt_encoder
        if previous is not None and previous.shape[-2:] != encoder.mask_input_size:
            previous = resize_logits(previous, encoder.mask_input_size, antialias=True)
        sparse, dense = encoder(points=(points, labels), boxes=None, masks=previous)
        return PromptTokens(sparse, dense, self._dense_pe(sparse))

    def _run_decoder(
        self,
        embedding: Tensor,
        features: FrameFeatures,
        tokens: PromptTokens,
        multimask: bool,
        from_prompt: bool,
        choose: ChooseMask,
    ) -> Decoded:
        decoder = self.net.sam_mask_decoder
        states: list[DecoderState] = []

        def capture(_module: nn.Module, args: tuple[Tensor, ...], out: tuple[Tensor, Tensor]):
            keys = out[1].transpose(1, 2).reshape(embedding.shape)
            states.append(DecoderState(keys, out[0], args[2], tokens.image_pe))

        handle = decoder.transformer.register_forward_hook(capture)
        try:
            answers = run_mask_decoder(self.net, embedding, features, tokens)
        finally:
            handle.remove()
        answer = choose_mask(
            self.net,
            answers,
            multimask=multimask,
            from_prompt=from_prompt,
            exact=self.exact,
            choose=choose,
        )
        return replace(answer, state=states[0])

    def _decode_mask_prompt(self, features: FrameFeatures, mask: Tensor) -> Decoded:
        net = self.net
        b = mask.shape[0]
        high = mask * (2 * MASK_PROMPT_LOGIT) - MASK_PROMPT_LOGIT
        low = resize_logits(high, (high.shape[-2] // 4, high.shape[-1] // 4), antialias=True)
        inner = self._run_decoder(
            _rolled(expand_batch(features.s16, b)),
            features,
            self.no_prompt(b, net.mask_downsample(mask)),
            multimask=False,
            from_prompt=True,
            choose=best_iou,
        )
        visible = torch.any(mask.flatten(1) > 0.0, dim=1)[..., None].float()
        pointer = inner.obj_ptr
        if net.fixed_no_obj_ptr:
            pointer = visible * pointer
        pointer = pointer + (1 - visible) * net.no_obj_ptr
        return Decoded(
            mask_logits=low,
            raw_logits=low,
            all_logits=low,
            all_iou_pred=low.new_ones(b, 1),
            iou_pred=low.new_ones(b, 1),
            object_score=2 * MASK_PROMPT_LOGIT * visible - MASK_PROMPT_LOGIT,
            obj_ptr=pointer,
            from_prompt=True,
        )

    def _has_alternatives(self, points: int, *, first: bool) -> bool:
        """Whether one of three masks is chosen, for a prompt of this many points."""
        net = self.net
        return (
            net.multimask_output_in_sam
            and (first or net.multimask_output_for_tracking)
            and net.multimask_min_pt_num <= points <= net.multimask_max_pt_num
        )

    def _pointer_tokens(self, recalls: Sequence[Recall], b: int) -> tuple[Tensor, Tensor]:
        """Tokens of the object pointers and their encodings, p x rows x m; p may be 0."""
        net = self.net
        c, m = net.hidden_dim, net.mem_dim
        if not net.use_obj_ptrs_in_encoder or not recalls[0].pointers:
            none = torch.zeros(0, b * len(recalls), m, device=self.device)
            return none, none
        columns = list(zip(*(recall.pointers for recall in recalls), strict=True))
        pointers = torch.stack(
            [
                torch.cat([entry.obj_ptr.to(self.device) for _, entry in column])
                for column in columns
            ]
        )
        rows = pointers.shape[1]
        distances = [[distance for distance, _ in column] for column in columns]
        steps = to_device(torch.tensor(distances), self.device)
        position = pointer_places(net, steps, recalls[0].pointer_span, pointers)
        position = position.expand(-1, rows, m)
        if m < c:
            pointers = pointers.reshape(-1, rows, c // m, m).permute(0, 2, 1, 3).flatten(0, 1)
            position = position.repeat_interleave(c // m, dim=0)
        return pointers, position

    def _dense_pe(self, like: Tensor) -> Tensor:
        cached = self._image_pe
        side = self.net.sam_image_embedding_size
        if cached is None or cached.shape[-1] != side or cached.device != like.device:
            with torch.no_grad():
                cached = self.net.sam_prompt_encoder.get_dense_pe()
            self._image_pe = cached
        return cached


def _contiguous(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
    return (args[0].contiguous(),)


def _rolled(image: Tensor) -> Tensor:
    """To tokens and back: the same values with SAM 2's strides, which decide the convolution kernel
    and so the last bits of its result.
    """
    return image_of(tokens_of(image), image.shape)
