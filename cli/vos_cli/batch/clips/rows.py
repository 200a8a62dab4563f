"""Manifests: a plain list, CSV or JSON lines, one clip per row with options of its own."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from vos.bounded import MAX_TEXT_BYTES, brief, decode_text, parse_json, read_bytes
from vos.config import nearest
from vos.errors import InputError, UsageError
from vos.io.paths import LONGEST_NAME_BYTES, absolute, check_name, display_name, unreadable
from vos.io.places import refuse_place
from vos.io.read.formats import VIDEO_SUFFIXES
from vos.model.registry import expand_user
from vos_cli.console.errors import message
from vos_cli.options.track import DRAWN_OPTIONS, TrackFlags

_TYPES = get_type_hints(TrackFlags)
_OPTIONS = tuple(_TYPES)
_REPEATED = DRAWN_OPTIONS[:-1]
_WEIGHT_SUFFIXES = {".pt", ".pth", ".safetensors"}
_LONGEST_NAME_BYTES = 150
_KEYS = ("source", "name", *_OPTIONS)
_ALSO = {"to": "deliver"}
"""Other names of options, as the command line has them."""

_SEPARATORS = (",", ";", "\t", "|")
_MASK = re.compile(r"(\d{1,3}:)?(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One clip as the user listed it.

    place: where it is listed, for messages.
    source: absolute path or pattern.
    name: the name that the row gives it, None for one of our own.
    options: fields of TrackFlags that this row sets.
    problem: why it cannot be used; None where nothing is wrong.
    """

    place: str
    source: str
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def read_rows(manifest: str) -> list[Row]:
    """Read the rows of a manifest file, or of stdin for "-".

    Paths in it are relative to its folder, on stdin to the current one. Lines that start with `#`
    are comments. A bad row has a `problem`; the others are not touched by it.

    Raises: InputError if it cannot be read, UsageError for a CSV header that is wrong.
    """
    path = Path(manifest)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise UsageError(
            f"{display_name(path.name)}: a video is no list of clips; give its folder, a list, or "
            f"`vos track {display_name(manifest)}`"
        )
    if manifest == "-":
        name, folder = "stdin", Path.cwd()
        data = b"" if sys.stdin is None else sys.stdin.buffer.read(MAX_TEXT_BYTES)
    else:
        if not os.path.lexists(path):
            refuse_place(manifest)
        name, folder = display_name(path.name), path.absolute().parent
        try:
            data = read_bytes(path)
        except OSError as error:
            raise unreadable(path, error) from None
        except ValueError as error:
            raise InputError(f"{name}: {error}; split the list of clips") from None
    try:
        text = decode_text(data, errors="surrogateescape")
    except ValueError as error:
        raise InputError(f"{name}: {error}; save it as UTF-8") from None
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise InputError(f"{name}: names no clip; give one path per line, CSV or JSON")
    suffix = path.suffix.lower()
    whole = _json_array(name, suffix, text)
    if whole is not None:
        return [_row(f"{name}: item {number}", values, folder) for number, values in whole]
    kind = _kind(suffix, lines)
    reader = {"csv": _csv_rows, "jsonl": _json_rows, "plain": _plain_rows}[kind]
    return [_row(f"{name}:{number}", values, folder) for number, values in reader(name, lines)]


Lines = list[tuple[int, str]]
Values = tuple[int, Mapping[str, Any] | str]
"""Line number and the row's values, or what is wrong with it."""


def _json_array(name: str, suffix: str, text: str) -> list[Values] | None:
    """Read a manifest that is one JSON array, or one object; None for any other."""
    if suffix != ".json" and not text.lstrip().startswith("["):
        return None
    try:
        items = parse_json(text)
    except ValueError as error:
        if suffix != ".json" or text.lstrip().startswith("{"):  # JSON lines, or a list of files
            return None
        raise UsageError(f"{name}: not JSON ({error}); correct it") from None
    items = [items] if isinstance(items, dict) and "source" in items else items
    if not isinstance(items, list):
        raise UsageError(
            f'{name}: no list of clips; give [{{"source": "clip.mp4"}}, ...]: one object per clip'
        )
    return [(number, _json_values(item)) for number, item in enumerate(items, start=1)]


def _kind(suffix: str, lines: Lines) -> str:
    first = lines[0][1]
    if suffix in (".csv", ".tsv") or _separator(lines)[1] > 1:
        return "csv"
    if suffix in (".jsonl", ".ndjson") or first.lstrip().startswith("{"):
        return "jsonl"
    return "plain"


def _plain_rows(_name: str, lines: Lines) -> Iterator[Values]:
    for number, line in lines:
        yield number, {"source": line.strip()}


def _csv_rows(name: str, lines: Lines) -> Iterator[Values]:
    separator, _ = _separator(lines)
    if _is_separator_line(lines[0][1]):
        lines = lines[1:]
    reader = csv.reader((line for _, line in lines), delimiter=separator)
    try:
        header = _header(next(reader, []))
    except csv.Error as error:
        raise UsageError(f"{name}: the first row is no CSV ({error}); correct it") from None
    if "source" not in header:
        raise UsageError(
            f"{name}: the first row names no column 'source'; add it (cells are separated by "
            "',', ';', '|' or tabs)"
        )
    for cell in header:
        if cell not in _KEYS:
            raise UsageError(f"{name}: {_unknown('column', cell)}")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield lines[reader.line_num - 1][0], f"no CSV ({error}); correct the row"
            continue
        number = lines[reader.line_num - 1][0]
        if len(cells) > len(header):
            yield (
                number,
                f"{len(cells)} cells under {len(header)} columns; quote {separator!r} inside cells",
            )
            continue
        given = {
            key: cell.strip() for key, cell in zip(header, cells, strict=False) if cell.strip()
        }
        yield (
            number,
            {key: _split(value) if key in _REPEATED else value for key, value in given.items()},
        )


