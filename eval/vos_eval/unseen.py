"""Which videos of LVOS hold categories that are absent from its training set."""

from __future__ import annotations

from pathlib import Path

from vos_eval.errors import EvalError

_HEAD = """
R3UJGYwy K3OUeINk 058oeZ2p xpI7xRWN FiRTBMg2 nfcT3owb JGG6MrhF yfzVCnvU 6mNj04tC yWnanBID
    v3uNUctx 49TNsJzk gw84JOqH 711gAS21 dtHbJvYy tAyQIobn vJ8W2TO5 FmzvB44A 8lxxCA5h N6CONZUW
    Oj1z5fO0 gdqCcvs2 LWVlKBlK yxCvN6OJ pMntJwSQ p9RjdKoh 9NA8c5C3 m37l7ti1 nwflTTf1 LY2zehlH
    beR0WT11 afoR2rH6 xQZlxhxV o36i3YWC cdzAjcuN IlvtT6D6 YfoFnMgm FiQUhyRi 9oLyy7aJ 9RoNInYO
    wrrX6bxv q2HE4zaM rvwT3piq ZFqAoImI bwcKqVSN QE1wMR58 eEcUJVBZ Qf9YVXOW SRRojucs PQfn7XV2
    3bvEjhOT
"""
UNSEEN_HEAD = frozenset(_HEAD.split())
"""The official evaluator's present list: 51 videos of v1 and v2."""

_V1_ERA = """
R3UJGYwy 058oeZ2p UtEnRpiP yfzVCnvU 6mNj04tC yWnanBID gw84JOqH 711gAS21 FmzvB44A Oj1z5fO0
    tAyQIobn yxCvN6OJ LWVlKBlK K3OUeINk xpI7xRWN aFytsETk FiRTBMg2 nfcT3owb v3uNUctx JGG6MrhF
    49TNsJzk dtHbJvYy 8lxxCA5h N6CONZUW vJ8W2TO5 gdqCcvs2 pMntJwSQ
"""
UNSEEN_V1_ERA = frozenset(_V1_ERA.split())
"""The list before the v2 rewrite: 27 videos, among them aFytsETk and UtEnRpiP."""


def read_unseen(path: Path) -> frozenset[str]:
    """Video names, separated by white space.

    Raises:
        EvalError: the file cannot be read or names nothing.
    """
    try:
        names = frozenset(path.read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise EvalError(f"{path}: cannot read the list of unseen videos ({error})") from error
    if not names:
        raise EvalError(f"{path}: the list of unseen videos is empty; it needs one name a line")
    return names
