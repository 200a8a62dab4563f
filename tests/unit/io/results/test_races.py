"""Two runs for one output, and runs killed while they replace one: no result is lost or stuck."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.io.results.killing import killed
from vos.errors import BusyError, OtherOutputError, OutputError
from vos.io.results import folder as output_folder
from vos.io.results import part
from vos.io.results.edits import EditStore
from vos.io.results.fingerprint import InputFingerprint
from vos.io.results.folder import OutputFolder
from vos.io.results.manifest import Fingerprint, inventory, read_manifest

INPUT = InputFingerprint("a.mp4", 3, "00")
ONE = Fingerprint(INPUT, {"box": 1}, "abcd")
TWO = Fingerprint(INPUT, {"box": 2}, "abcd")
MASKS = 2
_STEPS = ("rename", "replace", "unlink", "rmdir", "mkdir", "open")


def make(path: Path, fingerprint: Fingerprint, content: str, *, overwrite: bool = False) -> None:
    with OutputFolder.open(path, fingerprint, overwrite=overwrite) as output:
        if output.is_complete:
            return
        (output.part / "masks").mkdir()
        for number in range(MASKS):
            (output.part / "masks" / f"{number}.png").write_text(content)
        output.commit(frame_count=MASKS)


def is_whole(path: Path, content: str, fingerprint: Fingerprint) -> bool:
    manifest = read_manifest(path)
    if manifest is None or fingerprint.differences(manifest):
        return False
    masks = [file.read_text() for file in sorted((path / "masks").iterdir())]
    return masks == [content] * MASKS and inventory(path) == manifest["files"]


@pytest.mark.parametrize("again", [ONE, TWO])
def test_an_overwrite_killed_at_any_step_is_never_stuck(tmp_path, again):
    """Whatever stays is the whole old output or the whole new one, and the next run does."""
    for step in range(1, 1000):
        path = tmp_path / str(step) / "out"
        make(path, ONE, "old")
        was_killed = killed(step, lambda path=path: make(path, TWO, "new", overwrite=True), _STEPS)
        if path.exists():
            assert is_whole(path, "old", ONE) or is_whole(path, "new", TWO), step
        else:
            assert is_whole(path.with_name(".out.old"), "old", ONE), step
        make(path, again, "third", overwrite=True)
        finished_for_it = again is TWO and is_whole(path, "new", TWO)
        assert finished_for_it or is_whole(path, "third", again), step
        assert [entry.name for entry in path.parent.iterdir()] == ["out"], step
        if not was_killed:
            return
    pytest.fail("never done")


@pytest.mark.parametrize("left", [(), ("masks",), ("masks", "stats.jsonl", "history")])
def test_what_an_older_vos_left_of_a_replaced_output_is_deleted(tmp_path, left):
    path = tmp_path / "out"
    make(path, ONE, "old")
    for name in left:
        (tmp_path / ".out.old" / name).mkdir(parents=True)
    make(path, TWO, "new", overwrite=True)
    assert is_whole(path, "new", TWO)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_that_name_that_is_not_ours_stops_a_run_before_it_begins(tmp_path):
    path = tmp_path / "out"
    make(path, ONE, "old")
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / "thesis.doc").write_text("mine")
    with pytest.raises(OutputError, match=r"\.out\.old: is in the way and was not left by vos"):
        OutputFolder.open(path, TWO, overwrite=True)
    assert is_whole(path, "old", ONE)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".out.old", "out"]
    make(path, ONE, "skipped")
    assert (tmp_path / ".out.old" / "thesis.doc").read_text() == "mine"


def in_between(monkeypatch: pytest.MonkeyPatch, where: str, other: Callable[[], None]) -> None:
    """Have another run come right before and right after a step of the first one."""
    module = part if where == "lock_part" else output_folder
    step = getattr(module, where)
    is_first = [True]

    def with_other(*values: object, **named: object) -> object:
        if not is_first:
            return step(*values, **named)
        is_first.clear()
        other()
        found = step(*values, **named)
        other()
        return found

    monkeypatch.setattr(module, where, with_other)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "where", ["swap_in", "sync_folder", "recover_swap", "is_done", "lock_part", "make_part"]
)
def test_another_run_in_between_loses_no_result(tmp_path, monkeypatch, where, overwrite):
    """Each run that says it was done has left its output, until a later one replaced it."""
    path = tmp_path / "out"
    done: list[tuple[str, Fingerprint]] = []

    def other() -> None:
        name = f"other{len(done)}"
        with contextlib.suppress(BusyError, OtherOutputError):
            make(path, TWO, name, overwrite=overwrite)
            if is_whole(path, name, TWO):
                done.append((name, TWO))

    in_between(monkeypatch, where, other)
    with contextlib.suppress(BusyError, OtherOutputError):
        make(path, ONE, "first", overwrite=overwrite)
        done.append(("first", ONE))
    assert done, "one of them has it"
    assert any(is_whole(path, *one) for one in done)
    if not overwrite:
        assert is_whole(path, *done[0]), "nobody replaced it"
    leftovers = {entry.name for entry in tmp_path.iterdir()} - {"out"}
    assert not leftovers


def test_many_runs_at_once_lose_no_result(tmp_path):
    """A few hundred tries of two threads with other settings, both without `overwrite`."""
    for number in range(100):
        path = tmp_path / str(number)
        done: list[tuple[str, Fingerprint]] = []

        failed: list[Exception] = []

        def work(name: str, fingerprint: Fingerprint, path=path, done=done, failed=failed) -> None:
            try:
                make(path, fingerprint, name)
                done.append((name, fingerprint))
            except (BusyError, OtherOutputError):
                pass
            except Exception as problem:
                failed.append(problem)

        threads = [
            threading.Thread(target=work, args=("one", ONE)),
            threading.Thread(target=work, args=("two", TWO)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in failed:
            raise error
        assert len(done) == 1
        assert is_whole(path, *done[0])


def test_a_result_that_is_being_corrected_is_not_replaced(tmp_path):
    path = tmp_path / "out"
    make(path, ONE, "old")
    with EditStore(path).holding(), pytest.raises(BusyError, match="correcting this result"):
        make(path, TWO, "new", overwrite=True)
    assert is_whole(path, "old", ONE)


@pytest.mark.parametrize("name", ["masks", "masks/1.png", "stats.jsonl", ".resume", ".resume/x"])
def test_an_interrupted_run_with_links_in_it_is_not_resumed(tmp_path, name):
    """Resuming writes to what is there, and a stranger may have put it there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("mine")
    path = tmp_path / "out"
    with OutputFolder.open(path, ONE) as output:
        output.save({"values": {"at": 1}}, {})
    place = tmp_path / ".out.part" / name
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        place.rename(tmp_path / "outside" / "moved")
    place.symlink_to(tmp_path / "outside")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is a link"):
            OutputFolder.open(path, ONE, overwrite=overwrite)
    assert (tmp_path / "outside" / "file").read_text() == "mine"
    place.unlink()
    with OutputFolder.open(path, ONE) as output:
        assert [one.header for one in output.saved] == (
            [] if name == ".resume" else [{"values": {"at": 1}}]
        )
