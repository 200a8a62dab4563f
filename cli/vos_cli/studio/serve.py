"""The page's server: loopback only, until the page or Ctrl-C ends it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vos.errors import UsageError
from vos.io.random_access import RandomAccess
from vos.io.source import open_source
from vos.prompts import Prompt
from vos.settings import Settings
from vos_cli.studio.reach import has_browser, open_browser, require_reachable, tunnel_line
from vos_cli.tracking import Job, load_tracker

if TYPE_CHECKING:
    from vos.api import Tracker

Say = Callable[[str], None]


def serve(
    *,
    source: str,
    settings: Settings,
    prompts: Sequence[Prompt],
    names: dict[int, str],
    tool: str,
    say: Say,
    save_to: Path | None = None,
    job: Job | None = None,
) -> Any:
    """Show the page for `source` until the user is through; returns what it worked on.

    prompts, names: what is drawn already. save_to: the prompt file to write. job: what to track
    with the prompts; one of the two is given.

    Raises:
        UsageError: no browser and no terminal, or the extra is missing. InputError. PromptError:
        the prompts do not fit the input.
    """
    require_reachable(os.environ)
    try:
        import uvicorn

        from vos_cli.studio.app import make_app
        from vos_cli.studio.guard import Guard
    except ImportError as error:
        raise UsageError(
            f"the page needs the package {error.name}; install it with `pip install 'vos[studio]'`,"
            " or give --box x1,y1,x2,y2"
        ) from error
    from vos_cli.studio.desk import Desk
    from vos_cli.studio.document import History, check_drawn, document_of
    from vos_cli.studio.pictures import Thumbnails
    from vos_cli.studio.preview import Previewer
    from vos_cli.studio.runs import Runs

    with open_source(source, decoder=settings.decoder) as opened, _listen() as listener:
        check_drawn(prompts, opened.info.size_hw)
        thumbnails = Thumbnails()
        with RandomAccess(opened, thumbnails.add) as frames:
            previewer = Previewer(partial(_model, settings), frames)
            desk = Desk(
                info=opened.info,
                frames=frames,
                thumbnails=thumbnails,
                previewer=previewer,
                history=History(document_of(prompts, names)),
                tool=tool,
                save_to=save_to,
                runs=None if job is None else Runs(job, opened.info, previewer.tracker),
                finish=lambda: setattr(server, "should_exit", True),
            )
            port = listener.getsockname()[1]
            guard = Guard(make_app(desk), on_spent=lambda token: say(_link(port, token)))
            config = uvicorn.Config(
                guard, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
            server = uvicorn.Server(config)
            with suppress(KeyboardInterrupt):
                _announce(port, guard.token, say)
                server.run(sockets=[listener])
            if desk.runs is not None:
                desk.runs.stop()
                desk.runs.wait()
            return desk


def _listen() -> socket.socket:
    """A free port of the loopback address, already taking connections."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def _announce(port: int, token: str, say: Say) -> None:
    url = _link(port, token)
    tunnel = tunnel_line(os.environ, port)
    if tunnel is not None:
        say(f"on the machine you sit at, run: {tunnel}")
        say("then open this link there, once; Ctrl-C ends the page")
    else:
        say("open this link, once; Ctrl-C ends the page")
    say(url)
    if has_browser(os.environ):
        open_browser(url)


def _model(settings: Settings) -> Tracker:
    tracker = load_tracker(settings)
    if tracker is None:
        raise UsageError(f"--model {settings.model}: finds nothing to preview; give another one")
    return tracker


def _link(port: int, token: str) -> str:
    return f"http://127.0.0.1:{port}/?token={token}"
