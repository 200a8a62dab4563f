"""`vos pick` and `--box` without a value, where there is no one to look at a page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e import clips


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.video(tmp_path / "clip.mp4", 4)


def test_without_terminal_and_browser(vos, clip: Path, tmp_path: Path):
    nowhere = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    for words in (("track", clip, "--box"), ("track", "--point", clip), ("pick", clip)):
        ran = vos(*words, **nowhere)
        assert ran.code == 2, ran.err
        assert len(ran.err.splitlines()) == 1
        assert "--box x1,y1,x2,y2" in ran.error_lines[0]
        assert "vos pick" in ran.error_lines[0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["clip.mp4"]


def test_wrong_options_are_found_before_a_page_opens(vos, clip: Path):
    ran = vos("track", clip, "--box", "--direction", "sideways", BROWSER="true")
    assert ran.code == 2
    assert "sideways" in ran.error_lines[0]
    pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
    ran = vos("track", clip, "--box", "--point", "500,500", BROWSER="true")
    assert ran.code == 2
    assert "500" in ran.error_lines[0]


def test_without_the_extra(vos, clip: Path, tmp_path: Path):
    (tmp_path / "fastapi.py").write_text("raise ImportError('no', name='fastapi')")
    ran = vos("pick", clip, BROWSER="true", PYTHONPATH=_with(tmp_path))
    assert ran.code == 2
    assert "vos[studio]" in ran.error_lines[0]


def test_ctrl_c_ends_the_page_and_leaves_nothing(environ: dict[str, str], clip: Path):
    pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "vos_cli", "pick", str(clip)],
        env=environ | {"BROWSER": "true", "PYTHONPATH": _with()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        said = [process.stderr.readline() for _ in range(2)]
        assert "http://127.0.0.1:" in said[1]
        with socket.create_connection(_place(said[1])) as stranger:
            stranger.sendall(b"nonsense\r\n\r\n")
            assert b" 400 " in stranger.recv(1000)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 130
    assert "saved" in rest
    assert len(rest.splitlines()) == 1
    assert sorted(path.name for path in clip.parent.glob("clip*")) == ["clip.mp4"]


def _place(line: str) -> tuple[str, int]:
    link = urlsplit(line.split()[-1])
    assert link.hostname
    assert link.port
    return link.hostname, link.port


def _with(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), *sys.path])
