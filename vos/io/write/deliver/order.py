"""What is asked of an export, turned into what it will be; refuses what cannot be, before work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vos.errors import InputError, OutputError, Parameter, UsageError
from vos.io.paths import display_name
from vos.io.results.manifest import read_manifest
from vos.io.write.deliver.edges import OFF, Edges
from vos.io.write.deliver.finished import FinishedResult
from vos.io.write.deliver.format import Format, Media, Shot
from vos.io.write.deliver.movies.backgrounds import check_background
from vos.io.write.deliver.names import make_targets, name_layers, name_objects
from vos.io.write.deliver.registry import FORMATS, check_format, get_format

EXPORT = "export"
"""The parameter in a manifest that says it is of an export, and in which format."""

_HIGHEST_NUMBER = 99_999_999
_SPAN = re.compile(r"(\d{1,12})\.\.(\d{1,12})", re.ASCII)
_ANY_RATE = Fraction(24)  # what has no times of its own needs none


@dataclass(frozen=True, slots=True)
class Order:
    """What a user asks for.

    format: as `--to` names it.
    output: the folder to be; None for one beside the result.
    objects: ids or names; None for all.
    start_number: of the first exported frame; None to count as the source does, from 0.
    name: template of file names; None for the format's own.
    span: first and last frame, inclusive; None for the whole clip.
    is_inverted: mattes are opaque where the objects are not.
    bits: of a matte's values in `png-matte`.
    background: what objects are put over in `green`: a colour, `checker` or `blur`; None for green.
    compression: of formats with a choice; None for the usual one.
    edges: what is done to the edges of mattes.
    """

    format: str
    output: Path | None = None
    objects: tuple[str, ...] | None = None
    start_number: int | None = None
    name: str | None = None
    span: tuple[int, int] | None = None
    is_inverted: bool = False
    bits: Literal[8, 16] = 8
    background: str | None = None
    compression: str | None = None
    edges: Edges = OFF


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export will be.

    format: of the files.
    shot: what they are of.
    output: the folder to be.
    notices: how it is done where that is not plain, one line each.
    """

    format: Format
    shot: Shot
    output: Path
    notices: tuple[str, ...]


def parse_span(text: str) -> tuple[int, int]:
    """Parse `A..B`, the first and last frame of a span, inclusive. Raises UsageError."""
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise UsageError(
            Parameter("span", text),
            ": a span is its first and last frame, such as 100..180, the first not behind the last",
        )
    return int(match[1]), int(match[2])


