"""`vos eval images`: one object per image, prompted by a box, points or a simulated clicker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import numpy as np
import typer

from vos.prompts import Box, Points, Prompt
from vos.settings import Settings
from vos_cli.commands.eval.data_set import Form
from vos_cli.console.errors import one_line
from vos_cli.console.notices import complain, warn
from vos_cli.console.progress import open_progress
from vos_cli.console.tables import print_table
from vos_cli.evaluate.output import describe
from vos_cli.options.takes import takes
from vos_cli.options.track import MODEL_OPTIONS, TrackFlags
from vos_eval.errors import EvalError
from vos_eval.image_sets import ImagePair, ImageSet, find_sets, read_image, read_label
from vos_eval.images import (
    LABEL_THRESHOLD,
    POINT_COUNTS,
    POINT_SEEDS,
    ImageScore,
    SetScore,
    average,
    box_prompt,
    point_prompts,
    score_image,
    score_set,
)
from vos_eval.metrics.clicks import Click, ClickScore, click_ious, click_score
from vos_eval.report.export import number

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.image import ImageSegmenter

ImageProtocol = Literal["box", "points", "clicks"]
_OBJECT = 1


@takes(TrackFlags, only=MODEL_OPTIONS)
def images(
    *,
    roots: Annotated[
        list[Path],
        typer.Argument(
            metavar="ROOT...",
            help="HQ-SAM's data folder, one of its sets, or a folder with im/ gt/.",
        ),
    ],
    protocol: Annotated[
        ImageProtocol,
        typer.Option(help="One box; 1, 2, 5, 10 random points; or up to 20 simulated clicks."),
    ] = "box",
    flags: TrackFlags,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="First N images of each set.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    progress: Form = None,
) -> None:
    """Score masks of single images on the fine-detail sets.

    box and points: mIoU and mBIoU as HQ-SAM computes them. clicks: SegNext's pooled numbers.
    """
    chosen = flags.settings(progress)
    try:
        sets = _find(roots, limit)
        content = _run(sets, protocol, chosen)
    except EvalError as error:
        _fail(error)
    if as_json:
        print(json.dumps(content, ensure_ascii=False))
    else:
        _print(content)


def _fail(error: EvalError) -> NoReturn:
    for problem in error.problems:
        complain(problem)
    raise typer.Exit(error.exit_code)


def _find(roots: Sequence[Path], limit: int | None) -> list[ImageSet]:
    sets: list[ImageSet] = []
    problems: list[str] = []
    for root in roots:
        try:
            found = find_sets(root)
        except EvalError as error:
            problems += error.problems
            continue
        for one in found:
            if one.expected not in (None, len(one.pairs)):
                warn(f"{one.name}: {len(one.pairs)} images; the published set has {one.expected}")
            sets.append(ImageSet(one.name, one.pairs[:limit], one.expected))
    if problems:
        raise EvalError(problems)
    return sets


def _run(sets: list[ImageSet], protocol: ImageProtocol, chosen: Settings) -> dict[str, Any]:
    from vos.loading import load

    tracker = load(chosen.model_options)
    content = {"schema": 1, "protocol": protocol, **describe(tracker, chosen)}
    with open_progress(chosen.progress, sum(len(one.pairs) for one in sets)) as progress:
        if protocol == "clicks":
            score = _clicks(tracker, sets, progress.advance)
            return content | {"pooled": _clicks_json(score)}
        if protocol == "box":
            rows = {"box": _box(tracker, sets, progress.advance)}
        else:
            rows = _points(tracker, sets, progress.advance)
    return content | {
        "rows": [
            {"prompt": prompt, "sets": [_set_json(one) for one in [*scores, average(scores)]]}
            for prompt, scores in rows.items()
        ]
    }


def _box(tracker: Tracker, sets: list[ImageSet], advance: Callable[[], None]) -> list[SetScore]:
    scores = []
    for one in sets:
        found = []
        for pair, label in _read_labels(one, LABEL_THRESHOLD, advance):
            box = box_prompt(label)
            prompts = [] if box is None else [Box(_OBJECT, box)]
            mask = _probability(_open(tracker, pair.image, label), prompts) > 0.5
            found.append(score_image(pair.name, label, mask))
        scores.append(score_set(one.name, found))
    return scores


def _points(
    tracker: Tracker, sets: list[ImageSet], advance: Callable[[], None]
) -> dict[str, list[SetScore]]:
    """Return one row per point count: the mean over the seeds of each set's scores."""
    found: dict[tuple[int, int], list[list[ImageScore]]] = {
        (count, seed): [[] for _ in sets] for count in POINT_COUNTS for seed in POINT_SEEDS
    }
    for index, one in enumerate(sets):
        for pair, label in _read_labels(one, LABEL_THRESHOLD, advance):
            image = _open(tracker, pair.image, label)
            for (count, seed), scores in found.items():
                points = point_prompts(label, count, seed)
                prompts = [_points_prompt(points, [1] * len(points))] if len(points) else []
                image.forget(_OBJECT)
                mask = _probability(image, prompts) > 0.5
                scores[index].append(score_image(pair.name, label, mask))
    rows: dict[str, list[SetScore]] = {}
    for count in POINT_COUNTS:
        row = []
        for index, one in enumerate(sets):
            seeds = [score_set(one.name, found[count, seed][index]) for seed in POINT_SEEDS]
            row.append(
                SetScore(
                    one.name,
                    float(np.mean([seed.miou for seed in seeds])),
                    float(np.mean([seed.mbiou for seed in seeds])),
                    seeds[0].images,
                )
            )
        rows[f"{count} point{'s' * (count > 1)}"] = row
    return rows


