//! Operations of the op table as instructions, with exactly the meaning that `scalar::eval` gives them.
//!
//! Operands are compute types, scalars or vectors of the same lanes. `a * b + c` is rounded once where the processor can
//! ([`multiply_add`]); nothing else of fast mathematics is allowed: a kernel may rely on NaN, infinities and the order
//! of its sums, and gives the same bits whether LLVM made vectors of it, or its schedule, or nobody.

use super::ir::{IntPredicate, RealPredicate, Value};
use super::math;
use super::types::Cx;
use crate::scalar::{DType, Op};

/// What is known about the operands of an integer operation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The exact result is in the type.
    pub(super) fits: bool,
    /// The left operand is not negative.
    pub(super) natural: bool,
    /// The right operand, if it is a constant.
    pub(super) right: Option<i64>,
}

/// `op a`.
pub(super) fn unary<'ctx>(cx: &Cx<'ctx>, op: Op, dtype: DType, a: Value<'ctx>) -> Value<'ctx> {
    match op {
        Op::Not => cx.ir.not(a),
        Op::Neg if dtype.is_float() => cx.ir.fneg(a),
        Op::Neg => cx.ir.neg(a),
        Op::Abs if dtype.is_float() => intrinsic(cx, "llvm.fabs", &[a]),
        Op::Abs => int_abs(cx, a),
        Op::Floor => intrinsic(cx, "llvm.floor", &[a]),
        Op::Ceil => intrinsic(cx, "llvm.ceil", &[a]),
        Op::Round => intrinsic(cx, "llvm.roundeven", &[a]),
        Op::Sqrt => intrinsic(cx, "llvm.sqrt", &[a]),
        Op::Rsqrt => reciprocal(cx, intrinsic(cx, "llvm.sqrt", &[a])),
        Op::Sigmoid => sigmoid(cx, dtype, a),
        Op::Exp | Op::Log | Op::Sin | Op::Cos | Op::Tanh | Op::Erf => math::call(cx, op, dtype, &[a]),
        _ => unreachable!("`{}` takes two operands", op.info().name),
    }
}

/// `a op b`.
pub(super) fn binary<'ctx>(
    cx: &Cx<'ctx>,
    op: Op,
    dtype: DType,
    (a, b): (Value<'ctx>, Value<'ctx>),
    known: Known,
) -> Value<'ctx> {
    match op {
        Op::And => cx.ir.and(a, b),
        Op::Or => cx.ir.or(a, b),
        Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge => compare(cx, op, dtype, a, b),
        _ if dtype.is_float() => float(cx, op, dtype, a, b),
        _ => int(cx, op, a, b, known),
    }
}

/// `a * b + c` on floats, fused where the processor does that at least as fast as the two.
pub(super) fn multiply_add<'ctx>(cx: &Cx<'ctx>, a: Value<'ctx>, b: Value<'ctx>, c: Value<'ctx>) -> Value<'ctx> {
    let (a, b) = cx.ir.alike(a, b);
    let (a, c) = cx.ir.alike(a, c);
    let (b, c) = cx.ir.alike(b, c);
    intrinsic(cx, "llvm.fmuladd", &[a, b, c])
}

fn intrinsic<'ctx>(cx: &Cx<'ctx>, name: &str, args: &[Value<'ctx>]) -> Value<'ctx> {
    cx.ir.intrinsic(&cx.module, name, &args[..1], args)
}

fn int_abs<'ctx>(cx: &Cx<'ctx>, a: Value<'ctx>) -> Value<'ctx> {
    // The flag says that the smallest value stays what it is.
    let wraps = cx.ir.int_of(cx.register(DType::Bool), 0);
    cx.ir.intrinsic(&cx.module, "llvm.abs", &[a], &[a, wraps])
}

fn reciprocal<'ctx>(cx: &Cx<'ctx>, a: Value<'ctx>) -> Value<'ctx> {
    cx.ir.fdiv(cx.ir.float(a, 1.0), a)
}

fn sigmoid<'ctx>(cx: &Cx<'ctx>, dtype: DType, a: Value<'ctx>) -> Value<'ctx> {
    let exp = math::call(cx, Op::Exp, dtype, &[cx.ir.fneg(a)]);
    reciprocal(cx, cx.ir.fadd(cx.ir.float(a, 1.0), exp))
}

/// Comparisons with NaN are false, but for `!=`.
fn compare<'ctx>(cx: &Cx<'ctx>, op: Op, dtype: DType, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
    let (signed, ordered) = match op {
        Op::Eq => (IntPredicate::LLVMIntEQ, RealPredicate::LLVMRealOEQ),
        Op::Ne => (IntPredicate::LLVMIntNE, RealPredicate::LLVMRealUNE),
        Op::Lt => (IntPredicate::LLVMIntSLT, RealPredicate::LLVMRealOLT),
        Op::Le => (IntPredicate::LLVMIntSLE, RealPredicate::LLVMRealOLE),
        Op::Gt => (IntPredicate::LLVMIntSGT, RealPredicate::LLVMRealOGT),
        _ => (IntPredicate::LLVMIntSGE, RealPredicate::LLVMRealOGE),
    };
    if dtype.is_float() { cx.ir.fcmp(ordered, a, b) } else { cx.ir.icmp(signed, a, b) }
}

