"""How fast a model tracks on this machine: a generated clip, a session, every stage timed."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from vos.config import preset_names
from vos.errors import ModelError, Parameter, UsageError
from vos.frame import Frame
from vos.loading import find_policy
from vos.model import registry
from vos.model.build import build_sam2
from vos.model.load import load_model, make_ready, pick_device, pick_dtype
from vos.model.options import ModelOptions
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.prompts.kinds import MAX_OBJECT_ID
from vos.refine.base import NoRefiner, Refiner
from vos.refine.registry import build_refiner, load_refiner_config
from vos.refine.weights import load_refiner
from vos.track.compose import ObjectLogits, compose, resize_to_video
from vos.track.session import Session

# From here on every memory slot is filled and a frame costs what all later ones cost.
STEADY_FRAME = 8
# A compiled step begins 16 frames after the prompts, and CUDA graphs are recorded in its first
# three frames.
COMPILED_FRAME = 20
EMBEDDED = ModelOptions(registry.EMBEDDED, refiner="none")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    options: those of the model. A registered SAM 2 that is not on this machine runs with random
        weights, which cost the same, and a refiner preset's name means an untrained one.
    objects: how many are tracked at once.
    frames: how many are timed, from `Bench.first_timed` on.
    official: the predictor that takes turns with it, as it is or compiled; None for none.
    size_hw: of the generated clip.
    """

    options: ModelOptions = EMBEDDED
    objects: int = 1
    frames: int = 10
    official: Literal["eager", "compiled"] | None = None
    size_hw: tuple[int, int] = (360, 640)


