"""A model that was used and then forked says so; it would wait for threads that are not there."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch

from vos.errors import UsageError
from vos.model import sam2
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.image import ImageSegmenter

IMAGE = np.zeros((48, 64, 3), np.uint8)
BOX = Box(1, (10.0, 8.0, 50.0, 40.0))


def in_child(work) -> str:
    """Return the type and text of what `work` raises in a forked process, "" for nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # its end, should another thread have held a lock meanwhile
        try:
            work()
            text = ""
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        text = file.read().decode()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_real_fork(tiny_model, monkeypatch) -> None:
    model = Sam2Model(tiny_model.net)

    def use() -> None:
        ImageSegmenter(model, IMAGE).segment([BOX])

    use()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    said = in_child(use)
    assert said.startswith(f"UsageError: this model was used in process {os.getpid()}")
    assert 'get_context("spawn")' in said
    use()  # the parent goes on


def test_where_a_fork_does_no_harm(tiny_model, monkeypatch) -> None:
    model = Sam2Model(tiny_model.net)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(sam2.os, "getpid", lambda: 7)
    ImageSegmenter(model, IMAGE).segment([BOX])
    monkeypatch.setattr(sam2.os, "getpid", lambda: 8)
    with pytest.raises(UsageError, match="process 7 and forked into 8"):
        ImageSegmenter(model, IMAGE)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    ImageSegmenter(model, IMAGE).segment([BOX])
    fresh = Sam2Model(tiny_model.net)  # loaded before the fork and not used
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    ImageSegmenter(fresh, IMAGE).segment([BOX])
