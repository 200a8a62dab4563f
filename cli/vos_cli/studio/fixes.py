"""Corrections that the page started: computed in a thread, watched, stopped, taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vos.errors import InputError, UsageError
from vos.io.results.edits import EditStore
from vos.io.write.mask_png import read_label_png
from vos.io.write.stats_file import ObjectSeries
from vos.prompts import Prompt
from vos.prompts.file import prompts_from_json, prompts_to_json
from vos_cli.console.errors import message
from vos_cli.console.progress import Counter
from vos_cli.fix.edit import Edit, Plan, fix, plan, undo
from vos_cli.fix.plan import find_absent
from vos_cli.fix.result import Result
from vos_cli.studio.background import Background
from vos_cli.studio.document import Document, select_new
from vos_cli.studio.review import Incident, Reviewed, find_incidents

if TYPE_CHECKING:
    from vos.api import Tracker


class Fixes(Background):
    """One result, and one correction of it after the other.

    result: the result as it is now.
    open_again: reads the result from the disk.
    tracker: waits for the loaded model and returns it.
    on_fixed: called with the prompts that have become part of the result.
    """

    def __init__(
        self, result: Result, open_again: Callable[[], Result], tracker: Callable[[], Tracker]
    ) -> None:
        super().__init__()
        self.result = result
        self._open_again = open_again
        self._tracker = tracker
        self._changing = threading.Lock()
        self._edit: Edit | None = None
        self.on_fixed: Callable[[Sequence[Prompt]], None] = lambda _prompts: None

    def document(self, drawn: Document) -> Document:
        """Return what the page starts with: the result's objects, and what was drawn on top."""
        names = self.result.names
        prompts = select_new(drawn.prompts, self.result.prompts)
        objects = {one.object_id: drawn.objects.get(one.object_id, "") for one in prompts}
        objects |= {i: names.get(i, "") for i in self.result.timeline()}
        return Document(prompts, {i: objects[i] for i in sorted(objects)})

    def start(
        self,
        prompts: Sequence[Prompt],
        names: Mapping[int, str],
        within: tuple[int, int] | None = None,
    ) -> None:
        """Correct with these prompts, unless a correction is under way. Raises PromptError.

        names: of objects that the result does not have yet.
        within: the first and the last frame that may change, None for all.
        """
        with self._changing:
            if self.state == "running":
                return
            planned = plan(self.result, prompts, within)
            self._edit = None
            self._progress = Counter(_most_frames(planned))
            self._begin("fix", partial(self._fix, tuple(prompts), names, within))

    def undo(self) -> None:
        """Take back the last correction in force. Raises UsageError if there is none."""
        with self._changing:
            if self.state == "running":
                raise UsageError("a correction is being computed: wait for it, or stop it")
            with self._reopen_after():
                undo(self.result)
            self.state, self._error = "none", None

    def redo(self, names: Mapping[int, str]) -> None:
        """Compute again what was taken back last; `names` as for `start`.

        Raises UsageError if nothing was taken back.
        """
        taken_back = find_undone(self.result.history())
        if not taken_back:
            raise UsageError("nothing was taken back, so nothing can be made again")
        entry = taken_back[-1]
        limits = entry.get("within")
        within = None if limits is None else (limits[0], limits[1])
        self.start(prompts_from_json(entry["prompts"]), names, within)

    def mask(self, frame_idx: int) -> np.ndarray | None:
        """Return the label map of a frame; None where the result has none."""
        if frame_idx not in self.result.frames:
            return None
        try:
            return self.result.labels(frame_idx)
        except InputError:
            return None

    def mask_before(self, frame_idx: int) -> np.ndarray | None:
        """Return the label map of a frame as it was before the last correction in force."""
        result = self.result
        edits = result.corrections()
        if not edits or frame_idx not in result.frames:
            return None
        name = result.mask_path(frame_idx).relative_to(result.path)
        old = EditStore(result.path).before(edits[-1]["edit"], str(name))
        try:
            return result.labels(frame_idx) if old is None else read_label_png(old)
        except InputError:
            return None

    def incidents(self) -> list[Incident]:
        """Return what is to be looked at, the worst first."""
        result = self.result
        return find_incidents([*result.suspicious(), *result.weak()], result.timeline())

    def review(self, key: str, *, is_fine: bool) -> None:
        """Remember whether an incident is fine. Raises UsageError, OutputError."""
        if not self.result.is_finished:
            raise UsageError("interrupted: Continue does the rest, then it can be reviewed")
        with self._changing:
            Reviewed(self.result.path).mark(self.incidents(), key, is_fine=is_fine)

    @property
    def version(self) -> int:
        """Return how often the masks were changed, over all sessions."""
        return len(self.result.history())

    def as_json(self) -> dict[str, Any]:
        """Return the state with the keys that `Runs` has; id is the masks' version."""
        progress, edit = self._progress, self._edit
        return {
            "state": self.state if self.result.is_finished else "interrupted",
            "id": self.version,
            "done": progress.done,
            "total": progress.total,
            "rate": round(progress.rate(), 2),
            "remaining_s": progress.remaining_s(),
            "error": None if self._error is None else message(self._error),
            "can_replace": False,
            "output": str(self.result.output.absolute()),
            "has_result": self.result.is_finished,
            "newest": None if self.result.is_finished else self.result.frames[-1],
            "has_masks": True,
            "can_undo": bool(self.result.corrections()),
            "can_redo": bool(find_undone(self.result.history())),
            "edit": None if edit is None else edit.as_json(),
        }

    def timeline(self) -> dict[str, Any]:
        """Return all that is shown over time, and the history."""
        result = self.result
        in_force = {entry["edit"] for entry in result.corrections()}
        fine = Reviewed(result.path).keys()
        return {
            "id": self.version,
            "frames": [result.frames[0], result.frames[-1]],
            "objects": {str(i): _series(one) for i, one in result.timeline().items()},
            "prompted": {str(i): sorted(who) for i, who in result.prompted_frames().items()},
            "prompts": [
                prompt for prompt in prompts_to_json(result.prompts) if prompt["type"] != "mask"
            ],
            "absent": {
                str(i): sorted(spans.items())
                for i, spans in find_absent(result.prompts, result.frames).items()
            },
            "cuts": result.cuts,
            "suspicious": [one.as_json() for one in (*result.weak(), *result.suspicious())],
            "incidents": [one.as_json(fine) for one in self.incidents()],
            "history": [
                {**_without_masks(entry), "is_in_force": entry["edit"] in in_force}
                for entry in result.history()
                if "edit" in entry
            ],
        }

    def _fix(
        self,
        prompts: tuple[Prompt, ...],
        names: Mapping[int, str],
        within: tuple[int, int] | None,
    ) -> None:
        """Correct; what is stopped leaves the result as it was."""
        tracker = self._tracker()
        with self._progress, self._reopen_after():
            self._edit = fix(
                self.result,
                prompts,
                tracker,
                names=names,
                within=within,
                on_frame=lambda _idx: self._progress.advance(),
                stop=self._stop.is_set,
            )
        self.on_fixed(prompts)

    @contextmanager
    def _reopen_after(self) -> Iterator[None]:
        """Open the result again afterwards: an error may mean that it is another one by now."""
        try:
            yield
        finally:
            self.result = self._open_again()