def plan_export(result: FinishedResult, order: Order) -> ExportPlan:
    """Plan an export of a result.

    Raises UsageError for what is asked wrongly, OutputError for a place that cannot be, InputError
    where the format needs the input and it is not there.
    """
    form = get_format(order.format)
    if order.bits != 8 and form.name != "png-matte":
        raise UsageError(Parameter("bits", order.bits), f": {form.name} has its own; leave it out")
    if order.background is not None and form.default_background is None:
        raise UsageError(
            Parameter("background", order.background),
            f": {form.name} has none; leave it out, or export green",
        )
    compression = _choose_compression(order.compression, form)
    if order.is_inverted and not (form.holds_mattes and form.can_invert):
        raise UsageError(
            Parameter("invert"), f": {form.name} holds objects, no mattes; leave it out"
        )
    order.edges.check()
    if not form.holds_mattes and not order.edges.is_off:
        raise UsageError(
            Parameter(next(iter(order.edges.as_json()))),
            f": {form.name} holds objects, no mattes, so it has no edges to change; leave it out",
        )
    if form.needs_image and result.source is None:
        assert result.absent is not None
        raise InputError(
            *result.absent.parts,
            f"; without it, {_list_without_images()} can be made, {form.name} cannot",
        )
    notices: list[str] = []
    frames = _choose_frames(result, order, notices)
    ids = _choose_objects(result, order.objects)
    given = {one: result.names.get(one, f"obj{one}") for one in ids}
    is_in_files = "{object}" in (order.name or form.template)
    names = name_objects(ids, result.names) if is_in_files else given
    check_format(form, result.size_hw)
    targets = make_targets(
        order.name or form.template,
        form,
        result.clip,
        names,
        is_inverted=order.is_inverted,
        layers=name_layers(ids, result.names) if form.has_layers else None,
    )
    place = _place(result, order)
    shot = Shot(
        targets=targets,
        objects=names if form.holds_mattes else given,
        frames=frames,
        start_number=_start_number(order.start_number, form, frames),
        size_hw=result.size_hw,
        rate=_ANY_RATE,
        bits=order.bits,
        background=_background(order, form),
        compression=compression,
        place=place,
        is_soft=result.is_soft and form.holds_mattes,
        edges=order.edges,
    )
    height, width = result.size_hw
    if form.default_background is not None and (height % 2 or width % 2):
        notices.append(
            f"frames of {width} x {height} become {width + width % 2} x {height + height % 2} by "
            f"repeating the last pixels, as {form.name} is H.264 4:2:0, whose sides are even"
        )
    if form.has_rate:
        shot = _with_times(shot, form, result, notices)
    if order.start_number is None and form.is_numbered:
        notices.append(f"files are numbered from {shot.start_number}, as frames are in vos")
    return ExportPlan(form, shot, place, tuple(notices))


def _choose_compression(wanted: str | None, form: Format) -> str | None:
    if wanted is None:
        return form.compressions[0] if form.compressions else None
    if wanted not in form.compressions:
        choice = f"give {', '.join(form.compressions)}" if form.compressions else "leave it out"
        raise UsageError(
            Parameter("compression", wanted), f": {form.name} has no such choice; {choice}"
        )
    return wanted


def _list_without_images() -> str:
    *most, last = (one.name for one in FORMATS.values() if not one.needs_image)
    return f"{', '.join(most)} and {last}"


def _background(order: Order, form: Format) -> str | None:
    background = order.background or form.default_background
    return None if background is None else check_background(background)


def _choose_frames(result: FinishedResult, order: Order, notices: list[str]) -> range:
    masked = range(min(result.masks), max(result.masks) + 1)
    whole = masked if result.source is None else range(result.frame_count)
    if order.span is None:
        frames = whole
    else:
        frames = range(order.span[0], order.span[1] + 1)
        if frames.start < whole.start or frames.stop > whole.stop:
            raise UsageError(
                Parameter("span", f"{frames.start}..{frames.stop - 1}"),
                f": {'the masks reach' if result.source is None else 'the clip reaches'} from "
                f"frame {whole.start} to {whole.stop - 1}; stay within",
            )
    blank = sum(1 for one in frames if one not in result.masks)
    if blank:
        notices.append(
            f"{blank} of {len(frames)} frames have no mask, as they were not tracked, and are "
            f"blank; a span of {masked.start}..{masked.stop - 1} leaves them out"
        )
    return frames


def _choose_objects(result: FinishedResult, wanted: Sequence[str] | None) -> list[int]:
    if wanted is None:
        return list(result.objects)
    chosen: list[int] = []
    for text in wanted:
        found = [i for i in result.objects if text == str(i)] or [
            i for i in result.objects if result.names.get(i) == text
        ]
        if len(found) != 1:
            known = ", ".join(
                f"{i} ({result.names[i]})" if i in result.names else str(i) for i in result.objects
            )
            what = "is no object" if not found else "is the name of several objects"
            raise UsageError(Parameter("objects", text), f": {what}; there are {known}")
        chosen += [one for one in found if one not in chosen]
    if not chosen:
        raise UsageError(Parameter("objects"), ": names no object; give ids or names, or leave it")
    return sorted(chosen)


