"""Whatever a file holds, its reader gives our types or our error: no other exception, no bomb.

Every reader of a kind of file is fed random bytes, random JSON, good files with a part changed,
and what broke it once.
"""

from __future__ import annotations

import io
import json
import pickle
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vos import bounded
from vos.config import load_yaml
from vos.errors import VosError
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import Checkpoint, CheckpointStore, SavedState, saved_by_another
from vos.io.results.folder import is_saved_run
from vos.io.results.manifest import (
    edits_in_force,
    is_identity,
    read_manifest,
)
from vos.io.write.mask_png import encode_label_png
from vos.io.write.stats_file import StatsFile
from vos.model.files.weights import load_state_dict
from vos.model.networks.nano.file import NANO_CONFIG_KEY, read_nano_config
from vos.prompts import parse_mask
from vos.prompts.detections.first_boxes import take_first_boxes
from vos.prompts.detections.read import read_detections
from vos.prompts.file import load_named_prompts
from vos.refine.registry import RefinerSpec
from vos.refine.resolve import HEADER_KEY, read_info
from vos.settings import resolve
from vos_cli.batch.clips.rows import read_rows
from vos_cli.batch.folder import BatchFolder
from vos_cli.batch.report.highlights import low_score_spans
from vos_cli.job.null_model import NullStream
from vos_cli.job.resumable import reached
from vos_eval.errors import EvalError
from vos_eval.image_sets import read_image, read_label
from vos_eval.png import MaskError, check_header, read_labels
from vos_eval.protocols.davis import list_sequences
from vos_eval.protocols.lvos import load_meta, read_unseen

OURS = (VosError, EvalError, MaskError)
DEEP = b"[" * 100_000
HUGE = b"9" * 5000
QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Kind:
    """One kind of file. read: gets its path. good: a valid one."""

    name: str
    read: Callable[[Path], Any]
    good: bytes
    file_name: str = "file"


def _settings(path: Path) -> Any:
    return resolve({}, {"VOS_CONFIG": str(path)})


def _boxes(path: Path) -> Any:
    return take_first_boxes(read_detections(str(path)), (64, 96))


def _manifest(path: Path) -> Any:
    """Read it, and use what is promised to be there."""
    manifest = read_manifest(path.parent)
    if manifest is None:
        return
    edits_in_force(manifest)
    if is_identity(manifest):
        assert isinstance(manifest["input"]["name"], str)
        assert isinstance(manifest["parameters"], dict)


def _stats(path: Path) -> Any:
    low_score_spans(path)
    stats = StatsFile(path)
    stats.series()
    return stats.rows(0)


def _checkpoint(path: Path) -> Any:
    whole, _ = CheckpointStore(path.parent).load(is_saved_run)
    return [reached(one.header["state"]) for one in whole]


def _sav(path: Path) -> Any:
    (path.parent / "ImageSets/2017").mkdir(parents=True, exist_ok=True)
    (path.parent / "ImageSets/2017/val.txt").write_bytes(path.read_bytes())
    return list_sequences(path.parent)


def _seal(body: bytes) -> bytes:
    import hashlib

    return b"vosckpt1" + hashlib.sha256(body).digest() + body


