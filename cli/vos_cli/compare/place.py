"""Where the page of a comparison may be written."""

from __future__ import annotations

import os
from pathlib import Path

from vos.errors import OutputError, UsageError
from vos.io.paths import display_name
from vos.io.results.manifest import MANIFEST_NAME
from vos_eval.report.page import EYEBROW, PAGE_NAME

_HEAD_BYTES = 1 << 16


def check_place(folder: Path) -> None:
    """Refuse a place where the page would replace something that is no page of vos.

    Raises UsageError for what is no folder, OutputError for a result or another page.
    """
    name = display_name(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {name}: is a file; name a folder for the page")
    if os.path.lexists(folder / MANIFEST_NAME):
        raise OutputError(f"-o {name}: is a result; name another folder for the page")
    page = folder / PAGE_NAME
    if not os.path.lexists(page):
        return
    with page.open("rb") as file:
        is_ours = EYEBROW.encode() in file.read(_HEAD_BYTES)
    if not is_ours:
        raise OutputError(
            f"-o {name}: holds an {PAGE_NAME} that vos did not write; name another folder"
        )
