"""Calls what ftc made of gpu_check.ft, compares it with PyTorch in double precision, and times both.

Each row: the largest error relative to the largest value, microseconds of ftc and of PyTorch (float32 without TF32;
the median of graphs of ten launches), and how many times faster ftc is. Exit code 1 if an error is too large.
"""

import ctypes
import statistics
import sys

import torch
import torch.nn.functional as F

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True

f32, f16, bf16, f64, i8, i32 = torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int32


def mm(a, b):
    return a @ b


def conv(**options):
    return lambda x, w: F.conv2d(x, w, **options)


# Name: the shapes of the inputs, their type, the type of the output, what it computes, and whether PyTorch can time it.
CASES = {
    "gemm_2048": ([(2048, 2048)] * 2, f32, f32, mm),
    "gemm_by_hand": ([(2048, 2048)] * 2, f32, f32, mm),
    "gemm_ahead": ([(2048, 2048)] * 2, f32, f32, mm),
    "gemm_512": ([(512, 512)] * 2, f32, f32, mm),
    "gemm_512_split": ([(512, 512)] * 2, f32, f32, mm),
    "gemm_ragged": ([(1000, 37), (37, 129)], f32, f32, mm),
    "gemm_nt_1000": ([(1000, 500), (700, 500)], f32, f32, lambda a, b: a @ b.T),
    "gemm_f16": ([(512, 512)] * 2, f16, f16, mm),
    "gemm_bf16": ([(512, 512)] * 2, bf16, bf16, mm),
    "gemm_f16_2048": ([(2048, 2048)] * 2, f16, f16, mm),
    "gemm_bf16_2048": ([(2048, 2048)] * 2, bf16, bf16, mm),
    "gemm_nt_tf32": ([(2048, 2048)] * 2, f32, f32, lambda a, b: a @ b.T),
    "tf32_gemm": ([(2048, 2048)] * 2, f32, f32, mm),
    "tf32_gemm_nt": ([(2048, 2048)] * 2, f32, f32, lambda a, b: a @ b.T),
    "tf32_conv": ([(1, 256, 56, 56), (512, 256, 3, 3)], f32, f32, conv(padding=1)),
    "conv_f16": ([(1, 256, 56, 56), (512, 256, 3, 3)], f16, f16, conv(padding=1)),
    "conv_f16_unfolded": ([(1, 256, 56, 56), (512, 256, 3, 3)], f16, f16, conv(padding=1)),
    "gemm_f64": ([(300, 200), (200, 100)], f64, f64, mm),
    "gemm_bytes": ([(128, 256), (256, 192)], i8, i32, mm),
    "batched": ([(8, 128, 64), (8, 64, 96)], f32, f32, mm),
    "gemv_1024": ([(1024, 1024), (1024,)], f32, f32, mm),
    "gemv_warps": ([(1024, 1024), (1024,)], f32, f32, mm),
    "conv_56": ([(1, 64, 56, 56), (64, 64, 3, 3)], f32, f32, conv(padding=1)),
    "conv_56_ahead": ([(1, 64, 56, 56), (64, 64, 3, 3)], f32, f32, conv(padding=1)),
    "conv_14": ([(1, 256, 14, 14), (512, 256, 3, 3)], f32, f32, conv(padding=1)),
    "conv_14_split": ([(1, 256, 14, 14), (512, 256, 3, 3)], f32, f32, conv(padding=1)),
    "conv_stem": ([(1, 3, 112, 112), (32, 3, 7, 7)], f32, f32, conv(stride=2, padding=3)),
    "conv_1x1": ([(1, 256, 28, 28), (128, 256, 1, 1)], f32, f32, conv()),
    "conv_1x1_split": ([(1, 256, 28, 28), (128, 256, 1, 1)], f32, f32, conv()),
    "softmax_rows": ([(512, 1000)], f32, f32, lambda x: torch.softmax(x, 1)),
    "softmax_threads": ([(512, 1000)], f32, f32, lambda x: torch.softmax(x, 1)),
    "total_all": ([(1000000,)], f32, f32, lambda x: x.sum().reshape(1)),
    "relu_all": ([(1000, 777)], f32, f32, torch.relu),
}
# Those that round operands to 10 bits behind the point, and are timed beside a PyTorch that may, too.
ROUNDED = {"gemm_nt_tf32", "tf32_gemm", "tf32_gemm_nt", "tf32_conv"}
TOLERANCE = {f32: 2e-5, f64: 1e-13, f16: 2e-3, bf16: 1e-2, i32: 0.0}


def median_microseconds(launch):
    """The time of one launch: graphs of ten, replayed."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            launch(stream)
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(10):
                launch(stream)
        times = []
        for _ in range(30):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record(stream)
            graph.replay()
            end.record(stream)
            end.synchronize()
            times.append(start.elapsed_time(end) * 100)
    return statistics.median(times)


def check(library, name, shapes, dtype, result, compute):
    torch.manual_seed(0)
    if dtype.is_floating_point:
        inputs = [torch.randn(shape, device="cuda", dtype=f64).to(dtype) for shape in shapes]
    else:
        inputs = [torch.randint(-8, 8, shape, device="cuda").to(dtype) for shape in shapes]
    wanted = compute(*[x.to("cpu", f64) for x in inputs])
    output = torch.full(wanted.shape, 77, device="cuda", dtype=result)
    args = (ctypes.c_void_p * (len(inputs) + 1))(*[x.data_ptr() for x in inputs], output.data_ptr())
    call = getattr(library, f"{name}_call")

    def launch(stream):
        status = call(args, ctypes.c_void_p(stream.cuda_stream))
        if status != 0:
            raise RuntimeError(f"{name} returns {status}")

    launch(torch.cuda.current_stream())
    torch.cuda.synchronize()
    error = (output.to("cpu", f64) - wanted).abs().max().item() / max(wanted.abs().max().item(), 1e-30)
    is_right = error <= (TOLERANCE[f16] if name in ROUNDED else TOLERANCE[result])
    torch.backends.cuda.matmul.allow_tf32 = name in ROUNDED
    torch.backends.cudnn.allow_tf32 = name in ROUNDED
    ours = median_microseconds(launch)
    theirs = median_microseconds(lambda _: compute(*inputs)) if dtype.is_floating_point else float("nan")
    verdict = "" if is_right else "  WRONG"
    print(f"{name:14} {error:9.1e} {ours:9.1f} {theirs:9.1f} {theirs / ours:6.2f}{verdict}", flush=True)
    return is_right


def main():
    library = ctypes.CDLL(sys.argv[1])
    names = sys.argv[2:] or list(CASES)
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    print(f"{'kernel':14} {'error':>9} {'ftc us':>9} {'torch us':>9} {'ratio':>6}")
    failed = []
    for name in names:
        try:
            is_right = check(library, name, *CASES[name])
        except RuntimeError as cause:
            print(f"{name:14} {cause}")
            is_right = False
        if not is_right:
            failed.append(name)
    if failed:
        sys.exit(f"wrong: {' '.join(failed)}")


if __name__ == "__main__":
    main()
