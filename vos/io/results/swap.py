"""Putting a new output in the place of an old one, so that a kill leaves one of them whole."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from vos.errors import BusyError, OutputError, Parameter
from vos.io.disk import sync_folder, take_lock
from vos.io.inside import Inside, is_real_folder
from vos.io.paths import display_name
from vos.io.results.layout import (
    MASKS_NAME,
    MATTES_NAME,
    OVERLAY_NAME,
    PROMPTS_NAME,
    REVIEWED_NAME,
    STATS_NAME,
)
from vos.io.results.manifest import LOCK_NAME, MANIFEST_NAME, edits_in_force, read_manifest

WORK_NAME = ".resume"
_OURS = {
    LOCK_NAME,
    WORK_NAME,
    MANIFEST_NAME,
    MASKS_NAME,
    MATTES_NAME,
    OVERLAY_NAME,
    PROMPTS_NAME,
    STATS_NAME,
    REVIEWED_NAME,
    "history",
}
"""What an output may hold; a folder named `.NAME.old` with nothing else is what is left of one."""


def locate_old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def swap_in(part: Path, path: Path) -> None:
    """Swap: the old output goes aside, the new one in, and only then is the old one deleted."""
    old = locate_old(path)
    has_old = path.exists() and any(path.iterdir())
    with contextlib.ExitStack() as stack:
        if has_old:
            _hold_result(path, stack)
            refuse_to_lose_edits(path)  # made while this run was under way
            path.rename(old)
        elif path.exists():
            path.rmdir()
        try:
            part.rename(path)
        except OSError:
            if has_old:
                with contextlib.suppress(OSError):
                    old.rename(path)
            raise
        sync_folder(path.parent)
    if has_old:
        _remove_old(old)


def _hold_result(path: Path, stack: contextlib.ExitStack) -> None:
    """Keep corrections away from a result that is about to be replaced. Raises BusyError."""
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    stack.callback(os.close, handle)
    if not take_lock(handle):
        raise BusyError(
            f"{display_name(path)}: another command is correcting this result: wait for it, or "
            "choose another -o"
        )


def refuse_to_lose_edits(path: Path) -> None:
    manifest = read_manifest(path)
    if manifest is not None and (edits := edits_in_force(manifest)):
        raise OutputError(
            f"{display_name(path)}: holds corrections ({len(edits)} by `vos fix`), and they are "
            "never replaced: choose another ",
            Parameter("output"),
            f", or take them back with `vos fix {display_name(path)} --undo`",
        )


def recover_swap(path: Path) -> None:
    """Finish or undo a swap that was cut short. Call it with the part folder's lock held.

    Raises OutputError where something that is not ours has the name that the swap needs.
    """
    old = locate_old(path)
    if not os.path.lexists(old):
        return
    is_ours = is_real_folder(old) and _is_left_of_output(old)
    if path.exists() and any(path.iterdir()):
        if is_ours:
            _remove_old(old)
        if os.path.lexists(old):
            raise OutputError(
                f"{display_name(old)}: is in the way and "
                f"{'cannot be deleted' if is_ours else 'was not left by vos'}: move it, or choose "
                "another -o"
            )
    elif is_ours and read_manifest(old) is not None:
        if path.exists():
            path.rmdir()
        old.rename(path)


def _is_left_of_output(old: Path) -> bool:
    """Tell whether a folder is an output of ours, or what is left of one that was being deleted."""
    return read_manifest(old) is not None or all(entry.name in _OURS for entry in old.iterdir())


def _remove_old(old: Path) -> None:
    """Delete an output that was replaced, the manifest last: until then it is known as ours."""
    inside = Inside(old)
    with contextlib.suppress(OSError, OutputError):
        for entry in sorted(old.iterdir()):
            if entry.name != MANIFEST_NAME:
                inside.remove(entry)
        inside.remove(MANIFEST_NAME)
        old.rmdir()
