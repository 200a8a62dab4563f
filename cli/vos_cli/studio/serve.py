"""The page's server: loopback only by default, until the page or Ctrl-C ends it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vos.errors import UsageError
from vos.io.read.open import open_source
from vos.io.read.source import Source, check_range
from vos.prompts import find_notes
from vos.prompts.file import NamedPrompts, check_size
from vos.settings import Settings
from vos_cli.console.notices import warn
from vos_cli.job.job import Job
from vos_cli.job.run import load_tracker
from vos_cli.studio.address import LOOPBACK, Address
from vos_cli.studio.browser import has_browser, open_browser, require_reachable, tunnel_line

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos_cli.fix.result import Result

Notify = Callable[[str], None]


def serve(
    *,
    source: str | Source,
    settings: Settings,
    drawn: NamedPrompts,
    tool: str,
    notify: Notify,
    host: str | None = None,
    save_to: Path | None = None,
    job: Job | None = None,
    result: Callable[[], Result] | None = None,
) -> Any:
    """Show the page for `source` until the user is through; return its `StudioSession`.

    One of `save_to`, `job` and `result` is given, or the `result` of an interrupted track and the
    `job` that continues it.

    drawn: prompts that are there already.
    tool: the name of the tool that the page starts with.
    notify: called with lines for the terminal.
    host: address or name to listen at, None for the loopback address.
    save_to: the prompt file to write.
    job: what to track with the prompts.
    result: opens what to correct.

    Raises:
        UsageError: no browser and no terminal, no such host, or the extra is missing. InputError.
        PromptError: the prompts do not fit the input.
    """
    address = Address.of(host or LOOPBACK)
    if address.is_loopback:
        require_reachable(os.environ)
    try:
        import uvicorn

        from vos_cli.studio.app import make_app
        from vos_cli.studio.connections import BACKLOG, LimitedProtocol
        from vos_cli.studio.guard import Guard
    except ImportError as error:
        raise UsageError(
            f"the page needs the package {error.name}; install it with `pip install 'vos[studio]'`,"
            " or give --box x1,y1,x2,y2"
        ) from error
    from vos_cli.studio.document import History, check_drawn, make_document
    from vos_cli.studio.draft import check_place, draft_beside
    from vos_cli.studio.far_frames import FarFrames, read_for_page
    from vos_cli.studio.fix_preview import FixPreviewer
    from vos_cli.studio.fixes import Fixes
    from vos_cli.studio.heaps import share_heaps
    from vos_cli.studio.offers import Offer, find_result, find_stopped, read_draft
    from vos_cli.studio.pictures import Thumbnails
    from vos_cli.studio.preview import Previewer
    from vos_cli.studio.runs import Runs
    from vos_cli.studio.session import StudioSession

    share_heaps()
    output = save_to if save_to is not None else (job.output if job and result is None else None)
    if output is not None:
        check_place(output, is_folder=save_to is None)
    if job is not None:
        check_range(job.start, job.end)
    if isinstance(source, str):
        source = open_source(source, decoder=settings.decoder, rate=settings.rate)
    with source as opened, address.listen() as listener:
        check_size(drawn.size_hw, opened.info.size_hw)
        check_drawn(drawn.prompts, opened.info.size_hw)
        notes = [*opened.notices, *find_notes(drawn.prompts, opened.info.size_hw)]
        document = make_document(drawn.prompts, drawn.names)
        draft, offer, stopped = None, None, None
        if output is not None:
            draft = draft_beside(output, opened.info.size_hw)
            kept, made = read_draft(draft, document, notes), None
            if job is not None and not job.overwrite:
                made = find_result(job.output, opened.info)
                stopped = find_stopped(job.output, opened.info)
            if kept is None and stopped is not None and stopped.kept.document != document:
                kept = stopped.kept
            offer = Offer(kept, made) if kept is not None or made is not None else None
        elif result is not None:
            draft = draft_beside(result().output, opened.info.size_hw, kind="fix")
        for text in notes:
            warn(text)
        thumbnails = Thumbnails(opened.info.frame_count)
        with FarFrames() as far, read_for_page(opened, thumbnails, far) as frames:
            previewer = Previewer(partial(_model, settings), frames)
            session = StudioSession(
                info=opened.info,
                frames=frames,
                thumbnails=thumbnails,
                far=far,
                previewer=previewer,
                history=History(document),
                tool=tool,
                notes=tuple(notes),
                draft=draft,
                offer=offer,
                save_to=save_to,
                runs=None if job is None else Runs(job, opened.info, previewer.tracker),
                finish=lambda: setattr(server, "should_exit", True),
            )
            if stopped is not None and session.runs is not None:
                session.runs.find_stopped(session.history.version)
            if result is not None:
                fixes = Fixes(result(), result, previewer.tracker)
                preview = FixPreviewer(previewer.tracker, frames, lambda: fixes.result)
                session.start_fixing(fixes, preview)
            root = address.link(listener.getsockname()[1])
            guard = Guard(
                make_app(session), address, on_spent=lambda token: notify(f"{link}?token={token}")
            )
            link = f"{root.removesuffix('/')}{guard.place}/"
            config = uvicorn.Config(
                guard,
                log_config=None,
                log_level="error",  # what strangers send is nothing to show in the terminal
                access_log=False,
                http=LimitedProtocol,
                ws="none",
                backlog=BACKLOG,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            with suppress(KeyboardInterrupt):
                _announce(address, link, guard.token, notify)
                server.run(sockets=[listener])
            if session.active is not None:
                session.active.stop()
                session.active.wait()
            session.exports.close()
            session.sound.close()
            if session.is_drawing_unused and not session.is_dropped:
                warn(_left_over(session))
            return session


def _announce(address: Address, link: str, token: str, notify: Notify) -> None:
    url = f"{link}?token={token}"
    tunnel = tunnel_line(os.environ, urlsplit(link).port or 80)
    if not address.is_loopback:
        warn(
            f"the page can be reached from other machines ({link}): whoever has the link first can "
            "see the footage and change what is drawn, and nothing is encrypted on the way; an SSH "
            "tunnel needs no --host"
        )
        notify("open this link, once; Ctrl-C ends the page")
    elif tunnel is not None:
        notify(f"on the machine you sit at, run: {tunnel}")
        notify("then open this link there, once; Ctrl-C ends the page")
    else:
        notify("open this link, once; Ctrl-C ends the page")
    notify(url)
    if has_browser(os.environ):
        open_browser(url)


def _left_over(session: Any) -> str:
    """Say what becomes of what was drawn and not used."""
    error = None if session.draft is None else session.draft.error
    if error is None:
        return "what was drawn last is in no result yet; the page offers it when it is opened again"
    return f"what was drawn last is in no result and could not be kept: {error}"


def _model(settings: Settings) -> Tracker:
    tracker = load_tracker(settings)
    if tracker is None:
        raise UsageError(f"--model {settings.model}: finds nothing to preview; give another one")
    return tracker
