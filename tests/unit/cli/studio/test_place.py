"""The path that the page lies at: its cookie reaches no other server, and no other page it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import vos_cli.studio.app
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.guard import COOKIE, Guard

BASE = "http://127.0.0.1:4321"
STATIC = Path(vos_cli.studio.app.__file__).parent / "static"


def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


page = Starlette(routes=[Route("/", answer), Route("/api/clip", answer)])


def guarded() -> Guard:
    return Guard(page, Address.of(LOOPBACK), on_spent=lambda _token: None)


def test_the_cookie_goes_nowhere_but_to_the_page():
    guard = guarded()
    with TestClient(guard, base_url=BASE, follow_redirects=False) as browser:
        opened = browser.get(f"{guard.place}/", params={"token": guard.token})
        assert opened.status_code == 200
        assert browser.get(f"{guard.place}/api/clip").text == "/api/clip"
        # Other servers on this host, and other paths of this one, are asked without it.
        for address in (f"{BASE}/", f"{BASE}/api/clip", "http://127.0.0.1:9/", f"{BASE}/x/"):
            request = browser.build_request("GET", address)
            assert "cookie" not in request.headers
        inside = browser.build_request("GET", f"{BASE}{guard.place}/api/clip")
        assert COOKIE in inside.headers["cookie"]


@pytest.mark.parametrize("path", ["/", "/api/clip", "/{}x/", "/{}", "/x{}/"])
def test_nothing_lies_elsewhere(path: str):
    guard = guarded()
    with TestClient(guard, base_url=BASE, follow_redirects=False) as browser:
        browser.get(f"{guard.place}/", params={"token": guard.token})
        session = browser.cookies[COOKIE]
        where = path.format(guard.place[1:])
        given = {"Cookie": f"{COOKIE}={session}"}
        assert browser.get(where, headers=given).status_code == 403
        assert browser.get(where, params={"token": guard.token}, headers=given).status_code == 403
        assert browser.get(f"{guard.place}/", headers=given).status_code == 200


def test_another_page_s_browser_is_a_stranger():
    mine, theirs = guarded(), guarded()
    assert mine.place != theirs.place
    with TestClient(theirs, base_url=BASE, follow_redirects=False) as browser:
        browser.get(f"{theirs.place}/", params={"token": theirs.token})
        session = browser.cookies[COOKIE]
    with TestClient(mine, base_url=BASE, follow_redirects=False) as browser:
        given = {"Cookie": f"{COOKIE}={session}"}
        assert browser.get(f"{mine.place}/", headers=given).status_code == 403
        assert browser.get(f"{theirs.place}/api/clip", headers=given).status_code == 403
        opened = browser.get(f"{mine.place}/", params={"token": theirs.token})
        assert opened.status_code == 403


def test_the_page_names_its_files_from_where_it_lies():
    for file in (*STATIC.glob("*.html"), *STATIC.glob("*.js"), *STATIC.glob("*.css")):
        text = file.read_text()
        assert not re.findall(r"""["'`(]/static/""", text), file.name
        assert not re.findall(r"""(?:href|src|action)=["']/""", text), file.name
        assert file.name == "api.js" or "fetch(" not in text, file.name
