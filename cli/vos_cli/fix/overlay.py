"""The overlay video of a result whose masks have changed, drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors, sync_folder
from vos.io.inside import Inside
from vos.io.queues import prefetch
from vos.io.results.edits import EditStore
from vos.io.results.layout import OVERLAY_NAME
from vos.io.results.manifest import MANIFEST_NAME, as_text
from vos.io.write.overlay.encode import VideoForm
from vos.io.write.overlay.redraw import Redraw, plan_redraw, redraw
from vos.io.write.overlay.sink import OverlaySink, choose_tick
from vos_cli.fix.edit import current_manifest
from vos_cli.fix.result import Result

OnFrame = Callable[[int], None]


def redraw_overlay(result: Result, on_frame: OnFrame = lambda _frame_idx: None) -> list[str]:
    """Draw the video from the masks as they are now; does nothing where it is not stale.

    Only the parts with other masks are encoded again, where the video can be taken apart.

    on_frame: told of each frame that is drawn; what it raises ends the work and leaves the video
    stale, to be drawn by the next command. Returns: warnings. `result` is out of date afterwards.

    Raises: OutputError, BusyError, InputError.
    """
    if not result.is_overlay_stale:
        return []
    store = EditStore(result.path)
    with store.holding():
        manifest = current_manifest(result)
        with store.scratch() as folder:
            new = folder / OVERLAY_NAME
            first = result.frames.start
            spans = manifest["stale"][OVERLAY_NAME]
            info = result.source.info
            plan = plan_redraw(
                result.path / OVERLAY_NAME,
                VideoForm(
                    info.size_hw,
                    choose_tick(info.time_base, info.average_rate),
                    info.average_rate,
                    info.frame_pixel_aspect,
                ),
                len(result.frames),
                [range(low - first, high + 1 - first) for low, high in spans],
            )
            if plan is None:
                warnings = _draw_all(result, new, folder, on_frame)
            else:
                warnings = _draw_parts(result, plan, new, folder, on_frame)
            with output_errors(new):
                Inside(result.path).move(new, OVERLAY_NAME)
                sync_folder(result.path)
        stale = {name: one for name, one in manifest["stale"].items() if name != OVERLAY_NAME}
        text = as_text({**manifest, "stale": stale})
        with output_errors(result.path):
            Inside(result.path).write(MANIFEST_NAME, text.encode())
    return warnings


def _draw_all(result: Result, new: Path, work: Path, on_frame: OnFrame) -> list[str]:
    sink = OverlaySink.for_source(new, result.source.info, work=work)
    with sink, prefetch(_frames(result, 0)) as frames:
        for frame in frames:
            labels = result.labels(frame.frame_idx)
            sink.write(frame, FrameResult(frame.frame_idx, frame.pts, frame.name, labels, {}))
            on_frame(frame.frame_idx)
    return sink.warnings


def _draw_parts(
    result: Result, plan: Redraw, new: Path, work: Path, on_frame: OnFrame
) -> list[str]:
    info = result.source.info
    touched = (part for part, is_it in zip(plan.positions(), plan.touched, strict=True) if is_it)
    begin = next((part.start for part in touched), len(result.frames))

    def labels(frame_idx: int) -> np.ndarray:
        on_frame(frame_idx)
        return result.labels(frame_idx)

    with prefetch(_frames(result, begin)) as frames:

        def read(pictures: range) -> Iterator[Frame]:
            stop = result.frames[pictures[-1]]
            for frame in frames:
                if frame.frame_idx >= result.frames[pictures[0]]:
                    yield frame
                if frame.frame_idx == stop:
                    return

        return redraw(
            plan,
            new,
            read=read,
            labels=labels,
            work=work,
            audio_from=info.path if info.has_audio else None,
            audio_start_time=info.start_time,
        )


def _frames(result: Result, begin: int) -> Iterator[Frame]:
    """Those of the result from its frame number `begin` on."""
    frames = result.frames
    return result.source.frames(None, frames.stop, skip_to=frames.start + begin)
