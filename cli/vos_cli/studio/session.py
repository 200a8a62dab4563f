"""All that one page works on, shared by its tabs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from vos.errors import UsageError
from vos.io.read.random_access import RandomAccess
from vos.io.read.source import SourceInfo
from vos.model.registry import EMBEDDED, TRYING_OUT
from vos.prompts import Prompt, check_frame_range, prompts_text, save_prompts
from vos_cli.console.errors import message
from vos_cli.fix.result import open_result
from vos_cli.studio.document import Document, History, make_document
from vos_cli.studio.draft import Draft, draft_beside
from vos_cli.studio.exports import Exports
from vos_cli.studio.far_frames import FarFrames
from vos_cli.studio.fix_preview import FixPreviewer
from vos_cli.studio.fixes import Fixes
from vos_cli.studio.in_out import InOut
from vos_cli.studio.offers import Choice, Offer, read_draft
from vos_cli.studio.page_settings import PageSettings, read_page_settings
from vos_cli.studio.palette import colours
from vos_cli.studio.pictures import Thumbnails
from vos_cli.studio.preview import Preview, Previewer
from vos_cli.studio.runs import Runs
from vos_cli.studio.so_far import SoFar
from vos_cli.studio.sound import Sound
from vos_cli.studio.timecodes import describe_timecode


@dataclass(slots=True)
class StudioSession:
    """One input, the prompts on it, and what can be done with them.

    info: what the input says about itself.
    frames: the input's frames, by index.
    thumbnails: small JPEGs that stand in for frames that are not decoded yet.
    far: pictures of the frames that take long to decode.
    previewer: predicts masks for what is drawn on one frame.
    history: the document of prompts and objects, with its earlier states.
    tool: the name of the tool that the page starts with.
    save_to: the prompt file of `vos pick`, else None.
    runs: the tracking of `vos track`, or of the rest of an interrupted result, else None.
    finish: ends the server.
    notes: how the input and the prompts given with it were read where that is not plain.
    draft: keeps what is drawn on the disk; None where nothing is kept.
    offer: what an earlier page has left, until it is answered.
    in_out: the frames that are played, tracked and corrected.
    in_files: the document as a file or a result holds it.
    is_dropped: whether what is drawn is given up knowingly.
    so_far: previews of corrections of what was tracked here; made with `runs`.
    fixes: the corrections of `vos fix`, or of what was tracked here; what is drawn is not part of
        the result yet. None while nothing is corrected.
    saved_version: version of the document in the prompt file, -1 if none was written.
    page_id: tells this page's frames from another's in a browser's cache.
    settings: what the user has set for the page.
    exports: what was exported on the page.
    sound: the clip's.
    numbers: of the states that were asked for, so that the page knows the newest.
    changing: held while the document or what computes masks is replaced.
    """

    info: SourceInfo
    frames: RandomAccess
    thumbnails: Thumbnails
    previewer: Previewer
    history: History
    tool: str
    save_to: Path | None
    runs: Runs | None
    finish: Callable[[], None]
    notes: tuple[str, ...] = ()
    draft: Draft | None = None
    offer: Offer | None = None
    in_out: InOut = field(default_factory=InOut)
    in_files: Document = field(default_factory=Document)
    is_dropped: bool = False
    so_far: SoFar | None = None
    fixes: Fixes | None = None
    saved_version: int = -1
    page_id: str = field(default_factory=lambda: secrets.token_hex(4))
    changing: threading.Lock = field(default_factory=threading.Lock)
    settings: PageSettings = field(default_factory=read_page_settings)
    exports: Exports = field(default_factory=Exports)
    far: FarFrames = field(default_factory=FarFrames)
    sound: Sound = field(init=False)
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.in_files = self.history.now
        self.sound = Sound(self.info, self.frames)
        if self.runs is not None:
            self.in_out = self.runs.preset
            self.runs.on_tracked = self._on_tracked
            self.so_far = SoFar(self.runs, self.previewer.tracker, self.frames)

    def clip(self) -> dict[str, Any]:
        """Return what never changes, as JSON values."""
        height, width = self.info.size_hw
        rate = self.info.average_rate
        return {
            "session": self.page_id,
            "name": self.info.path.name,
            "width": width,
            "height": height,
            "rate": 24.0 if rate is None else float(rate),
            "is_rate_assumed": self.info.kind != "video",
            "is_still": self.info.kind == "image",
            "has_sound": self.sound.is_there,
            "tool": self.tool,
            "notes": [*self.notes, *self.settings.notes],
            "mode": self._mode(),
            "is_backward": self.is_backward,
            "save_to": None if self.save_to is None else str(self.save_to.absolute()),
            "colours": colours(),
            "timecode": describe_timecode(self.info),
            "settings": self.settings.as_json(),
        }

    def status(self) -> dict[str, Any]:
        """Return what changes by itself and is polled, as JSON values."""
        number, error = next(self.numbers), self.previewer.error
        return {
            "number": number,
            "session": self.page_id,
            "version": self.history.version,
            "saved_version": self.saved_version,
            "frames": {"count": self.frames.count, "is_complete": self.frames.is_complete},
            "model": {
                "is_ready": self.previewer.is_ready,
                "name": self.previewer.model_name,
                "note": TRYING_OUT if self.previewer.model_name == EMBEDDED else None,
                "error": None if error is None else message(error),
            },
            "run": None if self.active is None else self.active.as_json(),
            "in_out": self.in_out.as_json(),
            "offer": None if self.offer is None else self.offer.as_json(),
            "is_drawing_unused": self.is_drawing_unused,
            "draft_error": None if self.draft is None else self.draft.error,
        }

    @property
    def is_drawing_unused(self) -> bool:
        """Tell whether prompts were drawn here that are in no file and no result."""
        history = self.history
        if not history.now.prompts or not history.version:
            return False
        if self.fixes is not None or self.runs is None:
            return history.version != self.saved_version
        return self.runs.version != history.version

    @property
    def is_backward(self) -> bool:
        """Tell whether what is drawn will be tracked towards the clip's beginning only."""
        return self.fixes is None and self.runs is not None and self.runs.is_backward

    @property
    def active(self) -> Runs | Fixes | None:
        """Return what computes the masks that are shown."""
        return self.fixes or self.runs

    def require_fixes(self) -> Fixes:
        """Return the corrections of the result. Raises UsageError where there are none."""
        if self.fixes is None:
            raise UsageError("there is no result to correct here: track first")
        return self.fixes

    def require_result(self) -> Path:
        """Return the finished result that is shown. Raises UsageError where there is none."""
        if self.fixes is not None and self.fixes.result.is_finished:
            return self.fixes.result.path
        if self.fixes is None and self.runs is not None and self.runs.outcome is not None:
            return self.runs.outcome.output
        raise UsageError("there is no finished result to export yet: track first")

    @property
    def masks_version(self) -> object:
        """Return what changes with the masks of the result."""
        if self.fixes is not None:
            return "fixes", self.fixes.version
        return "runs", None if self.runs is None else self.runs.version

    def require_no_export(self) -> None:
        """Raise UsageError while an export is written, whose masks have to stay."""
        if self.exports.state == "running":
            raise UsageError("an export is being written: wait for it, or cancel it")

    def masked_in_out(self) -> tuple[int, int]:
        """Return the In and the Out point, or the clip's first and last frame."""
        last = self.frames.count - 1 if self.in_out.last is None else self.in_out.last
        return self.in_out.first or 0, last

    def start_fixing(self, fixes: Fixes, previewer: FixPreviewer) -> None:
        """Make this a page that corrects a result, with what was drawn on top of it."""
        fixes.on_fixed = self._on_fixed
        with self.changing:
            document = fixes.document(self.history.now)
            self.history = History(document, version=self.history.version + 1)
            self.fixes, self.previewer, self.tool = fixes, previewer, "point"
            self.page_id = secrets.token_hex(4)
            self.in_files = Document((), document.objects)
            if self.draft is not None:
                self.draft = draft_beside(fixes.result.output, self.info.size_hw, kind="fix")
                notes = list(self.notes)
                kept = read_draft(self.draft, document, notes)
                self.offer = None if kept is None else Offer(kept)
                self.notes = tuple(notes)
            self._keep()

    def carry_on(self) -> None:
        """Track the rest of an interrupted result, and make this a page that tracks.

        Raises UsageError where nothing was interrupted.
        """
        with self.changing:
            if self.fixes is None or self.runs is None or self.fixes.result.is_finished:
                raise UsageError("nothing here was interrupted; reload the page")
            result, tracker = self.fixes.result, self.previewer.tracker
            drawn = make_document(result.prompts, result.names)
            self.history = History(drawn, version=self.history.version + 1)
            self.fixes, self.previewer = None, Previewer(tracker, self.frames)
            self.tool, self.page_id = "box", secrets.token_hex(4)
            self.in_files, self.in_out = drawn, self.runs.preset
            if self.draft is not None:
                self.draft = draft_beside(self.runs.output, self.info.size_hw)
            self.runs.start(self.history, self.in_out, overwrite=False)

    def correct(self) -> None:
        """Correct what was tracked here. Raises UsageError before that, OutputError."""
        if self.runs is None or self.runs.state != "done" or self.runs.outcome is None:
            raise UsageError("nothing is tracked yet that could be corrected: track first")
        if self.fixes is None:
            before = self.draft
            self._correct_result(self.runs.outcome.output)
            if before is not None:
                before.forget()  # what it held is in the result, or in the draft of corrections

    def _correct_result(self, output: Path) -> None:
        open_again = partial(open_result, output)
        tracker = self.previewer.tracker
        fixes = Fixes(open_again(), open_again, tracker)
        self.start_fixing(fixes, FixPreviewer(tracker, self.frames, lambda: fixes.result))

    def take(self, choice: Choice) -> None:
        """Answer the offer: go on with what was drawn, open the result, or begin anew.

        Raises UsageError where that is not offered, PromptError past the last frame.
        """
        offer = self.offer
        if offer is None:
            return  # answered in another tab
        if choice == "result":
            if offer.result is None:
                raise UsageError("there is no result to open; reload the page")
            self._correct_result(offer.result)
            if self.offer is offer:
                self.offer = None
            return
        with self.changing:
            if choice == "drawn":
                if offer.drawn is None:
                    raise UsageError(
                        "nothing was drawn that could be gone on with; reload the page"
                    )
                if self.frames.is_complete:
                    check_frame_range(offer.drawn.document.prompts, self.frames.count)
                self.history = offer.drawn.onto(self.history)
                self.in_out = offer.drawn.in_out
                if self.runs is not None and self.runs.state == "stopped":
                    self.runs.version = self.history.version
            elif self.runs is not None and self.runs.state == "stopped":
                self.runs.state = "none"
            self.offer = None
            self._keep()

    def move_in_out(self, in_out: InOut) -> None:
        """Move the In and Out points. Raises UsageError past the last frame."""
        count = self.frames.count
        past = [one for one in (in_out.first, in_out.last) if one is not None and one >= count]
        if past and self.frames.is_complete:
            raise UsageError(f"frame {past[0]}: the clip has {count} frames, 0 to {count - 1}")
        with self.changing:
            self.in_out = in_out
            self._keep()

    def start_fix(self) -> None:
        """Correct the result with what is drawn. Raises PromptError, UsageError."""
        fixes = self.require_fixes()
        self.require_no_export()
        now, in_out, frames = self.history.now, self.in_out, fixes.result.frames
        in_out.check(now.prompts, now.names)
        within = None
        if in_out != InOut():
            last = frames[-1] if in_out.last is None else in_out.last
            within = (max(in_out.first or 0, frames[0]), min(last, frames[-1]))
        fixes.start(now.prompts, now.objects, within)

    def close(self, *, drop: bool) -> None:
        """End the page. drop: forget what is drawn and in no file or result."""
        self.is_dropped = drop
        if drop and self.draft is not None and self.offer is None:
            self.draft.forget()
        self.finish()

    def edit(self, version: int, document: Document) -> History:
        """Replace the document.

        Raises StaleError unless it is still at `version`, PromptError past the last frame.
        """
        if self.frames.is_complete:
            check_frame_range(document.prompts, self.frames.count)
        return self._change(version, lambda history: history.edit(document))

    def undo(self, version: int) -> History:
        """Take back the last change. Raises StaleError."""
        return self._change(version, History.undo)

    def redo(self, version: int) -> History:
        """Make the change again that was taken back last. Raises StaleError."""
        return self._change(version, History.redo)

    def prompt_file(self) -> str:
        """Return the text of a portable prompt file."""
        now = self.history.now
        return prompts_text(now.prompts, size_hw=self.info.size_hw, names=now.names)

    def save(self) -> None:
        """Write the prompt file. Raises OutputError."""
        assert self.save_to is not None
        history = self.history
        now = history.now
        save_prompts(self.save_to, now.prompts, size_hw=self.info.size_hw, names=now.names)
        self.saved_version = history.version
        with self.changing:
            self.in_files = now
            self._keep()

    def _on_tracked(self, document: Document) -> None:
        """Note that the document is in the result now; what was drawn meanwhile is kept."""
        with self.changing:
            self.in_files = document
            self._keep()

    def _keep(self) -> None:
        """Have the draft hold what no file and no result does."""
        if self.draft is None or self.offer is not None:
            return
        if self.history.now == self.in_files:
            self.draft.forget()
        else:
            self.draft.keep(self.history, self.in_out)

    def _on_fixed(self, prompts: Sequence[Prompt]) -> None:
        """Remove prompts that are part of the result now; what was drawn meanwhile stays."""
        with self.changing:
            now = self.history.now
            left = tuple(prompt for prompt in now.prompts if prompt not in prompts)
            document = Document(left, now.objects)
            self.history = History(document, version=self.history.version + 1)
            self.in_files = Document((), now.objects)
            self._keep()

    def preview(self, frame_idx: int) -> tuple[int, Preview]:
        """Predict the masks of what is drawn; return the document's version with them."""
        history = self.history
        prompts = history.now.prompts
        if self.so_far is not None and self.fixes is None:
            found = self.so_far.masks(frame_idx, prompts)
            if found is not None:
                return history.version, found
        if self.is_backward:  # then an earlier frame's prompts say nothing of this one
            prompts = tuple(one for one in prompts if one.frame_idx == frame_idx)
        return history.version, self.previewer.masks(frame_idx, prompts)

    def encode(self, frame_idx: int) -> None:
        """Prepare a frame, so that prompts on it are quick."""
        if self.fixes is not None or self.so_far is None or not self.so_far.encode(frame_idx):
            self.previewer.encode(frame_idx)

    def _mode(self) -> str:
        if self.fixes is not None:
            return "fix"
        return "pick" if self.runs is None else "track"

    def _change(self, version: int, change: Callable[[History], History]) -> History:
        with self.changing:
            self.history.check(version)
            if self.offer is not None:
                raise UsageError("say first whether to go on with what was drawn last time")
            self.history = change(self.history)
            self._keep()
            return self.history
