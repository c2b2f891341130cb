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
  models="preresnet110 vgg16 nn2" precisions="bfloat16 tensorfloat32"
  batch=128 minutes=3 precision=tensorfloat32 train_minutes=6
  jobs=4 study="table 3.5 --cache-dir $cache --precision $precision"
else
  models="simple_cnn" precisions="float32"
  batch=8 minutes=1.5 precision=float32 train_minutes=0.2
  jobs=2 study="compare --epochs 2 --limit-train 640"
fi

if command -v nvidia-cuda-mps-control > /dev/null && nvidia-cuda-mps-control -d; then
  at "MPS is on"
fi
at "a table in $jobs processes, as far as the time goes"
limit=$("$python" -c "print(int(60 * $train_minutes) + 60)") processes=
for _ in $(seq $jobs); do
  XLA_PYTHON_CLIENT_PREALLOCATE=false timeout -s TERM -k 25 $limit "$python" -m experiments \
    $study --resume --time-budget $train_minutes --out "$out/study" &
  processes+=" $!"
done
for process in $processes; do
  wait $process
  at "a process's status is $? (75: the time was up)"
done
[ "$device" = cuda ] && echo quit | nvidia-cuda-mps-control 2> /dev/null

# One network at a time: compiling several at once delays them all.
for model in $models; do
  at "steps of $model, ours and PyTorch's"
  bench 240 training --models "$model" --precisions $precisions --batch $batch \
    --modes eager graphs --minutes $minutes --out "$out/steps-$model.json"
done

at "XLA's flags, one by one"
flags="xla_gpu_force_conv_nhwc=true xla_gpu_enable_command_buffer= xla_gpu_autotune_level=1"
bench 240 training --models "${models##* }" --precisions $precision --batch $batch \
  --modes eager --minutes $minutes --xla-flags $flags --out "$out/flags.json"
at "end"
