"""The routes of the review queue: a picture of each incident, and what is fine."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from fastapi import FastAPI
from fastapi.responses import Response
from PIL import Image
from pydantic import BaseModel, Field

from vos_cli.studio.palette import colours
from vos_cli.studio.pictures import jpeg
from vos_cli.studio.session import StudioSession

_WIDTH_PX = 192
_STRENGTH = 0.55
_QUALITY = 80


class Verdict(BaseModel):
    """What somebody says of an incident.

    key: names it.
    is_fine: nothing is wrong there.
    """

    key: str = Field(max_length=200)
    is_fine: bool


def add_review(app: FastAPI, session: StudioSession) -> None:
    """Add the routes to the page's server."""

    @app.post("/api/review")
    def review(sent: Verdict) -> dict[str, Any]:
        fixes = session.require_fixes()
        fixes.review(sent.key, is_fine=sent.is_fine)
        return {"incidents": fixes.timeline()["incidents"]}

    @app.get("/api/review/{frame_idx:int}/{object_id:int}.jpg")
    def incident(frame_idx: int, object_id: int) -> Response:
        small = session.thumbnails.get(frame_idx)
        if small is None:
            return Response(status_code=204)
        labels = session.require_fixes().mask(frame_idx)
        image = np.asarray(Image.open(io.BytesIO(small)).convert("RGB"))
        return Response(
            jpeg(draw_incident(image, labels, object_id), _QUALITY), media_type="image/jpeg"
        )


def draw_incident(image: np.ndarray, labels: np.ndarray | None, object_id: int) -> np.ndarray:
    """Return a small picture of a frame with one object's mask over it, uint8 H x W x 3."""
    height, width = image.shape[:2]
    size = (min(_WIDTH_PX, width), max(1, round(height * min(_WIDTH_PX, width) / width)))
    small = np.asarray(Image.fromarray(image).resize(size), np.float32)
    if labels is None or not 0 < object_id < len(colours()):
        return small.astype(np.uint8)
    is_object = Image.fromarray(np.where(labels == object_id, 255, 0).astype(np.uint8))
    share = np.asarray(is_object.resize(size), np.float32)[..., None] / 255 * _STRENGTH
    colour = np.frombuffer(bytes.fromhex(colours()[object_id][1:]), np.uint8)
    return (small * (1 - share) + colour * share).round().astype(np.uint8)
