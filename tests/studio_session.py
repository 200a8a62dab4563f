"""The page's server without a model and without a socket, as a browser meets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from e2e import clips
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.app import make_app
from vos_cli.studio.document import History, make_document
from vos_cli.studio.draft import draft_beside
from vos_cli.studio.guard import Guard
from vos_cli.studio.pictures import Thumbnails
from vos_cli.studio.preview import Preview
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
        return Preview(labels, {1: SimpleNamespace(iou_pred=0.5)}, {2: "no"}, (2,))  # pyright: ignore


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
            draft=draft_beside(tmp_path / "prompts.json", source.info.size_hw),
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
