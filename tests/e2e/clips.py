"""Tiny inputs of every unpleasant kind, made on the spot."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from PIL import Image

WIDTH, HEIGHT = 96, 64
BOX = "20,16,52,48"  # around the square on frame 0
RATE, SOUND_RATE = 24, 48_000
BEEP_FRAME = 24


def picture(index: int) -> np.ndarray:
    """uint8 H x W x 3: a bright square that moves right one pixel a frame."""
    image = np.full((HEIGHT, WIDTH, 3), (40, 60, 40), np.uint8)
    image[16:48, 20 + index % 40 : 52 + index % 40] = (230, 120, 60)
    return image


def video(path: Path, frames: int = 12, *, faststart: bool = False) -> Path:
    """An H.264 clip. faststart: index first, so that a cut file can still be opened."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "4", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode())
    return path


def video_with_beep(
    path: Path, frames: int = 40, beep_frame: int = BEEP_FRAME, codec: str = "aac"
) -> Path:
    """A silent clip with 0.5 s of a tone that begin with the first white frame."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=RATE, options={"g": "10", "bf": "0"})
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream(codec, rate=SOUND_RATE)
        assert isinstance(sound, AudioStream)
        sound.layout = "mono"
        seconds = np.arange(frames * SOUND_RATE // RATE) / SOUND_RATE
        since = seconds - beep_frame / RATE
        tone = np.where((since >= 0) & (since < 0.5), 0.5 * np.sin(2 * np.pi * 1000 * since), 0)
        for begin in range(0, len(tone), 960):
            part = av.AudioFrame.from_ndarray(
                tone[None, begin : begin + 960].astype(np.float32), "fltp", "mono"
            )
            part.sample_rate, part.pts = SOUND_RATE, begin
            container.mux(sound.encode(part))
        container.mux(sound.encode())
        for index in range(frames):
            image = np.full((HEIGHT, WIDTH, 3), 255 if index >= beep_frame else 0, np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(pictures.encode())
    return path


def truncated_video(path: Path) -> Path:
    whole = video(path, 48, faststart=True).read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    return path


def sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(8000))
    return path


def images(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    for index in range(count):
        Image.fromarray(picture(index)).save(folder / f"{index:03}.jpg")
    return folder


def two_scenes(folder: Path, count: int, cut: int) -> Path:
    """Write the square on green, then from frame `cut` on another place without it."""
    images(folder, cut)
    columns = np.mgrid[:HEIGHT, :WIDTH][1]
    for index in range(cut, count):
        blue = np.where((columns + index) % 48 < 24, 235, 90)
        image = np.stack([blue // 4, blue // 2, blue], -1).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{index:03}.jpg")
    return folder
