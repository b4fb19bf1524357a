#!/usr/bin/env bash
# Operators on the GPU of this machine: right, and how fast beside PyTorch.
#
#   benches/gpu_check.sh              all of it
#   benches/gpu_check.sh generate     only the CUDA C, on any machine with ftc
#   benches/gpu_check.sh run [NAME…]  compile that CUDA C and run it, on a machine with nvcc and PyTorch, without ftc
#   benches/gpu_check.sh sanitize     run the small ones, and every operator of the standard library at the sizes of its
#                                     tests, under compute-sanitizer: accesses outside, races
#
# FTC names the compiler (target/release/ftc), OUT the folder for what is made (target/gpu_check), ARCH the GPU (sm_90).
set -euo pipefail
cd "$(dirname "$0")/.."
ftc=${FTC:-target/release/ftc}
out=${OUT:-target/gpu_check}
arch=${ARCH:-sm_90}
what=${1:-all}
[ $# -eq 0 ] || shift

# Compiles what is in a folder, several files at a time, into a library beside it.
compile() {
    # What only these GPUs have is asked for by name.
    local code=$arch
    [ "$arch" != sm_90 ] || code=sm_90a
    find "$1" -name '*.cu' | xargs -P "$(nproc)" -I{} nvcc -std=c++17 -O3 -gencode "arch=compute_${code#sm_},code=$code" -c -Xcompiler -fPIC {} -o {}.o
    nvcc -gencode "arch=compute_${code#sm_},code=$code" -shared -cudart shared "$1"/*.o -o "$1.so"
}

case $what in
    all | generate)
        "$ftc" build benches/gpu_check.ft --target "cuda:$arch" --emit cuda,header,schedule -o "$out/large"
        "$ftc" build benches/gpu_tf32.ft --target "cuda:$arch" --tf32 --emit cuda,header,schedule -o "$out/large"
        "$ftc" build benches/gpu_small.ft --target "cuda:$arch" --emit cuda,header,schedule -o "$out/small"
        mkdir -p "$out"
        python3 benches/gpu_operators.py > "$out/operators.ft"
        "$ftc" build "$out/operators.ft" --target "cuda:$arch" --emit cuda,header -o "$out/operators" > /dev/null
        ;;
esac
case $what in
    all | run)
        compile "$out/large"
        python3 benches/gpu_check.py "$out/large.so" "$@"
        ;;
esac
if [ "$what" = sanitize ]; then
    compile "$out/small"
    compile "$out/operators"
    nvcc -std=c++20 -O1 -arch "$arch" benches/gpu_call.cpp -ldl -o "$out/call"
    for tool in memcheck racecheck initcheck; do
        for name in small operators; do
            echo "$tool, $name:"
            header=$(echo "$out/$name"/*.h)
            compute-sanitizer --tool "$tool" --error-exitcode 1 "$out/call" "$out/$name.so" "$header" > "$out/$tool.$name.log" ||
                { cat "$out/$tool.$name.log"; exit 1; }
            echo "$(grep -c ', cudaSuccess$' "$out/$tool.$name.log") calls; $(tail -n 1 "$out/$tool.$name.log")"
        done
    done
fi
