//! The LLVM backend: unrolled and vector loops compute what the interpreter computes, for every element type; and the
//! micro-kernels of matrix products are the instructions that they are meant to be.
#![cfg(feature = "llvm")]

use std::fmt::Write;

use ftc::codegen::{Form, llvm};
use ftc::loops::{interp, verify};
use ftc::scalar::op::{Class, TABLE};
use ftc::scalar::{DType, Values};

use crate::codegen::{cpu, kernel};
use crate::codegen_values::{Compiled, targets};

/// Kernels over an element type `{T}` whose compute type is `{C}`; `{+}` is an operation that all types have.
const CASES: &[(&str, &str)] = &[
    (
        "offsets",
        "kernel k(x: {T}[6, 8], z: {T}[100], n: i64[16]) -> (a: {T}[48], b: {T}[48], c: {T}[16, 9], d: {T}[20, 16]) {
          for i in 3 {
            vector for v in 16 { a[i * 16 + v] = {T}({C}(x[(i * 16 + v) / 8, (i * 16 + v) % 8]) {+} {C}(z[i])) }
            vector for w in 16 { b[47 - i * 16 - w] = {T}({C}(z[2 * w + i]) {+} {C}(z[15 - w])) }
          }
          vector for u in 16 {
            c[u, 0] = z[3 * u + 1]
            c[u, 1] = z[5 * u]
            c[u, 2] = z[u / 2]
            c[u, 3] = z[20 * (u / 4) + u % 4]
            c[u, 4] = z[max(0, min(n[u] * 7, 99))]
            c[u, 5] = z[7]
            c[u, 6] = {T}(u)
            c[u, 7] = z[(u * u) % 50]
            c[u, 8] = z[max(0, min(n[3], 90)) + u / 3]
          }
          unroll for q in 20 { vector for p in 16 { d[q, p] = z[p * 5 + q] } }
        }",
    ),
    (
        "lengths",
        "kernel k(x: {T}[64]) -> (a: {T}[2], b: {T}[4], c: {T}[32], d: {T}[64], e: {T}[3], f: {T}[1], g: {T}[60]) {
          vector for i in 2 { a[i] = {T}({C}(x[i]) {+} {C}(x[i + 1])) }
          vector for j in 4 { b[j] = {T}({C}(x[j]) {+} {C}(x[j + 1])) }
          vector for k in 32 { c[k] = {T}({C}(x[k]) {+} {C}(x[k + 1])) }
          vector for l in 64 { d[l] = {T}({C}(x[l]) {+} {C}(x[63 - l])) }
          vector for m in 3 { e[m] = {T}({C}(x[m]) {+} {C}(x[m + 1])) }
          vector for o in 1 { f[o] = {T}({C}(x[o]) {+} {C}(x[o + 1])) }
          unroll for p in 5 { unroll for q in 3 { vector for r in 4 { g[(p * 3 + q) * 4 + r] = x[q * 16 + p + r] } } }
        }",
    ),
    (
        "masks",
        "kernel k(x: {T}[40], w: {T}[3], m: bool[64]) -> (a: {T}[37], b: {T}[27], c: {T}[64], d: {T}[64], e: {T}[64]) {
          for i in 4 {
            vector for v in 16 {
              if i * 16 + v < 37 {
                a[i * 16 + v] = {T}({C}(x[i * 16 + v]) {+} {C}(w[i]))
              } else {
                b[i * 16 + v - 37] = x[i * 16 + v - 37]
              }
              c[i * 16 + v] = if i * 16 + v >= 1 && i * 16 + v < 41 { x[i * 16 + v - 1] } else { {T}(0) }
              if m[i * 16 + v] {
                d[i * 16 + v] = {T}(1)
                if v % 3 == 1 { d[i * 16 + v] = w[v % 3] }
              } else {
                d[i * 16 + v] = if i < 2 { x[i * 16 + v] } else { x[v * 2] }
              }
            }
            if i != 2 {
              vector for u in 16 { e[i * 16 + u] = if i < 2 { x[i * 16 + u] } else { {T}(u) } }
            } else {
              vector for t in 16 { if t < 14 { e[i * 16 + t] = x[t] } else { e[i * 16 + t] = w[t - 14] } }
            }
          }
        }",
    ),
    (
        // What is beside the one lane that is stored stays.
        "alone",
        "kernel k(n: i32[64]) -> (a: {T}[64], b: {T}[64]) {
          for i in 64 {
            a[i] = {T}(i)
            b[i] = {T}(i)
          }
          vector for v in 16 { if v < 1 { a[v + 48] = {T}({C}(n[v])) } }
          vector for w in 32 { if w >= 31 { b[w] = {T}({C}(n[w])) } }
        }",
    ),
    (
        // Once the loop of `j` is written out, the later lanes of its second iteration are known to be outside.
        "rims",
        "kernel k(x: {T}[17, 19], o: {T}[32]) -> (a: {T}[20, 32], b: {T}[20, 64]) {
          for h in 20 {
            for j in 2 {
              vector for v in 16 {
                a[h, j * 16 + v] = if h >= 1 && h < 18 && j * 16 + v >= 1 && j * 16 + v < 20 {
                  x[h - 1, j * 16 + v - 1]
                } else { o[j * 16 + v] }
              }
            }
            vector for w in 64 {
              b[h, w] = if h < 17 && w >= 45 { {T}({C}(x[h, w - 45]) {+} {C}(o[w / 2])) } else { o[w / 2] }
            }
          }
        }",
    ),
    (
        "temporaries",
        "kernel k(x: {T}[12, 16], w: {T}[12]) -> (a: {T}[16], b: {T}[4, 16], c: {T}[16]) {
          vector for v in 16 {
            alloc acc: {C}[2] stack {
              acc[0] = {C}(0)
              acc[1] = {C}(1)
              for k in 12 {
                if k % 2 == 0 { acc[0] {+}= {C}(x[k, v]) } else { if v < 9 { acc[1] {+}= {C}(x[k, v]) } }
              }
              a[v] = {T}(acc[0] {+} acc[1])
            }
          }
          alloc tile: {C}[4, 16] register {
            unroll for i in 4 { vector for u in 16 { tile[i, u] = {C}(0) } }
            for l in 3 {
              unroll for j in 4 { vector for t in 16 { if t != j * 4 { tile[j, t] {+}= {C}(x[l * 4 + j, t]) } } }
            }
            unroll for m in 4 { vector for s in 16 { b[m, s] = {T}(tile[m, s]) } }
          }
          alloc panel: {C}[16] global {
            vector for r in 16 { panel[r] = {C}(x[3, r]) }
            vector for q in 16 { c[q] = {T}(panel[15 - q]) }
          }
        }",
    ),
    (
        "transposed",
        "kernel k(x: {T}[14, 16], y: {T}[16, 14], b: {T}[16]) -> (a: {T}[16, 14], c: {T}[8, 2, 8], d: {T}[14, 16],
                  e: {T}[4, 9], f: {T}[3, 16, 16]) {
          unroll for q in 14 { vector for v in 16 { a[v, q] = {T}({C}(x[q, v]) {+} {C}(b[v])) } }
          unroll for i in 8 { unroll for j in 2 { vector for u in 8 { c[u, j, i] = x[i, j * 8 + u] } } }
          unroll for p in 14 { vector for t in 16 { d[p, t] = y[t, p] } }
          unroll for l in 9 { vector for s in 4 { e[s, l] = x[l, s] } }
          for g in 3 { unroll for m in 16 { vector for r in 16 { f[g, r, m] = {T}({C}(x[g, m]) {+} {C}(x[m % 14, r])) } } }
        }",
    ),
];