def _safetensors(metadata: dict[str, str]) -> bytes:
    header = {"__metadata__": metadata, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


def _torch_file() -> bytes:
    import torch

    file = io.BytesIO()
    torch.save({"model": {"a": torch.zeros(3), "b": torch.ones(2, 2)}}, file)
    return file.getvalue()


BOX = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [1, 2, 30, 40]}
COCO = {
    "images": [{"id": 1, "file_name": "f_0.jpg", "width": 96, "height": 64}],
    "annotations": [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 30, 40], "track_id": 3}],
    "categories": [{"id": 2, "name": "dog"}],
}
PROMPTS = json.dumps({"schema": 1, "size_hw": [64, 96], "names": {"1": "a"}, "prompts": [BOX]})
MANIFEST = {
    "schema": 1,
    "input": {"name": "a.mp4", "size_bytes": 3, "sha256": "0" * 64},
    "parameters": {"prompts": [BOX], "direction": "both", "save": ["masks", "stats"]},
    "model_sha256": "0" * 64,
    "source": "../a.mp4",
    "frame_count": 3,
    "warnings": ["a"],
    "scene_cuts": [2],
    "stale": {"overlay.mp4": [[0, 3]]},
    "history": [
        {
            "edit": 1,
            "when": "now",
            "prompts": [BOX],
            "spans": [{"object_id": 1, "first": 0, "last": 2}],
        },
        {"undo": 1, "when": "now"},
    ],
    "files": {"masks": 3},
}
ROW = {"frame_idx": 0, "object_id": 1, "area_px": 9, "iou_pred": 0.5, "object_score": None}
SAVED = {
    "identity": {name: MANIFEST[name] for name in ("input", "parameters", "model_sha256")},
    "source": "../a.mp4",
    "state": {
        "values": {
            "stream": {
                "frames": 3,
                "steps": 3,
                "frame_idx": 2,
                "cuts": {"found": [1], "state": {"picture": None, "size_hw": None, "recent": []}},
            },
            "stats": {"file": {"bytes": 3, "crc32": 4}},
        },
        "machine": {},
        "notes": [],
    },
}


def _checkpoint_bytes(header: Any, sizes: Any = None) -> bytes:
    text = json.dumps({"header": header, "sizes": {"stream": 2} if sizes is None else sizes})
    return _seal(len(text).to_bytes(8, "little") + text.encode() + b"xx")


NANO = {
    "image_size": 256,
    "trunk": "efficientnet-lite0",
    "key_dim": 64,
    "embed_dim": 48,
    "stages": [1, 2, 6],
    "d_model": 128,
    "mem_dim": 64,
    "memory_layers": 2,
    "memory_mlp_dim": 512,
    "memory_slots": 7,
    "pointer_span": 16,
    "decoder_mlp_dim": 512,
    "decoder_heads": 8,
}
REFINER = {
    "format": 1,
    "kind": "samref",
    "options": {"blocks": 2},
    "base": {"name": "nano", "sha256": "0"},
}
META = {
    "videos": {"a": {"objects": {"1": {"frame_range": {"start": 0, "end": 9, "frame_nums": 2}}}}}
}
CLIP_RESULT = {"name": "a", "state": "done", "warnings": ["x"], "low_scores": [], "seconds": 1.5}
MASK = encode_label_png(np.eye(9, dtype=np.uint8))

JSON_KINDS = [
    Kind("prompts", load_named_prompts, PROMPTS.encode()),
    Kind("manifest", _manifest, json.dumps(MANIFEST).encode(), "manifest.json"),
    Kind("stats", _stats, json.dumps(ROW).encode() + b"\n"),
    Kind("clip", lambda p: BatchFolder(p.parent.parent).read_result("a"),
         json.dumps(CLIP_RESULT).encode(), "status/a.json"),
    Kind("jsonl", lambda p: read_rows(str(p)), b'{"source": "a", "box": ["1,2,3,4"]}', "a.jsonl"),
    Kind("lvos", load_meta, json.dumps(META).encode()),
    Kind("coco", _boxes, json.dumps(COCO).encode()),
]  # fmt: skip
TEXT_KINDS = [
    *JSON_KINDS,
    Kind("csv", lambda p: read_rows(str(p)), b"source,box,name\na.mp4,\"1,2,3,4\",b\n", "a.csv"),
    Kind("list", lambda p: read_rows(str(p)), b"# clips\na.mp4\nb.mp4\n", "a.txt"),
    Kind("toml", _settings, b'model = "nano"\nsize = 512\ncheckpoint_s = 1.5\nsave = ["masks"]\n'),
    Kind("yaml", lambda p: load_yaml(RefinerSpec, p), b"kind: samref\noptions:\n  blocks: 2\n"),
    Kind("mot", _boxes, b"1,3,10,20,30,40,0.9\n2,3,11,20,30,40,1\n"),
    Kind("yolo", _boxes, b"0 0.5 0.5 0.2 0.3 0.9 4\n1 0.2 0.2 0.1 0.1 0.8 7\n"),
    Kind("sequences", _sav, b"bear\ncamel\n"),
    Kind("unseen", read_unseen, b"a b\nc\n"),
]  # fmt: skip
BINARY_KINDS = [
    Kind("checkpoint", _checkpoint, _checkpoint_bytes(SAVED), "checkpoint-00000001"),
    Kind("weights", load_state_dict, _torch_file()),
    Kind("safetensors", load_state_dict, _safetensors({})),
    Kind("nano", read_nano_config, _safetensors({NANO_CONFIG_KEY: json.dumps(NANO)})),
    Kind("refiner", read_info, _safetensors({HEADER_KEY: json.dumps(REFINER)})),
    Kind("mask", lambda p: parse_mask(str(p)), MASK),
    Kind("labels", read_labels, MASK),
    Kind("header", check_header, MASK),
    Kind("label", read_label, MASK),
    Kind("image", read_image, MASK),
]


