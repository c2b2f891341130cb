#!/usr/bin/env bash
# A quarter of an hour on a GPU, in order of importance (docs/performance.md).
#   bash benchmarks/gpu_turn.sh OUT [CACHE]     OUT: for figures and runs; CACHE: has cifar10.npz
# DEVICE=cpu rehearses it at reduced scale, without data other than the digits.
set -u
out=$1 cache=${2:-} device=${DEVICE:-cuda} python=${PYTHON:-python}
mkdir -p "$out"
began=$(date +%s)
at() { echo "== $(($(date +%s) - began)) s: $*"; }
bench() { timeout "$1" "$python" -m benchmarks "${@:2}" --device "$device"; }

if [ "$device" = cuda ]; then
  models="vgg16 preresnet110 nn2" precisions="tensorfloat32 bfloat16" many=nn2
  batch=128 minutes=5 flags_minutes=1.5 seconds=0.5 precision=tensorfloat32 train_minutes=3
  study="table 3.5 --cache-dir $cache --precision $precision"
else
  models="simple_cnn" precisions="float32" many=simple_cnn
  batch=8 minutes=1.5 flags_minutes=0.5 seconds=0.1 precision=float32 train_minutes=0.2
  study="compare --epochs 2 --limit-train 640"
fi

at "our step and PyTorch's: eager, CUDA graphs, torch.compile"
bench 400 training --models $models --precisions $precisions --batch $batch \
  --minutes $minutes --out "$out/steps.json"

at "XLA's flags, one by one"
flags="xla_gpu_force_conv_nhwc=true xla_gpu_enable_command_buffer= xla_gpu_autotune_level=1"
bench 150 training --models ${models%% *} --precisions $precision --batch $batch --modes eager \
  --minutes $flags_minutes --xla-flags $flags --out "$out/flags.json"

several() {
  bench 120 several --models $many --ways alone processes --runs 4 --rounds 1 --blocks 2 \
    --seconds $seconds --batch $batch --precision $precision --out "$out/$1.json"
}
at "four runs at once, which take turns"
several turns
if command -v nvidia-cuda-mps-control > /dev/null && nvidia-cuda-mps-control -d; then
  at "four runs at once, under MPS"
  several mps
fi

at "a table, as far as the time goes"
timeout -s TERM -k 25 400 "$python" -m experiments $study --jobs 2 --resume \
  --time-budget $train_minutes --out "$out/study"
status=$?
[ "$device" = cuda ] && echo quit | nvidia-cuda-mps-control 2> /dev/null
at "end, status $status (75: the time was up)"
