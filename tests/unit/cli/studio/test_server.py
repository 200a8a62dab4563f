"""The page's server as a browser and as an attacker meet it, without a model."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2e import clips
from vos.errors import OutputError
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos.prompts import load_prompts
from vos.prompts.file import load_named_prompts, prompts_from_json

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.app import make_app
from vos_cli.studio.document import History, make_document
from vos_cli.studio.guard import MAX_BODY_BYTES, Guard
from vos_cli.studio.pictures import Thumbnails
from vos_cli.studio.preview import Preview, Previewer
from vos_cli.studio.session import StudioSession

BASE = "http://127.0.0.1:4321"
BOX = {"type": "box", "object_id": 1, "frame_idx": 2, "box_xyxy_px": [20, 16, 52.5, 48]}
POINTS = {
    "type": "points",
    "object_id": 2,
    "frame_idx": 0,
    "points_xy_px": [[3.5, 4.5]],
    "labels": [0],
}


class Fake:
    """In place of the model: one object's mask is its box."""

    is_ready = True
    model_name = "fake"
    error = None

    def masks(self, frame_idx: int, prompts: Any) -> Preview:
        labels = np.zeros((clips.HEIGHT, clips.WIDTH), np.uint8)
        labels[4:9, 2:7] = frame_idx
        return Preview(labels, {1: SimpleNamespace(iou_pred=0.5)}, {2: "no"})  # pyright: ignore


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.video(tmp_path_factory.mktemp("clip") / "clip.mp4", 5)


@pytest.fixture
def session(clip: Path, tmp_path: Path) -> Iterator[StudioSession]:
    thumbnails = Thumbnails()
    with open_source(clip) as source, RandomAccess(source, thumbnails.add) as frames:
        frames.read(4)
        yield StudioSession(
            info=source.info,
            frames=frames,
            thumbnails=thumbnails,
            previewer=Fake(),  # pyright: ignore[reportArgumentType]
            history=History(make_document((), {})),
            tool="box",
            save_to=tmp_path / "prompts.json",
            runs=None,
            finish=lambda: None,
        )


@pytest.fixture
def guard(session: StudioSession) -> Guard:
    return Guard(make_app(session), Address.of(LOOPBACK), on_spent=SPENT.append)


SPENT: list[str] = []


@pytest.fixture
def visitor(guard: Guard) -> Iterator[TestClient]:
    """A browser that has not opened the link."""
    with TestClient(guard, base_url=BASE + guard.place, follow_redirects=False) as client:
        yield client


@pytest.fixture
def page(visitor: TestClient, guard: Guard) -> TestClient:
    """The browser that opened the link."""
    assert visitor.get("/", params={"token": guard.token}).status_code == 200
    visitor.headers["Origin"] = BASE
    return visitor


def put(page: TestClient, version: int, *prompts: Any, **objects: str):
    sent = {"version": version, "prompts": prompts, "objects": objects or {"1": "", "2": ""}}
    return page.put("/api/document", json=sent)


# The guard


@pytest.mark.parametrize("path", ["/", "/api/clip", "/api/frames/0.jpg", "/static/main.js"])
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
    assert page.get("/api/clip", headers={"Host": host}).status_code == 421


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


# Frames and masks


def test_frames_are_the_source_s(page: TestClient, clip: Path):
    with open_source(clip) as source:
        expected = [frame.image for frame in source.frames()]
    for idx in (3, 0, 4):
        exact = Image.open(io.BytesIO(page.get(f"/api/frames/{idx}.png").content))
        assert np.array_equal(np.array(exact), expected[idx])
        shown = np.array(Image.open(io.BytesIO(page.get(f"/api/frames/{idx}.jpg").content)))
        assert np.abs(shown.astype(int) - expected[idx]).mean() < 8
    for path in ("/api/frames/5.jpg", "/api/frames/99999999999999999999.png"):
        answer = page.get(path)
        assert answer.status_code == 422
        assert "5 frames" in answer.json()["error"]
    assert page.get("/api/frames/-1.jpg").status_code == 404


