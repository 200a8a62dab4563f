"""A track that is interrupted, in any way, continues and leaves the files of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from e2e import clips
from e2e.jobs import BOX, Runner, contents, interrupt, job_for, part_of
from vos.api import Tracker
from vos.errors import InputError, OutputError, PromptError
from vos.io.results import folder as output_folder
from vos.io.write.overlay import sink as overlay
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track.policy import Fifo
from vos_cli.console.errors import Interrupted
from vos_cli.job import resumable as checkpointing
from vos_cli.job.job import Job

FRAMES = 14


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(overlay, "SEGMENT_FRAMES", 5)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.video(tmp_path / "clip.mp4", FRAMES)


@pytest.fixture
def run(tiny_model) -> Runner:
    return Runner(Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo()))


CASES: dict[str, dict[str, Any]] = {
    "forward": {},
    "backward": {"direction": "backward"},
    "both": {"direction": "both"},
    "part, masks only": {"start": 1, "end": 11, "save": ("masks",)},
    "both, soft": {"direction": "both", "save": ("masks", "mattes")},
    "backward, soft": {"direction": "backward", "save": ("mattes",)},
    "part, both, no masks": {"start": 1, "end": 12, "direction": "both", "save": ("overlay",)},
}


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("forward", "video"),
        ("backward", "video"),
        ("both", "images"),
        ("part, masks only", "images"),
        ("part, both, no masks", "video"),
        ("both, soft", "video"),
        ("backward, soft", "images"),
    ],
)
def test_interrupted_again_and_again_it_leaves_the_same_bytes(run, tmp_path, clip, case, kind):
    source = clip if kind == "video" else clips.images(tmp_path / "shots", FRAMES)
    whole = run(job_for(source, tmp_path / "whole", checkpoint_s=999, **CASES[case]))
    job = job_for(source, tmp_path / "out", **CASES[case])
    for stop_after in (3, 1, 2, 5):
        message = interrupt(run, job, stop_after)
        assert "same command" in message
    again = run(job)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not part_of(job.output).exists()
    assert again.resumed_at is not None
    assert (again.frames, again.files) == (whole.frames, whole.files)
    assert f"continued at frame {again.resumed_at}" in run.said
    assert run.warned == list(whole.warnings)
    assert run(job).is_skipped


def test_where_it_continues(run, tmp_path, clip):
    job = job_for(clip, tmp_path / "out")
    message = interrupt(run, job, 6)
    assert "stopped after 6 frames" in message
    assert "continues" in message
    outcome = run(job)
    # Stopped before the sixth frame was saved, so that one is made again.
    assert (outcome.resumed_at, outcome.frames) == (5, FRAMES)
    assert outcome.as_json()["resumed_at"] == 5
    assert "continued at frame 5" in outcome.summary()
    both = job_for(clip, tmp_path / "both", direction="both")
    interrupt(run, both, 4)
    assert run(both).resumed_at == 7 - 3  # backward, from object 3's frame


def test_without_a_checkpoint_nothing_stays(run, tmp_path, clip):
    job = job_for(clip, tmp_path / "out", checkpoint_s=999)
    assert "starts again" in interrupt(run, job, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert run(job).resumed_at is None


def test_any_failure_leaves_what_was_saved(run, tmp_path, clip):
    """A disk that filled up, memory that ran out, a cable pulled: not only Ctrl-C."""
    run(job_for(clip, tmp_path / "whole"))
    job = job_for(clip, tmp_path / "out")
    for error in (OutputError, InputError, MemoryError, RuntimeError):
        with pytest.raises(error):
            run(job, 3, error)
    assert run(job).resumed_at == 4 * 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_prompt_that_can_never_be_right_leaves_nothing(run, tmp_path, clip):
    with pytest.raises(PromptError):
        run(job_for(clip, tmp_path / "out"), 3, PromptError)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def checkpoints(job: Job) -> list[Path]:
    return sorted((part_of(job.output) / ".resume").glob("checkpoint-*"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lose_newest(job: Job) -> None:
    cut(checkpoints(job)[-1])


def lose_all(job: Job) -> None:
    for path in checkpoints(job):
        cut(path)


def lose_last_mask(job: Job) -> None:
    """The one that only the newest checkpoint counts on."""
    (part_of(job.output) / "masks" / "00006.png").unlink()


def lose_logits(job: Job) -> None:
    cut(part_of(job.output) / ".resume" / "spool")


LOSSES: dict[str, tuple[Callable[[Job], None], int | None]] = {
    "newest": (lose_newest, 6),
    "all": (lose_all, None),
    "mask": (lose_last_mask, 6),
    "logits": (lose_logits, None),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_damage_leads_to_an_older_state_and_a_warning_but_never_to_another_result(
    run, tmp_path, clip, loss
):
    spoil, resumed_at = LOSSES[loss]
    run(job_for(clip, tmp_path / "whole", direction="both"))
    job = job_for(clip, tmp_path / "out", direction="both")
    interrupt(run, job, 16)  # 8 backward, 8 forward
    assert len(checkpoints(job)) == 2
    spoil(job)
    outcome = run(job)
    assert outcome.resumed_at == resumed_at
    assert run.warned
    assert ("older checkpoint" if resumed_at else "starts again") in run.warned[0]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_other_settings_are_refused_and_leave_the_interrupted_run_alone(run, tmp_path, clip):
    run(job_for(clip, tmp_path / "whole"))
    other = job_for(clip, tmp_path / "out", prompts=(BOX,))
    interrupt(run, job_for(clip, tmp_path / "out"), 5)
    with pytest.raises(OutputError, match=r"interrupted run.*\(prompts\).*give overwrite"):
        run(other)
    assert run(job_for(clip, tmp_path / "out")).resumed_at == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_overwrite_drops_an_interrupted_run_with_other_settings(run, tmp_path, clip):
    run(job_for(clip, tmp_path / "whole", prompts=(BOX,)))
    interrupt(run, job_for(clip, tmp_path / "out"), 5)
    outcome = run(job_for(clip, tmp_path / "out", prompts=(BOX,), overwrite=True))
    assert outcome.resumed_at is None
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_run_that_overwrites_continues_too_and_the_old_output_stays_until_then(
    run, tmp_path, clip
):
    old = job_for(clip, tmp_path / "out", prompts=(BOX,))
    run(old)
    before = contents(tmp_path / "out")
    job = job_for(clip, tmp_path / "out", overwrite=True)
    with pytest.raises(Interrupted):
        run(job, 5)
    assert contents(tmp_path / "out") == before
    assert run(job).resumed_at == 4
    assert contents(tmp_path / "out") != before


def test_another_input_of_the_same_name_is_refused(run, tmp_path, clip):
    job = job_for(clip, tmp_path / "out")
    interrupt(run, job, 5)
    clips.video(clip, FRAMES + 1)
    with pytest.raises(OutputError, match=r"interrupted run.*\(input\).*give overwrite"):
        run(job)


def test_a_changed_image_is_another_input(run, tmp_path):
    folder = clips.images(tmp_path / "shots", FRAMES)
    job = job_for(folder, tmp_path / "out")
    interrupt(run, job, 5)
    shutil.copy(folder / "003.jpg", folder / "002.jpg")
    with pytest.raises(OutputError, match=r"\(input\)"):
        run(job)


def test_other_versions_are_refused(run, tmp_path, clip, monkeypatch):
    job = job_for(clip, tmp_path / "out")
    interrupt(run, job, 5)
    found = output_folder.versions()
    monkeypatch.setattr(output_folder, "versions", lambda: found | {"torch": "1.0", "python": "3"})
    with pytest.raises(OutputError, match=r"\(torch version\).*give overwrite"):
        run(job)


def test_another_machine_is_told_and_written_down(run, tmp_path, clip, monkeypatch):
    job = job_for(clip, tmp_path / "out")
    interrupt(run, job, 5)
    monkeypatch.setattr(
        Stream,
        "machine",
        lambda _stream: {"device": "cpu", "instruction set": "ENIAC", "threads": 3},
    )
    interrupt(run, job, 3)
    outcome = run(job)
    manifest = json.loads((job.output / "manifest.json").read_text())
    assert [text for text in run.warned if "instruction set ENIAC" in text]
    assert manifest["warnings"] == list(outcome.warnings) == run.warned
    assert not [text for text in run.warned if "with device" in text]


def test_ended_between_the_last_two_steps_it_is_complete(run, tmp_path, clip, monkeypatch):
    run(job_for(clip, tmp_path / "whole"))
    job = job_for(clip, tmp_path / "out")

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(output_folder.OutputFolder, "_move_into_place", killed)
        with pytest.raises(SystemExit):
            run(job)
    assert not job.output.exists()
    assert run(job).is_skipped
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_killed_while_finishing_the_outputs(run, tmp_path, clip, monkeypatch):
    run(job_for(clip, tmp_path / "whole"))
    job = job_for(clip, tmp_path / "out")

    def killed(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(output_folder.OutputFolder, "commit", killed)
        with pytest.raises(MemoryError):
            run(job)
    assert run(job).resumed_at == FRAMES
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_warnings_of_damaged_footage_are_the_same(run, tmp_path):
    clip = clips.truncated_video(tmp_path / "cut.mp4")
    whole = run(job_for(clip, tmp_path / "whole", direction="both"))
    assert whole.warnings
    job = job_for(clip, tmp_path / "out", direction="both")
    for stop_after in (4, 12):
        interrupt(run, job, stop_after)
    assert run(job).warnings == whole.warnings
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_checkpoints_come_by_the_clock_and_take_little_of_it(run, tmp_path, clip, monkeypatch):
    """A frame takes 1 s. One that takes 0.09 s comes no sooner than 4.5 s later, as 2 % allow."""
    now = 0.0
    saved: list[int] = []

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    save, run_job = checkpointing.ResumableRun._save, checkpointing.ResumableRun._save_if_due

    def slow_save(work: checkpointing.ResumableRun) -> None:
        nonlocal now
        save(work)
        now += 0.09
        saved.append(work.stream.frames)

    def after_a_frame(work: checkpointing.ResumableRun, *behind: Any) -> None:
        nonlocal now
        now += 1
        run_job(work, *behind)

    monkeypatch.setattr(checkpointing, "time", Clock)
    monkeypatch.setattr(checkpointing.ResumableRun, "_save", slow_save)
    monkeypatch.setattr(checkpointing.ResumableRun, "_save_if_due", after_a_frame)
    run(job_for(clip, tmp_path / "out", checkpoint_s=4))
    assert saved == [4, 9, 14]


@pytest.fixture
def on_the_disk(monkeypatch) -> dict[int, int]:
    """Inode to how many bytes a power cut would leave of the file."""
    sizes: dict[int, int] = {}
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        status = os.fstat(handle)
        sizes[status.st_ino] = status.st_size

    monkeypatch.setattr(os, "fsync", fsync)
    return sizes


@pytest.mark.skipif(sys.platform == "win32", reason="needs inodes")
@pytest.mark.parametrize(("direction", "more"), [("forward", ()), ("both", ("mattes",))])
def test_a_power_cut_leaves_what_a_checkpoint_counts_on(
    run, tmp_path, clip, monkeypatch, on_the_disk, direction, more
):
    """What was written since the last flush is lost, of every file."""
    changes = {"direction": direction, "save": ("masks", "overlay", "stats", *more)}
    whole = run(job_for(clip, tmp_path / "whole", **changes))
    steps, save = 0, checkpointing.ResumableRun._save_if_due

    def every_third(*args: Any) -> None:
        nonlocal steps
        steps += 1
        if steps % 3 == 0:
            save(*args)

    job = job_for(clip, tmp_path / "out", **changes)
    with monkeypatch.context() as patch:
        patch.setattr(checkpointing.ResumableRun, "_save_if_due", every_third)
        for stop_after in (5, 8):
            interrupt(run, job, stop_after)
            for path in part_of(job.output).rglob("*"):
                if path.is_file():
                    left = on_the_disk.get(path.stat().st_ino, 0)
                    os.truncate(path, min(left, path.stat().st_size))
    outcome = run(job)
    assert outcome.resumed_at is not None
    assert run.warned == list(whole.warnings)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    for path in job.output.rglob("*"):
        if path.is_file():
            assert on_the_disk.get(path.stat().st_ino) == path.stat().st_size, path.name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
@pytest.mark.parametrize(
    ("kills", "frames", "direction", "more"),
    [
        pytest.param(3, 30, "forward", (), marks=pytest.mark.slow),
        (2, 20, "both", ("--soft",)),
        pytest.param(20, 200, "forward", ("--soft",), marks=pytest.mark.slow),
        pytest.param(20, 200, "both", (), marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(tmp_path, environ, kills, frames, direction, more):
    """Half the prompts are on later frames, so that `both` has frames to go back over."""
    clip = clips.video(tmp_path / "clip.mp4", frames)
    prompts = ("--box", f"{clips.BOX}@0", "--point", f"2:40,30@{frames // 2}")
    command = ("track", clip, *prompts, "--model", "nano", "--device", "cpu", "-q")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "e2e.killing", str(kills), "1"),
            *(tmp_path / "whole", tmp_path / "out", *command, "--direction", direction, *more),
        ],
        capture_output=True,
        text=True,
        env=environ | {"VOS_CHECKPOINT_S": "0.05"},
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) == kills
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert json.loads(contents(tmp_path / "out")["manifest.json"])["frame_count"] == frames
    mattes = list((tmp_path / "out").glob("mattes/*/*.png"))
    assert len(mattes) == (2 * frames if more else 0)
