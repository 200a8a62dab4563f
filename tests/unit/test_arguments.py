"""Public functions of Python refuse what they cannot use, with an error of ours that says why."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

import vos
from vos.api import Tracker
from vos.errors import FrameError, VosError, VosWarning
from vos.model.options import OPTION_NAMES
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo
from vos.track.session import Session

BOX = vos.Box(1, (10, 8, 40, 36))
IMAGE = np.zeros((48, 64, 3), np.uint8)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-300, 300)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.fractions()
    | st.sampled_from(
        [
            object(), int, IMAGE, IMAGE[..., 0], IMAGE / 255, np.zeros(()), np.array(["a"]),
            torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.bool), BOX, {1: 2}, {3}, range(3),
            np.int64(3), np.float32(0.5), np.nan,
        ]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=5,
)  # fmt: skip
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tracker(tiny_model):
    return Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo())  # pyright: ignore


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        Image.fromarray(IMAGE).save(tmp_path / f"{index}.png")
    return tmp_path


def frame(idx: int, size_hw: tuple[int, int] = (48, 64)) -> vos.Frame:
    return vos.Frame(np.zeros((*size_hw, 3), np.uint8), Fraction(idx, 30), idx, f"{idx:05d}")


@unhurried
@given(
    st.sampled_from([vos.Box, vos.Points, vos.Polygon, vos.Scribble, vos.MaskPrompt]),
    st.lists(anything, min_size=2, max_size=4),
)
def test_any_prompt_is_made_or_refused(kind, values):
    count = len(dataclasses.fields(kind))
    required = [1, *values][:count]
    if kind is vos.Points:
        required = [*required, (1,)][: max(3, len(required))]
    with contextlib.suppress(VosError):
        prompt = kind(*required)
        assert hash(prompt) == hash(kind(*required))


@pytest.mark.parametrize(
    "make",
    [
        lambda: vos.Points(1, (10, 20), 1),
        lambda: vos.Points(1, 5, (1,)),
        lambda: vos.Points(1, ((1, 2),), None),
        lambda: vos.Points(1, {(1, 2)}, (1,)),
        lambda: vos.Box(1, "1234"),
        lambda: vos.Box(1, (True, 2, 3, 4)),
        lambda: vos.Box(1, ("1", "2", "3", "4")),
        lambda: vos.Box("1", (1, 2, 3, 4)),
        lambda: vos.Box(1, (1, 2, 3, 4), "0"),
        lambda: vos.Polygon(1, None),
        lambda: vos.Scribble(1, 3),
    ],
)
def test_prompts_of_other_types(make):
    with pytest.raises(VosError):
        make()


@unhurried
@given(anything, anything, anything, st.sampled_from(["forward", "sideways", 3, None, [1]]))
def test_track_refuses_any_arguments_at_once_or_with_the_first_frame(
    tracker, path, prompts, start, direction
):
    with contextlib.suppress(VosError):
        next(tracker.track(path, prompts, start=start, direction=direction))


@unhurried
@given(anything, anything)
def test_track_of_a_real_folder(tracker, folder, start, cuts):
    with contextlib.suppress(VosError):
        next(tracker.track(folder, [BOX], start=start, scene_cuts=cuts))


def test_calls_are_refused_before_anything_is_iterated(tracker, folder):
    for call, says in [
        (lambda: tracker.track(folder, []), "no prompt"),
        (lambda: tracker.track(folder, BOX), "not a list"),
        (lambda: tracker.track(folder, [(1, 2, 3, 4)]), "is no prompt"),
        (lambda: tracker.track(folder, [BOX], direction="up"), "direction 'up'"),
        (lambda: tracker.track(folder, [BOX], scene_cuts="yes"), "scene_cuts 'yes'"),
        (lambda: tracker.track(folder, [BOX], scene_cuts=np.zeros(2)), "scene_cuts array"),
        (lambda: tracker.track(folder, [BOX], start=0.5), "exact seconds"),
        (lambda: tracker.stream([IMAGE], [BOX]), "list is no open source"),
        (lambda: tracker.session(BOX), "not a list"),
        (lambda: tracker.session([IMAGE]), "is no prompt"),
        (lambda: tracker.image([[1]]), "image is a list"),
        (lambda: tracker.image(Image.fromarray(IMAGE)), "np.asarray"),
        (lambda: tracker.image(IMAGE[..., 0]), "height x width x 3"),
        (lambda: tracker.image(folder), "not one image"),
        (lambda: tracker.image(IMAGE).segment(BOX), "not a list"),
        (lambda: tracker.image(IMAGE).segment([3]), "is no prompt"),
        (lambda: vos.segment_image(folder / "0.png", 3), "not a list"),
        (lambda: vos.segment_image(folder / "no.png", [BOX]), "no such file"),
        (lambda: vos.segment_image(3.5, [BOX], "null"), "float is no path"),
        (lambda: vos.load(3), "neither a model's name"),
        (lambda: vos.load("nano", sise=512), "did you mean 'size'"),
        (lambda: vos.load("nano", size="large"), "size='large'"),
        (lambda: vos.load("nano", exact=1), "a int, not bool"),
        (lambda: vos.load("nano", pool_memory=True), "a bool, not int"),
        (lambda: vos.load_prompts(None), "is no path"),
        (lambda: vos.save_prompts(None, [BOX]), "is no path"),
    ]:
        with pytest.raises(VosError, match=says):
            call()


def test_what_is_no_footage(tracker):
    for footage in (3, None, object()):
        with pytest.raises(VosError, match=r"is no path; .* an iterable of arrays"):
            next(tracker.track(footage, [BOX]))
    for footage in (IMAGE, IMAGE[..., 0], np.zeros(())):
        with pytest.raises(VosError, match=r"not a sequence of frames; .* Tracker.image"):
            tracker.track(footage, [BOX])


@unhurried
@given(anything)
def test_a_session_takes_frames_only(tracker, value):
    assume(not _holds_image(value))  # which is a frame, its index counted
    with pytest.raises(FrameError, match=r"is no frame; give vos.Frame\(image|a frame is uint8"):
        tracker.session([BOX]).track(value)
    with pytest.raises(FrameError, match=r"is no frame; give vos.Frame\(image, Fraction"):
        tracker.session([BOX]).decode(value)
    for frames in (value, np.zeros(())):
        session = tracker.session([BOX])
        with pytest.raises(VosError, match=r"is no frame|frame 0"):
            list(session.run(frames))


def _holds_image(value: object) -> bool:
    nested = value if isinstance(value, list | tuple) else ()
    return value is IMAGE or any(map(_holds_image, nested))


@pytest.mark.parametrize("reverse", [False, True])
def test_frames_again_backwards_or_of_another_size(tiny_model, reverse):
    session = Session(tiny_model, [vos.Box(1, BOX.box_xyxy_px, 4)], reverse=reverse)
    session.track(frame(4))
    onward = 3 if reverse else 5
    for idx in (4, 4 + (4 - onward)):
        with pytest.raises(FrameError, match=f"frame {idx} after frame 4"):
            session.track(frame(idx))
    with pytest.raises(FrameError, match="is 64x32, those before 64x48"):
        session.track(frame(onward, (32, 64)))
    assert session.track(frame(onward)).objects.keys() == {1}


@unhurried
@given(st.integers(0, 12), st.booleans(), anything)
def test_prompts_on_passed_frames_are_refused_and_change_nothing(tiny_model, idx, reverse, other):
    session = Session(tiny_model, [vos.Box(1, BOX.box_xyxy_px, 6)], reverse=reverse)
    session.track(frame(6))
    before = session.prompts
    if idx >= 6 if reverse else idx <= 6:
        with pytest.raises(VosError, match=f"prompt on frame {idx}: the stream has passed it"):
            session.add_prompt(vos.Box(2, BOX.box_xyxy_px, idx))
        assert session.prompts == before
    else:
        session.add_prompt(vos.Box(2, BOX.box_xyxy_px, idx))
        assert session.prompts == (*before, vos.Box(2, BOX.box_xyxy_px, idx))
    outside = vos.Box(2, (10, 10, 500, 40), 5 if reverse else 7)
    known = session.prompts
    with pytest.raises(VosError, match="outside"):
        session.add_prompt(outside)
    if not isinstance(other, vos.Prompt):
        with pytest.raises(VosError, match="is no prompt"):
            session.add_prompt(other)
    with pytest.raises(VosError, match="object 9 is not tracked"):
        session.remove_object(9)
    assert session.prompts == known


def test_a_prompted_frame_that_is_left_out_is_said_when_it_has_passed(tiny_model):
    session = Session(tiny_model, [BOX, vos.Box(2, BOX.box_xyxy_px, 2)])
    session.track(frame(0))
    with pytest.raises(VosError, match="prompt on frame 2"):
        session.track(frame(3))


@unhurried
@given(anything, anything, anything)
def test_prompt_files_of_any_arguments(tmp_path, prompts, size_hw, names):
    path = tmp_path / "p.json"
    path.unlink(missing_ok=True)
    with contextlib.suppress(VosError):
        vos.save_prompts(path, prompts, size_hw=size_hw, names=names)
        vos.load_prompts(path)
    with contextlib.suppress(VosError):
        vos.load_prompts(size_hw, size_hw=prompts)


@unhurried
@given(st.sampled_from(OPTION_NAMES), anything)
def test_options_of_any_type(name, value):
    with contextlib.suppress(VosError):
        vos.load("no such model", **({} if name == "model" else {name: value}))


def test_what_the_command_line_would_say_is_a_warning_in_python(tracker, folder):
    (folder / "notes.txt").write_text("left out")
    with pytest.warns(VosWarning) as caught:
        list(tracker.track(folder, [vos.Box(1, (-2, 8, 40, 36))]))
    assert [str(one.message).rpartition(":")[2] for one in caught] == [
        " notes.txt",
        " cut at its edge",
    ]
    (folder / "notes.txt").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(tracker.track(folder, [BOX]))
