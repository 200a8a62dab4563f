"""`vos doctor`: what this installation can do, and a one-second proof that it tracks."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from vos.errors import VerificationError, VosError
from vos.frame import Frame
from vos.model import registry
from vos.prompts import Box
from vos.version import __version__
from vos_cli.console.errors import message
from vos_cli.console.tables import print_table

State = Literal["ok", "note", "fail"]
Kind = Literal["CUDA", "ROCm", "Apple"] | None

# Below this, long runs with overlays are likely to fill the disk.
_LITTLE_DISK_BYTES = 2e9

# The frames/s a user may expect are reported, not judged; this only catches a hung machine.
_SLOW_SELF_TEST_S = 20.0

# A plain square on a plain ground; a model with the right weights does far better.
_LEAST_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    name: what was checked.
    state: how that went.
    detail: what was found; for a failure, with the next step.
    """

    name: str
    state: State
    detail: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Tracebacks of failed checks.")
    ] = False,
) -> None:
    """Check this installation: Python, torch, GPU, FFmpeg, models, disk, and a short self-test.

    Exits with 8 if something does not work.
    """
    checks = [_run_check(name, check, verbose) for name, check in _CHECKS.items()]
    if as_json:
        report = {"schema": 1, "version": __version__, "checks": [asdict(c) for c in checks]}
        print(json.dumps(report))
    else:
        _print(checks)
    failed = [check.name for check in checks if check.state == "fail"]
    if failed:
        raise VerificationError(f"{', '.join(failed)}: not working; see the report above")


def _print(checks: list[Check]) -> None:
    rows = [(check.state, check.name, check.detail) for check in checks]
    print_table(rows, {"ok": "green", "note": "yellow", "fail": "red"})


def _run_check(name: str, check: Callable[[], tuple[State, str]], verbose: bool) -> Check:
    """Run a check; one that raises is a failed check, and the others still run."""
    try:
        state, detail = check()
    except Exception as error:
        if verbose:
            traceback.print_exc()
        bug = f"{type(error).__name__}: {error}; reinstall vos"
        state, detail = "fail", message(error) if isinstance(error, VosError) else bug
    return Check(name, state, " ".join(detail.split()))


def _python() -> tuple[State, str]:
    return "ok", f"{platform.python_version()} ({sys.executable}), vos {__version__}"


def _torch() -> tuple[State, str]:
    import torch

    threads = torch.get_num_threads()
    return "ok", f"{torch.__version__}, sam2 {metadata.version('sam2')}, {threads} CPU threads"


def _gpu() -> tuple[State, str]:
    import torch

    if torch.cuda.is_available():
        names = [
            f"{torch.cuda.get_device_name(i)} "
            f"({torch.cuda.get_device_properties(i).total_memory / 1e9:.0f} GB)"
            for i in range(torch.cuda.device_count())
        ]
        return "ok", ", ".join(names)
    if torch.backends.mps.is_available():
        return "ok", "Apple GPU (mps)"
    built = (
        ""
        if torch.version.cuda is None
        else f" (this torch is built for CUDA {torch.version.cuda})"
    )
    return "note", f"none usable{built}; tracking runs on the CPU"


def _gpu_kind() -> Kind:
    import torch

    if torch.cuda.is_available():
        return "CUDA" if torch.version.hip is None else "ROCm"
    return "Apple" if torch.backends.mps.is_available() else None


def _graphs() -> tuple[State, str]:
    kind = _gpu_kind()
    if kind == "CUDA":
        return "ok", "CUDA graphs of the image encoder and of steady frames, but not with --exact"
    return "ok", f"not used{_with(kind)}: every frame runs eagerly"


def _resizing() -> tuple[State, str]:
    kind = _gpu_kind()
    if kind == "CUDA":
        return "ok", "frames are resized on the GPU, with --exact on the CPU"
    return "ok", f"frames are resized on the CPU{_with(kind)}"


def _overlay() -> tuple[State, str]:
    kind = _gpu_kind()
    if kind != "CUDA":
        return "ok", f"drawn on the CPU{_with(kind)}, encoded by x264"
    if find_encoder() == "NVENC":
        return "ok", "drawn on the GPU, encoded by NVENC"
    return "ok", "drawn on the GPU, encoded by x264: this GPU or its driver offers no NVENC"


def _decoding() -> tuple[State, str]:
    return "ok", "on the CPU, as FFmpeg's decoders on a GPU do not report damaged frames"


def _with(kind: Kind) -> str:
    names = {"ROCm": "ROCm", "Apple": "an Apple GPU"}
    return f" with {names[kind]}" if kind in names else ""