def find_undone(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the corrections that were taken back and can be made again, the next one last."""
    in_force: list[Mapping[str, Any]] = []
    taken_back: list[Mapping[str, Any]] = []
    for entry in history:
        if "undo" in entry:
            taken_back.append(in_force.pop())
            continue
        in_force.append(entry)
        if taken_back and taken_back[-1]["prompts"] == entry["prompts"]:
            taken_back.pop()
        else:
            taken_back.clear()
    return taken_back


def _most_frames(planned: Plan) -> int:
    """Return how many frames are computed at most."""
    return sum(
        max(one.high for one in group) - min(one.low for one in group) + 1
        for group in planned.courses
    )


def _series(series: ObjectSeries) -> dict[str, Any]:
    """Return rounded columns without gaps, from frame `first` on; null for no number."""
    first, last = int(series.frame_idx[0]), int(series.frame_idx[-1])
    at = series.frame_idx - first
    columns: dict[str, Any] = {"first": first}
    for name, values, digits in (
        ("area", series.area_px, 0),
        ("iou", series.iou_pred, 3),
        ("score", series.object_score, 2),
    ):
        whole = np.full(last - first + 1, np.nan)
        whole[at] = values
        columns[name] = [None if np.isnan(one) else round(one, digits) for one in whole.tolist()]
    return columns


def _without_masks(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the PNGs of mask prompts, which are large and do not change."""
    prompts = [
        {name: value for name, value in prompt.items() if name != "png_base64"}
        for prompt in entry["prompts"]
    ]
    return {**entry, "prompts": prompts}
