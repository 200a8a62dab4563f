"""Frames that a program brings itself: arrays, generators, Frames, an open source."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

import vos
from live_server import LiveServer, transport_stream
from vos.api import Tracker
from vos.errors import FrameError, InputError, PromptError, UsageError, VosWarning
from vos.io.read.open import open_source
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo

BOX = vos.Box(1, (10, 8, 40, 36))
BOXES = [BOX, vos.Box(2, (20, 10, 60, 44))]
COUNT = 4


@pytest.fixture(scope="module")
def tracker(tiny_model):
    return Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo())  # pyright: ignore


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(3)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    made = tmp_path_factory.mktemp("images")
    for index, image in enumerate(images):
        Image.fromarray(image).save(made / f"{index:05d}.png")
    return made


@pytest.fixture(scope="module")
def expected(tracker, folder):
    """The results of a stream of unknown length, frame after frame."""
    with open_source(folder) as source:
        return list(tracker.session(BOXES).run(source.frames()))


def same(results, expected):
    for result, wanted in zip(results, expected, strict=True):
        assert np.array_equal(result.label_map, wanted.label_map)
        assert result.objects == wanted.objects
        assert (result.frame_idx, result.pts, result.name) == (
            wanted.frame_idx, wanted.pts, wanted.name,
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: np.ascontiguousarray(image[..., ::-1])[..., ::-1],
        lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape),
    ],
    ids=["plain", "mirrored", "read-only"],
)
def test_arrays_are_tracked_as_frames_are(tracker, images, expected, change):
    same(tracker.track(map(change, images), BOXES), expected)


@pytest.mark.parametrize("kind", [list, tuple, np.stack])
def test_arrays_in_memory_are_tracked_as_a_folder_of_them(tracker, images, folder, kind):
    """Up to rounding: a folder's images are encoded several at once. The count is known to both."""
    pairs = zip(tracker.track(kind(images), BOXES), tracker.track(folder, BOXES), strict=True)
    for one, other in pairs:
        assert (one.label_map == other.label_map).mean() > 0.99
        for object_id, scores in one.objects.items():
            assert scores.iou_pred == pytest.approx(other.objects[object_id].iou_pred, abs=1e-6)


def test_frames_and_an_open_source_are_tracked_as_their_path(tracker, folder, expected):
    with open_source(folder) as source:
        same(tracker.track(source.frames(), BOXES), expected)
        for direction in ("forward", "both", "forward"):  # it stays open
            results = tracker.track(source, BOXES, direction=direction)
            same(results, list(tracker.track(folder, BOXES, direction=direction)))


def test_frames_pushed_one_by_one(tracker, images, expected):
    session = tracker.session(BOXES)
    same([session.track(image) for image in images], expected)
    run = tracker.session(BOXES).run(iter(images))
    same(run, expected)


def test_arrays_have_the_rate_they_are_given(tracker, images):
    for results in (
        list(tracker.track(images, [BOX], rate="30000/1001")),
        list(tracker.session([BOX], rate="30000/1001").run(images)),
    ):
        assert [r.pts for r in results] == [Fraction(1001 * i, 30000) for i in range(COUNT)]
    with pytest.raises(UsageError, match="rate 'fast'"):
        tracker.track(images, [BOX], rate="fast")
    with pytest.raises(UsageError, match="rate '0'"):
        tracker.session([BOX], rate=0)


def test_a_frame_is_taken_only_when_its_result_is_asked_for(tracker, images):
    taken = []

    def camera():
        for index in itertools.count():
            taken.append(index)
            yield images[index % COUNT]

    results = tracker.track(camera(), [BOX])
    assert taken == []
    for index in range(3):
        assert next(results).frame_idx == index
        assert taken == list(range(index + 1))


def test_a_camera_that_fails_ends_with_its_own_error(tracker, images):
    def camera():
        yield images[0]
        raise ConnectionError("unplugged")

    results = tracker.track(camera(), [BOX])
    assert next(results).frame_idx == 0
    with pytest.raises(ConnectionError, match="unplugged"):
        next(results)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (np.zeros((32, 64, 3), np.uint8), "frame 1 is 64x32, those before 64x48"),
        (np.zeros((48, 64, 3), np.float32), "frame 1: image = float32 48 x 64 x 3: .*: convert it"),
        (np.zeros((48, 64, 4), np.uint8), "frame 1: image = uint8 48 x 64 x 4: .*: convert it"),
        (np.zeros((48, 64), np.uint8), "frame 1: image = uint8 48 x 64: .*: convert it"),
        (np.zeros((3, 48, 64), np.uint8), r"channels first, image.transpose\(1, 2, 0\)"),
        (np.zeros((0, 64, 3), np.uint8), "and not empty"),
        (None, "NoneType is no frame"),
        (vos.Frame(np.zeros((48, 64, 3), np.uint8), Fraction(0), 0, "0"), "frame 0 after frame 0"),
    ],
)
def test_a_second_frame_of_another_kind_changes_nothing(tracker, images, second, says):
    with pytest.raises(FrameError, match=says):
        list(tracker.track([images[0], second], [BOX]))
    session = tracker.session([BOX])
    session.track(images[0])
    with pytest.raises(FrameError, match=says):
        session.track(second)
    assert session.track(images[1]).frame_idx == 1


