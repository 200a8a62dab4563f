"""Find all objects of an image: a grid of points, and only the good masks of them, each once.

The steps and their order are those of SAM 2's automatic mask generator: every point of the grid is
a prompt with three alternatives; masks that the model calls poor, and masks that change with the
threshold, go; of masks whose boxes are nearly the same, the best stays. With crops the same is done
on parts of the image, whose masks are preferred to those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from vos.errors import Parameter, UsageError
from vos.model.decoding import resize_logits
from vos.model.preprocess import image_to_input
from vos.model.registry import EMBEDDED
from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt

_OVERLAP = 512 / 1500
"""Of neighbouring crops, as a part of the image's shorter side."""
_EDGE_PX = 20.0
"""A mask that ends this near to a crop's edge is cut by it."""
_PIXELS_AT_ONCE = 2**24
_POINTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Everything:
    """What is looked for, and which masks are kept; the defaults are SAM 2's.

    points: of the grid along one side.
    min_iou: a mask's predicted IoU must be higher.
    min_stability: IoU of the masks at a logit of 1 and of -1, at least.
    max_overlap: box IoU above which two masks are the same object.
    crops: how many times the image is divided besides, into 4, 16, ... parts.

    Raises UsageError for values that no image could be looked at with.
    """

    points: int = 32
    min_iou: float = 0.8
    min_stability: float = 0.95
    max_overlap: float = 0.7
    crops: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (("points", 1, 128), ("crops", 0, 3)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise UsageError(
                    Parameter(name, value), f": it is a whole number from {least} to {most}"
                )
        for name in ("min_iou", "min_stability", "max_overlap"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UsageError(Parameter(name, value), ": it lies between 0 and 1")


def suit_model(name: str) -> Everything:
    """Return SAM 2's own values, or lower ones for the embedded model, whose masks are softer.

    name: of the model, as the registry has it.
    """
    return Everything(min_iou=0.6, min_stability=0.7) if name == EMBEDDED else Everything()


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image in pixels: its first column and row, and those behind its last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size_hw(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        return self.bottom - self.top, self.right - self.left


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object of an image, with its logits and no mask, so that hundreds fit into memory.

    logits: at the model's mask size, of the crop.
    box_xyxy_px: first and last column and row of the mask in the image.
    point_xy_px: the point of the grid that found it.
    iou_pred, stability: how good the mask is said to be.
    crop: where it was found.
    """

    logits: Float[Tensor, "r r"]
    box_xyxy_px: tuple[int, int, int, int]
    point_xy_px: tuple[float, float]
    iou_pred: float
    stability: float
    crop: Crop

    def mask(self, size_hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """Return the mask in an image of this size."""
        mask = np.zeros(size_hw, dtype=bool)
        inside = resize_logits(self.logits[None, None], self.crop.size_hw)[0, 0] > 0
        crop = self.crop
        mask[crop.top : crop.bottom, crop.left : crop.right] = inside.cpu().numpy()
        return mask


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Masks of one crop, a row each. boxes: in the crop."""

    logits: Float[Tensor, "n r r"]
    iou_pred: Float[Tensor, " n"]
    stability: Float[Tensor, " n"]
    boxes: Int[Tensor, "n 4"]
    points: Float[Tensor, "n 2"]

    def keep(self, which: Tensor) -> _Candidates:
        return _Candidates(
            self.logits[which],
            self.iou_pred[which],
            self.stability[which],
            self.boxes[which],
            self.points[which],
        )

    @classmethod
    def join(cls, parts: list[_Candidates]) -> _Candidates:
        return cls(
            torch.cat([one.logits for one in parts]),
            torch.cat([one.iou_pred for one in parts]),
            torch.cat([one.stability for one in parts]),
            torch.cat([one.boxes for one in parts]),
            torch.cat([one.points for one in parts]),
        )


@torch.inference_mode()
def find_everything(
    model: Sam2Model,
    image: UInt8[np.ndarray, "h w 3"],
    wanted: Everything | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[FoundObject]:
    """Find the objects of an image, those of the highest predicted IoU first in each crop.

    wanted: None for SAM 2's own values. dtype: float32, or bfloat16 for mixed precision.
    """
    wanted = wanted or Everything()
    size_hw = (image.shape[0], image.shape[1])
    crops = make_crops(size_hw, wanted.crops)
    found: list[FoundObject] = []
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        for crop in crops:
            found += _look_at_crop(model, image, crop, wanted)
    if len(crops) == 1 or not found:
        return found
    boxes = torch.tensor([one.box_xyxy_px for one in found], dtype=torch.float32)
    areas = torch.tensor([math.prod(one.crop.size_hw) for one in found], dtype=torch.float32)
    kept = _choose_apart(boxes, 1 / areas, wanted.max_overlap)
    return [found[i] for i in kept.tolist()]


def make_crops(size_hw: tuple[int, int], layers: int) -> list[Crop]:
    """Return the whole image, then its parts: 4 in the first layer, 16 in the second."""
    height, width = size_hw
    crops = [Crop(0, 0, width, height)]
    for count in (2**layer for layer in range(1, layers + 1)):
        overlap = int(_OVERLAP * min(size_hw) * (2 / count))
        wide = math.ceil((overlap * (count - 1) + width) / count)
        high = math.ceil((overlap * (count - 1) + height) / count)
        for column, row in product(range(count), range(count)):
            left, top = column * (wide - overlap), row * (high - overlap)
            crops.append(Crop(left, top, min(left + wide, width), min(top + high, height)))
    return crops


def _look_at_crop(
    model: Sam2Model, image: UInt8[np.ndarray, "h w 3"], crop: Crop, wanted: Everything
) -> list[FoundObject]:
    size_hw = (image.shape[0], image.shape[1])
    part = np.ascontiguousarray(image[crop.top : crop.bottom, crop.left : crop.right])
    candidates = _Candidates.join(list(_candidates(model, part, crop, size_hw, wanted)))
    kept = _choose_apart(candidates.boxes.float(), candidates.iou_pred, wanted.max_overlap)
    best = candidates.keep(kept)
    boxes = best.boxes.cpu() + torch.tensor([crop.left, crop.top, crop.left, crop.top])
    points = best.points.cpu() + torch.tensor([crop.left, crop.top])
    return [
        FoundObject(
            logits=best.logits[row].clone(),  # not a view that keeps the others
            box_xyxy_px=tuple(boxes[row].tolist()),
            point_xy_px=tuple(points[row].tolist()),
            iou_pred=best.iou_pred[row].item(),
            stability=best.stability[row].item(),
            crop=crop,
        )
        for row in range(len(best.iou_pred))
    ]


def _choose_apart(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], max_overlap: float
) -> Int[Tensor, " m"]:
    """Return which boxes to keep, best first: of those that overlap more, the best one."""
    from torchvision.ops import batched_nms  # takes a second to load, which few need

    return batched_nms(boxes, scores, torch.zeros_like(scores), max_overlap)


def _candidates(
    model: Sam2Model,
    part: UInt8[np.ndarray, "h w 3"],
    crop: Crop,
    size_hw: tuple[int, int],
    wanted: Everything,
) -> Iterator[_Candidates]:
    """Yield the good masks of each batch of points, those cut by a crop's edge left out."""
    height, width = part.shape[:2]
    features = model.encode_image(image_to_input(part, model.image_size, model.device))
    embedding = model.condition(features, [], prompted=True)
    grid = (torch.from_numpy(_grid(wanted.points)) * torch.tensor([width, height])).float()
    for points in grid.split(_POINTS_AT_ONCE):
        rows = len(points)
        scaled = points / torch.tensor([width, height]) * model.image_size
        labels = torch.ones(rows, 1, dtype=torch.int32, device=model.device)
        decoded = model.decode(
            embedding.expand(rows, -1, -1, -1),
            features,
            ModelPrompt(points_xy=scaled[:, None].to(model.device), labels=labels),
            first=True,
        )
        logits = decoded.all_logits[:, 1:].float()
        alternatives = logits.shape[1]
        iou_pred = decoded.all_iou_pred[:, 1:].flatten().float()
        good = (iou_pred > wanted.min_iou).nonzero()[:, 0]
        logits, iou_pred = logits.flatten(0, 1)[good], iou_pred[good]
        of_points = points.to(model.device).repeat_interleave(alternatives, dim=0)[good]
        stability, boxes = _measure(logits, (height, width))
        kept = stability >= wanted.min_stability
        kept &= ~_is_cut(boxes, crop, size_hw)
        whole = _Candidates(logits, iou_pred, stability, boxes, of_points)
        yield whole.keep(kept)


def _grid(count: int) -> Float[np.ndarray, "n 2"]:
    """Return points in the middle of `count` x `count` cells, row by row, as fractions."""
    along = np.linspace(1 / (2 * count), 1 - 1 / (2 * count), count)
    return np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)


def _measure(
    logits: Float[Tensor, "n r r"], size_hw: tuple[int, int]
) -> tuple[Float[Tensor, " n"], Int[Tensor, "n 4"]]:
    """Return stability and box of each mask, a few at a time at the image's size."""
    at_once = max(1, _PIXELS_AT_ONCE // (size_hw[0] * size_hw[1]))
    stability = [logits.new_zeros(0)]
    boxes = [torch.zeros(0, 4, dtype=torch.int64, device=logits.device)]
    for few in logits.split(at_once):
        fine = resize_logits(few[:, None], size_hw)[:, 0]
        inner = (fine > 1).sum((-2, -1), dtype=torch.int32)
        outer = (fine > -1).sum((-2, -1), dtype=torch.int32)
        stability.append(inner / outer)  # nan for none, which is not stable
        boxes.append(_boxes(fine > 0))
    return torch.cat(stability), torch.cat(boxes)


def _boxes(masks: Bool[Tensor, "n h w"]) -> Int[Tensor, "n 4"]:
    """Return first and last column and row of each mask; zeros for an empty one."""
    columns, rows = masks.any(dim=1).int(), masks.any(dim=2).int()
    right = columns.shape[1] - 1 - columns.flip(1).argmax(dim=1)
    bottom = rows.shape[1] - 1 - rows.flip(1).argmax(dim=1)
    boxes = torch.stack([columns.argmax(dim=1), rows.argmax(dim=1), right, bottom], dim=1)
    return boxes * columns.any(dim=1)[:, None]


def _is_cut(boxes: Int[Tensor, "n 4"], crop: Crop, size_hw: tuple[int, int]) -> Bool[Tensor, " n"]:
    """Tell which boxes end at the crop's edge, where that is not the image's."""
    edges = torch.tensor([crop.left, crop.top, crop.right, crop.bottom], device=boxes.device)
    image = torch.tensor([0, 0, size_hw[1], size_hw[0]], device=boxes.device)
    placed = boxes + edges[[0, 1, 0, 1]]
    at_edge = ((placed - edges).abs() <= _EDGE_PX) & ~((placed - image).abs() <= _EDGE_PX)
    return at_edge.any(dim=1)
