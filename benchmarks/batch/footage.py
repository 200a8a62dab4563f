"""Footage for `benchmarks.batch.acceptance`: 25 clips of many kinds, 5 that cannot be tracked."""

from __future__ import annotations

import json
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from benchmarks.common import disk_box, moving_frames
from vos.io.read.open import open_source

GOOD, BAD = 25, 5
SIZE_HW = (120, 192)
NTSC = Fraction(30000, 1001)
_MOST_FRAMES = 40
_ENCODER_OPTIONS = {"libx264": {"g": "12"}, "libvpx-vp9": {"cpu-used": "8"}}


@dataclass(frozen=True, slots=True)
class Shot:
    """One row of the manifest.

    name: of the clip.
    source: its file or folder.
    kind: what is odd about it, for people.
    options: of `vos track`, as the row has them.
    fails: what its reason has to contain; None for one that can be tracked.
    """

    name: str
    source: Path
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fails: str | None = None

    def row(self) -> str:
        return json.dumps({"source": str(self.source), "name": self.name, **self.options})


def make_shots(folder: Path, real: Path | None) -> list[Shot]:
    """Make 30 clips in `folder`, a new one; up to six videos of `real` stand in for as many."""
    folder.mkdir(parents=True)
    shots = [*_videos(folder), *_stills(folder), *_make_variants(folder), *_real(real)]
    for number in range(GOOD - len(shots)):
        path = encode(folder / f"more {number}.mp4", 30 + number, rate=Fraction(24 + number))
        shots.append(_make_shot(path, "H.264"))
    return [*shots, *_broken(folder)]


