"""Finding mask files and naming the ones that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.plan import Missing, Plan

_MAX_NAME_BYTES = 200  # file systems take 255, and a suffix is added


def require_folder(path: Path, what: str) -> Path:
    """Return `path` if it is a folder.

    Raises:
        EvalError: it is not.
    """
    if not path.is_dir():
        kind = "is not a folder" if path.exists() else "does not exist"
        raise EvalError(f"{path}: the {what} folder {kind}; name the folder that holds the videos")
    return path


def is_name(text: str) -> bool:
    """Tell whether a text of a data set may be the name of one folder or file."""
    return (
        0 < len(text.encode("utf-8", "surrogatepass")) <= _MAX_NAME_BYTES
        and text not in (".", "..")
        and text.isprintable()
        and not set(text) & {"/", "\\"}
    )


def subfolders(path: Path) -> list[str]:
    """List the names of the folders in `path`, sorted, hidden ones left out."""
    return sorted(
        entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def mask_names(folder: Path) -> list[str]:
    """List the stems of the PNGs in `folder`, sorted; empty where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        entry.stem
        for entry in folder.iterdir()
        if entry.suffix.lower() == ".png" and not entry.name.startswith(".")
    )


def find_predictions(
    plan: Plan, video: str, folder: Path, names: Iterable[str], missing: Missing
) -> dict[str, Path | None]:
    """Find the path of each named prediction of one video, None where it is absent.

    Absent ones become a problem of the plan, or a note where they are scored as empty or where
    the video is left out for them.
    """
    present = set(mask_names(folder))
    found = {name: folder / f"{name}.png" if name in present else None for name in names}
    absent = [name for name, path in found.items() if path is None]
    if not absent:
        return found
    if not folder.is_dir():
        text = f"{video}: no prediction: the folder {folder} is missing"
    else:
        text = f"{video}: {_count(absent)} missing in {folder}: {', '.join(absent)}"
        text += _others(folder, absent)
    if missing is Missing.EMPTY:
        plan.notes.append(f"{text} (scored as empty)")
    elif missing is Missing.SKIP:
        plan.left_out.add(video)
        plan.notes.append(f"{text} (the video is left out)")
    else:
        plan.problems.append(text)
    return found


def find_annotations(plan: Plan, video: str, folder: Path, names: Iterable[str]) -> bool:
    """Check that all named ground-truth masks of one video exist; absent ones are a problem."""
    present = set(mask_names(folder))
    absent = [name for name in names if name not in present]
    if not folder.is_dir():
        plan.problems.append(f"{video}: no ground truth: the folder {folder} is missing")
    elif absent:
        plan.problems.append(
            f"{video}: ground truth: {_count(absent)} missing in {folder}: {', '.join(absent)}"
        )
    return not absent


def _count(names: list[str]) -> str:
    return "1 frame is" if len(names) == 1 else f"{len(names)} frames are"


def _others(folder: Path, absent: list[str]) -> str:
    """Name files of other types where the masks are missing, such as arrays or JPEGs."""
    endings = {
        entry.suffix.lower()
        for entry in folder.iterdir()
        if entry.stem in absent and entry.suffix.lower() != ".png"
    }
    if not endings:
        return ""
    return f" (there are {', '.join(sorted(endings))} files; masks are PNG, without loss)"
