"""The API over a small model, in this process: for a test client, or behind a real socket."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from small_nano import SIDE, small_nano
from vos.api import Tracker
from vos.model.load import ModelInfo
from vos.model.options import ModelOptions
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo
from vos_cli.serve.sessions import Sessions

TOKEN = "a-token-of-some-length"


def small_tracker() -> Tracker:
    info = ModelInfo("small", "nano", Path("small"), "0" * 64, SIDE, is_automatic=False)
    return Tracker(small_nano(), info, NoRefiner(), torch.float32, Fifo())


def make_sessions(**more: Any) -> Sessions:
    tracker = small_tracker()
    return Sessions(ModelOptions(model="nano"), lambda _options: tracker, **more)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


@contextmanager
def served(sessions: Sessions) -> Iterator[str]:
    """Serve behind a socket, as `vos serve` does; give the URL."""
    import uvicorn

    from vos_cli.serve.app import make_app
    from vos_cli.serve.guard import TokenGuard
    from vos_cli.studio.address import LOOPBACK, Address
    from vos_cli.studio.connections import BACKLOG, LimitedProtocol

    address = Address.of(LOOPBACK)
    with address.listen() as listener:
        config = uvicorn.Config(
            TokenGuard(make_app(sessions), address, TOKEN),
            log_config=None,
            log_level="critical",
            http=LimitedProtocol,
            ws="none",
            backlog=BACKLOG,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield address.link(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            sessions.close_all()
