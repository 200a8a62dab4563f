"""`vos compare`: what it takes, what it prints, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e import clips
from e2e.results import FRAMES, make, manifest_of
from vos.io.write.mask_png import read_label_png
from vos_cli.main import run as run_command


@pytest.fixture
def pair(result: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The result, and a copy in which object 1 has gone elsewhere on a few frames."""
    other = tmp_path / "other"
    shutil.copytree(result, other)
    for t in range(6, 9):
        path = other / "masks" / f"{t:05}.png"
        labels = read_label_png(path)
        free = labels == 0
        labels[labels == 1] = 0
        labels[-6:, :8][free[-6:, :8]] = 1
        save(path, labels)
    return result, other


def save(path: Path, labels: np.ndarray) -> None:
    image = Image.fromarray(labels, "P")
    image.putpalette(list(range(256)) * 3)
    image.save(path)


def command(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command(["compare", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_two_results_in_words_in_json_and_as_a_page(pair, tmp_path, capsys):
    before = [(path, path.read_bytes()) for one in pair for path in one.rglob("*.png")]
    code, out, err = command(capsys, *pair, "--progress", "none")
    assert code == 0
    head, first, second, _, span_head, *spans = out.splitlines()
    assert head.split() == ["object", "agreement", "lowest", "on", "frame", "spans", "apart"]
    assert first.split()[:2] == ["object", "1"]
    assert second.split()[2] == "100.0"
    assert span_head.split() == ["object", "first", "last", "frames", "lowest", "on", "frame"]
    assert [line.split()[:4] for line in spans] == [["1", "00006", "00008", "3"]]
    assert "A of" not in out
    page = tmp_path / "page"
    code, out, err = command(capsys, *pair, "--json", "-o", page, "--gt", pair[0] / "masks")
    assert code == 0, err
    values = json.loads(out)
    assert (values["schema"], values["frames"], values["truth_frames"]) == (1, FRAMES, FRAMES)
    assert [one["object_id"] for one in values["objects"]] == [1, 3]
    moved, same = values["objects"]
    assert [(s["first"], s["last"]) for s in moved["spans"]] == [("00006", "00008")]
    assert (same["agreement"], same["spans"]) == (1.0, [])
    assert moved["scores"]["a"] == {"J&F": 1.0, "J": 1.0, "F": 1.0}
    assert moved["scores"]["b"]["J"] == pytest.approx(moved["agreement"])
    assert values["page"] == str(page / "index.html")
    text = (page / "index.html").read_text()
    assert "Frames that differ most" in text
    assert "data:image/jpeg" in text
    assert "masks only" not in err
    assert before == [(path, path.read_bytes()) for path, _ in before]


def test_pictures_come_from_the_clip_where_anything_says_which(pair, tmp_path, capsys):
    plain = tmp_path / "plain"
    shutil.copytree(pair[1] / "masks", plain)
    page = tmp_path / "page"
    code, _, err = command(capsys, plain, pair[1] / "masks", "-o", page)
    assert (code, "masks only (plain masks do not say" in err) == (0, True)
    code, _, err = command(capsys, plain, pair[0], "-o", page)
    assert (code, "masks only" in err) == (0, False)
    moved = tmp_path / "clip.mp4"
    moved.rename(tmp_path / "elsewhere.mp4")
    code, _, err = command(capsys, *pair, "-o", page)
    assert (code, "masks only" in err, "is not there, or changed" in err) == (0, True, True)
    code, _, err = command(capsys, *pair, "-o", page, "--video", tmp_path / "elsewhere.mp4")
    assert (code, "masks only" in err) == (0, False)
    Image.new("RGB", (10, 10)).save(tmp_path / "small.png")
    code, _, err = command(capsys, *pair, "-o", page, "--video", tmp_path / "small.png")
    assert code == 3
    assert "is 10 x 10, the masks are 96 x 64" in err


def test_results_of_two_clips_and_of_other_names_are_told(pair, tracker, tmp_path, capsys):
    result, other = pair
    manifest = manifest_of(other)
    manifest["input"] |= {"name": "b.mp4", "sha256": "0" * 64}
    (other / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = command(capsys, result, other)
    assert code == 0
    assert "not of the same clip: one is of clip.mp4, the other of b.mp4" in err
    for one, name in ((result, "cat"), (other, "dog")):
        drawn = json.loads((one / "prompts.json").read_text())
        (one / "prompts.json").write_text(json.dumps({**drawn, "names": {"1": name}}))
    code, out, err = command(capsys, result, other)
    assert (code, out) == (2, "")
    assert "object 1 is 'cat' in" in err
    assert "'dog' in" in err
    code, out, _ = command(capsys, result, other, "--ignore-names")
    assert code == 0
    assert "object 1 (cat)" in out


def test_what_is_refused(pair, tmp_path, capsys):
    result, other = pair
    (tmp_path / "empty").mkdir()
    (tmp_path / "batch").mkdir()
    shutil.copytree(result, tmp_path / "batch" / "clip")
    (tmp_path / ".cut.part").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>Mine</h1>")
    for words, code, told in [
        ((result, tmp_path / "none"), 3, "no such folder; give a result"),
        ((result, tmp_path / "clip.mp4"), 3, "is a file; give a result"),
        ((result, tmp_path / "empty"), 3, "no masks in it"),
        ((result, tmp_path / "batch"), 3, "holds 1; give one of them, such as"),
        ((result, tmp_path / "cut"), 2, "is an interrupted track"),
        ((result, other, "--below", "80"), 2, "an agreement is from 0 to 1"),
        ((result, other, "--video", "x.mp4"), 2, "--video is for the pictures"),
        ((result, other, "-o", tmp_path / "clip.mp4"), 2, "is a file; name a folder"),
        ((result, other, "-o", other), 2, "is a result; name another folder"),
        ((result, other, "-o", tmp_path / "site"), 2, "that vos did not write"),
        ((result, other, "--gt", tmp_path / "empty"), 3, "no masks in it"),
    ]:
        got, out, err = command(capsys, *words)
        assert (got, out) == (code, ""), (words, err)
        assert told in err
        assert "Traceback" not in err
    (other / "masks" / "00003.png").write_bytes(b"no mask")
    code, out, err = command(capsys, result, other / "masks")
    assert (code, out) == (3, "")
    assert "00003.png: not a readable image" in err


def test_from_outside(vos, tmp_path):
    for name, left in (("a", 10), ("b", 12)):
        (tmp_path / name).mkdir()
        for t in range(3):
            labels = np.zeros((40, 50), np.uint8)
            labels[10:30, left : left + 20] = 1
            save(tmp_path / name / f"{t}.png", labels)
    ran = vos("compare", "a", "b", "-q")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].split()[2:] == ["81.8", "81.8", "0", "0"]
    helped = vos("compare", "--help")
    assert "Example:  vos compare video.mp4-vos" in helped.out


def test_a_clip_of_images_is_matched_by_its_file_names(tracker, tmp_path, capsys):
    folder = clips.images(tmp_path / "shot", 4)
    for output in ("one", "two"):
        make(tracker, folder, tmp_path / output, save=("masks", "stats"))
    code, out, err = command(capsys, tmp_path / "one", tmp_path / "two", "-o", tmp_path / "page")
    assert (code, "masks only" in err) == (0, False)
    assert "100.0" in out
    assert "Every mask is the same." in (tmp_path / "page" / "index.html").read_text()
