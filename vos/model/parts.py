"""What may take the place of a model's parts: compiled ones, or a way for steady frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from jaxtyping import Float, UInt8
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.model.types import Decoded, FrameFeatures, MemoryEntry, Recall

Refine = Callable[..., Decoded]
"""(decoded, features, whatever else it reads) -> the refined prediction, of several objects."""

P = ParamSpec("P")
R = TypeVar("R")


class FastPath(Protocol):
    """A quicker way for work that is the same on every frame."""

    @property
    def encode(self) -> Callable[[UInt8[Tensor, "b h w 3"]], FrameFeatures] | None:
        """Return what resizes images on the device and encodes them; None for no quicker way."""
        ...

    def fits(self, features: FrameFeatures, recalls: Sequence[Recall]) -> bool:
        """Tell whether `condition` and `track` know these recalls, which are of equal `shape`."""
        ...

    def condition(
        self, features: FrameFeatures, recalls: Sequence[Recall]
    ) -> Float[Tensor, "r c h w"]:
        """Attend as `Sam2Model.condition` does."""
        ...

    def track(
        self,
        features: FrameFeatures,
        recalls: Sequence[Recall],
        frame_idx: int,
        refine: Refine | None,
        beside: tuple[Any, ...],
    ) -> tuple[Decoded, MemoryEntry] | None:
        """Condition, decode, refine and remember, without the decoder's state.

        refine: None for no refiner. beside: what it reads beside prediction and features. Returns
        None where refiners are not a part of it.
        """
        ...

    def quicken(self, work: Callable[P, R], name: str, /) -> Callable[P, R]:
        """Return a quicker form of a function of tensors that never waits for a value."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The network's large parts as functions, so that compiled ones can take their place.

    image_encoder, memory_encoder: as the modules of these names.
    decoder_transformer: the mask decoder's two-way transformer.
    """

    image_encoder: Callable[..., Any]
    memory_encoder: Callable[..., Any]
    decoder_transformer: Callable[..., Any]

    @classmethod
    def of(cls, net: SAM2Base) -> Parts:
        """Return the modules themselves."""
        return cls(net.image_encoder, net.memory_encoder, net.sam_mask_decoder.transformer)
