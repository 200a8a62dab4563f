"""Several predictions of one data set, scored by the same rules on the same videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from vos_eval.compare.attributes import Attributes, derive_attributes
from vos_eval.compare.bootstrap import RESAMPLES, Interval, interval, resample_totals
from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.evaluate import find_protocol, ignore, make_plan, score_plan
from vos_eval.parallel import refuse_problems
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_number
from vos_eval.protocols.plan import Plan

FEW_VIDEOS = 10
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of a prediction minus that of the first.

    value: the difference.
    interval: that of the paired bootstrap.
    """

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """The objects with one attribute.

    name: the attribute.
    objects: how many have it.
    numbers: prediction -> number -> its mean over these objects.
    """

    name: str
    objects: int
    numbers: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of one or several predictions, and what lies between them.

    scores: by name, in the order given; they have the same objects.
    intervals: prediction -> number -> interval; empty without resampling.
    differences: each but the first -> number -> its difference to the first; empty likewise.
    attributes: a row for each attribute that some object has.
    left_out: videos that are not scored.
    notes: what a reader has to know.
    readings: which of several ways a folder was read.
    """

    scores: Mapping[str, Score]
    intervals: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    differences: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    attributes: Sequence[AttributeRow] = ()
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()
    readings: Sequence[str] = ()

    @property
    def first(self) -> Score:
        """The score that the others are compared with."""
        return next(iter(self.scores.values()))

    @property
    def protocol(self) -> Protocol:
        """The rules of all scores."""
        return self.first.protocol


def compare(
    protocol: Protocol | str,
    gt_dir: Path | str,
    predictions: Mapping[str, Path | str],
    options: Options | None = None,
    *,
    resamples: int = RESAMPLES,
    attributes: Attributes | None = None,
    on_note: Callable[[str], None] = ignore,
    on_reading: Callable[[str], None] = ignore,
) -> Comparison:
    """Score several predictions on the videos that all of them have.

    predictions: name -> folder; the first is what the others are compared with.
    resamples: data sets drawn for the intervals; 0 for none.
    attributes: those of a file, beside what the ground truth shows.
    on_note, on_reading: called with each text once, as soon as it is known.

    Raises:
        EvalError: one of them cannot be scored; its name is in each problem.
    """
    rules = find_protocol(protocol)
    options = options or Options()

    def plan_of(name: str, chosen: Options = options) -> Plan:
        plan = make_plan(rules, Path(gt_dir), Path(predictions[name]), chosen)
        refuse_problems(plan)
        return plan

    plans = _for_each(predictions, plan_of)
    gone = frozenset().union(*(plan.left_out for plan in plans.values()))
    readings = _join({name: plan.readings for name, plan in plans.items()})
    for text in readings:
        on_reading(text)
    told = _join({name: plan.notes for name, plan in plans.items()})
    for text in told:
        on_note(text)
    if gone:
        same = replace(options, leave_out=gone)
        plans = _for_each(predictions, lambda name: plan_of(name, same))
    scores = _for_each(predictions, lambda name: score_plan(rules, plans[name], options))
    notes = _join({name: score.notes for name, score in scores.items()})
    videos = len({item.video for item in next(iter(scores.values())).objects})
    if resamples and videos < FEW_VIDEOS:
        notes.append(f"{videos} videos are few for a bootstrap: its intervals are too narrow")
    for text in notes:
        if text not in told:
            on_note(text)
    intervals, differences = _resample(scores, resamples if videos > 1 else 0)
    return Comparison(
        scores,
        intervals,
        differences,
        _attribute_rows(scores, attributes),
        sorted(gone),
        notes,
        readings,
    )


def _for_each(names: Iterable[str], do: Callable[[str], Result]) -> dict[str, Result]:
    """Do something with each prediction; raise in the end, with what is wrong in all of them."""
    found: dict[str, Result] = {}
    problems: dict[str, Sequence[str]] = dict.fromkeys(names, ())
    for name in problems:
        try:
            found[name] = do(name)
        except EvalUsageError:
            raise
        except EvalError as error:
            problems[name] = error.problems
    if any(problems.values()):
        raise EvalError(_join(problems))
    return found


def _join(texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Join the texts of all predictions; what all say is said once, the rest with its name."""
    joined: dict[str, None] = {}
    for name, own in texts.items():
        for text in own:
            is_common = all(text in others for others in texts.values())
            joined[text if is_common else f"{name}: {text}"] = None
    return list(joined)


def _resample(
    scores: Mapping[str, Score], count: int
) -> tuple[dict[str, dict[str, Interval]], dict[str, dict[str, Difference]]]:
    if not count:
        return {}, {}
    drawn = dict(zip(scores, resample_totals(list(scores.values()), count), strict=True))
    intervals = {
        name: {number: interval(values) for number, values in found.items()}
        for name, found in drawn.items()
    }
    base = next(iter(scores))
    differences = {
        name: {
            number: Difference(
                score.totals[number] - scores[base].totals[number],
                interval(drawn[name][number] - drawn[base][number]),
            )
            for number in score.totals
        }
        for name, score in scores.items()
        if name != base
    }
    return intervals, differences


def _attribute_rows(
    scores: Mapping[str, Score], attributes: Attributes | None
) -> list[AttributeRow]:
    """Average over the objects with each attribute of the file, then with each that masks show.

    A name in the file replaces the attribute that masks show.
    """
    first = next(iter(scores.values()))
    derived = derive_attributes(first.objects)
    source_of = dict.fromkeys(derived.names, derived)
    if attributes is not None:
        source_of = dict.fromkeys(attributes.names, attributes) | {
            name: derived for name in derived.names if name not in attributes.names
        }
    columns = numeric_columns(first.protocol)
    rows = []
    for name, source in source_of.items():
        chosen: dict[str, list[ObjectScore]] = {
            who: [item for item in score.objects if source.has(item, name)]
            for who, score in scores.items()
        }
        count = len(next(iter(chosen.values())))
        if count:
            numbers = {
                who: {column: mean_number(items, column) for column in columns}
                for who, items in chosen.items()
            }
            rows.append(AttributeRow(name, count, numbers))
    return rows


def numeric_columns(protocol: Protocol) -> list[str]:
    """Return the columns of a protocol's objects that are numbers."""
    return [column for column in protocol.columns if column != "seen"]
