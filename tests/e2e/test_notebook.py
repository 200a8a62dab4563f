"""The notebook of the documentation runs from top to bottom and shows what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs/use/notebook.ipynb"


def read_cells() -> list[dict[str, Any]]:
    return json.loads(NOTEBOOK.read_text("utf-8"))["cells"]


def test_it_is_stored_without_outputs():
    """They would be large, and differ after every run."""
    code = [cell for cell in read_cells() if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_links_lead_somewhere():
    text = "".join("".join(c["source"]) for c in read_cells() if c["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not (NOTEBOOK.parent / link).is_file()] == []


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(read_cells()):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), known)
    assert known["before"] < 0.9 < known["after"]  # the click is worth it
    width, height = known["show"](known["corrected"]).size
    assert (width, height) == (4 * known["WIDTH"], known["HEIGHT"])
    assert list(tmp_path.iterdir()) == []
