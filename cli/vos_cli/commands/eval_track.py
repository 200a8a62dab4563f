"""`vos eval lvos` and `vos eval davis`: track a data set from its first masks, then score it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vos import settings
from vos.bounded import read_json
from vos.errors import BusyError, InputError, OutputError
from vos.io.disk import output_errors, take_lock
from vos.io.inside import Inside
from vos.io.paths import check_name
from vos.io.write.mask_png import encode_label_png
from vos.model.options import ModelOptions
from vos.prompts import MaskPrompt
from vos.version import __version__
from vos_cli.commands.eval_score import Csv, Html, Jobs, Json, default_jobs, fail, score_and_print
from vos_cli.console.errors import one_line
from vos_cli.console.notices import notify
from vos_cli.console.progress import open_progress
from vos_cli.options.takes import takes
from vos_cli.options.track import MODEL_OPTIONS, TrackFlags, parse_shard
from vos_eval.errors import EvalError
from vos_eval.protocols.base import Options, Protocol
from vos_eval.protocols.davis import DAVIS
from vos_eval.protocols.registry import PROTOCOLS
from vos_eval.protocols.tasks import TrackingTask, davis_tasks, lvos_split_dir, lvos_tasks
from vos_eval.report.export import failure_json

if TYPE_CHECKING:
    from vos.api import Tracker

PREDICTIONS = "predictions"
RUN_NAME = "run.json"
_LOCK = ".lock"
_CLAIMS = ".claims"
_SPARE_BYTES = len("..part")

Root = Annotated[Path, typer.Argument(metavar="ROOT", help="The data set's folder.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="Predictions and scores; finished videos there are kept. "
        "Default: vos-eval-NAME in the current folder.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Only the first N videos."),
]
Shard = Annotated[
    str | None,
    typer.Option("--shard", metavar="i/n", help="Track every n-th video, starting with the i-th."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace predictions made with other parameters.")
]
Form = Annotated[
    str | None,
    typer.Option("--progress", metavar="FORM", help="auto (default), rich, plain, json, none."),
]


@dataclass(frozen=True, slots=True)
class _Run:
    """One evaluation: what to track, how to score it, where to put it."""

    tasks: list[TrackingTask]
    protocol: Protocol
    gt: Path
    split: str | None
    output: Path
    parameters: dict[str, Any]
    limit: int | None
    shard: tuple[int, int]
    overwrite: bool
    chosen: settings.Settings


@takes(TrackFlags, only=MODEL_OPTIONS)
def lvos(
    root: Root,
    *,
    version: Annotated[
        Literal["1", "2"], typer.Option("--version", help="LVOS version, named in the report.")
    ],
    split: Annotated[str, typer.Option(metavar="S", help="Folder of the split.")] = "valid",
    protocol: Annotated[
        Literal["lvos", "lvos-v1-era"],
        typer.Option(help="Today's official rules, or those before the v2 rewrite."),
    ] = "lvos",
    output: Output = None,
    flags: TrackFlags,
    limit: Limit = None,
    shard: Shard = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    csv: Csv = None,
    html: Html = None,
    jobs: Jobs = default_jobs(),
    progress: Form = None,
) -> None:
    """Track every object of LVOS from its own first mask, then score as the official evaluator.

    Of the ground truth only these first masks are read before scoring.
    """
    rules = PROTOCOLS[protocol]
    chosen = flags.settings(progress)

    def prepare() -> _Run:
        split_dir = lvos_split_dir(root, split)
        return _Run(
            tasks=lvos_tasks(split_dir, split),
            protocol=rules,
            gt=split_dir,
            split=split,
            output=output or Path(f"vos-eval-lvos{version}-{split}"),
            parameters={"data_set": f"LVOS v{version} {split}"},
            limit=limit,
            shard=(0, 1) if shard is None else parse_shard(shard),
            overwrite=overwrite,
            chosen=chosen,
        )

    _evaluate(prepare, rules, as_json, csv, html, jobs)


@takes(TrackFlags, only=MODEL_OPTIONS)
def davis(
    root: Root,
    *,
    split: Annotated[
        str | None, typer.Option(metavar="S", help="List ImageSets/YEAR/S.txt; default: val or all")
    ] = None,
    output: Output = None,
    flags: TrackFlags,
    limit: Limit = None,
    shard: Shard = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    csv: Csv = None,
    html: Html = None,
    jobs: Jobs = default_jobs(),
    progress: Form = None,
) -> None:
    """Track every object of DAVIS 2016 or 2017 from the first annotation, then score."""
    chosen = flags.settings(progress)

    def prepare() -> _Run:
        return _Run(
            tasks=davis_tasks(root, split),
            protocol=DAVIS,
            gt=root,
            split=split,
            output=output or Path("vos-eval-davis"),
            parameters={"data_set": f"DAVIS {split}" if split else "DAVIS"},
            limit=limit,
            shard=(0, 1) if shard is None else parse_shard(shard),
            overwrite=overwrite,
            chosen=chosen,
        )

    _evaluate(prepare, DAVIS, as_json, csv, html, jobs)


def _evaluate(
    prepare: Callable[[], _Run],
    protocol: Protocol,
    as_json: bool,
    csv: Path | None,
    html: Path | None,
    jobs: int,
) -> None:
    with ExitStack() as stack:
        try:
            run = prepare()
            tasks = run.tasks[: run.limit]
            if not tasks:
                raise EvalError("no video to track")
            _check_names(tasks)
            lock = stack.enter_context(_hold(run))
            predictions = _track_all(run, tasks, lock)
        except EvalError as error:
            fail(protocol, error, as_json=as_json)
        left = [task.video for task in tasks if not (predictions / task.video).is_dir()]
        if left:
            message = (
                f"{len(left)} of {len(tasks)} videos are not tracked yet (other shards): no score"
            )
            notify(message)
            if as_json:
                print(json.dumps(failure_json(protocol, [message])))
            return
        names = frozenset(task.video for task in tasks) if len(tasks) < len(run.tasks) else None
        if names is not None:
            notify(f"scoring {len(tasks)} of {len(run.tasks)} videos (--limit)")
        options = Options(split=run.split, jobs=jobs, only_videos=names)
        score_and_print(protocol, run.gt, predictions, options, as_json=as_json, csv=csv, html=html)


def _check_names(tasks: list[TrackingTask]) -> None:
    """Refuse videos whose names, which a data set's lists give, are no names of folders."""
    problems = []
    for task in tasks:
        try:
            check_name(task.video, "video", spare_bytes=_SPARE_BYTES)
            if task.video.startswith("."):
                problems.append(f"video name {task.video!r}: begins with a dot: rename it")
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise EvalError(problems)