/// A tile for each thread, with a temporary in every copy.
const THREADS: &str = "kernel k(x: {T}[6, 4, 16]) -> (y: {T}[6, 4, 16], z: {T}[6, 16, 4]) {
  parallel for t in 6 {
    unroll for q in 4 {
      alloc tmp: {C}[16] stack {
        vector for v in 16 { tmp[v] = {C}(x[t, q, v]) }
        vector for u in 16 { y[t, q, 15 - u] = {T}(tmp[u]) }
      }
    }
    unroll for r in 4 { vector for w in 16 { z[t, w, r] = x[t, r, w] } }
  }
}";

/// Reductions over an element type that is a compute type.
const REDUCTIONS: &str =
    "kernel k(x: {T}[4, 16], n: i64[16]) -> (a: {T}[4], b: {T}[4], c: {T}[5], d: {T}[16], e: {T}[2]) {
  for i in 4 {
    a[i] = {T}(0)
    b[i] = {T}(1)
    vector for v in 16 { a[i] {+}= x[i, v] }
    vector for u in 16 { if u >= 3 && x[i, u] != x[i, 5] { b[i] {+}= x[i, u] } }
  }
  for j in 5 { c[j] = {T}(0) }
  for l in 16 { d[l] = {T}(1) }
  for h in 2 { e[h] = {T}(1) }
  vector for w in 16 {
    c[w / 4] {+}= x[1, w]
    if w % 2 == 1 { c[max(0, min(n[w], 4))] {+}= x[2, w] }
    d[w] {+}= x[3, w]
    if n[w] > 1 { d[max(0, min(n[w], 15))] {+}= x[0, 0] }
    e[0] {+}= x[0, 3]
    if n[w] > 100 { e[1] {+}= x[0, w] }
  }
}";

