"""A box answered on a cut-out of the frame: where it lies, and what comes of the answer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.small_nano import small_nano
from vos.errors import CheckpointError
from vos.frame import Frame
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import read_nano_config, save_nano
from vos.model.sam2 import Sam2Model
from vos.prompts.collect import collect
from vos.prompts.kinds import Box, MaskPrompt, ObjectPrompt, Points
from vos.track import zoom
from vos.track.cut_out import CutOut, cut_around, sample
from vos.track.image import ImageSegmenter
from vos.track.session import Session
from vos.track.snapshot import from_bytes, to_bytes
from vos.track.zoom import _keep_to_box, zoom_in

SIZE_HW = (90, 160)
SMALL = Box(1, (70.0, 30.0, 89.0, 49.0))
IMAGE = np.random.default_rng(1).integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


def joined(*prompts: Box | Points) -> ObjectPrompt:
    return collect(prompts, SIZE_HW)[0][1]


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano(box_zoom=2.0)


@given(
    x=st.floats(0, 150),
    y=st.floats(0, 80),
    w=st.floats(3, 150),
    h=st.floats(3, 85),
    times=st.floats(1.2, 4),
)
def test_a_cut_out_lies_in_the_frame_around_its_box(
    x: float, y: float, w: float, h: float, times: float
):
    box = (x, y, min(x + w, 159.0), min(y + h, 89.0))
    cut = cut_around(joined(Box(1, box)), SIZE_HW, times)
    if cut is None:
        assert times * max(box[2] - box[0], box[3] - box[1]) > 80
        return
    assert cut.top >= 0
    assert cut.top + cut.height <= 90
    assert cut.left >= 0
    assert cut.left + cut.width <= 160
    assert (cut.height, cut.width) != SIZE_HW
    (x1, y1), (x2, y2) = joined(Box(1, box)).points_xy_px
    assert cut.left <= x1
    assert x2 <= cut.left + cut.width
    assert cut.top <= y1
    assert y2 <= cut.top + cut.height


@pytest.mark.parametrize(
    ("prompt", "times"),
    [
        (joined(SMALL), 0.0),
        (joined(Points(1, ((5.0, 5.0),), (1,))), 2.0),
        (joined(SMALL, Points(1, ((5.0, 5.0),), (0,))), 2.0),
        (joined(Box(1, (0.0, 0.0, 159.0, 89.0))), 2.0),
    ],
    ids=["not asked for", "no box", "a point elsewhere", "as large as the frame"],
)
def test_the_whole_frame_answers_what_a_cut_out_cannot(prompt: ObjectPrompt, times: float):
    assert cut_around(prompt, SIZE_HW, times) is None


def test_logits_come_back_where_they_were_found():
    cut = CutOut(top=20, left=60, height=40, width=40, size_hw=(90, 160))
    found = torch.full((1, 1, 16, 16), -5.0)
    found[..., 4:8, 8:16] = 5.0
    placed, inside = sample(found, cut, cut.whole, 160)
    logits = torch.where(inside, placed, -5.0)
    full = torch.nn.functional.interpolate(logits, SIZE_HW, mode="nearest")[0, 0]
    rows, columns = (full > 0).nonzero().T
    assert abs(int(rows.min()) - 30) <= 2
    assert abs(int(rows.max()) - 39) <= 2
    assert abs(int(columns.min()) - 80) <= 3
    assert abs(int(columns.max()) - 99) <= 3
    assert bool((full[:, :58] < 0).all())
    assert bool((full[:, 102:] < 0).all())


def test_a_narrow_and_a_wide_square_are_averaged_where_both_are(model: Sam2Model):
    zoomed = zoom_in(Session(model).engine, IMAGE, joined(SMALL))
    assert zoomed is not None
    narrow, wide = zoomed.looks
    assert narrow.cut.width < wide.cut.width
    assert wide.cut.left < narrow.cut.left
    side = zoomed.logits.shape[-1]
    assert side > wide.logits.shape[-1], "as fine as the narrow one"
    seen = [sample(look.logits, look.cut, wide.cut, side) for look in zoomed.looks]
    both = seen[0][1]
    assert bool(both.any())
    assert not bool(both.all())
    mean = (seen[0][0] + seen[1][0]) / 2
    assert torch.allclose(zoomed.logits[both], mean[both], atol=1e-5)
    assert torch.allclose(zoomed.logits[~both], seen[1][0][~both], atol=1e-5)


def test_a_box_whose_wide_square_holds_the_frame_is_answered_on_the_narrow_one(model: Sam2Model):
    square = np.ascontiguousarray(IMAGE[:, :90])
    prompt = collect([Box(1, (20.0, 20.0, 64.0, 64.0))], (90, 90))[0][1]
    zoomed = zoom_in(Session(model).engine, square, prompt)
    assert zoomed is not None
    (look,) = zoomed.looks
    assert look.cut.width == 70
    assert torch.equal(zoomed.logits, look.logits)


def test_the_mask_that_fills_the_box_is_taken(model: Sam2Model, monkeypatch: pytest.MonkeyPatch):
    engine = Session(model).engine
    logits = torch.full((1, 4, 16, 16), -5.0)
    logits[:, 0, 6:10, 6:10] = 5.0
    whole = logits.clone()
    whole[:, 3, 4:12, 4:12] = 5.0
    part = logits.clone()
    part[:, 3, 7:8, 7:8] = 5.0
    decode = zoom.decode_group
    for all_logits, expected in ((whole, whole[:, 3:]), (part, part[:, :1])):
        monkeypatch.setattr(
            zoom,
            "decode_group",
            lambda *args, made=all_logits: [replace(decode(*args)[0], all_logits=made)],
        )
        zoomed = zoom_in(engine, IMAGE, joined(SMALL))
        assert zoomed is not None
        for look in zoomed.looks:
            assert torch.equal(look.logits > 0, expected > 0)


def test_nothing_is_held_far_outside_the_box_unless_it_is_clicked_on():
    everywhere = torch.full((1, 1, 40, 40), 3.0)
    box = torch.tensor([10.0, 10.0, 30.0, 30.0])
    kept = _keep_to_box(everywhere, box, joined(Box(1, (20.0, 20.0, 60.0, 60.0))))[0, 0] > 0
    assert kept[10:30, 10:30].all()
    rows, columns = kept.nonzero().unbind(1)
    for found in (rows, columns):
        assert (int(found.min()), int(found.max())) == (9, 30)
    clicked = joined(Box(1, (20.0, 20.0, 60.0, 60.0)), Points(1, ((70.0, 40.0),), (1,)))
    assert torch.equal(_keep_to_box(everywhere, box, clicked), everywhere)
    other = joined(Box(1, (20.0, 20.0, 60.0, 60.0)), Points(1, ((70.0, 40.0),), (0,)))
    assert not torch.equal(_keep_to_box(everywhere, box, other), everywhere)


def test_a_mirrored_frame_gives_the_mirrored_mask(model: Sam2Model):
    mirrored = Box(1, (70.0, 30.0, 89.0, 49.0))
    one = ImageSegmenter(model, IMAGE).segment([SMALL]).masks[1]
    other = ImageSegmenter(model, np.ascontiguousarray(IMAGE[:, ::-1])).segment([mirrored]).masks[1]
    assert np.mean(one == other[:, ::-1]) > 0.98
    assert one.any()


def frames(count: int) -> list[Frame]:
    return [Frame(IMAGE, Fraction(i, 25), i, f"{i:05d}") for i in range(count)]


def test_a_stream_begins_with_what_a_single_image_gives(model: Sam2Model):
    image = ImageSegmenter(model, IMAGE).segment([SMALL])
    first = next(iter(Session(model, [SMALL]).run(frames(1))))
    assert np.array_equal(first.masks[1], image.masks[1])
    assert first.objects == image.objects
    outside = np.ones(SIZE_HW, dtype=bool)
    outside[18:62, 58:102] = False
    assert not (first.masks[1] & outside).any()


def test_scores_are_those_of_the_cut_out(model: Sam2Model):
    zoomed = zoom_in(Session(model).engine, IMAGE, joined(SMALL))
    decoded = ImageSegmenter(model, IMAGE).decode([SMALL])[1]
    assert zoomed is not None
    assert torch.equal(decoded.score_pair, torch.cat([zoomed.iou_pred, zoomed.object_score], 1)[0])


def test_a_stream_goes_on_exactly_after_its_first_frame(model: Sam2Model):
    whole = list(Session(model, [SMALL]).run(frames(3)))
    begun = Session(model, [SMALL])
    begun.track(frames(1)[0])
    state = from_bytes(to_bytes(begun.snapshot()), model.device)
    assert state.banks[1].first_prompt is not None
    assert state.banks[1].first_prompt.found is None
    resumed = Session(model, [SMALL]).resume(state, SIZE_HW)
    for frame, expected in zip(frames(3)[1:], whole[1:], strict=True):
        assert np.array_equal(resumed.track(frame).label_map, expected.label_map)


def test_more_clicks_correct_the_answer_on_the_same_cut_out(model: Sam2Model):
    segmenter = ImageSegmenter(model, IMAGE)
    segmenter.segment([SMALL])
    click = Points(1, ((80.0, 40.0),), (0,))
    corrected = segmenter.segment([SMALL, click])
    fresh = ImageSegmenter(model, IMAGE).segment([SMALL, click])
    assert not np.array_equal(corrected.masks[1], fresh.masks[1])
    outside = np.ones(SIZE_HW, dtype=bool)
    outside[18:62, 58:102] = False
    assert not (corrected.masks[1] & outside).any()


def test_masks_are_taken_as_they_are(model: Sam2Model):
    mask = np.zeros(SIZE_HW, dtype=bool)
    mask[30:50, 70:90] = True
    with_zoom = ImageSegmenter(model, IMAGE).segment([MaskPrompt(1, mask)])
    without = ImageSegmenter(small_nano(), IMAGE).segment([MaskPrompt(1, mask)])
    assert np.array_equal(with_zoom.masks[1], without.masks[1])


def test_a_weight_file_says_whether_boxes_are_looked_at_closer(tmp_path):
    for times, path in ((1.6, tmp_path / "a.safetensors"), (-1.0, tmp_path / "b.safetensors")):
        save_nano(path, {"x": torch.zeros(1)}, NanoConfig(box_zoom=times), {})
    assert read_nano_config(tmp_path / "a.safetensors").box_zoom == 1.6
    with pytest.raises(CheckpointError, match="box_zoom is -1"):
        read_nano_config(tmp_path / "b.safetensors")