@contextmanager
def _hold(run: _Run) -> Iterator[int]:
    """Hold the output folder against other evaluations; yield the lock's descriptor.

    Shards of one evaluation do not shut each other out. Raises BusyError.
    """
    index, count = run.shard
    with ExitStack() as stack:
        with output_errors(run.output):
            run.output.mkdir(parents=True, exist_ok=True)
            handles = []
            names = [_LOCK] if count == 1 else [_LOCK, f"{_LOCK}-{index + 1}-of-{count}"]
            for name in names:
                handles.append(Inside(run.output).open(name, os.O_RDWR | os.O_CREAT))
                stack.callback(os.close, handles[-1])
                if not take_lock(handles[-1], is_shared=name == _LOCK and count > 1):
                    raise _busy(run)
        yield handles[0]


def _busy(run: _Run) -> BusyError:
    return BusyError(
        f"{one_line(str(run.output))}: another vos eval is writing here: wait for it, choose "
        "another -o, or give each its --shard i/n"
    )


def _track_all(run: _Run, tasks: list[TrackingTask], lock: int) -> Path:
    """Track this shard's videos that are not there yet; return the folder of predictions."""
    from vos.loading import load

    tracker = load(run.chosen.model_options)
    predictions = run.output / PREDICTIONS
    _record(run, tracker, lock)
    index, count = run.shard
    todo = [task for task in tasks[index::count] if not (predictions / task.video).is_dir()]
    done = len(tasks[index::count]) - len(todo)
    if done:
        notify(f"{done} finished videos kept in {predictions}")
    with open_progress(run.chosen.progress, sum(len(task.frames) for task in todo)) as progress:
        for task in todo:
            with _claim(run, task.video) as is_ours:
                if not is_ours:
                    notify(f"{task.video}: another shard is tracking it, skipped")
                elif (predictions / task.video).is_dir():
                    notify(f"{task.video}: another shard has tracked it meanwhile, kept")
                else:
                    _track_video(tracker, task, run.output, progress.advance)
    return predictions


