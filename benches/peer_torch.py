"""PyTorch as the peer of `ftc bench --peer torch`: computes the same operators from the same inputs, and times them.

ftc starts this script as `python3 -c SCRIPT THREADS cpu|cuda|cuda+tf32` and talks to it in lines of JSON, one question and one
answer at a time, so that its own timings and these alternate. On a GPU it computes in full float32 (TF32 off, but for
`cuda+tf32`), and times replays of a graph of ten calls, as ftc does. The questions:

    {"do": "prepare", "op": …, "params": {…}, "dtype": "f32", "inputs": [{"file", "dtype", "shape"}, …], "output": FILE}
        loads the inputs (raw bytes), computes once, writes the result as `dtype`  ->  {"shape": […]}
    {"do": "time", "calls": 10}
        runs that many calls, one after the other                                  ->  {"seconds": per call}

The first line that it writes is {"torch": VERSION, "threads": N}; a question that cannot be answered gives {"error": …}.
"""

import json
import math
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(json.dumps({"error": f"Python has no PyTorch ({missing})"}), flush=True)
    sys.exit(0)

DEVICE, _, ROUNDING = (sys.argv[2] if len(sys.argv) > 2 else "cpu").partition("+")
CALLS = 10  # of a graph on a GPU

DTYPES = {
    "bool": torch.bool, "i8": torch.int8, "u8": torch.uint8, "i32": torch.int32, "i64": torch.int64,
    "f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32, "f64": torch.float64,
}  # fmt: skip


def convolution(p, groups=None):
    rank = len(p["spatial"])
    call = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[rank]
    step = {"stride": p.get("stride", 1), "padding": p.get("pad", 0), "dilation": p.get("dilation", 1)}
    groups = p.get("groups", 1) if groups is None else groups
    return lambda x, w: call(x, w, groups=groups, **step)


def transposed_convolution(p):
    rank = len(p["spatial"])
    call = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[rank]
    step = {"stride": p.get("stride", 1), "padding": p.get("pad", 0), "dilation": p.get("dilation", 1)}
    more = {"output_padding": p.get("output_padding", 0), "groups": p.get("groups", 1)}
    return lambda x, w: call(x, w, **step, **more)


def block_circulant(p):
    """Every element of a block becomes the mean of its wrapped diagonal."""
    size = p["BLOCK"]
    row, column = torch.arange(size, device=DEVICE)[:, None], torch.arange(size, device=DEVICE)[None, :]
    around = (row + column) % size  # [k, j]: the column of row k on diagonal j
    diagonal = (column - row) % size  # [i, j]: the diagonal of element (i, j)

    def call(x):
        rows, columns = x.shape
        blocks = x.view(rows // size, size, columns // size, size).transpose(1, 2)
        means = blocks.gather(3, around.expand(*blocks.shape[:2], size, size)).mean(2)
        return means[:, :, diagonal].transpose(1, 2).reshape(rows, columns)

    return call


def shift_convolution(p):
    """Every channel moves by its own tap of an R x R window."""
    window, stride, dilation = p.get("R", 3), p.get("stride", 1), p.get("dilation", 1)
    reach = (window - 1) // 2 * dilation
    far = max(0, (window - 1) * dilation - reach)

    def call(x, taps):
        _, height, width, channels = x.shape
        padded = F.pad(x, (0, 0, reach, far, reach, far))
        down = torch.arange(0, height, stride, device=DEVICE)[:, None, None] + taps // window * dilation
        right = torch.arange(0, width, stride, device=DEVICE)[None, :, None] + taps % window * dilation
        return padded[:, down, right, torch.arange(channels, device=DEVICE)]

    return call


# What each operator of the suite is in PyTorch, for some parameters: a function of the tensors in ftc's order.
OPERATORS = {
    "gemv": lambda p: torch.mv,
    "gemm": lambda p: torch.mm,
    "bilinear": lambda p: lambda a, w, b: F.bilinear(a, b, w),
    "mttkrp": lambda p: lambda a, b, c: torch.einsum("nkl,km,lm->nm", a, b, c),
    "block_circulant": block_circulant,
    "shift_conv2d": shift_convolution,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
    "grouped_conv2d": convolution,
    "dilated_conv2d": convolution,
    "depthwise_conv2d": lambda p: convolution(p, groups=p["C"]),
    "conv_transpose1d": transposed_convolution,
    "conv_transpose2d": transposed_convolution,
    "conv_transpose3d": transposed_convolution,
}


def mapped(file, dtype, shape, write=False):
    """A tensor over the bytes of a file."""
    count = math.prod(shape)
    return torch.from_file(file, shared=write, size=count, dtype=DTYPES[dtype]).view(shape)


def prepare(question):
    if question["op"] not in OPERATORS:
        raise ValueError(f"the script knows no operator `{question['op']}`")
    function = OPERATORS[question["op"]](question["params"])
    inputs = [mapped(i["file"], i["dtype"], i["shape"]).clone().to(DEVICE) for i in question["inputs"]]
    result = function(*inputs)
    mapped(question["output"], question["dtype"], result.shape, write=True).copy_(result)
    call = lambda: function(*inputs)
    return (captured(call) if DEVICE == "cuda" else call), {"shape": list(result.shape)}


def captured(call):
    """Calls on a GPU as a graph of some of them."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(CALLS):
                call()
    return graph


def replayed(graph, count):
    """Replays a graph after once for warming up."""
    replays = max(1, -(-count // CALLS))
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    graph.replay()
    start.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    end.synchronize()
    return {"seconds": start.elapsed_time(end) / 1e3 / (replays * CALLS)}


def timed(call, count):
    if DEVICE == "cuda":
        return replayed(call, count)
    start = time.perf_counter()
    for _ in range(count):
        call()
    return {"seconds": (time.perf_counter() - start) / count}


def main():
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    if DEVICE == "cuda":
        if not torch.cuda.is_available():
            print(json.dumps({"error": "PyTorch finds no GPU"}), flush=True)
            return
        torch.backends.cuda.matmul.allow_tf32 = ROUNDING == "tf32"
        torch.backends.cudnn.allow_tf32 = ROUNDING == "tf32"
        torch.backends.cudnn.benchmark = True
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    call = None
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if question["do"] == "prepare":
                call = None  # frees what the last one held
                call, answer = prepare(question)
            else:
                answer = timed(call, question["calls"])
        except Exception as failure:  # whatever it is, ftc goes on with the next workload
            answer = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(answer), flush=True)


main()