def name_of(kind: Kind) -> str:
    return kind.name


def give(kind: Kind, folder: Path, data: bytes) -> bool:
    """Read these bytes as this kind; whether they were taken."""
    path = folder / kind.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    started = time.monotonic()
    try:
        kind.read(path)
    except OURS:
        return False
    finally:
        assert time.monotonic() - started < 10
    return True


@pytest.mark.parametrize("kind", [*TEXT_KINDS, *BINARY_KINDS], ids=name_of)
def test_a_good_file_is_taken(kind: Kind, tmp_path: Path):
    assert give(kind, tmp_path, kind.good)


@pytest.mark.parametrize("kind", [*TEXT_KINDS, *BINARY_KINDS], ids=name_of)
@QUICK
@given(data=st.data())
def test_bytes(kind: Kind, tmp_path: Path, data: st.DataObject):
    """Random ones, and a good file cut, grown, or with some of its bytes replaced."""
    made = bytearray(kind.good)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(made)))
        length = data.draw(st.sampled_from([0, 1, 2, 8, 1000]))
        made[place : place + length] = data.draw(st.binary(max_size=12))
    give(kind, tmp_path, bytes(made))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**70), 10**300])
    | st.floats()
    | st.sampled_from(["", "\0", "..", "/etc/x", "a\nb", "1f", "9" * 400, "\u00b2", "a" * 300])
)
values = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one)
)


def replace_part(root: Any, data: st.DataObject) -> Any:
    """The same JSON with one value, somewhere in it, replaced or left out."""
    if isinstance(root, dict) and root and data.draw(st.integers(0, 3)):
        key = data.draw(st.sampled_from(sorted(root)))
        if data.draw(st.integers(0, 4)) == 0:
            return {name: value for name, value in root.items() if name != key}
        return {**root, key: replace_part(root[key], data)}
    if isinstance(root, list) and root and data.draw(st.integers(0, 3)):
        index = data.draw(st.integers(0, len(root) - 1))
        return [*root[:index], replace_part(root[index], data), *root[index + 1 :]]
    return data.draw(values)


@pytest.mark.parametrize("kind", JSON_KINDS, ids=name_of)
@QUICK
@given(data=st.data())
def test_json_of_other_types(kind: Kind, tmp_path: Path, data: st.DataObject):
    made = replace_part(json.loads(kind.good), data)
    give(kind, tmp_path, json.dumps(made).encode() + b"\n")


@QUICK
@given(data=st.data())
def test_a_checkpoint_with_the_right_checksum(tmp_path: Path, data: st.DataObject):
    kind = next(kind for kind in BINARY_KINDS if kind.name == "checkpoint")
    made = replace_part(SAVED, data)
    sizes = data.draw(
        st.sampled_from([None, {"a": -1}, {"a": 10**12}, {"a": "x"}, [], {"a": True}])
    )
    give(kind, tmp_path, _checkpoint_bytes(made, sizes))