def encode(
    path: Path,
    frames: int,
    *,
    size_hw: tuple[int, int] = SIZE_HW,
    rate: Fraction = Fraction(25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    turn_deg: int = 0,
    times_ms: Sequence[int] | None = None,
    container: Mapping[str, str] | None = None,
) -> Path:
    """A disk that circles over a texture. size_hw: as displayed. turn_deg: counter-clockwise, done
    on display."""
    with av.open(str(path), "w", options=dict(container or {})) as out:
        stream = out.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size_hw if turn_deg % 180 == 0 else size_hw[::-1]
        stream.pix_fmt = pixel_format
        stream.options = {**_ENCODER_OPTIONS.get(codec, {})}
        if turn_deg:
            stream.set_display_rotation(turn_deg)
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for frame in moving_frames(frames, size_hw):
            image = np.ascontiguousarray(np.rot90(frame.image, -turn_deg // 90))
            encoded = av.VideoFrame.from_ndarray(image, "rgb24")
            if times_ms is not None:
                encoded.pts, encoded.time_base = times_ms[frame.frame_idx], Fraction(1, 1000)
            out.mux(stream.encode(encoded))
        out.mux(stream.encode())
    return path


def _make_shot(path: Path, kind: str, size_hw: tuple[int, int] = SIZE_HW) -> Shot:
    """Make a shot with a box around the disk, as far as it is in the frame."""
    left, top, right, bottom = disk_box(size_hw)
    box = (left, top, min(right, size_hw[1] - 1), bottom)
    return Shot(path.name, path, kind, {"box": [_text(box)]})


def _text(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _videos(folder: Path) -> list[Shot]:
    irregular = [int(ms) for ms in np.cumsum([10, 20, 50, 3, 41] * 8)]
    portrait, odd = (192, 120), (97, 161)
    cut = encode(folder / "cut short.mp4", 60, container={"movflags": "+faststart"})
    data = cut.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    return [
        _make_shot(encode(folder / "plain.mp4", 48), "H.264, 25 frames/s"),
        _make_shot(encode(folder / "ntsc.mp4", 36, rate=NTSC), "29.97 frames/s"),
        _make_shot(encode(folder / "fast.mkv", 60, rate=Fraction(60)), "Matroska, 60 frames/s"),
        _make_shot(encode(folder / "portrait.mp4", 30, size_hw=portrait), "portrait", portrait),
        _make_shot(
            encode(folder / "phone.mov", 30, size_hw=portrait, turn_deg=-90),
            "turned by its metadata",
            portrait,
        ),
        _make_shot(encode(folder / "upside down.mp4", 24, turn_deg=180), "turned by 180 degrees"),
        _make_shot(encode(folder / "vfr.mp4", 40, times_ms=irregular), "variable rate"),
        _make_shot(
            encode(folder / "prores.mov", 16, codec="prores_ks", pixel_format="yuv422p10le"),
            "ProRes 422, 10 bit",
        ),
        _make_shot(
            encode(folder / "odd.mkv", 20, size_hw=odd, codec="ffv1", pixel_format="yuv444p"),
            "odd width and height, FFV1",
            odd,
        ),
        _make_shot(encode(folder / "web.webm", 20, codec="libvpx-vp9"), "VP9"),
        _make_shot(encode(folder / "camera.ts", 30), "transport stream"),
        _make_shot(cut, "cut short, its index in front"),
    ]


def _stills(folder: Path) -> list[Shot]:
    return [
        _make_shot(stills(folder / "jpegs", 24, "jpg"), "folder of JPEGs"),
        _make_shot(stills(folder / "pngs", 16, "png", first=1001), "folder of PNGs from 1001 on"),
        Shot(
            "some.jpg",
            folder / "jpegs" / "jpegs_000*.jpg",
            "pattern of images",
            {"box": [_text(disk_box(SIZE_HW))]},
        ),
    ]


def stills(folder: Path, frames: int, suffix: str, *, first: int = 0) -> Path:
    folder.mkdir()
    for frame in moving_frames(frames, SIZE_HW):
        number = first + frame.frame_idx
        Image.fromarray(frame.image).save(folder / f"{folder.name}_{number:04}.{suffix}")
    return folder


def _make_variants(folder: Path) -> list[Shot]:
    """Make four shots of one file, with different options."""
    path = encode(folder / "asked.mp4", 36)
    left, top, right, bottom = box = disk_box(SIZE_HW)
    middle = _text(((left + right) / 2, (top + bottom) / 2))
    return [
        Shot("asked two", path, "two objects", {"box": [_text(box), "2:5,5,60,40"]}),
        Shot(
            "asked both", path, "both directions", {"point": [f"{middle}@4"], "direction": "both"}
        ),
        Shot(
            "asked part",
            path,
            "a part of it",
            {"box": [f"{_text(box)}@6"], "start": "6f", "end": "1s"},
        ),
        Shot("asked masks", path, "no overlay", {"box": [_text(box)], "save": "masks"}),
    ]


def _real(folder: Path | None) -> list[Shot]:
    """Make shots of the first videos' first frames, with their prompt files, else a central box."""
    if folder is None:
        return []
    shots = []
    for path in sorted(folder.glob("*.mp4"))[:6]:
        options: dict[str, Any] = {"end": f"{_MOST_FRAMES}f"}
        if not path.with_name(f"{path.name}.prompts.json").exists():
            with open_source(path) as source:
                height, width = source.info.size_hw
            box = (width * 0.35, height * 0.3, width * 0.65, height * 0.8)
            options["box"] = [_text(box)]
        shots.append(Shot(path.name, path.absolute(), "real footage", options))
    return shots


def _broken(folder: Path) -> list[Shot]:
    whole = encode(folder / "whole.mp4", 40).read_bytes()
    no_index = folder / "no index.mp4"
    no_index.write_bytes(whole[: len(whole) // 2])
    sound = folder / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    holed = stills(folder / "holed", 20, "png")
    image = holed / "holed_0012.png"
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    return [
        _fails(_make_shot(no_index, "cut short, its index lost"), "not a video"),
        _fails(_make_shot(sound, "no video stream"), "no video stream"),
        _fails(Shot("unasked.mp4", folder / "whole.mp4", "no prompt"), "no prompt"),
        _fails(
            Shot("outside.mp4", folder / "whole.mp4", "box outside", {"box": ["900,900,950,950"]}),
            "outside",
        ),
        _fails(_make_shot(holed, "a broken image in the middle"), "broken image"),
    ]


def _fails(shot: Shot, reason: str) -> Shot:
    return Shot(shot.name, shot.source, shot.kind, shot.options, reason)
