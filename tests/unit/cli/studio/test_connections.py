"""Connections that bring no request: few of them, not for long, and nobody is locked out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

import uvicorn

from vos_cli.studio.connections import BACKLOG, LimitedProtocol

ANSWER = b"HTTP/1.1 200 OK"


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.6)
    body = b""
    while scope["method"] == "POST":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    head = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"in"})


class Impatient(LimitedProtocol):
    request_s = 0.4
    most = 8


class Patient(LimitedProtocol):
    request_s = 60.0
    most = 8


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(Impatient) as number:
        yield number


@contextlib.contextmanager
def serve(protocol: type[LimitedProtocol]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_config=None, log_level="critical", http=protocol, ws="none", backlog=BACKLOG
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # pyright: ignore
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def opened(port: int, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        place = ("127.0.0.1", port)
        yield [stack.enter_context(socket.create_connection(place, 5)) for _ in range(count)]


def ask(connection: socket.socket, path: str = "/") -> bytes:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return whole_answer(connection)


def whole_answer(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    data = b""
    while not data.endswith(b"\r\n\r\nin") and (more := connection.recv(4096)):
        data += more
    return data


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(3)
    try:
        while connection.recv(4096):  # what was still on its way
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_a_crowd_takes_few_descriptors_and_locks_nobody_out():
    """No connection of the crowd is old enough to be closed for its age."""
    with serve(Patient) as port:
        with opened(port, 1) as (first,):
            assert ask(first).startswith(ANSWER)  # the server's own descriptors are open now
        before = descriptors()
        with opened(port, 200) as crowd:
            with opened(port, 1) as (mine,):
                assert ask(mine).startswith(ANSWER)
            ends = time.monotonic() + 10
            while descriptors() - before - len(crowd) > Patient.most + 1:
                assert time.monotonic() < ends, "the server holds on to more than it may"
                time.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /"])
def test_a_connection_without_a_whole_request_is_closed_in_time(port: int, sent: bytes):
    with opened(port, 1) as (one,):
        one.sendall(sent)
        assert is_closed(one)


def test_a_drip_of_bytes_buys_no_time(port: int):
    with opened(port, 1) as (one,):
        started = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"y" * 40:
                one.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - started < 2


def test_a_body_that_does_not_come_is_not_waited_for(port: int):
    with opened(port, 1) as (one,):
        one.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        assert is_closed(one)


def test_a_request_that_takes_long_to_answer_is_answered(port: int):
    with opened(port, 1) as (one,):
        assert ask(one, "/slow").startswith(ANSWER)
        assert ask(one).startswith(ANSWER)  # and the connection goes on


def test_an_answered_connection_that_is_idle_is_closed(port: int):
    with opened(port, 1) as (one,):
        assert ask(one).startswith(ANSWER)
        assert is_closed(one)


def test_one_that_is_being_answered_makes_no_room(port: int):
    with opened(port, 1) as (busy,):
        busy.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        with opened(port, 30):
            assert whole_answer(busy).startswith(ANSWER)
