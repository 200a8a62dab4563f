"""`vos track` when all is well: what is written, what is said, what happens the second time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

import vos as public
from e2e import clips

BOX = ("--box", clips.BOX)
FRAMES = 8


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.video(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.fixture
def clip(clip_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(clip_file, tmp_path / "clip.mp4"))


def labels(folder: Path) -> list[set[int]]:
    """The object ids on each frame's mask, in order."""
    found = []
    for path in sorted((folder / "masks").glob("*.png")):
        with Image.open(path) as image:
            assert image.mode == "P"
            assert image.size == (clips.WIDTH, clips.HEIGHT)
            found.append(set(np.unique(np.array(image)).tolist()) - {0})
    return found


def stats(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]


def test_everything_is_written_then_skipped_then_refused(vos, clip: Path, tmp_path: Path):
    ran = vos("track", clip, *BOX)
    assert ran.code == 0, ran.err
    folder = tmp_path / "clip.mp4-vos"
    assert ran.out == f"{folder}\n"
    assert "model nano (embedded)" in ran.err
    assert "vos models pull sam2.1-large" in ran.err
    names = {path.name for path in folder.iterdir()}
    assert names == {"masks", "overlay.mp4", "stats.jsonl", "prompts.json", "manifest.json"}
    assert len(labels(folder)) == FRAMES
    assert [row["frame_idx"] for row in stats(folder)] == list(range(FRAMES))
    with av.open(str(folder / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == FRAMES
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["frame_count"] == FRAMES
    assert manifest["parameters"]["direction"] == "forward"

    before = (folder / "manifest.json").stat().st_mtime_ns
    again = vos("track", clip, *BOX, "--json")
    report = json.loads(again.out)
    assert (again.code, report["skipped"], report["frames"]) == (0, True, FRAMES)
    assert (folder / "manifest.json").stat().st_mtime_ns == before

    other = vos("track", clip, "--box", "10,10,30,30")
    assert other.code == 2
    assert "--overwrite" in other.error_lines[0]
    assert vos("track", clip, "--box", "10,10,30,30", "--overwrite", "-q").code == 0
    prompts = json.loads((folder / "prompts.json").read_text())
    assert "10" in json.dumps(prompts["prompts"])


def test_json_and_quiet(vos, clip: Path, tmp_path: Path):
    ran = vos("track", clip, *BOX, "-o", "out", "--json", "-q", "--save", "stats")
    assert (ran.code, ran.err) == (0, "")
    report = json.loads(ran.out)
    assert report["schema"] == 1
    assert report["files"] == ["manifest.json", "prompts.json", "stats.jsonl"]
    assert report["frames"] == FRAMES
    assert report["frames_per_s"] > 0
    assert report["model"]["name"] == "nano"
    assert len(report["model"]["sha256"]) == 64
    assert report["warnings"] == []
    assert report["skipped"] is False


def test_every_kind_of_prompt(vos, clip: Path, tmp_path: Path):
    mask = np.zeros((clips.HEIGHT, clips.WIDTH), np.uint8)
    mask[16:48, 22:54] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    flags = (
        *("--box", "1:20,16,52,48"),
        *("--point", "2:36,32", "--neg-point", "2:80,10"),
        *("--polygon", "3:5,5,15,5,15,12,5,12"),
        *("--scribble", "4:60,50,70,55,80,58"),
        *("--mask", "5:mask.png@2"),
    )
    ran = vos("track", clip, *flags, "-o", "out", "--save", "stats")
    assert ran.code == 0, ran.err
    by_frame: dict[int, list[int]] = {}
    for row in stats(tmp_path / "out"):
        by_frame.setdefault(row["frame_idx"], []).append(row["object_id"])
    assert by_frame[0] == by_frame[1] == [1, 2, 3, 4]
    assert by_frame[2] == by_frame[FRAMES - 1] == [1, 2, 3, 4, 5]

    # The written prompts are the same prompts: the run with the file is the same run.
    file = tmp_path / "prompts.json"
    shutil.copy(tmp_path / "out" / "prompts.json", file)
    same = vos("track", clip, "--prompts", file, "-o", "out", "--save", "stats", "--json")
    assert json.loads(same.out)["skipped"] is True, same.err


@pytest.mark.parametrize(
    ("direction", "covered"),
    [("forward", range(5, 8)), ("backward", range(6)), ("both", range(8))],
)
def test_direction(direction: str, covered: range, vos, clip: Path, tmp_path: Path):
    flags = ("--box", "25,16,57,48@5", "--direction", direction, "--save", "stats,masks")
    ran = vos("track", clip, *flags, "-o", "out", "-q")
    assert ran.code == 0, ran.err
    assert [row["frame_idx"] for row in stats(tmp_path / "out")] == list(covered)
    assert len(labels(tmp_path / "out")) == FRAMES


def test_part_of_an_image_folder(vos, tmp_path: Path):
    clips.images(tmp_path / "frames", 6)
    ran = vos("track", "frames", "--box", f"{clips.BOX}@2", "--start", "2f", "--end", "5f")
    assert ran.code == 0, ran.err
    folder = tmp_path / "frames-vos"
    assert sorted(p.name for p in (folder / "masks").iterdir()) == ["002.png", "003.png", "004.png"]
    globbed = vos("track", "frames/*.jpg", *BOX, "--save", "masks", "--overwrite", "-q")
    assert globbed.code == 0, globbed.err
    assert len(labels(folder)) == 6


def test_settings_from_file_and_environment(vos, clip: Path, tmp_path: Path):
    (tmp_path / "vos.toml").write_text('model = "sam2.1-tiny"\nsave = ["stats"]\n')
    from_file = vos("track", clip, *BOX, "-o", "out")
    assert from_file.code == 6
    assert "sam2.1-tiny" in from_file.err
    ran = vos("track", clip, *BOX, "-o", "out", "--json", VOS_MODEL="nano", VOS_PROGRESS="none")
    assert ran.code == 0, ran.err
    assert "stats.jsonl" in json.loads(ran.out)["files"]
    assert "masks/" not in json.loads(ran.out)["files"]
    wrong = vos("track", clip, *BOX, VOS_DTYPE="float8")
    assert wrong.code == 2
    assert wrong.error_lines[0].startswith("vos: error: VOS_DTYPE: 'float8'")


def test_hostile_file_name(vos, clip: Path, tmp_path: Path):
    name = "-a b\n:@[1].mp4"
    clip.rename(tmp_path / name)
    ran = vos("track", "-o", "out", "--save", "stats", *BOX, "--", name)
    assert ran.code == 0, ran.err
    refused = vos("track", *BOX, "--", "-none\n[2].mp4")
    assert refused.code == 3
    assert len(refused.err.splitlines()) == 1


def test_progress_lines_for_programs(clip: Path, capsys: pytest.CaptureFixture[str]):
    from vos_cli.console import progress

    bar = progress._JsonLines(4, progress.sys.stderr, period_s=0)
    with bar:
        bar.advance()
        bar.advance()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["frames"] for event in events] == [1, 2]
    assert events[-1]["total"] == 4
    assert events[-1]["event"] == "progress"


@pytest.mark.parametrize("total", [None, 2])
@pytest.mark.parametrize("mode", ["rich", "plain", "json", "none", "auto"])
def test_every_form_of_progress_counts(mode, total, capsys: pytest.CaptureFixture[str]):
    from vos_cli.console.progress import open_progress

    with open_progress(mode, total) as report:
        for _ in range(3):
            report.advance()
    assert report.done == 3
    assert capsys.readouterr().out == ""


def test_default_output():
    from vos_cli.job.job import default_output

    assert default_output("a/clip.mp4") == Path("a/clip.mp4-vos")
    assert default_output("a/frames/") == Path("a/frames-vos")
    assert default_output("a/frames/*.jpg") == Path("a/frames-vos")
    assert default_output(".") == Path.cwd().with_name(Path.cwd().name + "-vos")
    assert default_output("*.jpg") == Path.cwd().with_name(Path.cwd().name + "-vos")


def test_one_image_gives_the_mask_of_segment_image(vos, tmp_path: Path, monkeypatch):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(clips.picture(0)).save(photo, quality=95)
    threads = str(torch.get_num_threads())  # their number decides the last bits
    arguments = ("track", photo, *BOX, "--point", "2:70,10", "--model", "nano", "--device", "cpu")
    ran = vos(*arguments, OMP_NUM_THREADS=threads)
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "photo.jpg-vos/masks/photo.png") as image:
        tracked = np.array(image)
    monkeypatch.setenv("VOS_MODELS", str(tmp_path / "models"))
    box = public.Box(1, tuple(float(value) for value in clips.BOX.split(",")))
    prompts = [box, public.Points(2, ((70.0, 10.0),), (1,))]
    result = public.segment_image(photo, prompts, model="nano", device="cpu")
    assert result.name == "photo"
    assert np.array_equal(result.label_map, tracked)
    assert result.masks[1].any()
