"""How fast a model tracks on this machine: a generated clip, a session, every stage timed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch
from torch.profiler import record_function
from torch.utils.flop_counter import FlopCounterMode

from vos.bench.profile import RANGE, profile_stages
from vos.config import preset_names
from vos.errors import ModelError, Parameter, UsageError
from vos.frame import Frame
from vos.io.queues import one_ahead
from vos.loading import find_policy
from vos.model import registry
from vos.model.device import pick_device, pick_dtype
from vos.model.gpu.transfer import Uploader
from vos.model.load import load_model, make_ready
from vos.model.networks.published import build_published
from vos.model.options import ModelOptions
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.prompts.kinds import MAX_OBJECT_ID
from vos.refine.base import NoRefiner, Refiner
from vos.refine.registry import build_refiner, load_refiner_config
from vos.refine.weights import load_refiner
from vos.track.compose import Composing, ObjectLogits, resize_to_video
from vos.track.look_ahead import prepare, with_following
from vos.track.session import Session

# From here on every memory slot is filled and a frame costs what all later ones cost.
STEADY_FRAME = 8
# A compiled or recorded step begins 16 frames after the prompts, and takes some to get ready.
COMPILED_FRAME = 20
EMBEDDED = ModelOptions(registry.EMBEDDED, refiner="none")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    options: those of the model. A registered model that is not on this machine runs with random
        weights, which cost the same, and a refiner preset's name means an untrained one.
    objects: how many are tracked at once.
    frames: how many are timed, from the first frame on that costs what all later ones cost.
    official: the predictor that takes turns with it, as it is or compiled; None for none.
    size_hw: of the generated clip.
    """

    options: ModelOptions = EMBEDDED
    objects: int = 1
    frames: int = 10
    official: Literal["eager", "compiled"] | None = None
    size_hw: tuple[int, int] = (360, 640)


