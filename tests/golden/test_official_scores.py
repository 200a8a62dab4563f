"""Scores equal what the official evaluators printed, entry by entry, at 1e-12 on the 0-1 scale."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from vos_eval.evaluate import evaluate
from vos_eval.metrics.boundary import Boundary
from vos_eval.protocols.base import Options, mean_over
from vos_eval.protocols.davis import DAVIS
from vos_eval.protocols.lvos import LVOS, LVOS_V1_ERA
from vos_eval.protocols.mosev2 import MOSEV2, OFFICIAL
from vos_eval.protocols.sav import SAV, sav_csv
from vos_eval.protocols.vost import VOST

SHARED = Path(os.environ.get("VOS_SHARED", Path(__file__).parents[2] / "../shared"))
GOLDEN = SHARED / "golden" / "eval"
TOLERANCE = 1e-12

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "golden.json").is_file(), reason="golden files are not on this machine"
)

LVOS_NAMES = {
    "J&F": "J&F-Mean",
    "J": "J-Mean",
    "F": "F-Mean",
    "V": "V-Mean",
    "Js": "J-seen-Mean",
    "Ju": "J-unseen-Mean",
    "Fs": "F-seen-Mean",
    "Fu": "F-unseen-Mean",
}
DAVIS_NAMES = {
    "J&F": "J&F-Mean",
    "J": "J-Mean",
    "JR": "J-Recall",
    "JD": "J-Decay",
    "F": "F-Mean",
    "FR": "F-Recall",
    "FD": "F-Decay",
}


def near(actual, expected, scale=1.0):
    if isinstance(expected, str) and expected == "nan":
        return np.isnan(actual)
    difference = np.abs(np.asarray(actual) * scale - np.asarray(expected))
    return bool((difference <= TOLERANCE * scale).all())


def golden(name):
    return json.loads((GOLDEN / "golden.json").read_text("utf-8"))["results"][name]


@pytest.mark.parametrize(
    ("protocol", "entry"),
    [
        (LVOS, "lvos_head/lvos_v1"),
        (LVOS_V1_ERA, "lvos_v1era_9ff733c/lvos_v1"),
    ],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_lvos(protocol, entry, jobs):
    expected = golden(entry)
    score = evaluate(
        protocol, GOLDEN / "lvos_v1/valid", GOLDEN / "lvos_v1/pred", Options(jobs=jobs)
    )
    for name, official in LVOS_NAMES.items():
        assert near(score.totals[name], expected["global"][official]), name
    for group, is_seen in (("seen", True), ("unseen", False)):
        v = np.mean([o.v for o in score.objects if o.is_seen is is_seen])
        assert near(v, expected["global"][f"V-{group}-Mean"])

    named, position = {}, {}
    for item in score.objects:
        position[item.video] = position.get(item.video, 0) + 1
        named[f"{item.video}_{position[item.video]}"] = item
    assert list(named) == list(expected["per_object"])
    for name, values in expected["per_object"].items():
        assert near(named[name].j_mean, values["J"])
        assert near(named[name].f_mean, values["F"])
        assert near(named[name].v, values["V"])
    assert [n for n, o in named.items() if o.is_seen] == expected["seen_objects"]
    assert [n for n, o in named.items() if not o.is_seen] == expected["unseen_objects"]
    assert near(list(named.values())[-1].v, float(expected["V_M_of_metrics_res"]))

    micro = expected["micro_all_objects"]
    for name, official in {
        "j_mean": "J",
        "f_mean": "F",
        "j_recall": "J_recall",
        "j_decay": "J_decay",
        "f_recall": "F_recall",
        "f_decay": "F_decay",
    }.items():
        assert near(mean_over(score.objects, name), micro[official])

    for item in score.objects:
        frames = expected["per_frame"][item.video][str(item.object_id)]
        assert near(item.j, np.array(frames["J"]))
        assert near(item.f, np.array(frames["F"]))


def test_lvos_cython_boundary():
    """The published effect of the optional operator: 57.50 becomes 56.02."""
    options = Options(boundary=Boundary.LVOS_CYTHON)
    score = evaluate(LVOS, GOLDEN / "lvos_v1/valid", GOLDEN / "lvos_v1/pred", options)
    assert round(100 * score.totals["F"], 2) == 56.02


def test_davis():
    expected = golden("davis2017/davis")
    score = evaluate(DAVIS, GOLDEN / "davis", GOLDEN / "davis/pred")
    for name, official in DAVIS_NAMES.items():
        assert near(score.totals[name], expected["global"][official]), name
    named = {f"{item.video}_{item.object_id}": item for item in score.objects}
    assert named.keys() == expected["per_object"].keys()
    for name, values in expected["per_object"].items():
        item = named[name]
        for actual, official in (
            (item.j_mean, "J"),
            (item.j_recall, "J_recall"),
            (item.j_decay, "J_decay"),
            (item.f_mean, "F"),
            (item.f_recall, "F_recall"),
            (item.f_decay, "F_decay"),
        ):
            assert near(actual, values[official]), (name, official)
    for video, values in expected["per_frame"].items():
        items = [item for item in score.objects if item.video == video]
        assert list(items[0].frames) == values["frames"]
        for item, j, f in zip(items, values["J"], values["F"], strict=True):
            assert near(item.j, np.array(j))
            assert near(item.f, np.array(f))


@pytest.mark.parametrize(
    ("entry", "gt", "pred"),
    [
        ("sav_skip1/lvos_v1", "lvos_v1/valid/Annotations", "lvos_v1/pred"),
        ("sav_skip1/davis", "davis/Annotations/480p", "davis/pred"),
    ],
)
def test_sav(entry, gt, pred):
    expected = golden(entry)
    score = evaluate(SAV, GOLDEN / gt, GOLDEN / pred)
    for name, official in {"J&F": "JF", "J": "J", "F": "F"}.items():
        assert near(score.totals[name], expected["global"][official], scale=100)
    assert {v: set(o) for v, o in expected["per_object"].items()} == {
        video: {str(o.object_id) for o in score.objects if o.video == video}
        for video in {o.video for o in score.objects}
    }
    for item in score.objects:
        values = expected["per_object"][item.video][str(item.object_id)]
        assert near(item.j_mean, values["J"], scale=100)
        assert near(item.f_mean, values["F"], scale=100)
    assert sav_csv(score) == expected["results_csv"]


def own_golden(name):
    path = Path(__file__).with_name("mosev2_vost.json")
    return json.loads(path.read_text("utf-8"))[name]


def near_or_none(actual, expected):
    return np.isnan(actual) if expected is None else near(actual, expected)


def test_mosev2(tmp_path):
    expected = own_golden("mosev2")
    root = tmp_path / "root"  # the metadata lies beside the annotations under its own name
    root.mkdir()
    (root / "Annotations").symlink_to(GOLDEN / "davis/Annotations/480p")
    (root / "meta.json").write_bytes((GOLDEN / "davis/mose_meta.json").read_bytes())
    score = evaluate(MOSEV2, root, GOLDEN / "davis/pred")
    for official, name in OFFICIAL.items():
        assert near(score.totals[name], expected["global"][official]), name
    named = {f"{item.video}_{item.object_id}": item for item in score.objects}
    assert named.keys() == expected["objects"].keys()
    for name, values in expected["objects"].items():
        numbers = named[name].numbers()
        columns = ("J", "Fdot", "F", "J_d", "Fdot_d", "J_r", "Fdot_r")
        for column, value in zip(columns, values, strict=True):
            assert near_or_none(numbers[column], value), (name, column)
        frames = expected["frames"][name]
        assert near(named[name].j, frames["J"])
        assert near(named[name].f, frames["F_new"])
        assert near(named[name].f_fixed, frames["F"])
    assert any(values[3] is not None for values in expected["objects"].values())
    assert any(values[5] is not None for values in expected["objects"].values())


def test_vost():
    expected = own_golden("vost")
    score = evaluate(VOST, GOLDEN / "davis", GOLDEN / "davis/pred")
    columns = ("J", "JR", "JD", "J_tr", "J_trR", "J_trD")
    for name, value in zip(columns, expected["global"].values(), strict=True):
        assert near(score.totals[name], value), name
    for item in score.objects:
        values = expected["objects"][f"{item.video}_{item.object_id}"]
        for name, value in zip(columns, values, strict=True):
            assert near(item.numbers()[name], value), name
    assert len(score.objects) == len(expected["objects"])
