"""What one tracking job is asked to do, and what it left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from vos.config import nearest
from vos.errors import UsageError
from vos.io.patterns import is_pattern
from vos.io.read.source import TimePoint
from vos.io.timecode import parse_time
from vos.io.write.deliver.registry import FORMATS
from vos.io.write.registry import SINKS
from vos.prompts import Direction, Prompt
from vos.settings import Settings

if TYPE_CHECKING:
    from vos.refine.resolve import RefinerInfo

DIRECTIONS: tuple[str, ...] = get_args(Direction)
SAVES = tuple(SINKS)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One video to track, and how.

    source: a video, a folder or a glob, as the user named it.
    output: the folder to make.
    prompts: what to track.
    start, end: frame index or seconds, inclusive and exclusive; None is the source's own.
    direction: the way to track from the prompts.
    settings: model, reader, outputs and reports.
    overwrite: whether an earlier output may be replaced.
    names: what objects are called, by id; they go into the output's prompt file alone.
    drawn_on: size_hw in pixels that the prompt file names, else None.
    goes_on: whether an interrupted run with other prompts is continued from where they differ.
    notes: how files of prompts were read, one line each.
    every: frames from one look for objects without a prompt to the next; None to look for none.
    """

    source: str
    output: Path
    prompts: tuple[Prompt, ...]
    start: TimePoint | None
    end: TimePoint | None
    direction: Direction
    settings: Settings
    overwrite: bool
    names: Mapping[int, str] = field(default_factory=dict)
    drawn_on: tuple[int, int] | None = None
    goes_on: bool = False
    notes: tuple[str, ...] = ()
    every: int | None = None

    @classmethod
    def checked(
        cls,
        *,
        source: str,
        output: Path,
        prompts: tuple[Prompt, ...],
        start: str | None,
        end: str | None,
        direction: str,
        settings: Settings,
        overwrite: bool,
    ) -> Self:
        """A job from the texts of the command line.

        Raises:
            UsageError: a value that no input could make right.
        """
        _one_of("--direction", direction, DIRECTIONS)
        for name in settings.save:
            _one_of("--save", name, SAVES)
        if not settings.save:
            raise UsageError(f"--save: nothing named; give some of {','.join(SAVES)}")
        for name in settings.deliver:
            _one_of("--deliver", name, tuple(FORMATS))
        if settings.deliver and "masks" not in settings.save:
            raise UsageError(
                "--deliver: exports are made of masks, which --save does not name; add masks"
            )
        return cls(
            source=source,
            output=output,
            prompts=prompts,
            start=None if start is None else parse_time(start),
            end=None if end is None else parse_time(end),
            direction=direction,  # pyright: ignore[reportArgumentType]
            settings=settings,
            overwrite=overwrite,
        )


