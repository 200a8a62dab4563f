"""Damaged footage and data sets give frames and scores or our error: never another exception."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from contract.clips import picture
from vos.errors import VosError
from vos.io.read.open import open_source
from vos.io.write.mask_png import encode_label_png
from vos_eval.data_sets.check import check_data_set
from vos_eval.data_sets.davis import open_davis
from vos_eval.data_sets.lvos import open_lvos
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Options
from vos_eval.protocols.registry import PROTOCOLS

QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CODECS = {
    "a.mp4": "libx264",
    "a.mkv": "libx264",
    "a.ts": "libx264",
    "a.avi": "mpeg4",
    "a.y4m": "wrapped_avframe",
}
STILLS = ["png", "jpg", "tiff", "bmp", "webp", "ppm", "tga", "gif"]
SIZE = 48, 32


def write_video(path: Path) -> bytes:
    form = "yuv4mpegpipe" if path.suffix == ".y4m" else None
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(CODECS[path.name], rate=24)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(4):
            image = picture(index, *SIZE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def write_still(path: Path) -> bytes:
    images = [Image.fromarray(picture(index, *SIZE)) for index in range(3)]
    pages = {"save_all": True, "append_images": images[1:]}
    images[0].save(path, **(pages if path.suffix in (".tiff", ".webp", ".gif") else {}))
    return path.read_bytes()


def damaged(good: bytes, data: st.DataObject) -> bytes:
    """The bytes cut, grown, or with some replaced; more often near the start, where sizes are."""
    made = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        near = data.draw(st.sampled_from([64, 512, len(made)]))
        place = data.draw(st.integers(0, min(near, len(made))))
        length = data.draw(st.sampled_from([0, 1, 2, 8, 1000]))
        made[place : place + length] = data.draw(st.binary(max_size=12))
    return bytes(made)


def read(path: Path) -> int:
    """Read all frames; return how many. What may be raised is our error."""
    source = open_source(path)
    count = 0
    for frame in source.frames():
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        count += 1
    return count


@pytest.mark.parametrize(
    ("name", "write"),
    [
        *((name, write_video) for name in CODECS),
        *((f"a.{kind}", write_still) for kind in STILLS),
    ],
)
@QUICK
@given(data=st.data())
def test_footage(name: str, write: Callable[[Path], bytes], tmp_path: Path, data: st.DataObject):
    kept = tmp_path / "good"
    if not kept.exists():
        kept.mkdir()
        write(kept / name)
        assert read(kept / name) > 0
    (tmp_path / name).write_bytes(damaged((kept / name).read_bytes(), data))
    with contextlib.suppress(VosError):
        read(tmp_path / name)


# Data sets

MASK = encode_label_png(np.eye(24, dtype=np.uint8))
VIDEOS = ("0tCWPOrc", "8lxxCA5h")  # of LVOS, a seen and an unseen one
NUMBERS = range(1, 22, 5)


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_frame(path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(picture(0, 24, 24)).save(file, "jpeg")
    put(path, file.getvalue())


def write_davis(root: Path) -> None:
    for index in range(4):
        put(root / f"gt/Annotations/480p/a/{index:05}.png", MASK)
        put(root / f"pred/a/{index:05}.png", MASK)
        write_frame(root / f"gt/JPEGImages/480p/a/{index:05}.jpg")
    put(root / "gt/ImageSets/2017/val.txt", b"a\n")


def write_lvos(root: Path) -> None:
    span = {"frame_range": {"start": 1, "end": 21, "frame_nums": len(NUMBERS) - 1}}
    meta = {"videos": {video: {"objects": {"1": span}} for video in VIDEOS}}
    put(root / "gt/valid_meta.json", json.dumps(meta).encode())
    for video in VIDEOS:
        for number in NUMBERS:
            put(root / f"gt/Annotations/{video}/{number:08}.png", MASK)
            put(root / f"pred/{video}/{number:08}.png", MASK)
            write_frame(root / f"gt/JPEGImages/{video}/{number:08}.jpg")


def write_sav(root: Path) -> None:
    binary = encode_label_png(np.eye(24, dtype=np.uint8) * 255)
    for side in ("gt", "pred"):
        for index in range(4):
            put(root / side / f"a/{index:05}.png", MASK)
            put(root / side / f"b/000/{index:05}.png", binary)


def write_mosev2(root: Path) -> None:
    meta = {"videos": {"a": {"length": 4, "objects": {"1": {}}}}}
    put(root / "gt/meta.json", json.dumps(meta).encode())
    for index in range(4):
        for folder in ("gt/Annotations", "pred"):
            put(root / f"{folder}/a/{index:05}.png", MASK)


def write_vost(root: Path) -> None:
    put(root / "gt/ImageSets/val.txt", b"a\n")
    for index in range(4):
        put(root / f"gt/Annotations/a/{index:05}.png", MASK)
        put(root / f"pred/clips/a.mp4/masks/{index:05}.png", MASK)


def score(name: str, root: Path) -> None:
    """Score it, and read what a tracker gets of it."""
    evaluate(PROTOCOLS[name], root / "gt", root / "pred", Options(jobs=1))
    if name == "davis":
        check_data_set(open_davis(root / "gt"))
    elif name == "lvos":
        rules = PROTOCOLS[name]
        check_data_set(open_lvos(root / "gt", version="2", split="valid", protocol=rules))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("davis", write_davis),
        ("lvos", write_lvos),
        ("sav", write_sav),
        ("mosev2", write_mosev2),
        ("vost", write_vost),
    ],
)
@QUICK
@given(data=st.data())
def test_data_sets(name: str, write: Callable[[Path], None], tmp_path: Path, data: st.DataObject):
    kept, spoiled = tmp_path / "good", tmp_path / "spoiled"
    if not kept.exists():
        write(kept)
        score(name, kept)
    shutil.rmtree(spoiled, ignore_errors=True)
    shutil.copytree(kept, spoiled)
    files = sorted(path for path in spoiled.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix in (".json", ".txt")]
    path = data.draw(st.sampled_from(files + texts * 8))
    if data.draw(st.integers(0, 4)) == 0:
        path.unlink()
    else:
        path.write_bytes(damaged(path.read_bytes(), data))
    with contextlib.suppress(EvalError):
        score(name, spoiled)
