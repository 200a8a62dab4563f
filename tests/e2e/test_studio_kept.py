"""What is drawn on the page survives `kill -9` of the command, and of the browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2e import clips

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_command_loses_nothing(kills: int, environ, tmp_path: Path):
    clip, file = clips.video(tmp_path / "clip.mp4", 4), tmp_path / "drawn.json"
    command = [sys.executable, "-m", "e2e.killing_page", str(kills), "0", str(clip), str(file)]
    ran = subprocess.run(
        command,
        env=environ | {"BROWSER": "true", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) >= kills  # one and more before each of them
    draft = tmp_path / ".drawn.json.drawn.json"
    assert len(json.loads(draft.read_text())["prompts"]) >= int(ran.stdout)
    assert not file.exists()
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert {".drawn.json.drawn.json", "clip.mp4"} <= left
    assert len(left) <= 3  # the last one may have been killed while it wrote