@QUICK
@given(data=st.data())
def test_a_state_of_a_stream(data: st.DataObject):
    """Of the null model, whose reading of it needs no network."""
    good = {"done": [3, 3], "cuts": SAVED["state"]["values"]["stream"]["cuts"]}
    made = replace_part(good, data)
    try:
        with saved_by_another():
            NullStream(None, [_Prompt()], start=None, end=None, resume=SavedState(made))  # pyright: ignore
    except OURS:
        pass


class _Prompt:
    object_id, frame_idx = 1, 0


@QUICK
@given(mark=values)
def test_a_mark_of_a_file_that_grows(tmp_path: Path, mark: Any):
    (tmp_path / "file").write_bytes(b"abcdef")
    try:
        with saved_by_another(), AppendFile(tmp_path / "file", mark or {"bytes": -1}):
            pass
    except OURS:
        pass


@pytest.mark.parametrize("key", [NANO_CONFIG_KEY, HEADER_KEY])
@QUICK
@given(data=st.data())
def test_what_a_weight_file_says_of_itself(tmp_path: Path, key: str, data: st.DataObject):
    made = replace_part(NANO if key == NANO_CONFIG_KEY else REFINER, data)
    name = "nano" if key == NANO_CONFIG_KEY else "refiner"
    kind = next(kind for kind in BINARY_KINDS if kind.name == name)
    give(kind, tmp_path, _safetensors({key: json.dumps(made)}))


# What broke a reader once


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DEEP,
        b'{"a":' * 100_000,
        b"[" * 40 + b"]" * 40,
        HUGE,
        b'{"schema": ' + HUGE + b"}",
        b'{"schema": 1e999}',
        b'{"schema": NaN}',
        b'{"schema": 1, "schema": 1}',
        b'{"schema": 1, "files": {"a": 1, "\\ud83d": 1}}',
        b'"\\udfff"',
        b"\xff\xfe",
        b"\xff\xfeab\x00",
        b"\xfe\xff\xd8\x00",
        b"\x00" * 50,
        b"size = inf",
        b"size = nan",
        b"size = " + HUGE,
        b"checkpoint_s = " + b"9" * 400,
        b"a = " + b"[" * 50_000,
        b"source\r" + b"a.mp4\r" * 3,
        b"source,box\n" + b"a" * 140_000 + b",1\n",
        b'source,box\n"a.mp4\n' * 3,
        b'source,"box\n',
        b"/**/*.png\n",
        b'{"source": "/**/*.png"}',
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        b"kind: " + HUGE,
        b"kind: 2020-99-99",
        b"kind: !!python/object/apply:os.system [ls]",
        b"? [a]\n: b\n",
        b"..\n",
        b"a/../../b/c.png x\n",
        b"x" * 5000,
    ],
    ids=lambda data: repr(data[:24]),
)
@pytest.mark.parametrize("kind", [*TEXT_KINDS, *BINARY_KINDS], ids=name_of)
def test_known_bad_content(kind: Kind, data: bytes, tmp_path: Path):
    give(kind, tmp_path, data)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("kind", TEXT_KINDS, ids=name_of)
def test_the_mark_says_the_encoding(kind: Kind, encoding: str, tmp_path: Path):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    if kind.name in ("stats", "clip", "manifest"):
        pytest.skip("written by us alone")
    assert give(kind, tmp_path, mark + kind.good.decode().encode(encoding))


def test_names_in_utf_16_are_the_names(tmp_path: Path):
    (tmp_path / "list").write_bytes("bear\ncam\u00e9l\n".encode("utf-16"))
    assert _sav(tmp_path / "list") == ["bear", "cam\u00e9l"]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_of_a_manifest_end_as_they_like(end: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(["source,name", "a.mp4,one", "b.mp4,two"]).encode())
    assert [row.name for row in read_rows(str(path))] == ["one", "two"]


