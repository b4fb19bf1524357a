//! The LLVM backend: what compiled kernels compute, against the op table's own meaning, edge values included.
#![cfg(feature = "llvm")]

use std::fmt::Write;

use ftc::artifact;
use ftc::codegen::{Form, llvm};
use ftc::loops::Kernel;
use ftc::runtime::{Array, Library};
use ftc::scalar::eval;
use ftc::scalar::op::{Class, TABLE};
use ftc::scalar::{Const, DType, Op, Values};

use crate::codegen::{cpu, kernel};

/// A compiled kernel, loaded; the file is gone when this is.
pub(crate) struct Compiled {
    kernel: Kernel,
    library: Library,
    _folder: tempfile::TempDir,
}

impl Compiled {
    /// Compiles the text of a kernel for a target and loads it.
    pub(crate) fn new(text: &str, target: &str) -> Self {
        let (kernel, cpu) = (kernel(text), cpu(target));
        let object = llvm::compile(&kernel, &cpu, Form::Object).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("libkernel.so");
        artifact::link_shared(&[("kernel.o".into(), object)], &path, &cpu).expect("it links");
        let library = Library::open(&path).expect("it loads");
        Self { kernel, library, _folder: folder }
    }

    /// Runs it. Outputs hold rubbish before.
    pub(crate) fn run(&self, inputs: &[Values]) -> Vec<Values> {
        let inputs: Vec<_> = inputs.iter().map(|values| Array::from_values(values).expect("memory")).collect();
        let outputs = &self.kernel.params[inputs.len()..];
        let mut outputs: Vec<_> = outputs
            .iter()
            .map(|&id| {
                let buffer = &self.kernel.buffers[id];
                let mut array = Array::zeros(buffer.dtype, &buffer.shape).expect("memory");
                array.bytes_mut().fill(0xa5);
                array
            })
            .collect();
        let refs: Vec<_> = inputs.iter().collect();
        self.library.call(&self.kernel.name, &refs, &mut outputs).expect("it runs");
        outputs.iter().map(Array::values).collect()
    }
}

/// The targets whose code this machine can run.
pub(crate) fn targets() -> Vec<&'static str> {
    let mut targets = vec!["native"];
    #[cfg(target_arch = "x86_64")]
    {
        targets.push("x86-64");
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("f16c") {
            targets.push("x86");
        }
        if std::is_x86_feature_detected!("avx512vl") && std::is_x86_feature_detected!("avx512dq") {
            targets.push("x86-64-v4");
        }
    }
    targets
}

/// Values at which operations go wrong, if they do.
fn edges(dtype: DType) -> Values {
    let values = match dtype {
        DType::Bool => return Values::ints(dtype, &[2], vec![0, 1]).expect("as many as the shape has"),
        DType::I8 | DType::U8 | DType::I32 | DType::I64 => {
            let (min, max) = dtype.int_range().expect("an integer type");
            let items = vec![0, 1, 2, 3, 7, 8, 100, max, max - 1, max / 2, min, min + 1, min / 2];
            let negative = [-1, -2, -3, -7, -8, -100];
            // The last one would be rounded twice on its way to `f32` over `f64`.
            let tie = (1 << 60) + (1 << 36) + 1;
            let more = negative.into_iter().chain([tie]).filter(|&x| min <= x && x <= max);
            let items: Vec<_> = items.into_iter().chain(more).collect();
            return Values::ints(dtype, &[items.len() as i64], items).expect("as many as the shape has");
        }
        DType::F16 => vec![65504.0, 65520.0, 2f64.powi(-24), 2f64.powi(-14), 2f64.powi(-15), 1.000_976_562_5],
        DType::BF16 => vec![3.3e38, 1e-40, 1.007_812_5],
        DType::F32 => vec![3.4e38, 1e-45, 1.2e-38, 65519.9, 65520.0, 2.98e-8, 2.99e-8, 16_777_217.0, 2_147_483_647.0],
        DType::F64 => vec![1.7e308, 5e-324, 2.2e-308, 65_519.999_999_999, 65520.0, 9.3e18, 1.0 + 2f64.powi(-11), 1e40],
    };
    let common = [0.0, 1.0, 0.5, 1.5, 2.5, 3.0, 0.1, 100.0, 127.9, 128.0, 255.5, 256.0, 1e4, f64::INFINITY];
    let positive = common.into_iter().chain(values);
    let items: Vec<_> = positive.flat_map(|x| [x, -x]).chain([f64::NAN]).collect();
    Values::floats(dtype, &[items.len() as i64], items).expect("as many as the shape has")
}

