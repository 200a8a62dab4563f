"""The server of the API: loopback only by default, until Ctrl-C ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vos.errors import InputError, UsageError
from vos.io.paths import display_name
from vos.model.options import ModelOptions
from vos_cli.console.notices import warn
from vos_cli.studio.address import LOOPBACK, Address

if TYPE_CHECKING:
    from vos_cli.serve.sessions import Sessions

_SWEEP_S = 5.0


def serve_api(
    options: ModelOptions,
    *,
    host: str | None,
    port: int,
    root: Path | None,
    most: int,
    idle_s: float,
    announce: Callable[[str, str], None],
) -> None:
    """Answer requests until Ctrl-C.

    options: of sessions that do not say otherwise; their model is loaded first.
    host: address or name to listen at, None for the loopback address. port: 0 for any free one.
    root: folder below which clients may name files; None allows none.
    most: sessions at once. idle_s: seconds after which an unused one is closed.
    announce: called with the URL and the token once requests are taken.

    Raises UsageError: no such host or port, or the extra is missing; ModelError; InputError.
    """
    try:
        import uvicorn

        from vos_cli.serve.app import make_app
        from vos_cli.serve.guard import TokenGuard, choose_token
        from vos_cli.studio.connections import BACKLOG, LimitedProtocol
    except ImportError as error:
        raise UsageError(
            f"vos serve needs the package {error.name}; install it with `pip install 'vos[studio]'`"
        ) from error
    from vos.loading import load
    from vos_cli.serve.sessions import Sessions

    token = choose_token()
    if root is not None and not root.is_dir():
        raise InputError(f"{display_name(root)}: no such folder; give one as --root")
    address = Address.of(host or LOOPBACK)
    with address.listen(port) as listener:
        sessions = Sessions(options, load, root=root, most=most, idle_s=idle_s)
        if not address.is_loopback:
            warn(
                "the API can be reached from other machines, and nothing is encrypted on the way: "
                "whoever sees the token can use it; an SSH tunnel needs no --host"
            )
        config = uvicorn.Config(
            TokenGuard(make_app(sessions), address, token),
            log_config=None,
            log_level="critical",  # what strangers send is nothing to show in the terminal
            access_log=False,
            http=LimitedProtocol,
            ws="none",
            backlog=BACKLOG,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        is_over = threading.Event()
        sweeper = threading.Thread(target=_sweep, args=(sessions, is_over), daemon=True)
        sessions.load_first()
        sweeper.start()
        announce(address.link(listener.getsockname()[1]), token)
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
        finally:
            is_over.set()
            sessions.close_all()


def _sweep(sessions: Sessions, is_over: threading.Event) -> None:
    """Close idle sessions, also while nobody asks."""
    while not is_over.wait(_SWEEP_S):
        sessions.close_idle()
