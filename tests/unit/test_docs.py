"""Pages name only what exists, and results that claim to be current are of the shipped weights."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks/results"
WEIGHTS = ROOT / "vos/weights"

_spec = importlib.util.spec_from_file_location("check_docs", ROOT / ".ci/check_docs.py")
assert _spec is not None
assert _spec.loader is not None
check_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_docs)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the index of results.

    page: file name of the page.
    weights: the weights that its numbers depend on, as its header line says.
    state: "current" or "stale".
    """

    page: str
    weights: str
    state: str


def read_index() -> list[Row]:
    lines = (RESULTS / "README.md").read_text().splitlines()
    cells = [[cell.strip() for cell in x.strip("|").split(" | ")] for x in lines if x[:3] == "| ["]
    return [Row(re.findall(r"\((.+?)\)", c[0])[0], c[3], c[5]) for c in cells]


@pytest.mark.parametrize("page", check_docs.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_well_formed_and_name_only_what_exists(page: Path):
    assert check_docs.problems(page) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two\nthree.\n", "One.\nTwo three.\n"),
        ("1. **One.** Two.\n   Three.\n2. Four.\n", "1. **One.**\n   Two.\n   Three.\n2. Four.\n"),
        ("* One (e.g. Two). `three`.\n", "* One (e.g. Two).\n  `three`.\n"),
        ("```\nOne. Two.\n```\n\n    Three. Four.\n", None),
        ("| One. Two. |\n|---|\n\n# Three. Four.\n", None),
    ],
)
def test_one_sentence_per_line(text: str, wanted: str | None):
    assert check_docs.one_sentence_per_line(text) == (text if wanted is None else wanted)


def test_links_paths_modules_and_cells_are_checked(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "there.md").touch()
    page = tmp_path / "docs/page.md"
    page.write_text(
        "[a](../there.md), [b](gone.md#part), [c](https://example.com).\n\n"
        "`docs/gone.py` and `HQ/train/README.md`, `python -m vos.gone`.\n\n"
        f"| {'x' * 200} | {'y' * 201} |\n"
    )
    assert check_docs.problems(page) == [
        "docs/page.md:1: no such file: gone.md#part",
        "docs/page.md:3: no such file: docs/gone.py",
        "docs/page.md:3: no such module: vos.gone",
        "docs/page.md:5: a table cell of 201 characters",
    ]


def test_every_page_of_results_is_in_the_index_once():
    pages = sorted(path.name for path in RESULTS.glob("*.md") if path.name != "README.md")
    assert sorted(row.page for row in read_index()) == pages


@pytest.mark.parametrize("row", read_index(), ids=lambda row: row.page)
def test_results_are_of_the_weights_they_claim(row: Row):
    lines = (RESULTS / row.page).read_text().splitlines()
    assert [x for x in lines if x.startswith("Weights: ")] == [f"Weights: {row.weights}"]
    assert row.state in ("current", "stale")
    if row.state == "current" and row.weights != "none":
        for name, sha256 in (one.split() for one in row.weights.split(", ")):
            shipped = (WEIGHTS / f"{name}.safetensors").read_bytes()
            assert hashlib.sha256(shipped).hexdigest().startswith(sha256), f"run {row.page} again"


def test_every_page_is_in_the_site_s_navigation():
    listed = set(re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - listed == set(), "put it into nav of mkdocs.yml"
    generated = {"reference/cli.md", "reference/api.md"}
    assert {one for one in listed - generated if not one.startswith("project/")} <= pages
