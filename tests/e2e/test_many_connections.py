"""Hundreds of connections that bring no request: the track of the page goes on, and it answers."""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e import clips
from e2e.studio_page import started
from vos.prompts import Box, save_prompts

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

CONNECTIONS = 1300
FRAMES = 120


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="counts descriptors")
def test_a_track_of_the_page_goes_on(tmp_path: Path, environ: dict[str, str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 200:
        pytest.skip("this machine allows too few descriptors for so many connections")
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    drawn, out = tmp_path / "drawn.json", tmp_path / "out"
    save_prompts(drawn, [Box(1, (20, 16, 52, 48))])
    command = ["track", clip, "--box", "--prompts", drawn, "-o", out, "--model", "nano"]
    with started(environ, *command, "--device", "cpu") as page:
        resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 200, hard))
        try:
            link = urlsplit(page.link)
            origin = f"{link.scheme}://{link.netloc}"
            base = origin + link.path.rstrip("/")
            asker = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

            def ask(path: str, data: dict | None = None) -> dict:
                body = None if data is None else json.dumps(data).encode()
                headers = {"Origin": origin, "Content-Type": "application/json"}
                request = urllib.request.Request(base + path, body, headers)
                with asker.open(request, timeout=20) as answer:
                    return json.load(answer)

            asker.open(page.link, timeout=20).close()
            deadline = time.monotonic() + 180
            while not ask("/api/status")["model"]["is_ready"]:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            ask("/api/track", {"overwrite": False})
            idle = []
            for _ in range(CONNECTIONS):
                one = socket.socket()
                one.settimeout(5)
                idle.append(one)
                one.connect((link.hostname, link.port))
            slowest = 0.0
            while (run := ask("/api/status")["run"])["state"] == "running":
                begin = time.monotonic()
                ask("/api/status")
                slowest = max(slowest, time.monotonic() - begin)
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert run["state"] == "done", run
            assert slowest < 5
            for one in idle:
                one.close()
            ask("/api/finish", {})
            code, said, _ = page.finished()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (code, said.strip()) == (0, str(out))
    assert len(list((out / "masks").iterdir())) == FRAMES
