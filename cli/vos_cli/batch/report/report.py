"""`report.json` for programs and `report.html`, one file that needs nothing else, for people."""

from __future__ import annotations

import base64
import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from vos.io.disk import write_atomic
from vos.io.results.layout import OVERLAY_NAME
from vos.version import __version__
from vos_cli.batch.clips.clip import strip_name
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.console.progress import clock

_SECTIONS = {
    "failed": "Failed",
    "left": "Not done yet",
    "noted": "Done, worth a look",
    "done": "Done",
}
"""The sections of the page and their headings, in order."""


@dataclass(frozen=True, slots=True)
class About:
    """The command and the machine of a run.

    command: the command line, quoted for a shell.
    options: settings of clips that do not say otherwise, by name.
    machine: what is known of this machine, such as "cores".
    """

    command: str
    options: Mapping[str, Any]
    machine: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """The run as a whole.

    state: "finished", "interrupted" or "stopped".
    jobs: how many workers there were.
    seconds: how long it took.
    started: when it began, in seconds since 1970.
    about: the command and the machine, None where nothing is to be said of them.
    """

    state: str
    jobs: int
    seconds: float
    started: float
    about: About | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of the report.

    probe: what was known before it was tracked.
    result: how it went; None for a clip that is left.
    """

    probe: Probe
    result: ClipResult | None

    @property
    def state(self) -> str:
        return "left" if self.result is None else self.result.state


def report_json(entries: Sequence[Entry], run: Run, folder: BatchFolder) -> dict[str, Any]:
    """Return the whole report as JSON values."""
    done = [e.result for e in entries if e.result is not None and e.result.state == "done"]
    made = [result for result in done if not result.was_there]
    frames = sum(result.frames for result in made)
    return {
        "schema": 1,
        "vos": __version__,
        "output": str(folder.root),
        "state": run.state,
        "shard": None if folder.shard is None else f"{folder.shard[0] + 1}/{folder.shard[1]}",
        "command": None if run.about is None else run.about.command,
        "options": {} if run.about is None else dict(run.about.options),
        "machine": {} if run.about is None else dict(run.about.machine),
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
        "clips": [clip_json(entry, folder) for entry in entries],
    }


def write_reports(entries: Sequence[Entry], run: Run, folder: BatchFolder) -> dict[str, Any]:
    """Write both files and return what the JSON one holds. Raises OutputError."""
    content = report_json(entries, run, folder)
    text = json.dumps(content, indent=1)
    write_atomic(folder.report(".json"), text.encode())
    page = _page(content, folder)
    write_atomic(folder.report(".html"), page.encode("utf-8", "backslashreplace"))
    return content


def clip_json(entry: Entry, folder: BatchFolder) -> dict[str, Any]:
    """Return one clip of the report as JSON values."""
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
    output = folder.output(clip.name)
    is_done = result.state == "done"
    has_overlay = is_done and (output / OVERLAY_NAME).is_file()
    return values | {
        "reason": result.reason,
        "exit_code": result.exit_code,
        "output": f"clips/{clip.name}" if is_done else None,
        "overlay": f"clips/{clip.name}/{OVERLAY_NAME}" if has_overlay else None,
        "fix": f"vos fix {shlex.quote(str(output))}" if is_done else None,
        "log": f"logs/{clip.name}.log" if has_log else None,
        "already_done": result.was_there,
        "frames": result.frames,
        "seconds": result.seconds,
        "frames_per_s": None if result.frames_per_s is None else round(result.frames_per_s, 2),
        "warnings": _warnings(entry, result),
        "low_scores": list(result.low_scores),
        "delivered": list(result.delivered),
        "model": result.model,
        "worker": result.worker,
        "attempts": result.attempts,
    }


def _warnings(entry: Entry, result: ClipResult) -> list[str]:
    """List what was noticed before and while tracking, once each, without the file's name."""
    lines = (*entry.probe.notes, *result.warnings)
    return list(dict.fromkeys(strip_name(line, entry.probe.clip.source) for line in lines))


