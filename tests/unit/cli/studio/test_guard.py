"""Who gets to the page: its own browser, and nobody else; without a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e import clips

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from studio_session import BASE, BOX, SPENT, put
from vos_cli.studio.guard import MAX_BODY_BYTES, Guard
from vos_cli.studio.session import StudioSession


@pytest.mark.parametrize(
    "path",
    ["/", "/api/clip", "/api/frames/0.jpg", "/api/sound", "/api/sound/0.pcm", "/static/main.js"],
)
def test_nothing_without_the_token(visitor: TestClient, path: str):
    assert visitor.get(path).status_code == 403
    assert visitor.get(path, params={"token": "guess"}).status_code == 403
    assert visitor.get(path, headers={"Cookie": "vos=guess"}).status_code == 403
    assert visitor.get(path, headers={"Cookie": "vos="}).status_code == 403


def test_a_token_opens_one_browser(guard: Guard, visitor: TestClient):
    token = guard.token
    answer = visitor.get("/", params={"token": token})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert 'content="0;url=./"' in answer.text
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"Path={guard.place}/;" in cookie
    assert visitor.get("/api/clip").status_code == 200
    assert visitor.get("/", params={"token": token}).status_code == 303  # the same browser again
    SPENT.clear()
    with TestClient(guard, base_url=BASE + guard.place, follow_redirects=False) as other:
        assert other.get("/", params={"token": "guess"}).status_code == 403
        assert SPENT == []
        assert other.get("/", params={"token": token}).status_code == 403
        assert [guard.token] == SPENT
        assert other.get("/", params={"token": guard.token}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:4321", "127.0.0.1.evil.example:4321", "127.0.0.1", "", "10.0.0.1:4321"]
)
def test_other_hosts_are_refused(page: TestClient, host: str):
    for path in ("/api/clip", "/api/sound/0.pcm"):
        assert page.get(path, headers={"Host": host}).status_code == 421


def test_localhost_and_tunnels_are_this_machine(guard: Guard, visitor: TestClient):
    for host in ("localhost:4321", "[::1]:9", "127.0.0.1:80"):
        visitor.cookies.clear()
        ticket = {"Host": host}
        opened = visitor.get("/", params={"token": guard.token}, headers=ticket)
        assert opened.status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:4321", None]
)
def test_changes_come_from_the_page_only(
    page: TestClient, session: StudioSession, origin: str | None
):
    del page.headers["Origin"]
    headers = {} if origin is None else {"Origin": origin}
    sent = {"version": 0, "prompts": [BOX], "objects": {"1": ""}}
    assert page.put("/api/document", json=sent, headers=headers).status_code == 403
    assert page.post("/api/finish", headers=headers).status_code == 403
    assert session.history.version == 0


def test_uploads_are_limited(page: TestClient):
    huge = {"Content-Length": str(MAX_BODY_BYTES + 1)}
    assert page.put("/api/document", content=b"{}", headers=huge).status_code == 413
    unknown = page.put("/api/document", content=iter([b"{}"]))
    assert unknown.status_code == 411
    lying = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    assert page.put("/api/document", content=b"{}", headers=lying).status_code == 411


def test_every_answer_has_the_headers(page: TestClient, visitor: TestClient):
    for path in ("/", "/api/clip", "/static/main.js", "/nothing"):
        headers = page.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/api/frames/..%2f..%2fclip.mp4",
        "/api/frames/0.jpg/../../../x",
        "/api/frames/1e3.jpg",
        "/api/results/..%2f0.png",
        "/api/sound/..%2f..%2fclip.mp4",
        "/api/sound/0.pcm/../../../x",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_to_files(page: TestClient, path: str):
    assert page.get(path).status_code in (404, 405, 422)


def test_a_mask_names_no_file(page: TestClient, session: StudioSession, tmp_path: Path):
    Image.fromarray(np.ones((clips.HEIGHT, clips.WIDTH), np.uint8)).save(tmp_path / "m.png")
    for file in (str(tmp_path / "m.png"), "/etc/passwd", "../m.png"):
        mask = {"type": "mask", "object_id": 1, "frame_idx": 0, "file": file}
        answer = put(page, 0, mask)
        assert answer.status_code == 422
        assert "png_base64" in answer.json()["error"]
    assert session.history.version == 0


@pytest.mark.parametrize(
    ("name", "status"), [("\ud83d", 400), ("a\udc00", 400), ("\U0001f600", 200), ("x" * 61, 422)]
)
def test_half_an_emoji_is_no_name(page: TestClient, name: str, status: int):
    body = json.dumps({"version": 0, "prompts": [BOX], "objects": {"1": name}})
    sent = page.put("/api/document", content=body, headers={"Content-Type": "application/json"})
    assert sent.status_code == status, sent.text
    assert page.get("/api/document").status_code == 200


@pytest.mark.parametrize("key", ["type", "file", "png_base64", "\ud83d"])
def test_half_an_emoji_inside_a_prompt_is_refused(page: TestClient, key: str):
    body = json.dumps({"version": 0, "prompts": [{**BOX, key: "\ud83d"}], "objects": {"1": ""}})
    sent = page.put("/api/document", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= sent.status_code < 500


@pytest.mark.parametrize("digits", [41, 5000])
@pytest.mark.parametrize(
    "path",
    [
        "/api/frames/{}.jpg",
        "/api/frames/{}.png",
        "/api/masks/{}.png",
        "/api/results/{}.png",
        "/api/sound/{}.pcm",
    ],
)
def test_a_number_of_many_digits_in_a_path(page: TestClient, path: str, digits: int):
    assert page.get(path.format("9" * digits)).status_code == 400


@pytest.mark.parametrize("port", ["9" * 5000, "9" * 6, "\u00b2"])
def test_a_port_of_many_digits(visitor: TestClient, port: str):
    answer = visitor.get("/", headers={"Host": f"127.0.0.1:{port}".encode("latin-1")})
    assert answer.status_code in (400, 421)
    if len(port) > 5000 - 1:
        assert answer.status_code == 400


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-1", "NaN", "[" * 3000])
def test_a_number_that_is_none_in_a_body(page: TestClient, number: str):
    for body in (
        f'{{"version": {number}, "prompts": [], "objects": {{"1": ""}}}}',
        f'{{"version": 0, "prompts": [{{"type": {number}}}], "objects": {{"1": ""}}}}',
        f'{{"version": 0, "prompts": [{number}], "objects": {{"1": ""}}}}',
    ):
        sent = page.put("/api/document", content=body, headers={"Content-Type": "application/json"})
        assert 400 <= sent.status_code < 500


def test_a_length_of_many_digits(page: TestClient):
    answer = page.put("/api/document", content=b"{}", headers={"Content-Length": "9" * 5000})
    assert answer.status_code == 413
