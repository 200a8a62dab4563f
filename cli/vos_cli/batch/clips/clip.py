"""Clips made from rows: a name for each, its options, and where its prompts are."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vos.errors import UsageError
from vos.io.paths import display_name, is_there
from vos_cli.batch.clips.find_clips import PROMPTS_SUFFIX
from vos_cli.batch.clips.name_template import fill_template
from vos_cli.batch.clips.rows import Row
from vos_cli.options.track import PROMPT_OPTIONS, TrackFlags

SIDECAR = "sidecar"
_LONGEST = 120
_NO_PROMPTS = {name: None if name in ("prompts", "boxes") else () for name in PROMPT_OPTIONS}


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a batch.

    name: of its folder, log and status; unique, also where upper and lower case are one.
    place: the row it comes from, for messages.
    source: absolute path or pattern.
    flags: its options.
    problem: why it cannot be tracked, as far as its row shows; None where nothing is wrong.
    """

    name: str
    place: str
    source: str
    flags: TrackFlags
    problem: str | None = None


def make_clips(
    rows: Sequence[Row],
    base: TrackFlags,
    prompts_from: str | None,
    name_template: str | None = None,
    *,
    is_growing: bool = False,
) -> list[Clip]:
    """Make the clips of all rows, in order.

    A row's own prompts come first, then those found at `prompts_from`, then the command line's.

    base: the command line's options.
    prompts_from: "sidecar", a folder, or one prompt file for all; None is "sidecar" where the
        command line has no prompts.
    name_template: makes the names of clips whose row gives none; checked.
    is_growing: whether a name that it gives twice is a problem of the later clip alone.

    Raises UsageError if `prompts_from` names nothing, or the template gives a name twice.
    """
    place = None
    if prompts_from not in (None, SIDECAR):
        place = Path(prompts_from).absolute()
        if not is_there(place):
            raise UsageError(
                f"--prompts-from {prompts_from}: no such folder or file; give one, or 'sidecar'"
            )
    has_prompts = any(getattr(base, name) for name in PROMPT_OPTIONS)
    is_looking = prompts_from is not None or not has_prompts
    clips: list[Clip] = []
    taken: set[str] = set()
    for row, name in zip(rows, _names(rows, name_template, is_growing), strict=True):
        flags = _flags(row, base, place) if is_looking else _own(row, base)
        problem = row.problem
        if name.lower() in taken:
            problem = problem or (
                "an earlier row is this clip with these options, or has its name; remove one"
            )
            name = other_name(name, row.place)
        taken.add(name.lower())
        clips.append(Clip(name, row.place, row.source, flags, problem))
    return clips


def other_name(name: str, place: str) -> str:
    """Return another name for the clip at a place, whose own is taken."""
    return f"{name[:_LONGEST]}-{_digest(place)}"


def prompt_files(source: Path, place: Path | None) -> list[Path]:
    """List where a clip's prompts may be, best first: beside it, in `place`, or `place`."""
    if place is not None and not place.is_dir():
        return [place]
    folder = source.parent if place is None else place
    stems = dict.fromkeys((source.name, source.stem))
    names = [f"{stem}{PROMPTS_SUFFIX}" for stem in stems]
    if place is not None:
        names += [f"{stem}.json" for stem in stems]
    return [folder / name for name in names]


def strip_name(text: str, source: str) -> str:
    """Remove the file in front of a clip's message: whoever shows it names the clip."""
    for name in (source, os.path.basename(source)):  # noqa: PTH119
        text = text.removeprefix(f"{display_name(name)}: ")
    return text


def _own(row: Row, base: TrackFlags) -> TrackFlags:
    """Lay the row's options over the command line's; prompts are never mixed."""
    if any(name in row.options for name in PROMPT_OPTIONS):
        base = replace(base, **_NO_PROMPTS)
    return replace(base, **row.options)


def _flags(row: Row, base: TrackFlags, place: Path | None) -> TrackFlags:
    flags = _own(row, base)
    if any(name in row.options for name in PROMPT_OPTIONS):
        return flags
    for file in prompt_files(Path(row.source), place):
        if is_there(file):
            return replace(flags, **(_NO_PROMPTS | {"prompts": file}))
    return flags


def _names(rows: Sequence[Row], template: str | None, is_growing: bool) -> list[str]:
    """Name each row by itself alone, unless two names would be equal.

    Equal ones all get the checksum of what tells them apart, so their order does not matter; where
    the user's template makes them, UsageError is raised.
    """
    if template is None:
        plain = [row.name or _tidy(_label(row)) for row in rows]
    else:
        plain = [row.name or _tidy(fill_template(template, row.source)) for row in rows]
    if template is not None:
        if not is_growing:
            _refuse_equal(rows, plain, template)
        return plain
    count = Counter(name.lower() for name in plain)
    return [
        name if count[name.lower()] == 1 else f"{name[:_LONGEST]}-{_digest(_identity(row))}"
        for name, row in zip(plain, rows, strict=True)
    ]


def _refuse_equal(rows: Sequence[Row], names: Sequence[str], template: str) -> None:
    first: dict[str, Row] = {}
    for row, name in zip(rows, names, strict=True):
        other = first.setdefault(name.lower(), row)
        if other is not row:
            raise UsageError(
                f"--name-template {template!r}: {display_name(other.place)} and "
                f"{display_name(row.place)} would both be {display_name(name)}; add what tells "
                "them apart, such as {parent} or {name}"
            )


def _label(row: Row) -> str:
    """Label a folder's clip by its relative path, a manifest's by the path's last part."""
    if row.source and row.source.endswith(os.sep + row.place):
        return "__".join(Path(row.place).parts)
    return Path(row.source).name or row.place


def _tidy(text: str) -> str:
    """Make `text` a visible, printable file name, with a checksum where it had to change."""
    kept = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text)
    kept = kept.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").strip()
    kept = kept.lstrip(".") or "clip"
    return kept if kept == text else f"{kept}-{_digest(text)}"


def _identity(row: Row) -> str:
    return json.dumps([row.source, dict(row.options)], default=str, sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