def _start_number(wanted: int | None, form: Format, frames: range) -> int:
    if wanted is None:
        return frames.start
    if form.is_movie:
        raise UsageError(
            Parameter("start_number", wanted),
            f": {form.name} is one file, without numbers; its timecode is the source's: leave it "
            "out",
        )
    if not 0 <= wanted <= _HIGHEST_NUMBER:
        raise UsageError(
            Parameter("start_number", wanted), f": has to be from 0 to {_HIGHEST_NUMBER:,}"
        )
    return wanted


def _with_times(shot: Shot, form: Format, result: FinishedResult, notices: list[str]) -> Shot:
    """Add what movies have and stills have not: rate, timecode, pixel aspect and sound."""
    from vos.io.write.deliver.timecode import add_frames, read_timecode

    rate = result.rate
    if rate is None:
        raise InputError(
            f"{display_name(result.path)}: nothing says how many frames make a second, as the "
            "input is not there; say where it is with ",
            Parameter("input"),
        )
    if result.is_vfr:
        notices.append(
            f"the intervals of the frames vary, and {form.name} gets one rate, the average of "
            f"{float(rate):.3f} frames/s: every frame is there once, its own time is in the file "
            "of times, and the sound is left out as it would drift"
        )
    source = result.source
    if source is None:
        if form.refers_to_clip:
            notices.append("the clip is not there, so it is named, and the editor asks for it")
        return replace(shot, rate=rate)
    info = source.info
    if info.kind != "video":
        media = Media(info.path, None, result.frame_count, names=info.names)
        if not info.is_rate_given:
            notices.append(
                f"images have no rate, so {rate} frames/s is assumed, as they were tracked"
            )
        return replace(shot, rate=rate, media=media)
    timecode = read_timecode(info.path)
    media = Media(info.path, timecode, result.frame_count, has_audio=info.has_audio)
    if timecode is not None:
        moved = add_frames(timecode, shot.frames.start, rate)
        if moved is None:
            notices.append(
                f"the source's timecode {timecode} does not fit its rate and is left out"
            )
        timecode = moved
    if info.frame_pixel_aspect != 1 and not form.keeps_aspect:
        notices.append(
            f"pixels are {info.frame_pixel_aspect} wide in the source, which {form.name} does not "
            "say here: set it where the movie is used, or export prores4444 or qtrle"
        )
    first = result.time(shot.frames.start)
    has_sound = info.has_audio and form.needs_image and not result.is_vfr and first is not None
    return replace(
        shot,
        rate=rate,
        timecode=timecode,
        media=media,
        pixel_aspect=info.frame_pixel_aspect if form.keeps_aspect else Fraction(1),
        audio_from=info.path if has_sound else None,
        audio_start=info.start_time + (first or 0) if has_sound else Fraction(0),
    )


def place_beside(result: Path, form: str) -> Path:
    """Return where a result's export in this format is by default."""
    return result.with_name(f"{result.name}-{form}")


def _place(result: FinishedResult, order: Order) -> Path:
    if order.output is None:
        kind = order.format if order.background is None else check_background(order.background)
        return place_beside(result.path, kind.lstrip("#"))
    place = order.output.resolve()
    name = display_name(order.output)
    if place == result.path or result.path in place.parents or place in result.path.parents:
        raise OutputError(
            f"{name}: is, holds or lies in the result itself; an export is a folder of its own: "
            "choose another ",
            Parameter("output"),
        )
    if place.suffix.lower() in (".mov", ".mkv", ".webm", ".mp4", ".png", ".csv", ".exr"):
        raise OutputError(
            f"{name}: an export is a folder, named without {place.suffix}; files in it are named "
            "with ",
            Parameter("name"),
        )
    manifest = read_manifest(place) if place.is_dir() else None
    if manifest is not None and EXPORT not in manifest.get("parameters", {}):
        raise OutputError(
            f"{name}: holds a result of `vos track`, which no export replaces: choose another ",
            Parameter("output"),
        )
    return place
