"""A small finished result of two named objects, one absent on some frames, and its exports."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vos.frame import Frame, FrameResult, ObjectResult
from vos.io.results.fingerprint import fingerprint_input
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MASKS_NAME, MATTES_NAME, PROMPTS_NAME, STATS_NAME
from vos.io.results.manifest import Fingerprint
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import Order, plan_export
from vos.io.write.deliver.verify import read_shot, verify
from vos.io.write.masks import MaskSink
from vos.io.write.mattes import MatteSink
from vos.io.write.stats import StatsSink

RATE = Fraction(30000, 1001)
FRAMES = 12
SIZE_HW = (48, 64)
NAMES = {1: "coffee cup", 2: "Hand"}


def label_map(frame_idx: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Draw a disc that moves, and a bar that is gone from frame 4 to 7."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    labels = np.zeros(size_hw, np.uint8)
    radius = height / 4
    labels[(y - height / 2) ** 2 + (x - width / 4 - 2 * frame_idx) ** 2 < radius**2] = 1
    if not 4 <= frame_idx < 8:
        labels[-height // 5 :, 5:] = 2
    return labels


def soft_mattes(frame_idx: int, size_hw: tuple[int, int]) -> dict[int, np.ndarray]:
    """Return soft mattes of the same: the disc goes on under the bar."""
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    radius = height / 4
    is_disc = (y - height / 2) ** 2 + (x - width / 4 - 2 * frame_idx) ** 2 < radius**2
    is_bar = label_map(frame_idx, size_hw) == 2
    distance = radius - np.hypot(y - height / 2, x - width / 4 - 2 * frame_idx)
    disc = 255 / (1 + np.exp(-4 * distance))
    disc = np.where(is_disc, disc.clip(128, 255), disc.clip(0, 127)).round().astype(np.uint8)
    above = np.vstack([is_bar[1:], is_bar[-1:]])
    bar = np.where(is_bar, 255, np.where(above, 40, 0)).astype(np.uint8)
    return {1: disc, 2: bar}


def write_clip(
    path: Path,
    size_hw: tuple[int, int],
    *,
    timecode: str | None = "01:00:00:00",
    has_sound: bool = False,
    ticks: list[int] | None = None,
    pixel_aspect: Fraction | None = None,
    rotation_deg: int = 0,
) -> None:
    """Write a clip of flat blocks whose times are `ticks` of 1/30000 s."""
    height, width = size_hw
    with av.open(str(path), "w") as output:
        video = output.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=RATE)
        video.width, video.height = width, height
        video.pix_fmt = "yuv444p"
        video.codec_context.time_base = Fraction(1, 30000)
        if pixel_aspect is not None:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation_deg:
            video.set_display_rotation(rotation_deg)
        if timecode is not None:
            video.metadata["timecode"] = timecode
        audio = output.add_stream("aac", rate=48000) if has_sound else None
        rng = np.random.default_rng(1)
        for index in range(FRAMES):
            blocks = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
            image = blocks.repeat(8, 0).repeat(8, 1)[:height, :width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = index * 1001 if ticks is None else ticks[index]
            frame.time_base = Fraction(1, 30000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None:
            for index in range(20):
                tone = np.full((1, 1024), 0.1, np.float32)
                sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                sound.rate, sound.pts = 48000, index * 1024
                output.mux(audio.encode(sound))
            output.mux(audio.encode(None))


def write_result(
    clip: Path,
    folder: Path,
    size_hw: tuple[int, int],
    *,
    frames: range = range(FRAMES),
    names: dict[int, str] | None = None,
    has_stats: bool = True,
    end: str | None = None,
    is_soft: bool = False,
) -> Path:
    """Write what `vos track` leaves of the clip."""
    places = [{"object_id": one, "frame_idx": frames.start} for one in (1, 2)]
    parameters = {"prompts": places, "end": end, "save": ["masks", "stats"]}
    if is_soft:
        parameters["save"] = ["masks", "mattes", "stats"]
    fingerprint = Fingerprint(fingerprint_input(clip), parameters, None)
    with OutputFolder.open(folder, fingerprint, source=clip) as output:
        output.restart()
        sinks = [MaskSink(output.part / MASKS_NAME)]
        if has_stats:
            sinks.append(StatsSink(output.part / STATS_NAME))
        if is_soft:
            sinks.append(MatteSink(output.part / MATTES_NAME))
        for index in frames:
            labels = label_map(index, size_hw)
            frame = Frame(np.zeros((*size_hw, 3), np.uint8), index / RATE, index, f"{index:05d}")
            scores = {one: ObjectResult(iou_pred=0.9, object_score=5.0) for one in (1, 2)}
            mattes = soft_mattes(index, size_hw) if is_soft else {}
            result = FrameResult(index, index / RATE, frame.name, labels, scores, mattes=mattes)
            for sink in sinks:
                sink.write(frame, result)
        for sink in sinks:
            sink.close()
        prompts = {"schema": 1, "names": {str(k): v for k, v in (names or NAMES).items()}}
        (output.part / PROMPTS_NAME).write_text(json.dumps({**prompts, "prompts": []}))
        output.commit(frame_count=len(frames))
    return folder


def export_result(result, form, *, source=None, is_verified=True, overwrite=False, **order):
    """Export a result; return the folder, the plan and what was done."""
    opened = open_finished(result, source=source)
    try:
        plan = plan_export(opened, Order(form, **order))
        done = export(opened, plan, is_verified=is_verified, overwrite=overwrite)
        return done.output, plan, done
    finally:
        opened.close()


def decode(path, codec=None):
    """Decode a movie to RGBA or grey images."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            frames = list(container.decode(stream))
        else:
            context = av.CodecContext.create(codec, "r")
            context.extradata = stream.codec_context.extradata
            packets = container.demux(stream)
            frames = [f for p in packets for f in context.decode(p if p.size else None)]
        info = {
            "rate": stream.average_rate,
            "timecode": stream.metadata.get("timecode", stream.metadata.get("TIMECODE")),
            "aspect": stream.sample_aspect_ratio,
            "audio": len(container.streams.audio),
            "tag": stream.codec_context.codec_tag,
        }
        return frames, info


def verify_again(place, result):
    """Verify an export against a result, or without one; return how many mattes were compared."""
    form, shot, _ = read_shot(place)
    if result is None:
        return verify(place, form, shot, None)
    opened = open_finished(result)
    try:
        return verify(place, form, shot, opened)
    finally:
        opened.close()
