"""The sound of a clip in parts, at the times of its frames."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from e2e import clips
from vos.errors import InputError
from vos.io.read.open import open_source
from vos.io.read.sound import SoundReader

_RATE = clips.SOUND_RATE
_BEEP = clips.BEEP_FRAME * _RATE // clips.RATE
_CLOSE = _RATE // 500  # 2 ms: a filter's beginning, and containers that count milliseconds


def _open(path: Path) -> SoundReader:
    with open_source(path) as source:
        assert source.info.has_audio
        return SoundReader(path, source.info.start_time)


def _onset(samples: np.ndarray) -> int:
    return int(np.argmax(np.abs(samples[:, 0].astype(int)) > 2_000))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "aac"), ("b.mkv", "libopus"), ("c.mp4", "libmp3lame"), ("d.ts", "mp2")],
)
def test_a_tone_is_where_its_frame_is(tmp_path: Path, name: str, codec: str):
    path = clips.video_with_beep(tmp_path / name, codec=codec)
    with _open(path) as reader:
        assert (reader.rate, reader.channels) == (_RATE, 1)
        whole = reader.read(0, 2 * _RATE)
        assert _onset(whole) == pytest.approx(_BEEP, abs=_CLOSE)
        # Sought, and read on from there, it is the same.
        begin = _BEEP - _RATE // 10
        sought = [reader.read(begin, _RATE // 8), reader.read(begin + _RATE // 8, _RATE // 8)]
        assert _onset(np.concatenate(sought)) == pytest.approx(_RATE // 10, abs=_CLOSE)
        assert not reader.read(60 * _RATE, 100).any()


def test_frames_that_begin_late_have_their_sound(tmp_path: Path):
    path = tmp_path / "late.mkv"
    clip = clips.video_with_beep(tmp_path / "clip.mkv", codec="pcm_s16le")
    with av.open(str(clip)) as before, av.open(str(path), "w") as container:
        streams = {one.index: container.add_stream_from_template(one) for one in before.streams}
        for packet in before.demux():
            if packet.dts is None or packet.pts is None:
                continue
            later = int(Fraction(3) / packet.time_base)
            packet.pts, packet.dts = packet.pts + later, packet.dts + later
            packet.stream = streams[packet.stream_index]
            container.mux(packet)
    with _open(path) as reader:
        assert _onset(reader.read(0, 2 * _RATE)) == pytest.approx(_BEEP, abs=_CLOSE)


def test_surround_is_mixed_down(tmp_path: Path):
    path = tmp_path / "six.mkv"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=24)
        pictures.width, pictures.height, pictures.pix_fmt = clips.WIDTH, clips.HEIGHT, "yuv420p"
        sound = container.add_stream("ac3", rate=_RATE)
        sound.layout = "5.1"
        for begin in range(0, _RATE, 1536):
            part = av.AudioFrame.from_ndarray(
                np.tile(np.sin(np.arange(1536, dtype=np.float32)), (6, 1)), "fltp", "5.1"
            )
            part.sample_rate, part.pts = _RATE, begin
            container.mux(sound.encode(part))
        image = av.VideoFrame.from_ndarray(clips.picture(0), "rgb24")
        container.mux(pictures.encode(image))
        container.mux([*sound.encode(), *pictures.encode()])
    with _open(path) as reader:
        samples = reader.read(0, _RATE)
    assert samples.shape == (_RATE, 2)
    assert samples.any(axis=0).all()


def test_damaged_sound_is_silent_where_it_is_damaged(tmp_path: Path):
    path = clips.video_with_beep(tmp_path / "clip.mkv", codec="flac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    with _open(path) as reader:
        assert reader.read(0, 2 * _RATE).shape == (2 * _RATE, 1)


def test_sound_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(InputError, match=r"clip\.mp4: has no sound"):
        SoundReader(clips.video(tmp_path / "clip.mp4"), Fraction(0))


def test_an_hour_is_not_held(tmp_path: Path):
    path, seconds, rate = tmp_path / "long.mkv", 3600, 8_000
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_u8", rate=rate)
        sound.layout = "mono"
        minute = np.full((1, 60 * rate), 128, np.uint8)
        minute[:, : rate // 10] = 255
        for begin in range(0, seconds * rate, 60 * rate):
            part = av.AudioFrame.from_ndarray(minute, "u8", "mono")
            part.sample_rate, part.pts = rate, begin
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    tracemalloc.start()
    with SoundReader(path, Fraction(0)) as reader:
        last = reader.read((seconds - 60) * rate, 4 * rate)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert _onset(last) == 0
    assert last.any()
    assert most < 2**22
