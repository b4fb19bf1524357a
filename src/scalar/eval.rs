//! The meaning of each operation on constants: the one place that the folder, the prover and the interpreter ask.
//!
//! Floats are computed in `f64` and rounded to the operands' type, so a single operation is as exact as the type
//! allows; the interpreter evaluates `f32` programs with [`float`] in `f64` throughout.

use super::{Const, DType, Op};

/// The value of `op` on `args`, all of one compute type.
pub fn eval(op: Op, args: &[Const]) -> Const {
    let dtype = args[0].dtype();
    let second = args.get(1).copied();
    if dtype == DType::Bool {
        let a = args[0].as_bool().expect("a bool");
        return Const::bool(logic(op, a, second.and_then(Const::as_bool).unwrap_or(a)));
    }
    if dtype.is_float() {
        let (a, b) = (args[0].to_f64(), second.map_or(0.0, Const::to_f64));
        if op.gives_bool() { Const::bool(compare(op, &a, &b)) } else { Const::float(dtype, float(op, a, b)) }
    } else {
        let (a, b) = (args[0].as_int().expect("an integer"), second.and_then(Const::as_int).unwrap_or(0));
        if op.gives_bool() { Const::bool(compare(op, &a, &b)) } else { Const::int(dtype, int(op, a, b)) }
    }
}

/// `a op b` on truth values.
pub fn logic(op: Op, a: bool, b: bool) -> bool {
    match op {
        Op::And => a && b,
        Op::Or => a || b,
        Op::Not => !a,
        Op::Eq => a == b,
        Op::Ne => a != b,
        _ => panic!("`{}` is not defined on bool", op.info().name),
    }
}

/// `a op b` for a comparison.
pub fn compare<T: PartialOrd>(op: Op, a: &T, b: &T) -> bool {
    match op {
        Op::Eq => a == b,
        Op::Ne => a != b,
        Op::Lt => a < b,
        Op::Le => a <= b,
        Op::Gt => a > b,
        Op::Ge => a >= b,
        _ => panic!("`{}` is not a comparison", op.info().name),
    }
}

/// `a op b` on integers, wrapping at 64 bits; the caller wraps further to its own width.
pub fn int(op: Op, a: i64, b: i64) -> i64 {
    match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Mul => a.wrapping_mul(b),
        Op::Div => floor_div(a, b),
        Op::Mod => floor_mod(a, b),
        Op::Min => a.min(b),
        Op::Max => a.max(b),
        Op::Neg => a.wrapping_neg(),
        Op::Abs => a.wrapping_abs(),
        _ => panic!("`{}` is not defined on integers", op.info().name),
    }
}

/// The quotient rounded down; 0 for a zero divisor.
pub const fn floor_div(a: i64, b: i64) -> i64 {
    if b == 0 {
        return 0;
    }
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && ((a < 0) != (b < 0)) { quotient - 1 } else { quotient }
}

/// The remainder with the divisor's sign; 0 for a zero divisor.
pub const fn floor_mod(a: i64, b: i64) -> i64 {
    if b == 0 {
        return 0;
    }
    let remainder = a.wrapping_rem(b);
    if remainder != 0 && ((remainder < 0) != (b < 0)) { remainder + b } else { remainder }
}

/// `a op b` on floats, in `f64`; `b` is ignored by unary operations.
pub fn float(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Mod => a - (a / b).floor() * b,
        Op::Min => nan_or(a, b, f64::min),
        Op::Max => nan_or(a, b, f64::max),
        Op::Pow => a.powf(b),
        Op::Neg => -a,
        Op::Abs => a.abs(),
        Op::Exp => a.exp(),
        Op::Log => a.ln(),
        Op::Sin => a.sin(),
        Op::Cos => a.cos(),
        Op::Sqrt => a.sqrt(),
        Op::Rsqrt => 1.0 / a.sqrt(),
        Op::Tanh => a.tanh(),
        Op::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        Op::Erf => libm::erf(a),
        Op::Floor => a.floor(),
        Op::Ceil => a.ceil(),
        Op::Round => a.round_ties_even(),
        _ => panic!("`{}` does not give a float", op.info().name),
    }
}

fn nan_or(a: f64, b: f64, op: fn(f64, f64) -> f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { op(a, b) }
}
