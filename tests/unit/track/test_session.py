"""What a session promises: objects' lives, corrections, order, errors, flat state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vos.errors import PromptError
from vos.prompts import Box, MaskPrompt, Points
from vos.track.compose import ObjectLogits, compose, label_map
from vos.track.session import Session

BOX = (10.0, 8.0, 40.0, 36.0)


def test_an_object_exists_from_its_first_prompt_on(tiny_model, make_frames):
    prompts = [Box(1, BOX), Box(7, BOX, frame_idx=3)]
    results = list(Session(tiny_model, prompts).run(make_frames(6)))
    assert [sorted(r.objects) for r in results] == [[1]] * 3 + [[1, 7]] * 3
    assert all(r.label_map.shape == (48, 64) and r.label_map.dtype == np.uint8 for r in results)


def test_frames_before_the_first_prompt_are_empty_and_free(tiny_model, make_frames, monkeypatch):
    encoded = []
    original = type(tiny_model).encode_image
    monkeypatch.setattr(
        type(tiny_model),
        "encode_image",
        lambda self, image: encoded.append(1) or original(self, image),
    )
    results = list(Session(tiny_model, [Box(1, BOX, frame_idx=4)]).run(make_frames(6)))
    assert [bool(r.objects) for r in results] == [False] * 4 + [True] * 2
    assert not results[0].label_map.any()
    assert len(encoded) == 2


def test_an_object_alone_gets_the_same_masks_as_among_others(tiny_model, make_frames):
    frames = make_frames(8)
    alone, among = (
        Session(tiny_model, [Box(2, BOX)]),
        Session(tiny_model, [Points(1, ((5, 5),), (1,)), Box(2, BOX), Box(3, BOX, frame_idx=2)]),
    )
    for frame in frames:
        assert torch.equal(alone.decode(frame)[2].logits, among.decode(frame)[2].logits)


def test_a_correction_changes_this_and_later_frames_for_good(tiny_model, make_frames):
    frames = make_frames(30)
    first = Box(1, BOX)
    plain = [Session(tiny_model, [first]).decode(frames[0])]
    session = Session(tiny_model, [first])
    corrected = Session(tiny_model, [first, Points(1, ((50, 40),), (0,), frame_idx=5)])
    plain = [session.decode(f)[1].logits for f in frames]
    fixed = [corrected.decode(f)[1].logits for f in frames]
    assert all(torch.equal(plain[i], fixed[i]) for i in range(5))
    assert not torch.equal(plain[5], fixed[5])
    assert [e.frame_idx for e in corrected.banks[1].prompted] == [0, 5]
    assert not torch.equal(plain[29], fixed[29]), "24 frames later the correction still acts"


def test_add_prompt_on_the_fly_equals_knowing_it_before(tiny_model, make_frames):
    frames = make_frames(6)
    late = Points(1, ((50, 40),), (1,), frame_idx=4)
    live, known = Session(tiny_model, [Box(1, BOX)]), Session(tiny_model, [Box(1, BOX), late])
    for frame in frames:
        if frame.frame_idx == 3:
            live.add_prompt(late)
        assert torch.equal(live.decode(frame)[1].logits, known.decode(frame)[1].logits)


def test_removed_objects_are_gone(tiny_model, make_frames):
    session = Session(tiny_model, [Box(1, BOX), Box(2, BOX), Box(1, BOX, frame_idx=3)])
    frames = make_frames(5)
    session.track(frames[0])
    session.remove_object(1)
    assert [sorted(session.track(f).objects) for f in frames[1:]] == [[2]] * 4
    session.check_all_used()


def test_a_prompt_on_a_frame_that_never_comes_is_an_error(tiny_model, make_frames):
    session = Session(tiny_model, [Box(1, BOX), Box(1, BOX, frame_idx=9)])
    with pytest.raises(PromptError, match="frame 9"):
        list(session.run(make_frames(4)))
    with pytest.raises(PromptError, match="frame 2"):
        list(Session(tiny_model, [Box(1, BOX, frame_idx=2)]).run([]))


def test_an_empty_looking_object_stays_absent(tiny_model, make_frames, monkeypatch):
    frames = make_frames(3)
    head = tiny_model.net.sam_mask_decoder.pred_obj_score_head
    monkeypatch.setattr(head, "forward", lambda x: torch.full((x.shape[0], 1), -5.0))
    results = list(Session(tiny_model, [Box(1, BOX)]).run(frames))
    assert all(not r.label_map.any() and r.objects[1].object_score < 0 for r in results)


def test_state_is_flat_after_frame_20(tiny_model, make_frames):
    session = Session(tiny_model, [Box(1, BOX), Points(2, ((9, 9),), (1,), frame_idx=2)])
    sizes = []
    for frame in make_frames(60):
        session.track(frame)
        sizes.append(session.state_bytes())
    assert len(set(sizes[20:])) == 1


def test_mask_prompt_of_any_video_size(tiny_model, make_frames):
    for size_hw in ((48, 64), (64, 64), (31, 97)):
        mask = np.zeros(size_hw, dtype=bool)
        mask[5:25, 10:30] = True
        result = Session(tiny_model, [MaskPrompt(1, mask)]).track(make_frames(1, 0, size_hw)[0])
        overlap = (result.masks[1] & mask).sum() / (result.masks[1] | mask).sum()
        assert overlap > 0.7, f"{size_hw}: the mask prompt is the answer on its own frame"


def test_label_map_highest_logit_wins_and_lowest_id_on_ties():
    a = torch.tensor([[[[2.0, 2.0, -1.0, 0.0]]]])
    b = torch.tensor([[[[1.0, 2.0, -1.0, 0.5]]]])
    assert label_map({9: b, 4: a}, (1, 4)).tolist() == [[4, 4, 0, 9]]
    assert label_map({}, (2, 3)).tolist() == [[0] * 3] * 2


def test_masks_of_a_result_never_overlap(make_frames, tiny_model):
    frame = make_frames(1)[0]
    logits = torch.randn(1, 1, 16, 16)
    scores = Session(tiny_model, [Box(1, BOX)]).decode(frame)[1].score_pair
    objects = {i: ObjectLogits(logits + i, scores) for i in (3, 1, 2)}
    result = compose(frame, objects)
    assert list(result.objects) == [1, 2, 3]
    assert np.sum(list(result.masks.values()), axis=0).max() <= 1


@pytest.mark.parametrize(("reverse", "asked"), [(False, 1), (True, 4)])
def test_a_prompt_the_stream_has_already_passed_is_refused_at_once(
    tiny_model, make_frames, reverse, asked
):
    session = Session(
        tiny_model, [Box(1, BOX, frame_idx=2), Box(2, BOX, frame_idx=asked)], reverse=reverse
    )
    frame = make_frames(5)[2 if not reverse else 3]
    with pytest.raises(PromptError, match=f"frame {asked}"):
        session.decode(frame)
