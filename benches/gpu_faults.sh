#!/usr/bin/env bash
# Kernels that do what they must not, on a real GPU: each costs a search one trial, and nothing else.
#
#   benches/gpu_faults.sh      on a machine with ftc, nvcc and a GPU
#
# nvcc is a script here that changes what it is given: of the 20th text, one kernel never ends; of the 25th, one writes to an
# address that nothing has; of those from the 30th on that store to C, the first one stores before it, too. The search must
# go on as ever.
# FTC names the compiler (target/release/ftc), OUT the folder for what is made (target/gpu_faults).
set -euo pipefail
cd "$(dirname "$0")/.."
ftc=$(realpath "${FTC:-target/release/ftc}")
out=${OUT:-target/gpu_faults}
mkdir -p "$out"
out=$(realpath "$out")
real=${NVCC:-$(command -v nvcc)}
rm -f "$out"/call.* "$out"/*.jsonl

cat > "$out/nvcc" <<END
#!/usr/bin/env bash
# Only what is to become an image is counted.
case " \$* " in
    *" -cubin "*)
        n=1
        until mkdir "$out/call.\$n" 2> /dev/null; do n=\$((n + 1)); done
        case \$n in
            20) wrong='while (*(volatile const float *)A != 1.25e30f) {}' ;;
            25) wrong='*(volatile float *)0x10ull = 1.0f;' ;;
            *) wrong= ;;
        esac
        where='__global__.*{\$'
        if [ "\$n" -ge 30 ] && grep -q '__global__.*restrict__ C) {\$' "\${@: -1}" && mkdir "$out/call.C" 2> /dev/null; then
            where='__global__.*restrict__ C) {\$' wrong='C[-8] = 1.0f;'
        fi
        # The first kernel of the last argument.
        [ -z "\$wrong" ] || sed -i "0,/\$where/s||&\n  \$wrong|" "\${@: -1}"
        ;;
esac
exec "$real" "\$@"
END
chmod +x "$out/nvcc"
cat > "$out/gemm.ft" <<'END'
use std::linalg::gemm

export product = gemm(A: f32[512, 512], B: f32[512, 512])
END
cd "$out"
NVCC="$out/nvcc" "$ftc" tune gemm.ft --target cuda --budget "${BUDGET:-200trials}" --log faults.jsonl
echo "trials that failed, by reason:"
grep -o '"failed":\["[^"]*"' faults.jsonl | sort | uniq -c
for kind in "time limit" "gpu fault"; do
    [ "$(grep -c "\"failed\":\[\"$kind\"" faults.jsonl)" = 1 ] || { echo "not one trial failed with: $kind"; exit 1; }
done
# One that is slow is not looked at.
[ "$(grep -c '"failed":\["wrong values"' faults.jsonl)" -le 1 ] || { echo "more trials have wrong values than should"; exit 1; }
