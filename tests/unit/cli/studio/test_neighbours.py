"""Two users on one machine: the link of one is of no use to the other."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from vos_cli.studio import guard as module
from vos_cli.studio import neighbours
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.guard import Guard

SOMEBODY = 4242
page = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("in"))])


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux tells")
@pytest.mark.parametrize("is_other", [False, True])
def test_the_system_tells_who_connects(is_other: bool):
    if is_other and os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    wanted = SOMEBODY if is_other else os.getuid()
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        child = os.fork()
        if child == 0:
            os.setuid(wanted)
            with socket.socket() as own:  # by hand: modules may be out of somebody's reach
                own.connect((LOOPBACK, port))
                time.sleep(20)
            os._exit(0)
        try:
            connection, client = listener.accept()
            with connection:
                assert neighbours.find_user(client[1], port) == wanted
                assert neighbours.is_stranger(client, (LOOPBACK, port)) == is_other
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_where_nobody_tells_the_token_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert neighbours.find_user(1, 2) is None
    monkeypatch.setattr(neighbours, "_TABLES", (tmp_path / "missing",))
    assert not neighbours.is_stranger(("127.0.0.1", 5), ("127.0.0.1", 6))
    (tmp_path / "odd").write_text("sl local\n 0: what is this\n")
    monkeypatch.setattr(neighbours, "_TABLES", (tmp_path / "odd",))
    assert not neighbours.is_stranger(("127.0.0.1", 5), ("127.0.0.1", 6))
    assert not neighbours.is_stranger(None, None)


@pytest.mark.parametrize(("user", "code"), [(SOMEBODY, 403), (0, 200), (None, 200)])
def test_a_stranger_s_try_does_not_spend_the_link(monkeypatch, user: int | None, code: int):
    monkeypatch.setattr(neighbours, "find_user", lambda *_ports: user)
    monkeypatch.delenv("SUDO_UID", raising=False)
    guard = Guard(page, Address.of(LOOPBACK), on_spent=lambda _token: None)
    token = guard.token
    base = f"http://127.0.0.1:4321{guard.place}"
    with TestClient(guard, base_url=base, client=("127.0.0.1", 5)) as browser:
        assert browser.get("/", params={"token": token}).status_code == code
        if code != 200:
            assert guard.token == token
            monkeypatch.setattr(module, "is_stranger", lambda *_ends: False)
            assert browser.get("/", params={"token": token}).status_code == 200


def test_who_became_this_user_is_no_stranger(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "find_user", lambda *_ports: SOMEBODY)
    ends = ("127.0.0.1", 5), ("127.0.0.1", 6)
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert neighbours.is_stranger(*ends)
    monkeypatch.setenv("SUDO_UID", str(SOMEBODY))
    assert not neighbours.is_stranger(*ends)
    assert not neighbours.is_stranger(("192.0.2.7", 5), ("192.0.2.1", 6))  # another machine: --host
