"""`vos serve` under load: twenty clients, idle and slow connections, one that vanishes."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e import clips
from serving import png

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

BOX = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [20, 16, 52, 48]}
CLIENTS, FRAMES = 20, 12
MOST_GROWTH_BYTES = 300 * 2**20

pytestmark = pytest.mark.slow


class Server:
    """A running `vos serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        self.process, self.url, self.token = process, said["url"].rstrip("/"), said["token"]
        where = urlsplit(self.url)
        self.place = (where.hostname, where.port)

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "image/png" if isinstance(body, bytes) else "application/json"
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data, headers, method=verb)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"null")


@pytest.fixture
def server(environ, tmp_path: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "vos_cli", "serve", "--port", "0", "--json", "--model", "nano"]
    command += ["--size", "128", "--device", "cpu", "--idle", "20", "--sessions", "25"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environ, text=True, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def track(server: Server) -> list[Any]:
    """Track one clip as a client does; give the answers without what differs by session."""
    opened = server.ask("POST", "/v1/sessions", {"prompts": [BOX]})
    place = f"/v1/sessions/{opened['session']}"
    answers = [server.ask("POST", f"{place}/frames", png(clips.picture(i))) for i in range(FRAMES)]
    server.ask("DELETE", place)
    return answers


def test_twenty_clients_lose_nothing_and_memory_is_bounded(server: Server):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(server.process.pid)
    alone = track(server)
    assert [one["frame_idx"] for one in alone] == list(range(FRAMES))
    before = process.memory_info().rss
    with ThreadPoolExecutor(CLIENTS) as pool:
        for answers in pool.map(lambda _: track(server), range(CLIENTS)):
            assert answers == alone
    assert process.memory_info().rss - before < MOST_GROWTH_BYTES
    assert server.ask("GET", "/v1/status")["sessions"] == 0
    assert len(process.open_files()) < 20
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0


def test_idle_slow_and_vanished_clients_are_no_hindrance(server: Server):
    alone = track(server)
    opened = server.ask("POST", "/v1/sessions", {"prompts": [BOX]})
    place = f"/v1/sessions/{opened['session']}"
    head = (
        f"POST {place}/frames HTTP/1.1\r\nHost: 127.0.0.1:{server.place[1]}\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: 5000\r\n\r\n"
    ).encode()
    vanished = socket.create_connection(server.place)
    vanished.sendall(head + bytes(100))
    vanished.close()
    slow = socket.create_connection(server.place)
    slow.sendall(head)
    idle = [socket.create_connection(server.place) for _ in range(300)]
    begun = time.monotonic()
    assert track(server) == alone
    assert time.monotonic() - begun < 60
    for one in idle:
        one.close()
    slow.settimeout(30)
    with contextlib.suppress(ConnectionResetError):
        assert slow.recv(100) == b""  # closed: ten seconds are over, or others came
    slow.close()
    assert server.ask("GET", place)["frames"] == 0  # nothing of it was tracked
    until = time.monotonic() + 90
    while server.ask("GET", "/v1/status")["sessions"]:  # nobody closes it: idle for 20 s
        assert time.monotonic() < until
        time.sleep(1)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server.ask("GET", place)


def test_many_large_frames_at_once_wait_encoded(server: Server):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(server.process.pid)
    import numpy as np

    large = png(np.kron(clips.picture(0), np.ones((32, 32, 1), np.uint8)))  # 3072 x 2048
    opened = [server.ask("POST", "/v1/sessions", {"prompts": [BOX]}) for _ in range(CLIENTS)]
    places = [f"/v1/sessions/{one['session']}" for one in opened]
    server.ask("POST", f"{places[0]}/frames", large)
    before, most, is_over = process.memory_info().rss, 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not is_over.wait(0.05):
            most = max(most, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda one: server.ask("POST", f"{one}/frames", large), places[1:]))
    is_over.set()
    looking.join()
    assert len({json.dumps(one) for one in answers}) == 1
    assert most - before < 2 * MOST_GROWTH_BYTES