fn same(a: Const, b: Const) -> bool {
    // Constants are equal bit by bit, with one NaN. Which zero `min` and `max` give is left open.
    a == b || (a.dtype().is_float() && a.to_f64() == 0.0 && b.to_f64() == 0.0)
}

/// Whether a backend must give the very value that `eval` gives.
fn is_exact(op: Op) -> bool {
    let composed = [Op::Mod, Op::Rsqrt, Op::Sigmoid];
    let library = [Op::Pow, Op::Exp, Op::Log, Op::Sin, Op::Cos, Op::Tanh, Op::Erf];
    !composed.contains(&op) && !library.contains(&op)
}

fn accepts(op: Op, dtype: DType) -> bool {
    match op.info().class {
        Class::Arithmetic => dtype != DType::Bool,
        Class::Float => dtype.is_float(),
        Class::Compare => dtype != DType::Bool || matches!(op, Op::Eq | Op::Ne),
        Class::Logic => dtype == DType::Bool,
    }
}

fn spell(op: Op, args: &[&str]) -> String {
    let info = op.info();
    match args {
        [a] if info.is_intrinsic() => format!("{}({a})", info.name),
        [a, b] if info.is_intrinsic() => format!("{}({a}, {b})", info.name),
        [a] => format!("{}{a}", info.name),
        [a, b] => format!("{a} {} {b}", info.name),
        _ => unreachable!("operations have one operand or two"),
    }
}

/// A kernel of every operation on `dtype`, each with an output of its own, over all pairs of inputs.
fn every_operation(dtype: DType, count: i64) -> (Vec<Op>, String) {
    let ops: Vec<_> = TABLE.iter().map(|row| row.op).filter(|&op| accepts(op, dtype) && is_exact(op)).collect();
    let (mut outputs, mut body) = (Vec::new(), String::new());
    for (nth, &op) in ops.iter().enumerate() {
        let result = if op.gives_bool() { DType::Bool } else { dtype };
        outputs.push(format!("o{nth}: {result}[{count}, {count}]"));
        let args = &["a[i]", "b[j]"][..op.info().arity];
        writeln!(body, "o{nth}[i, j] = {}", spell(op, args)).expect("a string grows");
    }
    let head = format!("kernel ops(a: {dtype}[{count}], b: {dtype}[{count}]) -> ({})", outputs.join(", "));
    (ops, format!("{head} {{ for i in {count} {{ for j in {count} {{\n{body}}} }} }}"))
}

#[test]
fn operations_mean_what_the_table_says() {
    for target in targets() {
        for dtype in [DType::Bool, DType::I32, DType::I64, DType::F32, DType::F64] {
            let inputs = edges(dtype);
            let (ops, text) = every_operation(dtype, inputs.len() as i64);
            let outputs = Compiled::new(&text, target).run(&[inputs.clone(), inputs.clone()]);
            for (op, output) in ops.iter().zip(outputs) {
                check_pairs(target, *op, &inputs, &output);
            }
        }
    }
}

fn check_pairs(target: &str, op: Op, inputs: &Values, output: &Values) {
    let count = inputs.len();
    for (i, j) in (0..count).flat_map(|i| (0..count).map(move |j| (i, j))) {
        let args = [inputs.get(i).expect("inside"), inputs.get(j).expect("inside")];
        let wanted = eval::eval(op, &args[..op.info().arity]);
        let found = output.get(i * count + j).expect("inside");
        assert!(same(wanted, found), "{target}: {op:?} of {args:?}: {found:?}, not {wanted:?}");
    }
}

