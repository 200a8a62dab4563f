"""Exports that the page started: the work of `vos export`, watched and stopped from the page."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vos.errors import Cancelled, OtherOutputError, UsageError, VosError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.edges import Edges
from vos.io.write.deliver.finished import FinishedResult, open_finished
from vos.io.write.deliver.mattes import ResultMattes
from vos.io.write.deliver.order import Order, plan_export
from vos.io.write.deliver.registry import FORMATS
from vos_cli.console.errors import message
from vos_cli.console.progress import Counter
from vos_cli.job.deliver import Delivered, export_one
from vos_cli.studio.background import Background
from vos_cli.studio.runs import page_words

_BLOCK = 2**20


class _Watched(Counter):
    """A counter of frames that cancels the export once the page stops it."""

    def __init__(self, total: int, stop: threading.Event) -> None:
        super().__init__(total)
        self._stop = stop

    def advance(self) -> None:
        super().advance()
        if self._stop.is_set():
            raise Cancelled("stopped from the page")


class Exports(Background):
    """One export after the other, each into a folder beside the result.

    delivered: what the last one left behind; None before that.
    made: what the masks were, by the folder that they were exported into, the newest last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.delivered: Delivered | None = None
        self.made: dict[Path, tuple[Path, object]] = {}
        self._place: Path | None = None
        self._notices: list[str] = []
        self._starting = threading.Lock()
        self._looking = threading.Lock()
        self._known: tuple[object, FinishedResult | None] = (None, None)
        self._mattes: tuple[object, ResultMattes | None] = (None, None)

    def start(self, result: Path, order: Order, *, overwrite: bool) -> None:
        """Export a result, unless an export is under way.

        overwrite: replace an earlier export with other settings.
        Raises VosError for what cannot be, before any work.
        """
        with self._starting:
            if self.state == "running":
                return
            opened = open_finished(result)
            try:
                plan = plan_export(opened, order)
            finally:
                opened.close()
            self.delivered, self._place, self._notices = None, plan.output, []
            self._progress = Counter(len(plan.shot.frames))
            self._begin("export", partial(self._export, result, order, overwrite=overwrite))

    def _export(self, result: Path, order: Order, *, overwrite: bool) -> None:
        stamp, opened = _stamp(result), open_finished(result)
        try:
            self.delivered = export_one(
                opened,
                order,
                overwrite=overwrite,
                say=self._notices.append,
                show=self._show,
            )
        finally:
            opened.close()
        if self._place is not None:
            self.made.pop(self._place, None)
            self.made[self._place] = (result, stamp)

    def _show(self, total: int) -> Counter:
        self._progress = _Watched(total, self._stop)
        return self._progress

    def files(self) -> list[Path]:
        """Return what the last export consists of, without its manifest."""
        if self.state != "done" or self._place is None:
            return []
        return [
            path
            for path in sorted(self._place.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.name != MANIFEST_NAME
        ]

    @property
    def place(self) -> Path | None:
        """Return the folder of the last export; None before one."""
        return self._place

    def as_json(self) -> dict[str, Any]:
        """Return how far it is, as JSON values."""
        progress, done, files = self._progress, self.delivered, self.files()
        return {
            "state": self.state,
            "done": progress.done,
            "total": progress.total,
            "remaining_s": progress.remaining_s(),
            "output": None if self._place is None else str(self._place),
            "error": None if self._error is None else page_words(self._error),
            "can_replace": isinstance(self._error, OtherOutputError),
            "notices": [*self._notices, *(() if done is None else done.warnings)],
            "summary": None if done is None else done.summary(),
            "files": len(files),
            "bytes": sum(path.stat().st_size for path in files),
            "file_name": files[0].name if len(files) == 1 else None,
            "made": [
                {"output": str(place), "is_current": stamp == _stamp(source)}
                for place, (source, stamp) in reversed(self.made.items())
                if place.exists()
            ],
        }

    def offers(self, result: Path) -> dict[str, Any]:
        """Return what can be exported of a result, as JSON values."""
        opened = open_finished(result)
        try:
            return {
                "formats": [_describe(name) for name in FORMATS],
                "objects": [
                    {"id": one, "name": opened.names.get(one, "")} for one in opened.objects
                ],
                "place": str(result.resolve()),
                "is_soft": opened.is_soft,
                "has_input": opened.source is not None,
            }
        finally:
            opened.close()

    def matte(
        self, result: Path, version: object, frame_idx: int, objects: Sequence[int], edges: Edges
    ) -> np.ndarray:
        """Return the matte of some objects together on a frame, as an export would have it.

        version: of the result's masks; the same as long as they are.
        Raises UsageError for edges that cannot be, or objects that are not there.
        """
        edges.check()
        with self._looking:
            found = self._open(result, (result, version))
            unknown = [one for one in objects if one not in found.objects]
            if unknown or not objects:
                raise UsageError(f"no such object: {unknown or 'none is chosen'}; choose some")
            key = (result, version, tuple(objects), edges)
            if key != self._mattes[0]:
                mattes = ResultMattes(found, list(objects), edges, is_soft=found.is_soft)
                self._mattes = (key, mattes)
            made = self._mattes[1]
            assert made is not None
            return np.maximum.reduce([made.matte(frame_idx, one) for one in objects])

    def _open(self, result: Path, key: object) -> FinishedResult:
        known_key, known = self._known
        if known is not None and key == known_key:
            return known
        if known is not None:
            known.close()
        self._known = (None, None)
        opened = open_finished(result)
        self._known = (key, opened)
        return opened

    def close(self) -> None:
        """Stop what is under way, and let go of the result."""
        self.stop()
        self.wait()
        with self._looking:
            if self._known[1] is not None:
                self._known[1].close()
            self._known = (None, None)


def make_order(sent: dict[str, Any]) -> Order:
    """Turn what the page asks for into an order. Raises UsageError."""
    span = sent.pop("span")
    order = Order(**sent, span=None if span is None else tuple(span))
    if order.format not in FORMATS:
        raise UsageError(f"{order.format!r} is no format; reload the page")
    return order


def without_unfit(order: Order) -> Order:
    """Leave out what the format has no use for, as the page shows no control for it."""
    form = FORMATS[order.format]
    if form.name != "png-matte":
        order = replace(order, bits=8)
    if form.default_background is None:
        order = replace(order, background=None)
    if not form.holds_mattes:
        order = replace(order, edges=Edges())
    if not (form.holds_mattes and form.can_invert):
        order = replace(order, is_inverted=False)
    return order


def zipped(files: Sequence[Path], root: Path) -> Iterator[bytes]:
    """Yield a ZIP of these files, piece by piece; they are stored, not compressed."""
    out = _Pieces()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            name = f"{root.name}/{path.relative_to(root).as_posix()}"
            info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            with path.open("rb") as source, archive.open(info, "w") as target:
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield out.take()
            yield out.take()
    yield out.take()


class _Pieces(io.RawIOBase):
    """What was written since it was asked for last; it cannot be gone back in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written and forget it."""
        piece = bytes(self._held)
        self._held.clear()
        return piece


def _stamp(result: Path) -> object:
    """Return what changes with the masks of a result: a correction writes the manifest anew."""
    try:
        found = (result / MANIFEST_NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _describe(name: str) -> dict[str, Any]:
    form = FORMATS[name]
    why: str | None = None
    try:
        if form.require is not None:
            form.require()
    except VosError as error:
        why = message(error)
    return {
        "name": name,
        "summary": form.summary,
        "has_edges": form.holds_mattes,
        "has_bits": name == "png-matte",
        "has_background": form.default_background is not None,
        "can_invert": form.holds_mattes and form.can_invert,
        "needs_image": form.needs_image,
        "missing": why,
    }
