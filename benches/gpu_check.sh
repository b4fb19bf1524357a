#!/usr/bin/env bash
# Operators on the GPU of this machine: right, and how fast beside PyTorch.
#
#   benches/gpu_check.sh              all of it
#   benches/gpu_check.sh generate     only the CUDA C, on any machine with ftc
#   benches/gpu_check.sh run [NAME…]  compile that CUDA C and run it, on a machine with nvcc and PyTorch, without ftc
#
# FTC names the compiler (target/release/ftc), OUT the folder for what is made (target/gpu_check), ARCH the GPU (sm_90).
set -euo pipefail
cd "$(dirname "$0")/.."
ftc=${FTC:-target/release/ftc}
out=${OUT:-target/gpu_check}
arch=${ARCH:-sm_90}
what=${1:-all}
[ $# -eq 0 ] || shift

if [ "$what" != run ]; then
    "$ftc" build benches/gpu_check.ft --target "cuda:$arch" --emit cuda,header,schedule -o "$out"
fi
if [ "$what" != generate ]; then
    nvcc -std=c++17 -O3 -arch "$arch" -shared -Xcompiler -fPIC -cudart shared "$out"/*.cu -o "$out/libgpu_check.so"
    python3 benches/gpu_check.py "$out/libgpu_check.so" "$@"
fi
