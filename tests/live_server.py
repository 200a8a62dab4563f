"""A live source on loopback: a server that plays bytes and pauses to whoever connects."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from loopback import LoopbackServer

Play = Sequence[bytes | float]
"""What one connection gets: bytes that are sent, and seconds of silence."""


class LiveServer(LoopbackServer):
    """A context manager that gives each connection the next of its plays, and closes it then.

    Once all are played nobody listens any more.
    """

    def __init__(self, *plays: Play) -> None:
        super().__init__()
        self._plays = plays
        self.address = f"tcp://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            for play in self._plays:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    self._play(connection, play)
            self._socket.close()

    def _play(self, connection: socket.socket, play: Play) -> None:
        for one in play:
            if isinstance(one, bytes):
                connection.sendall(one)
            elif self._over.wait(one):
                return


def transport_stream(
    path: Path,
    frames: int = 12,
    *,
    size_wh: tuple[int, int] = (96, 64),
    leap: tuple[int, int] = (0, 0),
) -> bytes:
    """Make an MPEG transport stream, as cameras send it, of a square that moves; 24 frames/s.

    leap: from which frame on times are later, and by how many seconds.
    """
    with av.open(str(path), "w", format="mpegts") as container:
        options = {"g": "4", "bf": "0", "tune": "zerolatency"}
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            image = np.full((size_wh[1], size_wh[0], 3), (40, 60, 40), np.uint8)
            image[16:48, 20 + index % 40 : 52 + index % 40] = (230, 120, 60)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            if leap[0] <= index:
                frame.pts += 24 * leap[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def in_pieces(data: bytes, count: int, pause_s: float) -> Play:
    """Cut bytes into pieces with a pause after each."""
    size = -(-len(data) // count)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [part for piece in pieces for part in (piece, pause_s)]
