"""Two sets of masks, compared; against a slow description of what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos_eval.agreement import AGREEING_FRAMES, Side, compare, find_spans
from vos_eval.errors import EvalError
from vos_eval.metrics.jf import FramePair, Scorer
from vos_eval.report.agreement import find_notes, to_json, write_comparison

H, W = 12, 17


def write(folder: Path, maps: dict[str, np.ndarray]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        image = Image.fromarray(labels, "P")
        image.putpalette(list(range(256)) * 3)
        image.save(folder / f"{name}.png")
    return {name: folder / f"{name}.png" for name in maps}


def side(folder: Path, maps: dict[str, np.ndarray], objects: tuple[int, ...] = ()) -> Side:
    return Side(folder.name, write(folder, maps), frozenset(objects))


def draw(seed: int, frames: int, ids: tuple[int, ...] = (1, 2)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    maps = {}
    for t in range(frames):
        labels = np.zeros((H, W), np.uint8)
        for object_id in ids:
            if rng.random() < 0.8:
                top, left = rng.integers(0, H - 4), rng.integers(0, W - 4)
                labels[top : top + 4, left : left + 5] = object_id
        maps[f"{t:05}"] = labels
    return maps


def square(left: int, object_id: int = 1) -> np.ndarray:
    labels = np.zeros((H, W), np.uint8)
    labels[2:8, left : left + 6] = object_id
    return labels


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), frames=st.integers(1, 12))
def test_it_agrees_with_a_pixel_by_pixel_description(seed, frames, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    maps = [draw(seed + k, frames) for k in range(3)]
    sides = [side(folder / name, one, (1, 2)) for name, one in zip("abc", maps, strict=True)]
    truth_ids = {i for labels in maps[2].values() for i in np.unique(labels)} - {0}
    found = compare(sides[0], sides[1], sides[2] if truth_ids else None)
    for item in found.objects:
        for t, name in enumerate(maps[0]):
            one, other = (labels[name] == item.object_id for labels in maps[:2])
            union = (one | other).sum()
            if not union:
                assert np.isnan(item.agreement[t])
            else:
                assert item.agreement[t] == (one & other).sum() / union
        assert bool(item.scores) == (item.object_id in truth_ids)
        for labels, score in zip(maps[:2], item.scores, strict=False):
            scorer = Scorer()
            for name in maps[2]:
                pair = FramePair(maps[2][name], labels[name])
                scorer.add(pair.crop(item.object_id), pair.radius_px)
            wanted = scorer.scores()
            assert score.j.tolist() == [one.j for one in wanted]
            assert score.f.tolist() == [one.f for one in wanted]


def slow_spans(values: list[float], below: float) -> list[tuple[int, int]]:
    """Frames that say something, split wherever enough of them agree in a row."""
    seen = [(t, v) for t, v in enumerate(values) if not np.isnan(v)]
    apart = [place for place, (_, v) in enumerate(seen) if v < below]
    groups: list[list[int]] = []
    for place in apart:
        if groups and place - groups[-1][-1] <= AGREEING_FRAMES:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [(seen[group[0]][0], seen[group[-1]][0]) for group in groups]


@given(st.lists(st.sampled_from((0.1, 0.7, 0.85, 1.0, 1.0, 1.0, float("nan"))), max_size=80))
def test_spans_end_where_two_tracks_are_one_again(values):
    found = find_spans(np.array(values, float), 0.8)
    assert [(span.first, span.last) for span in found] == slow_spans(values, 0.8)
    for span in found:
        inside = values[span.first : span.last + 1]
        assert values[span.lowest] == np.nanmin(inside)


def test_objects_of_one_side_and_of_none_are_named(tmp_path):
    a = side(tmp_path / "a", {"0": square(1), "1": square(1)}, (1, 4, 7))
    b = side(tmp_path / "b", {"0": square(1), "1": square(2, 2) + square(9)}, (1, 4))
    found = compare(a, b)
    assert [item.object_id for item in found.objects] == [1, 4]
    assert found.only == ((7,), (2,))
    assert found.objects[1].mean is None
    notes = find_notes(found, {7: "cat"})
    assert notes == [
        "only in a, so compared with nothing: object 7 (cat)",
        "only in b, so compared with nothing: object 2",
        "on no frame of either: object 4",
    ]
    values = to_json(found, {})
    assert values["objects"][1]["agreement"] is None
    assert values["objects"][1]["over_time"] == {"0": None, "1": None}


def test_frames_that_only_one_has_are_refused_or_left_out_and_named(tmp_path):
    a = side(tmp_path / "a", {f"{t}": square(1) for t in range(5)})
    b = side(tmp_path / "b", {f"{t}": square(1) for t in range(2, 6)})
    with pytest.raises(EvalError) as caught:
        compare(a, b)
    assert caught.value.problems == (
        "2 of 5 frames are only in a (0, 1)",
        "1 of 4 frames are only in b (5)",
        "add --common to compare the 3 frames that both have",
    )
    found = compare(a, b, only_common=True)
    assert found.frames == ("2", "3", "4")
    assert [note.endswith("left out") for note in found.notes] == [True, True]
    truth = side(tmp_path / "gt", {"3": square(2), "9": square(2)})
    with pytest.raises(EvalError, match=r"1 frames are only in the ground truth \(9\)"):
        compare(a, a, truth)
    scored = compare(a, a, truth, only_common=True)
    assert scored.truth_frames == ("3",)
    assert scored.objects[0].scores[0].j.tolist() == [30 / 42]


@pytest.mark.parametrize(
    ("maps", "told"),
    [
        ({"x": square(1)}, "no frame in common: a has 0, 1, b has x"),
        ({"0": np.ones((3, 3), np.uint8), "1": square(1)}, "is 3x3, where a begins with 17x12"),
        ({"0": square(1, 5), "1": square(1, 5)}, "no object in common: a has 1, b has 5"),
    ],
)
def test_what_cannot_be_compared(tmp_path, maps, told):
    a = side(tmp_path / "a", {"0": square(1), "1": square(1)})
    with pytest.raises(EvalError, match=told):
        compare(a, side(tmp_path / "b", maps))


def test_masks_that_are_none_are_all_named(tmp_path):
    a = side(tmp_path / "a", {"0": square(1), "1": square(1)})
    b = side(tmp_path / "b", {"0": square(1), "1": square(1)})
    for name in ("0", "1"):
        b.masks[name].write_bytes(b"no picture")
    with pytest.raises(EvalError) as caught:
        compare(a, b)
    assert len(caught.value.problems) == 2
    Image.new("RGB", (W, H)).save(b.masks["0"])
    Image.new("RGB", (W, H)).save(b.masks["1"])
    with pytest.raises(EvalError, match="RGB image; a mask has one channel"):
        compare(a, b)


def test_a_ground_truth_of_other_ids_scores_nothing(tmp_path):
    a = side(tmp_path / "a", {"0": square(1)})
    with pytest.raises(EvalError, match="objects 255, none of those in both results"):
        compare(a, a, side(tmp_path / "gt", {"0": square(1, 255)}))


def test_the_page_shows_where_they_part_and_escapes_what_data_calls_itself(tmp_path):
    maps = {f"<{t}>": square(1) for t in range(30)}
    moved = {name: square(1 if 4 <= t < 20 else 7) for t, (name, _) in enumerate(maps.items())}
    a = Side("<a>", write(tmp_path / "a", maps))
    b = Side("b", write(tmp_path / "b", moved))
    found = compare(a, b, a)
    asked: list[list[str]] = []

    def pictures(names):
        asked.append(list(names))
        return {names[0]: np.full((H, W, 3), 200, np.uint8)}

    page = write_comparison(
        found,
        tmp_path / "page",
        names={1: "<b>cat</b>"},
        about={"policy": ("fifo", "<dam>")},
        notes=["said & done"],
        pictures=pictures,
    )
    text = page.read_text()
    assert "<a>" not in text
    assert "<b>cat" not in text
    assert "object 1 (&lt;b&gt;cat&lt;/b&gt;)" in text
    assert "said &amp; done" in text
    assert "&lt;dam&gt;" in text
    assert "Beside ground truth" in text
    assert text.count("data:image/jpeg;base64,") == len(asked[0]) == 2
    assert [(s.first, s.last) for s in found.objects[0].spans] == [(0, 3), (20, 29)]
    assert "http" not in text.replace("http://www.w3.org", "")
