"""The end that a hanging browser test comes to."""

from __future__ import annotations

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
