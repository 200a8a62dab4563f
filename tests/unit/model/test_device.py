"""A device that is not here is refused in one line that says what to do."""

from __future__ import annotations

import pytest
import torch

from vos.errors import UsageError
from vos.loading import load
from vos.model.device import pick_device

NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed "
    "a driver from http://www.nvidia.com/Download/index.aspx"
)
OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: http://www.nvidia.com"
)
NOT_BUILT = "Torch not compiled with CUDA enabled"
BAD_ORDINAL = "CUDA error: invalid device ordinal\nGPU device may be out of range, do you have"


@pytest.fixture
def machine(monkeypatch):
    """Make torch say what it says on a machine."""

    def make(reason: str, *, cuda: str | None = "13.0", hip: str | None = None, count: int = 0):
        def empty(*_size: object, **_more: object) -> torch.Tensor:
            error = AssertionError if reason == NOT_BUILT else RuntimeError
            raise error(reason)

        monkeypatch.setattr(torch, "empty", empty)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.version, "hip", hip)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return make


def refusal(name: str) -> str:
    with pytest.raises(UsageError) as caught:
        pick_device(name)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 260
    return text


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_no_driver(machine, name):
    machine(NO_DRIVER)
    assert refusal(name) == (
        f"device={name!r}: no CUDA device here: Found no NVIDIA driver on your system; use "
        "device='cpu', or install a driver for CUDA 13.0; a container has to be given the GPU "
        "(--gpus all)"
    )


def test_an_old_driver(machine):
    machine(OLD_DRIVER)
    text = refusal("cuda")
    assert "no CUDA device here: The NVIDIA driver on your system is too old (found version" in text
    assert "use device='cpu', or install a driver for CUDA 13.0" in text


def test_torch_without_cuda(machine):
    machine(NOT_BUILT, cuda=None)
    text = refusal("cuda")
    assert f"no CUDA device here: torch {torch.__version__} is built without CUDA" in text
    assert "use device='cpu', or install a torch with CUDA" in text


def test_rocm_without_a_gpu(machine):
    machine("No HIP GPUs are available", cuda=None, hip="7.0")
    assert "no CUDA device here: No HIP GPUs are available; use device='cpu'" in refusal("cuda")
    assert "driver for ROCm 7.0" in refusal("cuda")


@pytest.mark.parametrize(("count", "here"), [(1, "cuda:0"), (4, "cuda:0 to cuda:3")])
def test_fewer_gpus_than_named(machine, count, here):
    machine(BAD_ORDINAL, count=count)
    text = refusal("cuda:4")
    assert f"device='cuda:4': no such device; this machine has {here}; use one of these" in text


def test_no_apple_gpu(machine):
    machine("Could not run 'aten::empty.memory_format' with arguments from the 'MPS' backend. " * 9)
    text = refusal("mps")
    assert text == "device='mps': no Apple GPU that this torch can use; use device='cpu'"


def test_no_device_at_all():
    assert refusal("tpu") == "device='tpu': no such device; use auto, cpu, cuda, cuda:N or mps"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_this_machine_says_it_too():
    with pytest.raises(UsageError, match=r"no CUDA device here: .*; use device='cpu', or install"):
        load("nano", device="cuda")


def test_what_is_here_is_taken():
    assert pick_device("cpu") == torch.device("cpu")