def _separator(lines: Lines) -> tuple[str, int]:
    """Find what separates cells, and how many the header has: where one of them is `source`."""
    first = lines[0][1]
    if _is_separator_line(first):
        return first.strip()[4:5] or "\t", 2
    for separator in _SEPARATORS:
        header = _header(first.split(separator))
        if "source" in header:
            return separator, len(header)
    return ",", 0


def _is_separator_line(line: str) -> bool:
    """Tell whether a line is Excel's own `sep=;`."""
    return re.fullmatch(r'\s*sep=[^"]?\s*', line) is not None


def _header(cells: list[str]) -> list[str]:
    """Write the columns' names as options are called: `Neg-Point` is neg_point."""
    plain = (cell.strip().strip('"').strip().lower() for cell in cells)
    names = (re.sub("[- ]", "_", cell) for cell in plain)
    return [_ALSO.get(name, name) for name in names]


def _split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _json_rows(_name: str, lines: Lines) -> Iterator[Values]:
    for number, line in lines:
        try:
            values = parse_json(line)
        except ValueError as error:
            yield number, f"not JSON ({error}); one object per line"
            continue
        yield number, _json_values(values)


def _json_values(item: Any) -> Mapping[str, Any] | str:
    if isinstance(item, str):
        return {"source": item}
    return item if isinstance(item, dict) else 'not an object; give {"source": ...}'


def _row(place: str, values: Mapping[str, Any] | str, folder: Path) -> Row:
    if isinstance(values, str):
        return Row(place, "", problem=values)
    source = values.get("source")
    if not isinstance(source, str) or not source or "\0" in source:
        return Row(place, "", problem="no source; each row names a clip")
    try:
        if not os.path.lexists(folder / source):
            refuse_place(source)
    except InputError as error:
        return Row(place, source, problem=message(error))
    if "**" in source and not os.path.lexists(folder / source):
        problem = "** looks through whole trees, without end perhaps; name the folders"
        return Row(place, "", problem=f"source {brief(source)}: {problem}")
    where = str(absolute(folder / source))
    try:
        options = {
            _ALSO.get(key, key): _option(_ALSO.get(key, key), value, folder)
            for key, value in values.items()
            if key not in ("source", "name")
        }
        name = values.get("name")
        if name is not None:
            _check_name(name)
    except UsageError as error:
        return Row(place, where, problem=message(error))
    return Row(place, where, name, options)


def _option(key: str, value: Any, folder: Path) -> Any:
    if key not in _OPTIONS:
        raise UsageError(_unknown("key", key))
    if _TYPES[key] is bool:
        truth = {True: True, False: False, "true": True, "false": False}
        if not isinstance(value, bool | str) or value not in truth:
            raise UsageError(f"{key} {brief(value)}: not true or false; correct it")
        return truth[value]
    if _TYPES[key] == int | None:
        if isinstance(value, bool) or not str(value).isdecimal():
            raise UsageError(f"{key} {brief(value)}: not a whole number; correct it")
        if len(str(value)) > 12:
            raise UsageError(f"{key} {brief(value)}: too large; correct it")
        return int(value)
    if key in _REPEATED:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"{key} {brief(value)}: not a text or a list of texts; correct it")
        return tuple(_mask_in(folder, text) if key == "mask" else text for text in texts)
    if not isinstance(value, str):
        raise UsageError(f"{key} {brief(value)}: not a text; put it in quotes")
    if key in ("model", "refiner"):
        path = expand_user(value)
        is_path = len(path.parts) > 1 or path.suffix in _WEIGHT_SUFFIXES
        return str(folder / path) if is_path else value
    if key == "boxes":
        return str(folder / value)
    return folder / value if key == "prompts" else value


def _mask_in(folder: Path, text: str) -> str:
    parts = _MASK.fullmatch(text)
    return text if parts is None else f"{parts[1] or ''}{folder / parts[2]}"


def _check_name(name: object) -> None:
    """Raise UsageError for a name that is no single, visible, printable file name."""
    try:
        plain = check_name(name, "clip", spare_bytes=LONGEST_NAME_BYTES - _LONGEST_NAME_BYTES)
        is_plain = (
            plain.isprintable()
            and not plain.startswith(".")
            and not set(plain) & set(':*?"<>|')
            and plain == plain.strip()
        )
    except InputError:
        is_plain = False
    if not is_plain:
        raise UsageError(
            f"name {brief(name)}: it is one file name inside the output, without '/', '..' or "
            "control characters, 150 bytes at most; choose another"
        )


def _unknown(what: str, key: object) -> str:
    text = str(key)
    return f"unknown {what} {brief(text)}{nearest(text, _KEYS)}; valid: {', '.join(_KEYS)}"
