"""A camera that speaks RTSP on loopback: it sends a transport stream over RTP inside TCP."""

from __future__ import annotations

import contextlib
import socket
import struct

from loopback import LoopbackServer

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 33\r\na=control:v\r\n"
)
_TS_PACKETS = 7  # that an RTP packet holds
_PAUSE_S = 0.002


class RtspCamera(LoopbackServer):
    """A context manager that plays a stream to whoever asks, one after the other.

    requests: first lines of what was asked, in order.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self.requests: list[str] = []

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while line := stream.readline().decode():
            words, fields = line.split(), {}
            while (text := stream.readline().decode().strip()) != "":
                name, _, value = text.partition(":")
                fields[name.lower()] = value.strip()
            self.requests.append(line.strip())
            more, body = "", ""
            if words[0] == "OPTIONS":
                more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif words[0] == "DESCRIBE":
                more, body = "Content-Type: application/sdp\r\n", _SDP
            elif words[0] == "SETUP":
                more = f"Transport: {fields['transport']}\r\n"
            answer = f"RTSP/1.0 200 OK\r\nCSeq: {fields['cseq']}\r\nSession: 1\r\n{more}"
            connection.sendall(f"{answer}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            if words[0] == "PLAY":
                self._play(connection)
                return

    def _play(self, connection: socket.socket) -> None:
        step = 188 * _TS_PACKETS
        for number, at in enumerate(range(0, len(self._data), step)):
            header = struct.pack(">BBHII", 0x80, 33, number, number * 900, 1)
            packet = header + self._data[at : at + step]
            connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            if self._over.wait(_PAUSE_S):
                return
