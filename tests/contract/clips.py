"""Footage for the source contract, generated once per test session and made to be recognised.

Every picture carries its number as eight black or white blocks, which survive any codec here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 96
_BITS = 8
NTSC = Fraction(30000, 1001)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 H x W x 3: number in blocks on top, a moving bar on a gradient below."""
    image = np.empty((height, width, 3), np.uint8)
    image[...] = np.linspace(40, 210, width, dtype=np.uint8)[None, :, None]
    block = width // _BITS
    for bit in range(_BITS):
        image[: height // 3, bit * block : (bit + 1) * block] = 255 * (number >> bit & 1)
    left = number * 3 % (width - 16)
    image[height // 2 : height // 2 + 24, left : left + 16] = (220, 40, 40)
    return image


def read_number(image: np.ndarray) -> int:
    """The number `picture` drew, from an upright image of any size."""
    height, width = image.shape[:2]
    block = width // _BITS
    middle = image[height // 9 : height // 4].mean(axis=(0, 2))
    return sum(
        int(middle[bit * block + block // 4 : (bit + 1) * block - block // 4].mean() > 128) << bit
        for bit in range(_BITS)
    )


def encode(
    path: Path,
    count: int,
    *,
    rate: Fraction = Fraction(25),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    rotation_deg: int = 0,
    size_wh: tuple[int, int] = (WIDTH, HEIGHT),
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    file_format: str | None = None,
    draw: Callable[..., np.ndarray] = picture,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """`count` pictures as a video file. x264 gets key frames every 12 and two B-frames between."""
    with av.open(str(path), "w", format=file_format, options=dict(container_options or {})) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = size_wh
        stream.pix_fmt = pixel_format
        if codec == "libx264":
            stream.gop_size, stream.max_b_frames = 12, 2
        stream.options = dict(options or {})
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if prepare is not None:
            prepare(stream)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(draw(number, *size_wh), format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def trim_losslessly(source: Path, target: Path, first: int, count: int, ticks: int) -> Path:
    """`source` with an edit list that shows `count` frames from `first` on, nothing re-encoded.

    ticks: media ticks per frame. The movie clock of these files runs at 1000 per second.
    """
    data = bytearray(source.read_bytes())
    entry = data.index(b"elst") + 12
    _, media_time = struct.unpack_from(">Ii", data, entry)
    struct.pack_into(">Ii", data, entry, count * 40, media_time + first * ticks)
    target.write_bytes(data)
    return target


def write_stills(folder: Path, names: Sequence[str], **save: Any) -> Path:
    """One numbered picture per name, in the order given."""
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name, **save)
    return folder


@dataclass(frozen=True)
class Footage:
    """One input and what must come out of it.

    numbers: the number drawn on each frame, in order. times: their pts. quarter_turns: applied to
    the drawn pictures on display, counter-clockwise.
    """

    path: str
    numbers: tuple[int, ...]
    times: tuple[Fraction, ...]
    names: tuple[str, ...]
    quarter_turns: int = 0
    decoder: str = "pyav"


def _video(path: Path, count: int, rate: Fraction = Fraction(25), **more: Any) -> Footage:
    times = tuple(i / rate for i in range(count))
    return Footage(str(path), tuple(range(count)), times, _numbered(count), **more)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"{i:05d}" for i in range(count))


def _mp4(folder: Path) -> Footage:
    return _video(encode(folder / "b.mp4", 80, rate=NTSC), 80, NTSC)


def _mkv(folder: Path) -> Footage:
    return _video(encode(folder / "b.mkv", 40), 40)


def _lossless_mkv(folder: Path) -> Footage:
    return _video(encode(folder / "f.mkv", 40, codec="ffv1"), 40)


def _intra_mov(folder: Path) -> Footage:
    path = encode(folder / "p.mov", 40, codec="prores_ks", pixel_format="yuv422p10le")
    return _video(path, 40)


def _mov_turned(folder: Path) -> Footage:
    return _video(encode(folder / "turned.mov", 36, rotation_deg=90), 36, quarter_turns=1)


def _mp4_turned_back(folder: Path) -> Footage:
    return _video(encode(folder / "turned.mp4", 36, rotation_deg=-90), 36, quarter_turns=3)


def _variable_rate(folder: Path) -> Footage:
    times_ms = [int(t) for t in np.cumsum([10, 20, 50, 3, 41] * 8)]
    path = encode(folder / "vfr.mp4", 40, times_ms=times_ms)
    times = tuple(Fraction(t - times_ms[0], 1000) for t in times_ms)
    return Footage(str(path), tuple(range(40)), times, _numbered(40))


def _edit_list(folder: Path) -> Footage:
    source = encode(folder / "untrimmed.mp4", 60)
    path = trim_losslessly(source, folder / "trimmed.mp4", first=20, count=35, ticks=512)
    times = tuple(Fraction(i, 25) for i in range(35))
    return Footage(str(path), tuple(range(20, 55)), times, _numbered(35))


def _open_gop(folder: Path) -> Footage:
    options = {"x264-params": "open-gop=1:keyint=12:min-keyint=12:scenecut=0"}
    return _video(encode(folder / "open.mp4", 60, options=options), 60)


def _transport_stream(folder: Path) -> Footage:
    return _video(encode(folder / "late.ts", 40), 40)


def _no_times(folder: Path) -> Footage:
    return _video(encode(folder / "raw.h264", 80, file_format="h264"), 80)


def _stills(path: Path | str, names: Sequence[str]) -> Footage:
    times = tuple(Fraction(i, 24) for i in range(len(names)))
    stems = tuple(Path(name).stem for name in names)
    return Footage(str(path), tuple(range(len(names))), times, stems)


_NATURAL = ("shot 1.{0}", "shot 2.{0}", "shot 10.{0}", "shot 11.{0}", "shot 100.{0}", "tail.{0}")


def _jpg_folder(folder: Path) -> Footage:
    names = [name.format("jpg") for name in _NATURAL]
    return _stills(write_stills(folder / "jpgs", names, quality=92), names)


def _png_folder(folder: Path) -> Footage:
    names = [f"{1001 + i}.PNG" for i in range(40)]
    path = write_stills(folder / "pngs", names)
    (path / "notes.txt").write_text("not an image")
    (path / "._1001.PNG").write_bytes(b"resource fork")
    return _stills(path, names)


def _glob(folder: Path) -> Footage:
    names = [f"take_{i}.png" for i in (7, 8, 9, 10, 12)]
    path = write_stills(folder / "takes", names)
    Image.fromarray(picture(0)).save(path / "other_1.png")
    return _stills(path / "take_*.png", names)


def _single(folder: Path) -> Footage:
    path = folder / "single"
    return _stills(write_stills(path, ["alone.png"]) / "alone.png", ["alone.png"])


def _decord(folder: Path) -> Footage:
    return _video(encode(folder / "d.mp4", 40), 40, decoder="decord")


MAKERS: dict[str, Callable[[Path], Footage]] = {
    "mp4": _mp4,
    "mkv": _mkv,
    "lossless_mkv": _lossless_mkv,
    "intra_mov": _intra_mov,
    "mov_turned": _mov_turned,
    "mp4_turned_back": _mp4_turned_back,
    "variable_rate": _variable_rate,
    "edit_list": _edit_list,
    "open_gop": _open_gop,
    "transport_stream": _transport_stream,
    "no_times": _no_times,
    "jpg_folder": _jpg_folder,
    "png_folder": _png_folder,
    "glob": _glob,
    "single": _single,
    "decord": _decord,
}
