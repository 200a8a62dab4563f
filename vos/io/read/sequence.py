"""The rule for image sequences: which files are the frames, in which order, what is left out.

A folder or pattern holds one sequence: stills of one format and one way of naming, in natural
order of their numbers. Where it may hold two, it is refused and the patterns for each are named;
what is passed over, and an order that could be another one, is said in a line.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from vos.errors import InputError
from vos.io.paths import display_name
from vos.io.read.formats import (
    FOREIGN_SUFFIXES,
    STILL_SUFFIXES,
    VIDEO_SUFFIXES,
    conversion,
    describe_foreign,
    family,
)

_DIGITS = re.compile(r"([0-9]+)")
_LITTER = frozenset(("thumbs.db", "desktop.ini"))
_SHOWN = 3

Shape = tuple[str, ...]
"""The texts of a name between its numbers."""
Signs = AbstractSet[tuple[Shape, int]]
"""Where a hyphen before a number is its sign: shape, and index of the number."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """The frames of a sequence.

    files: in order.
    notices: what was decided where it could have been decided otherwise, one line each.
    warnings: what looks wrong with the numbers, one line each.
    """

    files: list[Path]
    notices: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def arrange_folder(folder: Path, entries: Sequence[Path]) -> Arranged:
    """Find the sequence in a folder's visible entries. Raises InputError for none or several."""
    stills, left_out = _split(entries)
    if not stills:
        raise _no_stills(folder, entries)
    _refuse_other_kinds(stills, left_out)
    names = {file: file.name for file in stills}
    groups = _group(names)
    formats = {family(file.suffix) for file in stills}
    repeated = [group for group in groups.values() if len(group) > 1]
    if len(formats) > 1:
        by_format: defaultdict[str, list[Path]] = defaultdict(list)
        for file in stills:
            by_format[file.suffix].append(file)
        raise _several(folder, "formats", list(by_format.values()), stills)
    if len(repeated) > 1:
        raise _several(folder, "name patterns", list(groups.values()), stills)
    return _arranged(display_name(folder), names, groups, left_out)


def arrange_matches(pattern: str, matches: Sequence[Path]) -> Arranged:
    """Order what a pattern matches, which is taken as it is. Raises InputError for no still."""
    stills, left_out = _split(matches)
    name = display_name(pattern)
    if not stills:
        foreign = [path for path in left_out if path.suffix.lower() in FOREIGN_SUFFIXES]
        if foreign:
            raise _foreign(name, foreign)
        brackets = ""
        if "[" in pattern and not matches:
            brackets = ", or name the folder itself: brackets stand for one character of a set"
        raise InputError(
            f"{name}: the pattern matches {len(matches)} paths, none an "
            f"image; quote it so that the shell leaves it alone, and check the spelling{brackets}"
        )
    _refuse_other_kinds(stills, left_out)
    names = {file: str(file) for file in stills}
    return _arranged(name, names, _group(names), left_out)


def natural_key(name: str, signs: Signs = frozenset()) -> tuple[list[int | str], str]:
    """Make a sort key under which "f2" comes before "f10"; case decides only between equals."""
    parts: list[int | str] = list(_DIGITS.split(name.casefold()))
    shape = _shape(name)
    for idx in range(len(shape) - 1):  # text and numbers alternate
        number = int(parts[2 * idx + 1])
        if (shape, idx) in signs:
            parts[2 * idx] = shape[idx][:-1]
            number = -number
        parts[2 * idx + 1] = number
    return parts, name


def find_signs(names: Iterable[str]) -> Signs:
    """Find hyphens that are signs.

    They are where the same name has no hyphen elsewhere in the sequence (f-1, f0, f1), and where
    nothing is there for the hyphen to separate (shot.-003).
    """
    shapes = set(map(_shape, names))
    signs: set[tuple[Shape, int]] = set()
    for shape in shapes:
        for idx, text in enumerate(shape[:-1]):
            if not text.endswith("-"):
                continue
            stands_alone = text[-2:-1] in (".", "_", "(", "/") or (text == "-" and idx == 0)
            if _without_sign(shape, idx) in shapes or stands_alone:
                signs.add((shape, idx))
    return signs


def _shape(name: str) -> Shape:
    return tuple(_DIGITS.split(name.casefold())[0::2])


def _without_sign(shape: Shape, idx: int) -> Shape:
    return (*shape[:idx], shape[idx][:-1], *shape[idx + 1 :])


