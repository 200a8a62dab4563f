"""The page of `vos fix` as its server sees it: timeline, corrections, undo. No browser."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from e2e import clips
from e2e.jobs import BOX, Runner, job_for
from vos.api import Tracker
from vos.io.read.random_access import RandomAccess
from vos.io.write.mask_png import encode_label_png
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.prompts import Points
from vos.prompts.file import load_named_prompts
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from vos_cli.fix.edit import fix, undo
from vos_cli.fix.result import open_result
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.app import make_app
from vos_cli.studio.document import Document, History
from vos_cli.studio.fix_preview import FixPreviewer
from vos_cli.studio.fixes import Fixes, find_undone
from vos_cli.studio.guard import Guard
from vos_cli.studio.pictures import Thumbnails
from vos_cli.studio.session import StudioSession

BASE = "http://127.0.0.1:4321"
FRAMES = 12
CLICK = {
    "type": "points",
    "object_id": 1,
    "frame_idx": 6,
    "points_xy_px": [[5.5, 5.5]],
    "labels": [0],
}


@pytest.fixture
def tracker(tiny_model) -> Tracker:
    info = ModelInfo("nano", "nano", Path("nano"), "0" * 64, 64, False)
    return Tracker(tiny_model, info, NoRefiner(), torch.float32, Fifo())


@pytest.fixture
def output(tracker: Tracker, tmp_path: Path) -> Path:
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    Runner(tracker)(job_for(clip, tmp_path / "out", 999, prompts=(BOX,), save=("masks", "stats")))
    return tmp_path / "out"


@pytest.fixture
def session(output: Path, tracker: Tracker) -> Iterator[StudioSession]:
    open_again = partial(open_result, output)
    fixes = Fixes(open_again(), open_again, lambda: tracker)
    source = fixes.result.source
    with RandomAccess(source) as frames:
        previewer = FixPreviewer(lambda: tracker, frames, lambda: fixes.result)
        session = StudioSession(
            info=source.info,
            frames=frames,
            thumbnails=Thumbnails(),
            previewer=previewer,
            history=History(),
            tool="box",
            save_to=None,
            runs=None,
            finish=lambda: None,
        )
        session.start_fixing(fixes, previewer)
        yield session
        fixes.stop()
        fixes.wait()


@pytest.fixture
def page(session: StudioSession) -> Iterator[TestClient]:
    guard = Guard(make_app(session), Address.of(LOOPBACK), on_spent=lambda _token: None)
    with TestClient(guard, base_url=BASE + guard.place, follow_redirects=False) as client:
        assert client.get("/", params={"token": guard.token}).status_code == 200
        client.headers["Origin"] = BASE
        yield client


def draw(page: TestClient, *prompts: Any) -> int:
    version = page.get("/api/document").json()["version"]
    sent = {"version": version, "prompts": prompts, "objects": {"1": ""}}
    return page.put("/api/document", json=sent).status_code


def run(page: TestClient, path: str = "/api/fix") -> dict[str, Any]:
    """Have a correction computed; the status once that is over."""
    assert page.post(path).status_code == 200
    until = time.monotonic() + 120
    while (told := page.get("/api/status").json()["run"])["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    return told


def masks(output: Path) -> dict[str, bytes]:
    files = (output / "masks").iterdir()
    return {path.name: path.read_bytes() for path in files} | {
        name: (output / name).read_bytes() for name in ("stats.jsonl", "prompts.json")
    }


def alpha(page: TestClient, path: str) -> np.ndarray:
    answer = page.get(path)
    assert answer.status_code == 200, answer.text
    return np.array(Image.open(io.BytesIO(answer.content)).convert("L")) > 0


def test_what_the_page_starts_with(page: TestClient, output: Path):
    clip = page.get("/api/clip").json()
    assert (clip["mode"], clip["tool"]) == ("fix", "point")
    document = page.get("/api/document").json()
    assert (document["prompts"], document["objects"], document["can_undo"]) == (
        [],
        {"1": ""},
        False,
    )
    timeline = page.get("/api/timeline").json()
    rows = [json.loads(line) for line in (output / "stats.jsonl").read_text().splitlines()]
    assert timeline["frames"] == [0, FRAMES - 1]
    assert timeline["objects"]["1"]["first"] == rows[0]["frame_idx"] == 2
    assert timeline["objects"]["1"]["area"] == [row["area_px"] for row in rows]
    assert timeline["prompted"] == {"1": [2]}
    assert [prompt["type"] for prompt in timeline["prompts"]] == ["box"]
    assert (timeline["cuts"], timeline["history"]) == ([], [])
    status = page.get("/api/status").json()["run"]
    assert (status["state"], status["can_undo"], status["can_redo"]) == ("none", False, False)


def test_what_was_drawn_on_top_of_a_track_is_a_correction_of_it(session: StudioSession):
    assert session.fixes is not None
    clicks, more = Points(1, ((1, 2), (3, 4)), (1, 0), 2), Points(1, ((5, 6),), (1,), 2)
    both = Points(1, (*clicks.points_xy_px, (5, 6)), (1, 0, 1), 2)
    other = Points(7, ((1, 2), (3, 4)), (1, 0), 2)
    session.fixes.result = replace(session.fixes.result, prompts=(BOX, clicks), names={1: "ball"})
    drawn = Document((BOX, both, other), {1: "renamed", 4: "not drawn", 7: "bat"})
    started = session.fixes.document(drawn)
    assert started.prompts == (more, other)
    assert list(started.objects.items()) == [(1, "ball"), (7, "bat")]
    assert session.fixes.document(Document((BOX, clicks))).prompts == ()


def test_fix_undo_and_redo(page: TestClient, session: StudioSession, output: Path):
    before = masks(output)
    assert draw(page, CLICK) == 200
    told = run(page)
    assert (told["state"], told["can_undo"], told["id"]) == ("done", True, 1)
    assert told["edit"]["spans"][0]["corrected"] == 6
    after = masks(output)
    assert after != before
    document = page.get("/api/document").json()
    assert (document["prompts"], document["can_undo"]) == ([], False)
    timeline = page.get("/api/timeline").json()
    assert timeline["prompted"] == {"1": [2, 6]}
    assert [entry["is_in_force"] for entry in timeline["history"]] == [True]
    undone_status = page.post("/api/fix/undo").json()["run"]
    assert (undone_status["can_undo"], undone_status["can_redo"]) == (False, True)
    assert masks(output) == before
    assert page.get("/api/timeline").json()["history"][0]["is_in_force"] is False
    told = run(page, "/api/fix/redo")
    assert (told["state"], told["can_redo"]) == ("done", False)
    assert masks(output) == after
    assert session.fixes is not None
    assert session.fixes.version == 3


def test_a_new_object_is_drawn_named_and_taken_back(page: TestClient, output: Path):
    before = masks(output)
    click = {**CLICK, "object_id": 4, "labels": [1]}
    version = page.get("/api/document").json()["version"]
    sent = {"version": version, "prompts": [click], "objects": {"1": "no name", "4": "bag"}}
    assert page.put("/api/document", json=sent).status_code == 200
    stored = alpha(page, "/api/results/6.png")
    assert alpha(page, "/api/masks/6.png").sum() > stored.sum()
    told = run(page)
    assert (told["state"], told["edit"]["new_objects"]) == ("done", [4])
    timeline = page.get("/api/timeline").json()
    assert list(timeline["objects"]) == ["1", "4"]
    assert timeline["objects"]["4"]["first"] == 6
    assert load_named_prompts(output / "prompts.json").names == {4: "bag"}, (
        "other objects keep their names"
    )
    after = masks(output)
    page.post("/api/fix/undo")
    assert masks(output) == before
    assert list(page.get("/api/timeline").json()["objects"]) == ["1"]
    assert page.get("/api/document").json()["objects"]["4"] == "bag"
    run(page, "/api/fix/redo")
    assert masks(output) == after


def test_a_new_object_inside_another_is_told_why_it_has_no_mask(page: TestClient, output: Path):
    everywhere = np.ones((clips.HEIGHT, clips.WIDTH), np.uint8)
    (output / "masks" / "00006.png").write_bytes(encode_label_png(everywhere))
    draw(page, {**CLICK, "object_id": 4, "labels": [1]})
    answer = page.get("/api/masks/6.png")
    about = json.loads(answer.headers["x-vos-mask"])
    assert "all of it is part of another object" in about["notes"]["4"]
    assert list(about["scores"]) == ["1", "4"]


def test_the_preview_remembers_the_frame_before(page: TestClient):
    stored = alpha(page, "/api/results/6.png")
    assert np.array_equal(alpha(page, "/api/masks/6.png"), stored)
    draw(page, CLICK)  # a negative click alone corrects what is tracked already
    answer = page.get("/api/masks/6.png")
    about = json.loads(answer.headers["x-vos-mask"])
    assert (about["notes"], list(about["scores"])) == ({}, ["1"])
    assert np.array_equal(alpha(page, "/api/results/6.png"), stored)
    assert page.get("/api/results/99.png").status_code == 204


def test_clicks_find_a_frame_that_is_looked_at_ready(page: TestClient, monkeypatch):
    """What the memory says there does not depend on them."""
    calls: list[object] = []
    condition = Sam2Model.condition

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return condition(*args, **options)

    monkeypatch.setattr(Sam2Model, "condition", counted)
    assert page.post("/api/encode/6").status_code == 200
    assert len(calls) == 1, "of one object"
    for x in (5.5, 25.5):
        assert draw(page, CLICK | {"points_xy_px": [[x, 5.5]]}) == 200
        assert page.get("/api/masks/6.png").status_code == 200
    assert len(calls) == 1
    assert page.post("/api/encode/7").status_code == 200
    assert len(calls) == 2, "another frame has another memory"


def test_what_cannot_be_corrected_is_said(page: TestClient, output: Path):
    before = masks(output)
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: page.post("/api/fix"), "no correction"),
        (lambda: page.post("/api/fix/undo"), "no correction to take back"),
        (lambda: page.post("/api/fix/redo"), "nothing was taken back"),
    ]
    draw(page, {**CLICK, "object_id": 2})
    cases.append((lambda: page.post("/api/fix"), "object 2 .* negative points only"))
    for ask, expected in (cases[-1], *cases[1:3]):
        answer = ask()
        assert answer.status_code == 422
        assert re.search(expected, answer.json()["error"])
    draw(page)
    assert "no correction" in cases[0][0]().json()["error"]
    assert masks(output) == before


@pytest.mark.parametrize(
    "path", ["/api/fix", "/api/fix/undo", "/api/fix/redo", "/api/continue", "/api/stop"]
)
def test_another_site_cannot_correct(page: TestClient, output: Path, path: str):
    before = masks(output)
    draw(page, CLICK)
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert page.post(path, headers=headers).status_code == 403
    assert page.post(path, headers={"Host": "evil.example:4321"}).status_code == 421
    page.cookies.clear()
    assert page.post(path).status_code == 403
    assert page.get("/api/timeline").status_code == 403
    assert masks(output) == before


def test_another_command_changed_it_meanwhile(page: TestClient, output: Path, tracker: Tracker):
    fix(open_result(output), [Points(1, ((70, 30),), (1,), 4)], tracker)
    assert draw(page, CLICK) == 200
    told = run(page)
    assert (told["state"], told["id"]) == ("failed", 1)
    assert "another command" in told["error"]
    assert page.get("/api/timeline").json()["prompted"] == {"1": [2, 4]}
    assert run(page)["state"] == "done"
    undo(open_result(output))
    assert page.post("/api/fix/undo").status_code == 507
    assert page.post("/api/fix/undo").status_code == 200
    assert page.get("/api/timeline").json()["prompted"] == {"1": [2]}


def test_stopping_leaves_the_result_as_it_was(
    page: TestClient, session: StudioSession, output: Path, monkeypatch: pytest.MonkeyPatch
):
    before = masks(output)
    draw(page, CLICK)
    assert session.fixes is not None
    session.fixes.stop()
    monkeypatch.setattr(session.fixes._stop, "clear", lambda: None)
    told = run(page)
    assert told["state"] == "stopped"
    assert masks(output) == before
    assert not (output / "history").exists()
    assert page.get("/api/document").json()["prompts"] == [CLICK]


def test_what_can_be_made_again():
    one, two = {"edit": 1, "prompts": ["a"]}, {"edit": 2, "prompts": ["b"]}
    assert find_undone([one, two]) == []
    assert find_undone([one, two, {"undo": 2}]) == [two]
    assert find_undone([one, two, {"undo": 2}, {"undo": 1}]) == [two, one]
    assert find_undone([one, two, {"undo": 2}, {"undo": 1}, {**one, "edit": 3}]) == [two]
    assert find_undone([one, two, {"undo": 2}, {"edit": 3, "prompts": ["c"]}]) == []


def test_an_object_that_is_not_here_goes_and_how_it_was_can_be_looked_at(
    page: TestClient, output: Path
):
    was = {idx: alpha(page, f"/api/results/{idx}.png") for idx in (5, 6, 8)}
    assert page.get("/api/before/6.png").status_code == 204, "nothing was corrected"
    absent = {"type": "absent", "object_id": 1, "frame_idx": 6, "last_idx": 8}
    assert draw(page, absent) == 200
    assert page.get("/api/document").json()["prompts"] == [absent]
    assert not alpha(page, "/api/masks/7.png").any(), "it is shown before anything is computed"
    assert np.array_equal(alpha(page, "/api/masks/5.png"), was[5])
    assert run(page)["state"] == "done"
    timeline = page.get("/api/timeline").json()
    assert timeline["absent"] == {"1": [[6, 8]]}
    for idx in (6, 8):
        assert not alpha(page, f"/api/results/{idx}.png").any()
        assert np.array_equal(alpha(page, f"/api/before/{idx}.png"), was[idx])
    assert np.array_equal(alpha(page, "/api/before/5.png"), was[5]), "what did not change"
    page.post("/api/fix/undo")
    assert page.get("/api/before/6.png").status_code == 204
    assert page.get("/api/timeline").json()["absent"] == {}
    assert draw(page, absent, {**CLICK, "frame_idx": 7, "labels": [1]}) == 422


def test_no_link_in_the_history_is_followed(page: TestClient, output: Path, tmp_path: Path):
    assert draw(page, CLICK) == 200
    run(page)
    (tmp_path / "elsewhere").mkdir()
    old = output / "history/0001/old/masks"
    name = next(old.iterdir()).name
    now = (output / "masks" / name).read_bytes()
    old.rename(tmp_path / "elsewhere/masks")
    old.symlink_to(tmp_path / "elsewhere/masks")
    answer = page.get(f"/api/before/{int(name[:5])}.png")
    shown = np.array(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(shown, np.array(Image.open(io.BytesIO(now))))
