"""Malformed files of every kind against the commands that read them.

    python -m benchmarks.fuzz --count 400                   # 400 of each kind
    python -m benchmarks.fuzz --kinds prompts,csv --part 1/4
    python -m benchmarks.fuzz --kinds csv --only 17 --keep runs/fuzz

Each input is one command line in a forked process with 30 seconds and a folder of its own. Wrong
are exit code 1 (our bug), the end by a signal, over 30 seconds, over 1.5 GB, and any change outside
the output. Input i of a kind is the same on every machine.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

LIMIT_S = 30.0
LIMIT_MB = 1536
TARGET = 5000
_WITH_TORCH = {"csv", "lines", "list", "weights", "refiners", "yaml"}
BOX = "20,16,52,48"


@dataclass(frozen=True)
class Case:
    """One input. write: makes it in an empty folder. command: what reads it there."""

    write: Callable[[Path, random.Random], None]
    command: Callable[[random.Random], list[str]]


@dataclass(frozen=True)
class Seen:
    """How one command ended."""

    code: int
    seconds: float
    peak_mb: float
    outside: tuple[str, ...]
    said: str

    @property
    def problem(self) -> str | None:
        if self.code == -signal.SIGKILL:
            return "hang"
        if self.code < 0:
            return f"signal {-self.code}"
        if self.code == 1:
            return "exit 1"
        if self.outside:
            return "outside"
        return "memory" if self.peak_mb > LIMIT_MB else None


# Damage


def spoil_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, insert, repeat or overwrite, up to four times."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(made) + 1)
        end = min(len(made), place + chance.choice([1, 1, 2, 4, 16, 200, 5000]))
        what = chance.randrange(6)
        if what == 0:
            del made[place:end]
        elif what == 1:
            del made[place:]
        elif what == 2:
            made[place:end] = chance.randbytes(end - place)
        elif what == 3:
            made[place:place] = made[place:end]
        elif what == 4:
            made[place:end] = chance.choice([b"\0", b"\xff"]) * (end - place)
        elif place < len(made):
            made[place] ^= 1 << chance.randrange(8)
    return bytes(made)


ODD: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 2**70, 1e308, -0.5, "", "..", "/etc/passwd", "\0", "a\nb",
    "\udcff", "\ud83d", "9" * 5000, "x" * 300, [], {}, [[[[]]]], {"a": {"a": {"a": 1}}},
    [None] * 50,
]  # fmt: skip


def spoil_json(root: Any, chance: random.Random) -> Any:
    """Replace, drop or repeat one value somewhere inside."""
    if isinstance(root, dict) and root and chance.random() < 0.8:
        key = chance.choice(sorted(root))
        if chance.random() < 0.15:
            return {name: value for name, value in root.items() if name != key}
        return {**root, key: spoil_json(root[key], chance)}
    if isinstance(root, list) and root and chance.random() < 0.8:
        index = chance.randrange(len(root))
        if chance.random() < 0.15:
            return [*root, *root[index:]]
        return [*root[:index], spoil_json(root[index], chance), *root[index + 1 :]]
    return chance.choice(ODD)


RAW = [
    b"", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b'{"schema": ' + b"9" * 5000 + b"}",
    b"\xff\xfea", b"\0" * 99, b'{"schema": 1e999, "files": {}}', b"a,b\rc,d\r", b'"\\ud83d"',
]  # fmt: skip


def spoil_text(data: bytes, chance: random.Random) -> bytes:
    """Spoil JSON as such or as bytes; text in another encoding, or something else altogether."""
    kind = chance.random()
    if kind < 0.06:
        return chance.choice(RAW)
    if kind < 0.12:
        encoding = chance.choice(["utf-16", "utf-32", "cp500"])
        return data.decode("utf-8", "replace").encode(encoding, "replace")
    with contextlib.suppress(ValueError):
        if kind < 0.7:
            return json.dumps(spoil_json(json.loads(data), chance)).encode()
    return spoil_bytes(data, chance)


# Good files


def picture(index: int) -> np.ndarray:
    image = np.full((64, 96, 3), (40, 60, 40), np.uint8)
    image[16:48, 20 + index : 52 + index] = (230, 120, 60)
    return image


def write_video(path: Path, codec: str = "libx264", frames: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode())
    return path


class Bench:
    """The good files, made once, and the cases made from them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clip = write_video(root / "clip.mp4")
        mkv, avi = write_video(root / "clip.mkv"), write_video(root / "clip.avi", "mpeg4")
        self.videos = [self.clip, mkv, avi, write_video(root / "clip.ts"), root / "clip.y4m"]
        with av.open(str(self.videos[-1]), "w", format="yuv4mpegpipe") as container:
            stream: Any = container.add_stream("wrapped_avframe", rate=24)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for index in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
            container.mux(stream.encode())
        box = {"type": "box", "object_id": 1, "frame_idx": 0, "box_xyxy_px": [20, 16, 52, 48]}
        points = {**box, "type": "points", "points_xy_px": [[30, 30]], "labels": [1]}
        del points["box_xyxy_px"]
        prompts = {"schema": 1, "size_hw": [64, 96], "names": {"1": "a"}, "prompts": [box, points]}
        self.prompts = json.dumps(prompts).encode()
        mask = Image.fromarray((picture(0)[..., 0] > 100).astype(np.uint8))
        mask.putpalette([0, 0, 0, 128, 0, 0])
        mask.save(root / "mask.png")
        self.mask = (root / "mask.png").read_bytes()

    def prepare(self) -> None:
        """Make a finished and an interrupted result, with a real model's name in them."""
        track = ["track", str(self.clip), "--box", BOX, "--model", "null", "-q", "-o"]
        assert self._child([*track, str(self.root / "done")], None) == 0
        path = self.root / "done/manifest.json"
        manifest = json.loads(path.read_text())
        manifest["model_sha256"] = "0" * 64
        span = {"object_id": 1, "first": 2, "last": 4}
        edit = {"edit": 1, "when": "2026-01-01T00:00:00Z", "spans": [span], "vos": "0"}
        manifest["history"] = [{**edit, "prompts": manifest["parameters"]["prompts"]}]
        manifest["stale"] = {"overlay.mp4": [[2, 4]]}
        path.write_text(json.dumps(manifest))
        self._child([*track, str(self.root / "half")], 6)
        assert (self.root / ".half.part/.resume").is_dir()

    def _child(self, arguments: list[str], stop_at: int | None) -> int:
        pid = os.fork()
        if pid == 0:
            from vos.io import queues
            from vos_cli.main import run

            if stop_at is not None:
                os.environ["VOS_CHECKPOINT_S"] = "0"
                real, left = queues.WriteBehind.put, [stop_at]

                def put(behind: Any, item: Any) -> None:
                    left[0] -= 1
                    if left[0] < 0:
                        raise KeyboardInterrupt
                    real(behind, item)

                queues.WriteBehind.put = put  # pyright: ignore[reportAttributeAccessIssue]
            os._exit(run(arguments))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def kinds(self) -> dict[str, Case]:
        track = [
            "track",
            "--model",
            "null",
            "--box",
            BOX,
            "--save",
            "masks,stats",
            "-q",
            "-o",
            "out",
        ]
        clip = [*track, str(self.clip)]
        no_box = track[1:3] + track[5:]

        def spoiled(name: str, good: bytes, spoil: Any = spoil_text) -> Any:
            return lambda folder, chance: (folder / name).write_bytes(spoil(good, chance))

        def container(folder: Path, chance: random.Random) -> None:
            source = chance.choice(self.videos)
            (folder / "clip.mp4").write_bytes(spoil_bytes(source.read_bytes(), chance))

        def still(folder: Path, chance: random.Random) -> None:
            kind = chance.choice(["png", "jpg", "tiff", "bmp", "webp", "ppm", "tga"])
            for index in range(2):
                Image.fromarray(picture(index)).save(folder / f"{index}.{kind}")
            path = folder / f"{chance.randrange(2)}.{kind}"
            path.write_bytes(spoil_bytes(path.read_bytes(), chance))

        def tree(source: Path, name: str) -> Any:
            def write(folder: Path, chance: random.Random) -> None:
                shutil.copytree(source, folder / name, symlinks=True)
                shutil.copy(self.clip, folder / "clip.mp4")
                names = (
                    "manifest.json",
                    "prompts.json",
                    "stats.jsonl",
                    "checkpoint-",
                    "masks.list",
                )
                files = [path for path in sorted((folder / name).rglob("*")) if path.is_file()]
                known = [path for path in files if path.name.startswith(names)]
                path = chance.choice(known if chance.random() < 0.8 else files)
                if path.name.startswith("checkpoint-"):
                    data = spoil_checkpoint(path.read_bytes(), chance)
                    for one in path.parent.glob("checkpoint-*"):
                        one.write_bytes(data)
                else:
                    path.write_bytes(spoil_text(path.read_bytes(), chance))

            return write

        def davis(folder: Path, chance: random.Random) -> None:
            for sub in ("gt/Annotations/480p/a", "pred/a"):
                (folder / sub).mkdir(parents=True)
                for index in range(4):
                    (folder / sub / f"{index:05}.png").write_bytes(self.mask)
            (folder / "gt/ImageSets/2017").mkdir(parents=True)
            (folder / "gt/ImageSets/2017/val.txt").write_text("a\n")
            path = chance.choice([one for one in sorted(folder.rglob("*")) if one.is_file()])
            if chance.random() < 0.4:
                path = folder / "gt/ImageSets/2017/val.txt"
            path.write_bytes(spoil_text(path.read_bytes(), chance))

        def lvos(folder: Path, chance: random.Random) -> None:
            for sub in ("gt/Annotations/a", "gt/Annotations/b", "pred/a", "pred/b"):
                (folder / sub).mkdir(parents=True)
                for index in range(1, 42, 5):
                    (folder / sub / f"{index:08}.png").write_bytes(self.mask)
            span = {"frame_range": {"start": 1, "end": 41, "frame_nums": 8}}
            names = spoil_text(b"b\n", chance) if chance.random() < 0.2 else b"b\n"
            (folder / "unseen.txt").write_bytes(names)
            video = {"objects": {"1": span}}
            meta = json.dumps({"videos": {"a": video, "b": video}}).encode()
            (folder / "gt/valid_meta.json").write_bytes(spoil_text(meta, chance))

        def always(*arguments: str) -> Any:
            return lambda _chance: list(arguments)

        def one_of(*commands: list[str]) -> Any:
            return lambda chance: chance.choice(commands)

        toml = b'model = "null"\nsize = 512\nsave = ["masks", "stats"]\ncheckpoint_s = 1.5\n'
        rows = b'source,box,name\nclip.mp4,"20,16,52,48",a\nb.mp4,,b\n'
        lines = b'{"source": "clip.mp4", "box": ["20,16,52,48"], "name": "a"}\n{"source": "b"}\n'
        batch = ["--model", "null", "-o", "out", "--dry-run", "--progress", "none"]
        fix = [["fix", "done", "--list"], ["fix", "done", "--list", "--json"]]
        score = ["eval", "score", "--gt", "gt", "--pred", "pred", "--jobs", "1", "--protocol"]
        resumed = ["track", "clip.mp4", "--box", BOX, "--model", "null", "-q", "-o", "half"]
        return {
            "containers": Case(
                container,
                one_of([*track, "clip.mp4"], ["info", "clip.mp4"], ["info", "clip.mp4", "--json"]),
            ),
            "stills": Case(still, one_of([*track, "."], ["info", "."])),
            "prompts": Case(
                spoiled("p.json", self.prompts),
                always("track", str(self.clip), "--prompts", "p.json", *no_box),
            ),
            "csv": Case(spoiled("rows.csv", rows), always("batch", "rows.csv", *batch)),
            "lines": Case(spoiled("rows.jsonl", lines), always("batch", "rows.jsonl", *batch)),
            "list": Case(
                spoiled("rows.txt", b"clip.mp4\nb.mp4\n"), always("batch", "rows.txt", *batch)
            ),
            "results": Case(
                tree(self.root / "done", "done"),
                one_of(*fix, [*clip[:-2], "done", str(self.clip)], ["fix", "done", "--undo"]),
            ),
            "resume": Case(
                tree(self.root / ".half.part", ".half.part"),
                one_of(resumed, resumed, ["fix", "half", "--list"]),
            ),
            "settings": Case(spoiled("vos.toml", toml), always(*clip)),
            "masks": Case(
                spoiled("m.png", self.mask, spoil_png),
                always("track", str(self.clip), "--mask", "1:m.png", *no_box),
            ),
            "davis": Case(davis, always(*score, "davis")),
            "lvos": Case(lvos, always(*score, "lvos", "--unseen", "unseen.txt")),
            "weights": Case(
                self._weights,
                always("track", str(self.clip), "--model", "./w", "--end", "2f", *track[3:]),
            ),
            "refiners": Case(
                self._refiner,
                always("track", str(self.clip), "--model", "nano", "--refiner", "r.safetensors",
                       "--end", "2f", *track[3:]),
            ),
            "yaml": Case(
                spoiled("r.yaml", b"kind: samref\noptions:\n  blocks: 2\n  radius_px: 1e0\n"),
                always("train", "refiner", "--config", "r.yaml", "--out", "out"),
            ),
        }  # fmt: skip

    def _weights(self, folder: Path, chance: random.Random) -> None:
        import torch

        good = self.root / "small.pt"
        if not good.exists():
            torch.save({"model": {f"layer{i}.weight": torch.zeros(4, 4) for i in range(20)}}, good)
            legacy = {"_use_new_zipfile_serialization": False}
            torch.save({"model": {"a": torch.zeros(3)}}, self.root / "old.pt", **legacy)
        source = chance.choice([good, self.root / "old.pt"])
        (folder / "w").write_bytes(spoil_bytes(source.read_bytes(), chance))
        if chance.random() < 0.3:
            self._spoil_header(self._shipped("nano.safetensors"), folder / "w", chance)

    def _refiner(self, folder: Path, chance: random.Random) -> None:
        source = self._shipped("nano-refiner.safetensors")
        self._spoil_header(source, folder / "r.safetensors", chance)

    @staticmethod
    def _shipped(name: str) -> Path:
        import vos

        return Path(vos.__file__).parent / "weights" / name

    @staticmethod
    def _spoil_header(source: Path, target: Path, chance: random.Random) -> None:
        """Spoil the header of a safetensors file, or a text of its metadata, or its bytes."""
        data = source.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        about = header["__metadata__"]
        what = chance.random()
        if what < 0.6:
            key = chance.choice(sorted(about))
            about[key] = spoil_text(about[key].encode(), chance).decode("utf-8", "replace")
        elif what < 0.8:
            header = spoil_json(header, chance)
        else:
            target.write_bytes(spoil_bytes(data, chance))
            return
        text = json.dumps(header).encode()
        target.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def spoil_checkpoint(data: bytes, chance: random.Random) -> bytes:
    """Spoil the header of a checkpoint and sign it again; or its bytes."""
    if chance.random() < 0.25:
        return spoil_bytes(data, chance)
    body = data[40:]
    size = int.from_bytes(body[:8], "little")
    text = spoil_text(body[8 : 8 + size], chance)
    body = len(text).to_bytes(8, "little") + text + body[8 + size :]
    return data[:8] + hashlib.sha256(body).digest() + body


