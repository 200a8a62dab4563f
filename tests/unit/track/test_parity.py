"""The gate: our session equals SAM2VideoPredictor bit for bit (fp32, CPU, random weights)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.unit.track.official import Pair, ask, build_pair, propagate, write_clip
from vos.model.networks.published import build_sam2
from vos.prompts import Box, MaskPrompt, Points
from vos.track.compose import label_map, resize_to_video
from vos.track.session import Session

SIZE_HW = (90, 120)

pytestmark = pytest.mark.filterwarnings("ignore")  # the official package's own warnings


@pytest.fixture(scope="module")
def pair() -> Pair:
    return build_pair(128)


def _mask(size_hw: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size_hw, dtype=bool)
    mask[size_hw[0] // 9 : size_hw[0] // 2, size_hw[1] // 6 : size_hw[1] // 2] = True
    return mask


def _click(object_id: int, frame_idx: int = 0) -> Points:
    return Points(object_id, ((60.5, 40.0),), (1,), frame_idx)


def _our_logits(session: Session, frames, size_hw) -> dict[int, torch.Tensor]:
    out = {}
    for frame in frames:
        objects = session.decode(frame)
        out[frame.frame_idx] = torch.stack(
            [resize_to_video(objects[i].logits, size_hw)[0, 0] for i in sorted(objects)]
        )
    return out


@pytest.mark.parametrize(
    ("count", "kinds"),
    [(22, ("click", "mask", "box")), (12, ("box", "click")), (2, ("box",))],
)
def test_logits_equal_the_official_predictor(pair, tmp_path, count, kinds):
    frames = write_clip(tmp_path, count, SIZE_HW)
    make = {
        "click": _click,
        "mask": lambda i: MaskPrompt(i, _mask(SIZE_HW)),
        "box": lambda i: Box(i, (30.0, 20.0, 90.5, 70.0)),
    }
    prompts = [make[kind](i) for i, kind in enumerate(kinds, start=1)]
    state = pair.predictor.init_state(str(tmp_path))
    ask(pair.predictor, state, prompts)
    theirs = propagate(pair.predictor, state)
    ours = _our_logits(Session(pair.model, prompts, frame_count=count), frames, SIZE_HW)
    assert sorted(ours) == sorted(theirs) == list(range(count))
    for index in range(count):
        assert torch.equal(ours[index], theirs[index]), f"frame {index} differs"


def test_unknown_length_changes_nothing_from_16_frames_on(tiny_model, tmp_path):
    frames = write_clip(tmp_path, 20, SIZE_HW)
    known = _our_logits(Session(tiny_model, [_click(1)], frame_count=20), frames, SIZE_HW)
    unknown = _our_logits(Session(tiny_model, [_click(1)]), frames, SIZE_HW)
    assert all(torch.equal(known[i], unknown[i]) for i in known)


def test_backward_equals_official_reverse(pair, tmp_path):
    frames = write_clip(tmp_path, 9, SIZE_HW)
    prompts = [Box(1, (30.0, 20.0, 90.0, 70.0), frame_idx=8)]
    state = pair.predictor.init_state(str(tmp_path))
    ask(pair.predictor, state, prompts)
    theirs = propagate(pair.predictor, state, start_frame_idx=8, reverse=True)
    session = Session(pair.model, prompts, frame_count=9, reverse=True)
    ours = _our_logits(session, frames[::-1], SIZE_HW)
    assert all(torch.equal(ours[i], theirs[i]) for i in range(9))


def test_correction_equals_official_click_on_a_tracked_frame(pair, tmp_path):
    """Official flow: propagate to the end, click on frame 4, propagate again from there.

    `add_all_frames_to_correct_as_cond` makes the official predictor keep the correction, which
    is our only behaviour (docs/adr/0001).
    """
    frames = write_clip(tmp_path, 10, SIZE_HW)
    first, correction = _click(1), Points(1, ((20.0, 70.0),), (0,), frame_idx=4)
    state = pair.predictor.init_state(str(tmp_path))
    pair.predictor.add_all_frames_to_correct_as_cond = True
    try:
        ask(pair.predictor, state, [first])
        before = propagate(pair.predictor, state)
        ask(pair.predictor, state, [correction])
        after = propagate(pair.predictor, state, start_frame_idx=4)
    finally:
        pair.predictor.add_all_frames_to_correct_as_cond = False
    session = Session(pair.model, [first, correction], frame_count=10)
    ours = _our_logits(session, frames, SIZE_HW)
    assert all(torch.equal(ours[i], before[i]) for i in range(4))
    assert all(torch.equal(ours[i], after[i]) for i in range(4, 10))
    assert not torch.equal(after[5], before[5])


@pytest.mark.parametrize(
    "size", ["t", *(pytest.param(s, marks=pytest.mark.slow) for s in ("s", "b+", "l"))]
)
def test_sam2_and_sam21_of_every_size_build(size):
    for family in ("sam2", "sam2.1"):
        net = build_sam2(f"configs/{family}/{family}_hiera_{size}.yaml")
        assert (net.no_obj_embed_spatial is not None) == (family == "sam2.1")


def test_sam20_config_equals_the_official_predictor(tmp_path):
    old = build_pair(128, config="configs/sam2/sam2_hiera_t.yaml")
    frames = write_clip(tmp_path, 3, SIZE_HW)
    prompts = [Box(1, (30.0, 20.0, 90.0, 70.0))]
    state = old.predictor.init_state(str(tmp_path))
    ask(old.predictor, state, prompts)
    theirs = propagate(old.predictor, state)
    ours = _our_logits(Session(old.model, prompts, frame_count=3), frames, SIZE_HW)
    assert all(torch.equal(ours[i], theirs[i]) for i in range(3))


@pytest.mark.slow
def test_masks_equal_at_1024_px(tmp_path):
    size_hw = (180, 320)
    full = build_pair(1024)
    frames = write_clip(tmp_path, 18, size_hw)
    prompts = [Points(1, ((160.0, 90.0),), (1,)), MaskPrompt(2, _mask(size_hw))]
    state = full.predictor.init_state(str(tmp_path))
    ask(full.predictor, state, prompts)
    theirs = propagate(full.predictor, state)
    session = Session(full.model, prompts, frame_count=18)
    for frame in frames:
        objects = session.decode(frame)
        labels = label_map({i: o.logits for i, o in objects.items()}, size_hw)
        for slot, object_id in enumerate(sorted(objects)):
            ours = resize_to_video(objects[object_id].logits, size_hw)[0, 0] > 0
            assert torch.equal(ours, theirs[frame.frame_idx][slot] > 0), f"{frame.frame_idx}"
        assert labels.max() <= 2
