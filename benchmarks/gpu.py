"""The GPU rows of the speed targets, each a `vos bench` in a process of its own, as one table.

    python -m benchmarks.gpu [--quick]                           # needs a CUDA device
    python -m benchmarks.gpu --device cpu --size 64 --frames 1   # only tries the rows

Without weights the models run with random ones, which cost the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common import machine, write_result

TINY, LARGE = "sam2.1-tiny", "sam2.1-large"
VOS = "from vos_cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    name: of the row.
    flags: of `vos bench`.
    compared_with: what the ratio is to, the official predictor or the row of that name; "" for
        nothing.
    ratio: its target, None where there is none.
    fraction: the target for the share of peak arithmetic, None where there is none.
    rate: the target in frames/s, None where there is none.
    """

    name: str
    flags: str
    compared_with: str = ""
    ratio: float | None = None
    fraction: float | None = None
    rate: float | None = None


EAGER, COMPILED = "official", "official, compiled"
LARGE_ROW, LARGE_COMPILED = "large", "large, compiled"
QUICK = (
    Row("tiny", f"--model {TINY} --vs-sam2", EAGER, 2.5),
    Row(LARGE_ROW, f"--model {LARGE} --vs-sam2", EAGER, 2),
    Row("tiny, 8 objects", f"--model {TINY} --objects 8 --vs-sam2", EAGER, 4),
    Row("tiny, 512 px", f"--model {TINY} --size 512 --vs-sam2", EAGER, 4),
    Row("nano", "--model nano", rate=300),
    Row("large, PR + MR", f"--model {LARGE} --refiner pr_mr", LARGE_ROW, 0.8),
)
"""Rows without a compiler."""
ROWS = (
    *QUICK,
    Row("tiny, exact", f"--model {TINY} --exact --vs-sam2", EAGER),
    Row("large, 8 objects", f"--model {LARGE} --objects 8 --vs-sam2", EAGER),
    Row("tiny, pooled memory", f"--model {TINY} --pool-memory 2 --vs-sam2", EAGER),
    Row("large, LA + PR + MR", f"--model {LARGE} --refiner sam2refiner", LARGE_ROW, 0.3),
    Row("tiny, compiled", f"--model {TINY} --compile --vs-sam2-compiled", COMPILED, 1.3),
    Row(LARGE_COMPILED, f"--model {LARGE} --compile --vs-sam2", EAGER, 2.8, 0.35),
    Row(
        "large, both compiled",
        f"--model {LARGE} --compile --vs-sam2-compiled",
        COMPILED,
        1.3,
    ),
    Row("tiny, 512 px, compiled", f"--model {TINY} --size 512 --compile --vs-sam2", EAGER),
    Row("large, compiled, PR + MR", f"--model {LARGE} --compile --refiner pr_mr", LARGE_COMPILED),
)


def measure(row: Row, options: Sequence[str]) -> dict[str, Any] | None:
    """Return the report of `vos bench`, None where it failed."""
    command = [sys.executable, "-c", VOS, "bench", *row.flags.split(), *options, "--json"]
    # The official predictor draws a progress bar for every frame it loads and tracks.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        return None
    return json.loads(done.stdout)


def compute_ratio(row: Row, report: Mapping[str, Any], rates: Mapping[str, float]) -> float | None:
    """Compute the ratio of a row.

    rates: frames/s of the rows before.
    """
    if row.compared_with in rates:
        return report["frames_per_s"] / rates[row.compared_with]
    return report.get("speed_ratio")


def line(row: Row, report: Mapping[str, Any] | None, rates: Mapping[str, float]) -> str:
    """Format the row as a line of the table."""
    if report is None:
        return _join_cells(
            row.name, "failed", "", "", row.compared_with, "", "", "", "", _target(row), ""
        )
    ratio, fps = compute_ratio(row, report, rates), report["frames_per_s"]
    wanted = ((row.ratio, ratio), (row.fraction, report["fraction_of_peak"]), (row.rate, fps))
    met = [found is not None and found >= least for least, found in wanted if least is not None]
    return _join_cells(
        row.name,
        f"{fps:.1f}",
        f"{1e3 / fps:.2f}",
        f"{report['model_share']:.2f}",
        "" if ratio is None else f"{ratio:.2f}x",
        row.compared_with,
        _text(report.get("mask_iou"), ".3f"),
        f"{report['fraction_of_peak']:.2f}",
        _text(report.get("peak_device_mb"), ".0f"),
        _target(row),
        ("yes" if all(met) else "no") if met else "",
    )


def _target(row: Row) -> str:
    parts = []
    if row.ratio is not None:
        parts.append(f">= {row.ratio:g}x")
    if row.fraction is not None:
        parts.append(f">= {row.fraction:g} of peak")
    if row.rate is not None:
        parts.append(f">= {row.rate:g} frames/s")
    return ", ".join(parts)


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _join_cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, help="of every row, to try them where they are slow")
    parser.add_argument("--quick", action="store_true", help="the rows without a compiler")
    parser.add_argument("--only", nargs="*", help="names of rows")
    args = parser.parse_args()
    options = ["--device", args.device, "--dtype", "bfloat16", "--frames", str(args.frames)]
    options += ["--size", str(args.size)] if args.size else []
    rates: dict[str, float] = {}
    lines: list[str] = []
    for row in QUICK if args.quick else ROWS:
        if args.only and row.name not in args.only:
            continue
        report = measure(row, options)
        if report is not None:
            rates[row.name] = report["frames_per_s"]
        lines.append(line(row, report, rates))
        print(lines[-1], file=sys.stderr, flush=True)
    on_gpu = args.device.startswith("cuda")
    command = f"python -m benchmarks.gpu{' --quick' if args.quick else ''}"
    text = f"""# Speed on a GPU

{machine(args.device)}; bfloat16, 1024 px where nothing else is said, {args.frames} timed frames.
Command: `{command}` (a part of `benchmarks/gpu.sh`)

Frames/s: from host frame to host mask, with the next frame begun. Model: its share of that time.
Ratio: of frames/s, to the official predictor in the same run or to another row. Peak: the largest
rate of a product of matrices in the same run. Device memory is shown where only ours runs.

| case | frames/s | ms | model | ratio | to | mask IoU | of peak | device MB | target | met |
|---|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
"""
    if on_gpu and not args.size:
        write_result("gpu_quick.md" if args.quick else "gpu.md", text)
    else:
        print(text)
    if any("failed" in one for one in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
