"""An interrupted track that is looked at: what may not be done with it, and the rest of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vos.errors import UsageError
from vos.io.paths import display_name
from vos.io.timecode import from_exact_text
from vos.settings import Settings
from vos_cli.job.job import Job

if TYPE_CHECKING:
    from vos_cli.fix.result import Result


def require_finished(result: Result) -> None:
    """Raises UsageError for an interrupted track."""
    if not result.is_finished:
        raise UsageError(
            f"{display_name(result.output)}: was interrupted after frame {result.frames[-1]}, and "
            "is corrected once it is complete: the same `vos track` command continues it, or "
            "Continue on the page that `vos fix` opens"
        )


def rest_of(result: Result, used: Settings) -> Job:
    """The job that was interrupted, which continues it.

    used: the settings of `settings_like`.
    """
    was = result.manifest["parameters"]
    start, end = (None if was[k] is None else from_exact_text(was[k]) for k in ("start", "end"))
    return Job(
        source=str(result.source.info.path),
        output=result.output,
        prompts=result.prompts,
        start=start,
        end=end,
        direction=was["direction"],
        settings=replace(used, save=tuple(was["save"]), scene_cuts=was["scene_cuts"]),
        overwrite=False,
        names=result.names,
        every=was.get("every"),
    )
