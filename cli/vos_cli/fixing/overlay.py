"""The overlay video of a result whose masks have changed, drawn again."""

from __future__ import annotations

from collections.abc import Callable

from vos.frame import FrameResult
from vos.io.disk import output_errors, sync_folder, write_atomic
from vos.io.edits import EditStore
from vos.io.manifest import MANIFEST_NAME, as_text
from vos.io.prefetch import prefetch
from vos_cli.fixing.fix import current_manifest
from vos_cli.fixing.result import Result
from vos_cli.parts import OVERLAY_NAME, overlay_sink

_PREFETCHED_FRAMES = 4


def redraw_overlay(
    result: Result, on_frame: Callable[[int], None] = lambda _frame_idx: None
) -> list[str]:
    """Draw the video from the masks as they are now; does nothing where it is not stale.

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
            sink = overlay_sink(new, result.source.info, work=folder)
            frames = result.source.frames(None, result.frames.stop, skip_to=result.frames.start)
            with sink, prefetch(frames, _PREFETCHED_FRAMES) as reading:
                for frame in reading:
                    labels = result.labels(frame.frame_idx)
                    sink.write(
                        frame, FrameResult(frame.frame_idx, frame.pts, frame.name, labels, {})
                    )
                    on_frame(frame.frame_idx)
            with output_errors(new):
                new.replace(result.path / OVERLAY_NAME)
                sync_folder(result.path)
        stale = [name for name in manifest["stale"] if name != OVERLAY_NAME]
        text = as_text({**manifest, "stale": stale})
        write_atomic(result.path / MANIFEST_NAME, text.encode())
    return sink.warnings
