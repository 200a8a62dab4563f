"""A checkpoint that somebody changed and signed again never ends as a result that lacks frames."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vos.io import queues
from vos_cli import main

FRAMES = 8
DONE = 5
TRACK = ("track", "shots", "--box", "1,1,9,9", "--model", "null", "-q", "-o", "out")


def run(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main.run([*TRACK, *arguments])
    return code, said.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with stills in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOS_CHECKPOINT_S", "0")
    (tmp_path / "shots").mkdir()
    for index in range(FRAMES):
        Image.fromarray(np.full((16, 24, 3), 20 * index, np.uint8)).save(f"shots/{index}.png")
    return tmp_path


def interrupt(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    real, left = queues.WriteBehind.put, [DONE]

    def put(behind: Any, item: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(behind, item)

    with monkeypatch.context() as patch:
        patch.setattr(queues.WriteBehind, "put", put)
        assert run(*arguments)[0] == 130


def rewrite(place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the values of every checkpoint."""
    found = sorted((place / ".out.part/.resume").glob("checkpoint-*"))
    assert found
    for path in found:
        data = path.read_bytes()
        size = int.from_bytes(data[40:48], "little")
        content = json.loads(data[48 : 48 + size])
        change(content["header"]["state"]["values"])
        header = json.dumps(content).encode()
        body = len(header).to_bytes(8, "little") + header + data[48 + size :]
        path.write_bytes(data[:8] + hashlib.sha256(body).digest() + body)


def is_complete(place: Path) -> bool:
    manifest = json.loads((place / "out/manifest.json").read_text())
    masks = {path.name for path in (place / "out/masks").iterdir()}
    return manifest["frame_count"] == FRAMES and masks == {f"{n}.png" for n in range(FRAMES)}


@pytest.mark.parametrize("save", ["masks", "masks,stats", "masks,stats,overlay"])
def test_an_interrupted_run_is_continued(
    place: Path, monkeypatch: pytest.MonkeyPatch, save: str
) -> None:
    interrupt(monkeypatch, "--save", save)
    code, said = run("--save", save)
    assert code == 0, said
    assert "beginning" not in said
    assert is_complete(place)


@pytest.mark.parametrize("save", ["masks", "masks,stats,overlay"])
@pytest.mark.parametrize("done", [[8, 8], [800, 800], [3, 3], [0, 0], [8, 7]])
def test_a_run_that_says_it_is_elsewhere_starts_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, save: str, done: list[int]
) -> None:
    interrupt(monkeypatch, "--save", save)
    rewrite(place, lambda values: values["stream"].update(done=done))
    code, said = run("--save", save)
    assert code == 0, said
    assert "starts again from the beginning" in said
    assert is_complete(place)
