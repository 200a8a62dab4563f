"""One tracker, many threads or coroutines, a session each: the masks are those of one alone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import vos
from vos.api import Tracker
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo

FRAMES = 5
STREAMS = 3


@pytest.fixture(scope="module")
def tracker(tiny_model):
    return Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo())  # pyright: ignore


def camera(stream: int) -> list[np.ndarray]:
    rng = np.random.default_rng(stream)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(FRAMES)]


def prompts(stream: int) -> list[vos.Box]:
    return [vos.Box(1 + stream, (4 + stream, 8, 40 + stream, 36))]


def follow(tracker: Tracker, stream: int) -> list[vos.FrameResult]:
    return list(tracker.track(camera(stream), prompts(stream)))


@pytest.fixture(scope="module")
def alone(tracker) -> list[list[vos.FrameResult]]:
    return [follow(tracker, stream) for stream in range(STREAMS)]


def same(found: list[list[vos.FrameResult]], alone: list[list[vos.FrameResult]]) -> None:
    assert [len(results) for results in found] == [FRAMES] * STREAMS
    for results, wanted in zip(found, alone, strict=True):
        for one, other in zip(results, wanted, strict=True):
            assert one.objects == other.objects
            assert np.array_equal(one.label_map, other.label_map)


def test_threads_with_a_session_each(tracker, alone):
    with ThreadPoolExecutor(STREAMS) as pool:
        same(list(pool.map(lambda stream: follow(tracker, stream), range(STREAMS))), alone)


def test_coroutines_whose_frames_go_through_changing_threads(tracker, alone):
    ticks = 0

    async def coroutine(stream: int) -> list[vos.FrameResult]:
        session = tracker.session(prompts(stream), frame_count=FRAMES)
        return [await asyncio.to_thread(session.track, image) for image in camera(stream)]

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async def everything() -> list[list[vos.FrameResult]]:
        ticking = asyncio.create_task(tick())
        found = await asyncio.gather(*map(coroutine, range(STREAMS)))
        ticking.cancel()
        return list(found)

    same(asyncio.run(everything()), alone)
    assert ticks > FRAMES * STREAMS, "the event loop was free meanwhile"
