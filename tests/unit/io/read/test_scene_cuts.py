"""Hard cuts are found at the very frame; what only looks like one is not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.frame import Frame
from vos.io.read.scene_cuts import CutState, CutWatch

HEIGHT, WIDTH = 90, 160
SEEDS = st.integers(0, 10_000)
FEW = settings(derandomize=True, max_examples=30, deadline=None)
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def scene(seed: int, width: int = WIDTH) -> np.ndarray:
    """A made-up shot: soft blobs of a few colours, as wide as asked."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, max(2, width // 16), 3)).astype(np.float64)
    rows = np.linspace(0, coarse.shape[0] - 1.001, HEIGHT)
    columns = np.linspace(0, coarse.shape[1] - 1.001, width)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    return (upper * (1 - down) + lower * down).astype(np.uint8)


def noisy(image: np.ndarray, seed: int, spread: float = 6.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def shot(seed: int, length: int) -> list[np.ndarray]:
    """A camera that moves a little, with noise."""
    wide = scene(seed, WIDTH + length)
    return [noisy(wide[:, i : i + WIDTH], seed + i) for i in range(length)]


def blend(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return (one * (1 - share) + other * share).astype(np.uint8)


def cuts(images: Iterable[np.ndarray]) -> list[int]:
    found, state = [], CutState()
    for index, image in enumerate(images):
        state = state.after(image)
        if state.is_cut:
            found.append(index)
    return found


@FEW
@given(seeds=st.lists(SEEDS, min_size=2, max_size=4, unique=True), length=st.integers(2, 9))
def test_a_hard_cut_is_found_at_its_frame(seeds: Sequence[int], length: int):
    shots = [shot(seed, length) for seed in seeds]
    borders = [length * (index + 1) for index in range(len(shots) - 1)]
    assert cuts(image for images in shots for image in images) == borders
    backward = [image for images in reversed(shots) for image in reversed(images)]
    assert cuts(backward) == borders


@FEW
@given(seed=SEEDS, spread=st.floats(0, 25))
def test_noise_is_no_cut(seed: int, spread: float):
    still = scene(seed)
    assert cuts(noisy(still, seed + i, spread) for i in range(6)) == []
    grey = np.full_like(still, 20)  # its hue is nothing but noise
    assert cuts(noisy(grey, seed + i, spread) for i in range(6)) == []


@FEW
@given(seed=SEEDS, step=st.integers(0, 14))
def test_a_pan_is_no_cut(seed: int, step: int):
    wide = scene(seed, WIDTH + 12 * 14)
    assert cuts(wide[:, i * step : i * step + WIDTH] for i in range(12)) == []


@FEW
@given(seed=SEEDS, gain=st.floats(0.35, 1.0), offset=st.integers(0, 90))
def test_a_flash_is_no_cut(seed: int, gain: float, offset: int):
    images = shot(seed, 8)
    images[4] = np.clip(images[4] * gain + offset, 0, 255).astype(np.uint8)
    assert cuts(images) == []
    for empty in (BLACK, BLACK + 255):
        images[4] = empty
        assert cuts(images) == []


@FEW
@given(one=SEEDS, other=SEEDS, length=st.integers(12, 30))
def test_a_fade_or_dissolve_is_no_cut(one: int, other: int, length: int):
    first, second = scene(one), scene(other)
    shares = np.linspace(0, 1, length)
    for start, end in ((first, BLACK), (BLACK, second), (first, second)):
        assert cuts(blend(start, end, share) for share in shares) == []


@FEW
@given(one=SEEDS, other=SEEDS.map(lambda seed: seed + 20_000), dark=st.integers(1, 5))
def test_a_cut_through_black_is_where_the_new_scene_is_seen_first(one: int, other: int, dark: int):
    assert cuts([*shot(one, 3), *[BLACK] * dark, *shot(other, 3)]) == [3 + dark]


@pytest.mark.parametrize("left_at", [0, 1, 4, 5, 12])
def test_a_saved_state_goes_on_alike(left_at: int):
    frames = list(_frames([image for seed in (1, 2, 3) for image in shot(seed, 4)]))
    whole = CutWatch("mark", None)
    for frame, state in whole.look(iter(frames)):
        whole.take(frame, state)
    first, second = CutWatch("mark", None), CutWatch("mark", None)
    for (frame, state), _ in zip(first.look(iter(frames)), range(left_at), strict=False):
        first.take(frame, state)
    second.resume(json.loads(json.dumps(first.as_json())))
    for frame, state in second.look(iter(frames), left_at):
        if frame.frame_idx >= left_at:
            second.take(frame, state)
    assert second.found == whole.found == [4, 8]
    assert second.as_json() == whole.as_json()


@pytest.mark.parametrize(
    ("last_prompt", "found", "ended_at"), [(0, [], 4), (3, [], 4), (4, [4], 8), (9, [4, 8], None)]
)
def test_a_stream_ends_at_the_first_cut_behind_its_prompts(last_prompt, found, ended_at):
    watch = CutWatch("stop", last_prompt)
    images = [image for seed in (1, 2, 3) for image in shot(seed, 4)]
    for index, (frame, state) in enumerate(watch.look(_frames(images))):
        watch.take(frame, state)
        if watch.ended_at is not None:
            assert index == ended_at
            break
    assert (watch.found, watch.ended_at) == (found, ended_at)


@pytest.mark.parametrize(("first_prompt", "ended_at"), [(11, 8), (8, 8), (7, 4), (3, None)])
def test_backward_it_ends_in_the_scene_of_the_first_prompt(first_prompt, ended_at):
    watch = CutWatch("stop", first_prompt, reverse=True)
    images = [image for seed in (1, 2, 3) for image in shot(seed, 4)]
    for frame, state in watch.look(reversed(list(_frames(images)))):
        watch.take(frame, state)
        if watch.ended_at is not None:
            assert frame.frame_idx == watch.ended_at - 1
            break
    assert watch.ended_at == ended_at


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (129, 129), (1080, 1920)])
def test_any_size_will_do(size: tuple[int, int]):
    rng = np.random.default_rng(0)
    state = CutState()
    for _ in range(3):
        state = state.after(rng.integers(0, 256, (*size, 3), np.uint8))
    assert state.thumbnail is None or max(state.thumbnail.shape) <= 256


def _frames(images: Sequence[np.ndarray]):
    return iter([Frame(image, Fraction(i, 25), i, str(i)) for i, image in enumerate(images)])
