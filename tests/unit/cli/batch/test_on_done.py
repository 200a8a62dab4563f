"""A program that is run after each clip: what it gets, and what its failure does."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import pytest

from vos.errors import UsageError
from vos_cli.batch.folder import BatchFolder
from vos_cli.batch.on_done import Hook, parse_command

CLIP = {"name": "a $(touch x) 'b", "state": "done", "source": "/in/a b.mp4", "output": "clips/x"}
KEEP = (
    "import json, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv[2:], sys.stdin.read()]))"
)


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    made = BatchFolder(tmp_path / "out")
    made.make()
    return made


def program(code: str, *more: str) -> tuple[str, ...]:
    return parse_command(shlex.join([sys.executable, "-c", code, *more]))


def test_an_argument_stays_one_and_the_clip_is_on_stdin(folder: BatchFolder, tmp_path: Path):
    kept = tmp_path / "kept.json"
    hook = Hook(program(KEEP, str(kept), "{name}", "to={output}", '{"not": 1}'))
    hook.call(CLIP, folder)
    hook.wait()
    assert hook.end() == {}
    arguments, sent = json.loads(kept.read_text())
    output = str(folder.output(CLIP["name"]))
    assert arguments == [CLIP["name"], f"to={output}", '{"not": 1}']
    clip = json.loads(sent)
    assert (clip["schema"], clip["source"], clip["output"]) == (1, CLIP["source"], output)


def test_a_failure_is_told_and_what_was_printed_is_in_the_log(folder: BatchFolder):
    hook = Hook(program("import sys; print('no room'); sys.exit(3)"))
    hook.call(CLIP, folder)
    hook.call({**CLIP, "name": "second"}, folder)
    hook.wait()
    failed = hook.end()
    assert list(failed) == [CLIP["name"], "second"]
    assert "exit code 3; see the log" in failed["second"]
    assert folder.log("second").read_text() == "no room\n"


def test_one_that_does_not_end_is_ended(folder: BatchFolder):
    hook = Hook(program("import time; time.sleep(60)"), limit_s=0.3)
    hook.call(CLIP, folder)
    hook.wait()
    assert "took more than 0.3 s" in hook.end()[CLIP["name"]]


def test_clips_it_was_not_run_for_are_named(folder: BatchFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vos_cli.batch.on_done._LEFT_S", 0.2)
    hook = Hook(program("import time; print('begun', flush=True); time.sleep(60)"))
    hook.call(CLIP, folder)
    hook.call({**CLIP, "name": "second"}, folder)
    while not folder.log(CLIP["name"]).exists() or not folder.log(CLIP["name"]).read_text():
        time.sleep(0.02)
    failed = hook.end()  # as Ctrl-C does
    assert "failed" in failed[CLIP["name"]]
    assert "not run: interrupted" in failed["second"]


def test_the_log_is_no_way_out(folder: BatchFolder, tmp_path: Path):
    folder.log("far").symlink_to(tmp_path / "elsewhere")
    hook = Hook(program("print('hello')"))
    hook.call({**CLIP, "name": "far"}, folder)
    hook.wait()
    assert "link" in hook.end()["far"]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no program"),
        ("notify 'a", "quotation"),
        ("sh {outputs}", "did you mean"),
        ("no-such-program-here {output}", "without a shell"),
    ],
)
def test_a_wrong_command_is_refused_at_once(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        parse_command(text)
