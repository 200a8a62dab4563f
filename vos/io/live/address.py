"""Addresses of live sources: which words are one, what FFmpeg may do for it, and how it is shown.

Only a person who names one on purpose has it opened: `vos track`, `vos info` and `vos.open_live`.
Manifests, playlists and every other reader refuse addresses.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vos.errors import InputError
from vos.io.paths import display_name, is_there

_PROTOCOLS = {
    "rtsp": "rtsp,rtp,srtp,udp,tcp",
    "rtsps": "rtsp,rtp,srtp,udp,tcp,tls,crypto",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "tcp": "tcp",
    "udp": "udp",
    "srt": "srt",
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
}
"""What each scheme may open, itself included: no file, and no address of another kind."""

_DEVICES = ("v4l2", "avfoundation", "dshow")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEVICE = re.compile(rf"({'|'.join(_DEVICES)}):(.+)", re.DOTALL)
_CAMERA = re.compile(r"/dev/video[0-9]+")

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class LiveAddress:
    """The place that a live source comes from.

    text: what FFmpeg opens, passwords included; never shown.
    shown: how messages and manifests name it, without passwords.
    protocols: FFmpeg's names of what may be opened for it; empty for a device.
    device_format: FFmpeg's name for the kind of device; None for a stream.
    """

    text: str
    shown: str
    protocols: str = ""
    device_format: str | None = None

    @property
    def comes_again(self) -> bool:
        """Tell whether it can be opened anew once it has ended; a pipe cannot."""
        return self.protocols != "pipe"

    @property
    def may_be_finite(self) -> bool:
        """Tell whether a file may be behind it, which has an end and is no live source."""
        return self.protocols.startswith("http")


def find_address(text: str) -> LiveAddress | None:
    """Read the address of a live source: a stream's URL, a device, or `-` for the standard input.

    Return None for anything else; what exists under a name is that file or folder. Raises
    InputError for an address without a host or port.
    """
    if "\0" in text:
        return None
    path = Path(text)
    if _CAMERA.fullmatch(os.path.realpath(text)) and (is_there(path) or _CAMERA.fullmatch(text)):
        return LiveAddress(text, display_name(text), device_format="v4l2")
    if is_there(path):
        return None
    if text == STANDARD_INPUT:
        return LiveAddress("pipe:0", "the standard input", "pipe")
    if match := _DEVICE.fullmatch(text):
        return LiveAddress(match[2], display_name(text), device_format=match[1])
    match = _SCHEME.match(text)
    protocols = None if match is None else _PROTOCOLS.get(match[1].lower())
    if protocols is None:
        return None
    shown = _without_secrets(text)
    if not _has_place(text):
        raise InputError(
            f"{shown}: an address without a host, or without a port that can be; write it as in "
            "tcp://HOST:PORT"
        )
    return LiveAddress(text, shown, protocols)


def _has_place(text: str) -> bool:
    """Tell whether an address names a host, and a port where its scheme has no usual one."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:  # of a port that is no number, or brackets that do not close
        return False
    if parts.scheme == "udp":
        return port is not None  # alone, it listens
    return bool(host) and (port is not None or parts.scheme not in ("tcp", "srt"))


def _without_secrets(text: str) -> str:
    """Return an address without user, password and the values after its question mark.

    A password may hold any character, so that all before the last @ counts as one.
    """
    scheme, _, rest = text.partition("://")
    secret, at, rest = rest.rpartition("@")
    place, question, _ = rest.partition("?")
    shown = f"***@{place}" if secret else f"{at}{place}"
    return display_name(f"{scheme}://{shown}{'?...' if question else ''}")
