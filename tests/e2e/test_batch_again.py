"""`vos batch` into a folder that is there: other settings, devices, names, programs, a watch."""

from __future__ import annotations

import json
import shlex
import shutil
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

NULL = ("--box", clips.BOX, "--model", "null")


@pytest.fixture
def cli(environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., Ran]:
    """Run `vos ARGUMENTS` in this process; its workers are processes of their own."""
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def go(*arguments: object) -> Ran:
        capsys.readouterr()
        texts = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["vos", *texts])
        code = run(texts)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return go


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_other_settings_change_nothing(cli, tmp_path: Path):
    (tmp_path / "in").mkdir()
    clips.images(tmp_path / "in/a", 3)
    kept = tmp_path / "kept.jsonl"
    code = f"import sys; open({str(kept)!r}, 'a').write(sys.stdin.read() + chr(10)); sys.exit(3)"
    command = ("batch", "in", "-o", "out", *NULL)
    hook = shlex.join([sys.executable, "-c", code])
    more = ("--devices", "cpu,cpu", "--name-template", "x_{stem}", "--on-done", hook)
    first = cli(*command, *more, "--save", "masks,stats,overlay", "--json")
    assert first.code == 0, first.err
    report = json.loads(first.out)
    (clip,) = report["clips"]
    assert (clip["name"], clip["overlay"]) == ("x_a", "clips/x_a/overlay.mp4")
    assert clip["fix"] == f"vos fix {tmp_path}/out/clips/x_a"
    assert any("--on-done command failed: exit code 3" in text for text in clip["warnings"])
    assert report["command"].startswith("vos batch in -o out --box")
    assert report["options"]["model"] == "null"
    assert report["machine"]["cores"] >= 1
    page = (tmp_path / "out/report.html").read_text()
    assert 'href="clips/x_a/overlay.mp4"' in page
    assert f"<code>vos fix {tmp_path}/out/clips/x_a</code>" in page
    assert "vos batch in -o out" in page
    (sent,) = map(json.loads, kept.read_text().splitlines())
    assert (sent["name"], sent["state"]) == ("x_a", "done")

    before = contents(tmp_path / "out")
    shutil.copytree(tmp_path / "in/a", tmp_path / "in/b")  # one that is not done yet
    again = cli(*command, "--name-template", "x_{stem}", "--save", "masks")
    assert again.code == 2
    assert "1 finished clip made with other settings (x_a: save)" in again.err
    assert "--overwrite" in again.err
    assert contents(tmp_path / "out") == before
    looked = cli(*command, "--name-template", "x_{stem}", "--save", "masks", "--dry-run")
    assert looked.code == 0
    assert "made with other settings" in looked.out.replace("\n", " ")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "mps"), "mps"),
        (("--device", "cuda:99"), "cuda:99"),
        (("--devices", "cpu,cuda:99"), "--devices cuda:99"),
        (("--devices", "cpu", "--device", "cpu"), "contradict"),
        (("--devices", "cpu", "--engine", "ray"), "Ray deals out"),
        (("--name-template", "{nam}"), "{nam}"),
        (("--on-done", "no-such-program"), "no-such-program"),
        (("--watch", "--dry-run"), "contradict"),
    ],
)
def test_refused_before_anything(arguments, words: str, cli, tmp_path: Path, monkeypatch):

    monkeypatch.setattr("vos_cli.batch.engines.plan.has_mps", lambda: False)
    (tmp_path / "in").mkdir()
    clips.images(tmp_path / "in/a", 1)
    ran = cli("batch", "in", "-o", "out", *NULL, *arguments)
    assert (ran.code, len(ran.error_lines)) == (2, 1), ran.err
    assert words in ran.err
    assert not (tmp_path / "out").exists()


def test_only_a_folder_is_watched(cli, tmp_path: Path):
    (tmp_path / "list.txt").write_text("a.mp4\n")
    ran = cli("batch", "list.txt", "-o", "out", "--watch")
    assert ran.code == 2
    assert "only a folder grows" in ran.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_a_watch_takes_what_comes_and_ends_with_ctrl_c(environ, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    command = [sys.executable, "-m", "vos_cli", "batch", "in", "-o", "out", *NULL]
    command += ["--save", "masks", "--watch"]
    batch = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        for name in ("a", "b"):
            clips.images(folder / name, 2)
            until = time.monotonic() + 300
            status = tmp_path / f"out/status/{name}.json"
            while not status.exists():
                assert time.monotonic() < until
                assert batch.poll() is None
                time.sleep(0.2)
        report = tmp_path / "out/report.json"
        while json.loads(report.read_text())["counts"]["done"] < 2:
            assert time.monotonic() < until
            time.sleep(0.2)
        time.sleep(2)
        batch.send_signal(signal.SIGINT)
        out, err = batch.communicate(timeout=120)
    finally:
        batch.kill()
    assert (batch.returncode, out.strip()) == (0, f"{tmp_path}/out/report.html"), err
    assert "Traceback" not in err
