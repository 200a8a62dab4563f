"""What `vos doctor` says of a GPU: what is used there, and what is not."""

from __future__ import annotations

import pytest
import torch

from vos.io.write.overlay import choose
from vos_cli.commands import doctor

NAMES = ("graphs", "resizing", "overlay", "decoding")


@pytest.fixture
def machine(monkeypatch):
    """Make this a machine with a GPU of some kind."""

    def make(kind: str | None, *, has_nvenc: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind in ("CUDA", "ROCm"))
        monkeypatch.setattr(torch.version, "hip", "7.0" if kind == "ROCm" else None)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "Apple")
        monkeypatch.setattr(choose, "works", lambda _form: has_nvenc)

    return make


def report() -> dict[str, str]:
    checks = [doctor._run_check(name, doctor._CHECKS[name], verbose=False) for name in NAMES]
    assert {check.state for check in checks} == {"ok"}
    return {check.name: check.detail for check in checks}


def test_on_cuda_everything_is_used(machine):
    machine("CUDA", has_nvenc=True)
    lines = report()
    assert "CUDA graphs of the image encoder" in lines["graphs"]
    assert "--exact" in lines["graphs"]
    assert "resized on the GPU" in lines["resizing"]
    assert lines["overlay"] == "drawn on the GPU, encoded by NVENC"


def test_without_nvenc_it_is_x264_and_said_why(machine):
    machine("CUDA")
    assert report()["overlay"] == (
        "drawn on the GPU, encoded by x264: this GPU or its driver offers no NVENC"
    )


def test_rocm_has_no_graphs_and_no_nvenc(machine):
    machine("ROCm", has_nvenc=True)
    lines = report()
    assert lines["graphs"] == "not used with ROCm: every frame runs eagerly"
    assert lines["resizing"] == "frames are resized on the CPU with ROCm"
    assert lines["overlay"] == "drawn on the CPU with ROCm, encoded by x264"


def test_apple_and_cpu(machine):
    machine("Apple")
    lines = report()
    assert lines["graphs"] == "not used with an Apple GPU: every frame runs eagerly"
    assert lines["resizing"] == "frames are resized on the CPU with an Apple GPU"
    assert lines["overlay"] == "drawn on the CPU with an Apple GPU, encoded by x264"
    machine(None)
    lines = report()
    assert lines["graphs"] == "not used: every frame runs eagerly"
    assert lines["overlay"] == "drawn on the CPU, encoded by x264"


@pytest.mark.parametrize("kind", ["CUDA", "ROCm", "Apple", None])
def test_videos_are_decoded_on_the_cpu_and_it_is_said_why(machine, kind):
    machine(kind)
    assert "on the CPU" in report()["decoding"]
    assert "damaged" in report()["decoding"]
