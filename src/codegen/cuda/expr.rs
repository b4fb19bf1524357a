//! Expressions as C.
//!
//! Indices are computed in 32 bits where their ranges show that every step fits, else in 64. Data of type `i32` and
//! `i64` wraps; where ranges do not rule that out, a function of the prelude does it.

use std::fmt::Write;

use crate::expr::range::Interval;
use crate::expr::{Expr, ExprId, TensorId};
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op, ReduceOp};

use super::flat::is_main;
use super::write::Writer;

/// How tightly C binds: what is primary binds tightest.
const PRIMARY: u8 = 16;
const UNARY: u8 = 15;
const CHOICE: u8 = 2;

/// An expression of C.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) c: String,
    /// How tightly its outermost operator binds.
    binds: u8,
    /// For integers of type `i64`: whether it is of C's type `int` all the same.
    is_int: bool,
}

impl Text {
    fn new(text: impl Into<String>, binds: u8) -> Self {
        Self { c: text.into(), binds, is_int: false }
    }

    fn primary(text: impl Into<String>) -> Self {
        Self::new(text, PRIMARY)
    }

    fn narrow(self, is_int: bool) -> Self {
        Self { is_int, ..self }
    }

    /// As an operand of something that binds so tightly.
    fn at(&self, binds: u8) -> String {
        if self.binds >= binds { self.c.clone() } else { format!("({})", self.c) }
    }

    /// As a 64-bit integer.
    fn long(self) -> Self {
        if !self.is_int {
            return self;
        }
        match self.c.parse::<i64>() {
            Ok(number) => Self::new(format!("{number}ll"), if number < 0 { UNARY } else { PRIMARY }),
            Err(_) => Self::new(format!("(long long){}", self.at(UNARY)), UNARY),
        }
    }
}

/// The C type of an element in memory.
pub(super) const fn storage(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool | DType::U8 => "uint8_t",
        DType::I8 => "int8_t",
        DType::I32 => "int",
        DType::I64 => "long long",
        DType::F16 => "__half",
        DType::BF16 => "__nv_bfloat16",
        DType::F32 => "float",
        DType::F64 => "double",
    }
}

/// The C type of a temporary's elements inside of a launch.
pub(super) const fn local(dtype: DType) -> &'static str {
    if matches!(dtype, DType::Bool) { "bool" } else { storage(dtype) }
}

/// A constant.
pub(super) fn constant(value: Const) -> String {
    literal(value).c
}

fn literal(value: Const) -> Text {
    let dtype = value.dtype();
    if let Some(truth) = value.as_bool() {
        return Text::primary(truth.to_string());
    }
    if let Some(number) = value.as_int() {
        let is_int = i32::try_from(number).is_ok();
        let binds = if number < 0 { UNARY } else { PRIMARY };
        return match number {
            i64::MIN => Text::primary("(-9223372036854775807ll - 1)"),
            -2_147_483_648 => Text::primary("(-2147483647 - 1)").narrow(dtype == DType::I64),
            _ if is_int => Text::new(number.to_string(), binds).narrow(dtype == DType::I64),
            _ => Text::new(format!("{number}ll"), binds),
        };
    }
    let number = value.to_f64();
    match dtype {
        DType::F16 => Text::primary(format!("__float2half_rn({})", single(number))),
        DType::BF16 => Text::primary(format!("__float2bfloat16_rn({})", single(number))),
        DType::F64 if number.is_nan() => Text::primary("__longlong_as_double(0x7ff8000000000000ll)"),
        DType::F64 if number.is_infinite() => {
            Text::primary(format!("__longlong_as_double(0x{:x}ull)", number.to_bits()))
        }
        DType::F64 => Text::new(format!("{number:?}"), if number.is_sign_negative() { UNARY } else { PRIMARY }),
        _ => Text::new(single(number), if number.is_sign_negative() { UNARY } else { PRIMARY }),
    }
}

