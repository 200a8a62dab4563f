"""`vos bench` measures what it says, on the embedded model."""

from __future__ import annotations

import json

from vos_cli.main import run


def test_report_has_every_measurement(capsys):
    assert run(["bench", "--objects", "2", "--frames", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == 1
    assert (report["model"], report["size_px"], report["objects"]) == ("nano", 256, 2)
    assert set(report["stage_ms"]) == {"encode_image", "condition", "decode", "encode_memory"}
    assert all(ms > 0 for ms in report["stage_ms"].values())
    assert sum(report["stage_ms"].values()) <= 1.2 * report["cpu_ms_per_frame"]
    assert 0 < report["fraction_of_peak"] < 1.5
    assert report["gflop_per_frame"] > 1
    assert report["peak_rss_mb"] > 100


def test_the_official_predictor_takes_turns(capsys):
    flags = ["--model", "sam2.1-tiny", "--size", "64", "--frames", "1", "--vs-sam2", "--json"]
    assert run(["bench", *flags, "--exact", "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["official_cpu_ms_per_frame"] > 0
    assert report["mask_iou"] == 1.0


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


def test_a_trained_refiner_of_an_absent_model_is_refused(capsys):
    assert run(["bench", "--model", "sam2.1-tiny", "--refiner", "mine", "--frames", "1"]) == 6
    assert "vos models pull sam2.1-tiny" in capsys.readouterr().err
