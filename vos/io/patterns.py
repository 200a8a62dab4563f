"""Names that stand for many files: globs, and numbers as FFmpeg and compositors write them.

`f_*.png`, `f_%04d.png` and `f_####.png` are all read. What exists under a name is that file or
folder, whatever its characters: brackets of a folder are no pattern.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from vos.io.paths import absolute

_NUMBER = re.compile(r"%(?:0?([0-9]{1,2}))?d|(#+)")


def is_pattern(text: str | os.PathLike[str]) -> bool:
    """Tell whether a name that does not exist may stand for others.

    The folders at its beginning that exist are taken as they are, too.
    """
    _, rest = _split(text)
    return any(map(glob.has_magic, rest)) or bool(rest and _NUMBER.search(rest[-1]))


def expand(pattern: str | os.PathLike[str]) -> list[Path]:
    """Find what matches, as absolute paths in no order."""
    folder, rest = _split(pattern)
    if not rest:
        return [Path(folder)]
    name = rest[-1]
    wanted = None
    if _NUMBER.search(name) and not {"*", "?"} & set(name):
        wanted = re.compile(_number_expression(name))
        rest[-1] = _NUMBER.sub("*", glob.escape(name))
    found = glob.iglob(os.path.join(glob.escape(folder), *rest), recursive=True)  # noqa: PTH118, PTH207
    paths = map(Path, found)
    return [path for path in paths if wanted is None or wanted.fullmatch(path.name)]


def _split(path: str | os.PathLike[str]) -> tuple[str, list[str]]:
    """Return the part of a path that exists, absolute, and the names behind it."""
    folder, *rest = absolute(path).parts
    while rest and os.path.lexists(os.path.join(folder, rest[0])):  # noqa: PTH118  (text, for glob)
        folder = os.path.join(folder, rest.pop(0))  # noqa: PTH118
    return folder, rest


def _number_expression(name: str) -> str:
    """Write the regular expression of a name with %d, %04d or ####."""
    parts, end = [], 0
    for match in _NUMBER.finditer(name):
        width = len(match[2]) if match[2] else int(match[1] or 1)
        digits = f"(?:[0-9]{{{width},}}|-[0-9]{{{max(width - 1, 1)},}})"
        parts += [re.escape(name[end : match.start()]), digits]
        end = match.end()
    return "".join([*parts, re.escape(name[end:])])