#[test]
fn division_by_constants_rounds_down() {
    for dtype in [DType::I32, DType::I64] {
        let inputs = edges(dtype);
        let (min, max) = dtype.int_range().expect("an integer type");
        let divisors = [1, 2, 3, 5, 7, 8, 64, 1000, max, max / 2 + 1, -1, -2, -3, -8, min, min + 1, 0];
        let (n, m) = (inputs.len(), divisors.len());
        let mut body = String::new();
        for (nth, divisor) in divisors.iter().enumerate() {
            let divisor = Const::int(dtype, *divisor);
            let suffix = if dtype == DType::I32 { "i32" } else { "" };
            writeln!(body, "q[i, {nth}] = a[i] / {divisor}{suffix}\nr[i, {nth}] = a[i] % {divisor}{suffix}")
                .expect("a string grows");
        }
        let head = format!("kernel div(a: {dtype}[{n}]) -> (q: {dtype}[{n}, {m}], r: {dtype}[{n}, {m}])");
        let text = format!("{head} {{ for i in {n} {{\n{body}}} }}");
        let outputs = Compiled::new(&text, "native").run(std::slice::from_ref(&inputs));
        for (i, nth) in (0..n).flat_map(|i| (0..m).map(move |nth| (i, nth))) {
            let args = [inputs.get(i).expect("inside"), Const::int(dtype, divisors[nth])];
            for (op, output) in [Op::Div, Op::Mod].into_iter().zip(&outputs) {
                assert_eq!(output.get(i * m + nth).expect("inside"), eval::eval(op, &args), "{op:?} of {args:?}");
            }
        }
    }
}

#[test]
fn division_of_naturals_is_the_same_division() {
    let text = "kernel div() -> (q: i64[50], r: i64[50]) { for i in 50 { q[i] = i / 6\n r[i] = (i + 3) % 6 } }";
    let outputs = Compiled::new(text, "native").run(&[]);
    for i in 0..50 {
        assert_eq!(outputs[0].get(i as usize), Some(Const::index(i / 6)));
        assert_eq!(outputs[1].get(i as usize), Some(Const::index((i + 3) % 6)));
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "the very value is expected")]
fn float_remainders_have_the_divisors_sign() {
    let inputs = edges(DType::F32);
    let n = inputs.len();
    let text = format!(
        "kernel rem(a: f32[{n}], b: f32[{n}]) -> (r: f32[{n}, {n}]) {{
           for i in {n} {{ for j in {n} {{ r[i, j] = a[i] % b[j] }} }} }}"
    );
    let output = Compiled::new(&text, "native").run(&[inputs.clone(), inputs.clone()]).remove(0);
    for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
        let [a, b] = [i, j].map(|at| inputs.get_f64(at).expect("inside") as f32);
        let wanted = a - (a / b).floor() * b;
        let found = output.get_f64(i * n + j).expect("inside") as f32;
        assert!(found == wanted || (found.is_nan() && wanted.is_nan()), "{a} % {b}: {found}, not {wanted}");
    }
}

#[test]
fn casts_convert_as_rust_does() {
    for target in targets() {
        for from in DType::ALL {
            let inputs = edges(from);
            let n = inputs.len();
            let outputs: Vec<_> = DType::ALL.iter().map(|to| format!("to_{to}: {to}[{n}]")).collect();
            let stores: Vec<_> = DType::ALL.iter().map(|to| format!("to_{to}[i] = {to}(a[i])")).collect();
            let text = format!(
                "kernel casts(a: {from}[{n}]) -> ({}) {{ for i in {n} {{\n{}\n}} }}",
                outputs.join(", "),
                stores.join("\n")
            );
            let results = Compiled::new(&text, target).run(std::slice::from_ref(&inputs));
            for (to, output) in DType::ALL.into_iter().zip(&results) {
                for i in 0..n {
                    let value = inputs.get(i).expect("inside");
                    let (found, wanted) = (output.get(i).expect("inside"), value.cast(to));
                    let signs = found.to_f64().is_sign_negative() == wanted.to_f64().is_sign_negative();
                    assert!(
                        found == wanted && (signs || wanted.to_f64().is_nan()),
                        "{target}: {value:?} as {to}: {found:?}"
                    );
                }
            }
        }
    }
}

