"""Writes a program that calls every function of the standard library at the small sizes of its tests.

    python3 benches/gpu_operators.py > all.ft        then: gpu_check.sh operators

The calls are those of tests/it/stdlib/*.rs, which are odd, prime and 1 on purpose. A function without a call is an error.
"""

import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
modules = {}
for path in sorted((root / "stdlib").glob("*.ft")):
    for name in re.findall(r"^pub fn (\w+)", path.read_text(), re.M):
        modules[name] = path.stem

calls = []
for path in sorted((root / "tests/it/stdlib").glob("*.rs")):
    for text in re.findall(r'"((?:[^"\\]|\\.|\\\n)*)"', path.read_text()):
        text = re.sub(r"\\\n\s*", "", text).replace("{skip}", "1")
        name, bracket, _ = text.partition("(")
        if name in modules and ":" in text and bracket and text not in calls:
            calls.append(text)
# Convolutions have theirs put together there, and what works on each element by itself has one made of its name.
WINDOW = "stride = 2, pad = 1, dilation = 2, groups = 1"
calls += [
    f"conv1d(x: f32[2, 3, 13], w: f32[5, 3, 3], {WINDOW})",
    f"conv2d(x: f32[1, 3, 13, 8], w: f32[4, 3, 3, 2], {WINDOW})",
    "conv2d(x: f32[1, 6, 11, 8], w: f32[9, 2, 3, 2], groups = 3)",
    "conv2d(x: f32[1, 4, 9, 8], w: f32[5, 4, 3, 3], pad = 1)",
    "grouped_conv2d(x: f32[1, 4, 7, 5], w: f32[6, 2, 3, 3], pad = 1, groups = 2)",
    "dilated_conv2d(x: f32[1, 3, 9, 7], w: f32[2, 3, 3, 3], dilation = 2)",
    f"conv3d(x: f32[1, 2, 7, 7, 6], w: f32[3, 2, 3, 2, 3], {WINDOW})",
    "conv_transpose1d(x: f32[2, 3, 7], w: f32[3, 5, 3], stride = 2, pad = 1, output_padding = 1)",
    "conv_transpose2d(x: f32[1, 3, 5, 6], w: f32[3, 4, 3, 2], stride = 2, pad = 1)",
    "conv_transpose3d(x: f32[1, 2, 3, 4, 3], w: f32[2, 3, 3, 3, 3], stride = 2, pad = 1)",
]
missing = sorted(set(modules) - {call.split("(")[0] for call in calls})
if unknown := [name for name in missing if modules[name] != "activation"]:
    sys.exit(f"no call of: {' '.join(unknown)}")
calls += [f"{name}(x: f32[3, 7])" for name in missing]

used = {}
for call in calls:
    name = call.split("(")[0]
    used.setdefault(modules[name], set()).add(name)
print("//! Every function of the standard library, at the sizes of its tests.\n")
for module, names in sorted(used.items()):
    print(f"use std::{module}::{{{', '.join(sorted(names))}}}")
print()
for number, call in enumerate(calls):
    print(f"export op_{number:03}_{call.split('(')[0]} = {call}")
