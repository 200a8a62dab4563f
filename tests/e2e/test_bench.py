"""`vos bench` measures what it says, on the embedded model."""

from __future__ import annotations

import json

import pytest
import torch
from sam2.sam2_video_predictor import SAM2VideoPredictorVOS

from benchmarks import gpu
from vos.bench.official import official_predictor
from vos.bench.session import COMPILED_FRAME, Bench, Case
from vos.model.options import ModelOptions
from vos_cli.main import run


def test_report_has_every_measurement(capsys):
    assert run(["bench", "--objects", "2", "--frames", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == 1
    assert (report["model"], report["size_px"], report["objects"]) == ("nano", 320, 2)
    assert set(report["stage_ms"]) == {"encode_image", "condition", "decode", "encode_memory"}
    assert all(ms > 0 for ms in report["stage_ms"].values())
    assert sum(report["stage_ms"].values()) <= 1.2 * report["cpu_ms_per_frame"]
    assert 0 < report["fraction_of_peak"] < 1.5
    assert report["gflop_per_frame"] > 1
    assert report["peak_rss_mb"] > 100


def test_the_official_predictor_takes_turns(capsys):
    flags = ["--model", "sam2.1-tiny", "--size", "64", "--frames", "1", "--vs-sam2", "--json"]
    flags += ["--objects", "2"]  # that overlap
    assert run(["bench", *flags, "--exact", "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["official_cpu_ms_per_frame"] > 0
    assert report["mask_iou"] == 1.0
    assert report["stage_ms"]["condition"] > 0
    assert "peak_rss_mb" not in report  # it would be that of both


def test_the_official_predictor_compiled_is_the_packages_own_and_timed_once_compiled(
    monkeypatch, capfd
):
    compiled: list[str] = []

    def pretend(function, **_options):
        compiled.append(type(function.__self__).__name__)
        return function

    monkeypatch.setattr(torch, "compile", pretend)
    predictor = official_predictor("configs/sam2.1/sam2.1_hiera_t.yaml", 64, compiled=True)
    assert type(predictor) is SAM2VideoPredictorVOS
    assert {"ImageEncoder", "MemoryAttention", "MaskDecoder"} <= set(compiled)
    assert not capfd.readouterr().out  # stdout is for the report
    nano = Bench.open(Case(ModelOptions("nano", refiner="none", device="cpu"), official="compiled"))
    assert nano.timed.start == COMPILED_FRAME


def test_nano_has_no_official_configuration(capsys):
    assert run(["bench", "--vs-sam2", "--frames", "1"]) == 2
    assert "sam2.1-tiny" in capsys.readouterr().err


def test_a_preset_is_measured_untrained_on_any_model(capsys):
    flags = ["--frames", "1", "--device", "cpu", "--json"]
    assert run(["bench", "--refiner", "pr_mr", *flags]) == 0
    nano = json.loads(capsys.readouterr().out)
    assert run(["bench", *flags]) == 0
    assert nano["gflop_per_frame"] > 1.1 * json.loads(capsys.readouterr().out)["gflop_per_frame"]
    tiny = ["--model", "sam2.1-tiny", "--size", "64", "--pool-memory", "2", *flags]
    assert run(["bench", "--refiner", "mr", *tiny]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["refiner"], report["pool_memory"]) == ("sam2refiner", 2)


def test_options_that_exclude_each_other_are_refused_with_random_weights_too(capsys):
    random = ["--model", "sam2.1-tiny", "--exact", "--frames", "1"]
    assert run(["bench", *random, "--pool-memory", "2"]) == 2
    assert "--pool-memory 2" in capsys.readouterr().err
    assert run(["bench", *random, "--compile"]) == 2
    assert "--compile and --exact" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--objects", "0", "--objects 0: give 1 to 255"),
        ("--objects", "256", "--objects 256: give 1 to 255"),
        ("--frames", "0", "--frames 0: give 1 or more"),
    ],
)
def test_numbers_out_of_range(capsys, option, value, words):
    assert run(["bench", option, value]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("row", gpu.ROWS, ids=lambda row: row.name)
def test_the_rows_for_a_gpu_are_command_lines(capsys, row):
    """Without frames: refused, but only after every option has been understood."""
    assert run(["bench", *row.flags.split(), "--device", "cpu", "--frames", "0"]) == 2
    assert "--frames 0" in capsys.readouterr().err


def test_a_row_says_whether_its_target_is_met():
    report = {"frames_per_s": 50.0, "fraction_of_peak": 0.4, "speed_ratio": 1.2, "model_share": 1}
    row = gpu.Row("large", "", "official", ratio=1.3, fraction=0.35)
    assert gpu.line(row, report, {}).endswith("| >= 1.3x, >= 0.35 of peak | no |")
    assert gpu.line(row, report | {"speed_ratio": 1.31}, {}).endswith("| yes |")
    assert gpu.line(row, report | {"fraction_of_peak": 0.3}, {}).endswith("| no |")
    refined = gpu.Row("large, PR + MR", "", "alone", ratio=0.8)
    assert "| 0.83x | alone |" in gpu.line(refined, report, {"alone": 60.0})
    assert "failed" in gpu.line(row, None, {})
    assert gpu.line(gpu.Row("nano", "", rate=60), report, {}).endswith("| >= 60 frames/s | no |")
    assert gpu.line(gpu.Row("nano", "", rate=50), report, {}).endswith("| yes |")


def test_profile_says_where_the_time_goes(capsys, monkeypatch):
    monkeypatch.setattr("vos_cli.commands.bench._PROFILED_FRAMES", 2)
    assert run(["bench", "--frames", "1", "--device", "cpu", "--profile"]) == 0
    said = capsys.readouterr()
    assert "host ms" in said.err
    for stage in (
        "encode_image",
        "condition",
        "wait",
        "a frame",
        "read",
        "make small, 320 px",
        "masks",
        "overlay",
    ):
        assert f"\n{stage} " in said.err
    assert "host ms" not in said.out


def test_a_trained_refiner_of_an_absent_model_is_refused(capsys):
    assert run(["bench", "--model", "sam2.1-tiny", "--refiner", "mine", "--frames", "1"]) == 6
    assert "vos models pull sam2.1-tiny" in capsys.readouterr().err