/// Every `f16` there is, to `f32` and back, on processors with and without the instruction for it.
#[test]
fn all_half_floats_survive() {
    let bits = Array::zeros(DType::F16, &[65536]).map(|mut array| {
        for (nth, pair) in array.bytes_mut().chunks_exact_mut(2).enumerate() {
            pair.copy_from_slice(&(nth as u16).to_le_bytes());
        }
        array
    });
    let bits = bits.expect("memory");
    for target in targets() {
        let text = "kernel halves(x: f16[65536]) -> (wide: f32[65536], back: f16[65536]) {
            for i in 65536 { wide[i] = f32(x[i])\n back[i] = f16(f32(x[i])) } }";
        let compiled = Compiled::new(text, target);
        let mut out = [DType::F32, DType::F16].map(|dtype| Array::zeros(dtype, &[65536]).expect("memory"));
        compiled.library.call("halves", &[&bits], &mut out).expect("it runs");
        for nth in 0..=u16::MAX {
            let at = usize::from(nth);
            let wide = f32::from_le_bytes(out[0].bytes()[4 * at..4 * at + 4].try_into().expect("the right length"));
            let back = u16::from_le_bytes(out[1].bytes()[2 * at..2 * at + 2].try_into().expect("the right length"));
            let half = half::f16::from_bits(nth);
            if half.is_nan() {
                assert!(wide.is_nan() && half::f16::from_bits(back).is_nan(), "{target}: {nth:#x}");
            } else {
                assert_eq!((wide.to_bits(), back), (half.to_f32().to_bits(), nth), "{target}: {nth:#x}");
            }
        }
    }
}

/// How many values are rounded.
const N: usize = 1 << 14;

/// Random bit patterns of `f32` and `f64`, rounded to 16 bits.
#[test]
fn rounding_to_sixteen_bits_is_to_the_nearest() {
    use rand::{RngExt, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    // Exponents around those of f16, so that ties and subnormals occur.
    let near = |rng: &mut rand::rngs::StdRng| {
        let mantissa = 1.0 + f64::from(rng.random_range(0..1u32 << 13)) / f64::from(1 << 13);
        let tiny = [0.0, 2f64.powi(-40), -(2f64.powi(-40))][rng.random_range(0..3)];
        (mantissa + tiny) * 2f64.powi(rng.random_range(-27..18)) * if rng.random() { 1.0 } else { -1.0 }
    };
    let doubles: Vec<f64> =
        (0..N).map(|nth| if nth % 2 == 0 { near(&mut rng) } else { f64::from_bits(rng.random()) }).collect();
    let singles: Vec<f64> = doubles.iter().map(|&x| f64::from(x as f32)).collect();
    let shape = [N as i64];
    let inputs = [
        Values::floats(DType::F32, &shape, singles.clone()).expect("as many as the shape has"),
        Values::floats(DType::F64, &shape, doubles.clone()).expect("as many as the shape has"),
    ];
    let text = format!(
        "kernel narrow(s: f32[{N}], d: f64[{N}]) -> (sh: f16[{N}], sb: bf16[{N}], dh: f16[{N}], db: bf16[{N}]) {{
           for i in {N} {{ sh[i] = f16(s[i])\n sb[i] = bf16(s[i])\n dh[i] = f16(d[i])\n db[i] = bf16(d[i]) }} }}"
    );
    for target in targets() {
        let outputs = Compiled::new(&text, target).run(&inputs);
        let cases = [(&singles, DType::F16), (&singles, DType::BF16), (&doubles, DType::F16), (&doubles, DType::BF16)];
        for ((from, dtype), output) in cases.into_iter().zip(&outputs) {
            for (nth, &x) in from.iter().enumerate() {
                let found = output.get(nth).expect("inside");
                assert_eq!(found, Const::float(dtype, x), "{target}: {x:e} as {dtype}");
                assert!(x.is_nan() || is_nearest(dtype, x, found.to_f64()), "{target}: {x:e} as {dtype}: {found}");
            }
        }
    }
}

/// Whether no 16-bit float is nearer to `x` than `found`, and in a tie `found` is even.
#[expect(clippy::float_cmp, reason = "a tie is exact")]
fn is_nearest(dtype: DType, x: f64, found: f64) -> bool {
    let is_half = dtype == DType::F16;
    let to_bits = |x| if is_half { half::f16::from_f64(x).to_bits() } else { half::bf16::from_f64(x).to_bits() };
    let value = |bits| if is_half { half::f16::from_bits(bits).to_f64() } else { half::bf16::from_bits(bits).to_f64() };
    let beyond = 2f64.powi(if is_half { 16 } else { 128 });
    // Infinity stands where the next number would be.
    let place = |bits: u16| if value(bits).is_infinite() { beyond } else { value(bits) };
    let bits = to_bits(found.abs());
    let distance = |bits: u16| (place(bits) - x.abs()).abs();
    let own = distance(bits);
    let better = |other: u16| distance(other) < own || (distance(other) == own && bits % 2 == 1);
    let below = bits > 0 && better(bits - 1);
    let above = found.is_finite() && better(bits + 1);
    found.is_sign_negative() == x.is_sign_negative() && !below && !above
}