def _clicks(tracker: Tracker, sets: list[ImageSet], advance: Callable[[], None]) -> ClickScore:
    curves = []
    for one in sets:
        for pair, label in _read_labels(one, 0, advance):
            image = _open(tracker, pair.image, label)

            def predict(clicks: Sequence[Click], image: ImageSegmenter = image) -> np.ndarray:
                points = np.array([(click.x_px, click.y_px) for click in clicks])
                labels = [int(click.is_positive) for click in clicks]
                return _probability(image, [_points_prompt(points, labels)])

            curves.append(click_ious(label > 0, predict))
    return click_score(curves)


def _read_labels(
    one: ImageSet, threshold: int, advance: Callable[[], None]
) -> Iterator[tuple[ImagePair, np.ndarray]]:
    """Yield the pairs with their labels; black labels are left out, with a warning.

    Raises:
        EvalError: a label is neither black nor has a pixel above `threshold`; or all are black.
    """
    black: list[str] = []
    for pair in one.pairs:
        label = read_label(pair.label)
        if label.max() > threshold:
            yield pair, label
        elif label.any():
            raise EvalError(
                f"{pair.label}: its highest value is {label.max()}, and an object is above "
                f"{threshold}; an image of object ids has to be split, one white object per label"
            )
        else:
            black.append(pair.name)
        advance()
    if len(black) == len(one.pairs):
        raise EvalError(f"{one.name}: every label is black; there is nothing to score")
    if black:
        named = ", ".join(black[:5]) + (", ..." if len(black) > 5 else "")
        warn(f"{one.name}: black labels, left out: {len(black)} ({named})")


def _points_prompt(points_xy_px: np.ndarray, labels: Sequence[int]) -> Points:
    return Points(_OBJECT, tuple((float(x), float(y)) for x, y in points_xy_px), tuple(labels))


def _open(tracker: Tracker, path: Path, label: np.ndarray) -> ImageSegmenter:
    image = read_image(path)
    if image.shape[:2] != label.shape:
        raise EvalError(
            f"{path}: {image.shape[1]}x{image.shape[0]}; its label is "
            f"{label.shape[1]}x{label.shape[0]}, and the two must have one size"
        )
    return tracker.image(image)


def _probability(image: ImageSegmenter, prompts: Sequence[Prompt]) -> np.ndarray:
    """Predict float H x W at the image's size; zero without prompts.

    Further clicks see the mask before.
    """
    if not prompts:
        return np.zeros(image.size_hw)
    from vos.track.compose import resize_to_video

    logits = image.decode(prompts)[_OBJECT].logits
    return resize_to_video(logits, image.size_hw)[0, 0].sigmoid().cpu().numpy()


def _set_json(one: SetScore) -> dict[str, Any]:
    return {
        "name": one.name,
        "mIoU": number(one.miou),
        "mBIoU": number(one.mbiou),
        "images": one.images,
    }


def _clicks_json(score: ClickScore) -> dict[str, Any]:
    return {
        "5-mIoU": number(score.iou_at_5),
        "NoC90": number(score.noc90),
        "NoC95": number(score.noc95),
        "NoF95": score.nof95,
        "images": score.images,
    }


def _print(content: dict[str, Any]) -> None:
    if "pooled" in content:
        pooled = content["pooled"]
        print_table(
            [
                list(pooled),
                [
                    f"{100 * pooled['5-mIoU']:.2f}",
                    f"{pooled['NoC90']:.2f}",
                    f"{pooled['NoC95']:.2f}",
                    str(pooled["NoF95"]),
                    str(pooled["images"]),
                ],
            ]
        )
        return
    rows = [["prompt", "set", "mIoU", "mBIoU", "images"]]
    for row in content["rows"]:
        rows += [
            [
                row["prompt"],
                one_line(one["name"]),
                f"{100 * one['mIoU']:.1f}",
                f"{100 * one['mBIoU']:.1f}",
                str(one["images"]),
            ]
            for one in row["sets"]
        ]
    print_table(rows, {"average": "bold"})