def test_arrays_are_counted_on_only_where_the_clock_is_known(tracker, images):
    session = tracker.session([vos.Box(1, BOX.box_xyxy_px, 3)], rate=10)
    session.track(vos.Frame(images[0], Fraction(3, 10), 3, "a"))
    assert session.track(images[1]).pts == Fraction(4, 10)
    other = tracker.session([BOX], rate=10)
    other.track(vos.Frame(images[0], Fraction(1, 3), 0, "a"))
    resumed = session.resume(session.snapshot(), (48, 64))
    begun = tracker.session(banks=session.banks)
    for one in (other, tracker.session([BOX], reverse=True), resumed, begun):
        with pytest.raises(FrameError, match=r"cannot count them.*give vos\.Frame"):
            one.track(images[1])
    assert resumed.track(vos.Frame(images[2], Fraction(5, 10), 5, "c")).objects.keys() == {1}


def test_what_frames_of_ones_own_cannot_have(tracker, images, folder):
    for changes, says in [
        ({"direction": "both"}, "direction 'both': frames of your own are taken once"),
        ({"start": 1}, "itertools.islice"),
        ({"end": Fraction(1)}, "itertools.islice"),
        ({"decoder": "decord"}, "decoded already"),
    ]:
        with pytest.raises(UsageError, match=says):
            tracker.track(images, [BOX], **changes)
    with open_source(folder) as source:
        for changes in ({"rate": 30}, {"decoder": "decord"}):
            with pytest.raises(UsageError, match="give them to open_source"):
                tracker.track(source, [BOX], **changes)
    with pytest.raises(InputError, match=r"Tracker\.image"):
        tracker.track(images[0], [BOX])
    with pytest.raises(PromptError, match="prompt on frame 0: the frames tracked do not"):
        list(tracker.track([], [BOX]))
    with pytest.raises(PromptError, match="prompt on frame 9"):
        list(tracker.track(images, [vos.Box(1, BOX.box_xyxy_px, 9)]))


def test_scene_cuts_and_notes_are_said_as_of_a_file(tracker):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    first, second = coarse.repeat(8, axis=1).repeat(8, axis=2)  # 48 x 64 of blocks
    images = [first] * 4 + [second] * 3
    marked = [r.is_scene_cut for r in tracker.track(images, [BOX], scene_cuts="mark")]
    assert marked == [index == 4 for index in range(7)]
    assert len(list(tracker.track(images, [BOX], scene_cuts="stop"))) == 4
    assert len(list(tracker.track(images, [BOX], scene_cuts="reset"))) == 7
    with pytest.warns(VosWarning, match="cut at its edge"):
        list(tracker.track(images, [vos.Box(1, (-2, 8, 40, 36))]))


def test_logits_alternatives_and_masks_that_overlap(tracker, images):
    session = tracker.session(BOXES, soft=True)
    for image in images:
        frame = session.next_frame(image)
        objects = session.decode(frame)
        result = session.compose(frame, objects).wait()
        for object_id, one in objects.items():
            assert one.scores == result.objects[object_id]
            assert one.alternatives.shape[:2] == one.alternative_ious.shape
            assert one.alternatives.shape[2:] == one.logits.shape[2:]
            near = (one.alternative_ious - one.scores.iou_pred).abs().min()
            assert near < 1e-5  # what was chosen is among them
            own = one.mask(frame.size_hw)
            assert own.dtype == bool
            assert np.array_equal(own, result.own_masks[object_id])
            assert not (result.masks[object_id] & ~own).any()
        both = result.own_masks[1] & result.own_masks[2]
        assert both.any(), "the boxes overlap, and so do their masks"
    hard = next(tracker.track(images, BOXES))
    with pytest.raises(UsageError, match="soft=True"):
        _ = hard.own_masks
    assert dataclasses.replace(hard, objects={}).own_masks == {}


def test_a_live_source_is_tracked_as_its_frames_are(tracker, tmp_path):
    path = tmp_path / "clip.ts"
    with (
        LiveServer([transport_stream(path, 8)]) as server,
        vos.open_live(server.address, drop="none", reconnect_s=0) as source,
    ):
        results = list(tracker.track(source, [BOX]))
    with open_source(path) as file:
        same(results, list(tracker.session([BOX]).run(file.frames())))