fn float<'ctx>(cx: &Cx<'ctx>, op: Op, dtype: DType, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    match op {
        Op::Add => ir.fadd(a, b),
        Op::Sub => ir.fsub(a, b),
        Op::Mul => ir.fmul(a, b),
        Op::Div => ir.fdiv(a, b),
        // Never fused: a multiple of `b` must leave 0.
        Op::Mod => ir.fsub(a, ir.fmul(intrinsic(cx, "llvm.floor", &[ir.fdiv(a, b)]), b)),
        // Which zero is the smaller is left open, and the instructions of x86 do not care either.
        Op::Min => ir.any_zero(intrinsic(cx, "llvm.minimum", &[a, b])),
        Op::Max => ir.any_zero(intrinsic(cx, "llvm.maximum", &[a, b])),
        Op::Pow => math::call(cx, op, dtype, &[a, b]),
        _ => unreachable!("`{}` takes one operand", op.info().name),
    }
}

fn int<'ctx>(cx: &Cx<'ctx>, op: Op, a: Value<'ctx>, b: Value<'ctx>, known: Known) -> Value<'ctx> {
    let ir = &cx.ir;
    match op {
        Op::Add if known.fits => ir.nsw_add(a, b),
        Op::Sub if known.fits => ir.nsw_sub(a, b),
        Op::Mul if known.fits => ir.nsw_mul(a, b),
        Op::Add => ir.add(a, b),
        Op::Sub => ir.sub(a, b),
        Op::Mul => ir.mul(a, b),
        Op::Min => intrinsic(cx, "llvm.smin", &[a, b]),
        Op::Max => intrinsic(cx, "llvm.smax", &[a, b]),
        Op::Div | Op::Mod => match known.right {
            Some(divisor) if divisor > 0 => divide_by_positive(cx, op, a, b, divisor, known.natural),
            _ => divide(cx, op, a, b),
        },
        _ => unreachable!("`{}` is not defined on integers", op.info().name),
    }
}

/// Floor division and remainder by a positive constant.
fn divide_by_positive<'ctx>(
    cx: &Cx<'ctx>,
    op: Op,
    a: Value<'ctx>,
    b: Value<'ctx>,
    divisor: i64,
    natural: bool,
) -> Value<'ctx> {
    let ir = &cx.ir;
    // For a power of two an arithmetic shift rounds down by itself, and a mask keeps the remainder.
    if divisor.count_ones() == 1 {
        return match op {
            Op::Div => ir.ashr(a, ir.int(a, i64::from(divisor.trailing_zeros()))),
            _ => ir.and(a, ir.int(a, divisor - 1)),
        };
    }
    if natural {
        return if op == Op::Div { ir.udiv(a, b) } else { ir.urem(a, b) };
    }
    // C rounds towards zero: one too high where the remainder is negative.
    let remainder = ir.srem(a, b);
    let negative = ir.icmp(IntPredicate::LLVMIntSLT, remainder, ir.int(a, 0));
    if op == Op::Div {
        let quotient = ir.sdiv(a, b);
        ir.select(negative, ir.sub(quotient, ir.int(a, 1)), quotient)
    } else {
        ir.select(negative, ir.add(remainder, b), remainder)
    }
}

/// Floor division and remainder by anything: 0 for a zero divisor, and no trap for the smallest value by -1.
fn divide<'ctx>(cx: &Cx<'ctx>, op: Op, a: Value<'ctx>, b: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    let zero = ir.int(a, 0);
    let is = |value: i64| ir.icmp(IntPredicate::LLVMIntEQ, b, ir.int(b, value));
    let (by_zero, by_minus_one) = (is(0), is(-1));
    // Where division could trap, it divides by 1, and the result is chosen below.
    let safe = ir.select(ir.or(by_zero, by_minus_one), ir.int(b, 1), b);
    let remainder = ir.srem(a, safe);
    let uneven = ir.icmp(IntPredicate::LLVMIntNE, remainder, zero);
    let signs_differ = ir.icmp(IntPredicate::LLVMIntSLT, ir.xor(remainder, safe), zero);
    let adjust = ir.and(uneven, signs_differ);
    if op == Op::Mod {
        // By 1, and so also by 0 and -1, the remainder is 0.
        return ir.select(adjust, ir.add(remainder, safe), remainder);
    }
    let quotient = ir.sdiv(a, safe);
    let floored = ir.select(adjust, ir.sub(quotient, ir.int(a, 1)), quotient);
    ir.select(by_zero, zero, ir.select(by_minus_one, ir.neg(a), floored))
}
