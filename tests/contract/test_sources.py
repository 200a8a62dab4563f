"""What every source promises, asked of every kind of input."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from contract import clips
from contract.clips import Footage, read_number
from vos.errors import UsageError
from vos.frame import Frame
from vos.io.queues import prefetch
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos.io.read.source import Source


@pytest.fixture(scope="module", params=clips.MAKERS)
def footage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Footage:
    if request.param == "decord":
        pytest.importorskip("decord", reason="the extra `decord` is not installed")
    return clips.MAKERS[request.param](tmp_path_factory.mktemp("footage"))


@pytest.fixture
def source(footage: Footage) -> Iterator[Source]:
    with open_source(footage.path, decoder=footage.decoder) as opened:
        yield opened


@pytest.fixture(scope="module")
def frames(footage: Footage) -> list[Frame]:
    """One complete forward reading, the reference for the others."""
    with open_source(footage.path, decoder=footage.decoder) as opened:
        return list(opened.frames())


def same(left: list[Frame], right: list[Frame]) -> bool:
    """Whether two readings agree to the byte."""
    return [_key(frame) for frame in left] == [_key(frame) for frame in right]


def _key(frame: Frame) -> tuple[object, ...]:
    return frame.frame_idx, frame.pts, frame.name, frame.is_corrupt, frame.image.tobytes()


def test_every_picture_in_presentation_order(footage: Footage, frames: list[Frame]) -> None:
    upright = [np.rot90(frame.image, k=-footage.quarter_turns) for frame in frames]
    assert [read_number(image) for image in upright] == list(footage.numbers)
    assert not any(frame.is_corrupt for frame in frames)


def test_indices_and_names(footage: Footage, frames: list[Frame]) -> None:
    assert [frame.frame_idx for frame in frames] == list(range(len(footage.numbers)))
    assert [frame.name for frame in frames] == list(footage.names)


def test_times_are_exact(footage: Footage, frames: list[Frame]) -> None:
    times = [frame.pts for frame in frames]
    assert all(isinstance(time, Fraction) for time in times)
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert times == list(footage.times)


def test_pictures_are_rgb_of_the_stated_size(source: Source, frames: list[Frame]) -> None:
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (*source.info.size_hw, 3)
        assert frame.image.flags.c_contiguous


def test_colours_are_right(footage: Footage, frames: list[Frame]) -> None:
    for frame, number in zip(frames, footage.numbers, strict=True):
        drawn = np.rot90(clips.picture(number), k=footage.quarter_turns)
        assert np.abs(frame.image.astype(int) - drawn).mean() < 6


def test_info(footage: Footage, source: Source) -> None:
    info = source.info
    height, width = (clips.HEIGHT, clips.WIDTH)
    assert info.size_hw == ((width, height) if footage.quarter_turns % 2 else (height, width))
    assert info.rotation_deg == footage.quarter_turns * 90
    assert info.frame_count is None or abs(info.frame_count - len(footage.numbers)) <= 1
    assert (info.kind == "video") == (info.names is None)
    assert info.names is None or info.names == footage.names
    assert not info.has_audio


def test_reading_again_gives_the_same_bytes(source: Source, frames: list[Frame]) -> None:
    assert same(list(source.frames()), frames)
    warnings = list(source.warnings)
    assert same(list(source.frames()), frames)
    assert source.warnings == warnings


@pytest.mark.parametrize(("start", "end"), [(None, 3), (2, None), (2, 3), (1, 1000), (0, 1)])
def test_slices_by_index(
    source: Source, frames: list[Frame], start: int | None, end: int | None
) -> None:
    if start is not None and start >= len(frames):
        pytest.skip("shorter than this slice")
    assert same(list(source.frames(start, end)), frames[start:end])


def test_slices_by_time(source: Source, frames: list[Frame]) -> None:
    middle = frames[len(frames) // 2].pts
    before = [frame for frame in frames if frame.pts < middle]
    after = [frame for frame in frames if frame.pts >= middle]
    assert same(list(source.frames(start=middle)), after)
    assert middle == 0 or same(list(source.frames(end=middle)), before)
    between = middle + Fraction(1, 10**9)
    assert same(list(source.frames(end=between)), [*before, after[0]])
    assert same(list(source.frames(0, between)), [*before, after[0]])


def test_backward_is_forward_reversed(source: Source, frames: list[Frame]) -> None:
    last = len(frames) - 1
    assert same(list(source.frames_reversed(last)), frames[::-1])
    assert same(list(source.frames_reversed(last, last)), frames[last:])
    low, high = len(frames) // 4, len(frames) * 3 // 4
    assert same(list(source.frames_reversed(high, low)), frames[low : high + 1][::-1])


def test_random_access_gives_the_same_pixels(source: Source, frames: list[Frame]) -> None:
    count = len(frames)
    order = [*range(0, count, 3), *reversed(range(count)), count // 2, 0, count - 1, *range(count)]
    with RandomAccess(source) as reader:
        for idx in order:
            assert np.array_equal(reader.read(idx), frames[idx].image), idx
        assert (reader.count, reader.is_complete) == (count, True)


def test_past_the_end_is_a_usage_error(source: Source, frames: list[Frame]) -> None:
    count = len(frames)
    for reading in (
        source.frames(start=count),
        source.frames(start=Fraction(3600)),
        source.frames_reversed(count),
    ):
        with pytest.raises(UsageError, match=rf"past the end: .* has {count} frames"):
            list(reading)


def test_impossible_ranges_are_refused_at_once(source: Source) -> None:
    with pytest.raises(UsageError, match="not before"):
        source.frames(3, 3)
    with pytest.raises(UsageError, match="not before"):
        source.frames(Fraction(2), Fraction(1))
    with pytest.raises(UsageError, match="negative"):
        source.frames(-1)
    with pytest.raises(UsageError, match="exact seconds"):
        source.frames(1.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="before end 2f"):
        source.frames_reversed(1, 2)


def test_two_readings_at_once_do_not_disturb_each_other(
    source: Source, frames: list[Frame]
) -> None:
    first, second = source.frames(), source.frames()
    taken = [next(first)]
    for frame in second:
        assert _key(frame) == _key(frames[frame.frame_idx])
        taken.extend(itertools.islice(first, 1))
    assert same(taken, frames)


def test_closing_early_closes_the_file(footage: Footage, source: Source) -> None:
    def opened() -> int:
        gc.collect()
        name = Path(footage.path).name
        return sum(name in file.path for file in psutil.Process().open_files())

    for reading in (source.frames(), source.frames_reversed(0)):
        next(reading)
        reading.close()  # pyright: ignore[reportAttributeAccessIssue]
        assert opened() == 0
    whole = source.frames()
    next(whole)
    if source.info.kind == "video" and len(footage.numbers) > 1:
        assert opened() == 1  # so the zeros above mean something
    list(whole)
    assert opened() == 0


def test_through_prefetch(source: Source, frames: list[Frame]) -> None:
    with prefetch(source.frames(), depth=2) as ahead:
        assert same(list(ahead), frames)
    with prefetch(source.frames(), depth=2) as ahead:
        assert _key(next(ahead)) == _key(frames[0])


@pytest.mark.parametrize("share", [0.4, 1])
def test_frames_passed_over_change_nothing_after_them(
    footage: Footage, frames: list[Frame], share: float
) -> None:
    """What a continued run reads is the rest of what an uninterrupted one reads."""
    count = len(frames)
    middle = round(share * count)
    with (
        open_source(footage.path, decoder=footage.decoder) as whole,
        open_source(footage.path, decoder=footage.decoder) as rest,
    ):
        assert same(list(rest.frames(skip_to=middle)), frames[middle:])
        list(whole.frames())
        assert rest.warnings == whole.warnings
        top = max(0, middle - 1)
        assert same(list(rest.frames_reversed(count - 1, skip_to=top)), frames[top::-1])
        list(whole.frames_reversed(count - 1))
        assert rest.warnings == whole.warnings
