"""What depends on the machine and on how the tests were started."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_configure() -> None:
    """A shell starts background jobs with Ctrl-C ignored, and programs inherit that: tests that
    interrupt a program would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`needs_cuda` tests skip without a device, unless VOS_REQUIRE_CUDA=1 demands one."""
    marked = [item for item in items if "needs_cuda" in item.keywords]
    if not marked or os.environ.get("VOS_REQUIRE_CUDA") == "1":
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))