def _page(content: dict[str, Any], folder: BatchFolder) -> str:
    style = files("vos_cli.batch.report").joinpath("report.css").read_text("utf-8")
    title = os.path.basename(content["output"]) or content["output"]  # noqa: PTH119
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
{_sections(content["clips"], folder)}
{_about(content)}
</main></body></html>
"""


def _about(content: dict[str, Any]) -> str:
    """Return the part of the page about the command and the machine."""
    if content["command"] is None:
        return ""
    rows = [("Command", content["command"])]
    for heading, values in (("Options", content["options"]), ("Machine", content["machine"])):
        rows.append((heading, ", ".join(f"{key} {_plain(value)}" for key, value in values.items())))
    cells = "".join(f"<dt>{name}</dt><dd>{_html(text)}</dd>" for name, text in rows)
    return f'<h2>How it was made</h2>\n<dl class="about">{cells}</dl>'


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _kind(clip: dict[str, Any]) -> str:
    """Return the section of the page that a clip is in."""
    is_noted = clip["state"] == "done" and (clip["warnings"] or clip["low_scores"])
    return "noted" if is_noted else clip["state"]


def _sections(clips: Sequence[dict[str, Any]], folder: BatchFolder) -> str:
    parts: list[str] = []
    for kind, heading in _SECTIONS.items():
        cards = [_card(clip, folder) for clip in clips if _kind(clip) == kind]
        if cards:
            parts.append(f'<h2>{heading} <span>{len(cards)}</span></h2>\n<div class="clips">')
            parts += [*cards, "</div>"]
    return "\n".join(parts)


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
    noted = sum(_kind(clip) == "noted" for clip in content["clips"])
    speed = "" if rate is None else f"{rate:.1f} a second, loading included"
    tiles = [
        ("good", counts["done"], "done", f"{there} by earlier runs" if there else ""),
        ("bad" if counts["failed"] else "", counts["failed"], "failed", ""),
        ("warn" if noted else "", noted, "worth a look", "done, with warnings" if noted else ""),
        ("", counts["left"], "not done yet", ""),
        ("", f"{content['frames']:,}", "frames", speed),
        ("", clock(content["seconds"]), "time", "of this run, h:mm:ss"),
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


def _card(clip: dict[str, Any], folder: BatchFolder) -> str:
    state = clip["state"]
    badge = '<em class="badge">by an earlier run</em>' if clip.get("already_done") else ""
    strip = _strip(clip["name"], folder) if state == "done" else ""
    notes = "".join(
        f'<li class="{kind}">{_html(text)}</li>'
        for kind, texts in (
            ("reason", [clip["reason"]] if clip.get("reason") else []),
            ("warning", [*clip.get("warnings", []), *clip.get("low_scores", [])]),
        )
        for text in texts
    )
    where = (
        "" if state == "done" else f'<p class="path">{_html(clip["source"] or clip["place"])}</p>'
    )
    lines = "".join(f"<p>{_html(line)}</p>" for line in _facts(clip) if line)
    links = [(name, clip.get(name)) for name in ("output", "overlay", "log")]
    prefix = f"clips/{clip['name']}-"
    links += [(path.removeprefix(prefix), path) for path in clip.get("delivered", ())]
    if clip.get("low_scores"):
        lines += f"<p>correct it: <code>{_html(clip['fix'])}</code></p>"
    anchors = " ".join(
        f'<a href="{quote(path, errors="surrogateescape")}">{_html(label)}</a>'
        for label, path in links
        if path
    )
    return (
        f'<article class="{_kind(clip)}">'
        f"<h3>{_html(clip['name'])} {badge}<span>{anchors}</span></h3>"
        f"<div>{f'<ul>{notes}</ul>' if notes else ''}{lines}{where}</div>"
        f"{strip}</article>"
    )


def _facts(clip: dict[str, Any]) -> tuple[str, str]:
    """Return two lines: about the input, and about the tracking."""
    known = clip["input"]
    source: list[str] = []
    if known:
        source.append(f"{known['width']}x{known['height']}")
        source += [known["codec"]] if known["codec"] else []
        source += [f"{known['rate']:g} frames/s"] if known["rate"] else []
        source += ["variable rate"] if known["is_vfr"] else []
        source += [f"turned {known['rotation_deg']} degrees"] if known["rotation_deg"] else []
    tracked: list[str] = []
    if clip["state"] == "done":
        tracked.append(f"{clip['frames']} frames tracked")
        if clip["seconds"]:
            rate = f" ({clip['frames_per_s']:.1f} a second)" if clip["frames_per_s"] else ""
            tracked.append(f"{clip['seconds']:.1f} s{rate}")
        tracked.append(f"model {clip['model']}")
    if clip.get("attempts", 1) > 1:
        tracked.append(f"attempt {clip['attempts']}, as its worker died")
    return " · ".join(source), " · ".join(tracked)


def _strip(name: str, folder: BatchFolder) -> str:
    try:
        data = base64.b64encode(folder.thumbnails(name).read_bytes()).decode()
    except OSError:
        return ""
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def _html(text: str) -> str:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return escape(shown)
