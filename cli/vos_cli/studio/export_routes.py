"""The routes of the export dialog: what there is, a preview of edges, the work, the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from vos.errors import UsageError
from vos.io.write.deliver.edges import Edges
from vos_cli.studio.exports import make_order, without_unfit, zipped
from vos_cli.studio.pictures import jpeg
from vos_cli.studio.session import StudioSession

_GREEN = (0, 177, 64)
_GREY, _LIGHT, _SQUARE_PX = 0x8C, 0xB4, 16
_MARGIN = 0.15  # of what is looked at closely


class EdgesSent(BaseModel):
    """What is done to the edges of mattes; as in `vos.io.write.deliver.edges.Edges`."""

    despeckle: float = 0
    fill_holes: float = 0
    grow: float = 0
    shrink: float = 0
    smooth: float = 0
    temporal: int = 0
    feather: float = 0

    def edges(self) -> Edges:
        """Return them, unchecked."""
        return Edges(**self.model_dump())


class Look(BaseModel):
    """What the preview shows.

    objects: ids of what is exported.
    behind: "matte", or what the cut-out objects are put over.
    is_close: only the part of the frame where they are.
    is_inverted: all but the objects.
    """

    objects: list[int] = Field(max_length=255)
    edges: EdgesSent
    behind: Literal["matte", "checker", "green", "black"] = "matte"
    is_close: bool = False
    is_inverted: bool = False


class Export(BaseModel):
    """An order; as in `vos.io.write.deliver.order.Order`.

    is_in_out: only the frames between the In and the Out point.
    overwrite: replace an earlier export with other settings.
    """

    format: str = Field(max_length=40)
    objects: list[int] = Field(max_length=255)
    bits: Literal[8, 16] = 8
    background: str | None = Field(default=None, max_length=40)
    is_inverted: bool = False
    edges: EdgesSent
    is_in_out: bool = False
    overwrite: bool = False


def add_exports(app: FastAPI, session: StudioSession) -> None:
    """Add the routes to the page's server."""
    exports = session.exports

    @app.get("/api/export")
    def state() -> dict[str, Any]:
        return exports.as_json()

    @app.get("/api/export/offers")
    def offers() -> dict[str, Any]:
        return exports.offers(session.require_result())

    @app.post("/api/export/preview/{frame_idx:int}.jpg")
    def preview(frame_idx: int, sent: Look) -> Response:
        result = session.require_result()
        matte = exports.matte(
            result, session.masks_version, frame_idx, sent.objects, sent.edges.edges()
        )
        image = session.frames.read(frame_idx)
        shown = draw_look(image, 255 - matte if sent.is_inverted else matte, sent.behind)
        if sent.is_close:
            shown = shown[find_close(matte)]
        return Response(jpeg(shown), media_type="image/jpeg")

    @app.post("/api/export")
    def start(sent: Export) -> dict[str, Any]:
        result = session.require_result()
        if session.active is not None and session.active.state == "running":
            raise UsageError("masks are being computed: wait for them, or stop that, then export")
        order = make_order(
            {
                "format": sent.format,
                "objects": tuple(map(str, sent.objects)),
                "bits": sent.bits,
                "background": sent.background or None,
                "is_inverted": sent.is_inverted,
                "edges": sent.edges.edges(),
                "span": session.masked_in_out() if sent.is_in_out else None,
            }
        )
        exports.start(result, without_unfit(order), overwrite=sent.overwrite)
        return exports.as_json()

    @app.post("/api/export/stop")
    def stop() -> dict[str, Any]:
        exports.stop()
        return exports.as_json()

    @app.get("/api/export/file")
    def file() -> Response:
        (path,) = _require_files(1)
        return FileResponse(path, filename=path.name)

    @app.get("/api/export/files.zip")
    def files() -> Response:
        found, place = _require_files(None), exports.place
        assert place is not None
        name = place.name.encode("ascii", "replace").decode().replace('"', "_").replace("?", "_")
        headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        return StreamingResponse(
            zipped(found, place), media_type="application/zip", headers=headers
        )

    def _require_files(count: int | None) -> list[Path]:
        found = exports.files()
        if not found or (count is not None and len(found) != count):
            raise UsageError("there is no such export to download: export first")
        return found


def draw_look(image: np.ndarray, matte: np.ndarray, behind: str) -> np.ndarray:
    """Return what an export looks like, uint8 H x W x 3: its matte, or objects over a backdrop."""
    if behind == "matte":
        return np.repeat(matte[..., None], 3, axis=2)
    share = matte[..., None].astype(np.float32) / 255
    if behind == "checker":
        rows, columns = np.ogrid[: matte.shape[0], : matte.shape[1]]
        is_light = (rows // _SQUARE_PX + columns // _SQUARE_PX) % 2 == 0
        under = np.where(is_light, _LIGHT, _GREY)[..., None].astype(np.float32)
    else:
        under = np.array(_GREEN if behind == "green" else (0, 0, 0), np.float32)
    return (image * share + under * (1 - share)).round().astype(np.uint8)


def find_close(matte: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a frame around what is in a matte; all of it where there is nothing."""
    parts: list[slice] = []
    for axis, length in ((1, matte.shape[0]), (0, matte.shape[1])):
        there = np.flatnonzero(matte.any(axis))
        if not there.size:
            return slice(None), slice(None)
        margin = int(_MARGIN * (there[-1] - there[0] + 1)) + 4
        parts.append(slice(max(0, int(there[0]) - margin), min(length, int(there[-1]) + margin)))
    return parts[0], parts[1]