const EXTREMES: &str = "kernel k(x: {T}[4, 32]) -> (a: {T}[4], b: {T}[4], c: {T}[4]) {
  for i in 4 {
    a[i] = {T}(3)
    b[i] = {T}(3)
    c[i] = {T}(1)
    vector for v in 32 {
      a[i] max= x[i, v]
      if v > i { b[i] min= x[i, v] }
      if v < 5 { c[i] *= x[i, v] }
    }
  }
}";

fn written(text: &str, dtype: DType) -> String {
    let operation = if dtype == DType::Bool { "||" } else { "+" };
    text.replace("{T}", dtype.name()).replace("{C}", dtype.compute().name()).replace("{+}", operation)
}

/// Small whole numbers, so that sums are exact in every type.
fn inputs(kernel: &ftc::loops::Kernel) -> Vec<Values> {
    let buffers = kernel.params.iter().map(|&id| &kernel.buffers[id]);
    let read = buffers.filter(|buffer| matches!(buffer.kind, ftc::loops::BufferKind::Input { .. }));
    read.enumerate()
        .map(|(nth, buffer)| {
            let low = if buffer.dtype == DType::U8 { 0 } else { -3 };
            let item = |at: i64| (at * 7 + at / 5 + nth as i64) % 11 + low;
            let items: Vec<_> = (0..buffer.len()).map(item).collect();
            let result = match buffer.dtype {
                DType::Bool => Values::ints(DType::Bool, &buffer.shape, items.iter().map(|x| x & 1).collect()),
                dtype if dtype.is_int() => Values::ints(dtype, &buffer.shape, items),
                dtype => Values::floats(dtype, &buffer.shape, items.iter().map(|&x| x as f64).collect()),
            };
            result.expect("as many as the shape has")
        })
        .collect()
}

fn check(name: &str, text: &str, dtype: DType, target: &str) {
    let parsed = kernel(text);
    verify::verify(&parsed).unwrap_or_else(|errors| panic!("{name} of {dtype}: {errors:?}"));
    let inputs = inputs(&parsed);
    let wanted = interp::run(&parsed, &inputs).unwrap_or_else(|error| panic!("{name} of {dtype}: {error}"));
    let found = Compiled::new(text, target).run(&inputs);
    for (nth, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        for at in 0..wanted.len() {
            let (a, b) = (found.get_f64(at), wanted.get_f64(at));
            assert!(a == b, "{name} of {dtype} for {target}: output {nth}, element {at}: {a:?}, not {b:?}");
        }
    }
}

#[test]
fn every_type_in_lanes_is_what_the_interpreter_says() {
    for dtype in DType::ALL {
        for (name, text) in CASES {
            check(name, &written(text, dtype), dtype, "native");
        }
        check("threads", &written(THREADS, dtype), dtype, "native");
    }
}

