"""Answer a box on cut-outs of the frame around it, where a small model sees the object large.

Most of what a small network sees of a frame says nothing of a small object. On a square around the
box the same network finds finer borders and fewer wrong objects. The object begins on the whole
frame with the mask that was found there, as if a user had drawn it. There are two squares, a narrow
and a wide one, and each is decoded mirrored as well; the logits of all are averaged. That is four
more images through the encoder, on frames with a new object's box alone. `NanoConfig.box_zoom` says
which models do it, and ADR 7 why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from sam2.modeling.sam2_base import NO_OBJ_SCORE
from torch import Tensor

from vos.model.decoding import resize_logits
from vos.model.mask_prompt import MASK_PROMPT_LOGIT
from vos.model.preprocess import image_to_input
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, Found, ModelPrompt
from vos.prompts.kinds import ObjectPrompt
from vos.refine.base import NoRefiner
from vos.track.cut_out import CutOut, cut_around, sample
from vos.track.engine import EncodedFrame, Engine, look_at
from vos.track.inputs import to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.obeyed_clicks import lift_clicked
from vos.track.policy import StreamPosition
from vos.track.step import decode_group, find_memories

_SQUARES = (0.8, 1.05)
"""Sides of the narrow and the wide square, in those that `NanoConfig.box_zoom` names."""
_SURE = 6.0
"""Logits are cut off here before those of both views are averaged, so that neither view overrules
the other by being certain."""
_OUTSIDE = 0.05
"""How far an object reaches beyond its box at most, in the box's sides: boxes are drawn by hand."""
_LARGEST_PX = 1024
"""The most pixels per side of the logits on the whole frame, which are otherwise as fine as those
of the cut-out."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found on one cut-out, which is looked at as it is, and mirrored.

    cut: where it lies in the frame.
    views: the two images, encoded.
    raw_logits: of the mask in each view as the decoder gave it, mirrored in the second one.
    logits: on the cut-out, the mean of both views.
    iou_pred, object_score: the mean of both views.
    present_above: the object is absent at this score or a lower one.
    """

    cut: CutOut
    views: tuple[EncodedFrame, EncodedFrame]
    raw_logits: tuple[Float[Tensor, "1 1 r r"], Float[Tensor, "1 1 r r"]]
    logits: Float[Tensor, "1 1 r r"]
    iou_pred: Float[Tensor, "1 1"]
    object_score: Float[Tensor, "1 1"]
    present_above: float


@dataclass(frozen=True, slots=True)
class Zoomed:
    """What was found on all cut-outs.

    looks: at each of them, the widest last.
    logits: on the widest, the mean of all; `NO_OBJ_SCORE` where the object is absent.
    iou_pred, object_score: the mean of all.
    """

    looks: tuple[Look, ...]
    logits: Float[Tensor, "1 1 s s"]
    iou_pred: Float[Tensor, "1 1"]
    object_score: Float[Tensor, "1 1"]


def zoom_in(
    engine: Engine,
    image: UInt8[np.ndarray, "h w 3"],
    prompt: ObjectPrompt,
    before: Zoomed | None = None,
) -> Zoomed | None:
    """Answer a box, and points beside it, on cut-outs of the frame; None where there are none.

    before: what the prompt without its newest points gave. On the same cut-outs, they correct it.
    """
    size_hw, zoom = (image.shape[0], image.shape[1]), engine.model.box_zoom
    cuts = [cut_around(prompt, size_hw, zoom * side) for side in _SQUARES]
    known = {} if before is None else {look.cut: look for look in before.looks}
    # A refiner has learnt on whole frames; here it makes masks worse.
    engine = replace(engine, refiner=NoRefiner())
    looks = tuple(
        _look_closer(engine, image, cut, prompt, known.get(cut)) for cut in cuts if cut is not None
    )
    if not looks:
        return None
    score = torch.stack([look.object_score for look in looks]).mean(0)
    is_absent = (score <= looks[-1].present_above)[..., None, None]
    return Zoomed(
        looks,
        torch.where(is_absent, NO_OBJ_SCORE, _join(looks)),
        torch.stack([look.iou_pred for look in looks]).mean(0),
        score,
    )


def _look_closer(
    engine: Engine,
    image: UInt8[np.ndarray, "h w 3"],
    cut: CutOut,
    prompt: ObjectPrompt,
    before: Look | None,
) -> Look:
    """Answer a box, and points beside it, on one cut-out. before: an answer that they correct."""
    if before is not None:
        views, previous = before.views, before.raw_logits
    else:
        views, previous = _encode(engine, cut.crop(image)), (None, None)
    moved = cut.move(prompt)
    given = to_model_prompt(moved, (cut.height, cut.width), engine.model)
    found = [
        _decode(engine, view, prompt.object_id, replace(one, previous=earlier))
        for view, one, earlier in zip(
            views, (given, _mirror(given, engine.model.image_size)), previous, strict=True
        )
    ]
    # The decoder's single mask, and its last alternative where that fills the box better. A mask
    # that is being corrected was chosen before: the single mask follows it and the points.
    candidates = [0] if before is not None else [0, -1]
    joined = {i: _agree([one.all_logits[:, i, None] for one in found]) for i in candidates}
    assert given.points_xy is not None
    assert given.labels is not None
    keys = views[0].features.keys
    if keys is not None:
        points = given.points_xy / engine.model.image_size
        joined = {i: lift_clicked(one, points, given.labels, keys) for i, one in joined.items()}
    corners = torch.from_numpy(moved.points_xy_px[:2]).flatten()
    box = corners / torch.tensor(2 * [cut.width, cut.height]) * joined[0].shape[-1]
    chosen = max(candidates, key=lambda i: _fit(joined[i][0] > 0, box))
    return Look(
        cut,
        views,
        (found[0].all_logits[:, chosen, None], found[1].all_logits[:, chosen, None]),
        _keep_to_box(joined[chosen], box, moved),
        (found[0].all_iou_pred[:, chosen, None] + found[1].all_iou_pred[:, chosen, None]) / 2,
        (found[0].object_score + found[1].object_score) / 2,
        found[0].present_above,
    )


