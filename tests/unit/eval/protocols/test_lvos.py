"""The lists of unseen videos that LVOS scores apart."""

from vos_eval.protocols.lvos import UNSEEN_HEAD, UNSEEN_V1_ERA


def test_unseen_lists():
    assert len(UNSEEN_HEAD) == 51
    assert len(UNSEEN_V1_ERA) == 27
    assert {"aFytsETk", "UtEnRpiP"} == UNSEEN_V1_ERA - UNSEEN_HEAD
