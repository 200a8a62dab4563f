"""VOST: J over a video and over its last quarter, J_tr, where objects have changed the most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vos_eval.metrics import statistics
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.davis import DAVIS, plan_davis
from vos_eval.protocols.plan import Labels, Plan, Quirk
from vos_eval.protocols.tables import global_table, three_decimals, to_csv

_GLOBAL_COLUMNS = {
    "J-Mean": "J",
    "J-Recall": "JR",
    "J-Decay": "JD",
    "J_last-Mean": "J_tr",
    "J_last-Recall": "J_trR",
    "J_last-Decay": "J_trD",
}


def plan_vost(root: Path, pred_dir: Path, options: Options) -> Plan:
    """Select the objects and frames that DAVIS does; other predicted labels do not count.

    Raises:
        EvalError: folders or lists are missing.
    """
    plan = plan_davis(root, pred_dir, options)
    for index, sequence in enumerate(plan.sequences):
        if sequence.labels is Labels.BINARY:
            plan.problems.append(f"{sequence.title}: the first annotation shows void (255) alone")
        elif sequence.labels is Labels.IDS_STRICT:
            plan.sequences[index] = replace(
                sequence, labels=Labels.IDS, leaves_void_out=Quirk.VOID in options.fixes
            )
    return plan


def _own(item: ObjectScore) -> dict[str, float]:
    last = item.j[int(len(item.j) * 0.75) :]  # rounded as the official tool does
    return {
        "J_tr": statistics.mean(last),
        "J_trR": statistics.recall(last),
        "J_trD": statistics.decay(last),
    }


def _totals(objects: Sequence[ObjectScore]) -> dict[str, float]:
    own = {
        name: statistics.mean([item.own[name] for item in objects])
        for name in ("J_tr", "J_trR", "J_trD")
    }
    return {
        "J": mean_over(objects, "j_mean"),
        "J_tr": own["J_tr"],
        "JR": mean_over(objects, "j_recall"),
        "JD": mean_over(objects, "j_decay"),
        "J_trR": own["J_trR"],
        "J_trD": own["J_trD"],
    }


def _tables(score: Score) -> Mapping[str, str]:
    rows: list[Sequence[str]] = [["Sequence", "J-Mean", "J_last-Mean"]]
    for item in score.objects:
        numbers = [three_decimals(value) for value in (item.j_mean, item.own["J_tr"])]
        rows.append([f"{item.video}_{item.object_id}", *numbers])
    return {"": to_csv(rows), "-global": global_table(_GLOBAL_COLUMNS, score.totals)}


VOST = Protocol(
    name="vost",
    description="VOST: mean of J over objects, and J_tr over the last quarter of their frames",
    plan=plan_vost,
    totals=_totals,
    own=_own,
    columns=("J", "J_tr", "JR", "JD"),
    tables=_tables,
    quirks=frozenset({Quirk.DECAY_WRAP, Quirk.VOID}),
    decay=DAVIS.decay,
    has_splits=True,
)
