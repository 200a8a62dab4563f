"""`vos eval score` as a user meets it: exact numbers, and every way a data set can be wrong."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from vos_cli import main

FRAMES = list(range(1, 42, 5))  # 1 ... 41
SIZE = (36, 52)
UNSEEN, SEEN = "8lxxCA5h", "0tCWPOrc"


def run(*arguments, code=0):
    """The program in this process: what it would print, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        returned = main.run(["eval", "score", *map(str, arguments)])
    assert returned == code, err.getvalue()
    assert "internal error" not in err.getvalue()
    return subprocess.CompletedProcess(arguments, returned, out.getvalue(), err.getvalue())


def run_process(*arguments):
    command = [sys.executable, "-m", "vos_cli", "eval", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def write_mask(path, mask, mode="P"):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette([value for i in range(256) for value in (i, 255 - i, i // 2)])
    image.save(path)


def mask_of(video, number, shift=0):
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    mask = np.zeros(SIZE, np.uint8)
    x = 12 + number // 3 + shift + 3 * (video == SEEN)
    mask[(rows - 18) ** 2 + (columns - x) ** 2 < 80] = 1
    mask[4:9, 40 + shift : 46 + shift] = 2
    return mask


def meta_of(**changes):
    span = {"start": 1, "end": 41, "frame_nums": 8} | changes
    return {
        "videos": {
            video: {"objects": {"1": {"frame_range": span}, "2": {"frame_range": span}}}
            for video in (UNSEEN, SEEN)
        }
    }


@pytest.fixture
def lvos(tmp_path):
    for video in (UNSEEN, SEEN):
        for number in FRAMES:
            write_mask(
                tmp_path / f"gt/Annotations/{video}/{number:08d}.png", mask_of(video, number)
            )
            write_mask(
                tmp_path / f"pred/{video}/{number:08d}.png", mask_of(video, number, number % 4)
            )
    (tmp_path / "gt/valid_meta.json").write_text(json.dumps(meta_of()))
    return tmp_path


def lvos_args(root, *more):
    return ("--protocol", "lvos", "--gt", root / "gt", "--pred", root / "pred", "--jobs", 1, *more)


def score_of(root, *more):
    return json.loads(run(*lvos_args(root, "--json", *more)).stdout)


def problems_of(root, *more, arguments=None):
    """Run, expect no score at all, and give the named problems."""
    done = run(*(arguments or lvos_args(root, "--json", *more)), code=3)
    content = json.loads(done.stdout)
    assert content["global"] is None
    assert content["objects"] == []
    for problem in content["problems"]:
        assert problem in done.stderr
    return content["problems"]


def test_json(lvos):
    content = score_of(lvos)
    assert list(content) == [
        "schema", "protocol", "global", "objects", "attributes", "left_out", "readings", "problems",
    ]  # fmt: skip
    assert content["schema"] == 1
    assert content["protocol"] == "lvos"
    assert list(content["global"]) == ["J&F", "J", "F", "Js", "Fs", "Ju", "Fu", "V"]
    assert content["problems"] == []
    assert [(o["video"], o["object_id"]) for o in content["objects"]] == [
        (SEEN, 1), (SEEN, 2), (UNSEEN, 1), (UNSEEN, 2),
    ]  # fmt: skip
    first = content["objects"][0]
    assert list(first) == ["video", "object_id", "J", "F", "V", "seen", "frames"]
    assert first["seen"] is True
    assert first["frames"] == 6  # 8 walked, without the prompt frame and the last one
    assert 0 < first["J"] < 1


def test_numbers_do_not_depend_on_jobs_or_earlier_runs(lvos):
    before = score_of(lvos)
    assert score_of(lvos, "--jobs", 2) == before
    write_mask(lvos / f"pred/{SEEN}/00000006.png", np.zeros(SIZE, np.uint8))
    after = score_of(lvos)
    assert after["global"]["Js"] < before["global"]["Js"]
    assert after["global"]["Ju"] == before["global"]["Ju"]


def test_as_a_program(lvos):
    done = run_process(*lvos_args(lvos, "--json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == score_of(lvos)
    (lvos / f"pred/{SEEN}/00000011.png").unlink()
    done = run_process(*lvos_args(lvos))
    assert done.returncode == 3
    assert done.stdout == ""
    assert "00000011" in done.stderr
    assert "Traceback" not in done.stderr


def test_table_and_csv(lvos):
    done = run(*lvos_args(lvos, "--csv", lvos / "out/scores.csv"))
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["sequence", "object", "J&F", "J", "F", "V", "seen", "frames"]
    assert any(line.startswith("total") for line in lines)
    rows = (lvos / "out/scores.csv").read_text().splitlines()
    assert rows[0] == "Sequence,J-Mean,F-Mean,V-Mean"
    assert rows[1].startswith(f"{SEEN}_1,0.")
    total = (lvos / "out/scores-global.csv").read_text().splitlines()
    assert total[0].startswith("J&F-Mean,J-Mean,J-seen-Mean")
    assert len(total) == 2


def test_frames_that_are_never_scored_may_be_absent(lvos):
    before = score_of(lvos)
    for number in (1, 36, 41):  # prompt frame, last but one, last
        (lvos / f"pred/{SEEN}/{number:08d}.png").unlink()
    assert score_of(lvos) == before


@pytest.mark.parametrize("name", ["val_meta.json", "meta.json"])
def test_other_names_and_strings_in_the_metadata(lvos, name):
    before = score_of(lvos)
    (lvos / "gt/valid_meta.json").unlink()
    (lvos / "gt" / name).write_text(json.dumps(meta_of(start="1", end="41", frame_nums="8")))
    assert score_of(lvos) == before


def test_missing_video_and_frames_are_all_named(lvos):
    for path in (lvos / f"pred/{SEEN}").iterdir():
        path.unlink()
    (lvos / f"pred/{SEEN}").rmdir()
    (lvos / f"pred/{UNSEEN}/00000011.png").unlink()
    (lvos / f"pred/{UNSEEN}/00000021.png").unlink()
    write_mask(lvos / f"pred/{UNSEEN}/00000026.png", np.zeros((5, 7), np.uint8))
    problems = problems_of(lvos)
    assert len(problems) == 3
    assert SEEN in problems[0]
    assert "folder" in problems[0]
    assert "00000011, 00000021" in problems[1]
    assert "00000026.png is 7x5" in problems[2]
    assert "52x36" in problems[2]


def test_missing_empty_scores_and_says_so(lvos):
    before = score_of(lvos)
    (lvos / f"pred/{SEEN}/00000011.png").unlink()
    done = run(*lvos_args(lvos, "--json", "--missing", "empty"))
    content = json.loads(done.stdout)
    assert content["global"]["Js"] < before["global"]["Js"]
    assert len(content["problems"]) == 1
    assert "00000011" in content["problems"][0]
    assert "scored as empty" in content["problems"][0]
    assert content["problems"][0] in done.stderr
    assert run(*lvos_args(lvos), code=3).stdout == ""


def test_colour_mask(lvos):
    path = lvos / f"pred/{SEEN}/00000016.png"
    write_mask(path, np.zeros((*SIZE, 3), np.uint8), mode="RGB")
    (problem,) = problems_of(lvos)
    assert "RGB" in problem
    assert str(path) in problem


def test_size_and_broken_files(lvos):
    write_mask(lvos / f"pred/{SEEN}/00000016.png", np.zeros((9, 9), np.uint8))
    broken = lvos / f"pred/{SEEN}/00000021.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    (lvos / f"pred/{UNSEEN}/00000021.png").write_bytes(b"not a png")
    (lvos / f"gt/Annotations/{UNSEEN}/00000026.png").write_bytes(b"")
    problems = problems_of(lvos)
    assert len(problems) == 4
    assert "9x9" in problems[0]
    assert "00000021.png" in problems[1]
    assert "ground truth" in problems[3]


def test_ground_truth_missing(lvos):
    (lvos / f"gt/Annotations/{SEEN}/00000016.png").unlink()
    (problem,) = problems_of(lvos)
    assert "ground truth" in problem
    assert "00000016" in problem


@pytest.mark.parametrize("number", [-1, 0, 2, 7, 10, 500])
def test_frame_nums_that_do_not_fit(lvos, number):
    (lvos / "gt/valid_meta.json").write_text(json.dumps(meta_of(frame_nums=number)))
    problems = problems_of(lvos)
    assert len(problems) == 4
    assert all(f"frame_nums {number}" in problem for problem in problems)
    assert ("too small" if number < 8 else "too large") in problems[0]
    fixed = score_of(lvos, "--fix", "frame-nums")
    assert fixed["objects"][0]["frames"] == 6


def test_frame_nums_one_more_scores_one_more_frame(lvos):
    (lvos / "gt/valid_meta.json").write_text(json.dumps(meta_of(frame_nums=9)))
    assert score_of(lvos)["objects"][0]["frames"] == 7


def test_no_frame_to_score(lvos):
    (lvos / "gt/valid_meta.json").write_text(json.dumps(meta_of(end=11, frame_nums=2)))
    assert all("no frame to score" in problem for problem in problems_of(lvos))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "JSON"),
        ("[1]", "no videos"),
        ('{"videos": {}}', "no videos"),
        ('{"videos": {"a": {}}}', "video a has no objects"),
        ('{"videos": {"a": {"objects": {"1": {}}}}}', "frame_range"),
        ('{"videos": {"a": {"objects": {"x": {"frame_range": {"start": 1, "end": 9, '
         '"frame_nums": 1}}}}}}', "object x"),
        ('{"videos": {"a": {"objects": {"1": {"frame_range": {"start": 9, "end": 1, '
         '"frame_nums": 1}}}}}}', "start"),
    ],
)  # fmt: skip
def test_bad_metadata(lvos, text, expected):
    (lvos / "gt/valid_meta.json").write_text(text)
    assert any(expected in problem for problem in problems_of(lvos))


def test_no_metadata_and_no_folders(lvos):
    (lvos / "gt/valid_meta.json").unlink()
    assert "valid_meta.json" in problems_of(lvos)[0]
    missing = ("--protocol", "sav", "--json", "--gt", lvos / "nowhere", "--pred", lvos)
    assert "does not exist" in problems_of(lvos, arguments=missing)[0]


def test_no_unseen_or_no_seen_video(lvos):
    names = lvos / "names.txt"
    names.write_text("nothing\n")
    assert "no unseen video" in problems_of(lvos, "--unseen", names)[0]
    names.write_text(f"{SEEN}\n{UNSEEN}\n")
    assert "no seen video" in problems_of(lvos, "--unseen", names)[0]
    names.write_text(f"{SEEN}\n")
    content = score_of(lvos, "--unseen", names)
    assert [o["seen"] for o in content["objects"]] == [False, False, True, True]
    assert "names.txt" in problems_of(lvos, "--unseen", lvos / "no/names.txt")[0]


@pytest.mark.parametrize(
    "more",
    [
        ("--fix", "decay-wrap"),
        ("--fix", "everything"),
        ("--missing", "skip"),
        ("--boundary", "rough"),
        ("--jobs", "0"),
    ],
)
def test_wrong_options(lvos, more):
    assert run(*lvos_args(lvos, *more), code=2).stdout == ""


@pytest.fixture
def davis(tmp_path):
    for number in range(5):
        write_mask(tmp_path / f"gt/Annotations/480p/ball/{number:05d}.png", mask_of(SEEN, number))
        write_mask(tmp_path / f"pred/ball/{number:05d}.png", mask_of(SEEN, number, 1))
    return tmp_path


def davis_args(root, *more):
    return ("--protocol", "davis", "--gt", root / "gt", "--pred", root / "pred", "--json", *more)


def test_davis_json(davis):
    content = json.loads(run(*davis_args(davis)).stdout)
    assert list(content["global"]) == ["J&F", "J", "JR", "JD", "F", "FR", "FD"]
    assert [o["frames"] for o in content["objects"]] == [3, 3]


def test_davis_2016_masks_of_0_and_255(davis):
    for number in range(5):
        for side, shift in (("gt/Annotations/480p", 0), ("pred", 1)):
            mask = (mask_of(SEEN, number, shift) == 1).astype(np.uint8)
            if side != "pred":
                mask *= 255
            write_mask(davis / side / f"ball/{number:05d}.png", mask, mode="L")
    content = json.loads(run(*davis_args(davis)).stdout)
    (ball,) = content["objects"]
    assert 0.5 < ball["J"] < 1
    write_mask(davis / "pred/ball/00002.png", np.full(SIZE, 2, np.uint8))
    (problem,) = problems_of(davis, arguments=davis_args(davis))
    assert "1 or 255" in problem


def test_davis_label_that_the_video_does_not_have(davis):
    mask = mask_of(SEEN, 2)
    mask[0, 0] = 3
    write_mask(davis / "pred/ball/00002.png", mask)
    (problem,) = problems_of(davis, arguments=davis_args(davis))
    assert "label 3" in problem
    assert "00002.png" in problem


def test_davis_too_short(davis):
    for number in (2, 3, 4):
        (davis / f"gt/Annotations/480p/ball/{number:05d}.png").unlink()
    (problem,) = problems_of(davis, arguments=davis_args(davis))
    assert "at least 3" in problem


def test_davis_list_names_a_sequence_that_is_not_there(davis):
    (davis / "gt/ImageSets/2017").mkdir(parents=True)
    (davis / "gt/ImageSets/2017/val.txt").write_text("ball\ngone\n")
    assert any("gone" in p for p in problems_of(davis, arguments=davis_args(davis)))
    run(*davis_args(davis, "--split", "train"), code=3)


def test_sav_object_folders(tmp_path):
    for object_id, label in ((0, 1), (12, 255)):
        for number in range(6):
            mask = (mask_of(SEEN, number) == 1).astype(np.uint8) * label
            shifted = (mask_of(SEEN, number, object_id // 6) == 1).astype(np.uint8)
            if object_id == 12 and number < 3:
                mask[:] = shifted[:] = 0
            write_mask(tmp_path / f"gt/clip/{object_id:03d}/{4 * number:05d}.png", mask)
            write_mask(tmp_path / f"pred/clip/{object_id:03d}/{4 * number:05d}.png", shifted)
    arguments = ("--protocol", "sav", "--gt", tmp_path / "gt", "--pred", tmp_path / "pred")
    content = json.loads(run(*arguments, "--json").stdout)
    assert list(content["global"]) == ["J&F", "J", "F"]
    assert [(o["object_id"], o["frames"]) for o in content["objects"]] == [(0, 4), (12, 2)]
    assert content["objects"][0]["J"] == 1
    assert 0.5 < content["objects"][1]["J"] < 1
    lines = run(*arguments, "--csv", tmp_path / "r.csv").stdout.splitlines()
    assert lines[0].startswith("sequence")
    assert (tmp_path / "r.csv").read_text().splitlines()[2].startswith("clip        ,000,100.0")


def test_several_processes_of_the_program(lvos):
    """From a script without `if __name__ == "__main__"`, which nothing needs here."""
    (lvos / "script.py").write_text(
        "import sys\n"
        "from vos_eval import parallel\n"
        "from vos_cli import main\n"
        "parallel._FRAMES_PER_TASK, parallel._WORTH_A_HELPER_S = 2, 1e-9\n"
        f"code = main.run({['eval', 'score', *map(str, lvos_args(lvos, '--json'))]}"
        " + ['--jobs', '3'])\n"
        "assert 'torch' not in sys.modules, 'scoring needs no torch'\n"
        "raise SystemExit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=lvos, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == score_of(lvos)
