"""What depends on the machine, and the small model and frames that many tests use."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from vos.frame import Frame

if TYPE_CHECKING:  # most tests need no torch, and it takes seconds to import
    from vos.model.sam2 import Sam2Model

SIZE_HW = (48, 64)

# Machines are shared, so how long an example takes says nothing; every run draws other examples.
settings.register_profile(
    "suite", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


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


def pytest_collection_finish() -> None:
    """Let no collection of garbage visit what is loaded, which stays: each would take a second."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let everything go in the end: libraries report what is left over then."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Let nothing wait until files are on the disk, where tests spent most time.

    A killed process loses nothing that it has handed to the system, and power cuts are played by
    tests that note what was flushed. A file that is closed already still raises.
    """

    def fsync(handle: int) -> None:
        os.fstat(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


@pytest.fixture(autouse=True)
def _precedence_stays() -> Iterator[None]:
    """Fail a test that leaves this thread more precedence than it had (`tests/av1.py`)."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    after = os.sched_getscheduler(0)
    if after != before:
        os.sched_setscheduler(0, before, priority)
    assert after == before, "encode AV1 in a thread of its own"


@pytest.fixture(scope="session")
def tiny_model() -> Sam2Model:
    """A nano-shaped model with random weights, small enough for unit tests."""
    from small_nano import small_nano

    return small_nano()


@pytest.fixture
def make_frames():
    """Make frames of noise, the same noise for the same `start`."""

    def make(count: int, start: int = 0, size_hw: tuple[int, int] = SIZE_HW) -> list[Frame]:
        rng = np.random.default_rng(start)
        return [
            Frame(
                rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8),
                Fraction(index, 30),
                index,
                f"{index:05d}",
            )
            for index in range(start, start + count)
        ]

    return make
