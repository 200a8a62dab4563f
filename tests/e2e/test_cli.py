"""The program around the commands: help, version, completion, settings, models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from vos.errors import InputError
from vos.model import registry
from vos_cli.console import errors
from vos_cli.main import COMMANDS

HELP_BUDGET_S = 0.5
HEAVY = ("torch", "torchvision", "sam2", "av", "decord", "numpy", "PIL", "huggingface_hub")


@pytest.mark.skipif(os.name != "posix", reason="measures CPU time the POSIX way")
def test_help_is_fast(environ):
    """CPU time, the best of five, so that a busy machine does not decide the outcome."""

    def once() -> float:
        before = os.times()
        command = [sys.executable, "-m", "vos_cli", "--help"]
        subprocess.run(command, env=environ, capture_output=True, check=True)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    assert min(once() for _ in range(5)) < HELP_BUDGET_S


def test_help_breaks_lines_only_at_the_terminals_edge(environ):
    command = [sys.executable, "-m", "vos_cli", "batch", "--help"]
    wide = environ | {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    ran = subprocess.run(command, env=wide, capture_output=True, text=True, check=True)
    assert "The options below hold for every clip that does not say otherwise" in ran.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["models", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str], environ):
    code = (
        "import sys; from vos_cli.main import run; code = run(sys.argv[1:]); "
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_a_model_is_loaded_without_what_compiling_needs(environ):
    """It takes as long to import as all the rest."""
    code = "import sys, vos.loading; print(sys.modules.keys() & {'torchvision', 'torch._dynamo'})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_help_lists_every_command(vos):
    ran = vos("--help")
    assert ran.code == 0
    assert all(name in ran.out for name in COMMANDS)


SUBCOMMANDS = [
    [],
    *([name] for name in COMMANDS),
    *(["models", name] for name in ("list", "pull", "path", "info", "verify")),
]


@pytest.mark.parametrize("command", SUBCOMMANDS, ids=" ".join)
def test_every_help_shows_an_example(command: list[str], vos):
    ran = vos(*command, "--help")
    assert ran.code == 0, ran.err
    assert f"vos {' '.join(command)}".strip() in ran.out.split("Example", 1)[1]


@pytest.mark.parametrize(
    "command",
    ["segment-everything", "export", "verify", "compare", "info", "eval", "demo", "bench"],
)
def test_a_command_needs_nothing_that_another_loads(command: str, fresh_vos):
    """Those that no other test starts as a program of its own."""
    ran = fresh_vos(command, "--help")
    assert (ran.code, ran.err) == (0, "")


def test_version(vos):
    ran = vos("--version")
    assert ran.code == 0
    assert ran.out.startswith("vos ")
    assert len(ran.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trakc"], "did you mean 'track'"),
        (["--bogus"], "No such option: --bogus"),
        (["track"], "Missing argument"),
        (["models", "path"], "Missing argument"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], words: str, vos):
    ran = vos(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("vos: error: ")
    assert words.lower() in ran.err.lower()
    assert "--help`" in ran.err


def test_completion(vos):
    names = vos(_VOS_COMPLETE="complete_bash", COMP_WORDS="vos mod", COMP_CWORD="1")
    assert names.out.split() == ["models"]
    flags = vos(_VOS_COMPLETE="complete_bash", COMP_WORDS="vos track --neg", COMP_CWORD="2")
    assert flags.out.split() == ["--neg-point"]
    values = vos(
        _VOS_COMPLETE="complete_bash", COMP_WORDS="vos models path sam2.1-b", COMP_CWORD="3"
    )
    assert values.out.split() == ["sam2.1-base-plus"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_installs_itself(environ):
    home = Path(environ["HOME"])
    home.mkdir()
    script = f"{sys.executable} -m vos_cli --install-completion; exit $?"
    done = subprocess.run(["bash", "-c", script], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "_VOS_COMPLETE" in (home / ".bash_completions" / "vos.sh").read_text()
    assert "vos.sh" in (home / ".bashrc").read_text()


def test_no_colour_when_not_a_terminal_or_not_wanted(vos):
    for changes in ({}, {"NO_COLOR": "1", "FORCE_COLOR": ""}):
        assert "\x1b[" not in vos("models", "list", **changes).out


def test_closed_pipe_is_quiet(environ):
    command = f"{sys.executable} -m vos_cli models list | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environ, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", str(errors.EXIT_BROKEN_PIPE)}


# --- models ---


def test_models_list(vos):
    ran = vos("models", "list", "--json")
    report = json.loads(ran.out)
    assert report["schema"] == 1
    states = {model["name"]: model["state"] for model in report["models"]}
    assert list(states) == registry.names()
    assert {states[name] for name in states if name != registry.EMBEDDED} == {"not here"}
    assert len(vos("models", "list").out.splitlines()) == 1 + len(states)


def test_models_wrong_file_is_found_out(vos, environ):
    entry = registry.get("sam2.1-tiny")
    folder = Path(environ["VOS_MODELS"])
    folder.mkdir()
    assert entry.size_bytes is not None
    with (folder / entry.file_name).open("wb") as file:
        file.truncate(entry.size_bytes)  # right size, wrong content; sparse
    one, every = vos("models", "verify", entry.name), vos("models", "verify")
    for ran in (one, every):
        assert ran.code == 6
        assert len(ran.error_lines) == 1
    assert "SHA-256" in one.err
    assert f"{entry.name}: wrong" in every.out
    (folder / entry.file_name).write_bytes(b"short")
    assert "wrong size" in vos("models", "list").out


def test_models_offline(vos, environ):
    ran = vos("models", "pull", "sam2.1-small")
    assert ran.code == 6
    assert len(ran.error_lines) == 1
    assert "cannot be reached" in ran.err
    assert "copy sam2.1_hiera_small.pt" in ran.err
    assert "://" not in ran.err
    assert list(Path(environ["VOS_MODELS"]).rglob("*.pt")) == []


def test_models_path(vos):
    missing = vos("models", "path", "sam2.1-tiny")
    assert (missing.code, missing.out) == (6, "")
    assert "vos models pull sam2.1-tiny" in missing.err
    unknown = vos("models", "path", "sam3")
    assert unknown.code == 6
    assert "vos models list" in unknown.err


# --- the one place that turns exceptions into codes ---


class _TyperLike(Exception):
    ctx = None

    def format_message(self) -> str:
        return "Bad\nthing."


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("x.mp4: not a video; give one"), 3, "vos: error: x.mp4: not a video"),
        (InputError("a\nb\x1b[31m: bad"), 3, r"vos: error: a\nb\x1b[31m: bad"),
        (errors.Interrupted("stopped"), 130, "vos: interrupted: stopped"),
        (KeyboardInterrupt(), 130, "vos: interrupted"),
        (typer.Abort(), 130, "vos: interrupted"),
        (MemoryError(), 7, "vos: error: out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate"), 7, "out of memory"),
        (OSError(28, "No space left on device", "/x/y"), 2, "/x/y: no space left"),
        (_TyperLike(), 2, "vos: error: Bad thing; see `vos --help`"),
        (ZeroDivisionError("oh"), 1, "internal error: ZeroDivisionError: oh"),
    ],
)
def test_report(error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]):
    assert errors.report(errors.Carried(error), verbose=False) == code
    text = capsys.readouterr().err
    assert words in text
    assert text.count("\n") == 1


def test_traceback_only_when_asked(capsys: pytest.CaptureFixture[str]):
    try:
        raise InputError("x: y; z")
    except InputError as error:
        errors.report(error, verbose=True)
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.splitlines()[-1] == "vos: error: x: y; z"


def test_torch_out_of_memory(capsys: pytest.CaptureFixture[str]):
    import torch

    assert errors.report(torch.OutOfMemoryError("CUDA out of memory"), verbose=False) == 7
