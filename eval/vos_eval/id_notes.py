"""Notes on ids: those that a protocol scores though they are nowhere, and those it passes over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from vos_eval.frame_task import VOID, FrameOutcome
from vos_eval.protocols.base import ObjectScore, Protocol
from vos_eval.protocols.plan import Labels, Plan

_NAMED = 5


def tell_unscored(plan: Plan, outcomes: Sequence[Sequence[FrameOutcome]]) -> Iterator[str]:
    """Name what the ground truth shows and the protocol does not score, or scores unexpectedly."""
    late: list[str] = []
    void: list[str] = []
    scored_void: list[str] = []
    for sequence, frames in zip(plan.sequences, outcomes, strict=True):
        above: dict[int, str] = {}
        for frame, outcome in zip(sequence.frames, frames, strict=True):
            for object_id in outcome.unscored_ids:
                above.setdefault(object_id, frame.name)
        if above.pop(VOID, None) is not None and not sequence.leaves_void_out:
            void.append(sequence.title)
        late += [f"{sequence.title} id {i} from {name}" for i, name in sorted(above.items())]
        if sequence.labels is Labels.PRESENT:
            ids = frozenset[int]().union(*(outcome.gt_ids for outcome in frames))
            if VOID in ids and len(ids) > 1:
                scored_void.append(sequence.title)
    if late:
        yield (
            f"not scored, because the official rule takes the ids of the first annotation or of "
            f"the metadata: {_list(late)}"
        )
    if void:
        yield (
            f"255 (void) in the ground truth of {_list(void)}: counted as background, as the "
            "official tool does"
        )
    if scored_void:
        yield (
            f"255 in the ground truth of {_list(scored_void)}: scored as an object of its own, as "
            "the official tool does"
        )


def tell_surplus(plan: Plan, outcomes: Sequence[Sequence[FrameOutcome]]) -> Iterator[str]:
    """Name predicted ids that do not count, such as 255 where the truth has 1."""
    surplus: list[str] = []
    for sequence, frames in zip(plan.sequences, outcomes, strict=True):
        ids = frozenset[int]().union(*(outcome.surplus_ids for outcome in frames))
        if sequence.labels is Labels.PRESENT:
            predicted = frozenset[int]().union(*(outcome.scores for outcome in frames))
            ids = predicted - frozenset[int]().union(*(outcome.gt_ids for outcome in frames))
        if ids:
            surplus.append(f"{sequence.title} id {_spans(ids)}")
    if surplus:
        yield (
            "predicted ids that the ground truth does not have, which do not count by the official "
            f"rule: {_list(surplus)}"
        )


def tell_phantoms(plan: Plan, objects: Sequence[ObjectScore], protocol: Protocol) -> Iterator[str]:
    """Say how many scored objects are in no mask at all, and what the score is without them."""
    gaps = {(s.video, i) for s in plan.sequences for i in s.gap_ids}
    phantoms = [
        item for item in objects if (item.video, item.object_id) in gaps and not item.gt_share.any()
    ]
    if not phantoms:
        return
    ids: dict[str, list[int]] = {}
    for item in phantoms:
        ids.setdefault(item.video, []).append(item.object_id)
    gone = {(item.video, item.object_id) for item in phantoms}
    real = [item for item in objects if (item.video, item.object_id) not in gone]
    headline, value = next(iter(protocol.totals(real).items()))
    yield (
        f"{len(phantoms)} of {len(objects)} scored objects are in no mask: "
        f"{_list([f'{video} id {_spans(found)}' for video, found in ids.items()])}. The official "
        "rule counts every id from 1 to the highest of the first annotation, each as perfect where "
        f"nothing is predicted; without them {headline} is {100 * value:.1f}, and --protocol sav "
        "takes only ids that are there"
    )


def _list(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _spans(ids: Collection[int]) -> str:
    """Write 1, 2, 3, 7 as "1-3, 7"."""
    spans: list[list[int]] = []
    for object_id in sorted(ids):
        if spans and spans[-1][-1] == object_id - 1:
            spans[-1][1:] = [object_id]
        else:
            spans.append([object_id])
    return ", ".join("-".join(map(str, span)) for span in spans)
