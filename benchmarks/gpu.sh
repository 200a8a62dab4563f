#!/usr/bin/env bash
# Every GPU row of the speed targets, as one table. Needs a CUDA device; weights may be absent.
# Usage: benchmarks/gpu.sh [FRAMES]   (run it with vos's environment active)
set -euo pipefail

frames=${1:-60}
python3 - <<'PY'
import sys, torch
if not torch.cuda.is_available():
    sys.exit("benchmarks/gpu.sh: no CUDA device here")
print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
PY

echo "| case | frames/s | ms | official / ours | fraction of peak | peak device MB | target |"
echo "|---|---|---|---|---|---|---|"

row() { # NAME TARGET FLAGS...
  local name=$1 target=$2
  shift 2
  vos bench --device cuda --dtype bfloat16 --frames "$frames" --json "$@" |
    python3 -c '
import json, sys
r, (name, target) = json.load(sys.stdin), sys.argv[1:]
ratio, fps = r.get("speed_ratio"), r["frames_per_s"]
cells = [name, f"{fps:.1f}", f"{1e3 / fps:.2f}", "-" if ratio is None else f"{ratio:.2f}x",
         "{:.2f}".format(r["fraction_of_peak"]), "{:.0f}".format(r["peak_device_mb"]), target]
print("| " + " | ".join(cells) + " |")' "$name" "$target"
}

row "tiny, 1024 px" ">= 1.3x" --model sam2.1-tiny --vs-sam2
row "large, 1024 px" ">= 1.3x, >= 0.35 of peak" --model sam2.1-large --vs-sam2
row "tiny, 1024 px, compiled" ">= 1.3x" --model sam2.1-tiny --compile --vs-sam2
row "large, 1024 px, compiled" ">= 1.3x, >= 0.35 of peak" --model sam2.1-large --compile --vs-sam2
row "tiny, 1024 px, pooled memory" "" --model sam2.1-tiny --pool-memory 2 --vs-sam2
row "tiny, 512 px" ">= 4x" --model sam2.1-tiny --size 512 --vs-sam2
row "tiny, 1024 px, 8 objects" ">= 2x" --model sam2.1-tiny --objects 8 --vs-sam2
row "large, 1024 px, alone" "" --model sam2.1-large
row "large, PR+MR" ">= 0.8x of the row above's frames/s" --model sam2.1-large --refiner pr_mr
row "large, LA+PR+MR" ">= 0.3x of it" --model sam2.1-large --refiner sam2refiner
