"""`--host`: the names a server goes by, and those it does not, tried from another machine."""

from __future__ import annotations

import socket

import pytest

from vos.errors import UsageError

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.guard import Guard

NAMED = Address("192.0.2.7", socket.AF_INET, ("gpu.lan", "192.0.2.7"), "gpu.lan")
EVERY = Address.of("0.0.0.0")
BASE = "http://192.0.2.7:4321"  # the address and port at which connections arrive


def answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("in")


page = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])


def visit(address: Address, host: str, base: str = BASE) -> int:
    """The status that somebody gets who opens the link under a name."""
    guard = Guard(page, address, on_spent=lambda _token: None)
    with TestClient(guard, base_url=base + guard.place, follow_redirects=False) as client:
        ticket = {"Host": host}
        return client.get("/", params={"token": guard.token}, headers=ticket).status_code


@pytest.mark.parametrize("host", ["gpu.lan:4321", "GPU.lan:4321", "192.0.2.7:4321"])
def test_the_name_that_was_given_and_its_address(host: str):
    assert visit(NAMED, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "gpu.lan",
        "gpu.lan:80",
        "gpu.lan.evil.example:4321",
        "evil.example:4321",
        "127.0.0.1:4321",
        "localhost:4321",
        "10.0.0.1:4321",
        "gpu.lan:4321:4321",
        "[192.0.2.7]:x",
        "",
    ],
)
def test_other_names_are_refused(host: str):
    assert visit(NAMED, host) == 421


def test_all_addresses_means_those_that_were_connected_to():
    assert visit(EVERY, "192.0.2.7:4321") == 200
    assert visit(EVERY, f"{socket.gethostname()}:4321") == 200
    assert visit(EVERY, "127.0.0.1:9000") == 200  # a tunnel
    every6 = Address.of("::")
    assert visit(every6, "192.0.2.7:4321", "http://192.0.2.7:4321") == 200
    for host in ("192.0.2.8:4321", "evil.example:4321", "192.0.2.7.evil.example:4321"):
        assert visit(EVERY, host) == 421
    assert visit(EVERY, "192.0.2.7:80") == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "http://gpu.lan", "null", None])
def test_changes_still_come_from_the_page_only(origin: str | None):
    guard = Guard(page, NAMED, on_spent=lambda _token: None)
    with TestClient(
        guard, base_url=f"http://gpu.lan:4321{guard.place}", follow_redirects=False
    ) as client:
        assert client.get("/").status_code == 403
        assert client.get("/", params={"token": "guess"}).status_code == 403
        assert client.get("/", params={"token": guard.token}).status_code == 200
        headers = {} if origin is None else {"Origin": origin}
        assert client.post("/", headers=headers).status_code == 403
        assert client.post("/", headers={"Origin": "http://gpu.lan:4321"}).status_code == 200
        # The cookie is the browser's proof, under this name only.
        other = {"Host": "evil.example:4321", "Origin": "http://evil.example:4321"}
        assert client.post("/", headers=other).status_code == 421


def test_the_default_is_out_of_reach():
    address = Address.of(LOOPBACK)
    assert address.is_loopback
    assert address.link(80) == "http://127.0.0.1:80/"
    with address.listen() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    assert Address.of("::1").link(80) == "http://[::1]:80/"
    assert not EVERY.is_loopback
    assert visit(address, "192.0.2.7:4321") == 421


def test_what_is_no_address_of_this_machine():
    with pytest.raises(UsageError, match=r"--host 'no such host'.*0\.0\.0\.0"):
        Address.of("no such host")
    with pytest.raises(UsageError, match=r"--host 192\.0\.2\.7.*0\.0\.0\.0"):
        Address.of("192.0.2.7").listen()
