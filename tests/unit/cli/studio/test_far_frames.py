"""Frames far from a key frame are shown without decoding them again, the same to the bit."""

from __future__ import annotations

import errno
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from e2e.clips import HEIGHT, WIDTH
from e2e.clips import picture as drawn
from vos.errors import OutputError
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos.io.results.append_file import AppendFile
from vos.prompts.file import NamedPrompts
from vos.settings import Settings

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

import uvicorn

from vos_cli.studio import app, far_frames, heaps
from vos_cli.studio import serve as serving
from vos_cli.studio.far_frames import FarFrames, picture, read_for_page
from vos_cli.studio.pictures import Thumbnails, jpeg
from vos_cli.studio.session import StudioSession

FRAMES, KEY_EVERY, NEAR = 30, 20, 6


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("far") / "clip.mp4"
    with av.open(str(path), "w") as container:
        options = {"g": f"{KEY_EVERY}", "keyint_min": f"{KEY_EVERY}", "sc_threshold": "0"}
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(drawn(index), "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def expected(clip: Path) -> list[bytes]:
    """The pictures of a plain decode."""
    with open_source(clip) as source:
        return [jpeg(frame.image) for frame in source.frames()]


@pytest.fixture(autouse=True)
def small_clips_have_far_frames(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(far_frames, "_FAR_PIXELS", NEAR * WIDTH * HEIGHT)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames that were decoded because somebody asked for them."""
    asked: list[int] = []
    read = RandomAccess.read
    monkeypatch.setattr(
        RandomAccess, "read", lambda self, idx: asked.append(idx) or read(self, idx)
    )
    return asked


def show_all(clip: Path) -> list[bytes]:
    """Return every frame as the page is sent it, asked for from the end on."""
    with (
        open_source(clip) as source,
        FarFrames() as far,
        read_for_page(source, Thumbnails(), far) as frames,
    ):
        return [picture(frames, far, idx) for idx in reversed(range(FRAMES))][::-1]


def test_far_frames_are_not_decoded_again(clip: Path, expected: list[bytes], decoded: list[int]):
    assert show_all(clip) == expected
    assert decoded == [*range(KEY_EVERY + NEAR, KEY_EVERY - 1, -1), *range(NEAR, -1, -1)]


def test_what_has_no_room_is_decoded(
    clip: Path, expected: list[bytes], decoded: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(far_frames, "_MOST_BYTES", sum(map(len, expected[NEAR + 1 : NEAR + 4])))
    assert show_all(clip) == expected
    assert not {NEAR + 1, NEAR + 2, NEAR + 3} & set(decoded)
    assert set(range(NEAR + 4, FRAMES)) <= set(decoded)


def test_most_of_the_disk_stays_free(
    clip: Path, expected: list[bytes], decoded: list[int], monkeypatch: pytest.MonkeyPatch
):
    free = 4 * len(expected[NEAR + 1]) + 8
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert show_all(clip) == expected
    assert set(decoded) == set(range(FRAMES)) - {NEAR + 1}


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("append", OutputError("full")),
        ("append", MemoryError()),
        ("read", OSError(errno.ENOSPC, "full")),
    ],
)
def test_a_shortage_only_takes_longer(
    step: str,
    error: Exception,
    clip: Path,
    expected: list[bytes],
    decoded: list[int],
    monkeypatch: pytest.MonkeyPatch,
):
    def full(*_arguments: object) -> bytes:
        raise error

    monkeypatch.setattr(AppendFile, step, full)
    assert show_all(clip) == expected
    assert len(decoded) == FRAMES


def test_a_frame_too_wide_for_a_jpeg_does_not_end_the_reading():
    with FarFrames() as far:
        for frame_idx in range(3):
            far.add(frame_idx, np.zeros((1, 70_000, 3), np.uint8), way=10**6)
            assert far.get(frame_idx) is None


def test_a_picture_that_is_being_made_is_waited_for(
    clip: Path, expected: list[bytes], decoded: list[int], monkeypatch: pytest.MonkeyPatch
):
    begun, go_on = threading.Event(), threading.Event()

    def slow(image: np.ndarray) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return jpeg(image)

    monkeypatch.setattr(far_frames, "jpeg", slow)
    with (
        open_source(clip) as source,
        FarFrames() as far,
        read_for_page(source, Thumbnails(), far) as frames,
        ThreadPoolExecutor(1) as pool,
    ):
        assert begun.wait(10)
        shown = pool.submit(picture, frames, far, NEAR + 1)
        assert not shown.done()
        go_on.set()
        assert shown.result(10) == expected[NEAR + 1]
    assert decoded == []


def test_nothing_is_given_after_closing(expected: list[bytes], clip: Path):
    far = FarFrames()
    with open_source(clip) as source, far, read_for_page(source, Thumbnails(), far) as frames:
        frames.wait_for(FRAMES - 1)
        assert far.get(FRAMES - 1) == expected[-1]
    assert far.get(FRAMES - 1) is None


def test_the_server_keeps_them_and_shares_heaps(
    clip: Path, expected: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sessions: list[StudioSession] = []
    shown: list[bytes | None] = []
    shared: list[bool] = []

    def run(*_arguments: object, **_named: object) -> None:
        (session,) = sessions
        session.frames.wait_for(FRAMES - 1)
        shown.append(session.far.get(FRAMES - 1))

    monkeypatch.setattr(serving, "require_reachable", lambda _environ: None)
    monkeypatch.setattr(serving, "_announce", lambda *_: None)
    monkeypatch.setattr(serving, "_model", lambda _settings: None)
    monkeypatch.setattr(app, "make_app", sessions.append)
    monkeypatch.setattr(heaps, "share_heaps", lambda: shared.append(True))
    monkeypatch.setattr(uvicorn.Server, "run", run)
    serving.serve(
        source=str(clip),
        settings=Settings(model="nano"),
        drawn=NamedPrompts(()),
        tool="box",
        notify=lambda _text: None,
        save_to=tmp_path / "prompts.json",
    )
    assert (shown, shared) == ([expected[-1]], [True])