def find_encoder() -> str:
    """Return the name of the encoder that overlays of 1080p get on this machine's first GPU."""
    from vos.io.write.overlay.choose import choose_encoder
    from vos.io.write.overlay.encode import VideoForm
    from vos.io.write.overlay.encoders import X264

    form = VideoForm((1080, 1920), Fraction(1, 25), Fraction(25))
    return "x264" if choose_encoder(form, "cuda").encoder is X264 else "NVENC"


def _ffmpeg() -> tuple[State, str]:
    import av

    missing = [name for name in ("h264", "hevc", "vp9", "av1") if name not in av.codecs_available]
    has_x264 = "libx264" in av.codecs_available
    text = f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, _libavcodec()))}"
    if missing:
        text += f", no decoder for {', '.join(missing)}"
    if not has_x264:
        return "fail", f"{text}, no libx264 encoder for overlays; install PyAV's own wheel"
    return "ok", text


def _libavcodec() -> tuple[int, ...]:
    import av

    return av.library_versions["libavcodec"]


def _models() -> tuple[State, str]:
    here = [e.name for e in registry.REGISTRY.values() if registry.find(e) is not None]
    chosen = registry.resolve(registry.AUTO)
    text = f"here: {', '.join(here)}; --model auto is {chosen.name}"
    if chosen.name == registry.EMBEDDED:
        return "note", f"{text}; better masks with `vos models pull sam2.1-large`"
    return "ok", text


def _disk() -> tuple[State, str]:
    parts: list[str] = []
    low = False
    for place in {Path.cwd(), _existing(registry.models_dir())}:
        free = shutil.disk_usage(place).free
        low = low or free < _LITTLE_DISK_BYTES
        parts.append(f"{free / 1e9:.1f} GB free in {place}")
    return ("note" if low else "ok"), ", ".join(sorted(parts))


def _existing(path: Path) -> Path:
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _self_test() -> tuple[State, str]:
    from vos_cli.commands.doctor import track_square

    started = time.monotonic()
    frames, iou = track_square()
    took_s = time.monotonic() - started
    text = f"{frames} frames tracked by the embedded model in {took_s:.1f} s, IoU {iou:.2f}"
    if iou < _LEAST_IOU:
        return "fail", f"{text}, at least {_LEAST_IOU} is expected; reinstall vos"
    return ("note" if took_s > _SLOW_SELF_TEST_S else "ok"), text


_CHECKS: dict[str, Callable[[], tuple[State, str]]] = {
    "Python": _python,
    "torch": _torch,
    "GPU": _gpu,
    "graphs": _graphs,
    "resizing": _resizing,
    "overlay": _overlay,
    "decoding": _decoding,
    "FFmpeg": _ffmpeg,
    "models": _models,
    "disk": _disk,
    "self-test": _self_test,
}

_SIDE_PX = 128
_SQUARE_PX = 48
_STEP_PX = 4
_FRAMES = 8


def track_square() -> tuple[int, float]:
    """Track a square; return the frame count and the mean IoU with it after the first frame."""
    from vos.loading import load  # seconds, which --help need not take

    left, top, right, bottom = _box(0)
    session = load("nano", device="cpu").session([Box(1, (left, top, right, bottom))])
    overlaps: list[float] = []
    for index, result in enumerate(session.run(_frame(i) for i in range(_FRAMES))):
        truth = _truth(index)
        mask = result.masks[1]
        overlaps.append(float((mask & truth).sum() / (mask | truth).sum()))
    return _FRAMES, float(np.mean(overlaps[1:]))


def _box(index: int) -> tuple[int, int, int, int]:
    left, top = 20 + index * _STEP_PX, 40
    return left, top, left + _SQUARE_PX, top + _SQUARE_PX


def _truth(index: int) -> np.ndarray:
    left, top, right, bottom = _box(index)
    truth = np.zeros((_SIDE_PX, _SIDE_PX), dtype=bool)
    truth[top:bottom, left:right] = True
    return truth


def _frame(index: int) -> Frame:
    """Draw an orange square on a green gradient, so that it stands out without being alone."""
    image = np.empty((_SIDE_PX, _SIDE_PX, 3), dtype=np.uint8)
    image[:] = (30, 70, 40)
    image[..., 1] += np.arange(_SIDE_PX, dtype=np.uint8)[:, None] // 2
    image[_truth(index)] = (230, 120, 40)
    return Frame(image, Fraction(index, 24), index, f"{index:05}")