@contextmanager
def _claim(run: _Run, video: str) -> Iterator[bool]:
    """Hold a video against other shards; tell whether that went well.

    Shards of one count have no video in common, but 1/2 and 1/3 do. Without shards the folder's
    own lock shuts everybody else out.
    """
    if run.shard[1] == 1:
        yield True
        return
    inside = Inside(run.output)
    with output_errors(run.output):
        inside.make_folder(_CLAIMS)
        handle = inside.open(f"{_CLAIMS}/{video}", os.O_RDWR | os.O_CREAT)
    try:
        yield take_lock(handle)
    finally:
        os.close(handle)


def describe(tracker: Tracker, options: ModelOptions) -> dict[str, Any]:
    """Return what makes a tracker's masks, as JSON values by name."""
    info, refiner = tracker.model_info, tracker.refiner_info
    return {
        "model": info.name,
        "model_sha256": info.sha256,
        "refiner": tracker.refiner.name,
        "refiner_sha256": None if refiner is None else refiner.sha256,
        **options.as_parameters(),
        "dtype": str(tracker.dtype).removeprefix("torch."),
        "input_px": info.image_size_px,
    }


def _record(run: _Run, tracker: Tracker, lock: int) -> None:
    """Write down in the output folder what makes these predictions; refuse to mix two kinds.

    lock: the held lock of the folder.
    """
    wanted = {"schema": 1, "vos": __version__, **run.parameters, **describe(tracker, run.chosen)}
    path = run.output / RUN_NAME
    if path.is_file() and not run.overwrite:
        try:
            found = read_json(path)
        except ValueError:
            found = {}
        found = found if isinstance(found, dict) else {}
        # Before an option was recorded it had no effect on what `vos eval` did.
        before = ModelOptions().as_parameters() | {"input_px": tracker.model_info.image_size_px}
        found = before | found if found else found
        if found != wanted:
            changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
            raise OutputError(
                f"{one_line(str(run.output))}: made with other {', '.join(changed)}; give another "
                "-o, or --overwrite"
            )
        return
    predictions, inside = run.output / PREDICTIONS, Inside(run.output)
    is_shard = run.shard[1] > 1
    with output_errors(run.output):
        if os.path.lexists(predictions):
            if not run.overwrite:
                raise OutputError(
                    f"{one_line(str(predictions))}: exists without {RUN_NAME}, so its maker is "
                    "unknown; give another -o, or --overwrite"
                )
            if not take_lock(lock):  # other shards are writing what would be deleted
                raise _busy(run)
            inside.remove(PREDICTIONS)
        for file in inside.half_written():
            inside.remove(file)
        inside.write(RUN_NAME, json.dumps(wanted, indent=1).encode())
        inside.make_folder(PREDICTIONS)  # second: without the record nobody could go on with it
        take_lock(lock, is_shared=is_shard)


def _track_video(
    tracker: Tracker, task: TrackingTask, output: Path, advance: Callable[[], None]
) -> None:
    """Write one mask per frame into a part folder, then move it into place."""
    prompts = [
        MaskPrompt(first.object_id, first.read(), first.frame_idx) for first in task.first_masks
    ]
    inside = Inside(output)
    place = Path(PREDICTIONS) / f".{task.video}.part"
    part = output / place
    with output_errors(part):
        inside.remove(place)
        inside.make_folder(place, is_new=True)
        for result in tracker.track(str(task.image_dir), prompts):
            (part / f"{result.name}.png").write_bytes(encode_label_png(result.label_map))
            advance()
        inside.move(place, Path(PREDICTIONS) / task.video)
