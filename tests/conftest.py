"""Skips that depend on the machine."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`needs_cuda` tests skip without a device, unless VOS_REQUIRE_CUDA=1 demands one."""
    marked = [item for item in items if "needs_cuda" in item.keywords]
    if not marked or os.environ.get("VOS_REQUIRE_CUDA") == "1":
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))
