"""Opening a live source with FFmpeg, and nothing but the address that was named."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.container import InputContainer
from av.error import ExitError, FFmpegError, ProtocolNotFoundError
from av.video.stream import VideoStream

from vos.errors import InputError
from vos.io.live.address import LiveAddress
from vos.io.read import size_limits
from vos.io.read.container_file import SAFE_FORMATS, reason

_NO_TIMES = 0x80  # AVFMT_NOTIMESTAMPS
_DEVICE_FORMATS = {"v4l2": "Linux", "avfoundation": "macOS", "dshow": "Windows"}


@contextmanager
def open_stream(
    address: LiveAddress, timeout_s: float | None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a source and its best video stream; close it on exit.

    timeout_s: after so many seconds without data, opening and reading fail; None waits for ever.

    Raises InputError where there is no live video.
    """
    options = {"analyzeduration": "1000000"}
    if address.protocols:
        options |= {"protocol_whitelist": address.protocols, "format_whitelist": _formats(address)}
        options["rtsp_flags"] = "prefer_tcp"  # nothing is lost on the way then
    timeout = None if timeout_s is None else (timeout_s, timeout_s)
    try:
        container = av.open(
            address.text,
            format=address.device_format,
            options=options,
            metadata_errors="replace",
            timeout=timeout,
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{address.shown}: {_explain(address, error, timeout_s)}") from None
    with container:
        if address.may_be_finite and (container.duration or container.size > 0):
            raise InputError(
                f"{address.shown}: a file with an end and no live source; save it first, for "
                "example `ffmpeg -i ADDRESS -c copy clip.mkv`"
            )
        stream = container.streams.best("video")
        is_text = container.format.name == "tty"  # whose characters FFmpeg would draw
        if not isinstance(stream, VideoStream) or is_text or stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise InputError(f"{address.shown}: sends no video that can be decoded")
        context = stream.codec_context
        size = (context.height, context.width)
        size_limits.check_video_size(address.shown, size)
        context.options = {"max_pixels": str(size_limits.MOST_VIDEO_PIXELS)}
        stream.thread_type = "SLICE"  # threads that take a frame each give it that much later
        yield container, stream


def has_own_times(container: InputContainer) -> bool:
    """Tell whether frames come with times; raw pictures one after the other have none."""
    return not container.format.flags & _NO_TIMES


def _formats(address: LiveAddress) -> str:
    own = {"rtsp"} if address.text.lower().startswith("rtsp") else set()
    return ",".join(sorted(SAFE_FORMATS | own))


def _explain(address: LiveAddress, error: Exception, timeout_s: float | None) -> str:
    """Say what went wrong and what to do about it."""
    code = getattr(error, "errno", None)
    why = reason(error) if isinstance(error, FFmpegError) else str(error).lower()
    device, piped = address.device_format, "`ffmpeg -i ADDRESS -c copy -f mpegts - | vos track -`"
    if isinstance(error, ValueError) and device is not None:
        return f"there is no {device} here; it is for cameras of {_DEVICE_FORMATS[device]}"
    if isinstance(error, ProtocolNotFoundError):
        return f"this FFmpeg does not speak it; let another one receive it: {piped}"
    if code == errno.ECONNREFUSED:
        return "nothing answers there (connection refused); check the port, and that it runs"
    if isinstance(error, ExitError):
        return f"nothing came in {timeout_s:g} s; check the address, and that it sends"
    if code in (errno.EACCES, errno.EPERM):
        step = "join the group that may, for example `sudo usermod -aG video $USER`"
        return f"permission denied; {step if device else 'check its permissions'}"
    if code == errno.EBUSY:
        return "another program uses it; end that one"
    if device is not None and code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "no such device; `ls /dev/video*` lists cameras on Linux"
    if device is not None:
        return f"no camera that can be read ({why}); check the device"
    return f"no live video that can be read ({why}); where a player shows it, try {piped}"
