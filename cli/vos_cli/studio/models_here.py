"""The models and refiners on this machine, and the command that opens the page with others.

A page keeps the model that it was started with; what is drawn is offered again by the next one.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from vos.errors import VosError
from vos.model.registry import BEST, EMBEDDED, REGISTRY, TRYING_OUT, find, is_whole, models_dir
from vos.refine import resolve
from vos_cli.studio.session import StudioSession

if TYPE_CHECKING:
    from vos.api import Tracker


def describe_models(session: StudioSession) -> dict[str, Any]:
    """Return what is here, what is in use and how to begin with another, as JSON values."""
    tracker = session.previewer.tracker() if session.previewer.is_ready else None
    here = [
        {"name": name, "purpose": entry.purpose or "for trying out"}
        for name, entry in REGISTRY.items()
        if (path := find(entry)) is not None and is_whole(entry, path)
    ]
    used = None if tracker is None else tracker.model_info.name
    if used is not None and used not in [one["name"] for one in here]:
        here.append({"name": used, "purpose": "a file of your own"})
    is_only_embedded = [one["name"] for one in here] == [EMBEDDED]
    return {
        "model": used,
        "models": here,
        "note": TRYING_OUT if used == EMBEDDED else None,
        "pull": f"vos models pull {BEST}" if is_only_embedded else None,
        "refiner": _refiner_used(tracker),
        "refiners": _refiners(),
        "command": shlex.join(_command(session)),
    }


def _refiner_used(tracker: Tracker | None) -> str | None:
    if tracker is None:
        return None
    info = tracker.refiner_info
    return resolve.NONE if info is None else info.name


def _refiners() -> list[dict[str, str]]:
    """Return the refiners on this machine, with the name of the model that each is for."""
    found: list[dict[str, str]] = []
    for folder in (resolve.WEIGHTS_DIR, models_dir()):
        for path in sorted(folder.glob(f"*{resolve.SUFFIX}")) if folder.is_dir() else ():
            try:
                info = resolve.read_info(path)
            except VosError:
                continue  # weights of a model, or a file of a later version
            found.append({"name": info.name, "model": info.base_name})
    return found


def _command(session: StudioSession) -> list[str]:
    """Return the command that opens this page, without its model."""
    path = str(session.info.path.absolute())
    if session.fixes is not None:
        return ["vos", "fix", str(session.fixes.result.output.absolute())]
    if session.runs is not None:
        return ["vos", "track", path, "--box", "-o", str(session.runs.output.absolute())]
    save_to = [] if session.save_to is None else ["-o", str(session.save_to.absolute())]
    return ["vos", "pick", path, *save_to]