/// A constant of type `float`.
fn single(number: f64) -> String {
    let number = number as f32;
    if number.is_nan() {
        "__int_as_float(0x7fc00000)".to_owned()
    } else if number.is_infinite() {
        format!("__uint_as_float(0x{:08x}u)", number.to_bits())
    } else {
        format!("{number:?}f")
    }
}

/// A C operator and how tightly it binds.
const fn operator(op: Op) -> Option<(&'static str, u8)> {
    Some(match op {
        Op::Mul => ("*", 13),
        Op::Div => ("/", 13),
        Op::Mod => ("%", 13),
        Op::Add => ("+", 12),
        Op::Sub => ("-", 12),
        Op::Lt => ("<", 9),
        Op::Le => ("<=", 9),
        Op::Gt => (">", 9),
        Op::Ge => (">=", 9),
        Op::Eq => ("==", 8),
        Op::Ne => ("!=", 8),
        Op::And => ("&&", 4),
        Op::Or => ("||", 3),
        _ => return None,
    })
}

/// The function for an operation on floats: the name of its `double` form, which that of `float` extends by an `f`; or
/// one of the prelude, which has both.
fn function(op: Op, dtype: DType) -> String {
    let name = match op {
        Op::Mod => return "ftc_fmod".to_owned(),
        Op::Min => return "ftc_min".to_owned(),
        Op::Max => return "ftc_max".to_owned(),
        Op::Sigmoid => return "ftc_sigmoid".to_owned(),
        Op::Abs => "fabs",
        Op::Round => "rint",
        // All others are called in C as in the language.
        _ => op.info().name,
    };
    if dtype == DType::F64 { name.to_owned() } else { format!("{name}f") }
}

