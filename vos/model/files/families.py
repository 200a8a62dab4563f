"""Networks that vos does not run but can name by the names of their tensors."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_SAM3_GATED = (
    "gated: ask for access at huggingface.co/facebook/sam3, then get it with "
    "`hf download facebook/sam3 sam3.pt`"
)
_APACHE = "Apache-2.0"
SAM3_LICENCE = "SAM License"
SAM3_SOURCE = "facebook/sam3"


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of network, known by its tensors' names.

    title: what it is and why it is of no use here, for people.
    marks: it has a tensor that begins with each of these.
    licence: of the published weights; None where we do not know.
    source: where they are published.
    input_px: side of its input.
    notes: what to do instead, and what else is known.
    """

    title: str
    marks: tuple[str, ...]
    licence: str | None = None
    source: str | None = None
    input_px: int | None = None
    notes: tuple[str, ...] = ()

    def fits(self, names: Collection[str]) -> bool:
        return all(any(name.startswith(mark) for name in names) for mark in self.marks)


_SAM31 = (
    "SAM 3.1 multiplex: other modules, not supported",
    SAM3_LICENCE,
    "facebook/sam3.1",
    1008,
    ("16 objects share one decoder, and memories are four times as wide as SAM 2's",),
)
SAM3_NOTES = (
    "what runs is its tracker: SAM 2.1's modules under other names at stride 14; the detector of "
    "objects by words is left out",
    _SAM3_GATED,
)

# The first that fits counts, so what is special comes before what is general.
FAMILIES = (
    Family(_SAM31[0], ("tracker.model.",), *_SAM31[1:]),
    Family(_SAM31[0], ("tracker_model.interactive_",), *_SAM31[1:]),
    Family(
        "SAM 3 with its tracker, but incomplete: get sam3.pt again",
        ("detector.", "tracker."),
        SAM3_LICENCE,
        SAM3_SOURCE,
        1008,
        SAM3_NOTES,
    ),
    Family(
        "SAM 3 in the form of transformers: not supported, give sam3.pt instead",
        ("detector_model.", "tracker_model."),
        SAM3_LICENCE,
        SAM3_SOURCE,
        1008,
        SAM3_NOTES,
    ),
    Family(
        "SAM 3's detector without its tracker: not supported",
        ("detector.backbone.vision_backbone.",),
        SAM3_LICENCE,
        SAM3_SOURCE,
        1008,
        (_SAM3_GATED,),
    ),
    Family(
        "EdgeTAM in the form of transformers: not supported",
        ("spatial_perceiver.", "vision_encoder."),
        _APACHE,
        "facebook/EdgeTAM",
        1024,
        ("get the .pt file instead: `vos models pull edgetam`",),
    ),
    Family(
        "SAM 2 or a relative in the form of transformers: not supported",
        ("vision_encoder.", "mask_decoder.", "memory_encoder."),
        notes=("get the .pt file of the same model instead: `vos models list` has SAM 2's",),
    ),
    Family(
        "HQ-SAM, for single images: not supported",
        ("mask_decoder.hf_token.", "image_encoder."),
        _APACHE,
        input_px=1024,
    ),
    Family(
        "SAM, the first, for single images: not supported",
        ("mask_decoder.iou_token.", "image_encoder.", "prompt_encoder."),
        _APACHE,
        input_px=1024,
        notes=("SAM 2 does single images too",),
    ),
    Family("Cutie: not supported", ("pixel_encoder.", "mask_encoder.", "object_transformer.")),
    Family("XMem or a relative: not supported", ("key_encoder.", "value_encoder.")),
)


def find_family(names: Collection[str]) -> Family | None:
    """Find the network that has tensors of these names."""
    return next((family for family in FAMILIES if family.fits(names)), None)
