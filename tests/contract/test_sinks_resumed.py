"""One suite over every sink: stopped anywhere and continued, it leaves the very same files."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from contract.test_sinks import VFR, Pair, footage
from vos.errors import ResumeError
from vos.io.results.checkpoints import SavedState
from vos.io.write.masks import MaskSink
from vos.io.write.mattes import MatteSink
from vos.io.write.overlay import sink as overlay
from vos.io.write.overlay.encode import to_yuv
from vos.io.write.overlay.sink import OverlaySink
from vos.io.write.sink import Sink
from vos.io.write.stats import StatsSink

COUNT = 11
TIMES = [Fraction(7, 90_000) + t for t in VFR] + [Fraction(n, 25) for n in (90, 91, 200, 201)]
Make = Callable[[Path, SavedState | None], Sink]


def _masks(folder: Path, resume: SavedState | None) -> Sink:
    return MaskSink(folder / "masks", work=folder / "work", resume=resume)


def _mattes(folder: Path, resume: SavedState | None) -> Sink:
    return MatteSink(folder / "mattes", work=folder / "work", resume=resume)


def _stats(folder: Path, resume: SavedState | None) -> Sink:
    return StatsSink(folder / "stats.jsonl", resume=resume)


def _overlay(folder: Path, resume: SavedState | None) -> Sink:
    return OverlaySink(
        folder / "overlay.mp4",
        time_base=Fraction(1, 90_000),
        frame_rate=Fraction(25),
        audio_from=folder.parent / "sound.mov",
        work=folder / "work",
        resume=resume,
    )


MAKERS: dict[str, Make] = {
    "masks": _masks,
    "mattes": _mattes,
    "overlay": _overlay,
    "stats": _stats,
}


@pytest.fixture(params=MAKERS)
def make(request) -> Make:
    return MAKERS[request.param]


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(overlay, "SEGMENT_FRAMES", 4)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.random.default_rng(0).bytes(8000 * 2 * 9))
    with (
        av.open(str(tmp_path / "sound.wav")) as wav,
        av.open(str(tmp_path / "sound.mov"), "w") as mov,
    ):
        encoder = mov.add_stream("aac", rate=8000, layout="mono")
        for sound in wav.decode(audio=0):
            mov.mux(encoder.encode(sound))
        mov.mux(encoder.encode(None))
    found = footage(COUNT, (36, 48), (1, 2, 7), TIMES)
    # An object that is prompted later has no matte before.
    for index, (frame, result) in enumerate(found[:4]):
        early = {i: one for i, one in result.mattes.items() if i < 7}
        found[index] = frame, replace(result, mattes=early)
    return found


def folder_for(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    (folder / "work").mkdir(parents=True)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "work")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def write_some(
    sink: Sink, pairs: list[Pair], done: int, checkpoint_at: int, stop_at: int
) -> SavedState:
    """Replay what is asked for, write frames `done` to `stop_at`, then stop as a killed process
    does: the sink is left with an error. Returns the state at `checkpoint_at`.
    """
    for frame, _ in pairs[:done]:
        if sink.replay_from is not None and frame.frame_idx >= sink.replay_from:
            sink.replay(frame)
    saved = sink.checkpoint() if checkpoint_at == done else None
    for frame, result in pairs[done:stop_at]:
        sink.write(frame, result)
        if frame.frame_idx + 1 == checkpoint_at:
            saved = sink.checkpoint()
    sink.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert saved is not None
    return saved


def finish(sink: Sink, pairs: list[Pair], done: int) -> None:
    with sink:
        for frame, result in pairs:
            if frame.frame_idx >= done:
                sink.write(frame, result)
            elif sink.replay_from is not None and frame.frame_idx >= sink.replay_from:
                sink.replay(frame)


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_stopped_anywhere_and_continued_it_is_the_same(make, tmp_path, pairs, lost):
    whole = folder_for(tmp_path, "whole")
    finish(make(whole, None), pairs, 0)
    assert outputs(whole)
    for done in range(COUNT + 1):
        folder = folder_for(tmp_path, f"stopped{done}")
        stop_at = min(done + lost, COUNT)
        saved = write_some(make(folder, None), pairs, 0, done, stop_at)
        finish(make(folder, saved), pairs, done)
        assert outputs(folder) == outputs(whole), done


def test_stopped_many_times_it_is_the_same(make, tmp_path, pairs):
    whole, folder = folder_for(tmp_path, "whole"), folder_for(tmp_path, "stopped")
    finish(make(whole, None), pairs, 0)
    rng = np.random.default_rng(1)
    done, saved = 0, None
    for _ in range(30):
        at = int(rng.integers(done, min(done + 3, COUNT) + 1))
        stop_at = int(rng.integers(at, COUNT + 1))
        before = saved
        saved = write_some(make(folder, before), pairs, done, at, stop_at)
        done = at
    finish(make(folder, saved), pairs, done)
    assert outputs(folder) == outputs(whole)


def test_a_state_after_the_end_is_good_too(make, tmp_path, pairs):
    """Killed while the outputs were being finished."""
    whole, folder = folder_for(tmp_path, "whole"), folder_for(tmp_path, "stopped")
    finish(make(whole, None), pairs, 0)
    sink = make(folder, None)
    with sink:
        for pair in pairs[:9]:
            sink.write(*pair)
        saved = sink.checkpoint()
        for pair in pairs[9:]:
            sink.write(*pair)
    finish(make(folder, saved), pairs, 9)
    assert outputs(folder) == outputs(whole)


def _spoil(folder: Path, how: str) -> None:
    """Do to the sink's largest file what happens to files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    path = max(files, key=lambda path: path.stat().st_size)
    if how == "missing":
        path.unlink()
    elif how == "short":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.write_bytes(bytes(path.stat().st_size))


