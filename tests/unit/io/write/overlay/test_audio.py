"""Sound in the overlay: the source's own packets, in step with the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from vos.errors import OutputError
from vos.frame import Frame, FrameResult
from vos.io.write.overlay.audio import AudioCopy
from vos.io.write.overlay.sink import OverlaySink

TICK = Fraction(1, 12_800)


def make_source(path: Path, codec: str, rate: int = 48_000, offset_s: int = 0) -> None:
    """Two seconds of 32 x 32 video at 25 fps and of noise."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 32
        audio = container.add_stream(codec, rate=rate, layout="mono")
        for index in range(50):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            picture.pts, picture.time_base = index + 25 * offset_s, Fraction(1, 25)
            container.mux(video.encode(picture))
            step = rate // 25
            noise = rng.integers(-9999, 9999, (1, step), dtype=np.int16)
            sound = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
            sound.sample_rate, sound.time_base = rate, Fraction(1, rate)
            sound.pts = index * step + rate * offset_s
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def overlay(path: Path, source: Path, first: int, count: int, start: int = 0) -> list[str]:
    image, labels = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    sink = OverlaySink(
        path,
        time_base=TICK,
        frame_rate=Fraction(25),
        audio_from=source,
        audio_start_time=Fraction(start),
    )
    with sink:
        for index in range(first, first + count):
            pts = Fraction(index, 25)
            sink.write(Frame(image, pts, index, "x"), FrameResult(index, pts, "x", labels, {}))
    return sink.warnings


def packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(audio=0) if p.size]


@pytest.mark.parametrize(("codec", "suffix"), [("aac", "mp4"), ("aac", "mov"), ("libopus", "mkv")])
def test_sound_is_copied_unchanged(tmp_path, codec, suffix):
    source, path = tmp_path / f"col:on.{suffix}", tmp_path / "o.mp4"
    make_source(source, codec)
    assert overlay(path, source, 0, 50) == []
    original, copied = packets(source), packets(path)
    assert [data for _, data in copied] == [data for _, data in original]
    assert len(copied) > 40
    for (time, _), (copied_time, _) in zip(original, copied, strict=True):
        assert abs(time - copied_time) <= Fraction(1, 1000)


def test_only_the_sound_of_the_tracked_time_is_kept(tmp_path):
    source, path = tmp_path / "s.mp4", tmp_path / "o.mp4"
    make_source(source, "aac")
    overlay(path, source, 20, 10)
    times = {data: time for time, data in packets(source)}
    copied = packets(path)
    frame = Fraction(1024, 48_000)
    assert Fraction(20, 25) - 2 * frame <= copied[0][0] <= Fraction(20, 25)
    assert Fraction(30, 25) - frame <= copied[-1][0] < Fraction(30, 25)
    assert all(abs(times[data] - time) <= TICK for time, data in copied)
    with av.open(str(path)) as container:
        shown = [f.pts * f.time_base for f in container.decode(video=0)]
    assert shown == [Fraction(n, 25) for n in range(20, 30)]


def test_a_source_clock_that_starts_late_is_taken_out(tmp_path):
    source, path = tmp_path / "s.mkv", tmp_path / "o.mp4"
    make_source(source, "aac", offset_s=5)
    assert overlay(path, source, 0, 50, start=5) == []
    copied = packets(path)
    assert len(copied) > 40
    assert abs(copied[0][0]) < Fraction(1, 20)


def test_sound_that_mp4_cannot_hold_is_left_out_with_a_warning(tmp_path):
    source, path = tmp_path / "s.avi", tmp_path / "o.mp4"
    make_source(source, "adpcm_ms")
    (warning,) = overlay(path, source, 0, 5)
    assert "s.avi" in warning
    assert "silent" in warning
    assert "\n" not in warning
    assert packets(path) == []
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_source_that_ends_early_ends_the_sound_only(tmp_path):
    source, path = tmp_path / "s.mkv", tmp_path / "o.mp4"
    make_source(source, "aac")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    overlay(path, source, 0, 50)
    assert 5 < len(packets(path)) < 90
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50


def test_damaged_sound_ends_with_a_warning(tmp_path, monkeypatch):
    source, path = tmp_path / "s.mp4", tmp_path / "o.mp4"
    make_source(source, "aac")

    def broken(self: AudioCopy, container: InputContainer) -> Iterator[Packet]:
        return read(self, _Breaking(container))  # pyright: ignore

    read = AudioCopy._read
    monkeypatch.setattr(AudioCopy, "_read", broken)
    (warning,) = overlay(path, source, 0, 50)
    assert "damaged" in warning
    assert len(packets(path)) == 20
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50


class _Breaking:
    """A container whose 21st packet cannot be read."""

    def __init__(self, container: InputContainer) -> None:
        self._container, self.streams = container, container.streams

    def demux(self, streams: Sequence[AudioStream]) -> Iterator[Packet]:
        yield from islice(self._container.demux(streams), 20)
        raise av.error.InvalidDataError(1094995529, "Invalid data found", None)


def test_a_file_in_the_way_is_an_output_error_with_sound_too(tmp_path):
    source = tmp_path / "s.mp4"
    make_source(source, "aac")
    with pytest.raises(OutputError, match="a file is in the way"):
        overlay(source / "o.mp4", source, 0, 5)