class TimedModel(Sam2Model):
    """A `Sam2Model` whose verbs add their time to `seconds`."""

    def __init__(self, model: Sam2Model):
        super().__init__(
            model.net,
            exact=model.exact,
            pool_memory=model.pool_memory,
            parts=model.parts,
            fast_path=model.fast_path,
        )
        self.seconds: dict[str, float] = defaultdict(float)

    def encode_image(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock("encode_image"):
            return super().encode_image(*args, **kwargs)

    def condition(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock("condition"):
            return super().condition(*args, **kwargs)

    def track(self, *args: Any, **kwargs: Any) -> Any:
        if self.fast_path is None:
            return None
        with self._clock("track"):
            return super().track(*args, **kwargs)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock("decode"):
            return super().decode(*args, **kwargs)

    def encode_memory(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock("encode_memory"):
            return super().encode_memory(*args, **kwargs)

    @contextlib.contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        began = now(self.device)
        yield
        self.seconds[stage] += now(self.device) - began


@dataclass(slots=True)
class Bench:
    """One session over the generated clip, frame by frame, so that several can take turns.

    case: what is measured.
    model: its verbs take their own time.
    refiner: improves the masks.
    session: tracks the clip.
    cpu_s: CPU seconds of each timed frame.
    wall_s: wall seconds of each timed frame.
    """

    case: Case
    model: TimedModel
    refiner: Refiner
    session: Session
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    _predictions: dict[int, ObjectLogits] = field(default_factory=dict)

    @staticmethod
    def open(case: Case) -> Bench:
        """Load the model and start the session.

        Raises: ModelError, CheckpointError, UsageError as `vos.load` does.
        """
        device = pick_device(case.options.device)
        dtype = pick_dtype(case.options.dtype, device)
        if not 1 <= case.objects <= MAX_OBJECT_ID:
            raise UsageError(Parameter("objects", case.objects), f": give 1 to {MAX_OBJECT_ID}")
        if case.frames < 1:
            raise UsageError(Parameter("frames", case.frames), ": give 1 or more")
        loaded, refiner = _load(case.options, device)
        model = TimedModel(loaded)
        prompts = [Box(i + 1, box) for i, box in enumerate(disk_boxes(case.objects, case.size_hw))]
        policy = find_policy(case.options.policy)(model.memory_slots, model.pointer_span)
        session = Session(
            model,
            prompts,
            refiner=refiner,
            policy=policy,
            dtype=dtype,
            frame_count=_find_first_timed(case) + case.frames,
        )
        return Bench(case, model, refiner, session)

    @property
    def first_timed(self) -> int:
        """Return the index of the first frame that counts."""
        return _find_first_timed(self.case)

    def step(self, frame: Frame, following: Sequence[Frame] | None = None) -> None:
        """Track one frame.

        following: as `Session.decode` takes it.
        """
        timed = frame.frame_idx >= self.first_timed
        if frame.frame_idx == self.first_timed:
            self.model.seconds.clear()
        cpu, wall = time.process_time(), now(self.model.device, wall=True)
        self._predictions = self.session.decode(frame, following)
        compose(frame, self._predictions)
        if timed:
            self.wall_s.append(now(self.model.device, wall=True) - wall)
            self.cpu_s.append(time.process_time() - cpu)

    def masks(self, size_hw: tuple[int, int]) -> dict[int, np.ndarray]:
        """Return each object's mask on the last frame, whatever the other objects claim."""
        return {
            i: (resize_to_video(one.logits, size_hw)[0, 0] > 0).cpu().numpy()
            for i, one in self._predictions.items()
        }

    def report(self, frame: Frame, peak_gflops: float) -> dict[str, Any]:
        """Return everything measured, as JSON values.

        frame: one more, whose operations are counted.
        """
        stages = {k: 1e3 * v / len(self.cpu_s) for k, v in self.model.seconds.items()}
        counter = FlopCounterMode(display=False)
        # Operations inside compiled functions are not seen.
        with contextlib.ExitStack() as stack:
            if self.case.options.compile:
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(counter)
            self.session.decode(frame)
        on_cpu = self.model.device.type == "cpu"
        # On a GPU a group's images are encoded with its first frame, so no frame is like another.
        seconds = min(self.cpu_s) if on_cpu else sum(self.wall_s) / len(self.wall_s)
        gflop = counter.get_total_flops() / 1e9
        report: dict[str, Any] = {
            "model": self.case.options.model,
            "size_px": self.model.image_size,
            "objects": self.case.objects,
            "refiner": self.refiner.name,
            "device": str(self.model.device),
            "dtype": str(self.session.dtype).removeprefix("torch."),
            "exact": self.model.exact,
            "compile": self.case.options.compile,
            "pool_memory": self.model.pool_memory,
            "frames": len(self.cpu_s),
            "frames_per_s": len(self.wall_s) / sum(self.wall_s),
            "cpu_ms_per_frame": 1e3 * min(self.cpu_s),
            "stage_ms": {k: round(v, 2) for k, v in stages.items()},
            "gflop_per_frame": gflop,
            "matmul_peak_gflops": peak_gflops,
            "fraction_of_peak": gflop / seconds / peak_gflops,
            "state_mb": self.session.state_bytes() / 1e6,
        }
        if self.case.official is not None:
            return report  # what both programs need together says nothing of either
        report["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _RSS_PER_MB
        if self.model.device.type == "cuda":
            report["peak_device_mb"] = torch.cuda.max_memory_allocated(self.model.device) / 1e6
        return report

    def operations(self, frame: Frame) -> str:
        """Return the torch operations of one more frame, costliest first, as a table."""
        activities = [ProfilerActivity.CPU]
        if self.model.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with profile(activities=activities) as done:
            self.session.decode(frame)
        return done.key_averages().table(
            sort_by=f"self_{self.model.device.type}_time_total",
            row_limit=20,
            max_name_column_width=50,
        )


_RSS_PER_MB = 1e6 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere


def _find_first_timed(case: Case) -> int:
    return COMPILED_FRAME if case.options.compile or case.official == "compiled" else STEADY_FRAME


def now(device: torch.device, *, wall: bool = False) -> float:
    """Return seconds: this process's CPU time on a CPU unless `wall`; of finished work on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.perf_counter() if wall else time.process_time()


def matmul_peak_gflops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the best of a few large square products in this dtype: the most the device does."""
    side, repeats = (1536, 4) if device.type == "cpu" else (8192, 20)
    a = torch.randn(side, side, device=device).to(dtype)
    torch.mm(a, a)
    best = float("inf")
    for _ in range(repeats):
        began = now(device)
        torch.mm(a, a)
        best = min(best, now(device) - began)
    return 2 * side**3 / best / 1e9


def moving_frames(count: int, size_hw: tuple[int, int], seed: int = 0) -> Iterator[Frame]:
    """Yield frames of a bright disk that circles over a fixed texture."""
    height, width = size_hw
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 160, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    texture = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    rows, columns = np.mgrid[:height, :width]
    for index in range(count):
        y, x = disk_centre(index, size_hw)
        image = texture.copy()
        image[(rows - y) ** 2 + (columns - x) ** 2 <= (height // 6) ** 2] = (240, 200, 40)
        yield Frame(image, Fraction(index, 30), index, f"{index:05d}")


def disk_centre(index: int, size_hw: tuple[int, int]) -> tuple[float, float]:
    """Return row and column of the disk's centre."""
    height, width = size_hw
    angle = index / 20
    return height * (0.5 + 0.2 * np.sin(angle)), width * (0.5 + 0.25 * np.cos(angle))


def disk_boxes(objects: int, size_hw: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """Return the disk's box on frame 0 for each object, each a little further left."""
    y, x = disk_centre(0, size_hw)
    radius = size_hw[0] // 6
    shifts = [i * radius / 2 / objects for i in range(objects)]
    return [(x - radius - s, y - radius, x + radius - s, y + radius) for s in shifts]


def _load(options: ModelOptions, device: torch.device) -> tuple[Sam2Model, Refiner]:
    name, refiner, presets = options.model, options.refiner, preset_names("refiner")
    entry = registry.REGISTRY.get(name)
    if entry is None or entry.config is None or registry.find(entry) is not None:
        model, info = load_model(name, device=device, **options.network)
        if refiner in presets:
            return model, _build_untrained(refiner, model)
        return model, load_refiner(refiner, model, info)[0]
    if refiner not in ("none", *presets):
        raise ModelError(f"{name} is not here; `vos models pull {name}` to add a trained refiner")
    torch.manual_seed(0)
    model = make_ready(build_sam2(entry.config), device=device, **options.network)
    if refiner == "none":
        return model, NoRefiner()
    return model, _build_untrained(refiner, model)


def _build_untrained(preset: str, model: Sam2Model) -> Refiner:
    """Build an untrained refiner, which costs what a trained one costs."""
    return build_refiner(load_refiner_config(preset), model).eval()
