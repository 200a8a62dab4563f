"""The API as clients and attackers meet it."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e import clips

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from serving import TOKEN, make_sessions, png, served, small_tracker
from vos.errors import InputError, UsageError
from vos.frame import Frame
from vos.prompts import Box
from vos_cli.serve.app import make_app
from vos_cli.serve.guard import TokenGuard, choose_token
from vos_cli.serve.inputs import find_file
from vos_cli.serve.results import decode_rle, encode_rle
from vos_cli.serve.sessions import Sessions
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.guard import MAX_BODY_BYTES

BASE = "http://127.0.0.1:4321"
BOX = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [20, 16, 52, 48]}
PNG = {"Content-Type": "image/png"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Iterator[Sessions]:
    (tmp_path / "root").mkdir()
    made = make_sessions(root=tmp_path / "root", most=3, idle_s=60, now=clock)
    yield made
    made.close_all()


@pytest.fixture
def client(sessions: Sessions) -> Iterator[TestClient]:
    guard = TokenGuard(make_app(sessions), Address.of(LOOPBACK), TOKEN)
    with TestClient(guard, base_url=BASE, raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client


def opened(client: TestClient, **more: Any) -> str:
    answer = client.post("/v1/sessions", json={"prompts": [BOX], **more})
    assert answer.status_code == 201, answer.text
    return f"/v1/sessions/{answer.json()['session']}"


def masks(results: list[dict[str, Any]]) -> list[np.ndarray]:
    return [decode_rle(**one["objects"][0]["mask"] | {}) for one in map(_renamed, results)]


def _renamed(result: dict[str, Any]) -> dict[str, Any]:
    for one in result["objects"]:
        one["mask"] = {"size_hw": one["mask"]["size"], "counts": one["mask"]["counts"]}
    return result


def test_frames_that_are_sent_are_tracked_as_a_session_tracks_them(client: TestClient):
    images = [clips.picture(index) for index in range(3)]
    frames = [Frame(image, Fraction(i, 24), i, f"{i:05d}") for i, image in enumerate(images)]
    wanted = list(small_tracker().session([Box(1, (20, 16, 52, 48))]).run(frames))
    place = opened(client)
    got = [client.post(f"{place}/frames", content=png(one), headers=PNG).json() for one in images]
    assert [one["frame_idx"] for one in got] == [0, 1, 2]
    assert got[1]["pts_s"] == pytest.approx(1 / 24)
    score = wanted[2].objects[1].object_score
    assert got[2]["objects"][0]["object_score"] == pytest.approx(score, abs=1e-3)
    for mask, result in zip(masks(got), wanted, strict=True):
        assert np.array_equal(mask, result.masks[1])
    assert client.get(place).json()["frames"] == 3
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_file_below_the_root_is_tracked_alike(client: TestClient, tmp_path: Path):
    clips.images(tmp_path / "root/seq", 3)
    place = opened(client, file="seq")
    first = client.post(f"{place}/next", params={"count": 2}).json()
    rest = client.post(f"{place}/next", params={"count": 64}).json()
    results = first["results"] + rest["results"]
    assert [one["name"] for one in results] == ["000", "001", "002"]
    assert (first["is_finished"], rest["is_finished"], rest["problem"]) == (False, True, None)
    wanted = list(small_tracker().track(tmp_path / "root/seq", [Box(1, (20, 16, 52, 48))]))
    for mask, result in zip(masks(results), wanted, strict=True):
        assert np.array_equal(mask, result.masks[1])
    assert client.post(f"{place}/next").json()["results"] == []
    assert "ask for its next frames" in client.post(f"{place}/frames", content=b"x").json()["error"]


def test_a_broken_file_is_named_from_the_root_on(client: TestClient, tmp_path: Path):
    (tmp_path / "root/broken.mp4").write_text("not a video")
    error = client.post("/v1/sessions", json={"file": "broken.mp4"}).json()["error"]
    assert error.startswith("broken.mp4: ")
    clips.images(tmp_path / "root/seq", 2)
    whole = (tmp_path / "root/seq/001.jpg").read_bytes()
    (tmp_path / "root/seq/001.jpg").write_bytes(whole[:-40])
    place = opened(client, file="seq")
    answer = client.post(f"{place}/next", params={"count": 5}).json()
    assert len(answer["results"]) == 1
    assert answer["problem"].startswith("seq/001.jpg: broken image")


def test_prompts_may_come_later(client: TestClient):
    place = opened(client, prompts=[])
    image = png(clips.picture(0))
    assert client.post(f"{place}/frames", content=image, headers=PNG).json()["objects"] == []
    late = {"prompts": [{**BOX, "frame_idx": 1}, BOX]}
    refused = client.post(f"{place}/prompts", json=late)
    assert refused.status_code == 422
    assert "prompt 2 of 2" in refused.json()["error"]
    assert "1 before it were added" in refused.json()["error"]
    got = client.post(f"{place}/frames", content=image, headers=PNG).json()
    assert [one["object_id"] for one in got["objects"]] == [1]


def huge_png() -> bytes:
    """A few bytes that say they are 100,000 x 100,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no PNG and no JPEG"),
        (b"GIF89a", "no PNG and no JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "frame"),
        (huge_png(), "pixels"),
        (png(clips.picture(0))[:200], "frame"),
        (png(np.zeros((5, 6, 3), np.uint8)), "6x5, those before"),
    ],
)
def test_a_bad_frame_changes_nothing(client: TestClient, data: bytes, words: str):
    place, good = opened(client), png(clips.picture(0))
    assert client.post(f"{place}/frames", content=good, headers=PNG).status_code == 200
    refused = client.post(f"{place}/frames", content=data, headers=PNG)
    assert refused.status_code == 422
    assert words in refused.json()["error"]
    assert "vos-serve-" not in refused.json()["error"]  # no path of ours
    next_one = client.post(f"{place}/frames", content=good, headers=PNG)
    assert next_one.json()["frame_idx"] == 1


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", 400, "no JSON"),
        (b"[" * 100_000, 400, ""),
        (b"[]", 422, "the body is no JSON object; send one"),
        (b"null", 422, "the body is no JSON object; send one"),
        (b"", 422, "the body is no JSON object; send one"),
        (b'{"size": ' + b"9" * 5000 + b"}", 400, "cannot be read as JSON"),
        (b'{"model": "null"}', 422, "not one of"),
        (b'{"prompts": 1}', 422, "prompts"),
        (b'{"promts": []}', 422, "promts"),
        (b'{"prompts": [{"type": "bx"}]}', 422, "box"),
        (b'{"prompts": [{"type": "mask", "object_id": 1, "file": "/etc/passwd"}]}', 422, ""),
        (b'{"model": "/tmp/x.pt"}', 422, "not one of"),
        (b'{"model": "nanoo"}', 422, "did you mean"),
        (b'{"size": 1000000000}', 422, "multiple of 32"),
        (b'{"rate": "fast"}', 422, "rate"),
        (b'{"file": "../x"}', 422, "below --root"),
        (b'{"file": "/etc/passwd"}', 422, "below --root"),
        (b'{"file": "\\ud800"}', 422, ""),
        (b'{"file": ""}', 422, "below --root"),
    ],
)
def test_a_bad_session_is_refused(client: TestClient, body: bytes, code: int, words: str):
    answer = client.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == code, answer.text
    assert words in answer.json()["error"]
    assert client.get("/v1/status").json()["sessions"] == 0