#[test]
fn lanes_are_right_for_every_processor() {
    for target in targets() {
        for dtype in [DType::F32, DType::U8, DType::F16, DType::Bool] {
            for (name, text) in CASES {
                check(name, &written(text, dtype), dtype, target);
            }
        }
    }
}

#[test]
fn lanes_are_reduced() {
    for target in targets() {
        for dtype in [DType::F32, DType::F64, DType::I32, DType::I64] {
            check("reductions", &written(REDUCTIONS, dtype), dtype, target);
            check("extremes", &written(EXTREMES, dtype), dtype, target);
        }
        check("reductions", &written(REDUCTIONS, DType::Bool), DType::Bool, target);
        check("reductions", &written(REDUCTIONS, DType::Bool).replace("||", "&&"), DType::Bool, target);
    }
}

#[test]
fn every_operation_works_on_lanes() {
    for dtype in [DType::I32, DType::I64, DType::F32, DType::F64] {
        let (mut outputs, mut body) = (Vec::new(), String::new());
        for (nth, row) in TABLE.iter().enumerate() {
            let fits = match row.class {
                Class::Arithmetic | Class::Compare => true,
                Class::Float => dtype.is_float(),
                Class::Logic => false,
            };
            if fits {
                let args = ["abs(x[v]) + s[0]", "y[v]"];
                let call = match (row.op.info().is_intrinsic(), row.arity) {
                    (_, 1) => format!("{}({})", row.name, args[0]),
                    (true, _) => format!("{}({}, {})", row.name, args[0], args[1]),
                    (false, _) => format!("({}) {} {}", args[0], row.name, args[1]),
                };
                let result = if row.op.gives_bool() { DType::Bool } else { dtype };
                outputs.push(format!("o{nth}: {result}[LANES]"));
                writeln!(body, "o{nth}[v] = {call}").expect("a string grows");
            }
        }
        let head = format!("kernel k(x: {dtype}[LANES], y: {dtype}[LANES], s: {dtype}[1]) -> ({})", outputs.join(", "));
        let text = format!("{head} {{ vector for v in LANES {{\n{body}}} }}");
        for lanes in [2, 8, 32] {
            close(&text.replace("LANES", &lanes.to_string()), dtype);
        }
    }
}

/// As `check`, where functions of the mathematics library are rounded.
fn close(text: &str, dtype: DType) {
    let parsed = kernel(text);
    let inputs = inputs(&parsed);
    let wanted = interp::run(&parsed, &inputs).expect("the kernel runs");
    let slack = if dtype == DType::F64 { 1e-12 } else { 1e-5 };
    for (found, wanted) in Compiled::new(text, "native").run(&inputs).iter().zip(&wanted) {
        for at in 0..wanted.len() {
            let [a, b] = [found, wanted].map(|values| values.get_f64(at).expect("inside"));
            let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= slack * a.abs().max(b.abs()).max(1.0);
            assert!(same, "{dtype}: element {at}: {a}, not {b}\n{text}");
        }
    }
}

/// The text of a matrix product's micro-kernel: rows, vectors, and lanes of each.
fn micro_kernel(rows: usize, vectors: usize, lanes: usize) -> String {
    let width = vectors * lanes;
    let tile = |nth: usize, stmt: &str| {
        let stmt = stmt.replace("AT", &format!("i{nth}, j{nth} * {lanes} + v{nth}"));
        let stmt = stmt.replace("ROW", &format!("i{nth}")).replace("COLUMN", &format!("j{nth}, v{nth}"));
        format!(
            "unroll for i{nth} in {rows} {{ unroll for j{nth} in {vectors} {{ vector for v{nth} in {lanes} {{ {stmt} }} }} }}"
        )
    };
    format!(
        "kernel micro(A: f32[256, {rows}], B: f32[256, {vectors}, {lanes}]) -> (C: f32[{rows}, {width}]) {{
           alloc acc: f32[{rows}, {width}] register {{
             {}
             for k in 256 {{ {} }}
             {}
           }}
         }}",
        tile(0, "acc[AT] = 0.0"),
        tile(1, "acc[AT] += A[k, ROW] * B[k, COLUMN]"),
        tile(2, "C[AT] = acc[AT]"),
    )
}

