"""The lists of a data set in ImageSets: which one is taken, and the sequences it names."""

from __future__ import annotations

from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.files import is_name
from vos_eval.texts import read_names

DEFAULT_SPLIT = "val"
_PREFERRED = ("2017", "480p", "2016", "1080p")
_OF_2016 = ("480p", "1080p", "2016")


def find_list(root: Path, split: str | None = None) -> tuple[Path | None, str | None]:
    """Find ImageSets/YEAR/SPLIT.txt or ImageSets/SPLIT.txt, and say which of several is taken.

    2017 comes first, then 480p, which is a list of DAVIS 2016.

    split: its name, "val" where None; "2016/val" names the folder too.

    Returns: the list, None where there is none and none is asked for; and the words about it.

    Raises:
        EvalError: the list is asked for but missing, or several are equally good.
    """
    name = f"{split or DEFAULT_SPLIT}.txt"
    folder = root / "ImageSets"
    if "/" in name:
        if not all(is_name(part) for part in name.split("/")) or not (folder / name).is_file():
            raise EvalError(f"{root}: no list ImageSets/{name}{_there_are(folder)}")
        return folder / name, None
    found = sorted(folder.glob(f"*/{name}")) + [folder / name] * (folder / name).is_file()
    if not found:
        if split is not None:
            raise EvalError(
                f"{root}: no list ImageSets/2017/{name} or ImageSets/{name}{_there_are(folder)}"
            )
        return None, None
    known = [year for year in _PREFERRED if any(path.parent.name == year for path in found)]
    if len(found) > 1 and not known:
        texts = ", ".join(str(path.relative_to(root)) for path in found)
        raise EvalError(f"{root}: several lists: {texts}; choose with --split FOLDER/NAME")
    taken = next((path for path in found if known and path.parent.name == known[0]), found[0])
    if len(found) == 1:
        return taken, None
    others = ", ".join(_short(path, folder) for path in found if path != taken)
    return taken, (
        f"took the list {_short(taken, folder)}, not {others}; --split names another, such as "
        f"--split {_short(next(path for path in found if path != taken), folder)}"
    )


def is_of_2016(path: Path) -> bool:
    """Tell whether a list is one of DAVIS 2016, where all objects of a video are one."""
    return path.parent.name in _OF_2016


def read_list(path: Path) -> list[str]:
    """Read the sequences of a list.

    The lists of 2016 name images and masks of each frame; the sequence is the folder's name.

    Raises:
        EvalError: it is empty, not readable, or names no folders.
    """
    names = []
    for line in read_names(path, "list of sequences"):
        first = line.split()[0]
        name = Path(first).parent.name if "/" in first else first
        if not is_name(name):
            raise EvalError(f"{path}: {name[:60]!r} is not the name of a folder")
        names.append(name)
    return list(dict.fromkeys(names))


def _there_are(folder: Path) -> str:
    """Name the lists that are there, so that one of them can be chosen."""
    lists = sorted(_short(path, folder) for path in folder.glob("**/*.txt"))
    if not lists:
        return "; the data set's download has its lists there"
    return f"; there are {', '.join(lists[:8])}{', ...' if len(lists) > 8 else ''}"


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder).with_suffix(""))
