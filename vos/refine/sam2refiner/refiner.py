"""SAM2Refiner (arXiv 2502.09660): localization augment, prompt retargeting, mask refinement."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures
from vos.refine.base import FrameCache, PromptHistory
from vos.refine.layers import ChannelNorm, zero_init
from vos.refine.memory_gate import MemoryMask, at_side, attach, coarse_base, gate_for
from vos.refine.prompt_reuse import PromptReuse
from vos.refine.sam2refiner.localization_augment import (
    LocalizationAugment,
    LocalizationAugmentConfig,
)
from vos.refine.sam2refiner.mask_refinement import MaskRefinement, MaskRefinementConfig
from vos.refine.sam2refiner.prompt_retargeting import PromptRetargeting, PromptRetargetingConfig

_DELTA = "la_delta"
_KEYFRAME = "keyframe:"


@dataclass(frozen=True, slots=True)
class SAM2RefinerVideo:
    """How SAM2Refiner works over the frames of a video.

    la: frames that localization augment runs on: "every", "off", or "keyframe:K", those whose index
        K divides.
    prompt_reuse: see PromptRetargeting.
    memory_mask: what the memory sees, "refined" where the gate agrees, or "coarse".

    Raises: ValueError for another `la`.
    """

    la: str = "every"
    prompt_reuse: PromptReuse = "first_frame"
    memory_mask: MemoryMask = "refined"

    def __post_init__(self) -> None:
        self.la_every()

    def la_every(self) -> int:
        """Return the frames from one run of localization augment to the next; 0 for none at all."""
        if self.la in ("every", "off"):
            return int(self.la == "every")
        count = self.la.removeprefix(_KEYFRAME)
        if not (self.la.startswith(_KEYFRAME) and count.isdecimal() and int(count) > 0):
            raise ValueError(f"la {self.la!r} is none of every, off, keyframe:K with K >= 1")
        return int(count)


@dataclass(frozen=True, slots=True)
class SAM2RefinerConfig:
    """The parts of SAM2Refiner; with only `la`, masks stay the decoder's own.

    la: localization augment, None without it.
    pr: prompt retargeting, None without it.
    mr: mask refinement, None without it.
    video: how they work over frames.

    Raises: ValueError if all three parts are None.
    """

    la: LocalizationAugmentConfig | None = field(default_factory=LocalizationAugmentConfig)
    pr: PromptRetargetingConfig | None = field(default_factory=PromptRetargetingConfig)
    mr: MaskRefinementConfig | None = field(default_factory=MaskRefinementConfig)
    video: SAM2RefinerVideo = field(default_factory=SAM2RefinerVideo)

    def __post_init__(self) -> None:
        if self.la is None and self.pr is None and self.mr is None:
            raise ValueError("la, pr and mr are all null; keep one, or use no refiner")


class SAM2Refiner(nn.Module):
    """The whole refiner; shapes derive from the base, which is not part of it.

    Untrained it changes nothing: the embedding's residual and the logits' residual start at zero.
    """

    name = "sam2refiner"
    is_identity = False

    def __init__(self, config: SAM2RefinerConfig, model: Sam2Model):
        super().__init__()
        self.config = config
        self.wants_image_2x = config.la is not None and config.la.source == "native"
        self.plain_memory = config.video.memory_mask == "coarse"
        # Localization augment fuses, and the deepest point of a mask is searched for in a loop.
        self.is_static = config.la is None and config.video.prompt_reuse != "self"
        self.la = None if config.la is None else LocalizationAugment(config.la, model)
        self.pr = None if config.pr is None else PromptRetargeting(config.pr, model)
        self.mr = None if config.mr is None else MaskRefinement(config.mr, model)
        self.head: nn.Sequential | None = None
        if config.mr is None and config.pr is not None:
            self.head = _coarse_head(model.net.hidden_dim)
        self._la_every = config.video.la_every()
        self._gate = gate_for(config.video.memory_mask)

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        """Return the embedding's residual (b c h w) and mask refinement's maps, all batch first."""
        cache: dict[str, Tensor] = {}
        if self.la is not None and self._la_every and frame_idx % self._la_every == 0:
            cache[_DELTA] = self.la(model, features)
        if self.mr is not None:
            cache.update(self.mr.look(features))
        return cache

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, prompts: PromptHistory
    ) -> Float[Tensor, "b c h w"]:
        """Add the residual; a mask prompt that is the prediction leaves its embedding as it is."""
        takes_mask = prompts.now is not None and prompts.now.mask is not None
        if takes_mask or _DELTA not in cache:
            return embedding
        return embedding + cache[_DELTA].to(embedding.dtype)

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, prompts: PromptHistory
    ) -> Decoded:
        """Return mask logits at the model's full size (b 1 S S)."""
        if decoded.state is None or (self.pr is None and self.mr is None):
            return decoded
        side = features.image.shape[-1]
        embedding = decoded.state.embedding
        if self.pr is not None:
            embedding = self.pr(
                decoded.state, decoded.raw_logits, prompts, self.config.video.prompt_reuse, side
            )
        coarse = coarse_base(decoded, side)
        aux: list[Tensor] = []
        if self.mr is not None:
            logits, aux = self.mr(embedding, cache, coarse)
        else:
            assert self.head is not None
            logits = coarse + at_side(self.head(embedding), side)
        return attach(decoded, logits, features, aux=aux, gate=self._gate)


def _coarse_head(dim: int) -> nn.Sequential:
    """Build what stands in for mask refinement: one residual logit per stride-16 cell [ours]."""
    return nn.Sequential(
        nn.Conv2d(dim, dim // 4, 3, padding=1),
        ChannelNorm(dim // 4),
        nn.GELU(),
        zero_init(nn.Conv2d(dim // 4, 1, 1)),
    )
