#!/usr/bin/env bash
# Everything that needs a GPU, in one go: the speed targets, a whole command on 1080p footage, memory
# over 20,000 frames, and the tests of the device. Needs CUDA and a compiler; weights may be absent.
# Results are printed and left in benchmarks/results/. Compiling takes many minutes.
# Usage: benchmarks/gpu.sh   (with vos's environment active)
set -uo pipefail
cd "$(dirname "$0")/.."

python -c '
import sys, torch
torch.cuda.is_available() or sys.exit("benchmarks/gpu.sh: no CUDA device here")' || exit 1

failed=()
part() { # NAME COMMAND...; the rest runs even where one fails
  echo "== $1" >&2
  "${@:2}" || failed+=("$1")
}
part speed python -m benchmarks.gpu
part pipeline python -m benchmarks.pipeline --device cuda --models tiny small base-plus large
part memory python -m benchmarks.memory --device cuda
part tests env VOS_REQUIRE_CUDA=1 python -m pytest -q -m needs_cuda tests

if ((${#failed[@]})); then
  echo "benchmarks/gpu.sh: failed: ${failed[*]}" >&2
  exit 1
fi
