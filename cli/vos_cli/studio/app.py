"""The server's routes. Frames are named by number only: no path comes in."""

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
from vos_cli.studio.export_routes import add_exports
from vos_cli.studio.far_frames import picture
from vos_cli.studio.in_out import InOut
from vos_cli.studio.models_here import describe_models
from vos_cli.studio.offers import Choice
from vos_cli.studio.pictures import KEEP, mask_png, png
from vos_cli.studio.review_routes import add_review
from vos_cli.studio.session import StudioSession
from vos_cli.studio.sound_routes import add_sound

_STATIC = Path(__file__).parent / "static"
_NO_TEXT = "no_text"


class Change(BaseModel):
    """A change of the document.

    version: of the document that the page shows.
    """

    version: int = Field(ge=0)


class Edit(Change):
    """The whole document as the page would have it.

    prompts: as in a prompt file.
    objects: names by object id.
    """

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


class Points(BaseModel):
    """The In and the Out point: frame indices, both inclusive; None where one is not set."""

    first: int | None = Field(default=None, ge=0)
    last: int | None = Field(default=None, ge=0)


class Answer(BaseModel):
    """The answer to what is offered: "drawn", "result" or "new"."""

    take: Choice


class Finish(BaseModel):
    """The end of the page.

    drop: forget what is drawn and in no file and no result.
    """

    drop: bool = False


class Start(BaseModel):
    """A start of tracking.

    overwrite: replace an earlier output of vos.
    """

    overwrite: bool = False


def make_app(session: StudioSession) -> FastAPI:
    """Make the server of one session; `Guard` decides who may use it."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_exception_handler(VosError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_malformed)

    @app.get("/")
    def page() -> Response:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/clip")
    def clip() -> dict[str, Any]:
        return session.clip()

    @app.get("/api/status")
    def status() -> dict[str, Any]:
        return session.status()

    @app.get("/api/models")
    def models() -> dict[str, Any]:
        return describe_models(session)

    @app.get("/api/document")
    def document() -> dict[str, Any]:
        return session.history.as_json()

    @app.put("/api/document")
    def edit(sent: Edit) -> dict[str, Any]:
        drawn = read_document(sent.prompts, sent.objects, session.info.size_hw)
        return session.edit(sent.version, drawn).as_json()

    @app.post("/api/undo")
    def undo(sent: Change) -> dict[str, Any]:
        return session.undo(sent.version).as_json()

    @app.post("/api/redo")
    def redo(sent: Change) -> dict[str, Any]:
        return session.redo(sent.version).as_json()

    @app.put("/api/in-out")
    def move(sent: Points) -> dict[str, Any]:
        session.move_in_out(InOut.from_json(sent.model_dump()))
        return session.status()

    @app.post("/api/offer")
    def take(sent: Answer) -> dict[str, Any]:
        session.take(sent.take)
        return session.status()

    @app.get("/api/prompts.json")
    def prompt_file() -> Response:
        headers = {"Content-Disposition": 'attachment; filename="prompts.json"'}
        return Response(session.prompt_file(), media_type="application/json", headers=headers)

    @app.get("/api/frames/{frame_idx:int}.jpg")
    def frame(frame_idx: int) -> Response:
        shown = picture(session.frames, session.far, frame_idx)
        return Response(shown, media_type="image/jpeg", headers=KEEP)

    @app.get("/api/frames/{frame_idx:int}.png")
    def exact_frame(frame_idx: int) -> Response:
        return Response(png(session.frames.read(frame_idx)), media_type="image/png", headers=KEEP)

    @app.get("/api/thumbnails/{frame_idx:int}.jpg")
    def thumbnail(frame_idx: int) -> Response:
        small = session.thumbnails.get(frame_idx)
        if small is None:
            return Response(status_code=204)
        return Response(small, media_type="image/jpeg", headers=KEEP)

    @app.post("/api/encode/{frame_idx:int}")
    def encode(frame_idx: int) -> dict[str, Any]:
        session.encode(frame_idx)
        return {}

    @app.get("/api/masks/{frame_idx:int}.png")
    def mask(frame_idx: int) -> Response:
        version, preview = session.preview(frame_idx)
        about = {
            "version": version,
            "from_prompts": preview.from_prompts,
            "scores": {
                i: round(score.iou_pred, 3)
                for i, score in preview.scores.items()
                if not math.isnan(score.iou_pred)
            },
            "notes": preview.notes,
        }
        headers = {"X-Vos-Mask": json.dumps(about)}
        return Response(mask_png(preview.label_map), media_type="image/png", headers=headers)

    if session.save_to is not None:

        @app.post("/api/save")
        def save() -> dict[str, Any]:
            session.save()
            return session.status()

    if (runs := session.runs) is not None:

        @app.post("/api/track")
        def track(sent: Start) -> dict[str, Any]:
            if session.fixes is not None:
                raise UsageError("this result is being corrected; reload the page")
            if not session.history.now.prompts:
                raise PromptError("nothing is drawn yet: draw a box around an object first")
            session.require_no_export()
            runs.start(session.history, session.in_out, overwrite=sent.overwrite)
            return session.status()

        @app.post("/api/correct")
        def correct() -> dict[str, Any]:
            session.correct()
            return session.status()

        @app.post("/api/continue")
        def carry_on() -> dict[str, Any]:
            session.carry_on()
            return session.status()

    @app.post("/api/stop")
    def stop() -> dict[str, Any]:
        if session.active is not None:
            session.active.stop()
        return session.status()

    @app.get("/api/results/{frame_idx:int}.png")
    def result(frame_idx: int) -> Response:
        labels = None if session.active is None else session.active.mask(frame_idx)
        if labels is None:
            return Response(status_code=204)
        return Response(mask_png(labels), media_type="image/png")

    @app.get("/api/before/{frame_idx:int}.png")
    def before(frame_idx: int) -> Response:
        labels = None if session.fixes is None else session.fixes.mask_before(frame_idx)
        if labels is None:
            return Response(status_code=204)
        return Response(mask_png(labels), media_type="image/png")

    @app.get("/api/timeline")
    def timeline() -> dict[str, Any]:
        return session.require_fixes().timeline()

    @app.post("/api/fix")
    def fix() -> dict[str, Any]:
        session.start_fix()
        return session.status()

    @app.post("/api/fix/undo")
    def undo_fix() -> dict[str, Any]:
        session.require_no_export()
        session.require_fixes().undo()
        return session.status()

    @app.post("/api/fix/redo")
    def redo_fix() -> dict[str, Any]:
        session.require_no_export()
        session.require_fixes().redo(session.history.now.objects)
        return session.status()

    add_review(app, session)
    add_exports(app, session)
    add_sound(app, session.sound)

    @app.post("/api/finish")
    def finish(sent: Finish) -> dict[str, Any]:
        session.close(drop=sent.drop)
        return {}

    return app


def _refuse(_request: Request, error: Exception) -> Response:
    code = 422 if isinstance(error, UsageError) else 500
    if isinstance(error, StaleError):
        code = 409
    elif isinstance(error, OutputError):
        code = 507
    return JSONResponse({"error": one_line(message(error))}, code)


def _refuse_malformed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    code = 400 if first["type"] == _NO_TEXT else 422
    return JSONResponse({"error": one_line(f"{place}: {first['msg']}: reload the page")}, code)
