"""What is drawn is kept at every change, offered the next time, and gone once it is used."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from e2e import clips
from vos.errors import OutputError, PromptError, UsageError
from vos.io.read.open import open_source

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from studio_session import BOX, POINTS, put
from vos.prompts import MaskPrompt
from vos.prompts.file import prompts_from_json
from vos_cli.studio import steps
from vos_cli.studio.document import Document, History, make_document
from vos_cli.studio.draft import Kept, check_place, draft_beside
from vos_cli.studio.in_out import InOut
from vos_cli.studio.offers import Offer, find_result, find_stopped, read_draft
from vos_cli.studio.session import StudioSession

SIZE = (clips.HEIGHT, clips.WIDTH)


def kept(session: StudioSession) -> Kept | None:
    assert session.draft is not None
    return session.draft.read()


def test_every_change_is_on_the_disk_before_it_is_answered(
    page: TestClient, session: StudioSession
):
    assert kept(session) is None
    put(page, 0, BOX)
    put(page, 1, BOX, POINTS, **{"1": "dog", "2": ""})
    found = kept(session)
    assert found is not None
    assert found.document == session.history.now
    assert found.as_json()["prompts"] == found.as_json()["frames"] == 2
    page.post("/api/undo", json={"version": 2})
    assert kept(session).document.as_json()["prompts"] == [BOX]  # pyright: ignore
    page.post("/api/undo", json={"version": 3})
    assert kept(session) is None  # as it was at first: there is nothing to lose
    page.post("/api/redo", json={"version": 4})
    page.post("/api/save")
    assert kept(session) is None  # it is in the file
    put(page, 5)
    assert kept(session).document.prompts == ()  # pyright: ignore  (and that is not)


def test_the_next_page_offers_it(page: TestClient, session: StudioSession):
    drawn = make_document(prompts_from_json([BOX]), {1: "dog"})
    assert session.draft is not None
    session.draft.keep(History(drawn), InOut(1, 3))
    session.offer = Offer(kept(session))
    offer = page.get("/api/status").json()["offer"]
    assert (offer["drawn"]["prompts"], offer["result"]) == (1, None)
    assert put(page, 0, POINTS).status_code == 422  # it would take the place of what is kept
    assert kept(session).document == drawn  # pyright: ignore
    assert page.post("/api/offer", json={"take": "result"}).status_code == 422
    assert page.post("/api/offer", json={"take": "x"}).status_code == 422
    taken = page.post("/api/offer", json={"take": "drawn"}).json()
    assert (taken["offer"], taken["in_out"]) == (None, {"first": 1, "last": 3})
    assert page.get("/api/document").json()["prompts"] == [BOX]
    assert kept(session).document == drawn  # pyright: ignore
    assert page.post("/api/offer", json={"take": "new"}).status_code == 200  # another tab's
    assert page.get("/api/document").json()["prompts"] == [BOX]
    assert page.post("/api/undo", json={"version": 1}).json()["prompts"] == []


def test_steps_are_kept_with_what_is_drawn(page: TestClient, session: StudioSession):
    twice = {"type": "scribble", "object_id": 1, "frame_idx": 0, "stroke_xy_px": [[9.5, 9.5]]}
    put(page, 0, BOX)
    put(page, 1, BOX, twice, twice, **{"1": "dog"})
    put(page, 2, POINTS, **{"1": "dog", "2": ""})
    page.post("/api/undo", json={"version": 3})
    before = session.history
    session.history = History(make_document((), {}))  # what a new command begins with
    session.offer = Offer(kept(session))
    assert page.post("/api/offer", json={"take": "drawn"}).status_code == 200
    after = session.history
    assert (after.now, after.past, after.future) == (before.now, before.past, before.future)
    assert len(after.past[-1].prompts) == 1
    assert len(after.now.prompts) == 3
    assert page.post("/api/redo", json={"version": after.version}).json()["prompts"] == [POINTS]
    for _ in range(3):
        page.post("/api/undo", json={"version": session.history.version})
    assert (session.history.now.prompts, session.history.past) == ((), ())


def test_the_newest_steps_are_kept_and_masks_once(tmp_path: Path):
    draft = draft_beside(tmp_path / "out", SIZE)
    mask = MaskPrompt(1, np.random.default_rng(0).random(SIZE) < 0.5)
    history = History(Document((), {1: ""}))
    for index in range(80):
        history = history.edit(Document((mask,), {1: f"{index}"}))
        draft.keep(history, InOut())
    found = draft.read()
    assert found is not None
    assert [one.objects[1] for one in found.past] == [f"{index}" for index in range(29, 79)]
    assert found.past[0].prompts == (mask,)
    assert draft.path.read_text().count("png_base64") == 2


@pytest.mark.parametrize(("limit", "count"), [(620_000, 10), (200_000, 2), (30_000, 0)])
def test_masks_that_are_large_leave_room_for_fewer_steps(
    monkeypatch: pytest.MonkeyPatch, limit: int, count: int
):
    monkeypatch.setattr(steps, "_MOST_BYTES", limit)
    dice, history = np.random.default_rng(0), History()
    for _ in range(12):
        history = history.edit(make_document([MaskPrompt(1, dice.random((600, 600)) < 0.5)], {}))
    assert len(steps.Steps().as_json(history)["steps"]["past"]) == count


@pytest.mark.parametrize("place", [7, -1, "0", None])
def test_steps_that_cannot_be_are_said(tmp_path: Path, place: object):
    draft, notes = draft_beside(tmp_path / "out", SIZE), []
    drawn = make_document(prompts_from_json([BOX]), {})
    draft.keep(History(drawn).edit(drawn), InOut())
    root = json.loads(draft.path.read_text())
    root["steps"]["past"][0]["prompts"] = [place]
    draft.path.write_text(json.dumps(root))
    assert read_draft(draft, make_document((), {}), notes) is None
    assert draft.path.name in notes[0]


def test_what_is_not_wanted_is_forgotten(page: TestClient, session: StudioSession):
    assert session.draft is not None
    session.draft.keep(History(make_document(prompts_from_json([BOX]), {})), InOut())
    session.offer = Offer(kept(session))
    page.post("/api/offer", json={"take": "new"})
    assert page.get("/api/document").json()["prompts"] == []
    assert not session.draft.path.exists()


@pytest.mark.parametrize(("drop", "is_kept"), [(False, True), (True, False)])
def test_closing_keeps_it_unless_it_is_given_up(
    page: TestClient, session: StudioSession, drop: bool, is_kept: bool
):
    put(page, 0, BOX)
    assert page.get("/api/status").json()["is_drawing_unused"]
    assert page.post("/api/finish", json={"drop": drop}).status_code == 200
    assert (kept(session) is not None) == is_kept


def test_a_place_that_takes_nothing_stops_nobody(page: TestClient, session: StudioSession):
    assert session.draft is not None
    session.draft.path = session.draft.path.parent / "missing" / "draft.json"
    assert put(page, 0, BOX).status_code == 200
    assert "draft.json" in page.get("/api/status").json()["draft_error"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "no JSON",
        '{"schema": 2}',
        '{"schema": 1, "size_hw": [9, 9], "prompts": [], "objects": {}, "in_out": {}}',
        json.dumps(
            {
                "schema": 1,
                "size_hw": SIZE,
                "when": "x",
                "in_out": {"first": None, "last": None},
                "prompts": [{**BOX, "file": "/etc/passwd"}],
                "objects": {"1": ""},
            }
        ),
    ],
)
def test_one_that_cannot_be_read_is_said_and_left(tmp_path: Path, text: str):
    draft, notes = draft_beside(tmp_path / "out", SIZE), []
    draft.path.write_text(text)
    assert read_draft(draft, make_document((), {}), notes) is None
    assert draft.path.name in notes[0]
    assert draft.path.read_text() == text


def test_a_link_in_its_place_is_not_followed(tmp_path: Path):
    precious, draft = tmp_path / "precious", draft_beside(tmp_path / "out", SIZE)
    precious.write_text("mine")
    draft.path.symlink_to(precious)
    draft.keep(History(make_document((), {})), InOut())
    assert precious.read_text() == "mine"
    assert not draft.path.is_symlink()


def test_a_place_is_looked_at_before_anybody_draws(tmp_path: Path):
    check_place(tmp_path / "new.json", is_folder=False)
    check_place(tmp_path / "a" / "b" / "out", is_folder=True)
    (tmp_path / "file").touch()
    for place, is_folder in (
        ("missing/new.json", False),
        ("file/new.json", False),
        (".", False),
        ("file", True),
        ("file/out", True),
    ):
        with pytest.raises(OutputError):
            check_place(tmp_path / place, is_folder=is_folder)
    with pytest.raises(OutputError, match="is a file, and would have to be a folder"):
        check_place(tmp_path / "file" / "out", is_folder=True)
    with pytest.raises(OutputError, match=r"x\.json"):
        check_place(Path("/proc/nope/x.json"), is_folder=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_offered_of_what_is_no_result(tmp_path: Path, clip: Path):
    with open_source(clip) as source:
        assert find_result(tmp_path / "none", source.info) is None
        assert find_stopped(tmp_path / "none", source.info) is None
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "manifest.json").write_text('{"schema": 2, "files": {}}')
        assert find_result(tmp_path / "other", source.info) is None


# In and Out


def test_in_and_out_are_what_the_command_line_says(clip: Path, tmp_path: Path):
    with open_source(clip) as source:  # 5 frames at 24 a second
        assert InOut.of(None, None, source.info) == InOut()
        assert InOut.of(0, 4, source.info) == InOut(None, 3)
        assert InOut.of(1, None, source.info) == InOut(1, None)
        assert InOut.of(Fraction(2, 24), Fraction(4, 24), source.info) == InOut(2, 3)
    with open_source(clips.images(tmp_path / "shots")) as source:
        assert InOut.of(Fraction(1, 24), Fraction(3, 24), source.info) == InOut(1, 2)


@pytest.mark.parametrize(
    ("first", "last"), [(3, 1), (-1, None), (None, 9), ("1", None), (True, None), (1.5, None)]
)
def test_in_and_out_that_cannot_be(page: TestClient, session: StudioSession, first, last):
    answer = page.put("/api/in-out", json={"first": first, "last": last})
    is_count = first in ("1", True)  # what JSON libraries make whole numbers of
    assert answer.status_code == (200 if is_count else 422), answer.text
    if not is_count:
        assert session.in_out == InOut()


def test_prompts_outside_are_named(session: StudioSession):
    prompts = prompts_from_json([BOX, {**BOX, "object_id": 2, "frame_idx": 4}])
    InOut(2, 4).check(prompts, {})
    with pytest.raises(PromptError, match="Object 1 has a prompt on frame 2, before the In point"):
        InOut(3, None).check(prompts, {})
    with pytest.raises(PromptError, match=r"dog has a prompt .* after the Out point at 1 \(1 more"):
        InOut(None, 1).check(prompts, {1: "dog"})
    with pytest.raises(UsageError):
        replace(session).start_fix()  # there is no result
