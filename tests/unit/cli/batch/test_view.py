"""What a batch shows while it runs: its numbers, and the live view on a terminal of any width."""

from __future__ import annotations

import io
import re
import sys

import pytest

from vos_cli.batch import board as board_module
from vos_cli.batch import view as view_module
from vos_cli.batch.board import Board
from vos_cli.batch.engines.events import Event, Finished, Progressed, Started, Stopping
from vos_cli.batch.folder import ClipResult
from vos_cli.batch.view import open_view

LONG = "A_very_long_name_of_a_shot_" * 5
MARKUP = "[bold]take[link]"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time as the board and the views see it."""
    clock = Clock()
    monkeypatch.setattr(board_module, "time", clock)
    monkeypatch.setattr(view_module, "time", clock)
    return clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def done(name: str, frames: int) -> Finished:
    return Finished(ClipResult(name, "done", frames=frames, frames_per_s=10.0))


def test_the_speed_and_the_time_left_are_those_of_this_run(clock: Clock):
    board = Board({"a": 100, "b": 100, "c": 0}, failed=0)
    board.take(Started("a", "w1"))
    clock.now = 30.0  # loading the model does not count
    assert (board.rate(), board.remaining_s()) == (None, None)
    board.take(Progressed("a", "w1", 0, 100))
    board.take(Progressed("a", "w1", 60, 100, skipped=60))  # of an earlier run
    clock.now = 32.0
    board.take(Progressed("a", "w1", 80, 100, skipped=60))
    assert board.rate() == 10.0
    assert board.remaining_s() == 12.0
    clock.now = 34.0
    board.take(done("a", 100))
    assert board.rate() == 10.0
    assert board.remaining_s() == 10.0
    board.take(Started("b", "w1"))
    board.take(Finished(ClipResult("b", "failed", reason="x")))
    assert board.remaining_s() == 0.0
    assert (board.done, board.failed, board.left, board.working) == (2, 1, 1, {})


def test_a_clip_of_a_worker_that_died_counts_once(clock: Clock):
    board = Board({"a": 100}, failed=0)
    board.take(Started("a", "w1"))
    board.take(Progressed("a", "w1", 0, 100))
    clock.now = 1.0
    board.take(Progressed("a", "w1", 50, 100))
    board.take(Started("a", "w2"))
    assert set(board.working) == {"w2"}
    board.take(Progressed("a", "w2", 40, 100, skipped=40))
    clock.now = 2.0
    board.take(Progressed("a", "w2", 60, 100, skipped=40))
    assert board.rate() == 35.0  # 70 frames were tracked in two seconds
    assert board.remaining_s() == pytest.approx(40 / 35)


def test_fast_clips_are_not_drawn_one_by_one(clock: Clock, monkeypatch):
    """A picture costs milliseconds; a skipped clip does too."""
    names = [f"c{number}" for number in range(1000)]
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    for name, value in {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    board = Board(dict.fromkeys(names, 3), failed=0)
    with open_view("auto", board) as view:
        for name in names:
            for event in (Started(name, "w1"), done(name, 3)):
                clock.now += 0.001
                board.take(event)
                view.show(event)
    assert board.remaining_s() == 0.0
    assert stream.getvalue().count("clips, 0 failed") < 1100  # one more with each line above


def test_what_was_there_is_no_speed(clock: Clock):
    board = Board({"a": 100, "b": 100}, failed=0)
    board.take(Started("a", "w1"))
    board.take(Finished(ClipResult("a", "done", was_there=True, frames=100)))
    assert board.rate() is None


EVENTS: list[Event] = [
    Started(LONG, "w1"),
    Started(MARKUP, "w2"),
    Progressed(LONG, "w1", 5, 100),
    Progressed(MARKUP, "w2", 7, None),
    Finished(ClipResult("first", "failed", reason="why " * 30)),
    Stopping(),
]


def shown(monkeypatch: pytest.MonkeyPatch, clock: Clock, **environ: str) -> str:
    """What the live view writes to a terminal for EVENTS."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    board = Board({LONG: 100, MARKUP: 0, "first": 3}, failed=0)
    with open_view("auto", board) as view:
        for event in EVENTS:
            clock.now += 1.0
            board.take(event)
            view.show(event)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_live_view_fits_the_terminal(width: int, clock: Clock, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = shown(monkeypatch, clock, COLUMNS=str(width), LINES="24", TERM="xterm-256color")
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text)
    assert max(map(len, re.split(r"[\r\n]", plain))) <= width
    assert "5/100" in plain
    assert "7/?" in plain
    assert "…" in plain
    assert MARKUP[:8] in plain  # no markup: it is a file's name
    assert "Ctrl-C again" in " ".join(plain.split())
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back


def test_many_workers_do_not_push_the_totals_away(clock: Clock, monkeypatch):
    for name, value in {"COLUMNS": "80", "LINES": "10", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    board = Board({f"c{i}": 9 for i in range(64)}, failed=0)
    with open_view("auto", board) as view:
        for number in range(64):
            clock.now += 1.0
            event = Started(f"c{number}", f"w{number}")
            board.take(event)
            view.show(event)
    assert "and 58 workers more" in stream.getvalue()
    assert "0/64 clips, 0 failed" in stream.getvalue()


def test_no_color_is_honoured_and_a_dumb_terminal_gets_lines(clock: Clock, monkeypatch):
    text = shown(monkeypatch, clock, COLUMNS="80", LINES="24", TERM="xterm-256color", NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*(3|9|4|10)\d[;m]", text)
    text = shown(monkeypatch, clock, TERM="dumb")
    assert "\x1b" not in text
    assert "vos: first: failed: why" in text


def test_lines_every_ten_seconds(clock: Clock, monkeypatch, capsys):
    board = Board({"a": 1000}, failed=0)
    with open_view("plain", board) as view:
        for second in range(35):
            clock.now = float(second)
            event = Progressed("a", "w1", 10 * second, 1000)
            board.take(event)
            view.show(event)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "vos: 0/1 clips, 0 failed, 10.0 frames/s, 0:01:30 left",
        "vos: 0/1 clips, 0 failed, 10.0 frames/s, 0:01:20 left",
        "vos: 0/1 clips, 0 failed, 10.0 frames/s, 0:01:10 left",
    ]
