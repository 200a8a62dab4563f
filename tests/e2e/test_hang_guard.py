"""The end that a hanging test comes to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.hang_guard import hang_guard


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        "() => { setInterval(function turning() {}, 20); }",
        "() => { setTimeout(function turning() { for (;;); }, 50); }",
    ],
)
def test_a_page_that_hangs_is_ended_and_says_where(window: Any, script: str):
    page = window.new_page()
    page.goto("data:text/html,<title>x</title>")

    def hang() -> None:
        with hang_guard(page, 1):
            page.evaluate(script)
            page.wait_for_timeout(300)
            page.evaluate("new Promise(() => {})")

    with pytest.raises(Exception, match="crashed") as failed:
        hang()
    assert "turning" in failed.value.__notes__[0]
    assert "MainThread" in failed.value.__notes__[0]


def test_a_test_that_hangs_is_ended_and_says_where(tmp_path: Path):
    (tmp_path / "test_it.py").write_text(
        "import threading\ndef test_waits_for_ever():\n    threading.Event().wait()\n"
    )
    settings = Path(__file__).parents[2] / "pyproject.toml"
    ours = ("-c", str(settings), "--rootdir", str(tmp_path), "-o", "faulthandler_timeout=1")
    run = [sys.executable, "-m", "pytest", *ours, "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "in test_waits_for_ever" in ended.stderr