def _split(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    stills = [path for path in paths if path.suffix.lower() in STILL_SUFFIXES and path.is_file()]
    stills.sort(key=lambda path: natural_key(path.name))
    chosen = set(stills)
    left = [p for p in paths if p not in chosen and p.name.lower() not in _LITTER]
    return stills, sorted(left, key=lambda path: natural_key(path.name))


def _group(names: dict[Path, str]) -> dict[Shape, list[Path]]:
    """Group files by the shape of their names, signs left out."""
    signs = find_signs(names.values())
    groups: defaultdict[Shape, list[Path]] = defaultdict(list)
    for file, name in names.items():
        shape = _shape(name)
        for idx in range(len(shape) - 1):
            if (_shape(name), idx) in signs:
                shape = _without_sign(shape, idx)
        groups[shape].append(file)
    return dict(groups)


def _arranged(
    place: str, names: dict[Path, str], groups: dict[Shape, list[Path]], left_out: list[Path]
) -> Arranged:
    signs = find_signs(names.values())
    files = sorted(names, key=lambda file: natural_key(names[file], signs))
    reasons, warnings = [], []
    if signs:
        reasons.append("hyphens before numbers are signs")
    if len(groups) > 1:
        odd = min(groups.values(), key=len)
        many = f"{len(groups)} name patterns"
        if len(groups) == 2 and len(odd) == 1:
            many = f"{display_name(odd[0].name)} is named otherwise than the rest"
        reasons.append(many)
    else:
        numbers = [[int(n) for n in _DIGITS.findall(names[file])] for file in files]
        varying = [
            idx for idx, column in enumerate(zip(*numbers, strict=True)) if len(set(column)) > 1
        ]
        if len(varying) > 1:
            reasons.append(f"names count in {len(varying)} places")
        elif varying:
            keys = [natural_key(names[file], signs)[0] for file in files]
            warnings += _gaps(place, files, [int(key[2 * varying[0] + 1]) for key in keys])
    if left_out:
        reasons.append(f"left out: {_listed(left_out)}")
    if not reasons:
        return Arranged(files, (), tuple(warnings))
    order = f"{len(files)} images, {display_name(files[0].name)} to {display_name(files[-1].name)}"
    return Arranged(files, (f"{place}: {order}; {'; '.join(reasons)}",), tuple(warnings))


def _gaps(place: str, files: list[Path], numbers: list[int]) -> list[str]:
    """Say where the numbers jump, if they count at all."""
    steps = [after - before for before, after in pairwise(numbers)]
    usual, count = Counter(steps).most_common(1)[0]
    found = []
    if 0 in steps:
        idx = steps.index(0)
        found.append(
            f"{place}: {display_name(files[idx].name)} and {display_name(files[idx + 1].name)} "
            "have the same number; both are frames"
        )
    wide = [idx for idx, step in enumerate(steps) if step > max(usual, 1)]
    if wide and 2 * count >= len(steps) and len(steps) > 1:
        idx = wide[0]
        more = f", the first of {len(wide)} gaps" if len(wide) > 1 else ""
        found.append(
            f"{place}: number {numbers[idx]} is followed by {numbers[idx + 1]}{more}; frames are "
            "counted without the missing ones"
        )
    return found


def _refuse_other_kinds(stills: list[Path], left_out: list[Path]) -> None:
    """Refuse stills among which videos or images of other formats lie: which are meant?"""
    own = f"'{display_name(stills[0].with_name(f'*{stills[0].suffix}'))}'"
    for path in left_out:
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES and path.is_file():
            raise InputError(
                f"{display_name(path.parent)}: the video {display_name(path.name)} lies beside "
                f"{len(stills)} image{'s' * (len(stills) > 1)}; give the video "
                f"'{display_name(path)}', or the images {own}"
            )
    foreign = [path for path in left_out if path.suffix.lower() in FOREIGN_SUFFIXES]
    if foreign:
        kind = describe_foreign(foreign[0].suffix)
        command = conversion(foreign[0], whole_folder=True)
        raise InputError(
            f"{display_name(foreign[0].parent)}: {len(foreign)} {kind} files beside "
            f"{len(stills)} images, and vos reads no {kind}; give the images alone with {own}, or "
            f"convert the others: {command}"
        )


def _no_stills(folder: Path, entries: Sequence[Path]) -> InputError:
    foreign = [path for path in entries if path.suffix.lower() in FOREIGN_SUFFIXES]
    if foreign:
        return _foreign(display_name(folder), foreign)
    found = f"{len(entries)} other entries" if entries else "it is empty"
    videos = [path for path in entries if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()]
    example = f" such as '{display_name(sorted(videos)[0])}'" if videos else ""
    return InputError(
        f"{display_name(folder)}: no images in this folder ({found}); give a folder with "
        f"jpg, png or other stills, or a video file{example}"
    )


def _foreign(place: str, files: list[Path]) -> InputError:
    kind = describe_foreign(files[0].suffix)
    return InputError(
        f"{place}: {len(files)} {kind} files, which vos does not read; convert them to PNG: "
        f"{conversion(files[0], whole_folder=True)}"
    )


def _several(folder: Path, what: str, groups: list[list[Path]], stills: list[Path]) -> InputError:
    groups = sorted(groups, key=len, reverse=True)
    patterns = [f"'{display_name(_pattern(group, stills))}' ({len(group)})" for group in groups]
    shown = " or ".join(patterns[:_SHOWN]) + (" or ..." if len(patterns) > _SHOWN else "")
    return InputError(
        f"{display_name(folder)}: images of {len(groups)} {what}, such as "
        f"{' and '.join(display_name(group[0].name) for group in groups[:2])}; a sequence has one "
        f"alone: give {shown}"
    )


def _pattern(group: list[Path], stills: list[Path]) -> Path:
    """Write a pattern that matches these stills of one folder and no others."""
    folder, own = group[0].parent, {file.name for file in group}
    any_name = folder / f"*{group[0].suffix}"
    pieces = [_DIGITS.split(file.name) for file in group]
    if len({len(parts) for parts in pieces}) > 1:
        return any_name
    columns = list(zip(*pieces, strict=True))
    loose = "".join(c[0] if len(set(c)) == 1 else "*" for c in columns)
    for pattern in (loose, any_name.name):
        if {file.name for file in stills if fnmatchcase(file.name, pattern)} == own:
            return folder / pattern
    if any(len(set(texts)) > 1 for texts in columns[0::2]):
        return any_name
    return folder / "".join(c[0] if len(set(c)) == 1 else _number(c) for c in columns)


def _number(column: Sequence[str]) -> str:
    width = len(column[0])
    return f"%0{width}d" if all(len(digits) == width for digits in column) else "%d"


def _listed(paths: Sequence[Path]) -> str:
    names = [display_name(path.name) + "/" * path.is_dir() for path in paths]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
