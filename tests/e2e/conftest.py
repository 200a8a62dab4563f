"""The command line as a user meets it: a process with an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e2e import clips, studio_page
from e2e.forks import Forks
from e2e.running import Ran

if TYPE_CHECKING:  # most of these tests need no torch in this process
    from vos.api import Tracker
    from vos.model.sam2 import Sam2Model

Vos = Callable[..., Ran]


def without_settings() -> dict[str, str]:
    """Return this process's environment less what sets up vos, the model hub or Python."""
    ours = ("VOS_", "HF_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine without settings, models, a cache or a network."""
    return without_settings() | {
        "HOME": str(tmp_path / "home"),
        "VOS_MODELS": str(tmp_path / "models"),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }


@pytest.fixture
def fresh_vos(environ: dict[str, str], tmp_path: Path) -> Vos:
    """Run `vos ARGUMENTS` in a folder of its own, started from nothing, which takes seconds."""

    def run(*arguments: object, timeout_s: float = 120, **changes: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "vos_cli", *map(str, arguments)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environ | changes,
            timeout=timeout_s,
        )
        return Ran(
            done.returncode,
            done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"),
        )

    return run


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """The process that commands are forked from."""
    running = Forks(without_settings() | {"OMP_NUM_THREADS": "1"})
    yield running
    running.close()


@pytest.fixture
def vos(
    fresh_vos: Vos, environ: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> Vos:
    """Run `vos ARGUMENTS` in a folder of its own, with the libraries loaded already."""
    if sys.platform != "linux":  # elsewhere a process that has loaded torch is no good to fork
        return fresh_vos
    forks: Forks = request.getfixturevalue("forks")

    def run(*arguments: object, timeout_s: float = 120, **changes: str) -> Ran:
        wanted = environ | changes
        if any(name.startswith("PYTHON") for name in wanted):  # read when Python starts
            return fresh_vos(*arguments, timeout_s=timeout_s, **changes)
        return forks.run([*map(str, arguments)], tmp_path, wanted, timeout_s)

    return run


@pytest.fixture(scope="module")
def tracker(tiny_model: Sam2Model) -> Tracker:
    """A tracker with a small model, for jobs in this process."""
    from e2e.results import small_tracker

    return small_tracker(tiny_model)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tracker: Tracker) -> Path:
    """A folder with `clip.mp4` and its result `out`, tracked once per module."""
    from e2e.results import FRAMES, make

    folder = tmp_path_factory.mktemp("made")
    make(tracker, clips.video(folder / "clip.mp4", FRAMES), folder / "out")
    return folder


@pytest.fixture
def result(tmp_path: Path, made: Path) -> Path:
    """A copy of the result in `made`, with its clip beside it, to correct."""
    shutil.copy(made / "clip.mp4", tmp_path)
    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running browser."""
    with studio_page.browser() as running:
        yield running


@pytest.fixture
def window(chromium: Any) -> Iterator[Any]:
    """A browser window of its own, without cookies of other tests."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()