def test_a_row_with_a_long_cell_is_bad_and_the_others_are_not(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(f"source,name\na.mp4,one\nb.mp4,{'x' * 140_000}\nc.mp4,two\n")
    rows = read_rows(str(path))
    assert [row.name for row in rows if row.problem is None] == ["one", "two"]
    assert [row.place for row in rows if row.problem] == ["a.csv:3"]


def test_sixty_thousand_keys_take_no_time(tmp_path: Path):
    path = tmp_path / "p.json"
    path.write_text("{" + ", ".join(f'"k{i}": {i}' for i in range(60_000)) + "}")
    started = time.monotonic()
    with pytest.raises(VosError):
        load_named_prompts(path)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("item", "count"), [("[],", 3_000_000), ("1,", 9_000_000)])
def test_more_values_than_any_file_has_are_not_made(item: str, count: int):
    text = f"[{item * count}0]"
    with pytest.raises(bounded.UnfitError, match="too many"):
        bounded.parse_json(text)


@given(value=values)
@QUICK
def test_what_is_parsed_can_be_written_and_shown(value: Any):
    try:
        parsed = bounded.parse_json(json.dumps(value))
    except ValueError:
        return
    assert bounded.parse_json(json.dumps(parsed)) == parsed
    assert len(bounded.brief(parsed)) <= 60
    json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "value", [10**6000, "a" * 10**6, [[[[[[]]]]]], {"a": [1] * 10**6}, None], ids=list("abcde")
)
def test_anything_can_be_shown(value: Any):
    assert len(bounded.brief(value)) <= 60


# Weights that are larger, or do more, than they look


def compressed(data: bytes, method: int) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", method) as new,
    ):
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                content += b"\0" * 50_000_000
            new.writestr(entry.filename, content)
    return file.getvalue()


class _Bytes:
    def __reduce__(self) -> Any:
        return bytearray, (3 * 10**9,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_few_bytes_make_no_gigabytes(tmp_path: Path, protocol: int):
    path = tmp_path / "a.pt"
    path.write_bytes(pickle.dumps({"model": {"a": _Bytes()}}, protocol))
    with pytest.raises(VosError):
        load_state_dict(path)


def test_compressed_weights_are_refused(tmp_path: Path):
    path = tmp_path / "a.pt"
    path.write_bytes(compressed(_torch_file(), zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 200_000
    with pytest.raises(VosError, match="compressed"):
        load_state_dict(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x020.",
        b"\x80\x02.",
        b"\x80\x02]r\xff\xff\xff\xff.",
        b"\x80\x02ccopy_reg\n_reconstructor\n.",
    ],
)
def test_pickles_that_end_early(tmp_path: Path, data: bytes):
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    with pytest.raises(VosError):
        load_state_dict(path)


def test_a_mask_of_more_pixels_than_8k_is_no_mask(tmp_path: Path):
    size = (20_000).to_bytes(4, "big") * 2
    head = b"IHDR" + size + bytes([8, 0, 0, 0, 0])
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [
        (len(one) - 4).to_bytes(4, "big") + one + zlib.crc32(one).to_bytes(4, "big")
        for one in (head, data, b"IEND")
    ]
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    for read in (read_labels, check_header, lambda one: parse_mask(str(one))):
        with pytest.raises(OURS):
            read(path)


def test_a_device_without_end_is_no_text_file():
    for read in (load_named_prompts, load_meta, _settings):
        with pytest.raises(OURS):
            read(Path("/dev/zero"))


def test_a_png_stays_a_mask(tmp_path: Path):
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png").sum() == 5


def test_saved_parts_are_what_was_saved(tmp_path: Path):
    store = CheckpointStore(tmp_path / "c")
    store.write(Checkpoint(SAVED, {"a": b"12", "b": b""}))
    assert store.load(is_saved_run) == ([Checkpoint(SAVED, {"a": b"12", "b": b""})], 0)
