"""SAM-REF (arXiv 2408.11535): a light net re-fuses image, prompts and mask after every decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures
from vos.refine.base import FrameCache, PromptHistory
from vos.refine.memory_gate import MemoryMask, at_side, attach, coarse_base, gate_for
from vos.refine.prompt_map import LOGIT_SCALE, PromptMap, PromptMapConfig
from vos.refine.prompt_reuse import PromptReuse, check_prompt_reuse, standing_prompt
from vos.refine.samref.net import FusionNet
from vos.refine.samref.regions import changed_box, crop, paste

BOX_GROWTH = 1.4
MIN_BOX_SIDE = 1 / 8
_IMAGE, _ENCODED, _ENCODED_LOCAL = "samref_image", "samref_encoded", "samref_encoded_local"
_CLICKS = 2  # channels of the map before the mask


@dataclass(frozen=True, slots=True)
class SamRefConfig:
    """The options of SAM-REF.

    radius_px: of click disks, at a map of side 256.
    blocks: residual blocks per net.
    local: refine once more on a crop.
    theta: the selector's threshold on the growth of the error map between two clicks.
    above_theta: what the crop is pasted on where it grew by more, the "previous" mask or the
        "global" refinement; else the other.
    prompt_reuse: as SAM2Refiner's, on tracked frames.
    memory_mask: what the memory sees, "refined" where the gate agrees, or "coarse".

    Raises: ValueError for no blocks or another `prompt_reuse`.
    """

    radius_px: float = 3.0
    blocks: int = 5
    local: bool = True
    theta: float = 1.1
    above_theta: Literal["previous", "global"] = "previous"
    prompt_reuse: PromptReuse = "first_frame"
    memory_mask: MemoryMask = "refined"

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"blocks {self.blocks} is not positive; the paper has 5")
        check_prompt_reuse(self.prompt_reuse)


class SamRef(nn.Module):
    """A global refiner, a local one on the region that changed, and the selector between them.

    Both refiners blend: sigmoid(E) M' + (1 - sigmoid(E)) M, with E the error map, M the mask given
    and M' the new one. All masks are logits, and M' = M + R with the residual R starting at zero,
    so the blend is M + sigmoid(E) R and an untrained refiner changes nothing. A click costs two
    passes of a small net; everything that needs the image alone is cached per frame.
    """

    name = "samref"
    is_identity = False
    is_static = False
    wants_image_2x = False
    plain_memory = False

    def __init__(self, config: SamRefConfig, model: Sam2Model):
        super().__init__()
        self.config = config
        self.map = PromptMap(PromptMapConfig(radius_px=config.radius_px, mask_as="logit"))
        self.whole = FusionNet(model, blocks=config.blocks, image_stride=2)
        self.local: FusionNet | None = None
        if config.local:
            # The crop is taken at stride-4 size already, with the image's own pixels.
            self.local = FusionNet(model, blocks=config.blocks, image_stride=1)
        self._gate = gate_for(config.memory_mask)

    def augment(self, model: Sam2Model, features: FrameFeatures, frame_idx: int) -> FrameCache:
        """Return what the image alone decides, at stride 4, batch first."""
        cache = {
            _IMAGE: self.whole.look_image(features.image),
            _ENCODED: self.whole.encode(features),
        }
        if self.local is not None:
            cache[_ENCODED_LOCAL] = self.local.encode(features)
        return cache

    def fuse(
        self, embedding: Float[Tensor, "b c h w"], cache: FrameCache, prompts: PromptHistory
    ) -> Float[Tensor, "b c h w"]:
        """Return the embedding as it is: this refiner works after decoding."""
        return embedding

    def refine(
        self, decoded: Decoded, features: FrameFeatures, cache: FrameCache, prompts: PromptHistory
    ) -> Decoded:
        """Return mask logits at full size (b 1 S S) and the global error map at stride 4.

        The image encoder does not run. In training mode `aux_logits` holds the global mask at
        stride 4, so that the global refiner learns beside the local one.
        """
        if decoded.state is None:
            return decoded
        side, coarse = features.image.shape[-1], decoded.raw_logits.detach()
        drawn = self.map(
            standing_prompt(prompts, self.config.prompt_reuse, coarse, side),
            coarse,
            image_size=side,
            batch=decoded.raw_logits.shape[0],
            device=decoded.raw_logits.device,
        )
        residual, error = self.whole(cache[_IMAGE], drawn, cache[_ENCODED])
        change = error.sigmoid() * residual
        refined = coarse_base(decoded, side) + at_side(change, side)
        aux = []
        if self.training and self.local is not None:
            aux = [coarse_base(decoded, change.shape[-1]) + change]
        if self.local is not None:
            refined = self._locally(
                self.local, refined, drawn, error, features, cache[_ENCODED_LOCAL], prompts.before
            )
        return attach(decoded, refined, features, aux=aux, error=error, gate=self._gate)

    def _locally(
        self,
        net: FusionNet,
        refined: Float[Tensor, "b 1 s s"],
        drawn: Float[Tensor, "b 3 h4 w4"],
        error: Float[Tensor, "b 1 h4 w4"],
        features: FrameFeatures,
        encoded: Float[Tensor, "_ w h4 w4"],
        before: Decoded | None,
    ) -> Float[Tensor, "b 1 s s"]:
        """Refine `refined` once more where it changed, on the canvas that the selector chooses.

        That is where it changed since `before`, or at the first click the mask's box.
        """
        side, quarter = refined.shape[-1], drawn.shape[-1]
        given = refined.detach()
        earlier = None if before is None else before.output_logits.detach()
        with torch.no_grad():
            boxes = changed_box(
                at_side(given, quarter)[:, 0] > 0,
                None if earlier is None else at_side(earlier, quarter)[:, 0] > 0,
                side,
                grow=BOX_GROWTH,
                min_side=MIN_BOX_SIDE,
            )
        mask = (crop(given, boxes, side, quarter) / LOGIT_SCALE).clamp(-1, 1)
        clicks = crop(drawn[:, :_CLICKS], boxes, side, quarter)
        residual, local_error = net(
            net.look_image(crop(features.image, boxes, side, quarter)),
            torch.cat([clicks, mask], dim=1),
            crop(encoded, boxes, side, quarter),
        )
        change, inside = paste(local_error.sigmoid() * residual, boxes, side)
        canvas = refined
        if before is not None and before.error_logits is not None and earlier is not None:
            keeps = self.keeps_previous(error, before)[:, None, None, None]
            canvas = torch.where(keeps, at_side(earlier, side), refined)
        return torch.where(inside, refined + change, canvas)

    def keeps_previous(self, error: Float[Tensor, "b 1 h4 w4"], before: Decoded) -> Tensor:
        """Tell per row whether to paste on the previous mask, rather than the global refinement.

        It compares the number of cells that the error maps of the two clicks call wrong. Without
        any, or where the object was absent before, the global refinement stays.
        """
        assert before.error_logits is not None
        now, then = ((e > 0).flatten(1).sum(dim=1) for e in (error, before.error_logits))
        grew = now > self.config.theta * then
        keeps = grew if self.config.above_theta == "previous" else ~grew
        return keeps & (now + then > 0) & (before.object_score[:, 0] > 0)
