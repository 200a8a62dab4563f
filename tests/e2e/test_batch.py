"""`vos batch` as people meet it: a folder of good and broken clips, again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e import clips
from e2e.running import Ran
from vos_cli.main import run

PATIENCE_S = 600  # for machines with other work to do
BOX = [float(value) for value in clips.BOX.split(",")]


@pytest.fixture
def cli(environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., Ran]:
    """Run `vos ARGUMENTS` in this process; its workers are processes of their own."""
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def go(*arguments: object) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return go


def add_prompts(clip: Path) -> Path:
    prompt = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": BOX}
    text = json.dumps({"schema": 1, "prompts": [prompt]})
    clip.with_name(f"{clip.name}.prompts.json").write_text(text)
    return clip


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "masks").iterdir())}


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Three clips that can be tracked, two of one stem, and four that cannot."""
    folder = tmp_path / "in"
    folder.mkdir()
    add_prompts(clips.video(folder / "shot.mp4", 3))
    add_prompts(clips.video(folder / "shot.mov", 4))
    add_prompts(clips.images(folder / "seq", 2))
    whole = clips.video(folder / "cut.mp4", 30).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index was at the end
    (folder / "text.mp4").write_text("not a video")
    (folder / "empty.mp4").touch()
    clips.video(folder / "unasked.mp4", 2)
    return folder


def test_a_messy_folder(cli, footage: Path, tmp_path: Path):
    command = ("batch", "in", "-o", "out", "--save", "masks,stats", "--model", "nano")
    ran = cli(*command, "--json")
    assert ran.code == 4, ran.err
    report = json.loads(ran.out)
    assert report == json.loads((tmp_path / "out/report.json").read_text())
    by_name = {clip["name"]: clip for clip in report["clips"]}
    assert report["counts"] == {"clips": 7, "done": 3, "already_done": 0, "failed": 4, "left": 0}
    reasons = {name: clip["reason"] for name, clip in by_name.items() if clip["reason"]}
    assert reasons.keys() == {"cut.mp4", "text.mp4", "empty.mp4", "unasked.mp4"}
    assert "not a video" in reasons["cut.mp4"]
    assert "not a video" in reasons["text.mp4"]
    assert "empty" in reasons["empty.mp4"]
    assert "unasked.mp4.prompts.json" in reasons["unasked.mp4"]
    assert [by_name[name]["frames"] for name in ("shot.mp4", "shot.mov", "seq")] == [3, 4, 2]
    assert "vos: warning: text.mp4:" in ran.err
    assert "2 frames" in (tmp_path / "out/logs/seq.log").read_text()
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3

    alone = cli("track", "in/shot.mov", "--prompts", "in/shot.mov.prompts.json", "--save", "masks")
    assert alone.code == 0, alone.err
    assert files(tmp_path / "in/shot.mov-vos") == files(tmp_path / "out/clips/shot.mov")

    made = (tmp_path / "out/clips/seq/manifest.json").stat().st_mtime_ns
    add_prompts(footage / "unasked.mp4")
    retried = json.loads(cli(*command, "--retry-failed", "--json").out)
    again = {clip["name"]: clip for clip in retried["clips"]}
    assert retried["counts"]["already_done"] == 3
    assert again["unasked.mp4"]["state"] == "done"
    assert again["unasked.mp4"]["already_done"] is False
    assert (tmp_path / "out/clips/seq/manifest.json").stat().st_mtime_ns == made
    assert again["seq"]["seconds"] == by_name["seq"]["seconds"]


def test_manifest_rows_options_and_hostile_names(cli, tmp_path: Path):
    clips.video(tmp_path / "a.mp4", 4)
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out/clips").mkdir(parents=True)
    (tmp_path / "out/clips/linked").symlink_to(outside)
    (tmp_path / "out/logs").mkdir()
    (tmp_path / "out/logs/far.log").symlink_to(outside / "log")
    chosen = {"end": "2f", "save": "stats", "soft": True}
    rows = [
        {"source": "a.mp4", "name": "short", "box": clips.BOX, **chosen},
        {"source": "a.mp4", "name": "../escaped", "box": clips.BOX},
        {"source": "a.mp4", "name": "linked", "box": clips.BOX},
        {"source": "a.mp4", "name": "far", "box": clips.BOX},
        {"source": "a.mp4", "name": "late", "box": "1,1,5,5@99"},
    ]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ran = cli("batch", "l.jsonl", "-o", "out", "--model", "nano", "--json")
    assert ran.code == 4, ran.err
    report = json.loads(ran.out)
    assert [clip["state"] for clip in report["clips"]] == ["done", *["failed"] * 4]
    reasons = [clip["reason"] or "" for clip in report["clips"]]
    assert "l.jsonl:2" in reasons[1]
    assert "is a link" in reasons[2]
    assert "far.log: is a link" in reasons[3]
    assert "99" in reasons[4]
    assert "Traceback" not in ran.err
    assert sorted(p.name for p in (tmp_path / "out/clips/short").iterdir()) == [
        "manifest.json",
        "mattes",
        "prompts.json",
        "stats.jsonl",
    ]
    assert len(list((tmp_path / "out/clips/short/mattes/1").iterdir())) == 2
    assert not list(outside.iterdir())
    assert not (tmp_path / "escaped").exists()
    stopped = cli("batch", "l.jsonl", "-o", "out", "--fail-fast", "--json")
    assert stopped.code == 4
    assert json.loads(stopped.out)["state"] == "stopped"


