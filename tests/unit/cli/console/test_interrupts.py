"""Ctrl-C while FFmpeg waits for a file that does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from contract.clips import encode
from vos.frame import Frame
from vos.io.queues import prefetch
from vos.io.read import container_file, decode
from vos.io.read.container import ContainerSource
from vos.io.read.scan import frames_before, scan_video

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a FIFO")


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that gives the beginning of a video and then neither more nor an end."""
    path = tmp_path / "a.ts"
    content = encode(tmp_path / "whole.ts", 10).read_bytes()
    os.mkfifo(path)
    handle = os.open(path, os.O_RDWR)
    os.write(handle, content[:20_000])
    monkeypatch.setattr(decode, "require_readable_file", lambda _path: None)
    monkeypatch.setattr(container_file, "refuse_lists", lambda _path: None)
    yield path
    os.close(handle)  # whoever was left behind reads the end


def interrupt_soon() -> threading.Timer:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize(
    "read",
    [ContainerSource, scan_video, lambda path: frames_before(path, Fraction(9))],
    ids=["open", "scan", "frames_before"],
)
def test_one_ends_it(read: Callable[[Path], object], silent: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begin = time.monotonic()
    try:
        interrupt_soon()
        with pytest.raises(KeyboardInterrupt):
            read(silent)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begin < 1.2


def test_one_ends_reading_ahead(tmp_path: Path) -> None:
    released = threading.Event()

    def frames() -> Iterator[Frame]:
        released.wait(20)  # as one packet of a disk that hangs
        yield from ()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begin = time.monotonic()
    try:
        interrupt_soon()
        with pytest.raises(KeyboardInterrupt), prefetch(frames()) as ahead:
            next(ahead)
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()
    assert time.monotonic() - begin < 2.5


STUCK = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from vos_cli.console.interrupts import end_on_second_interrupt
end_on_second_interrupt()
import av
print("ready", flush=True)
av.open(sys.argv[1], options={"analyzeduration": "99999999"})
"""


def test_the_second_ends_the_process_where_nothing_else_does(silent: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(silent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    time.sleep(0.3)
    started.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert started.poll() is None, "the first one is not let through"
    begin = time.monotonic()
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=10)
    assert time.monotonic() - begin < 1
    assert started.returncode == 130
    assert said == "vos: interrupted: ended at once while waiting for a file\n"


def test_one_that_is_noticed_is_as_ever() -> None:
    code = STUCK.partition("av.open")[0] + "import time; time.sleep(20)"
    started = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    started.stdout.readline()
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=10)
    assert said.rstrip().endswith("KeyboardInterrupt")


SERVER = """
import signal
from vos_cli.console.interrupts import end_on_second_interrupt

end_on_second_interrupt()
ours = signal.getsignal(signal.SIGINT)
for _ in range(3):  # as a server does that ends in order, and then hands the signal on
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, ours)
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("ended in order")
"""


def test_one_that_a_server_hands_on_is_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["ended in order"] * 3