impl Writer<'_> {
    /// An expression, to stand where nothing binds.
    pub(super) fn text(&mut self, id: ExprId) -> String {
        self.expr(id).c
    }

    fn expr(&mut self, id: ExprId) -> Text {
        if let Some(hoisted) = self.hoisted(id) {
            return Text::primary(hoisted);
        }
        match self.pool.get(id).clone() {
            Expr::Const(value) => literal(value),
            Expr::Axis(axis) => {
                let is_int = self.fits_int(id);
                Text::primary(self.names.axis(axis)).narrow(is_int)
            }
            Expr::Unary(op, a) => self.unary(op, a),
            Expr::Binary(op, a, b) => self.binary(id, op, a, b),
            Expr::Cast(dtype, value) => self.cast(dtype, value),
            Expr::Select { cond, then, otherwise } => {
                let cond = self.expr(cond);
                let (then, otherwise) = (self.expr(then), self.expr(otherwise));
                let is_int = then.is_int && otherwise.is_int;
                let text = format!("{} ? {} : {}", cond.at(CHOICE + 1), then.at(CHOICE + 1), otherwise.at(CHOICE));
                Text::new(text, CHOICE).narrow(is_int)
            }
            Expr::Load { tensor, at } => self.load(tensor, &at),
        }
    }

    fn load(&mut self, tensor: TensorId, at: &[ExprId]) -> Text {
        let place = self.place(tensor, at);
        let buffer = &self.kernel.buffers[tensor];
        if buffer.dtype == DType::Bool && is_main(&buffer.kind) {
            return Text::new(format!("{place} != 0"), 8);
        }
        Text::primary(place)
    }

    /// An element as C names it.
    pub(super) fn place(&mut self, tensor: TensorId, at: &[ExprId]) -> String {
        let mut text = self.names.buffer(tensor).to_owned();
        let mut subscripts: Vec<_> = at.iter().map(|&subscript| self.text(subscript)).collect();
        if let [.., row, place] = subscripts.as_mut_slice()
            && self.in_lines.contains(&tensor)
        {
            let vector = 16 / self.kernel.buffers[tensor].dtype.bytes();
            *place = format!("ftc_line<{vector}>({row}, {place})");
        }
        for subscript in subscripts {
            let _ = write!(text, "[{subscript}]");
        }
        text
    }

    /// Whether all values of an expression fit C's type `int`.
    fn fits_int(&mut self, id: ExprId) -> bool {
        self.interval(id).inside(Interval::of(DType::I32))
    }

    fn unary(&mut self, op: Op, a: ExprId) -> Text {
        let dtype = self.pool.dtype(a);
        let value = self.expr(a);
        match op {
            Op::Not => Text::new(format!("!{}", value.at(UNARY)), UNARY),
            Op::Neg if dtype.is_float() => Text::new(format!("-{}", value.at(UNARY + 1)), UNARY),
            Op::Neg => call("ftc_sub", &[Text::primary("0").narrow(dtype == DType::I64), value], dtype),
            Op::Abs if !dtype.is_float() => call("ftc_abs", &[value], dtype),
            _ => Text::primary(format!("{}({})", function(op, dtype), value.c)),
        }
    }

    fn binary(&mut self, id: ExprId, op: Op, a: ExprId, b: ExprId) -> Text {
        let dtype = self.pool.dtype(a);
        let (mut x, mut y) = (self.expr(a), self.expr(b));
        if dtype.is_float() {
            return match operator(op) {
                Some((sign, binds)) if op != Op::Mod => infix(&x, sign, &y, binds),
                _ => Text::primary(format!("{}({}, {})", function(op, dtype), x.c, y.c)),
            };
        }
        let is_compare = op.info().class == Class::Compare;
        let is_int = dtype == DType::I64 && x.is_int && y.is_int && (is_compare || self.fits_int(id));
        if dtype == DType::I64 && !is_int {
            (x, y) = (x.long(), y.long());
        }
        let sign = operator(op)
            .filter(|_| is_int && !is_compare && !matches!(op, Op::Div | Op::Mod) || self.is_plain(op, a, b));
        match (sign, op) {
            (Some(("+", binds)), _) if y.c.starts_with('-') && y.binds == UNARY => {
                let positive = Text::primary(&y.c[1..]);
                infix(&x, "-", &positive, binds).narrow(is_int)
            }
            (Some((sign, binds)), _) => infix(&x, sign, &y, binds).narrow(is_int && !is_compare),
            (None, Op::Min | Op::Max) => {
                Text::primary(format!("{}({}, {})", if op == Op::Min { "min" } else { "max" }, x.c, y.c)).narrow(is_int)
            }
            (None, _) => {
                let name = match op {
                    Op::Add => "ftc_add",
                    Op::Sub => "ftc_sub",
                    Op::Mul => "ftc_mul",
                    Op::Div => "ftc_div",
                    _ => "ftc_mod",
                };
                Text::primary(format!("{name}({}, {})", x.c, y.c)).narrow(is_int)
            }
        }
    }

    /// Whether C's own operator does it: it does not wrap, and rounds a quotient that is not negative.
    fn is_plain(&mut self, op: Op, a: ExprId, b: ExprId) -> bool {
        let dtype = self.pool.dtype(a);
        let (x, y) = (self.interval(a), self.interval(b));
        match op {
            Op::Add | Op::Sub | Op::Mul => {
                let (lo, hi) = corners(op, x, y);
                let whole = Interval::of(dtype);
                i128::from(whole.lo) <= lo && hi <= i128::from(whole.hi)
            }
            Op::Div | Op::Mod => x.lo >= 0 && y.lo > 0,
            _ => operator(op).is_some(),
        }
    }

    fn cast(&mut self, to: DType, value: ExprId) -> Text {
        let from = self.pool.dtype(value);
        let fits = to == DType::I32 && from == DType::I64 && self.fits_int(value);
        let text = self.expr(value);
        match (from, to) {
            (DType::F16, _) => return convert(DType::F32, to, Text::primary(format!("__half2float({})", text.c))),
            (DType::BF16, _) => {
                return convert(DType::F32, to, Text::primary(format!("__bfloat162float({})", text.c)));
            }
            (DType::I64, DType::I32) if text.is_int && fits => return text.narrow(false),
            (DType::I8 | DType::U8 | DType::I32, DType::I64) => return text.narrow(true),
            _ => {}
        }
        convert(from, to, text)
    }

    /// `op(element, value)`, as an assignment.
    pub(super) fn joined(&mut self, op: ReduceOp, place: &str, dtype: DType, value: ExprId) -> String {
        let value = self.expr(value);
        let combine = op.combine();
        match operator(combine) {
            Some((sign @ ("&&" | "||"), binds)) => format!("{place} = {place} {sign} {};", value.at(binds + 1)),
            Some((sign, _)) if dtype.is_float() => format!("{place} {sign}= {};", value.c),
            _ => {
                let value = if dtype == DType::I64 { value.long() } else { value };
                let name = match (combine, dtype.is_float()) {
                    (Op::Add, _) => "ftc_add",
                    (Op::Mul, _) => "ftc_mul",
                    (Op::Min, true) => "ftc_min",
                    (Op::Max, true) => "ftc_max",
                    (Op::Min, false) => "min",
                    _ => "max",
                };
                format!("{place} = {name}({place}, {});", value.c)
            }
        }
    }
}

