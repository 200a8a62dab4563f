"""`vos demo` and `vos doctor`: what a newcomer runs first."""

from __future__ import annotations

import json

import pytest


def test_doctor(vos):
    ran = vos("doctor", "--json")
    report = json.loads(ran.out)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert list(states) == [
        *("Python", "torch", "GPU", "graphs", "resizing", "overlay", "decoding"),
        *("FFmpeg", "models", "disk", "self-test"),
    ]
    assert ran.code == 0, report
    assert "fail" not in states.values()


def test_doctor_says_what_is_wrong(vos, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "av.py").write_text("raise ImportError('no such library')")
    ran = vos("doctor", PYTHONPATH=str(broken))
    assert ran.code == 8
    assert len(ran.error_lines) == 1
    assert "FFmpeg" in ran.error_lines[0]
    lines = [line for line in ran.out.splitlines() if line.startswith("fail")]
    assert any("no such library" in line for line in lines)


@pytest.mark.slow
def test_demo_tracks_well(vos, tmp_path):
    ran = vos("demo", "-o", "out", "--json", timeout_s=600)
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    assert report["frames"] == 60
    assert report["mean_j"] >= 0.7
    assert (tmp_path / report["overlay"]).stat().st_size > 10_000
    assert (tmp_path / report["clip"]).is_file()
    again = vos("demo", "-o", "out", timeout_s=600)
    assert again.code == 0, again.err
    assert again.out.splitlines()[0] == "overlay: out/track/overlay.mp4"


def test_demo_needs_a_folder(vos, tmp_path):
    (tmp_path / "out").write_text("mine")
    ran = vos("demo", "-o", "out")
    assert ran.code == 2
    assert len(ran.error_lines) == 1
    assert (tmp_path / "out").read_text() == "mine"