@dataclass(frozen=True, slots=True)
class LiveCounts:
    """What happened between a live source and its track.

    address: of the source, without passwords.
    started_at: when its first frame came, in UTC as ISO 8601.
    drop: "old" or "none", as it was asked for.
    keep_s: seconds of masks and overlay that stay, None for all.
    dropped: frames that came and were not tracked.
    losses: when the source was lost: `frame_idx` of the first frame after it, null where none came,
        `lost_s` and `why`.
    """

    address: str
    started_at: str
    drop: str
    keep_s: float | None
    dropped: int
    losses: tuple[Mapping[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as manifests and `--json` have it."""
        return {
            "address": self.address,
            "started_at": self.started_at,
            "drop": self.drop,
            "keep_s": self.keep_s,
            "dropped": self.dropped,
            "losses": [dict(one) for one in self.losses],
        }

    def summary(self) -> str:
        """Return what is to be said of it, after a comma; nothing where all went well."""
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        count = len(self.losses)
        return dropped + (f", lost {count} time{'s' if count > 1 else ''}" if count else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job left behind.

    output: the folder.
    files: its entries.
    frames: how many the output has.
    frames_per_s: of this run, loading left out; None where it was skipped.
    model, model_sha256: name and checksum of the weights.
    refiner: the one that was used, None for none.
    warnings: everything that went less than well, one line each.
    is_skipped: whether an earlier run had done the same job already.
    resumed_at: frame index at which this run continued an interrupted one, else None.
    scene_cuts: first frame index of each scene but the first, None where nobody looked.
    ended_at_cut: index of the cut that ended the output, else None.
    corrections: how many were made since with `vos fix`.
    live: what happened with a live source; None for any other.
    found: object id and frame index of what was found without a prompt, None where nobody looked.
    """

    output: Path
    files: tuple[str, ...]
    frames: int
    frames_per_s: float | None
    model: str
    model_sha256: str
    refiner: RefinerInfo | None
    warnings: tuple[str, ...]
    is_skipped: bool
    resumed_at: int | None = None
    scene_cuts: tuple[int, ...] | None = None
    ended_at_cut: int | None = None
    corrections: int = 0
    live: LiveCounts | None = None
    found: tuple[tuple[int, int], ...] | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "output": str(self.output),
            "files": list(self.files),
            "frames": self.frames,
            "frames_per_s": None if self.frames_per_s is None else round(self.frames_per_s, 2),
            "model": {"name": self.model, "sha256": self.model_sha256},
            "refiner": self.refiner and {"name": self.refiner.name, "sha256": self.refiner.sha256},
            "warnings": list(self.warnings),
            "skipped": self.is_skipped,
            "resumed_at": self.resumed_at,
            "scene_cuts": None if self.scene_cuts is None else list(self.scene_cuts),
            "ended_at_cut": self.ended_at_cut,
            **({} if self.live is None else {"live": self.live.as_json()}),
            "found": None if self.found is None else found_json(self.found),
        }

    def found_lines(self) -> list[str]:
        """Lines for people: which objects were found on which frame."""
        by_frame: dict[int, list[str]] = {}
        for object_id, frame_idx in self.found or ():
            by_frame.setdefault(frame_idx, []).append(str(object_id))
        return [
            f"found on frame {frame_idx}: object{'s' if len(ids) > 1 else ''} {', '.join(ids)}"
            for frame_idx, ids in by_frame.items()
        ]

    def summary(self) -> str:
        """One line for people."""
        if self.frames_per_s is None and not self.is_skipped:
            return f"opened, {_counted(self.corrections)} in all"
        if self.frames_per_s is None and self.corrections:
            return (
                f"already complete with these parameters and corrected ({self.corrections} by `vos "
                "fix`), skipped"
            )
        if self.frames_per_s is None:
            return "already complete with these parameters, skipped (--overwrite makes it again)"
        resumed = "" if self.resumed_at is None else f", continued at frame {self.resumed_at}"
        speed = f"{self.frames_per_s:.1f} frames/s"
        fixed = f", {_counted(self.corrections)} made since" if self.corrections else ""
        live = "" if self.live is None else self.live.summary()
        model = f"model {self.model}"
        return f"{self.frames} frames{live}, {speed}, {model}{resumed}{self._cuts()}{fixed}"

    def _cuts(self) -> str:
        count = len(self.scene_cuts or ())
        marked = f", {count} scene cut{'s' if count > 1 else ''}" if count else ""
        if self.ended_at_cut is None:
            return marked
        return f"{marked}, ended before the scene cut at frame {self.ended_at_cut}"


def found_json(found: Iterable[tuple[int, int]]) -> list[dict[str, int]]:
    """Objects and their frames as the manifest and `--json` have them."""
    return [{"object_id": object_id, "frame_idx": frame_idx} for object_id, frame_idx in found]


def _counted(corrections: int) -> str:
    return f"{corrections} correction{'' if corrections == 1 else 's'}"


def default_output(source: str) -> Path:
    """`INPUT-vos` beside the input; for a pattern, beside the folder that its files are in.

    What exists is no pattern, whatever its characters.
    """
    path = Path(source)
    while is_pattern(path):
        path = path.parent
    path = path.absolute() if path.name in ("", "..") else path
    return path.with_name(f"{path.name}-vos")


def _one_of(flag: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise UsageError(
            f"{flag} {value!r}: not one of {', '.join(valid)}{nearest(value, valid)}; correct it"
        )
