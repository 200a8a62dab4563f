"""Every command and example that users are shown runs here, or says on the page why it does not."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from contract import doc_examples, test_python_page
from contract.doc_examples import ROOT, Block, draw_video, find_blocks, pages, read_blocks
from vos import loading
from vos.model.load import ModelInfo
from vos.track import everything, lookout
from vos_cli.main import load_command, run
from vos_cli.options.bare import BARE, mark_bare

SHOWN = ("text", "json", "csv", "toml", "yaml")
"""Languages of blocks that nobody runs: forms of commands, what they print, files."""

ELSEWHERE = {
    "docs/use/serve.md": "tests/unit/cli/serve/test_api.py",
    **dict.fromkeys(test_python_page.PAGES, "tests/contract/test_python_page.py"),
}
"""Tests that run a page's Python."""

BLOCKS = [block for page in pages() for block in read_blocks(page)]
COMMANDS = [block for block in BLOCKS if block.tag == "sh"]
RUN = sorted({block.page for block in COMMANDS if block.why_not_run is None})
WITH_MODEL = ("docs/use/everything.md", "docs/use/fix.md")
"""Pages whose commands need a model that finds something; others do with the null model."""


def problem(block: Block) -> str | None:
    """Say why a block is neither run, nor marked, nor something that nobody runs."""
    if block.tag in SHOWN:
        return None if block.why_not_run is None else "has a mark, and is nothing to run"
    if block.tag == "sh":
        others = {words[0] for words in block.commands()} - {"vos"}
        if others and block.why_not_run is None:
            return f"only commands of vos are run: mark it, for {', '.join(sorted(others))}"
        return None
    if block.tag == "python":
        is_run = block.page in ELSEWHERE or block.page == "docs/use/detections.md"
        return None if is_run or block.why_not_run is not None else "no test runs it: mark it"
    return f"its language is {block.tag or 'none'}: one of sh, python, {', '.join(SHOWN)}"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_runs_or_says_why_not(block: Block):
    assert problem(block) is None


def test_what_would_not_run_is_found():
    page = (
        "<!-- not run: needs data -->\n```sh\nmake x\n```\n\n"
        "```sh\nvos a \\\n  b  # c\nmake x\n```\n"
        "```\nx\n```\n\n    vos x\n\n```python\nx\n```\n```bash\nx\n```\n"
    )
    found = {str(block): problem(block) for block in find_blocks("a.md", page)}
    assert found == {
        "a.md:2": None,
        "a.md:6": "only commands of vos are run: mark it, for make",
        "a.md:11": "its language is none: one of sh, python, text, json, csv, toml, yaml",
        "a.md:15": "its language is none: one of sh, python, text, json, csv, toml, yaml",
        "a.md:17": "no test runs it: mark it",
        "a.md:20": "its language is bash: one of sh, python, text, json, csv, toml, yaml",
    }
    (_, block, *_) = find_blocks("a.md", page)
    assert block.commands() == [["vos", "a", "b"], ["make", "x"]]


def test_the_tests_that_run_python_name_their_pages():
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / test).read_text(), test


def of_vos(block: Block) -> list[list[str]]:
    return [words[1:] for words in block.commands() if words[0] == "vos"]


@pytest.mark.parametrize("block", [b for b in COMMANDS if of_vos(b)], ids=str)
def test_every_command_that_is_shown_can_be_read(block: Block):
    """Those that are not run, too: their options exist, and their values have the right form."""
    for name, *words in of_vos(block):
        command = load_command(name)
        while hasattr(command, "commands"):
            command, words = command.commands[words[0]], words[1:]
        command.make_context(name, list(words))  # raises for what it does not know


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.text.startswith("vos ")], ids=str)
def test_every_option_that_is_named_exists(block: Block):
    """The forms of commands, too."""
    for part in re.split(r"^vos ", block.text, flags=re.MULTILINE)[1:]:
        name, *_ = part.split()
        command = load_command(name)
        below = [command, *getattr(command, "commands", {}).values()]
        known = {word for one in below for p in one.params for word in p.opts}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", re.sub(r"#.*", "", part)))
        assert named - known == set()


def opens_a_page(words: list[str]) -> bool:
    """Tell which commands wait for somebody to draw; the tests with a browser run these."""
    name, *rest = words
    is_looking = name == "fix" and not any(word.startswith("-") for word in rest)
    return name == "pick" or is_looking or (name == "track" and BARE in mark_bare(rest))


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, value in (("VOS_MODELS", "models"), ("HF_HUB_CACHE", "hub"), ("HOME", "home")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setenv("VOS_MODEL", "null")
    monkeypatch.setenv("VOS_SAVE", "masks,stats")
    doc_examples.make_files(tmp_path)
    return tmp_path


def run_all(page: str, capsys) -> None:
    for block in read_blocks(page):
        if block.tag == "sh" and block.why_not_run is None:
            for words in of_vos(block):
                if not opens_a_page(words):
                    assert run(words) == 0, f"{block}: {words}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", [page for page in RUN if page not in WITH_MODEL])
def test_commands_run(page: str, place: Path, monkeypatch, capsys):
    if page == "docs/use/export.md":
        assert run(["track", "film.mp4", "--box", "100,50,400,300"]) == 0
    if page == "docs/use/detections.md":
        run_detector(page, monkeypatch)
    run_all(page, capsys)


@pytest.mark.parametrize("page", WITH_MODEL)
def test_commands_run_with_a_model(page: str, place: Path, tiny_model, monkeypatch, capsys):
    """With a small one in nano's place."""
    info = ModelInfo("nano", "nano", Path("nano"), "0" * 64, tiny_model.image_size, False)
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: (tiny_model, info))
    monkeypatch.setattr(everything, "find_everything", lambda *_: [])
    square = SimpleNamespace(iou_pred=0.9, mask=lambda size_hw: np.eye(*size_hw, dtype=bool))
    monkeypatch.setattr(lookout, "find_everything", lambda *_: [square])
    monkeypatch.setenv("VOS_MODEL", "nano")
    monkeypatch.setenv("VOS_REFINER", "none")
    draw_video(place / "video.mp4", 3)
    if page == "docs/use/fix.md":
        draw_video(place / "film.mp4", 21, (432, 320))
        assert run(["track", "film.mp4", "--box", "1:100,50,400,300", "--point", "2:50,20"]) == 0
        (place / "prompts.json").rename(place / "corrections.json")
    run_all(page, capsys)


def run_detector(page: str, monkeypatch) -> None:
    """Run the page's Python with a detector that needs no weights."""
    found = [
        {"score": 0.9, "label": "a dog", "box": {"xmin": 9, "ymin": 8, "xmax": 60, "ymax": 50}},
        {"score": 0.1, "label": "a dog", "box": {"xmin": 0, "ymin": 0, "xmax": 5, "ymax": 5}},
    ]
    stand_in = SimpleNamespace(pipeline=lambda *_, **__: lambda _image, **_more: found)
    monkeypatch.setitem(sys.modules, "transformers", stand_in)
    (block,) = (one for one in read_blocks(page) if one.tag == "python")
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})
    assert Path("found.json").read_text() == '[{"frame_idx": 0, "bbox": [9, 8, 51, 42]}]'
