"""What an output holds, compared with that of a run that nobody disturbed."""

from __future__ import annotations

import contextlib
import fnmatch
import json
from pathlib import Path
from typing import Any

Contents = dict[str, bytes]


def read_tree(folder: Path, ignored: tuple[str, ...] = ()) -> Contents:
    """Return all files and folders below one, by their relative paths; a folder holds b"/"."""
    found: Contents = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored):
            found[name] = b"/" if path.is_dir() else path.read_bytes()
    return found


class Wanted:
    """What two runs that nobody disturbed left, and where the two differ: times of day.

    first: all files of one of them.
    """

    def __init__(self, first: Contents, second: Contents) -> None:
        if first.keys() != second.keys():
            raise RuntimeError(f"two runs leave other files: {sorted(first.keys() ^ second)[:9]}")
        self.first = first
        self._masks: dict[str, set[tuple[Any, ...]]] = {}
        for name, data in first.items():
            if data != second[name]:
                self._masks[name] = set(_differences(_parse(data), _parse(second[name])))

    @property
    def differing(self) -> list[str]:
        """The values that differ from run to run, as FILE: PLACE."""
        return sorted(
            f"{name}: {'.'.join(map(str, place)) or 'all'}"
            for name, places in self._masks.items()
            for place in places
        )

    def compare(self, found: Contents, below: str | None = None) -> list[str]:
        """Return the names of files that are missing, too many or different.

        below: compare this folder alone, without the hidden files in it.
        """
        mine, others = (show(one, below) for one in (self.first, found))
        wrong = sorted(mine.keys() ^ others.keys())
        return wrong + sorted(
            name for name in mine.keys() & others.keys() if not self._is_equal(name, others[name])
        )

    def _is_equal(self, name: str, data: bytes) -> bool:
        if data == self.first[name]:
            return True
        if name not in self._masks:
            return False
        mine, other = _parse(self.first[name]), _parse(data)
        return set(_differences(mine, other)) <= self._masks[name]


def show(contents: Contents, below: str | None) -> Contents:
    """Return what is below a folder ("." for all), without hidden files; all of it for None."""
    if below is None:
        return contents
    start = "" if below == "." else f"{below}/"
    return {
        name: data
        for name, data in contents.items()
        if name.startswith(start) and "/." not in f"/{name}"
    }


def _parse(data: bytes) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(data)
    return data


def _differences(one: Any, other: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [p for key in one for p in _differences(one[key], other[key], (*place, key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [p for index, (a, b) in pairs for p in _differences(a, b, (*place, index))]
    return [] if one == other else [place]
