"""Deliveries of one movie per target, at a constant rate."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
from av import VideoFrame
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from vos.errors import UsageError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Delivery, Shot, ShotFrame, Target
from vos.io.write.deliver.movies.frames import convert_colours, convert_matte, lay_matte
from vos.io.write.deliver.workers import Workers
from vos.io.write.overlay.audio import AudioCopy

_FEW_MOVIES = 8
"""So many may have two threads each, which hold some frames more; of many, each is one's work."""


@dataclass(frozen=True, slots=True)
class MovieCodec:
    """How one kind of movie is encoded.

    encoder: FFmpeg's name.
    odd_encoder: the one for odd widths, where the usual one refuses them.
    decoder: the one that reads all channels back, where the usual one does not.
    is_intra: whether every frame is coded by itself, so that any of them can be decoded alone.
    suffix: the container.
    pixel_format: what the encoder is given.
    decoded_formats: what a decoder gives.
    options: of the encoder.
    is_opaque: whether there is no alpha, and the matte is in the colours.
    """

    encoder: str
    suffix: str
    pixel_format: str
    decoded_formats: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    odd_encoder: str | None = None
    decoder: str | None = None
    is_intra: bool = True
    is_opaque: bool = False

    @property
    def is_matte_only(self) -> bool:
        """Tell whether the matte is all there is: no colours, no alpha."""
        return self.pixel_format == "yuv422p10le"

    @property
    def is_rgb(self) -> bool:
        """Tell whether pixels are stored as they are."""
        return not self.pixel_format.startswith("yuv")

    def require(self) -> None:
        """Raise UsageError where this FFmpeg has no such encoder."""
        for encoder in (self.encoder, self.odd_encoder or self.encoder):
            if encoder not in av.codecs_available:
                raise UsageError(
                    f"export: the FFmpeg of this PyAV has no encoder {encoder}; install PyAV's own "
                    "wheel (`pip install --force-reinstall --only-binary av av`), or choose "
                    "another format"
                )


def _prores(profile: str) -> MovieCodec:
    # Of FFmpeg's two encoders this one takes a quarter of the other's time; it is 1 dB off, at 63.
    # It takes 10 bits and stores alpha in 16; the decoder gives 12.
    return MovieCodec(
        "prores_aw",
        ".mov",
        "yuva444p10le",
        ("yuva444p12le",),
        {"profile": profile, "vendor": "apl0"},
        odd_encoder="prores_ks",
    )


# The encoder hands the alpha no crf, so that the highest quantiser keeps its error small; it sets
# the quality too, so that the quickest way costs up to a fifth more bytes and nothing else.
_VP9 = {
    **{"crf": "2", "b": "0", "qmin": "0", "qmax": "2"},
    **{"row-mt": "1", "deadline": "realtime", "cpu-used": "8"},
}

CODECS = {
    "prores4444": _prores("4"),
    "prores4444xq": _prores("5"),
    # FFmpeg's own VP9 decoder does not show the alpha.
    "vp9": MovieCodec(
        *("libvpx-vp9", ".webm", "yuva420p", ("yuva420p",), _VP9),
        decoder="libvpx-vp9",
        is_intra=False,
    ),
    "ffv1": MovieCodec("ffv1", ".mkv", "bgra", ("bgra",), {"level": "3", "g": "1"}),
    "qtrle": MovieCodec("qtrle", ".mov", "argb", ("argb",), is_intra=False),
    "luma": MovieCodec(
        "prores_ks",
        ".mov",
        "yuv422p10le",
        ("yuv422p10le",),
        {"profile": "hq", "vendor": "apl0", "bits_per_mb": "8000"},  # edges ring with the usual
    ),
}


class MovieDelivery(Delivery):
    """One movie per target; those that were begun are closed together."""

    def __init__(self, folder: Path, shot: Shot, codec: MovieCodec) -> None:
        self.warnings: list[str] = []
        self._codec = codec
        self._movies: list[_Movie] = []
        self._workers = Workers(len(shot.targets))
        try:
            for target in shot.targets:
                path = folder / f"{target.stem}{codec.suffix}"
                self._movies.append(_open_movie(path, target, shot, codec, self.warnings))
        except BaseException:
            self._abandon()
            raise

    def write(self, frame: ShotFrame) -> None:
        colours = None
        if not self._codec.is_matte_only:
            assert frame.image is not None
            colours = convert_colours(frame.image, self._codec.pixel_format)
        self._workers.wait()  # a movie gets its frames one after the other
        for movie in self._movies:
            self._workers.submit(partial(movie.write, frame, colours))

    def _finish(self) -> None:
        try:
            self._workers.close()
            for movie in self._movies:
                movie.finish()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._workers.abandon()
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
            self._stream = open_encoder(self._output, shot, codec)
            if has_sound and shot.audio_from is not None:
                self._audio = AudioCopy(
                    shot.audio_from, self._output, shot.audio_start, Fraction(0)
                )
                self._resources.callback(self._audio.close)
            self._output.start_encoding()
        except BaseException:
            self._resources.close()
            raise

    def write(self, frame: ShotFrame, colours: VideoFrame | None) -> None:
        encoded = self._draw(frame, colours)
        encoded.pts, encoded.time_base = self._position, 1 / self._rate
        self._position += 1
        self._output.mux(self._stream.encode(encoded))
        self._copy_audio()

    def _draw(self, frame: ShotFrame, colours: VideoFrame | None) -> VideoFrame:
        if self._codec.is_opaque:
            assert colours is not None
            return colours
        matte = frame.matte(self._target)
        if colours is None:
            return convert_matte(matte, self._codec.pixel_format)
        return lay_matte(colours, matte)

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


def open_encoder(output: OutputContainer, shot: Shot, codec: MovieCodec) -> VideoStream:
    is_odd = codec.odd_encoder is not None and shot.size_hw[1] % 2
    encoder = codec.odd_encoder if is_odd else codec.encoder
    assert encoder is not None
    stream = output.add_stream(encoder, rate=shot.rate, options=dict(codec.options))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.height, context.width = shot.size_hw
    context.pix_fmt = codec.pixel_format
    context.time_base = 1 / shot.rate
    context.thread_count = 2 if len(shot.targets) <= _FEW_MOVIES else 1
    context.thread_type = ThreadType.AUTO
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    if not codec.is_rgb:
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    if shot.pixel_aspect != 1:
        context.sample_aspect_ratio = shot.pixel_aspect.limit_denominator(2**15)
    if shot.timecode is not None:
        stream.metadata["timecode"] = shot.timecode
    return stream


def _close_quietly(output: OutputContainer) -> None:
    with contextlib.suppress(FFmpegError, OSError, ValueError):
        output.close()
