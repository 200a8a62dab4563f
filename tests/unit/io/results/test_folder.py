"""The output folder: complete or not there, and never at somebody else's expense."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vos.errors import BusyError, OutputError
from vos.io.results import folder as output_folder
from vos.io.results.fingerprint import InputFingerprint
from vos.io.results.folder import OutputFolder
from vos.io.results.manifest import Fingerprint, read_manifest

INPUT = InputFingerprint("a.mp4", 3, "00")
ONE = Fingerprint(INPUT, {"box": [1, 2, 3, 4]}, "abcd")
TWO = Fingerprint(INPUT, {"box": [1, 2, 3, 5]}, "abcd")


def make(path: Path, fingerprint: Fingerprint = ONE, content: str = "", **how: bool) -> bool:
    """Make an output as a run does; whether there was anything to do."""
    with OutputFolder.open(path, fingerprint, **how) as output:
        if output.is_complete:
            return False
        (output.part / "masks").mkdir()
        (output.part / "masks" / "0.png").write_text(content)
        (output.part / "stats.jsonl").write_text(content)
        output.commit(frame_count=1)
    return True


def entries(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


FINISHED = ["out", "out/manifest.json", "out/masks", "out/masks/0.png", "out/stats.jsonl"]


@pytest.mark.parametrize("place", ["out", "new/deep/out"])
def test_a_finished_output_is_in_its_place_and_nothing_else_is_left(tmp_path, place):
    assert make(tmp_path / place)
    parent = (tmp_path / place).parent
    assert entries(parent) == FINISHED
    manifest = read_manifest(parent / "out")
    assert manifest is not None
    assert manifest["files"] == {"masks": 1, "stats.jsonl": 1}
    assert manifest["parameters"] == {"box": [1, 2, 3, 4]}


def test_nothing_is_in_place_before_the_commit(tmp_path):
    with OutputFolder.open(tmp_path / "out", ONE) as output:
        (output.part / "stats.jsonl").write_text("")
        assert not (tmp_path / "out").exists()
        assert output.part.parent == tmp_path
        assert output.part.name.startswith(".")
    assert entries(tmp_path) == []


def test_an_empty_folder_is_used_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    assert make(tmp_path / "out")
    assert entries(tmp_path) == FINISHED


def test_an_equal_output_is_skipped(tmp_path):
    make(tmp_path / "out", content="first")
    assert not make(tmp_path / "out", content="second")
    assert (tmp_path / "out" / "stats.jsonl").read_text() == "first"
    assert entries(tmp_path) == FINISHED


def test_another_output_is_kept_unless_told_otherwise(tmp_path):
    make(tmp_path / "out", content="first")
    with pytest.raises(OutputError, match=r"other settings \(box\): give overwrite"):
        make(tmp_path / "out", TWO)
    assert make(tmp_path / "out", TWO, content="second", overwrite=True)
    assert (tmp_path / "out" / "stats.jsonl").read_text() == "second"
    assert entries(tmp_path) == FINISHED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError(), OutputError("full")])
def test_a_run_that_fails_leaves_what_was_there(tmp_path, error):
    make(tmp_path / "out", content="first")
    with (
        contextlib.suppress(type(error)),
        OutputFolder.open(tmp_path / "out", TWO, overwrite=True) as output,
    ):
        (output.part / "masks").mkdir()
        (output.part / "masks" / "0.png").write_text("second")
        raise error
    assert (tmp_path / "out" / "stats.jsonl").read_text() == "first"
    assert entries(tmp_path) == FINISHED


def test_a_swap_that_fails_half_way_puts_the_old_output_back(tmp_path, monkeypatch):
    make(tmp_path / "out", content="first")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match="disk is full"):
        make(tmp_path / "out", TWO, overwrite=True)
    assert (tmp_path / "out" / "stats.jsonl").read_text() == "first"
    assert entries(tmp_path) == FINISHED


def test_a_swap_cut_short_is_undone_or_finished_by_the_next_run(tmp_path):
    make(tmp_path / "out", content="first")
    (tmp_path / "out").rename(tmp_path / ".out.old")
    assert not make(tmp_path / "out")
    assert entries(tmp_path) == FINISHED
    make(tmp_path / "other", TWO)
    (tmp_path / "other").rename(tmp_path / ".out.old")
    assert not make(tmp_path / "out")
    assert entries(tmp_path) == FINISHED


def test_files_of_others_are_never_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"no vos output.* new folder"):
            make(tmp_path / "out", overwrite=overwrite)
    assert entries(tmp_path) == ["out", "out/thesis.doc"]


@pytest.mark.parametrize("name", ["notes.txt", "masks/retouched.png"])
def test_files_added_to_an_output_are_never_touched(tmp_path, name):
    make(tmp_path / "out")
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(OutputError, match="did not write"):
        make(tmp_path / "out", TWO, overwrite=True)
    assert (tmp_path / "out" / name).read_text() == "mine"
    assert not make(tmp_path / "out")


def test_an_output_that_lost_files_is_not_taken_for_complete(tmp_path):
    make(tmp_path / "out")
    (tmp_path / "out" / "masks" / "0.png").unlink()
    with pytest.raises(OutputError, match=r"masks lacks files\): give overwrite"):
        make(tmp_path / "out")
    assert make(tmp_path / "out", overwrite=True)


def test_places_that_cannot_be_an_output(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file; the output is a folder"):
        make(tmp_path / "file")
    with pytest.raises(OutputError, match="a file is in the way"):
        make(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="root of the disk"):
        make(Path("/"))
    with pytest.raises(OutputError, match="too long"):
        make(tmp_path / ("x" * 300))
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "mine").write_text("mine")
    with pytest.raises(OutputError, match="not left by vos"):
        make(tmp_path / "out")
    assert entries(tmp_path) == [".out.part", ".out.part/mine", "file"]


def test_a_forbidden_place_is_one_clear_line(tmp_path, monkeypatch):
    def forbidden(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(OutputError, match=r"out: not writable.* choose another place") as caught:
        make(tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "manifest.json").exists()


def test_two_runs_at_once(tmp_path):
    with OutputFolder.open(tmp_path / "out", ONE) as output:
        with pytest.raises(BusyError, match="another run is writing"):
            OutputFolder.open(tmp_path / "out", TWO)
        (output.part / "stats.jsonl").write_text("first")
        output.commit(frame_count=1)
    assert (tmp_path / "out" / "stats.jsonl").read_text() == "first"


def _run(tmp_path: Path, ending: str) -> subprocess.Popen[str]:
    """A process that begins an output, says so, and then does `ending`."""
    script = f"""
        import os, signal, time
        from pathlib import Path
        from vos.io.results.fingerprint import InputFingerprint
        from vos.io.results.manifest import Fingerprint
        from vos.io.results.folder import OutputFolder
        fingerprint = Fingerprint(InputFingerprint("a.mp4", 3, "00"), {{}}, None)
        with OutputFolder.open(Path({str(tmp_path / "out")!r}), fingerprint) as output:
            (output.part / "masks").mkdir()
            (output.part / "masks" / "0.png").write_text("half")
            print("ready", flush=True)
            {ending}
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(output_folder.__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_an_interrupted_run_leaves_nothing(tmp_path):
    with _run(tmp_path, "time.sleep(60)") as process:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert entries(tmp_path) == []


def test_what_a_killed_run_left_is_hidden_and_replaced(tmp_path):
    with _run(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)") as process:
        process.wait(timeout=30)
    assert [path.name for path in tmp_path.iterdir()] == [".out.part"]
    assert make(tmp_path / "out")
    assert entries(tmp_path) == FINISHED
    assert (tmp_path / "out" / "masks" / "0.png").read_text() == ""


def test_committing_twice_is_our_bug(tmp_path):
    with OutputFolder.open(tmp_path / "out", ONE) as output:
        output.commit(frame_count=0)
        with pytest.raises(ValueError, match="already over"):
            output.commit(frame_count=0)
    assert (tmp_path / "out" / "manifest.json").exists()