/// Schedules do not change a bit of a result, as long as sums keep their order.
#[test]
fn schedules_do_not_change_bits() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut random = |shape: &[i64]| {
        let items = (0..shape.iter().product()).map(|_| f64::from(rng.random_range(-1.0f32..1.0))).collect();
        Values::floats(DType::F32, shape, items).expect("as many as the shape has")
    };
    let inputs = [random(&[256, 6]), random(&[256, 2, 8])];
    let text = micro_kernel(6, 2, 8);
    let plain = text.replace("unroll for", "for").replace("vector for", "for");
    for target in targets() {
        let [a, b] = [&text, &plain].map(|text| Compiled::new(text, target).run(&inputs).remove(0));
        assert!(a.to_bytes() == b.to_bytes(), "{target}");
    }
}

/// The instructions of the only loop, by name.
fn inner_loop(asm: &str) -> Vec<&str> {
    let lines: Vec<_> = asm.lines().map(str::trim).collect();
    let is_label = |line: &str| line.starts_with(".LBB") && line.ends_with(':');
    let jumps: Vec<_> = (0..lines.len())
        .filter_map(|at| {
            let target = lines[at].strip_prefix('j')?.split_whitespace().nth(1)?;
            let start = lines[..at].iter().position(|line| is_label(line) && line.trim_end_matches(':') == target)?;
            Some((start, at))
        })
        .collect();
    let [(start, end)] = jumps[..] else { panic!("one loop is expected:\n{asm}") };
    lines[start + 1..=end].iter().filter(|line| !line.starts_with(['#', '.'])).copied().collect()
}

#[test]
fn columns_are_written_as_rows() {
    let text = "kernel k(x: f32[14, 16]) -> (y: f32[16, 14]) {
      unroll for q in 14 { vector for v in 16 { y[v, q] = x[q, v] } }
    }";
    let asm = llvm::compile(&kernel(text), &cpu("x86-64-v4"), Form::Asm).expect("it compiles");
    let asm = String::from_utf8(asm).expect("text");
    let stores = asm.lines().filter(|line| line.contains("vmov") && line.contains("%zmm") && line.contains("{%k"));
    assert_eq!(stores.count(), 16, "{asm}");
    assert!(!asm.contains("vscatter") && !asm.contains("vextractps"), "{asm}");
}

fn check_micro_kernel((rows, vectors, lanes): (usize, usize, usize), target: &str, register: &str) {
    let text = micro_kernel(rows, vectors, lanes);
    let asm = llvm::compile(&kernel(&text), &cpu(target), Form::Asm).expect("it compiles");
    let asm = String::from_utf8(asm).expect("text");
    let body = inner_loop(&asm);
    let count = |name: &str| body.iter().filter(|line| line.starts_with(name) && line.contains(register)).count();
    let (fused, broadcast, loads) = (count("vfmadd"), count("vbroadcastss"), count("vmovups") + count("vmovaps"));
    // LLVM may write the loop out several times.
    let copies = fused / (rows * vectors);
    assert!(copies > 0 && fused == copies * rows * vectors, "{target}: {fused} products\n{asm}");
    assert!(broadcast <= copies * rows && loads <= copies * vectors, "{target}: {broadcast}, {loads}\n{asm}");
    for line in &body {
        let known = ["vfmadd", "vbroadcastss", "vmov", "add", "sub", "cmp", "inc", "dec", "lea", "jne", "jb", "jmp"];
        assert!(known.iter().any(|name| line.starts_with(name)), "{target}: {line}\n{asm}");
        let stores = line.starts_with("vmov") && line.ends_with(')');
        assert!(!stores && !line.contains("rsp"), "{target}: {line}\n{asm}");
    }
}

#[test]
fn micro_kernels_are_nothing_but_products() {
    for target in ["x86-64-v4", "znver4", "sapphirerapids"] {
        check_micro_kernel((14, 2, 16), target, "%zmm");
    }
    for target in ["x86-64-v3", "znver3"] {
        check_micro_kernel((6, 2, 8), target, "%ymm");
    }
}
