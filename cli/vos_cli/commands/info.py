"""`vos info`: what we see in a video, a folder of images, or one image."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Annotated, Any

import typer

from vos.io.live.address import find_address
from vos.io.live.source import LiveSource
from vos.io.paths import display_name
from vos.io.read.container import ContainerSource
from vos.io.read.open import open_source
from vos.io.read.scan import VideoScan, scan_video
from vos.io.read.source import Source, SourceInfo
from vos.io.timecode import format_time
from vos_cli.console.tables import print_table


def info(
    path: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A video, a folder or a glob of images, or a live source."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print what we see in a video or image folder: size, times, rotation, colour, damage.

    Every packet is read, none is decoded: truncation shows here, a damaged picture does not.
    """
    if address := find_address(path):
        with LiveSource(address, reconnect_s=0) as live:
            if as_json:
                print(json.dumps({**_as_json(live.info, None, live), "path": live.address}))
            else:
                print_table(_live_rows(live), {})
        return
    with open_source(path) as source:
        seen, scan = _survey(source)
        if as_json:
            print(json.dumps(_as_json(seen, scan, source)))
        else:
            print_table(_rows(seen, scan, source), {"warning": "yellow"})


def _survey(source: Source) -> tuple[SourceInfo, VideoScan | None]:
    """The source's description with counted instead of estimated frames, and the packets'."""
    if not isinstance(source, ContainerSource):
        return source.info, None
    scan = scan_video(source.info.path)
    if scan.covered is not None:
        source.check_length(scan.covered, scan.frame_count)
    return dataclasses.replace(source.info, frame_count=scan.frame_count, is_vfr=scan.is_vfr), scan


def _live_rows(source: LiveSource) -> list[tuple[str, str]]:
    """Say what a live source sends, as far as its first frames tell."""
    seen = source.info
    height, width = seen.size_hw
    return [
        ("source", source.address),
        ("kind", seen.kind),
        ("size", f"{width} x {height}{_shape_notes(seen)}"),
        ("rate", "unknown" if seen.average_rate is None else f"{_rate(seen, None)}, as it says"),
        ("codec", f"{seen.codec} in {seen.container}"),
        ("pixels", f"{seen.pixel_format}, {seen.color_space}"),
    ]


def _as_json(
    seen: SourceInfo, scan: VideoScan | None, source: Source | LiveSource
) -> dict[str, Any]:
    height, width = seen.size_hw
    return {
        "schema": 1,
        "path": str(seen.path),
        "kind": seen.kind,
        "width": width,
        "height": height,
        "frame_count": seen.frame_count,
        "average_rate": _ratio(seen.average_rate),
        "is_vfr": seen.is_vfr,
        "shortest_interval_s": _seconds(scan.shortest if scan else None),
        "longest_interval_s": _seconds(scan.longest if scan else None),
        "duration_s": _seconds(seen.duration),
        "start_time_s": _seconds(seen.start_time),
        "time_base": _ratio(seen.time_base),
        "rotation_deg": seen.rotation_deg,
        "is_mirrored": seen.is_mirrored,
        "pixel_aspect": _ratio(seen.pixel_aspect),
        "container": seen.container,
        "codec": seen.codec,
        "pixel_format": seen.pixel_format,
        "color_space": seen.color_space,
        "transfer": seen.transfer,
        "primaries": seen.primaries,
        "color_range": seen.color_range,
        "key_frame_count": scan.key_frame_count if scan else None,
        "has_audio": seen.has_audio,
        "video_stream": seen.video_stream,
        "video_stream_count": seen.video_stream_count,
        "first_name": seen.names[0] if seen.names else None,
        "last_name": seen.names[-1] if seen.names else None,
        "warnings": source.warnings,
        "notices": list(source.notices) if isinstance(source, Source) else [],
    }


def _rows(seen: SourceInfo, scan: VideoScan | None, source: Source) -> list[tuple[str, str]]:
    height, width = seen.size_hw
    rows = [
        ("file", display_name(seen.path)),
        ("kind", seen.kind),
        ("size", f"{width} x {height}{_shape_notes(seen)}"),
        ("frames", "unknown" if seen.frame_count is None else str(seen.frame_count)),
    ]
    if scan is None:
        rows += [
            ("names", _span(seen.names or ())),
            ("format", f"{seen.codec}, {seen.pixel_format}"),
            ("rate", f"{seen.average_rate} frames/s, assumed: `vos track --rate` says another"),
        ]
    else:
        rows += [
            ("rate", _rate(seen, scan)),
            ("duration", "unknown" if seen.duration is None else format_time(seen.duration)),
            ("starts at", f"{format_time(seen.start_time)} of the container's clock"),
            ("time base", _ratio(seen.time_base) or "unknown"),
            ("codec", f"{seen.codec} in {seen.container}"),
            ("pixels", f"{seen.pixel_format}, {seen.color_space}"),
            ("colour", _colour(seen)),
            ("key frames", str(scan.key_frame_count)),
            ("video stream", f"{seen.video_stream}, one of {seen.video_stream_count}"),
            ("audio", "yes" if seen.has_audio else "no"),
        ]
    rows += [("note", notice) for notice in source.notices]
    return rows + [("warning", warning) for warning in source.warnings]


def _span(names: tuple[str, ...]) -> str:
    return " to ".join(display_name(name) for name in (names[0], names[-1])[: len(names)])


def _shape_notes(seen: SourceInfo) -> str:
    notes = []
    if seen.rotation_deg:
        notes.append(f"turned {seen.rotation_deg} degrees counter-clockwise")
    if seen.is_mirrored:
        notes.append("mirrored")
    if seen.frame_pixel_aspect != 1:
        notes.append(
            f"pixels {_ratio(seen.frame_pixel_aspect)} wide, not stretched: coordinates count "
            "these pixels"
        )
    return f" ({', '.join(notes)})" if notes else ""


def _colour(seen: SourceInfo) -> str:
    """Say what the file tells of its colours besides the matrix."""
    unknown = "unknown"
    return (
        f"transfer {seen.transfer or unknown}, primaries {seen.primaries or unknown}, "
        f"{seen.color_range or unknown} range"
    )


def _rate(seen: SourceInfo, scan: VideoScan | None) -> str:
    if seen.average_rate is None:
        return "unknown"
    text = f"{float(seen.average_rate):.3f} frames/s ({_ratio(seen.average_rate)})"
    if scan is None or not scan.is_vfr or scan.shortest is None or scan.longest is None:
        return text
    shortest_ms, longest_ms = float(scan.shortest) * 1000, float(scan.longest) * 1000
    return f"{text} on average, variable: {shortest_ms:.1f} to {longest_ms:.1f} ms apart"


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else f"{value.numerator}/{value.denominator}"


def _seconds(value: Fraction | None) -> float | None:
    return None if value is None else float(value)