def test_thumbnails_are_there_once_indexed(page: TestClient, session: StudioSession):
    answer = page.get("/api/thumbnails/4.jpg")
    small = np.array(Image.open(io.BytesIO(answer.content)))
    assert small.shape == (clips.HEIGHT, clips.WIDTH, 3)
    assert np.abs(small.astype(int) - session.frames.read(4)).mean() < 12
    assert page.get("/api/thumbnails/5.jpg").status_code == 204
    for frames, size in (
        (None, (192, 108)),
        (8000, (192, 108)),
        (1500, (640, 360)),
        (99, (1280, 720)),
    ):
        large = Thumbnails(frames)
        large.add(0, np.zeros((2160, 3840, 3), np.uint8))
        shown = Image.open(io.BytesIO(large.get(0)))  # pyright: ignore[reportArgumentType]
        assert shown.size == size
    half = Thumbnails(99)
    half.add(0, np.zeros((720, 1280, 3), np.uint8))
    assert Image.open(io.BytesIO(half.get(0))).size == (640, 360)  # pyright: ignore


def test_a_mask_is_a_picture_of_object_ids(page: TestClient):
    answer = page.get("/api/masks/3.png")
    about = json.loads(answer.headers["x-vos-mask"])
    assert about == {"version": 0, "scores": {"1": 0.5}, "notes": {"2": "no"}}
    shown = Image.open(io.BytesIO(answer.content))
    expected = np.zeros((clips.HEIGHT, clips.WIDTH), np.uint8)
    expected[4:9, 2:7] = 3
    assert shown.mode == "L"
    assert np.array_equal(np.array(shown), expected)


# The document


def test_prompts_come_back_as_they_were_drawn(
    page: TestClient, session: StudioSession, tmp_path: Path
):
    polygon = {
        "type": "polygon",
        "object_id": 3,
        "frame_idx": 1,
        "vertices_xy_px": [[0, 0], [96, 0], [96, 63.25]],
    }
    scribble = {
        "type": "scribble",
        "object_id": 2,
        "frame_idx": 4,
        "stroke_xy_px": [[1.5, 2.5], [9.5, 9.5]],
        "positive": False,
    }
    drawn = [BOX, POINTS, polygon, scribble]
    names = {"1": "dog", "2": "", "3": "not drawn twice"}
    assert put(page, 0, *drawn, **names).json()["version"] == 1
    document = page.get("/api/document").json()
    assert document["prompts"] == drawn
    assert document["objects"] == names
    assert page.get("/api/status").json()["saved_version"] == -1
    assert page.post("/api/save").json()["saved_version"] == 1
    file = tmp_path / "prompts.json"
    assert page.get("/api/prompts.json").text == file.read_text()
    assert json.loads(file.read_text())["prompts"] == drawn
    size = (clips.HEIGHT, clips.WIDTH)
    assert tuple(load_prompts(file, size_hw=size)) == session.history.now.prompts
    assert load_named_prompts(file).names == {1: "dog", 3: "not drawn twice"}


def test_undo_and_redo(page: TestClient):
    put(page, 0, BOX)
    put(page, 1, BOX, POINTS)
    back = page.post("/api/undo", json={"version": 2}).json()
    assert (back["prompts"], back["version"], back["can_redo"]) == ([BOX], 3, True)
    assert page.post("/api/undo", json={"version": 3}).json()["prompts"] == []
    empty = page.post("/api/undo", json={"version": 4}).json()
    assert (empty["version"], empty["can_undo"]) == (4, False)
    assert page.post("/api/redo", json={"version": 4}).json()["prompts"] == [BOX]
    forward = page.post("/api/redo", json={"version": 5}).json()
    assert (forward["prompts"], forward["can_redo"]) == ([BOX, POINTS], False)


def test_the_second_tab_does_not_overwrite_the_first(page: TestClient):
    assert put(page, 0, BOX).status_code == 200
    late = put(page, 0, POINTS)
    assert late.status_code == 409
    assert "another tab" in late.json()["error"]
    assert page.get("/api/document").json()["prompts"] == [BOX]
    assert page.post("/api/undo", json={"version": 0}).status_code == 409


def test_what_was_drawn_and_not_saved_is_known(page: TestClient, session: StudioSession):
    session.history = History(make_document(prompts_from_json([BOX]), {}))  # from the file
    assert not session.is_drawing_unused
    put(page, 0, BOX, POINTS)
    assert session.is_drawing_unused
    session.save()
    assert not session.is_drawing_unused
    put(page, 1)
    assert not session.is_drawing_unused


