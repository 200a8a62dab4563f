"""The options of `vos track` that only a live source has."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from vos.errors import UsageError
from vos.io.live.address import LiveAddress
from vos.io.timecode import parse_span
from vos_cli.job.job import Job

if TYPE_CHECKING:
    from vos_cli.job.live import LiveJob

_PANEL = "Live sources (a camera, rtsp://..., tcp://..., -)"
_DROPS = ("old", "none")

_STILL = "`ffmpeg -i ADDRESS -frames:v 1 still.png`"
_DRAW = (
    f"take a picture with {_STILL}, draw on it with `vos pick still.png -o prompts.json`, and give "
    "--prompts prompts.json"
)
NO_PROMPT = (
    "no prompt: something must say what to track; give --box x1,y1,x2,y2 or another prompt on "
    f"frame 0, or {_DRAW}"
)

Drop = Annotated[
    str | None,
    typer.Option(
        "--drop",
        help="Where frames come too fast: old (default) tracks the newest, none lets the source "
        "wait.",
        rich_help_panel=_PANEL,
        metavar="old|none",
        show_default=False,
        autocompletion=lambda: list(_DROPS),
    ),
]

Reconnect = Annotated[
    str | None,
    typer.Option(
        "--reconnect",
        help="How long a lost source is tried again: 60s (default), 10m, 2h; 0s ends with it.",
        rich_help_panel=_PANEL,
        metavar="SPAN",
        show_default=False,
    ),
]

Keep = Annotated[
    str | None,
    typer.Option(
        "--keep",
        help="Delete masks, overlay and statistics older than this: 90s, 10m, 2h; default never.",
        rich_help_panel=_PANEL,
        metavar="SPAN",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class LiveFlags:
    """The options of a live source as they were written; None where not given."""

    drop: str | None
    reconnect: str | None
    keep: str | None

    def job(self, address: LiveAddress, job: Job) -> LiveJob:
        """Make the job of tracking this source. Raises UsageError for what no source has."""
        from vos.io.live.source import RECONNECT_S  # FFmpeg loads slowly
        from vos_cli.job.live import LiveJob

        drop = self.drop or "old"
        if drop not in _DROPS:
            raise UsageError(f"--drop {drop!r}: not one of {', '.join(_DROPS)}; correct it")
        keep_s = _span("--keep", self.keep)
        if keep_s is not None and keep_s < 1:
            raise UsageError(f"--keep {self.keep}: keeps nothing; give a second or more, as in 10m")
        reconnect_s = _span("--reconnect", self.reconnect)
        return LiveJob(
            address,
            job,
            drop,  # pyright: ignore[reportArgumentType]
            RECONNECT_S if reconnect_s is None else float(reconnect_s),
            keep_s,
        )

    def refuse_for_a_file(self) -> None:
        """Raise UsageError where one is given for an input that is no live source."""
        for name in ("drop", "reconnect", "keep"):
            if getattr(self, name) is not None:
                raise UsageError(
                    f"--{name} is for live sources (rtsp://..., /dev/video0, -), and INPUT is "
                    "none; leave it out"
                )


def check_together(*, everything: bool, tool: str | None, host: str | None) -> None:
    """Refuse what is done on footage that waits. Raises UsageError."""
    if everything:
        raise UsageError(
            "--everything: not for a live source, which does not wait for it; take a picture with "
            f"{_STILL}, and give what `vos segment-everything still.png` finds with --mask"
        )
    if tool is not None or host is not None:
        raise UsageError(
            f"--{tool or 'host'}{' without a value' if tool else ''}: there is no page for a live "
            f"source; {_DRAW}"
        )


def _span(flag: str, text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return parse_span(text)
    except UsageError as error:
        raise UsageError(f"{flag} {error}") from None