@pytest.mark.parametrize("kind", ["text/plain", "image/png", "", "x" * 500])
def test_json_needs_its_content_type(client: TestClient, kind: str):
    answer = client.post("/v1/sessions", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "'Content-Type: application/json'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": "Bearer \xff"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example:4321"}, 421),
        ({"Content-Length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_strangers_are_refused(client: TestClient, headers: dict[str, str], code: int):
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.post("/v1/sessions", content=b"{}", headers=raw)  # pyright: ignore
    assert answer.status_code == code
    assert answer.json()["error"]
    assert client.get("/v1/status").json()["sessions"] == 0


def test_what_is_there_is_described_without_a_token(client: TestClient):
    del client.headers["Authorization"]
    described = client.get("/openapi.json").json()
    assert "image/png" in str(described["paths"]["/v1/sessions/{session}/frames"])
    page = client.get("/")
    assert all(path in page.text for path in described["paths"])
    assert "script" not in page.text
    documented = (Path(__file__).parents[4] / "docs/use/serve.md").read_text()
    for path in described["paths"]:
        assert path.replace("{session}", "ID") in documented
    assert client.get("/v1/status").status_code == 401


def test_unknown_paths_and_verbs_are_json_too(client: TestClient):
    assert "/openapi.json" in client.get("/v2/x").json()["error"]
    assert client.put("/v1/status", content=b"").json()["error"]
    assert client.get("/v1/sessions/nobody").status_code == 404
    assert client.get("/" + "a" * 300).status_code == 400


def test_places_run_out_and_idle_sessions_make_room(client: TestClient, clock: Clock):
    first, *_ = [opened(client) for _ in range(3)]
    full = client.post("/v1/sessions", json={})
    assert (full.status_code, "3 sessions are open" in full.json()["error"]) == (503, True)
    clock.now = 50
    assert client.get(first).status_code == 200
    clock.now = 100  # the other two were last used at 0
    opened(client)
    assert client.get(first).status_code == 200
    assert client.get("/v1/status").json()["sessions"] == 2


def test_few_models_are_loaded_at_once(client: TestClient, clock: Clock):
    opened(client)
    place = opened(client, size=64)
    answer = client.post("/v1/sessions", json={"size": 96})
    assert (answer.status_code, "in use" in answer.json()["error"]) == (503, True)
    assert client.delete(place).status_code == 204
    opened(client, size=96)


def test_a_bug_is_no_traceback(client: TestClient, sessions: Sessions, monkeypatch):
    monkeypatch.setattr(sessions, "open", lambda *_, **__: 1 / 0)
    answer = client.post("/v1/sessions", json={})
    assert answer.status_code == 500
    assert answer.json()["error"] == "internal error: ZeroDivisionError; report it"


def test_no_link_leads_out_of_the_root(tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    clips.images(tmp_path / "outside", 1)
    clips.images(root / "seq", 1)
    assert find_file(root, "seq") == root / "seq"
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "mixed").mkdir()
    (root / "mixed/0.jpg").symlink_to(tmp_path / "outside/000.jpg")
    (root / "circle").symlink_to(root / "circle")
    for name in ("link", "mixed", "circle", "seq/../../outside", ".", "none", "a\0b"):
        with pytest.raises(InputError, match="below --root"):
            find_file(root, name)
    with pytest.raises(UsageError, match="without --root"):
        find_file(None, "seq")


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_give_the_mask_back(seed: int):
    mask = np.random.default_rng(seed).random((7, 5)) < (0.0, 1.0, 0.5, 0.9)[seed]
    rle = encode_rle(mask)
    assert sum(rle["counts"]) == mask.size
    assert np.array_equal(decode_rle(rle["size"], rle["counts"]), mask)


def test_run_lengths_are_those_of_coco():
    coco = pytest.importorskip("pycocotools.mask", reason="the extra `deliver` is not installed")
    mask = np.random.default_rng(0).random((9, 4)) < 0.5
    rle = encode_rle(mask)
    assert np.array_equal(coco.decode(coco.frPyObjects(rle, 9, 4)).astype(bool), mask)


def test_a_token_of_ones_own(monkeypatch: pytest.MonkeyPatch):
    assert choose_token({"VOS_SERVE_TOKEN": TOKEN}) == TOKEN
    assert choose_token({}) != choose_token({})
    for bad in ("short", "with a space in it", "ü" * 20):
        with pytest.raises(UsageError, match="VOS_SERVE_TOKEN"):
            choose_token({"VOS_SERVE_TOKEN": bad})


def test_the_client_of_the_documentation(tmp_path: Path):
    text = (Path(__file__).parents[4] / "docs/use/serve.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    (tmp_path / "client.py").write_text(found[1])
    for index in range(2):
        (tmp_path / f"{index}.png").write_bytes(png(clips.picture(index)))
    sessions = make_sessions()
    with served(sessions) as url:
        command = [sys.executable, "client.py", url, TOKEN, "0.png", "1.png"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
        assert sessions.status()["sessions"] == 0
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["0.png", "1"], ["1.png", "1"]]