class TimedModel(Sam2Model):
    """A `Sam2Model` whose verbs note their time, on a GPU without waiting for it."""

    def __init__(self, model: Sam2Model):
        super().__init__(
            model.net,
            exact=model.exact,
            pool_memory=model.pool_memory,
            parts=model.parts,
            fast_path=model.fast_path,
        )
        self._seconds: dict[str, float] = defaultdict(float)
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def seconds(self) -> dict[str, float]:
        """Return the time of each verb so far, of the device's own clock on a GPU."""
        if self._events:
            torch.cuda.synchronize(self.device)
        for stage, began, ended in self._events:
            self._seconds[stage] += began.elapsed_time(ended) / 1e3
        self._events.clear()
        return self._seconds

    def encode_pixels(self, *args: Any, **kwargs: Any) -> Any:
        if not self.resizes:
            return super().encode_pixels(*args, **kwargs)
        with self._clock("encode_image"):
            return super().encode_pixels(*args, **kwargs)

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
        with record_function(RANGE + stage):
            if self.device.type != "cuda":
                began = now(self.device)
                yield
                self._seconds[stage] += now(self.device) - began
                return
            events = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            events[0].record()
            yield
            events[1].record()
            self._events.append((stage, *events))


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame that is being tracked: its predictions, and its masks to be waited for."""

    predictions: dict[int, ObjectLogits]
    composing: Composing

    def masks(self) -> dict[int, np.ndarray]:
        """Return each object's mask, whatever the other objects claim."""
        size_hw = self.composing.frame.size_hw
        return {
            i: (resize_to_video(one.logits, size_hw)[0, 0] > 0).cpu().numpy()
            for i, one in self.predictions.items()
        }


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
    _upload: Uploader = field(init=False)

    def __post_init__(self) -> None:
        self._upload = Uploader(self.model.device)

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
            frame_count=_find_first_timed(case, model) + case.frames + 1,
        )
        return Bench(case, model, refiner, session)

    @property
    def timed(self) -> range:
        """Return the indices of the frames that count; `run` needs one more, to begin with."""
        first = _find_first_timed(self.case, self.model)
        return range(first, first + self.case.frames)

    def run(self, frames: Iterable[Frame]) -> Iterator[Tracked]:
        """Track frames from host to host as a stream does, with the next one already begun; yield
        each once it is done. What the caller does in between is not timed.
        """
        pairs = ((frame, None) for frame in frames)
        ahead = one_ahead(map(self._begin, with_following(pairs, self.session.look_ahead)))
        while True:
            cpu, wall = time.process_time(), time.perf_counter()
            tracked = next(ahead, None)
            if tracked is None:
                return
            with record_function(RANGE + "wait"):
                tracked.composing.wait()
            if tracked.composing.frame.frame_idx in self.timed:
                self.wall_s.append(time.perf_counter() - wall)
                self.cpu_s.append(time.process_time() - cpu)
            yield tracked

    def _begin(self, one: tuple[Frame, None, tuple[Frame, ...]]) -> Tracked:
        frame, _, following = one
        if frame.frame_idx == self.timed.start + 1:
            self.model.seconds.clear()  # the next frame's work is timed with a frame's
        frame = prepare(frame, self.model, self._upload)
        predictions = self.session.decode(frame, following)
        with record_function(RANGE + "masks"):
            return Tracked(predictions, self.session.compose(frame, predictions))

    def report(self, frame: Frame, peak_gflops: float) -> dict[str, Any]:
        """Return everything measured, as JSON values. A frame's time is from host to host.

        frame: one more, whose operations are counted.
        """
        stages = {k: 1e3 * v / len(self.cpu_s) for k, v in self.model.seconds.items()}
        counter = FlopCounterMode(display=False)
        # Operations inside compiled and recorded functions are not seen.
        net, exact, pool = self.model.net, self.model.exact, self.model.pool_memory
        plain = Sam2Model(net, exact=exact, pool_memory=pool)
        session = replace(self.session.resume(self.session.snapshot(), frame.size_hw), model=plain)
        with counter:
            session.decode(frame)
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
            # The clock of stages is that of the processor, or that of the device.
            "model_share": sum(stages.values())
            / fmean(self.cpu_s if on_cpu else self.wall_s)
            / 1e3,
            "cpu_ms_per_frame": 1e3 * min(self.cpu_s),
            "stage_ms": {k: round(v, 2) for k, v in stages.items()},
            "gflop_per_frame": gflop,
            "matmul_peak_gflops": peak_gflops,
            "fraction_of_peak": gflop / seconds / peak_gflops,
            "state_mb": self.session.state_bytes() / 1e6,
        }
        if self.case.official is not None:
            return report  # what both programs need together says nothing of either
        with contextlib.suppress(ImportError):  # Windows
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            report["peak_rss_mb"] = peak / _RSS_PER_MB
        if self.model.device.type == "cuda":
            report["peak_device_mb"] = torch.cuda.max_memory_allocated(self.model.device) / 1e6
        return report

    def profile(self, frames: Sequence[Frame]) -> str:
        """Return launches, time of the device and idle time per stage, as a table."""
        return profile_stages(self.run(frames), len(frames), self.model.device)


_RSS_PER_MB = 1e6 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere


def _find_first_timed(case: Case, model: Sam2Model) -> int:
    if model.fast_path is not None or case.official == "compiled":
        return COMPILED_FRAME
    return STEADY_FRAME


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
    if entry is None or entry.is_embedded or registry.find(entry) is not None:
        model, info = load_model(name, device=device, **options.network)
        if refiner in presets:
            return model, _build_untrained(refiner, model)
        return model, load_refiner(refiner, model, info)[0]
    if refiner not in ("none", *presets):
        raise ModelError(f"{name} is not here; `vos models pull {name}` to add a trained refiner")
    torch.manual_seed(0)
    network = {**options.network, "image_size_px": options.size or entry.trained_px}
    model = make_ready(build_published(entry.architecture), device=device, **network)
    if refiner == "none":
        return model, NoRefiner()
    return model, _build_untrained(refiner, model)


def _build_untrained(preset: str, model: Sam2Model) -> Refiner:
    """Build an untrained refiner, which costs what a trained one costs."""
    return build_refiner(load_refiner_config(preset), model).eval()
