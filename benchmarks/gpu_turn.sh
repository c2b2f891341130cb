#!/usr/bin/env bash
# A quarter of an hour on a GPU, in order of importance (docs/performance.md).
#   bash benchmarks/gpu_turn.sh OUT [CACHE]     OUT: for figures and runs; CACHE: has cifar10.npz
# DEVICE=cpu rehearses it at reduced scale, without data other than the digits.
set -u
out=$1 cache=${2:-} device=${DEVICE:-cuda} python=${PYTHON:-python}
mkdir -p "$out"
began=$(date +%s)
at() { echo "== $(($(date +%s) - began)) s: $*"; }
# A network in a precision, to OUT/NAME.json: bench MODEL PRECISION NAME [OPTIONS]
bench() {
  timeout 240 "$python" -m benchmarks training --models "$1" --precisions "$2" \
    --device "$device" --batch $batch --processes 1 --blocks $blocks --seconds 0.5 \
    --out "$out/$3.json" "${@:4}"
}

if [ "$device" = cuda ]; then
  models="preresnet110 vgg16 nn2" precisions="bfloat16 tensorfloat32"
  modes="eager graphs" batch=128 blocks=5 train_minutes=6
  jobs=4 study="table 3.5 --cache-dir $cache --precision tensorfloat32"
else
  models="simple_cnn" precisions="float32"
  modes="eager" batch=8 blocks=2 train_minutes=0.2
  jobs=2 study="compare --epochs 2 --limit-train 640"
fi

if command -v nvidia-cuda-mps-control > /dev/null && nvidia-cuda-mps-control -d; then
  at "MPS is on"
fi
at "a table in $jobs processes, as far as the time goes"
train_limit=$("$python" -c "print(int(60 * $train_minutes) + 60)") processes=
for _ in $(seq $jobs); do
  XLA_PYTHON_CLIENT_PREALLOCATE=false timeout -s TERM -k 25 $train_limit "$python" -m experiments \
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
  for precision in $precisions; do
    at "steps of $model in $precision, ours and PyTorch's"
    bench "$model" "$precision" "steps-$model-$precision" --modes $modes
  done
done

# Without PyTorch: `false` is no interpreter that has it.
for flag in force_conv_nhwc=true enable_command_buffer= autotune_level=1; do
  at "XLA's flag $flag"
  XLA_FLAGS="--xla_gpu_$flag" bench "$model" "$precision" "flag-$flag" \
    --torch-python false
done
at "end"
