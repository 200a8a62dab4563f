"""Exports of a finished result, for `vos export` and for what a track or batch is to deliver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos.errors import Cancelled, OtherOutputError, VosError
from vos.io.paths import display_name
from vos.io.results.part import locate_part
from vos.io.write.deliver.export import Exported, export
from vos.io.write.deliver.finished import FinishedResult, open_finished
from vos.io.write.deliver.order import ExportPlan, Order, place_beside, plan_export
from vos_cli.console.errors import Interrupted, message
from vos_cli.console.progress import Progress
from vos_cli.job.job import Say

Show = Callable[[int], Progress]
"""Opens a progress report, given the number of frames."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One export that is there.

    format: as `--to` names it.
    exported: what it left behind.
    objects: ids of those that are in it.
    mattes: "soft" or "hard"; None where the format holds none.
    edges: what was done to their edges, by name.
    files: names of its files, without endings.
    warnings: what went less than well, one line each.
    """

    format: str
    exported: Exported
    objects: tuple[int, ...]
    files: tuple[str, ...]
    mattes: str | None
    edges: dict[str, float]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "output": str(self.exported.output),
            "format": self.format,
            "frames": self.exported.frames,
            "objects": list(self.objects),
            "files": list(self.files),
            "mattes": self.mattes,
            "edges": self.edges,
            "compared": self.exported.compared,
            "skipped": self.exported.is_skipped,
            "renewed": self.exported.is_renewed,
            "resumed_at": self.exported.resumed_at,
            "warnings": list(self.warnings),
        }

    def summary(self) -> str:
        """One line for people."""
        done = self.exported
        if done.is_skipped:
            return "already exported with these settings, skipped (--overwrite makes it again)"
        checked = (
            "not verified"
            if done.compared is None
            else f"read back, {done.compared} mattes compared"
        )
        since = "" if done.resumed_at is None else f", continued at frame {done.resumed_at}"
        renewed = ", in the place of one of older masks" if done.is_renewed else ""
        mattes = "" if self.mattes is None else f", {self.mattes} mattes"
        return f"{done.frames} frames, {checked}{mattes}{since}{renewed}"


def export_one(
    result: FinishedResult,
    order: Order,
    *,
    overwrite: bool = False,
    is_verified: bool = True,
    say: Say,
    show: Show,
) -> Delivered:
    """Export a result as ordered.

    Raises VosError of every kind. Interrupted: on Ctrl-C; it says what the same command will do.
    """
    plan = plan_export(result, order)
    for text in plan.notices:
        say(text)
    counter = show(len(plan.shot.frames))
    try:
        with counter:
            exported = export(
                result,
                plan,
                overwrite=overwrite,
                is_verified=is_verified,
                on_frame=lambda _idx: counter.advance(),
                on_resume=counter.skip,
            )
    except (KeyboardInterrupt, Cancelled) as error:
        raise Interrupted(_left_behind(plan.output)) from error
    opened = () if result.source is None else tuple(result.source.warnings)
    return Delivered(
        format=order.format,
        exported=exported,
        objects=tuple(plan.shot.objects),
        files=tuple(dict.fromkeys(one.stem for one in plan.shot.targets)),
        mattes=_describe_mattes(plan),
        edges=plan.shot.edges.as_json(),
        warnings=(*opened, *exported.warnings),
    )


def _describe_mattes(plan: ExportPlan) -> str | None:
    """Return which mattes are exported, None where the format holds none."""
    if not plan.format.holds_mattes:
        return None
    return "soft" if plan.shot.is_soft else "hard"


def deliver(
    result: Path, formats: Sequence[str], *, overwrite: bool, say: Say, warn: Say, show: Show
) -> tuple[Delivered, ...]:
    """Export a finished result beside itself in each of these formats.

    Where one cannot be made the others still are. Raises the first VosError then, and Interrupted.
    """
    done: list[Delivered] = []
    errors: list[VosError] = []
    for name in formats:
        try:
            opened = open_finished(result)
            try:
                one = export_one(opened, Order(name), overwrite=overwrite, say=say, show=show)
            finally:
                opened.close()
        except Interrupted:
            raise
        except OtherOutputError:
            command = f"vos export {display_name(result)} --to {name} --overwrite"
            errors.append(
                OtherOutputError(
                    f"not exported as {name}: {place_beside(result, name).name} holds an export "
                    f"with other settings: move it, or make it anew with `{command}`"
                )
            )
            continue
        except VosError as error:
            errors.append(type(error)(f"not exported as {name}: ", *error.parts))
            continue
        for text in one.warnings:
            warn(text)
        say(f"{name}: {one.summary()}")
        place = place_beside(result, name)  # as the user names the result
        done.append(replace(one, exported=replace(one.exported, output=place)))
    for error in errors[1:]:
        warn(message(error))
    if errors:
        raise errors[0]
    return tuple(done)


def _left_behind(place: Path) -> str:
    if locate_part(place).exists():
        return "stopped, nothing is exported yet; the same command continues"
    return "nothing was exported; the same command starts over"