def test_frames_drawn_on_a_device_and_replayed_are_joined(tmp_path, pairs):
    given = [
        (frame, replace(result, overlay_yuv=to_yuv(frame.image).to_ndarray()))
        for frame, result in pairs
    ]
    for done in range(COUNT):
        folder = folder_for(tmp_path, f"stopped{done}")
        saved = write_some(_overlay(folder, None), given, 0, done, COUNT)
        finish(_overlay(folder, saved), given, done)
        assert [time for time, _ in decoded(folder / "overlay.mp4")] == TIMES


@pytest.mark.parametrize("how", ["missing", "short", "zeros"])
def test_files_that_do_not_fit_the_state_are_noticed(make, tmp_path, pairs, how):
    if make in (_masks, _mattes) and how == "zeros":
        pytest.skip("masks are compared by size; they are safe on the disk before the checkpoint")
    folder = folder_for(tmp_path, "stopped")
    saved = write_some(make(folder, None), pairs, 0, 5, 5)
    _spoil(folder, how)
    with pytest.raises(ResumeError, match=r"missing|damaged|not there|too short"):
        make(folder, saved)


def test_an_older_state_is_good_too(make, tmp_path, pairs):
    whole, folder = folder_for(tmp_path, "whole"), folder_for(tmp_path, "stopped")
    finish(make(whole, None), pairs, 0)
    older = write_some(make(folder, None), pairs, 0, 3, 6)
    write_some(make(folder, older), pairs, 3, 10, 11)
    finish(make(folder, older), pairs, 3)
    assert outputs(folder) == outputs(whole)


def decoded(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, frame.to_ndarray().tobytes())
            for frame in container.decode(video=0)
        ]


def test_segments_join_without_a_seam(tmp_path, pairs):
    """Every picture is there once, at its time, and packets are in decoding order."""
    folder = folder_for(tmp_path, "whole")
    finish(_overlay(folder, None), pairs, 0)
    assert [time for time, _ in decoded(folder / "overlay.mp4")] == TIMES
    with av.open(str(folder / "overlay.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert len(container.streams.audio) == 1
    assert len(packets) == COUNT
    assert sum(packet.is_keyframe for packet in packets) >= COUNT // 4
    order = [packet.dts for packet in packets]
    assert order == sorted(set(order))
    assert all(packet.dts <= packet.pts for packet in packets)
