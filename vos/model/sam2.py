"""The verbs over the sam2 package's modules: encode_image, condition, decode, encode_memory.

No loop and no state that a result depends on. Each verb equals the matching part of
`sam2.modeling.sam2_base.SAM2Base` bit for bit (tests/unit/track/test_parity.py); the fifth verb,
refine, belongs to vos.refine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.errors import UsageError
from vos.model.attention.cached import CachedMemoryAttention
from vos.model.attention.exact import ExactMemoryAttention
from vos.model.attention.pointers import pointer_tokens
from vos.model.decoding import (
    ChooseMask,
    WatchedTransformer,
    best_iou,
    choose_again,
    choose_mask,
    expand_batch,
    resize_logits,
    run_mask_decoder,
)
from vos.model.layout import to_image, to_tokens, with_token_strides
from vos.model.mask_prompt import enlarge_mask, show_found, take_mask
from vos.model.networks.edgetam.attention import TokenMemoryAttention, find_perceiver
from vos.model.parts import FastPath, Parts, Refine
from vos.model.preprocess import to_network
from vos.model.remembering import encode_memory
from vos.model.types import (
    Decoded,
    FrameFeatures,
    MemoryEntry,
    MemoryInput,
    ModelPrompt,
    PromptTokens,
    Recall,
)

PREVIOUS_LOGIT_LIMIT = 32.0

P = ParamSpec("P")
R = TypeVar("R")


class Sam2Model:
    """SAM 2's parts as verbs without state: no call leaves anything that another would notice.

    What is kept between calls are results that weights and input size alone decide, and projections
    of memories for as long as these exist.

    net: the modules and weights, in eval mode; nothing of it is changed here.
    exact: SAM 2's own arithmetic, bit for bit, one object after the other. Otherwise rounding
        differs: objects go in batches, what they have in common is computed once, and fp32 values
        are projected after attending where that is less work.
    pool_memory: side of the squares of memory tokens attended to as one; 1 if exact.
    parts: what runs in place of the network's own parts; None for these.
    fast_path: a quicker way for frames it accepts; None without one.
    """

    def __init__(
        self,
        net: SAM2Base,
        *,
        exact: bool = True,
        pool_memory: int = 1,
        parts: Parts | None = None,
        fast_path: FastPath | None = None,
    ):
        self.net = net
        self.exact, self.pool_memory = exact, pool_memory
        self.parts = Parts.of(net) if parts is None else parts
        self.fast_path = fast_path
        self._perceiver = find_perceiver(net)
        if self._perceiver is not None:
            self._attention = TokenMemoryAttention(net, self._perceiver)
        else:
            self._attention = (
                ExactMemoryAttention(net) if exact else CachedMemoryAttention(net, pool_memory)
            )
        self._image_pe: Tensor | None = None
        self._used_in: int | None = None

    @property
    def image_size(self) -> int:
        """Return the side of the square network input in pixels."""
        return self.net.image_size

    @property
    def stride(self) -> int:
        """Return the pixels per side of one cell of the image embedding."""
        return self.net.backbone_stride

    @property
    def embedding_size(self) -> int:
        """Return the side of the image embedding and of a memory map in cells."""
        return self.image_size // self.stride

    @property
    def mask_size(self) -> int:
        """Return the side of the decoder's masks in pixels."""
        return self.net.sam_prompt_encoder.mask_input_size[0]

    @property
    def device(self) -> torch.device:
        return self.net.device

    @property
    def box_zoom(self) -> float:
        """Return the side of the cut-out that answers a box, in longer sides of the box; 0 where
        the whole frame does, as in SAM 2.
        """
        return getattr(self.net, "box_zoom", 0.0)

    @property
    def memory_slots(self) -> int:
        """Return the number of memory slots.

        Prompted frames share slot 0; the other slots are for one recent frame each.
        """
        return self.net.num_maskmem

    @property
    def memory_stride(self) -> int:
        """Return which of the recent memories are attended to: each so many-th; 1 for all of them,
        as in SAM 2.
        """
        return getattr(self.net, "memory_stride", 1)

    @property
    def pointer_span(self) -> int:
        """Return how many frames object pointers reach back, the current one included."""
        return self.net.max_obj_ptrs_in_encoder

    @property
    def offers_alternatives(self) -> bool:
        """Return whether one of three masks is chosen on frames without a prompt."""
        return self._has_alternatives(0, first=False)

    @property
    def resizes(self) -> bool:
        """Return whether `encode_pixels` takes images of the video's size, in inference mode."""
        return self.fast_path is not None and self.fast_path.encode is not None

    def encode_pixels(self, pixels: UInt8[Tensor, "b h w 3"]) -> FrameFeatures:
        """Encode uint8 images on the model's device.

        pixels: of the input's size, or of any size where the model `resizes`.
        """
        if self.fast_path is not None and self.fast_path.encode is not None:
            return self.fast_path.encode(pixels)
        return self.encode_image(to_network(pixels))

    def quicken(self, work: Callable[P, R], name: str) -> Callable[P, R]:
        """Return a function of tensors as this model's device runs it fastest.

        work: does the same for the same shapes and never waits for a value. name: for the log.
        """
        return work if self.fast_path is None else self.fast_path.quicken(work, name)

    def encode_image(self, image: Float[Tensor, "b 3 s s"]) -> FrameFeatures:
        """Run the image encoder. Source: `SAM2Base.forward_image`.

        Raises UsageError in a process forked from the one that used the model.
        """
        self._refuse_after_fork()
        out = self.parts.image_encoder(image)
        keys = out.get("keys")
        features = FrameFeatures(
            image=image,
            s16=out["backbone_fpn"][-1],
            pos16=out["vision_pos_enc"][-1][:1],
            keys=keys,
            memory_keys=None if keys is None else keys.to(torch.bfloat16),
        )
        if not self.net.use_high_res_features_in_sam:
            return features
        fpn4, fpn8 = out["backbone_fpn"][:2]
        decoder = self.net.sam_mask_decoder
        return replace(
            features, s4=decoder.conv_s0(fpn4), s8=decoder.conv_s1(fpn8), fpn4=fpn4, fpn8=fpn8
        )

    def _refuse_after_fork(self) -> None:
        """Refuse to wait for threads that a fork has left behind, which would be for ever."""
        here = os.getpid()
        if self._used_in not in (None, here) and torch.get_num_threads() > 1:
            raise UsageError(
                f"this model was used in process {self._used_in} and forked into {here}, where "
                "torch's threads are missing and it would hang: load it in the new process, start "
                'that with multiprocessing.get_context("spawn"), or call torch.set_num_threads(1) '
                "there first"
            )
        self._used_in = here

    def condition(
        self, features: FrameFeatures, recalls: Sequence[Recall], *, prompted: bool = False
    ) -> Float[Tensor, "r c h w"]:
        """Attend to the recalled memories of objects of one image, a row each.

        recalls: of equal `shape`; none for an object's first frame, which has no memory. One recall
        may instead hold a batch, one row per row of `features`. prompted: whether the frame has a
        prompt; such frames are too rare for a fast path to be made for them.

        Source: `SAM2Base._prepare_memory_conditioned_features`.
        """
        if not recalls:
            current = to_tokens(features.s16)
            return to_image(current + self.net.no_mem_embed, features.s16.shape)
        fast = None if prompted else self.fast_path
        if fast is not None and fast.fits(features, recalls):
            return fast.condition(features, recalls)
        b, c, h, w = features.s16.shape
        pointers, pointer_pos = pointer_tokens(self.net, recalls, b)
        current, current_pos = to_tokens(features.s16), to_tokens(features.pos16).expand(-1, b, -1)
        attended = self._attention.attend(current, current_pos, recalls, pointers, pointer_pos)
        embedding = to_image(attended, (pointers.shape[1], c, h, w))
        if features.keys is None:
            return embedding
        return embedding + self.net.get_submodule("propagation")(features.keys, recalls)

    def batch_key(self, recall: Recall) -> Hashable:
        """Return a key that recalls share where one quick batch may hold them."""
        frames = ()
        if self.fast_path is not None:
            # Its steps compare a frame's keys once for all objects.
            frames = tuple(id(entry.keys) for _, entry in recall.spatial if entry.keys is not None)
        return recall.shape, frames

    def track(
        self,
        features: FrameFeatures,
        recalls: Sequence[Recall],
        frame_idx: int,
        refine: Refine | None = None,
        beside: tuple[Any, ...] = (),
    ) -> tuple[Decoded, MemoryEntry] | None:
        """Condition, decode, refine and remember in one step, without the decoder's state.

        refine: None for no refiner; otherwise a function of tensors that never looks at a value.
        beside: what it reads beside the prediction and the features. Returns None where there is
        no quicker way for that.
        """
        if self.fast_path is None or not self.fast_path.fits(features, recalls):
            return None
        return self.fast_path.track(features, recalls, frame_idx, refine, beside)

    def decode(
        self,
        embedding: Float[Tensor, "b c h w"],
        features: FrameFeatures,
        prompt: ModelPrompt | None,
        *,
        first: bool,
        choose: ChooseMask = best_iou,
        present_above: float = 0.0,
    ) -> Decoded:
        """Predict mask, scores and pointer of one object from a conditioned image embedding.

        present_above: an object of this score or less is absent, which a mask prompt decides alone.
        first: the object has no memory yet. A mask prompt is taken as the prediction, and the
        decoder only makes its pointer. Source: `SAM2Base._track_step`, `_forward_sam_heads`,
        `_use_mask_as_output`.
        """
        if prompt is not None and prompt.mask is not None:
            decoded = self._decode_mask_prompt(features, prompt.mask)
            return decoded if prompt.found is None else show_found(prompt.found, decoded)
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
        return self._run_decoder(
            embedding, features, tokens, multimask, prompt is not None, choose, present_above
        )

    def choose_again(self, decoded: Decoded, chosen: Int[Tensor, " b"]) -> Decoded:
        """Return the prediction of an unprompted frame with other masks chosen.

        decoded: of `decode`. chosen: which of the three alternatives, per row.
        """
        return choose_again(self.net, decoded, chosen, exact=self.exact)

    def encode_memory(
        self, features: FrameFeatures, seen: MemoryInput, frame_idx: int
    ) -> MemoryEntry:
        """Make what this frame leaves in the bank."""
        return encode_memory(
            self.net, self.parts.memory_encoder, self._perceiver, features, seen, frame_idx
        )

    def no_prompt(self, rows: int, previous: Tensor | None = None) -> PromptTokens:
        """Return the tokens for a frame without a prompt.

        previous: mask logits, `rows` of them.
        """
        points = torch.zeros(rows, 1, 2, device=self.device)
        labels = -torch.ones(rows, 1, dtype=torch.int32, device=self.device)
        return self._prompt_tokens(points, labels, previous)

    def decode_unprompted(
        self,
        embedding: Float[Tensor, "b c h w"],
        features: FrameFeatures,
        tokens: PromptTokens,
        *,
        with_state: bool = False,
    ) -> Decoded:
        """Decode a tracked frame as `decode` does, from tensors alone.

        tokens: from `no_prompt`. with_state: keep the decoder's state, which refiners read.
        """
        multimask = self._has_alternatives(0, first=False)
        if with_state:
            return self._run_decoder(embedding, features, tokens, multimask, False, best_iou)
        output = run_mask_decoder(self.net, embedding, features, tokens)
        return choose_mask(
            self.net, output, multimask=multimask, from_prompt=False, exact=self.exact
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
        present_above: float = 0.0,
    ) -> Decoded:
        transformer = WatchedTransformer(self.parts.decoder_transformer, embedding, tokens)
        output = run_mask_decoder(self.net, embedding, features, tokens, transformer)
        decoded = choose_mask(
            self.net,
            output,
            multimask=multimask,
            from_prompt=from_prompt,
            exact=self.exact,
            choose=choose,
            present_above=present_above,
        )
        return replace(decoded, state=transformer.state)

    def _decode_mask_prompt(self, features: FrameFeatures, mask: Tensor) -> Decoded:
        """Take a mask as the prediction; the decoder only makes its pointer."""
        b = mask.shape[0]
        previous = self.net.mask_downsample(enlarge_mask(mask, self.mask_size))
        decoded = self._run_decoder(
            with_token_strides(expand_batch(features.s16, b)),
            features,
            self.no_prompt(b, previous),
            multimask=False,
            from_prompt=True,
            choose=best_iou,
        )
        return take_mask(self.net, mask, self.mask_size, decoded.obj_ptr)

    def _has_alternatives(self, points: int, *, first: bool) -> bool:
        """Tell whether one of three masks is chosen, for a prompt of this many points."""
        net = self.net
        return (
            net.multimask_output_in_sam
            and (first or net.multimask_output_for_tracking)
            and net.multimask_min_pt_num <= points <= net.multimask_max_pt_num
        )

    def _dense_pe(self, like: Tensor) -> Tensor:
        cached = self._image_pe
        side = self.net.sam_image_embedding_size
        if cached is None or cached.shape[-1] != side or cached.device != like.device:
            with torch.no_grad():
                cached = self.net.sam_prompt_encoder.get_dense_pe()
            self._image_pe = cached
        return cached
