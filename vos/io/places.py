"""Names of inputs that are no files: URLs, streams, cameras; and how each becomes one."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from vos.errors import InputError
from vos.io.paths import display_name

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}:(//|(?=(pipe|concat|data|fd)\b))")
_PIPE_LIKE = re.compile(r"(pipe|fd|concat|data|subfile|tee|async|cache|crypto):", re.IGNORECASE)


def refuse_place(text: str) -> None:
    """Raise InputError for a name that no file has and that means a place. Any other passes."""
    name = display_name(text)
    if text == "-":
        raise InputError(
            "-: the standard input, which only `vos track` and `vos info` take; files are read "
            "forward and backward: save it first, for example `cat > clip.ts`"
        )
    if text.isdecimal():
        raise InputError(
            f"{name}: no such file; if it is a camera's number, give /dev/video{name} to `vos "
            "track`, or to vos.open_live in Python; elsewhere vos reads files: record it first, "
            f"for example `ffmpeg -f v4l2 -i /dev/video{name} clip.mkv`"
        )
    if text.lower().startswith("file:"):
        path = unquote(urlsplit(text).path)
        raise InputError(
            f"{name}: a file: URL; vos takes the path itself: give '{display_name(path)}'"
        )
    if _SCHEME.match(text) or _PIPE_LIKE.match(text):
        shown = name.replace("'", "%27")
        raise InputError(
            f"{name}: a URL or stream; vos reads local files: save it first, for example "
            f"`ffmpeg -i '{shown}' -c copy clip.mkv`; what is live goes to `vos track`, or to "
            "vos.open_live in Python"
        )
