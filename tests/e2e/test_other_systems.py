"""Commands that need nothing of POSIX: run where its modules, signals and functions are taken away.

It is no Windows, but what would end there with an ImportError or AttributeError does so here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from e2e import clips
from e2e.running import Ran
from vos_cli.console import progress

POSIX_MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
POSIX_SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2")
POSIX_FUNCTIONS = (
    *("O_DIRECTORY", "O_NOFOLLOW", "fchmod", "getpgid", "getuid", "geteuid", "killpg", "pread"),
    *("sched_getaffinity", "set_blocking", "setsid", "statvfs", "sysconf"),
)
PROGRAM = f"""
import builtins, os, signal, sys

real_import = builtins.__import__
# Other packages choose by the name of the system, which stays as it is.
def import_(name, globals=None, *arguments, **changes):
    if name in {POSIX_MODULES} and str((globals or {{}}).get("__name__")).startswith("vos"):
        raise ModuleNotFoundError(name)
    return real_import(name, globals, *arguments, **changes)
builtins.__import__ = import_
for name in {POSIX_SIGNALS}:
    delattr(signal, name)
import platform, shutil, subprocess, uuid  # of the standard library, which minds its system itself
for name in {POSIX_FUNCTIONS}:
    delattr(os, name)
os.supports_dir_fd = os.supports_fd = frozenset()
real_open = builtins.open
def open(file, *arguments, **changes):
    if str(file).startswith("/proc/"):
        raise FileNotFoundError(file)
    return real_open(file, *arguments, **changes)
builtins.open = open
from vos_cli.main import main
sys.argv = ["vos", *sys.argv[1:]]
main()
"""
Run = Callable[..., Ran]


@pytest.fixture
def vos(environ: dict[str, str], tmp_path: Path) -> Run:
    """Run `vos ARGUMENTS` on a system that lacks what is POSIX's."""

    def run(*arguments: object) -> Ran:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environ | {"USERNAME": "user"},  # as Windows has it
            text=True,
            timeout=600,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def test_info_track_with_progress_and_score(vos: Run, tmp_path: Path):
    """The null model goes through everything but torch."""
    clips.video(tmp_path / "a.mp4", 3)
    told = vos("info", "a.mp4", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["frame_count"] == 3
    track = ("track", "a.mp4", "--box", clips.BOX, "--model", "null", "-o", "out")
    tracked = vos(*track, "--progress", "json", "--json")
    assert tracked.code == 0, tracked.err
    assert json.loads(tracked.out)["frames"] == 3
    again = vos(*track, "--progress", "plain", "--overwrite")
    assert again.code == 0, again.err
    for tree in ("gt", "pred"):
        (tmp_path / tree / "a").mkdir(parents=True)
        for index in range(4):
            mask = Image.new("P", (clips.WIDTH, clips.HEIGHT))
            mask.putpalette([0, 0, 0, 255, 0, 0])
            mask.paste(1, (20, 16, 52, 48))
            mask.save(tmp_path / tree / f"a/{index:05d}.png")
    trees = ("--gt", "gt", "--pred", "pred", "--jobs", 2)
    scored = vos("eval", "score", "--protocol", "davis", *trees, "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["global"]["J&F"] == pytest.approx(1.0)


def test_models(vos: Run):
    listed = vos("models", "list", "--json")
    assert listed.code == 0, listed.err
    assert "nano" in listed.out


@pytest.mark.slow
def test_track_with_a_model_and_the_demo(vos: Run, tmp_path: Path):
    clips.video(tmp_path / "a.mp4", 3)
    tracked = vos("track", "a.mp4", "--box", clips.BOX, "--model", "nano", "--json")
    assert tracked.code == 0, tracked.err
    demo = vos("demo", "-o", "demo", "--json")
    assert demo.code == 0, demo.err
    assert json.loads(demo.out)["frames"] == 60


def refuse(*arguments: object, **changes: object) -> None:
    raise FileNotFoundError(arguments)


@pytest.mark.parametrize("mode", ["plain", "json", "rich"])
def test_progress_where_the_system_does_not_say_how_much_memory_is_held(monkeypatch, capsys, mode):
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(progress, "open", refuse, raising=False)
    assert progress.memory_mb() is None
    monkeypatch.setattr(progress, "PLAIN_PERIOD_S", 0.0)
    monkeypatch.setattr(progress, "JSON_PERIOD_S", 0.0)
    with progress.open_progress(mode, 2) as shown:
        shown.advance()
    err = capsys.readouterr().err
    if mode == "json":
        assert json.loads(err)["memory_mb"] is None
    assert "None" not in err
    assert "MB" not in err
