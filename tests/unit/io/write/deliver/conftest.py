"""A small finished result for the tests of deliveries."""

from __future__ import annotations

from pathlib import Path

import pytest

from finished_result import write_clip, write_result


@pytest.fixture
def make_result(tmp_path):
    """Make a clip and its result; returns the result's folder."""

    def make(
        size_hw: tuple[int, int] = (48, 64), *, suffix: str = ".mov", clip=None, **result
    ) -> Path:
        path = tmp_path / f"shot{suffix}"
        write_clip(path, size_hw, **(clip or {}))
        return write_result(path, tmp_path / "result", size_hw, **result)

    return make
