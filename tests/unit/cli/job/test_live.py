"""What ends a live run before its time, and what is left then."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from live_server import LiveServer, transport_stream
from vos.errors import OutputError
from vos.io.write.masks import MaskSink
from vos_cli.job.job import LiveCounts
from vos_cli.job.live import default_live_output, ends_on_signals
from vos_cli.main import run


def test_the_first_ctrl_c_ends_the_frames_and_the_second_the_program():
    stopped: list[bool] = []
    before = signal.getsignal(signal.SIGINT)

    def interrupt_twice() -> None:
        with ends_on_signals(lambda: stopped.append(True)):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            assert stopped == [True]
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ends_on_signals(lambda: pytest.fail("stopped")):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch, capsys):
    write = MaskSink.write

    def fail_at_three(self, frame, result):
        if frame.frame_idx == 3:
            raise OutputError("masks: the disk is full: free some, or choose another place")
        write(self, frame, result)

    monkeypatch.setattr(MaskSink, "write", fail_at_three)
    monkeypatch.chdir(tmp_path)
    data = transport_stream(tmp_path / "clip.ts", 24)
    words = ("--box", "20,16,52,48", "--model", "null", "--save", "masks,stats", "-o", "out")
    with LiveServer([data]) as server:
        assert run(["track", server.address, *words, "--drop", "none"]) == 2
    said = capsys.readouterr().err
    assert "the disk is full" in said.splitlines()[-1]
    assert "frames is in" in said
    assert ".out.part" in said
    left = {path.stem for path in (tmp_path / ".out.part/masks").iterdir()}
    assert {"00000", "00001", "00002"} <= left
    assert not (tmp_path / "out").exists()


def test_words_of_the_summary():
    nothing = LiveCounts("tcp://a:1", "", "old", None, 0, ())
    assert nothing.summary() == ""
    loss = {"frame_idx": 1, "lost_s": 1.0, "why": "x"}
    assert LiveCounts("", "", "old", None, 7, (loss,)).summary() == ", 7 dropped, lost 1 time"
    assert LiveCounts("", "", "old", None, 0, (loss, loss)).summary() == ", lost 2 times"


def test_an_output_that_nobody_named_has_the_time_in_its_name():
    found = default_live_output(datetime(2026, 1, 2, 3, 4, 5))
    assert found == Path("live-20260102-030405-vos")