def test_dry_run_writes_nothing(cli, footage: Path, tmp_path: Path):
    ran = cli("batch", "in", "-o", "out", "--match", "shot.*", "--model", "nano", "--dry-run")
    assert ran.code == 0, ran.err
    assert "shot.mov" in ran.out
    assert "2 clips, about 7 frames; 0 cannot be tracked" in ran.out
    assert "frames/s per worker, measured on shot." in ran.out
    assert " MB are free" in ran.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("none", "-o", "out"), 3, "none"),
        (("in", "-o", "out", "--shard", "3/2"), 2, "--shard"),
        (("in", "-o", "out", "--fail-fast", "--max-failures", "2"), 2, "--max-failures"),
        (("in", "-o", "in/text.mp4"), 2, "text.mp4"),
        (("in/empty.mp4", "-o", "out"), 2, "a video is no list of clips"),
        (("in", "-o", "out", "--model", "nanoo"), 6, "nano"),
        (("in", "-o", "out", "--save", "maks"), 2, "masks"),
        (("in", "-o", "out", "--box", "1,2,3"), 2, "give four"),
        (("in", "-o", "out", "--box"), 2, "--box"),
    ],
)
def test_wrong_command_lines(arguments, code: int, words: str, cli, footage: Path, tmp_path: Path):
    ran = cli("batch", *arguments)
    assert (ran.code, len(ran.error_lines)) == (code, 1), ran.err
    assert words in ran.error_lines[0]


@pytest.mark.slow
def test_interrupted_and_killed_then_finished(environ, tmp_path: Path):
    """Ctrl-C, then kill -9 of the batch, then of a worker: the same command ends with the truth."""
    (tmp_path / "in").mkdir()
    for number in range(3):
        add_prompts(clips.video(tmp_path / f"in/{number}.mp4", 40))
    command = [sys.executable, "-m", "vos_cli", "batch", "in", "-o", "out", "--model", "nano"]
    command += ["--save", "masks", "--progress", "json"]
    env = environ | {"VOS_CHECKPOINT_S": "0.5"}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=env,
            text=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait_for_masks(count: int) -> None:
        until = time.monotonic() + PATIENCE_S
        while sum(1 for _ in (tmp_path / "out").rglob("masks/*.png")) < count:
            assert time.monotonic() < until
            time.sleep(0.05)

    batch = start()
    wait_for_masks(8)
    batch.send_signal(signal.SIGINT)
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert batch.returncode == 130, err
    assert json.loads((tmp_path / "out/report.json").read_text())["state"] == "interrupted"

    batch = start()
    wait_for_masks(50)
    batch.kill()
    batch.communicate(timeout=PATIENCE_S)

    batch = start()
    wait_for_masks(90)
    (worker,) = _workers(batch.pid)
    os.kill(worker, signal.SIGKILL)
    _, err = batch.communicate(timeout=PATIENCE_S)
    assert batch.returncode == 0, err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["counts"]["done"] == 3
    assert max(clip["attempts"] for clip in report["clips"]) == 2
    logs = "".join(path.read_text() for path in (tmp_path / "out/logs").iterdir())
    assert "continued at frame" in logs
    whole = files(tmp_path / "out/clips/0.mp4")
    assert len(whole) == 40
    assert files(tmp_path / "out/clips/1.mp4") == files(tmp_path / "out/clips/2.mp4") == whole


def _workers(batch: int) -> list[int]:
    """The worker processes that are children of this very batch."""
    import psutil

    children = psutil.Process(batch).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
