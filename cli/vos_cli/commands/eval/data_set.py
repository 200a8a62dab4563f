"""What all commands that track a data set share: their options, the checks, and what they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from vos.errors import UsageError
from vos.settings import refuse_unknown_variables
from vos_cli.commands.eval.score import Csv, Html, Jobs, Json, default_jobs, fail, score_and_print
from vos_cli.console.notices import notify, warn
from vos_cli.console.tables import print_table
from vos_cli.evaluate.job import (
    INTERACTIVE_CLICKS,
    EvalJob,
    Interactive,
    PromptChoice,
    check_job,
    parse_prompt,
)
from vos_cli.evaluate.output import hold
from vos_cli.evaluate.predict import check_videos, track_videos
from vos_cli.evaluate.rounds import ROUNDS, round_folder
from vos_cli.evaluate.submission import write_submission
from vos_cli.options.shared import parse_shard
from vos_cli.options.track import MODEL_OPTIONS, TrackFlags
from vos_eval.data_sets.base import DataSet, Scoring
from vos_eval.data_sets.check import check_data_set
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Protocol
from vos_eval.report.export import SCHEMA, failure_json, number

Form = Annotated[
    str | None,
    typer.Option("--progress", metavar="FORM", help="auto (default), rich, plain, json, none."),
]
DEFAULT_JOBS = default_jobs()
_SHOWN_DOUBTS = 10
_ROUND_COLUMNS = ("J&F", "J&Fdot", "J", "J_tr", "F", "Fdot")


@dataclass(frozen=True, slots=True)
class EvalFlags(TrackFlags):
    """The options of all commands that track a data set, beside those of a model."""

    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt",
            metavar="KIND",
            help="What an object's first mask becomes: mask (default), box, or clicks:N, each in "
            "the middle of the largest error so far.",
        ),
    ] = None
    interactive: Annotated[
        Interactive | None,
        typer.Option(
            "--interactive",
            help="SAM 2's protocols: clicks on up to 8 frames, offline on the worst frame of the "
            "video, online where a single pass first falls under IoU 0.75.",
        ),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Predictions and scores; finished videos there are kept. "
            "Default: vos-eval-NAME in the current folder.",
        ),
    ] = None
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Only the first N videos."),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard", metavar="i/n", help="Track every n-th video, starting with the i-th."
        ),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace predictions made with other parameters.")
    ] = False
    as_json: Json = False
    csv: Csv = None
    html: Html = None
    jobs: Jobs = DEFAULT_JOBS
    progress: Form = None

    def choose_prompt(self) -> PromptChoice:
        """Return what a first mask becomes. Raises UsageError."""
        if self.prompt is not None:
            return parse_prompt(self.prompt)
        return PromptChoice("clicks", INTERACTIVE_CLICKS) if self.interactive else PromptChoice()


EVAL_OPTIONS = (
    *("prompt", "interactive", "output", *MODEL_OPTIONS, "scene_cuts", "limit", "shard"),
    *("overwrite", "as_json", "csv", "html", "jobs", "progress"),
)


def track_and_finish(
    open_it: Callable[[], DataSet],
    flags: EvalFlags,
    protocol: Protocol,
    output: str | None = None,
) -> None:
    """Track a data set, and score it or make its zip.

    protocol: named in the JSON of a failure.
    output: default folder; None for one named after the data set.
    """
    refuse_unknown_variables()
    settings, prompt = flags.settings(flags.progress), flags.choose_prompt()
    shard = (0, 1) if flags.shard is None else parse_shard(flags.shard)
    try:
        whole = open_it()
        data_set = whole if flags.limit is None else whole.first(flags.limit)
        name = output or f"vos-eval-{data_set.name.lower().replace(' ', '-')}"
        job = EvalJob(
            data_set=data_set,
            output=flags.output or Path(name),
            settings=settings,
            prompt=prompt,
            interactive=flags.interactive,
            shard=shard,
            overwrite=flags.overwrite,
        )
        _check(job, flags, len(whole.videos))
        with hold(job) as lock:
            track_videos(job, data_set.videos, lock)
            _finish(job, flags, protocol, len(whole.videos))
    except EvalError as error:
        fail(protocol, error, as_json=flags.as_json)


def _check(job: EvalJob, flags: EvalFlags, total: int) -> None:
    """Say what will be done, and refuse what would fail after hours.

    Raises UsageError, and EvalError for the data set.
    """
    data_set = job.data_set
    check_job(job)
    for option, value in (("--csv", flags.csv), ("--html", flags.html)):
        if value is not None and data_set.scoring is None:
            raise UsageError(
                f"{option} {value}: {data_set.name} has no true masks here to score; leave it out"
            )
    for note in data_set.notes:
        notify(note)
    doubts = check_videos(data_set.videos)
    for doubt in doubts[:_SHOWN_DOUBTS]:
        warn(doubt)
    if len(doubts) > _SHOWN_DOUBTS:
        warn(f"{len(doubts) - _SHOWN_DOUBTS} more such lines about images are left out")
    check_data_set(data_set)
    objects = sum(len(video.objects) for video in data_set.videos)
    frames = sum(len(video.frames) for video in data_set.videos)
    what = f"{data_set.name}: {len(data_set.videos)} videos, {objects} objects, {frames} frames"
    if data_set.scoring is not None:
        notify(f"{what}; scored by the {data_set.scoring.protocol.name} rules")
    else:
        notify(
            f"{what}; the true masks are not here, so nothing is scored: the masks become a zip "
            f"for {data_set.submission.send_to}"
        )
    if len(data_set.videos) < total:
        notify(f"{len(data_set.videos)} of {total} videos (--limit)")


def _finish(job: EvalJob, flags: EvalFlags, protocol: Protocol, total: int) -> None:
    videos, scoring = job.data_set.videos, job.data_set.scoring
    left = [video for video in videos if not (job.predictions / video.name).is_dir()]
    if left:
        result = "no score" if scoring is not None else "no submission.zip"
        _say_unfinished(
            f"{len(left)} of {len(videos)} videos are not tracked yet (other shards): {result}",
            flags,
            protocol,
        )
    elif scoring is not None:
        _score(job, flags, scoring)
    elif len(videos) < total:
        _say_unfinished(
            f"no submission.zip: servers take all {total} videos, and --limit leaves "
            f"{total - len(videos)} out",
            flags,
            protocol,
        )
    else:
        path, send_to = write_submission(job, videos), job.data_set.submission.send_to
        notify(f"{path}: send it to {send_to}")
        if flags.as_json:
            nothing = {"schema": SCHEMA, "protocol": None, "global": None, "objects": []}
            print(
                json.dumps(
                    nothing | {"problems": [], "submission": str(path), "send_to": send_to},
                    ensure_ascii=False,
                )
            )
        else:
            print(path)


def _say_unfinished(message: str, flags: EvalFlags, protocol: Protocol) -> None:
    notify(message)
    if flags.as_json:
        print(json.dumps(failure_json(protocol, [message])))


def _score(job: EvalJob, flags: EvalFlags, scoring: Scoring) -> None:
    scoring = replace(scoring, options=replace(scoring.options, jobs=flags.jobs))
    rounds = [] if job.interactive is None else _score_rounds(job, scoring)
    score_and_print(
        scoring.protocol,
        scoring.truth,
        job.predictions,
        scoring.options,
        as_json=flags.as_json,
        csv=flags.csv,
        html=flags.html,
        extra={"rounds": rounds} if rounds else {},
    )
    if rounds and not flags.as_json:
        _print_rounds(rounds)


def _score_rounds(job: EvalJob, scoring: Scoring) -> list[dict[str, Any]]:
    """Score what each round of clicks has left."""
    rounds = []
    for count in range(1, ROUNDS + 1):
        folder = job.output / round_folder(count)
        totals = evaluate(scoring.protocol, scoring.truth, folder, scoring.options).totals
        rounds.append(
            {"round": count, "global": {name: number(value) for name, value in totals.items()}}
        )
    return rounds


def _print_rounds(rounds: Sequence[dict[str, Any]]) -> None:
    names = [name for name in _ROUND_COLUMNS if name in rounds[0]["global"]]
    rows = [["round", *names]]
    for one in rounds:
        values = (one["global"][name] for name in names)
        cells = ("" if value is None else f"{100 * value:.1f}" for value in values)
        rows.append([str(one["round"]), *cells])
    print()
    print_table(rows)
