"""The routes of the clip's sound, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from e2e import clips

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from starlette.testclient import TestClient

from vos.errors import InputError
from vos_cli.studio.session import StudioSession
from vos_cli.studio.sound import PART_S, Sound

SIZE = PART_S * clips.SOUND_RATE


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.video_with_beep(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=48)


def test_a_part_has_the_samples_of_its_seconds(page: TestClient):
    assert page.get("/api/clip").json()["has_sound"]
    about = page.get("/api/sound").json()
    assert (about["rate"], about["channels"], about["part_s"]) == (clips.SOUND_RATE, 1, PART_S)
    assert about["times"] is None
    answer = page.get("/api/sound/0.pcm")
    samples = np.frombuffer(answer.content, "<i2")
    assert len(samples) == SIZE
    onset = int(np.argmax(np.abs(samples.astype(int)) > 2_000))
    assert onset == pytest.approx(clips.BEEP_FRAME * clips.SOUND_RATE / clips.RATE, abs=100)
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("part", ["1", "9" * 30])
def test_there_is_nothing_past_the_end(page: TestClient, part: str):
    answer = page.get(f"/api/sound/{part}.pcm")
    assert answer.status_code == 422
    assert "past the end of the clip" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/sound/-1.pcm", "/api/sound/0.wav", "/api/sound/a.pcm"])
def test_other_names_are_no_sound(page: TestClient, path: str):
    assert page.get(path).status_code == 404


def test_frames_off_the_beat_have_times_of_their_own(session: StudioSession, monkeypatch):
    seconds = np.arange(48) ** 1.1 / clips.RATE
    monkeypatch.setattr(session.frames, "seconds", lambda: seconds)
    times = session.sound.as_json()["times"]
    assert times == pytest.approx(seconds, abs=1e-4)


def test_sound_that_cannot_be_read_is_refused_in_words(
    page: TestClient, session: StudioSession, monkeypatch
):
    tries = []

    def refuse(*_: object) -> None:
        tries.append(1)
        raise InputError("clip.mp4: its sound cannot be read (no decoder)")

    monkeypatch.setattr("vos_cli.studio.sound.SoundReader", refuse)
    for path in ("/api/sound", "/api/sound/0.pcm"):
        assert "cannot be read" in page.get(path).json()["error"]
    assert len(tries) == 1


def test_a_clip_without_sound_says_so(page: TestClient, session: StudioSession, tmp_path: Path):
    from vos.io.read.open import open_source

    with open_source(clips.video(tmp_path / "clip.mp4", 3)) as source:
        session.sound = Sound(source.info, session.frames)
    assert not page.get("/api/clip").json()["has_sound"]
