"""`report.json` for programs and `report.html`, one file that needs nothing else, for people."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from vos.io.disk import write_atomic
from vos.io.paths import display_name
from vos.version import __version__
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.batch.view import clock

_STATES = ("failed", "left", "done")


@dataclass(frozen=True, slots=True)
class Run:
    """What is told of the run as a whole. state: "finished", "interrupted" or "stopped"."""

    state: str
    jobs: int
    seconds: float
    started: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of the report; result is None for one that is left."""

    probe: Probe
    result: ClipResult | None

    @property
    def state(self) -> str:
        return "left" if self.result is None else self.result.state


def report_json(entries: Sequence[Entry], run: Run, folder: BatchFolder) -> dict[str, Any]:
    """The whole report as JSON values."""
    done = [e.result for e in entries if e.result is not None and e.result.state == "done"]
    made = [result for result in done if not result.was_there]
    frames = sum(result.frames for result in made)
    return {
        "schema": 1,
        "vos": __version__,
        "output": str(folder.root),
        "state": run.state,
        "shard": None if folder.shard is None else f"{folder.shard[0] + 1}/{folder.shard[1]}",
        "jobs": run.jobs,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(run.started)),
        "seconds": round(run.seconds, 2),
        "counts": {
            "clips": len(entries),
            "done": len(done),
            "already_done": len(done) - len(made),
            "failed": sum(entry.state == "failed" for entry in entries),
            "left": sum(entry.state == "left" for entry in entries),
        },
        "frames": frames,
        "frames_per_s": round(frames / run.seconds, 2) if frames and run.seconds else None,
        "clips": [_clip_json(entry, folder) for entry in entries],
    }


def write_reports(entries: Sequence[Entry], run: Run, folder: BatchFolder) -> dict[str, Any]:
    """Write both files; returns what the JSON one holds. Raises OutputError."""
    content = report_json(entries, run, folder)
    text = json.dumps(content, indent=1)
    write_atomic(folder.report(".json"), text.encode())
    page = _page(content, folder)
    write_atomic(folder.report(".html"), page.encode("utf-8", "backslashreplace"))
    return content


def _clip_json(entry: Entry, folder: BatchFolder) -> dict[str, Any]:
    result, clip = entry.result, entry.probe.clip
    values: dict[str, Any] = {
        "name": clip.name,
        "source": clip.source,
        "place": clip.place,
        "state": entry.state,
        "input": entry.probe.as_json(),
    }
    if result is None:
        return values
    has_log = folder.log(clip.name).exists()
    return values | {
        "reason": result.reason,
        "exit_code": result.exit_code,
        "output": f"clips/{clip.name}" if result.state == "done" else None,
        "log": f"logs/{clip.name}.log" if has_log else None,
        "already_done": result.was_there,
        "frames": result.frames,
        "seconds": result.seconds,
        "frames_per_s": None if result.frames_per_s is None else round(result.frames_per_s, 2),
        "warnings": _warnings(entry, result),
        "low_scores": list(result.low_scores),
        "model": result.model,
        "worker": result.worker,
        "attempts": result.attempts,
    }


def _warnings(entry: Entry, result: ClipResult) -> list[str]:
    """What was noticed before and while tracking, once each, without the file's name in front."""
    name = display_name(os.path.basename(entry.probe.clip.source))  # noqa: PTH119
    lines = (*entry.probe.notes, *result.warnings)
    return list(dict.fromkeys(line.removeprefix(f"{name}: ") for line in lines))


def _page(content: dict[str, Any], folder: BatchFolder) -> str:
    style = files("vos_cli.batch").joinpath("report.css").read_text("utf-8")
    clips = sorted(content["clips"], key=lambda clip: _STATES.index(clip["state"]))
    title = os.path.basename(content["output"]) or content["output"]  # noqa: PTH119
    cards = "\n".join(_card(clip, folder) for clip in clips)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_html(title)} - vos batch</title>
