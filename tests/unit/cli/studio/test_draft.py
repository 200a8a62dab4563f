"""What is drawn is kept at every change, offered the next time, and gone once it is used."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from e2e import clips
from vos.errors import OutputError, PromptError, UsageError
from vos.io.read.open import open_source

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from studio_session import BOX, POINTS, put
from vos.prompts.file import prompts_from_json
from vos_cli.studio.document import make_document
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
    session.draft.keep(drawn, InOut(1, 3))
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


def test_what_is_not_wanted_is_forgotten(page: TestClient, session: StudioSession):
    assert session.draft is not None
    session.draft.keep(make_document(prompts_from_json([BOX]), {}), InOut())
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
    draft.keep(make_document((), {}), InOut())
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
