"""What a stream gives a few frames later, when more is known of its objects."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

import vos
from e2e import clips
from small_nano import choosing_nano
from vos.api import Tracker
from vos.errors import InputError
from vos.frame import FrameResult
from vos.io.read.open import open_source
from vos.model.load import ModelInfo
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track.compose import compose
from vos.track.policies.long import Long

FRAMES, LAG = 12, 4
BOX = (10.0, 8.0, 40.0, 36.0)
PROMPTS = [vos.Box(1, BOX, 2), vos.Points(2, ((30.0, 20.0),), (1,), 4)]


class Fickle(Long):
    """Finds another mask the best on every frame, where random weights always find the same."""

    __slots__ = ()

    def pick(self, bank, seen):
        def disturb(one):
            seed = int(one.mask_logits.abs().sum() * 1000) % 2**31
            ious = torch.rand(1, 3, generator=torch.Generator().manual_seed(seed))
            return replace(one, iou_pred=ious)

        return Long.pick(self, bank, [disturb(one) for one in seen])


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    model = choosing_nano()
    info = ModelInfo("tiny", "nano", Path(), "", model.image_size, False)
    policy = Fickle(certain_above=1e9, lag=LAG)
    return Tracker(model, info, NoRefiner(), torch.float32, policy)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.video(tmp_path_factory.mktemp("lag") / "clip.mp4", FRAMES)


def stream(tracker: Tracker, clip: Path, **options) -> list[FrameResult]:
    with open_source(clip) as source, Stream(tracker, source, PROMPTS, **options) as one:
        list(one.backward())
        return [result for _, result in one.results()]


def same(one: FrameResult, other: FrameResult) -> bool:
    return np.array_equal(one.label_map, other.label_map) and one.objects == other.objects


def test_each_mask_is_that_of_the_best_hypothesis_some_frames_later(tracker, clip):
    session = tracker.session(PROMPTS)
    decoded, banks = [], []
    with open_source(clip) as source:
        frames = list(source.frames())
    for frame in frames:
        decoded.append(session.decode(frame))
        banks.append(session.banks)
    waited = stream(tracker, clip)
    assert [result.frame_idx for result in waited] == list(range(FRAMES))
    changed = 0
    for t, (frame, result) in enumerate(zip(frames, waited, strict=True)):
        session.banks = banks[min(t + LAG, FRAMES - 1)]
        assert same(result, compose(frame, session.revise(t, decoded[t])))
        changed += not same(result, compose(frame, decoded[t]))
    assert changed > 2
    at_once = stream(replace(tracker, policy=replace(tracker.policy, lag=0)), clip)
    for frame, now, result in zip(frames, decoded, at_once, strict=True):
        assert same(result, compose(frame, now))


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_it_goes_on_after_any_frame_as_if_it_had_not_stopped(tracker, clip, tmp_path, direction):
    whole = stream(tracker, clip, direction=direction)
    steps = FRAMES + (5 if direction == "both" else 0)
    with open_source(clip) as source:
        for stop in range(1, steps, 5):
            spool = tmp_path / f"{stop}.spool"
            options = {"direction": direction, "spool": spool}
            with Stream(tracker, source, PROMPTS, **options) as first:
                for _ in zip(range(stop), chain(first.backward(), first.results())):  # noqa: B905
                    saved, given = first.checkpoint(), first.frames
            with Stream(tracker, source, PROMPTS, **options, resume=saved) as second:
                list(second.backward())
                found = [result for _, result in second.results()]
            assert len(found) == FRAMES - given
            assert all(same(*pair) for pair in zip(found, whole[given:], strict=True))


def test_frames_before_one_that_cannot_be_read_are_given(tracker, clip, monkeypatch):
    whole = stream(tracker, clip, end=8)
    given: list[FrameResult] = []

    def collect(one: Stream) -> None:
        for _, result in one.results():
            given.append(result)

    with open_source(clip) as source:
        real = source.frames

        def break_down(*args, **kwargs):
            for frame in real(*args, **kwargs):
                if frame.frame_idx == 8:
                    raise InputError("cannot be read")
                yield frame

        monkeypatch.setattr(source, "frames", break_down)
        with (
            Stream(tracker, source, PROMPTS) as one,
            pytest.raises(InputError, match="cannot be read"),
        ):
            collect(one)
    assert len(given) == 8
    assert all(same(*pair) for pair in zip(given, whole, strict=True))


@pytest.mark.parametrize("action", ["reset", "stop"])
def test_nothing_waits_beyond_a_scene_cut(tracker, tmp_path, action):
    cut_at = 9
    clip = clips.two_scenes(tmp_path / "cut", FRAMES, cut_at)
    found = stream(tracker, clip, scene_cuts=action)
    before = stream(tracker, clip, end=cut_at)
    assert len(found) == (cut_at if action == "stop" else FRAMES)
    assert all(same(*pair) for pair in zip(found[:cut_at], before, strict=True))