<style>
{style}</style></head>
<body><main>
<p class="eyebrow">vos batch {_html(content["vos"])}</p>
<h1>{_html(title)}</h1>
<p class="lead">{_lead(content)}</p>
{_tiles(content)}
{_failures(clips)}
<h2>Clips</h2>
<div class="clips">
{cards}
</div>
</main></body></html>
"""


def _lead(content: dict[str, Any]) -> str:
    how = {
        "finished": "Finished",
        "interrupted": "Interrupted; the same command continues",
        "stopped": "Stopped at the limit of failures; the same command continues",
    }[content["state"]]
    shard = f", shard {content['shard']}" if content["shard"] else ""
    workers = f"{content['jobs']} worker{'s' * (content['jobs'] != 1)}"
    return _html(f"{how}. Started {content['started'][:16].replace('T', ' ')}, {workers}{shard}.")


def _tiles(content: dict[str, Any]) -> str:
    counts, rate = content["counts"], content["frames_per_s"]
    there = counts["already_done"]
    tiles = [
        ("good", counts["done"], "done", f"{there} by earlier runs" if there else ""),
        ("bad" if counts["failed"] else "", counts["failed"], "failed", ""),
        ("", counts["left"], "left", ""),
        ("", f"{content['frames']:,}", "frames", "tracked in this run"),
        ("", "-" if rate is None else f"{rate:g}", "frames/s", "all workers, loading included"),
        ("", clock(content["seconds"]), "time", "h:mm:ss"),
    ]
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile {kind}"><b>{value}</b><span>{label}</span>'
            f"<small>{_html(note)}</small></div>"
            for kind, value, label, note in tiles
        )
        + "</div>"
    )


def _failures(clips: Sequence[dict[str, Any]]) -> str:
    failed = [clip for clip in clips if clip["state"] == "failed"]
    if not failed:
        return ""
    rows = "".join(
        f'<tr><td><a href="#{_anchor(clip)}">{_html(clip["name"])}</a></td>'
        f"<td>{_html(clip['reason'])}</td></tr>"
        for clip in failed
    )
    return f'<h2>Failures</h2><div class="scroll"><table>{rows}</table></div>'


def _card(clip: dict[str, Any], folder: BatchFolder) -> str:
    state = clip["state"]
    badge = "already done" if clip.get("already_done") else state
    strip = _strip(clip["name"], folder) if state == "done" else ""
    notes = "".join(
        f'<li class="{kind}">{_html(text)}</li>'
        for kind, texts in (
            ("reason", [clip["reason"]] if clip.get("reason") else []),
            ("warning", clip.get("warnings", [])),
            ("warning", clip.get("low_scores", [])),
        )
        for text in texts
    )
    links = [("output", clip.get("output")), ("log", clip.get("log"))]
    anchors = " ".join(
        f'<a href="{quote(path, errors="surrogateescape")}">{label}</a>'
        for label, path in links
        if path
    )
    return (
        f'<article class="{state}" id="{_anchor(clip)}">'
        f'<h3>{_html(clip["name"])} <em class="badge">{badge}</em><span>{anchors}</span></h3>'
        f"<div><p>{_html(_facts(clip))}</p>{f'<ul>{notes}</ul>' if notes else ''}</div>"
        f"{strip}</article>"
    )


def _facts(clip: dict[str, Any]) -> str:
    known = clip["input"]
    facts: list[str] = []
    if known:
        facts.append(f"{known['width']}x{known['height']}")
        facts += [known["codec"]] if known["codec"] else []
        facts += [f"{known['rate']:g} frames/s"] if known["rate"] else []
        facts += ["variable rate"] if known["is_vfr"] else []
        facts += [f"turned {known['rotation_deg']} degrees"] if known["rotation_deg"] else []
    if clip["state"] == "done":
        facts.append(f"{clip['frames']} frames tracked")
        if clip["seconds"]:
            rate = f" ({clip['frames_per_s']:g} frames/s)" if clip["frames_per_s"] else ""
            facts.append(f"{clip['seconds']:.1f} s{rate}")
        facts.append(f"model {clip['model']}")
    if clip.get("attempts", 1) > 1:
        facts.append(f"{clip['attempts']} attempts")
    return " · ".join(facts)


def _strip(name: str, folder: BatchFolder) -> str:
    try:
        data = base64.b64encode(folder.thumbnails(name).read_bytes()).decode()
    except OSError:
        return ""
    return f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{data}">'


def _anchor(clip: dict[str, Any]) -> str:
    return "c-" + quote(clip["name"], safe="", errors="surrogateescape").replace("%", "_")


def _html(text: str) -> str:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return escape(shown)
