"""Telling COCO, YOLO and MOT apart, by what a file holds and not by its name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from vos import bounded
from vos.errors import Parameter, PromptError
from vos.io.paths import display_name
from vos.prompts.detections.coco import read_coco
from vos.prompts.detections.found import Detections, are_left_out
from vos.prompts.detections.mot import is_mot, read_mot
from vos.prompts.detections.yolo import read_yolo

_FIRST = re.compile(r"(?P<file>.+)@(?P<first>\d{1,9})", re.ASCII | re.DOTALL)
_CLASSES = "classes.txt"


def read_detections(text: str) -> Detections:
    """Read the boxes of `FILE[@FIRST]`, a file or a folder of YOLO's texts.

    FIRST is the number that the file gives the video's first frame. Of what exists under the whole
    name, an '@' is a part.

    Raises PromptError naming the file, the line, what is wrong and the next step.
    """
    if not text:
        raise PromptError(Parameter("boxes"), " is empty; it is FILE[@FIRST]: name a file")
    parts = None if _exists(text) else _FIRST.fullmatch(text)
    path = Path(text if parts is None else parts["file"])
    if not _exists(str(path)):
        raise PromptError(
            f"{display_name(path)}: no such file; ",
            Parameter("boxes"),
            " takes detections as COCO, YOLO or MOT: check the name",
        )
    wants_numbers = parts is not None
    found = _read_folder(path) if path.is_dir() else _read_file(path, wants_numbers)
    if not found.detections:
        raise PromptError(
            f"{found.name}: no box ({found.kind}); nothing says what to track: give another file"
        )
    if parts is not None:
        first = int(parts["first"])
        found = replace(found, first=first, kind=f"{found.kind}, the first being number {first}")
    return found


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # a name too long, or with a NUL
        return False


def _read_file(path: Path, wants_numbers: bool) -> Detections:
    name = display_name(path)
    if not path.is_file():  # a pipe may never end
        raise PromptError(f"{name}: not a regular file; give a file of detections")
    text = _text(path)
    begin = text.lstrip()
    if begin.startswith(("{", "[")):
        return read_coco(text, name, wants_numbers)
    line = begin.split("\n", 1)[0]
    if is_mot(line):
        return read_mot(text, name)
    if re.fullmatch(r"[\d.eE+-]+(\s+[\d.eE+-]+)*\s*", line, re.ASCII):
        return read_yolo([(name, text)], name)
    raise PromptError(
        f"{name}:1: neither COCO (JSON), MOT (frame,id,left,top,width,height) nor YOLO "
        "(class x y width height); write the boxes as one of them"
    )


def _read_folder(folder: Path) -> Detections:
    name = display_name(folder)
    try:
        entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise PromptError(f"{name}: cannot be read ({error.strerror}): check it") from None
    paths = [one for one in entries if one.suffix == ".txt" and one.name != _CLASSES]
    others = len(entries) - len(paths)
    files: list[tuple[str, str]] = []
    total = 0
    for path in paths:
        if not path.is_file():
            raise PromptError(f"{display_name(path)}: not a regular file; remove it")
        total += path.stat().st_size
        if total > bounded.MAX_TEXT_BYTES:
            raise PromptError(f"{name}: over {bounded.MAX_TEXT_BYTES} bytes of text; split it")
        files.append((display_name(path.name), _text(path)))
    if not files:
        raise PromptError(f"{name}: no .txt in this folder; give YOLO's folder of labels")
    found = read_yolo(files, name)
    if others:
        said = are_left_out(others, "other file", "other files")
        found = replace(found, notes=(*found.notes, f"{name}: {said}"))
    return found


def _text(path: Path) -> str:
    try:
        return bounded.read_text(path)
    except (OSError, ValueError) as error:
        raise PromptError(
            f"{display_name(path)}: cannot be read as text ({error}): check the file"
        ) from error
