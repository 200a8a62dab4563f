"""A program that uses `vos` passes a strict type checker, and one that misuses it does not."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vos
import vos_eval

PROGRAM = '''
"""What a user writes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

import vos

Image = npt.NDArray[np.uint8]


def camera() -> Iterator[Image]:
    yield np.zeros((64, 96, 3), np.uint8)


def areas(tracker: vos.Tracker, box: vos.Box) -> dict[int, int]:
    return {r.frame_idx: int(r.masks[1].sum()) for r in tracker.track("a.mp4", [box], soft=True)}


class Twice(vos.NoRefiner):
    name = "twice"


class Policy(vos.Fifo):
    pass


def main() -> None:
    options = vos.ModelOptions(device="cpu", size=512)
    tracker = vos.load(options, refiner=Twice(), policy=Policy())
    refiner: vos.Refiner = Twice()
    policy: vos.MemoryPolicy = Policy()
    prompts: list[vos.Prompt] = [
        vos.Box(1, (1, 2, 3, 4)),
        vos.Points(2, ((1, 2),), (1,)),
        vos.Polygon(3, ((1, 2), (3, 4), (5, 6))),
        vos.Scribble(4, ((1, 2), (3, 4))),
    ]
    for result in tracker.track(camera(), prompts, rate="30000/1001"):
        score: float = result.objects[1].iou_pred
        print(result.pts.numerator, score, result.own_masks, result.mattes[1].shape)
    session: vos.Session = tracker.session(prompts, rate=30)
    for image in camera():
        frame: vos.Frame = session.next_frame(image)
        objects: dict[int, vos.ObjectLogits] = session.decode(frame)
        whole: vos.FrameResult = session.compose(frame, objects).wait()
        again: vos.FrameResult = session.track(image)
        print(whole.name, again.name, objects[1].mask(frame.size_hw).any())
    with vos.open_source("a.mp4") as source:
        size: tuple[int, int] = source.info.size_hw
        pairs: list[tuple[vos.Frame, vos.FrameResult]] = list(tracker.stream(source, prompts))
        list(tracker.track(source, prompts))
    first = vos.segment_image("a.jpg", prompts, "nano", device="cpu")
    print(areas(tracker, vos.Box(1, (1, 2, 3, 4))), refiner, policy, size, pairs, first.label_map)
    try:
        vos.save_prompts("p.json", vos.load_prompts("p.json"))
    except vos.VosError as error:
        print(error)


main()
'''
WRONG = {
    "vos.nothing": "nothing",
    "vos.Box('1', (1, 2, 3, 4))": "int",
    "vos.load('nano').track(3, [])": "track",
    "vos.load('nano').track('a.mp4', [], direction='up')": "direction",
    "print(vos.load('nano').session().track(None))": "None",
}


def mypy(folder: Path) -> dict[str, list[str]]:
    """Return the messages by file."""
    found = [str(Path(package.__path__[0]).parent) for package in (vos, vos_eval)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent",
         "--cache-dir", str(folder / "cache"), *(p.name for p in folder.glob("*.py"))],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"MYPYPATH": ":".join(found)},
    )  # fmt: skip
    messages: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        messages.setdefault(line.partition(":")[0], []).append(line)
    return messages


def pyright(folder: Path) -> dict[str, list[str]]:
    """Return the messages by file."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    messages: dict[str, list[str]] = {}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        messages.setdefault(Path(one["file"]).name, []).append(one["message"])
    return messages


@pytest.mark.slow
def test_a_strict_checker_passes_what_is_right_and_finds_what_is_wrong(tmp_path: Path):
    (tmp_path / "right.py").write_text(PROGRAM)
    for index, line in enumerate(WRONG):
        (tmp_path / f"wrong{index}.py").write_text(f"import vos\n\n{line}\n")
    check = mypy if importlib.util.find_spec("mypy") else pyright
    messages = check(tmp_path)
    assert messages.get("right.py", []) == []
    for index, (line, word) in enumerate(WRONG.items()):
        assert any(word in text for text in messages.get(f"wrong{index}.py", [])), line


@pytest.mark.parametrize("package", [vos, vos_eval])
def test_both_packages_say_that_they_are_typed(package):
    assert (Path(package.__path__[0]) / "py.typed").is_file()
