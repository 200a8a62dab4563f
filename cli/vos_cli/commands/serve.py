"""`vos serve`: its flags and its output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vos_cli.console.notices import notify
from vos_cli.options.shared import OUTPUT_PANEL, Host, Json
from vos_cli.options.takes import takes
from vos_cli.options.track import TrackFlags
from vos_cli.serve.server import serve_api

_SERVER = "Server"
_MODEL = ("model", "refiner", "policy", "device", "dtype", "exact", "compile", "size")


@takes(TrackFlags, only=_MODEL, verbose_panel=OUTPUT_PANEL)
def serve(
    *,
    flags: TrackFlags,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            help="Where it listens; 0 for any that is free.",
            rich_help_panel=_SERVER,
            metavar="N",
            min=0,
            max=65535,
        ),
    ] = 8765,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            help="Folder below which clients may name files to track; default none.",
            rich_help_panel=_SERVER,
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    sessions: Annotated[
        int,
        typer.Option(
            "--sessions",
            help="Sessions at once.",
            rich_help_panel=_SERVER,
            metavar="N",
            min=1,
            max=1000,
        ),
    ] = 32,
    idle: Annotated[
        float,
        typer.Option(
            "--idle",
            help="Seconds after which a session that is not used is closed.",
            rich_help_panel=_SERVER,
            metavar="S",
            min=1,
        ),
    ] = 300.0,
    host: Host = None,
    as_json: Json = False,
) -> None:
    """Answer other programs over HTTP: they open a session, send frames, and get masks.

    Every request carries the token that is printed, or that VOS_SERVE_TOKEN holds. The API is
    described at the URL that is printed, and in docs/use/serve.md.
    """

    def announce(url: str, token: str) -> None:
        line = json.dumps({"schema": 1, "url": url, "token": token})
        print(line if as_json else f"{url}\n{token}", flush=True)
        notify("URL and token are on stdout; Ctrl-C ends it")

    serve_api(
        flags.settings().model_options,
        host=host,
        port=port,
        root=root,
        most=sessions,
        idle_s=idle,
        announce=announce,
    )
