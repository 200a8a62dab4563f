"""The page's server as a browser meets it, without a model."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e import clips
from vos.errors import OutputError
from vos.io.read.open import open_source
from vos.prompts import load_prompts
from vos.prompts.file import load_named_prompts, prompts_from_json

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from studio_session import BOX, POINTS, put
from vos_cli.studio.document import History, make_document
from vos_cli.studio.pictures import Thumbnails, jpeg
from vos_cli.studio.session import StudioSession

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


def test_a_kept_frame_is_sent_without_decoding_it(
    page: TestClient, session: StudioSession, monkeypatch: pytest.MonkeyPatch
):
    image = session.frames.read(3)
    with session.far:
        session.far.add(3, image, way=10**9)
        monkeypatch.setattr(session.frames, "read", None)
        assert page.get("/api/frames/3.jpg").content == jpeg(image)


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
    assert about == {
        "version": 0,
        "from_prompts": [2],
        "scores": {"1": 0.5},
        "notes": {"2": "no"},
    }
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
