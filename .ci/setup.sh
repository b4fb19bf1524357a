#!/usr/bin/env bash
# Brings what ftc needs: from the operating system LLVM 22 and a C compiler; as Python packages nvcc, for CUDA C. Called by
# `make setup`.
#
# Does nothing, and says so, when all of it is there. On Debian it installs what is missing with apt-get (through sudo
# where it does not run as root); elsewhere it lists what is missing and how to get it. nvcc goes to `target/nvcc`, where
# ftc finds it, if the machine has none; without it, all but tests of CUDA C and what needs a GPU works. It changes nothing
# else.
set -euo pipefail

cd "$(dirname "$0")/.."

# nvcc for machines without a CUDA toolkit, into a folder of its own: its parts in versions that fit each other.
bring_nvcc() {
    local folder=target/nvcc
    local parts=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-runtime==13.0.96
        nvidia-cuda-cccl==13.0.85)
    if command -v nvcc >/dev/null || [ -x "${NVCC:-}" ] || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then
        return
    fi
    [ -x "$folder/nvidia/cu13/bin/nvcc" ] && return
    echo "setup: bringing nvcc to $folder"
    rm -rf "$folder.part"
    if PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --no-deps --no-compile --only-binary=:all: --disable-pip-version-check \
        --target "$folder.part" "${parts[@]}"; then
        rm -rf "$folder" && mv "$folder.part" "$folder"
    else
        rm -rf "$folder.part"
        echo "setup: there is no nvcc, and pip could not bring it: CUDA C is written, but not compiled" >&2
    fi
}

# What is needed, as: Debian package | a file that it brings | what it is for.
# The file decides, so a system that has LLVM from elsewhere is left alone.
llvm=${LLVM_SYS_221_PREFIX:-/usr/lib/llvm-22}
needs=(
    "llvm-22-dev|$llvm/bin/llvm-config|the CPU backend"
    "gcc|@gcc|linking kernels, and the examples in C"
    "g++|@g++|linking LLVM"
    "libc6-dev|@stdio.h|linking kernels"
    "make|@make|this Makefile"
)

# Whether the file of a need is there: a path, a header, or a program.
present() {
    case $1 in
        @*.h) local dir; for dir in /usr/include /usr/local/include /usr/include/*-linux-*; do
                [ -e "$dir/${1#@}" ] && return 0
            done; return 1 ;;
        @*) command -v "${1#@}" >/dev/null ;;
        *) [ -e "$1" ] ;;
    esac
}

missing=()
report=()
for need in "${needs[@]}"; do
    IFS='|' read -r package file purpose <<<"$need"
    present "$file" && continue
    report+=("  $package (${file#@}): $purpose")
    [[ " ${missing[*]-} " == *" $package "* ]] || missing+=("$package")
done

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is missing: install Rust 1.90 or newer, with rustfmt and clippy" >&2
    exit 2
fi
bring_nvcc
if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: all there (LLVM in $llvm)"
    exit 0
fi

echo "setup: missing:"
printf '%s\n' "${report[@]}"
if ! command -v apt-get >/dev/null; then
    cat >&2 <<TEXT
setup: this is not Debian, so nothing was installed. ftc needs LLVM 22 with its headers (set LLVM_SYS_221_PREFIX if
setup: llvm-config is not in /usr/lib/llvm-22/bin), gcc, g++ and make, from your system's package manager.
setup: Without LLVM there is still 'cargo build --no-default-features': checking, printing and interpreting.
TEXT
    exit 2
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: not root, and no sudo; run as root: apt-get install ${missing[*]}" >&2
        exit 2
    fi
    as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
apt_get() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; }; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get failed; LLVM 22 is in Debian 12 (with its security updates) and later" >&2
    exit 2
fi
for need in "${needs[@]}"; do
    IFS='|' read -r package file _ <<<"$need"
    present "$file" || { echo "setup: $package is installed, but ${file#@} is not there" >&2; exit 2; }
done
echo "setup: done (LLVM in $llvm)"
