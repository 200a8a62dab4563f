"""Checkpoint files: whole, or known to be damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.errors import OutputError
from vos.io.results.checkpoints import Checkpoint, CheckpointStore

ONE = Checkpoint({"frame": 1, "names": ["ä", None]}, {"a": b"\0\1\2", "empty": b""})
TWO = Checkpoint({"frame": 2}, {"a": bytes(range(256)) * 40})
THREE = Checkpoint({"frame": 3})


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"))


def test_what_is_written_is_read_newest_first_by_any_process(tmp_path: Path):
    store = CheckpointStore(tmp_path / "work")
    assert store.load() == ([], 0)
    assert store.write(ONE) == files(tmp_path / "work")[0].stat().st_size
    store.write(TWO)
    assert store.load() == ([TWO, ONE], 0)
    assert CheckpointStore(tmp_path / "work").load() == ([TWO, ONE], 0)


def test_two_are_kept_and_the_numbers_go_on(tmp_path: Path):
    CheckpointStore(tmp_path).write(ONE)
    CheckpointStore(tmp_path).write(TWO)
    CheckpointStore(tmp_path).write(THREE)
    assert CheckpointStore(tmp_path).load() == ([THREE, TWO], 0)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("share", [0, 0.001, 0.05, 0.5, 0.999])
def test_one_cut_short_leaves_the_one_before(tmp_path: Path, share: float):
    store = CheckpointStore(tmp_path)
    store.write(ONE)
    store.write(TWO)
    data = files(tmp_path)[1].read_bytes()
    files(tmp_path)[1].write_bytes(data[: int(len(data) * share)])
    assert store.load() == ([ONE], 1)


@pytest.mark.parametrize("at", [0, 9, 41, 50, -1])
def test_one_changed_byte_is_noticed_wherever_it_is(tmp_path: Path, at: int):
    store = CheckpointStore(tmp_path)
    store.write(TWO)
    data = bytearray(files(tmp_path)[0].read_bytes())
    data[at] ^= 1
    files(tmp_path)[0].write_bytes(data)
    assert store.load() == ([], 1)
    files(tmp_path)[0].write_bytes(bytes(len(data)))
    assert store.load() == ([], 1)


def test_what_a_cut_off_write_leaves_is_passed_over(tmp_path: Path):
    store = CheckpointStore(tmp_path)
    store.write(ONE)
    (tmp_path / ".checkpoint-00000001.xyz").write_bytes(b"half")
    (tmp_path / "other").write_bytes(b"")
    assert CheckpointStore(tmp_path).load() == ([ONE], 0)


def test_a_full_disk_keeps_the_one_before(tmp_path: Path, monkeypatch):
    store = CheckpointStore(tmp_path)
    store.write(ONE)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        store.write(TWO)
    assert CheckpointStore(tmp_path).load() == ([ONE], 0)
