"""`vos demo`: draw a clip and track it through the same code as `vos track`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from vos.errors import OutputError
from vos.io.results.layout import MASKS_NAME, OVERLAY_NAME
from vos.model.registry import EMBEDDED, TRYING_OUT
from vos.prompts import Box
from vos.settings import Settings
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.job.job import Job
from vos_cli.job.run import run
from vos_cli.options.takes import takes

CLIP_NAME = "clip.mp4"
TRACK_NAME = "track"

_SIDE_PX = 320
_FRAMES = 60
_RATE = Fraction(24)
# A clip that shows what a good track looks like; over the seeds 1 to 39 nano's mean J is 0.54.
_SEED = 5


@takes()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")
    ] = Path("vos-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only errors and warnings on stderr.")
    ] = False,
) -> None:
    """Make a clip, track one object in it from a box, and say how well that went.

    Uses the embedded model, so it needs no download. The score is J, the overlap with the masks
    the clip was drawn from, averaged over the frames after the prompted one.
    """
    on_notice = stay_silent if quiet else notify
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file; the demo makes a folder: choose another -o")
    on_notice(f"drawing a clip of {_FRAMES} frames, {_SIDE_PX} x {_SIDE_PX} pixels")
    frames, truth = _draw()
    clip = output / CLIP_NAME
    _encode(clip, frames)
    box = _box_around(truth[0])
    job = Job(
        source=str(clip),
        output=output / TRACK_NAME,
        prompts=(Box(1, box),),
        start=None,
        end=None,
        direction="forward",
        settings=Settings(
            model=EMBEDDED, refiner="none", device="cpu", progress="none" if quiet else "auto"
        ),
        overwrite=True,
    )
    outcome = run(job, say=on_notice, warn=warn)
    score = _mean_jaccard(job.output / MASKS_NAME, truth)
    overlay = job.output / OVERLAY_NAME
    if as_json:
        result = {"mean_j": round(score, 4), "overlay": str(overlay), "clip": str(clip)}
        print(json.dumps(outcome.as_json() | result))
    else:
        print(f"overlay: {overlay}")
        print(f"mean J: {score:.3f} over the {_FRAMES - 1} frames after the prompted one")
    on_notice(outcome.summary())
    on_notice(
        f"the same by hand: vos track {clip} --box {','.join(f'{v:g}' for v in box)} --model nano"
    )
    on_notice(TRYING_OUT)


def _draw() -> tuple[np.ndarray, np.ndarray]:
    """Draw the clip, uint8 T x H x W x 3 RGB, and its object's visible pixels, bool T x H x W."""
    from vos.synth.clips import ClipConfig, generate_clips

    # One object of middling size that stays in view, among scenery and look-alikes.
    config = ClipConfig(
        min_area=0.05,
        max_area=0.15,
        visible_area=0.04,
        target_speed=0.012,
        camera_speed=0.008,
        thin=0.0,
        camouflage=0.0,
        disappear=0.0,
        defocus=0.0,
    )
    clips = generate_clips(1, _FRAMES, _SIDE_PX, _SEED, config=config)
    return clips.frames[0].permute(0, 2, 3, 1).numpy(), clips.masks[0].numpy()


def _encode(path: Path, frames: np.ndarray) -> None:
    """Write an H.264 file, all at once and into place."""
    import av

    from vos.io.disk import output_errors
    from vos.io.write.overlay.encoders import REPEATABLE, THREADS

    part = path.with_name(f".{path.name}.part")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # a link there would be written through
        try:
            with av.open(str(part), "w", format="mp4") as container:
                options = {"crf": "15", **REPEATABLE}
                stream = container.add_stream("libx264", rate=_RATE, options=options)
                stream.thread_type, stream.thread_count = "FRAME", THREADS
                stream.height, stream.width = frames.shape[1:3]
                stream.pix_fmt = "yuv420p"
                for frame in _video_frames(frames):
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _video_frames(frames: np.ndarray) -> Iterator:
    import av

    for image in frames:
        yield av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")


def _box_around(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Return x1, y1, x2, y2 in pixels: the outer edges of the mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _mean_jaccard(folder: Path, truth: np.ndarray) -> float:
    from vos.io.write.mask_png import read_label_png
    from vos_eval.metrics.region import jaccard

    found = [read_label_png(path) == 1 for path in sorted(folder.glob("*.png"))]
    pairs = zip(truth[1:], found[1:], strict=True)
    return float(np.mean([jaccard(true, mask) for true, mask in pairs]))
