"""What is written as JSON is what the published schemas say, and they refuse what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e import clips
from vos.prompts import Box, MaskPrompt, Points, Polygon, Scribble, load_prompts, save_prompts
from vos_cli.main import run

jsonschema = pytest.importorskip("jsonschema", reason="a development dependency")
SCHEMAS = Path(__file__).resolve().parents[2] / "docs/schemas"


def _validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _check(name: str, content: Any) -> None:
    assert [error.message for error in _validator(name).iter_errors(content)] == []


@pytest.fixture(scope="module")
def batch(tmp_path_factory) -> Path:
    """The output of a batch in which one clip is done and one fails."""
    folder = tmp_path_factory.mktemp("batch")
    clips.video(folder / "a.mp4", 3)
    (folder / "b.mp4").write_bytes(b"no video")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["batch", ".", "-o", "out", "--box", clips.BOX, "--model", "null"]
        assert run([*words, "--save", "masks,stats"]) == 4
    return folder / "out"


def test_manifest_stats_prompts_and_report_of_real_runs(batch: Path):
    clip = batch / "clips/a.mp4"
    _check("manifest-2", json.loads((clip / "manifest.json").read_text()))
    _check("prompts-1", json.loads((clip / "prompts.json").read_text()))
    lines = (clip / "stats.jsonl").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        _check("stats-1", json.loads(line))
    report = json.loads((batch / "report.json").read_text())
    assert {one["state"] for one in report["clips"]} == {"done", "failed"}
    _check("report-1", report)


def test_every_kind_of_prompt_and_names(tmp_path: Path):
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:5, 2:5] = True
    prompts = [
        Box(1, (1, 2, 3, 4.5)),
        Points(2, ((1, 2), (3, 4)), (1, 0), 3),
        Polygon(3, ((1, 1), (5, 1), (3, 6))),
        Scribble(4, ((1, 2),), positive=False),
        MaskPrompt(5, mask),
    ]
    save_prompts(tmp_path / "p.json", prompts, size_hw=(9, 9), names={1: "dog"})
    _check("prompts-1", json.loads((tmp_path / "p.json").read_text()))


def test_the_page_s_example_is_a_prompt_file(tmp_path: Path):
    example = (SCHEMAS / "README.md").read_text().split("```json\n")[1].split("```")[0]
    _check("prompts-1", json.loads(example))
    (tmp_path / "p.json").write_text(example)
    assert len(load_prompts(tmp_path / "p.json")) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": 2, "prompts": []},
        {"schema": 1, "prompts": [], "boxes": []},
        {"schema": 1, "prompts": [{"type": "box", "object_id": 0, "box_xyxy_px": [1, 2, 3, 4]}]},
        {"schema": 1, "prompts": [{"type": "box", "object_id": 1, "box_xyxy_px": [1, 2, 3]}]},
        {"schema": 1, "prompts": [{"type": "mask", "object_id": 1}]},
        {"schema": 1, "prompts": [{"type": "cube", "object_id": 1}]},
    ],
)
def test_the_schema_of_prompt_files_refuses_what_vos_refuses(tmp_path: Path, wrong: Any):
    assert not _validator("prompts-1").is_valid(wrong)
    (tmp_path / "p.json").write_text(json.dumps(wrong))
    with pytest.raises(Exception, match=r"p\.json"):
        load_prompts(tmp_path / "p.json")
