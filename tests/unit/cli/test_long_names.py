"""Names that no file system takes, in lists of clips and on the command line, are no bugs."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from vos_cli import main

LONG = ("x" * 300, "9" * 5000, "[" * 100_000, "é" * 200, "a/" * 3000 + "b")


def run(*arguments: object) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.run([*map(str, arguments)])
    return code, out.getvalue() + err.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", LONG, ids=len)
@pytest.mark.parametrize("content", ["{}\n", "source,end\n{},\n", '{{"source": "{}"}}\n'])
def test_a_list_says_which_of_its_clips_cannot_be_read(
    place: Path, name: str, content: str
) -> None:
    (place / "rows.txt").write_text(content.format(name))
    code, said = run(
        "batch", "rows.txt", "--model", "null", "-o", "out", "--dry-run", "--progress", "none"
    )
    assert code == 0, said[:500]
    assert "1 cannot be tracked" in said


@pytest.mark.parametrize("name", LONG[:3], ids=len)
@pytest.mark.parametrize(
    "command",
    [
        ("info", "{}"),
        ("track", "{}", "--box", "1,1,9,9"),
        ("track", "none.mp4", "--prompts", "{}"),
        ("track", "none.mp4", "--mask", "1:{}"),
        ("track", "none.mp4", "--box", "1,1,9,9", "--model", "{}.safetensors"),
        ("track", "none.mp4", "--box", "1,1,9,9", "-o", "{}"),
        ("fix", "{}", "--list"),
        ("fix", "{}", "--undo"),
        ("pick", "none.mp4", "-o", "{}"),
        ("batch", "{}"),
        ("batch", "none.txt", "--prompts-from", "{}"),
        ("batch", "none.txt", "-o", "{}"),
        ("demo", "-o", "{}"),
        ("eval", "davis", "{}", "-o", "out", "--model", "null"),
        ("eval", "lvos", "{}", "-o", "out", "--model", "null"),
        ("eval", "score", "--protocol", "davis", "--gt", "{}", "--pred", "pred"),
        ("eval", "images", "{}", "--model", "nano"),
    ],
    ids=" ".join,
)
def test_a_command_that_is_given_such_a_name_refuses_it(
    place: Path, name: str, command: tuple[str, ...]
) -> None:
    code, said = run(*(word.format(name) for word in command))
    assert code in (2, 3, 6), said[:500]
    assert "internal error" not in said
    assert list(place.iterdir()) == []
