"""Deliveries of one movie per target, at a constant rate."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from vos.errors import UsageError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Delivery, Shot, ShotFrame, Target
from vos.io.write.overlay.audio import AudioCopy

_THREADS = 2


@dataclass(frozen=True, slots=True)
class MovieCodec:
    """How one kind of movie is encoded.

    encoder: FFmpeg's name.
    decoder: the one that reads all channels back, where the usual one does not.
    suffix: the container.
    pixel_format: what the encoder is given.
    decoded_formats: what a decoder gives.
    options: of the encoder.
    """

    encoder: str
    suffix: str
    pixel_format: str
    decoded_formats: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    decoder: str | None = None

    @property
    def is_matte_only(self) -> bool:
        """Tell whether the matte is all there is: no colours, no alpha."""
        return self.pixel_format == "yuv422p10le"

    @property
    def is_rgb(self) -> bool:
        """Tell whether pixels are stored as they are."""
        return not self.pixel_format.startswith("yuv")


def _prores(profile: str) -> MovieCodec:
    # The encoder takes 10 bits and stores alpha in 16; the decoder gives 12.
    options = {"profile": profile, "alpha_bits": "16", "vendor": "apl0"}
    return MovieCodec("prores_ks", ".mov", "yuva444p10le", ("yuva444p12le",), options)


# The encoder hands the alpha no crf, so that the highest quantiser keeps its error small.
_VP9 = {
    **{"crf": "2", "b": "0", "qmin": "0", "qmax": "2"},
    **{"row-mt": "1", "deadline": "good", "cpu-used": "4"},
}

CODECS = {
    "prores4444": _prores("4444"),
    "prores4444xq": _prores("4444xq"),
    # FFmpeg's own VP9 decoder does not show the alpha.
    "vp9": MovieCodec("libvpx-vp9", ".webm", "yuva420p", ("yuva420p",), _VP9, "libvpx-vp9"),
    "ffv1": MovieCodec("ffv1", ".mkv", "bgra", ("bgra",), {"level": "3"}),
    "qtrle": MovieCodec("qtrle", ".mov", "argb", ("argb",)),
    "luma": MovieCodec(
        "prores_ks",
        ".mov",
        "yuv422p10le",
        ("yuv422p10le",),
        {"profile": "hq", "vendor": "apl0", "bits_per_mb": "8000"},  # edges ring with the usual
    ),
}


class MovieDelivery(Delivery):
    """One movie per target; those that were begun are closed together.

    Raises UsageError where this FFmpeg has no such encoder.
    """

    def __init__(self, folder: Path, shot: Shot, codec: MovieCodec) -> None:
        if codec.encoder not in av.codecs_available:
            raise UsageError(
                f"export: the FFmpeg of this PyAV has no encoder {codec.encoder}; install PyAV's "
                "own wheel (`pip install --force-reinstall --only-binary av av`), or choose "
                "another format"
            )
        self.warnings: list[str] = []
        self._movies: list[_Movie] = []
        try:
            for target in shot.targets:
                path = folder / f"{target.stem}{codec.suffix}"
                self._movies.append(_open_movie(path, target, shot, codec, self.warnings))
        except BaseException:
            self._abandon()
            raise

    def write(self, frame: ShotFrame) -> None:
        for movie in self._movies:
            movie.write(frame)

    def _finish(self) -> None:
        try:
            for movie in self._movies:
                movie.finish()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        for movie in self._movies:
            movie.free()


class _Movie:
    def __init__(
        self, path: Path, target: Target, shot: Shot, codec: MovieCodec, *, has_sound: bool
    ) -> None:
        self._path, self._target, self._codec, self._rate = path, target, codec, shot.rate
        self._position = 0
        self._resources = contextlib.ExitStack()
        self._audio: AudioCopy | None = None
        try:
            self._output = av.open(str(path), "w", options=_container_options(codec))
            self._resources.callback(_close_quietly, self._output)
            self._stream = _add_stream(self._output, shot, codec)
            if has_sound and shot.audio_from is not None:
                self._audio = AudioCopy(
                    shot.audio_from, self._output, shot.audio_start, Fraction(0)
                )
                self._resources.callback(self._audio.close)
            self._output.start_encoding()
        except BaseException:
            self._resources.close()
            raise

    def write(self, frame: ShotFrame) -> None:
        picture = _picture(frame, frame.matte(self._target), self._codec)
        picture.pts, picture.time_base = self._position, 1 / self._rate
        self._position += 1
        self._output.mux(self._stream.encode(picture))
        self._copy_audio()

    def finish(self) -> None:
        self._output.mux(self._stream.encode(None))
        self._copy_audio()
        self._output.close()  # writes the index: a full disk may only show here
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def free(self) -> None:
        self._resources.close()

    def _copy_audio(self) -> None:
        if self._audio is not None:
            self._audio.pump(self._output, self._position / self._rate)


def _open_movie(
    path: Path, target: Target, shot: Shot, codec: MovieCodec, warnings: list[str]
) -> _Movie:
    if shot.audio_from is not None:
        try:
            return _Movie(path, target, shot, codec, has_sound=True)
        except (FFmpegError, ValueError) as error:
            movie = _Movie(path, target, shot, codec, has_sound=False)  # a full disk fails again
            warnings.append(
                f"{display_name(path.name)}: is silent, as {codec.suffix[1:]} does not take the "
                f"sound of {display_name(shot.audio_from.name)} ({error})"
            )
            return movie
    return _Movie(path, target, shot, codec, has_sound=False)


def _container_options(codec: MovieCodec) -> dict[str, str]:
    return {"movflags": "write_colr"} if codec.suffix == ".mov" else {}


def _add_stream(output: OutputContainer, shot: Shot, codec: MovieCodec) -> VideoStream:
    stream = output.add_stream(codec.encoder, rate=shot.rate, options=dict(codec.options))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.height, context.width = shot.size_hw
    context.pix_fmt = codec.pixel_format
    context.time_base = 1 / shot.rate
    context.thread_count = _THREADS
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    if not codec.is_rgb:
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    if shot.pixel_aspect != 1:
        context.sample_aspect_ratio = shot.pixel_aspect.limit_denominator(2**15)
    if shot.timecode is not None:
        stream.metadata["timecode"] = shot.timecode
    return stream


def _picture(frame: ShotFrame, matte: np.ndarray, codec: MovieCodec) -> av.VideoFrame:
    if codec.is_matte_only:
        picture = av.VideoFrame.from_ndarray(matte, format="gray")
    else:
        assert frame.image is not None
        pixels = np.dstack([frame.image, matte])
        picture = av.VideoFrame.from_ndarray(pixels, format="rgba")
    if codec.is_rgb:
        picture = picture.reformat(format=codec.pixel_format)
    else:
        picture = picture.reformat(
            format=codec.pixel_format,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.color_primaries, picture.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return picture


def _close_quietly(output: OutputContainer) -> None:
    with contextlib.suppress(FFmpegError, OSError, ValueError):
        output.close()
