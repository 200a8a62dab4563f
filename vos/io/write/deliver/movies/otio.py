"""A delivery as an OpenTimelineIO timeline: the clip, and above it its matte-only movies.

The movies are written beside the timeline, as `luma` makes them, so that both belong together.
Media is named by absolute addresses, as editors link no others; they ask for what was moved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from vos.errors import UsageError, VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Delivery, Media, Seen, Shot, ShotFrame, Target
from vos.io.write.deliver.movies.read_back import read_movies
from vos.io.write.deliver.movies.write import CODECS, MovieDelivery
from vos.io.write.deliver.timecode import count_frames

SUFFIX = ".otio"
_NAME = "timeline"
_CLIP_TRACK = "clip"
_MATTES = CODECS["luma"]
_NUMBERED = re.compile(r"(.*?)(\d+)", re.ASCII | re.DOTALL)


def import_opentimelineio() -> Any:
    """Import opentimelineio. Raises UsageError, saying what to install, where it is not there."""
    try:
        import opentimelineio  # pyright: ignore[reportMissingImports]  (an optional dependency)
    except ImportError:
        raise UsageError(
            "export: timelines need one more package, opentimelineio: pip install 'vos[deliver]', "
            "or choose luma"
        ) from None
    return opentimelineio


class TimelineDelivery(Delivery):
    """Matte-only movies, and a timeline that has them above the clip."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._otio = import_opentimelineio()
        self._folder, self._shot = folder, shot
        self._movies = MovieDelivery(folder, shot, _MATTES)
        self.warnings = self._movies.warnings

    def write(self, frame: ShotFrame) -> None:
        self._movies.write(frame)

    def _finish(self) -> None:
        self._movies.close()
        text = self._otio.adapters.write_to_string(self._timeline(), "otio_json")
        with (self._folder / f"{_NAME}{SUFFIX}").open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _abandon(self) -> None:
        self._movies.abandon()

    def _timeline(self) -> Any:
        schema, shot = self._otio.schema, self._shot
        timeline = schema.Timeline(_clip_name(shot.media))
        start = _start(shot)
        if shot.timecode is not None:
            timeline.global_start_time = self._time(start)
        kinds = [schema.TrackKind.Video]
        if shot.media is not None and shot.media.has_audio:
            kinds.append(schema.TrackKind.Audio)
        for kind in kinds:
            track = schema.Track(_CLIP_TRACK, kind=kind)
            track.append(self._clip(shot.media))
            timeline.tracks.append(track)
        for target in shot.targets:
            track = schema.Track(_matte_name(shot, target), kind=schema.TrackKind.Video)
            track.append(self._matte(target, start))
            timeline.tracks.insert(len(timeline.video_tracks()), track)
        return timeline

    def _clip(self, media: Media | None) -> Any:
        schema, shot = self._otio.schema, self._shot
        first, reference = 0, schema.MissingReference()
        if media is not None and media.names is None:
            if media.timecode is not None:
                first = count_frames(media.timecode, shot.rate) or 0
            reference = schema.ExternalReference(
                media.path.as_uri(), self._range(first, media.frame_count)
            )
        elif media is not None and media.names:
            first, reference = self._sequence(media, media.names)
        return schema.Clip(
            _clip_name(media),
            reference,
            self._range(first + shot.frames.start, len(shot.frames)),
        )

    def _sequence(self, media: Media, names: Sequence[str]) -> tuple[int, Any]:
        """Return the first number and the reference of images; of others than a run, no media."""
        schema = self._otio.schema
        folder = media.path if media.path.is_dir() else media.path.parent  # else a pattern
        suffixes = [one.suffix for one in folder.iterdir() if one.stem == names[0]]
        match = _NUMBERED.fullmatch(names[0])
        if match is None or len(suffixes) != 1:
            return 0, schema.MissingReference()
        prefix, digits = match.groups()
        first, width = int(digits), len(digits)
        run = [f"{prefix}{first + index:0{width}d}" for index in range(len(names))]
        if list(names) != run:
            return 0, schema.MissingReference()
        reference = schema.ImageSequenceReference(
            target_url_base=f"{folder.as_uri()}/",
            name_prefix=prefix,
            name_suffix=suffixes[0],
            start_frame=first,
            rate=float(self._shot.rate),
            frame_zero_padding=width,
            available_range=self._range(first, media.frame_count),
        )
        return first, reference

    def _matte(self, target: Target, start: int) -> Any:
        schema, shot = self._otio.schema, self._shot
        whole = self._range(start, len(shot.frames))
        place = (shot.place or self._folder) / f"{target.stem}{_MATTES.suffix}"
        return schema.Clip(
            _matte_name(shot, target),
            schema.ExternalReference(place.as_uri(), whole),
            whole,
            metadata={"vos": {"matte": "luma", "object_ids": list(target.objects)}},
        )

    def _time(self, frames: int) -> Any:
        return self._otio.opentime.RationalTime(frames, float(self._shot.rate))

    def _range(self, start: int, frames: int) -> Any:
        return self._otio.opentime.TimeRange(self._time(start), self._time(frames))


def read_timeline(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read the timeline with its own library, and its movies: see `ReadBack`."""
    otio = import_opentimelineio()
    path = folder / f"{_NAME}{SUFFIX}"
    try:
        timeline = otio.adapters.read_from_file(str(path))
        _check(timeline, shot)
    except (
        *(OSError, ValueError, TypeError, KeyError, AttributeError),
        otio.exceptions.OTIOError,
    ) as error:
        said = display_name(" ".join(str(error).split()))
        raise VerificationError(
            f"{path.name}: is not there or no such timeline ({said}): export again"
        ) from error
    yield from read_movies(folder, shot, _MATTES, wanted)


def _check(timeline: Any, shot: Shot) -> None:
    """Raise ValueError for a timeline that is not what it should be."""
    names = [_CLIP_TRACK, *(_matte_name(shot, one) for one in shot.targets)]
    tracks = timeline.video_tracks()
    if [one.name for one in tracks] != names:
        raise ValueError(f"its tracks are {[one.name for one in tracks]}, not {names}")
    begin = timeline.global_start_time
    if (None if begin is None else begin.value) != (_start(shot) if shot.timecode else None):
        raise ValueError(f"it starts at {begin}, not at {shot.timecode}")
    for track in (*tracks, *timeline.audio_tracks()):
        (clip,) = track
        duration = clip.source_range.duration
        if (duration.value, duration.rate) != (len(shot.frames), float(shot.rate)):
            raise ValueError(
                f"{track.name} has {duration.value:g} frames at {duration.rate:g}, not "
                f"{len(shot.frames)} at {float(shot.rate):g}"
            )
    for track, target in zip(tracks[1:], shot.targets, strict=True):
        address = urlsplit(track[0].media_reference.target_url).path
        name = unquote(address).rpartition("/")[2]
        if name != f"{target.stem}{_MATTES.suffix}":
            raise ValueError(f"{track.name} refers to {name}")


def _start(shot: Shot) -> int:
    """Return where the shot lies on its tape, counted in frames."""
    return 0 if shot.timecode is None else count_frames(shot.timecode, shot.rate) or 0


def _clip_name(media: Media | None) -> str:
    return _CLIP_TRACK if media is None else media.path.name


def _matte_name(shot: Shot, target: Target) -> str:
    return "matte " + ", ".join(shot.objects[one] for one in target.objects)
