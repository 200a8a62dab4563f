"""Command lines in processes that start with the libraries loaded.

Loading torch takes a process seconds, most of what a short command costs. One process loads the
libraries and forks itself for every command, which from then on is a process like any other: it has
its own arguments, environment, folder, streams and exit code.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from e2e.running import Ran

TESTS = Path(__file__).parents[1]


class Forks:
    """A running process that forks itself for every command."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Start the process; loading goes on while the caller does something else."""
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from e2e.forks import serve; serve({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                cwd=TESTS,
                env=environ,
                pass_fds=[theirs.fileno()],
            )

    def run(
        self, arguments: list[str], cwd: Path, environ: Mapping[str, str], timeout_s: float
    ) -> Ran:
        """Run `vos ARGUMENTS` to its end.

        Raises: subprocess.TimeoutExpired for a command that takes longer; it is killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            asked = {"arguments": arguments, "cwd": str(cwd), "environ": dict(environ)}
            handles = [out.fileno(), err.fileno()]
            socket.send_fds(self._line, [json.dumps(asked).encode() + b"\n"], handles)
            pid = self._answer()
            self._line.settimeout(timeout_s)
            try:
                code = self._answer()
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                code = None
            self._line.settimeout(None)
            if code is None:
                self._answer()  # that it was killed
                raise subprocess.TimeoutExpired(["vos", *arguments], timeout_s)
            return Ran(code, _text(out), _text(err))

    def _answer(self) -> int:
        """Return the next number that the process says."""
        (number,) = struct.unpack("i", self._line.recv(4, socket.MSG_WAITALL))
        return number

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.wait(timeout=60)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def serve(handle: int) -> None:
    """Load the libraries, then fork for each command that comes in on the socket `handle`."""
    import vos.loading
    import vos.stream
    import vos_cli.job.run

    assert vos.loading
    assert vos.stream
    assert vos_cli.job.run
    with socket.socket(fileno=handle) as line:
        while True:
            asked, streams = _receive(line)
            if not asked:
                return
            pid = os.fork()
            if pid == 0:
                break
            for stream in streams:
                os.close(stream)
            line.sendall(struct.pack("i", pid))
            _, status = os.waitpid(pid, 0)
            line.sendall(struct.pack("i", os.waitstatus_to_exitcode(status)))
    _become(json.loads(asked), streams)


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next request with the streams for it; an empty one at the end."""
    asked, streams = b"", []
    while not asked.endswith(b"\n"):
        part, handles, _, _ = socket.recv_fds(line, 1 << 16, 2)
        if not part:
            return b"", []
        asked += part
        streams += handles
    return asked, streams


def _become(asked: dict[str, Any], streams: list[int]) -> None:
    """Make this process the command that was asked for."""
    import vos_cli.__main__ as program

    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.path[0] = asked["cwd"]
    sys.argv[:] = [program.__file__, *asked["arguments"]]
    try:
        program.main()
    except SystemExit as ended:  # to take the libraries down again costs more than most commands
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