def to_prompt(zoomed: Zoomed, model: Sam2Model) -> ModelPrompt:
    """Return what was found as a mask prompt on the whole frame."""
    widest = zoomed.looks[-1].cut
    finer = max(widest.size_hw[0] / widest.height, widest.size_hw[1] / widest.width)
    side = min(_LARGEST_PX, round(zoomed.logits.shape[-1] * finer))
    placed, inside = sample(zoomed.logits, widest, widest.whole, side)
    logits = torch.where(inside, placed, -MASK_PROMPT_LOGIT)
    mask = (logits > 0).float()
    if mask.shape[-1] != model.image_size:
        mask = resize_logits(mask, (model.image_size, model.image_size), antialias=True)
    return ModelPrompt(
        mask=(mask >= 0.5).float(), found=Found(logits, zoomed.iou_pred, zoomed.object_score)
    )


def _encode(engine: Engine, crop: UInt8[np.ndarray, "h w 3"]) -> tuple[EncodedFrame, EncodedFrame]:
    """Encode a cut-out and its mirror image, in one batch."""
    model, at = engine.model, StreamPosition(0)
    pixels = image_to_input(crop, model.image_size, model.device)
    features = model.encode_image(torch.cat([pixels, pixels.flip(-1)]))
    return look_at(engine, features.row(0), at), look_at(engine, features.row(1), at)


def _decode(engine: Engine, view: EncodedFrame, object_id: int, given: ModelPrompt) -> Decoded:
    """Decode an object of one view, which has no memories."""
    one = find_memories(engine, view.at, object_id, MemoryBank(), given)
    return decode_group(engine, view, [one])[0]


def _mirror(prompt: ModelPrompt, size: int) -> ModelPrompt:
    """Return a box and points as they lie in the mirrored image, the upper left corner first.

    The prompt's segments are left out: refiners alone read them, and none is at work here.
    """
    assert prompt.points_xy is not None
    x, y = prompt.points_xy.unbind(-1)
    x = size - 1 - x
    x = torch.cat([x[:, :2].flip(1), x[:, 2:]], dim=1)
    return replace(
        prompt, points_xy=torch.stack([x, y], dim=-1), segments=None, segment_labels=None
    )


def _agree(views: Sequence[Float[Tensor, "1 1 r r"]]) -> Float[Tensor, "1 1 r r"]:
    """Return the mean of both views' logits, each cut off at `_SURE`, as the first view lies."""
    image, mirrored = (logits.float().clamp(-_SURE, _SURE) for logits in views)
    return (image + mirrored.flip(-1)) / 2


def _join(looks: Sequence[Look]) -> Float[Tensor, "1 1 s s"]:
    """Return the mean of the looks' logits on the widest cut-out, as fine as on the narrowest."""
    if len(looks) == 1:
        return looks[0].logits
    least, onto = looks[0].cut, looks[-1].cut
    finer = max(onto.height / least.height, onto.width / least.width)
    side = round(looks[0].logits.shape[-1] * finer)
    parts = [sample(look.logits, look.cut, onto, side) for look in looks]
    total = torch.stack([logits * inside for logits, inside in parts]).sum(0)
    return total / torch.stack([inside for _, inside in parts]).sum(0).clamp(min=1)


def _fit(mask: Bool[Tensor, "1 s s"], box: Float[Tensor, 4]) -> float:
    """Return the IoU of a mask's bounding box and a box, both in the mask's pixels."""
    rows, columns = mask[0].any(1).nonzero(), mask[0].any(0).nonzero()
    if not len(rows):
        return 0.0
    x1, y1, x2, y2 = box.tolist()
    left, right = float(columns[0]), float(columns[-1]) + 1
    top, bottom = float(rows[0]), float(rows[-1]) + 1
    shared = max(0.0, min(right, x2) - max(left, x1)) * max(0.0, min(bottom, y2) - max(top, y1))
    total = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - shared
    return shared / total


def _keep_to_box(
    logits: Float[Tensor, "1 1 s s"], box: Float[Tensor, 4], prompt: ObjectPrompt
) -> Float[Tensor, "1 1 s s"]:
    """Return logits that hold nothing far outside the box, unless a click there says otherwise.

    box: in pixels of the logits. prompt: the box and its points, in pixels of the cut-out.
    """
    first, last = prompt.points_xy_px[:2]
    room = _OUTSIDE * (last - first)
    clicks = prompt.points_xy_px[2:][np.asarray(prompt.labels[2:]) == 1]
    if ((clicks < first - room) | (clicks > last + room)).any():
        return logits
    place = torch.arange(logits.shape[-1]) + 0.5
    left, top, right, bottom = box.tolist()
    wide, high = _OUTSIDE * (right - left), _OUTSIDE * (bottom - top)
    across = (place > left - wide) & (place < right + wide)
    down = (place > top - high) & (place < bottom + high)
    inside = (down[:, None] & across).to(logits.device)
    return torch.where(inside, logits, logits.clamp(max=-_SURE))
