"""The routes of the clip's sound."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from vos_cli.studio.pictures import KEEP
from vos_cli.studio.sound import Sound


def add_sound(app: FastAPI, sound: Sound) -> None:
    """Add the routes to the page's server."""

    @app.get("/api/sound")
    def about() -> dict[str, Any]:
        return sound.as_json()

    @app.get("/api/sound/{index:int}.pcm")
    def part(index: int) -> Response:
        return Response(sound.part(index), media_type="application/octet-stream", headers=KEEP)