def spoil_png(data: bytes, chance: random.Random) -> bytes:
    """Spoil a PNG; half of the time its header, with the right checksum."""
    if chance.random() < 0.5:
        return spoil_bytes(data, chance)
    head = bytearray(data[12:29])
    if chance.random() < 0.5:
        sides = [1, 64, 96, 5000, 13_300, 30_000, 2**31 - 1]
        head[4:8] = chance.choice(sides).to_bytes(4, "big")
        head[8:12] = chance.choice(sides).to_bytes(4, "big")
    else:
        head[chance.randrange(4, 17)] = chance.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]


# Running


def run_case(case: Case, name: str, number: int, place: Path, limit_s: float = LIMIT_S) -> Seen:
    """Run one input in a process of its own, in an empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    work = place / "a/b/work"
    work.mkdir(parents=True)
    chance = random.Random(f"{name}-{number}")
    case.write(work, chance)
    arguments = case.command(chance)
    before = _outside(place, work)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(arguments, work, place / "said")
    status, usage, is_late = 0, None, False
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if not is_late and time.monotonic() - started > limit_s:
            is_late = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.005)
    seconds = time.monotonic() - started
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    changed = {path for path, what in _outside(place, work) ^ before}
    said = (place / "said").read_text(errors="replace")[-600:]
    code = os.waitstatus_to_exitcode(status)
    return Seen(code, seconds, usage.ru_maxrss / 1024, tuple(sorted(changed)), said)


def _become(arguments: list[str], work: Path, said: Path) -> None:
    """Turn this forked process into the command."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(work)
        target = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, handle in enumerate((null, target, target)):
            os.dup2(handle, number)
        os.environ["HOME"] = str(work)
        from vos_cli.main import run

        code = run(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"escaped: {type(error).__name__}: {error}")
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _outside(place: Path, work: Path) -> set[tuple[str, int]]:
    """What is beside the work folder, which nothing may touch."""
    found = set()
    for folder, names, files in os.walk(place):
        if Path(folder) == work:
            names.clear()
            continue
        for one in files:
            path = Path(folder) / one
            if path != place / "said":
                found.add((str(path.relative_to(place)), path.lstat().st_mtime_ns))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kinds", help="comma-separated; default all")
    parser.add_argument("--count", type=int, help="inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="one input alone; what it says is printed")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th input from the i-th on")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for one input")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that went wrong")
    arguments = parser.parse_args()
    which, _, parts = arguments.part.partition("/")
    with tempfile.TemporaryDirectory(prefix="vos-fuzz-") as temporary:
        bench = Bench(Path(temporary))
        names = arguments.kinds.split(",") if arguments.kinds else list(bench.kinds())
        if set(names) & _WITH_TORCH:
            import torch  # noqa: F401
        for module in ("track", "fix", "batch", "info", "eval"):  # once, not in every child
            __import__(f"vos_cli.commands.{module}")
        bench.prepare()
        cases = bench.kinds()
        count = arguments.count or -(-TARGET // len(cases))
        print("| kind | inputs | exit codes | wrong | slowest | most memory |")
        print("|---|---|---|---|---|---|", flush=True)
        wrong = 0
        for name in names:
            numbers = range(arguments.first + int(which) - 1, arguments.first + count, int(parts))
            if arguments.only is not None:
                numbers = range(arguments.only, arguments.only + 1)
            wrong += _run_kind(cases[name], name, numbers, bench.root / "case", arguments)
    sys.exit(1 if wrong else 0)


def _run_kind(case: Case, name: str, numbers: range, place: Path, arguments: Any) -> int:
    codes: Counter[int] = Counter()
    problems: Counter[str] = Counter()
    slowest = most = 0.0
    for number in numbers:
        seen = run_case(case, name, number, place, arguments.limit)
        codes[seen.code] += 1
        slowest, most = max(slowest, seen.seconds), max(most, seen.peak_mb)
        if arguments.only is not None:
            print(seen.said, file=sys.stderr)
        if (problem := seen.problem) is not None:
            problems[problem] += 1
            line = seen.said.strip().splitlines()[-1:] or [""]
            print(f"{name} {number}: {problem}: {line[0][:300]} {seen.outside}", file=sys.stderr)
            if arguments.keep is not None:
                kept = arguments.keep / f"{name}-{number}"
                shutil.copytree(place, kept, symlinks=True, dirs_exist_ok=True)
    shown = ", ".join(f"{code}: {codes[code]}" for code in sorted(codes))
    bad = ", ".join(f"{what}: {problems[what]}" for what in sorted(problems)) or "none"
    print(
        f"| {name} | {len(numbers)} | {shown} | {bad} | {slowest:.1f} s | {most:.0f} MB |",
        flush=True,
    )
    return sum(problems.values())


if __name__ == "__main__":
    main()
