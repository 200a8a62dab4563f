"""The routes of the API; `TokenGuard` decides who may use them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from vos.errors import OutOfMemoryError, VosError
from vos.io.paths import display_name
from vos.prompts.file import prompts_from_json
from vos.version import __version__
from vos_cli.console.errors import message, one_line
from vos_cli.serve.guard import refuse
from vos_cli.serve.page import describe
from vos_cli.serve.results import result_json
from vos_cli.serve.sessions import MOST_NEXT, FullError, Sessions, UnknownSessionError

_MOST_PROMPTS = 1000
_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FRAME_BODY = {
    "requestBody": {"required": True, "content": {"image/png": _IMAGE, "image/jpeg": _IMAGE}}
}


class Prompts(BaseModel):
    """Prompts to add.

    prompts: as in a prompt file; `frame_idx` counts the session's frames from 0.
    """

    model_config = ConfigDict(extra="forbid")

    prompts: list[dict[str, Any]] = Field(max_length=_MOST_PROMPTS)


class NewSession(Prompts):
    """A session to open.

    model: a name of `vos models list`; default the server's.
    size: side of the model's input in pixels, a multiple of 32; default the model's.
    rate: frames per second, such as "25" or "30000/1001".
    file: a video or a folder of images below the server's --root; leave it out to send frames.
    """

    prompts: list[dict[str, Any]] = Field(default=[], max_length=_MOST_PROMPTS)
    model: str | None = Field(default=None, max_length=100)
    size: int | None = None
    rate: str | None = Field(default=None, max_length=40)
    file: str | None = Field(default=None, max_length=1000)


def make_app(sessions: Sessions) -> FastAPI:
    """Make the API over some sessions."""
    app = FastAPI(title="vos serve", version=__version__, docs_url=None, redoc_url=None)

    def refuse_ours(_request: Request, error: Exception) -> Response:
        return refuse(_code(error), one_line(sessions.hide_root(message(error))))

    app.add_exception_handler(VosError, refuse_ours)
    app.add_exception_handler(RequestValidationError, _refuse_malformed)
    app.add_exception_handler(HTTPException, _refuse_unknown)
    app.add_exception_handler(Exception, _refuse_bug)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return HTMLResponse(describe(app.openapi()))

    @app.get("/v1/status", summary="Say how many sessions are open")
    def status() -> dict[str, Any]:
        return {"schema": 1, **sessions.status()}

    @app.post("/v1/sessions", status_code=201, summary="Open a session")
    def open_session(sent: NewSession) -> dict[str, Any]:
        prompts = prompts_from_json(sent.prompts)
        opened = sessions.open(
            prompts, model=sent.model, size=sent.size, rate=sent.rate, file=sent.file
        )
        return {"schema": 1, **opened.as_json()}

    @app.get("/v1/sessions/{session}", summary="Say how far a session is")
    def get_session(session: str) -> dict[str, Any]:
        return {"schema": 1, **sessions.get(session).as_json()}

    @app.delete("/v1/sessions/{session}", status_code=204, summary="Close a session")
    def close_session(session: str) -> Response:
        sessions.close(session)
        return Response(status_code=204)

    @app.post("/v1/sessions/{session}/prompts", summary="Add prompts on frames to come")
    def add_prompts(session: str, sent: Prompts) -> dict[str, Any]:
        opened = sessions.add_prompts(session, prompts_from_json(sent.prompts))
        return {"schema": 1, **opened.as_json()}

    @app.post(
        "/v1/sessions/{session}/frames",
        summary="Send the next frame, PNG or JPEG; get its masks",
        openapi_extra=_FRAME_BODY,
    )
    async def send_frame(session: str, request: Request) -> Response:
        try:
            data = await request.body()
        except ClientDisconnect:
            return refuse(400, "the client left in the middle of a frame")
        # A plain response: what `result_json` makes is JSON already, and large.
        return await run_in_threadpool(
            lambda: JSONResponse({"schema": 1, **result_json(sessions.track_image(session, data))})
        )

    @app.post("/v1/sessions/{session}/next", summary="Track the next frames of the file")
    def track_next(session: str, count: Annotated[int, Query(ge=1, le=MOST_NEXT)] = 1) -> Response:
        results, problem = sessions.track_next(session, count)
        return JSONResponse(
            {
                "schema": 1,
                "results": [result_json(one) for one in results],
                "is_finished": sessions.get(session).is_finished,
                "problem": None if problem is None else sessions.hide_root(problem),
            }
        )

    return app


def _code(error: Exception) -> int:
    if isinstance(error, UnknownSessionError):
        return 404
    return 503 if isinstance(error, FullError | OutOfMemoryError) else 422


def _refuse_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return refuse(400, "the body is no JSON; correct it")
    if tuple(first["loc"]) == ("body",):
        kind = request.headers.get("content-type", "none")
        if "json" not in kind:  # the body was not even looked at
            return refuse(
                415,
                one_line(
                    f"Content-Type {display_name(kind[:60])!r}: send the header "
                    "'Content-Type: application/json' with a JSON object"
                ),
            )
        return refuse(422, "the body is no JSON object; send one, see /openapi.json")
    place = ".".join(str(one) for one in first["loc"])
    return refuse(422, one_line(f"{place}: {first['msg']}; see /openapi.json"))


def _refuse_unknown(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:  # FastAPI's only one: JSON too deep, or a number too long
        return refuse(400, "the body cannot be read as JSON; correct it")
    return refuse(error.status_code, f"{error.detail}; see /openapi.json for what there is")


def _refuse_bug(_request: Request, error: Exception) -> Response:
    return refuse(500, one_line(f"internal error: {type(error).__name__}; report it"))
