#!/usr/bin/env bash
# Everything that needs a GPU, from a plain checkout: tests of the device, speed beside the official
# predictor, and a whole command on 1080p footage.
# Usage: benchmarks/gpu.sh quick|full [--device cpu]
#   quick  at most six minutes: the tests, the rows without a compiler, one whole command
#   full   all rows, every size of SAM 2.1 through whole commands, and memory over 20,000 frames
# --device cpu tries the script where there is no GPU, with tiny inputs.
# PYTHON names the interpreter; where vos is not installed, its packages have to be on PYTHONPATH.
# Tables are printed, and left in benchmarks/results/ by the parts that keep one.
set -uo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD:$PWD/cli:$PWD/eval${PYTHONPATH:+:$PYTHONPATH}"
PYTHON=${PYTHON:-python}
part=${1:-}
device=cuda
[[ ${2:-} == --device ]] && device=${3:-cuda}
case $part in quick | full) ;; *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac

if [[ $device == cuda ]]; then
  "$PYTHON" -c '
import sys, torch
torch.cuda.is_available() or sys.exit("benchmarks/gpu.sh: no CUDA device here; --device cpu tries the script")' || exit 1
  small=() require=1
else
  small=(--size 64 --frames 1) require=
fi

failed=()
step() { # NAME SECONDS COMMAND...; the rest runs even where one fails or takes too long
  local began=$SECONDS
  echo "== $1" >&2
  timeout --signal INT "$2" "${@:3}" || failed+=("$1")
  echo "== $1: $((SECONDS - began)) s" >&2
}

if [[ $part == quick ]]; then
  step tests 90 env VOS_REQUIRE_CUDA="$require" "$PYTHON" -m pytest -q -p no:cacheprovider -m "needs_cuda and not slow" tests/gpu tests/unit/model/gpu
  step speed 210 "$PYTHON" -m benchmarks.gpu --quick --device "$device" "${small[@]}"
  step command 60 "$PYTHON" -m benchmarks.pipeline --device "$device" --frames "$([[ $device == cuda ]] && echo 200 || echo 4)"
else
  step tests 900 env VOS_REQUIRE_CUDA="$require" "$PYTHON" -m pytest -q -p no:cacheprovider -m needs_cuda tests
  step speed 3600 "$PYTHON" -m benchmarks.gpu --device "$device" "${small[@]}"
  if [[ $device == cuda ]]; then
    step command 3600 "$PYTHON" -m benchmarks.pipeline --device cuda --models tiny small base-plus large
    step memory 3600 "$PYTHON" -m benchmarks.memory --device cuda
  else
    step command 300 "$PYTHON" -m benchmarks.pipeline --frames 4
  fi
fi

if ((${#failed[@]})); then
  echo "benchmarks/gpu.sh: failed: ${failed[*]}" >&2
  exit 1
fi