fn infix(x: &Text, sign: &str, y: &Text, binds: u8) -> Text {
    // Both && and || may mix with others without parentheses, but compilers warn.
    let inner = if binds <= 4 { binds + 1 } else { binds };
    Text::new(format!("{} {sign} {}", x.at(inner.min(binds)), y.at(binds + 1)), binds)
}

/// A call whose integers of type `i64` are 64 bits wide.
fn call(name: &str, args: &[Text], dtype: DType) -> Text {
    let wide = |arg: &Text| if dtype == DType::I64 { arg.clone().long() } else { arg.clone() };
    let args: Vec<_> = args.iter().map(|arg| wide(arg).c).collect();
    Text::primary(format!("{name}({})", args.join(", ")))
}

fn corners(op: Op, x: Interval, y: Interval) -> (i128, i128) {
    let values = [(x.lo, y.lo), (x.lo, y.hi), (x.hi, y.lo), (x.hi, y.hi)].map(|(a, b)| {
        let (a, b) = (i128::from(a), i128::from(b));
        match op {
            Op::Add => a + b,
            Op::Sub => a - b,
            _ => a * b,
        }
    });
    (values.into_iter().min().unwrap_or(0), values.into_iter().max().unwrap_or(0))
}

/// A conversion between types that C calculates with, or to any.
fn convert(from: DType, to: DType, value: Text) -> Text {
    if from == to {
        return value;
    }
    let cast = |name: &str, value: &Text| Text::new(format!("({name}){}", value.at(UNARY)), UNARY);
    match to {
        DType::Bool => Text::new(format!("{} != 0", value.at(9)), 8),
        DType::F16 if from == DType::F32 => Text::primary(format!("__float2half_rn({})", value.c)),
        DType::F16 if from == DType::F64 => Text::primary(format!("__double2half({})", value.c)),
        DType::F16 => Text::primary(format!("__double2half({})", cast("double", &value).c)),
        DType::BF16 if from == DType::F32 => Text::primary(format!("__float2bfloat16_rn({})", value.c)),
        DType::BF16 if from == DType::F64 => Text::primary(format!("__double2bfloat16({})", value.c)),
        DType::BF16 => Text::primary(format!("__double2bfloat16({})", cast("double", &value).c)),
        DType::F32 | DType::F64 => cast(storage(to), &value),
        _ if !from.is_float() => cast(storage(to), &value),
        _ => truncated(to, &value),
    }
}

/// A float as an integer.
fn truncated(to: DType, value: &Text) -> Text {
    let (least, most) = to.int_range().unwrap_or((0, 1));
    let (low, high) = (least as f64, most as f64);
    let [least, most] = [least, most].map(|limit| literal(Const::index(limit)).long().c);
    let call = format!("ftc_truncate({}, {low:?}, {high:?}, {least}, {most})", value.c);
    if to == DType::I64 { Text::primary(call) } else { Text::new(format!("({}){call}", storage(to)), UNARY) }
}
