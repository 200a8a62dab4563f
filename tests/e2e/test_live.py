"""`vos track` of a live source, served on loopback: what is written, what is lost, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from e2e import clips
from live_server import LiveServer, transport_stream
from vos_cli.main import run

jsonschema = pytest.importorskip("jsonschema", reason="a development dependency")
SCHEMAS = Path(__file__).resolve().parents[2] / "docs/schemas"
FRAMES = 12
NULL = ("--box", clips.BOX, "--model", "null", "--save", "masks,stats", "-o", "out")
ALL = ("--drop", "none", "--reconnect", "0s")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> bytes:
    return transport_stream(tmp_path_factory.mktemp("clip") / "clip.ts", FRAMES)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> bytes:
    """More than is looked at while it is opened, so that silence after it is met by the track."""
    return transport_stream(tmp_path_factory.mktemp("long") / "long.ts", 60)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def track(address: str, *words: str) -> int:
    return run(["track", address, *NULL, *words])


def manifest() -> dict[str, Any]:
    return json.loads(Path("out/manifest.json").read_text())


def masks(folder: str = "out/masks") -> list[str]:
    return sorted(path.stem for path in Path(folder).iterdir())


def check_schema(name: str, content: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    assert [
        one.message for one in jsonschema.Draft202012Validator(schema).iter_errors(content)
    ] == []


def test_every_frame_of_a_source_that_is_lost_once_is_there(data, capsys):
    with LiveServer([data], [data]) as server:
        assert track(server.address, "--drop", "none", "--reconnect", "0.6s", "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["frames"], told["output"], told["skipped"]) == (2 * FRAMES, "out", False)
    assert masks() == [f"{index:05d}" for index in range(2 * FRAMES)]
    rows = [json.loads(line) for line in Path("out/stats.jsonl").read_text().splitlines()]
    assert [row["frame_idx"] for row in rows] == list(range(2 * FRAMES))
    assert all(row["received_at"].endswith("+00:00") for row in rows)
    assert {row["dropped_before"] for row in rows} == {0}
    for row in rows:
        check_schema("stats-1", row)
    check_schema("manifest-2", manifest())
    live = manifest()["live"]
    assert live == told["live"]
    assert (live["address"], live["dropped"], live["keep_s"]) == (server.address, 0, None)
    assert live["started_at"] == rows[0]["received_at"]
    assert [loss["frame_idx"] for loss in live["losses"]] == [FRAMES, None]
    assert f"lost after {FRAMES} frames (the source ended); trying again for 0.6 s" in err
    assert "lost 2 times" in err.splitlines()[-1]
    assert [entry.name for entry in Path.cwd().iterdir()] == ["out"]


def test_dropped_frames_are_counted_where_people_look(data, capsys):
    with LiveServer([data]) as server:
        assert track(server.address, "--reconnect", "0s", "--progress", "json") == 0
    told = manifest()
    assert told["frame_count"] + told["live"]["dropped"] == FRAMES
    assert told["live"]["dropped"] > 0
    assert f"{told['live']['dropped']} dropped" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_older_than_asked_for_goes(long):
    words = ("--save", "masks,overlay,stats,mattes", "--keep", "1s")
    with LiveServer([long]) as server:
        assert track(server.address, *ALL, *words) == 0
    kept = masks()
    assert kept == [f"{index:05d}" for index in range(60 - len(kept), 60)]
    assert 25 <= len(kept) <= 28
    assert manifest()["live"]["keep_s"] == 1
    rows = Path("out/stats.jsonl").read_text().splitlines()
    assert [json.loads(row)["name"] for row in rows] == kept[-25:]
    assert Path("out/overlay/00048.mp4").is_file()  # a second each
    assert not Path("out/overlay/00000.mp4").exists()


@pytest.mark.parametrize(("end", "count"), [("5f", 5), ("0.25s", 6)])
def test_it_ends_where_it_is_told_to(long, end, count):
    with LiveServer([long, 60.0]) as server:
        assert track(server.address, "--drop", "none", "--end", end) == 0
    assert masks() == [f"{index:05d}" for index in range(count)]
    assert manifest()["warnings"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_output_is_complete(tmp_path, capsys, long, number):
    def stop() -> None:
        while not list(tmp_path.glob(".out.part/masks/*")):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    before = signal.getsignal(number)
    with LiveServer([long, 60.0]) as server:
        assert track(server.address) == 0
    assert signal.getsignal(number) == before
    assert capsys.readouterr().out == "out\n"
    assert manifest()["frame_count"] == len(masks()) > 0
    assert manifest()["live"]["losses"] == []


def test_another_size_ends_it_with_what_is_there(data, tmp_path, capsys):
    other = transport_stream(tmp_path / "other.ts", 4, size_wh=(128, 96))
    with LiveServer([data], [other]) as server:
        assert track(server.address, "--drop", "none", "--reconnect", "5s") == 0
    assert manifest()["frame_count"] == FRAMES
    assert "the size changed from 96 x 64 to 128 x 96" in capsys.readouterr().err


def test_an_output_that_is_there_is_not_taken_for_this_one(data, capsys):
    for words, code in (((), 0), ((), 2), (("--overwrite",), 0)):
        with LiveServer([data]) as server:
            assert track(server.address, *ALL, *words) == code
    assert "give --overwrite to replace it" in capsys.readouterr().err


REFUSED = {
    "--start 5f": "--start: not for a live source",
    "--direction both": "--direction both: not for a live source",
    "--rate 30": "--rate: not for a live source",
    "--decoder decord": "--decoder decord: not for a live source",
    "--policy long --lag 4": "--lag: not for a live source",
    "--deliver csv": "--deliver: not for a live source .* `vos export`",
    "--end 0f": "--end: not for a live source .* it leaves no frame",
    "--everything": "--everything: not for a live source",
    "--box": "--box without a value: there is no page for a live source",
    "--host 0.0.0.0": "--host: there is no page",
    "--drop new": "--drop 'new': not one of old, none",
    "--keep 10": "--keep '10': not a span of time; write 90s, 10m",
    "--keep 0.5s": "--keep 0.5s: keeps nothing",
    "--reconnect soon": "--reconnect 'soon': not a span of time",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_a_live_source_cannot_do_is_refused_before_it_is_opened(words, capsys):
    assert track("tcp://127.0.0.1:1", *words.split()) == 2
    assert len(lines := capsys.readouterr().err.splitlines()) == 1
    assert re.match(f"vos: error: {REFUSED[words]}", lines[0]), lines


def test_prompts_are_of_the_first_frame_and_there_is_one(data, capsys):
    assert run(["track", "tcp://127.0.0.1:1", "--model", "null"]) == 2
    assert "no prompt: something must say what to track" in capsys.readouterr().err
    for box, wanted in ((f"{clips.BOX}@3", "on frame 0"), ("200,10,300,50", "outside")):
        with LiveServer([data]) as server:
            words = ["track", server.address, "--model", "null", "--box", box, "-o", "out"]
            assert run(words) == 2
        assert wanted in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == []


def test_options_of_live_sources_are_for_those(data, capsys):
    Path("clip.ts").write_bytes(data)
    for words in (("--drop", "none"), ("--reconnect", "5s"), ("--keep", "5s")):
        assert track("clip.ts", *words) == 2
        assert f"{words[0]} is for live sources" in capsys.readouterr().err


def test_info_says_what_comes(data, capsys):
    with LiveServer([data], [data]) as server:
        assert run(["info", server.address]) == 0
        assert run(["info", server.address, "--json"]) == 0
    *rows, last = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["size", "96", "x", "64"] for line in rows)
    told = json.loads(last)
    assert (told["path"], told["kind"], told["width"]) == (server.address, "live", 96)


def _start(environ: dict[str, str], *words: str, stdin: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vos_cli", "track", *words, *NULL]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdin=stdin, stdout=pipe, stderr=pipe)


def _wait_for_masks(folder: Path) -> None:
    until = time.monotonic() + 60
    while not list(folder.glob(".out.part/masks/*")):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_what_is_piped_in_is_tracked(environ, data):
    with _start(environ, "-", *ALL, stdin=subprocess.PIPE) as process:
        out, err = process.communicate(data, timeout=60)
    assert (process.returncode, out) == (0, b"out\n"), err
    assert manifest()["frame_count"] == FRAMES
    assert manifest()["warnings"] == []


def test_what_a_killed_run_wrote_is_not_lost(environ, long, data, tmp_path, capsys):
    with (
        LiveServer([long, 60.0]) as server,
        _start(environ, server.address, stdin=subprocess.DEVNULL) as process,
    ):
        _wait_for_masks(tmp_path)
        process.kill()
    with LiveServer([data]) as server:
        assert track(server.address, *ALL) == 2
    assert run(["fix", "out", "--list"]) in (2, 3)
    said = capsys.readouterr().err
    assert "an interrupted run with other settings" in said
    assert "a live source was tracked here and the run was killed" in said
    assert masks(".out.part/masks")
    assert not Path("out").exists()


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_a_run_with_a_model(environ, data, tmp_path):
    with LiveServer(*[[data, 1.0]] * 200) as server:
        words = (server.address, "--model", "nano")
        with _start(environ, *words, stdin=subprocess.DEVNULL) as process:
            _wait_for_masks(tmp_path)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"out\n"), err
    assert manifest()["frame_count"] == len(masks()) > 0
