"""Where the masks of one video lie in what a program left: plain folders, or an output of vos."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.files import mask_names, subfolders
from vos_eval.protocols.plan import Plan

MASKS = "masks"
CLIPS = "clips"
PREDICTIONS = "predictions"


class PredictionTree:
    """A folder of predictions, in one of the layouts that can be scored.

    VIDEO/FRAME.png; VIDEO/OBJECT/FRAME.png; VIDEO/masks/FRAME.png, a folder of results of
    `vos track`; clips/VIDEO/masks/FRAME.png, the output of `vos batch`; predictions/VIDEO/...,
    that of `vos eval`; and masks/FRAME.png, one result, for the only video that is scored.
    """

    def __init__(self, root: Path, plan: Plan) -> None:
        """Find out which layout it is.

        plan: gets the words about the layout, where it is not the plain one.
        """
        self.root = root
        self._plan = plan
        self._clips = _folders_by_name(root / CLIPS)

    def folder(self, video: str, *, is_only: bool = False) -> Path:
        """Return the folder of a video's masks; ROOT/VIDEO where there is none.

        is_only: it is the only video to score, so one result without a name belongs to it.
        """
        plain = self.root / video
        candidates = [
            (plain, "VIDEO", "plain masks"),
            (plain / MASKS, f"VIDEO/{MASKS}", "results of vos track"),
        ]
        if video in self._clips:
            clip = self._clips[video] / MASKS
            candidates.append((clip, f"{CLIPS}/NAME/{MASKS}", "the output of vos batch"))
        of_eval = self.root / PREDICTIONS / video
        candidates.append((of_eval, f"{PREDICTIONS}/VIDEO", "the output of vos eval"))
        if is_only:
            candidates.append((self.root / MASKS, MASKS, f"one result, taken for {video}"))
        found = [one for one in candidates if _holds_masks(one[0])]
        if not found:
            return plain
        folder, layout, what = found[0]
        if len(found) > 1:
            others = ", ".join(f"{other}/*.png" for _, other, _ in found[1:])
            self._tell(f"{self.root}: took {layout}/*.png, not {others}")
        elif folder != plain:
            self._tell(f"{self.root}: read as {what} ({layout}/*.png)")
        return folder

    def check_single(self, videos: list[str]) -> None:
        """Refuse one result without a name where there are several videos.

        Raises:
            EvalError: it could be any of them.
        """
        if len(videos) > 1 and mask_names(self.root / MASKS) and MASKS not in videos:
            raise EvalError(
                f"{self.root}: {MASKS}/ is the result of one clip, and there are {len(videos)} "
                "videos; say which with --videos FILE, or name the folder that holds all results"
            )

    def _tell(self, reading: str) -> None:
        if reading not in self._plan.readings:
            self._plan.readings.append(reading)


def _holds_masks(folder: Path) -> bool:
    """Tell whether a folder has masks, or a folder per object, whose name is a number."""
    return bool(mask_names(folder)) or (
        folder.is_dir() and any(name.isdecimal() for name in subfolders(folder))
    )


def _folders_by_name(clips: Path) -> dict[str, Path]:
    """Map names of clips, and those without a file's ending that are then unique, to folders."""
    if not clips.is_dir():
        return {}
    names = subfolders(clips)
    counts = Counter(Path(name).stem for name in names)
    found = {Path(name).stem: clips / name for name in names if counts[Path(name).stem] == 1}
    return found | {name: clips / name for name in names}