BAD = {
    "outside": [{**BOX, "box_xyxy_px": [0, 0, 150, 9]}],
    "inverted": [{**BOX, "box_xyxy_px": [9, 9, 1, 1]}],
    "text": [{**BOX, "box_xyxy_px": ["a", 0, 9, 9]}],
    "no such frame": [{**BOX, "frame_idx": 5}],
    "negative frame": [{**BOX, "frame_idx": -1}],
    "object 0": [{**BOX, "object_id": 0}],
    "unknown key": [{**BOX, "path": "x"}],
    "two boxes": [BOX, BOX],
    "no type": [{}],
    "a list": [[]],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_prompts_are_one_line(page: TestClient, session: StudioSession, name: str):
    answer = put(page, 0, *BAD[name])
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error
    assert "\n" not in error
    assert session.history.version == 0


def test_bad_names_and_bodies(page: TestClient, session: StudioSession):
    for objects in ({"0": ""}, {"256": ""}, {"x": ""}, {"1": "n" * 61}):
        assert put(page, 0, BOX, **objects).status_code == 422
    for body in (b"", b"[", b"[]", b"null", b'{"version": "x"}', b'{"version": NaN}'):
        headers = {"Content-Type": "application/json"}
        assert page.put("/api/document", content=body, headers=headers).status_code == 422
    assert session.history.version == 0


def test_saving_where_it_cannot_be(page: TestClient, session: StudioSession, tmp_path: Path):
    session.save_to = tmp_path / "missing" / "prompts.json"
    with pytest.raises(OutputError):
        session.save()
    answer = page.post("/api/save")
    assert answer.status_code == 507
    assert "prompts.json" in answer.json()["error"]
    assert session.saved_version == -1


# The model behind the preview


def test_only_changed_objects_are_asked_again_and_undo_gives_the_same(session: StudioSession):
    import torch

    from vos.loading import load
    from vos.prompts import Box, Points

    torch.manual_seed(0)
    calls: list[int] = []
    tracker = load("nano", size_px=128)
    previewer = Previewer(lambda: tracker, session.frames)
    one, two = Box(1, (20, 16, 52, 48), 1), Box(2, (60, 5, 90, 30), 1)
    click = Points(1, ((30.5, 30.5),), (1,), 1)
    first = previewer.masks(1, [one, two, Box(1, (1, 1, 9, 9), 3)])
    frame = previewer._encoded[1]
    original = type(frame.segmenter).decode
    assert first.label_map.any()

    def counted(self: Any, prompts: Any) -> Any:
        calls.extend(prompt.object_id for prompt in prompts)
        return original(self, prompts)

    frame.segmenter.__class__.decode = counted  # pyright: ignore[reportAttributeAccessIssue]
    try:
        previewer.masks(1, [one, click, two])
        assert calls == [1, 1]
        again = previewer.masks(1, [one, two])
        assert calls == [1, 1, 1]
    finally:
        frame.segmenter.__class__.decode = original
    assert np.array_equal(again.label_map, first.label_map)
    expected = next(iter(tracker.session([one, two]).run(_only(session, 1))))
    assert np.array_equal(first.label_map, expected.label_map)
    negative = replace(click, labels=(0,), object_id=3)
    assert "object 3" in previewer.masks(1, [negative]).notes[3]
    assert previewer.masks(1, []).scores == {}


def _only(session: StudioSession, frame_idx: int) -> Iterator[Any]:
    with open_source(session.info.path) as source:
        yield from source.frames(frame_idx, frame_idx + 1)


def test_a_model_that_fails_to_load_says_why(session: StudioSession):
    def fail() -> Any:
        raise OutputError("no such model")

    previewer = Previewer(fail, session.frames)
    with pytest.raises(OutputError, match="no such model"):
        previewer.masks(0, [])
    assert not previewer.is_ready
    assert str(previewer.error) == "no such model"


def test_reads_from_several_threads(session: StudioSession):
    expected = [session.frames.read(idx) for idx in range(5)]
    wrong: list[int] = []

    def read(offset: int) -> None:
        for step in range(20):
            idx = (offset + 3 * step) % 5
            if not np.array_equal(session.frames.read(idx), expected[idx]):
                wrong.append(idx)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert time.monotonic() - started < 30


# What no browser sends


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
    "path", ["/api/frames/{}.jpg", "/api/frames/{}.png", "/api/masks/{}.png", "/api/results/{}.png"]
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
