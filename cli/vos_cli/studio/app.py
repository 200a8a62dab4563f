"""What the page can ask of the server. Frames are named by number only: no path comes in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from vos.errors import OutputError, PromptError, UsageError, VosError
from vos_cli.console.errors import message, one_line
from vos_cli.studio.document import StaleError, read_document
from vos_cli.studio.fixes import Fixes
from vos_cli.studio.pictures import jpeg, mask_png, png
from vos_cli.studio.session import StudioSession

_STATIC = Path(__file__).parent / "static"
_NO_TEXT = "no_text"
_KEEP = {"Cache-Control": "private, max-age=86400, immutable"}


class Change(BaseModel):
    """version: of the document that the page shows."""

    version: int = Field(ge=0)


class Edit(Change):
    """The whole document as the page would have it; prompts as in a prompt file."""

    prompts: list[dict[str, Any]] = Field(max_length=20_000)
    objects: dict[str, str] = Field(max_length=255)

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, sent: Any) -> Any:
        """Refuse half an emoji anywhere: whoever sent it is no page of ours."""
        try:
            json.dumps(sent, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            raise PydanticCustomError(_NO_TEXT, "a text that cannot be written") from error
        return sent


class Start(BaseModel):
    """overwrite: replace an earlier output of vos."""

    overwrite: bool = False


def make_app(desk: StudioSession) -> FastAPI:
    """The server's answers; `Guard` decides who gets them."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_exception_handler(VosError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)

    @app.get("/")
    def page() -> Response:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/clip")
    def clip() -> dict[str, Any]:
        return desk.clip()

    @app.get("/api/status")
    def status() -> dict[str, Any]:
        return desk.status()

    @app.get("/api/document")
    def document() -> dict[str, Any]:
        return desk.history.as_json()

    @app.put("/api/document")
    def edit(sent: Edit) -> dict[str, Any]:
        drawn = read_document(sent.prompts, sent.objects, desk.info.size_hw)
        return desk.edit(sent.version, drawn).as_json()

    @app.post("/api/undo")
    def undo(sent: Change) -> dict[str, Any]:
        return desk.undo(sent.version).as_json()

    @app.post("/api/redo")
    def redo(sent: Change) -> dict[str, Any]:
        return desk.redo(sent.version).as_json()

    @app.get("/api/prompts.json")
    def prompt_file() -> Response:
        headers = {"Content-Disposition": 'attachment; filename="prompts.json"'}
        return Response(desk.prompt_file(), media_type="application/json", headers=headers)

    @app.get("/api/frames/{frame_idx:int}.jpg")
    def frame(frame_idx: int) -> Response:
        return Response(jpeg(desk.frames.read(frame_idx)), media_type="image/jpeg", headers=_KEEP)

    @app.get("/api/frames/{frame_idx:int}.png")
    def exact_frame(frame_idx: int) -> Response:
        return Response(png(desk.frames.read(frame_idx)), media_type="image/png", headers=_KEEP)

    @app.get("/api/thumbnails/{frame_idx:int}.jpg")
    def thumbnail(frame_idx: int) -> Response:
        small = desk.thumbnails.get(frame_idx)
        if small is None:
            return Response(status_code=204)
        return Response(small, media_type="image/jpeg", headers=_KEEP)

    @app.post("/api/encode/{frame_idx:int}")
    def encode(frame_idx: int) -> dict[str, Any]:
        desk.previewer.encode(frame_idx)
        return {}

    @app.get("/api/masks/{frame_idx:int}.png")
    def mask(frame_idx: int) -> Response:
        history = desk.history
        preview = desk.previewer.masks(frame_idx, history.now.prompts)
        about = {
            "version": history.version,
            "scores": {
                i: round(score.iou_pred, 3)
                for i, score in preview.scores.items()
                if not math.isnan(score.iou_pred)
            },
            "notes": preview.notes,
        }
        headers = {"X-Vos-Mask": json.dumps(about)}
        return Response(mask_png(preview.label_map), media_type="image/png", headers=headers)

    if desk.save_to is not None:

        @app.post("/api/save")
        def save() -> dict[str, Any]:
            desk.save()
            return desk.status()

    if (runs := desk.runs) is not None:

        @app.post("/api/track")
        def track(sent: Start) -> dict[str, Any]:
            if desk.fixes is not None:
                raise UsageError("this result is being corrected; reload the page")
            if not desk.history.now.prompts:
                raise PromptError("nothing is drawn yet: draw a box around an object first")
            runs.start(desk.history, overwrite=sent.overwrite)
            return desk.status()

        @app.post("/api/correct")
        def correct() -> dict[str, Any]:
            desk.correct()
            return desk.status()

        @app.post("/api/continue")
        def carry_on() -> dict[str, Any]:
            desk.carry_on()
            return desk.status()

    @app.post("/api/stop")
    def stop() -> dict[str, Any]:
        if desk.work is not None:
            desk.work.stop()
        return desk.status()

    @app.get("/api/results/{frame_idx:int}.png")
    def result(frame_idx: int) -> Response:
        labels = None if desk.work is None else desk.work.mask(frame_idx)
        if labels is None:
            return Response(status_code=204)
        return Response(mask_png(labels), media_type="image/png")

    @app.get("/api/timeline")
    def timeline() -> dict[str, Any]:
        return _fixes(desk).timeline()

    @app.post("/api/fix")
    def fix() -> dict[str, Any]:
        now = desk.history.now
        _fixes(desk).start(now.prompts, now.objects)
        return desk.status()

    @app.post("/api/fix/undo")
    def undo_fix() -> dict[str, Any]:
        _fixes(desk).undo()
        return desk.status()

    @app.post("/api/fix/redo")
    def redo_fix() -> dict[str, Any]:
        _fixes(desk).redo(desk.history.now.objects)
        return desk.status()

    @app.post("/api/finish")
    def finish() -> dict[str, Any]:
        desk.finish()
        return {}

    return app


def _fixes(desk: StudioSession) -> Fixes:
    if desk.fixes is None:
        raise UsageError("there is no result to correct here: track first")
    return desk.fixes


def _refused(_request: Request, error: Exception) -> Response:
    code = 422 if isinstance(error, UsageError) else 500
    if isinstance(error, StaleError):
        code = 409
    elif isinstance(error, OutputError):
        code = 507
    return JSONResponse({"error": one_line(message(error))}, code)


def _malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    code = 400 if first["type"] == _NO_TEXT else 422
    return JSONResponse({"error": one_line(f"{place}: {first['msg']}: reload the page")}, code)
