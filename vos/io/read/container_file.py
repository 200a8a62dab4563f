"""Opening a file with FFmpeg, and nothing but that file.

Some formats are lists of other files or of network addresses: playlists, manifests, descriptions
of broadcasts. They are refused, by what they hold and by FFmpeg's name for them, so that no file
reaches the network, waits for a stream without end, or shows what lies beside it.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError

from vos.errors import InputError
from vos.io.paths import display_name

_HEAD_BYTES = 65_536
_LISTS = (
    (re.compile(rb"#EXTM3U"), "a playlist (HLS, m3u8)"),
    (re.compile(rb"ffconcat\s"), "a list of files for FFmpeg's concat"),
    (re.compile(rb"\s*<(?:.{0,4000}<)?MPD[\s>]", re.DOTALL | re.IGNORECASE), "a DASH manifest"),
    (re.compile(rb"\s*<(?:.{0,4000}<)?svg[\s>]", re.DOTALL | re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"(?:[^\0]*[\r\n])?c=IN IP", re.DOTALL), "a description of a broadcast (SDP)"),
)
_REFUSED_FORMATS = frozenset(
    (
        *("concat", "dash", "hls", "imf", "webm_dash_manifest"),
        *("rtp", "rtsp", "sap", "sdp"),
        *("dvdvideo", "image2", "image2pipe", "lavfi", "svg_pipe", "vobsub"),
    )
)
SAFE_FORMATS = av.formats_available - _REFUSED_FORMATS
"""FFmpeg's names of the formats that name no other file or host."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": ",".join(sorted(SAFE_FORMATS)),
}

T = TypeVar("T")


def open_container(path: Path, stack: ExitStack) -> InputContainer:
    """Open a regular file for demuxing; `stack` closes it.

    Ctrl-C ends the wait for it. Raises InputError for a list of other files, FFmpegError for what
    FFmpeg cannot read.
    """
    refuse_lists(path)
    file = str(path)
    try:
        file.encode()
    except UnicodeEncodeError:  # bytes in the name that are not UTF-8: FFmpeg cannot be told them
        handle = stack.enter_context(path.open("rb"))
        return stack.enter_context(_open(handle))
    return stack.enter_context(_open(file))


def refuse_lists(path: Path) -> None:
    """Raise InputError for a file that names other files or hosts instead of holding footage."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return  # whoever opens it says why not
    for pattern, kind in _LISTS:
        if pattern.match(head):
            raise InputError(
                f"{display_name(path)}: {kind}, which names other files or hosts; give the video "
                "itself, or save it first: `ffmpeg -i ADDRESS -c copy clip.mkv`"
            )


def _open(file: object) -> InputContainer:
    return wait_for(lambda: av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace"))


def wait_for(work: Callable[[], T]) -> T:
    """Call `work` in a thread of its own: native code does not let Ctrl-C through, a wait does.

    What waits for a disk that hangs is left behind then.
    """
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    if threading.current_thread() is not threading.main_thread():
        return work()
    try:
        threading.Thread(target=run, name="vos-open", daemon=True).start()
    except RuntimeError:  # no more threads are allowed
        return work()
    result, error = done.get()
    if error is not None:
        raise error
    return result  # pyright: ignore[reportReturnType]


def reason(error: FFmpegError) -> str:
    """Say in a few words what FFmpeg said."""
    return (error.strerror or type(error).__name__).lower()
