"""The batch's folder: who may write it, and that nothing leaves it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vos.errors import OutputError
from vos.io.inside import check_inside
from vos_cli.batch import folder as module
from vos_cli.batch.folder import BatchFolder, ClipResult, hold_shared


def test_two_batches_do_not_share_a_folder(tmp_path: Path):
    folder = BatchFolder(tmp_path)
    folder.make()
    with folder.lock():
        with pytest.raises(OutputError, match="another vos batch"), BatchFolder(tmp_path).lock():
            pass
        with pytest.raises(OutputError, match="--shard"), BatchFolder(tmp_path, (0, 2)).lock():
            pass
    with BatchFolder(tmp_path).lock():
        pass


def test_shards_share_a_folder_but_not_a_shard(tmp_path: Path):
    first, second = BatchFolder(tmp_path, (0, 2)), BatchFolder(tmp_path, (1, 2))
    first.make()
    with first.lock(), second.lock():
        with pytest.raises(OutputError), BatchFolder(tmp_path, (0, 2)).lock():
            pass
        with pytest.raises(OutputError), BatchFolder(tmp_path).lock():
            pass
    assert first.report(".json") != second.report(".json")


def test_a_batch_waits_for_workers_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_WORKERS_STOP_S", 0.3)
    folder = BatchFolder(tmp_path)
    folder.make()
    started = time.monotonic()
    with hold_shared(folder.workers_lock), pytest.raises(OutputError), folder.lock():
        pass
    assert time.monotonic() - started >= 0.3
    with folder.lock(), hold_shared(folder.workers_lock), hold_shared(folder.workers_lock):
        pass


def test_what_a_killed_write_left_goes_with_the_next_batch(tmp_path: Path):
    folder = BatchFolder(tmp_path)
    folder.make()
    left = [tmp_path / ".0123456789abcdef.tmp", tmp_path / "status/.fedcba9876543210.tmp"]
    for path in left:
        path.write_text("half")
    with BatchFolder(tmp_path, (0, 2)).lock():
        assert all(path.exists() for path in left), "another shard may be writing them"
    with folder.lock():
        assert not any(path.exists() for path in left)


def test_links_out_of_the_folder_are_refused(tmp_path: Path):
    root, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    folder = BatchFolder(root)
    folder.make()
    check_inside(root, folder.output("clip"))
    folder.output("clip").symlink_to(other)
    with pytest.raises(OutputError, match="is a link"):
        check_inside(root, folder.output("clip"))
    with pytest.raises(OutputError, match="not inside"):
        check_inside(root, tmp_path / "elsewhere")
    (root / "logs").rmdir()
    (root / "logs").symlink_to(other)
    with pytest.raises(OutputError, match="is a link"):
        folder.make()


def test_results_come_back(tmp_path: Path):
    folder = BatchFolder(tmp_path)
    folder.make()
    result = ClipResult("a \udcff", "failed", "why", 3, warnings=("w",), low_scores=("l", "m"))
    folder.write_result(result)
    assert folder.read_result(result.name) == result
    assert folder.read_result("none") is None
    folder.status("broken").write_text('{"name": "broken"')
    assert folder.read_result("broken") is None
