//! Conversions between element types, as [`crate::expr::Expr::Cast`] defines them.
//!
//! LLVM's own conversions of 16-bit floats are used where the processor has them. Elsewhere LLVM would call a helper
//! of the compiler's runtime library, which not every linker finds; so the bits are computed here: to the nearest,
//! ties to even, subnormals and infinities exact, NaN kept as a quiet NaN. All of it vectorises.

use super::ir::{IntPredicate, RealPredicate, Value};
use super::types::Cx;
use crate::scalar::DType;

/// `value`, of type `from`, as a `to`.
pub(super) fn cast<'ctx>(cx: &Cx<'ctx>, from: DType, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    match (from, to) {
        _ if from == to => value,
        (DType::F16 | DType::BF16, _) => cast(cx, DType::F32, to, widen(cx, from, value)),
        (_, DType::F16 | DType::BF16) => narrow(cx, from, to, value),
        (_, DType::Bool) => nonzero(cx, from, value),
        _ if from.is_float() && to.is_float() => resize_float(cx, to, value),
        _ if from.is_float() => saturate(cx, to, value),
        _ if to.is_float() => int_to_float(cx, from, to, value),
        _ => resize_int(cx, from, to, value),
    }
}

/// Whether `value` is not zero; a NaN is not.
pub(super) fn nonzero<'ctx>(cx: &Cx<'ctx>, from: DType, value: Value<'ctx>) -> Value<'ctx> {
    if from.is_float() {
        cx.ir.fcmp(RealPredicate::LLVMRealUNE, value, cx.ir.float(value, 0.0))
    } else {
        cx.ir.icmp(IntPredicate::LLVMIntNE, value, cx.ir.int(value, 0))
    }
}

fn resize_float<'ctx>(cx: &Cx<'ctx>, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    let scalar = cx.register(to);
    if to == DType::F64 { cx.ir.fpext(value, scalar) } else { cx.ir.fptrunc(value, scalar) }
}

/// Truncates towards zero; what is too large becomes the largest, NaN becomes 0.
fn saturate<'ctx>(cx: &Cx<'ctx>, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    let name = if to == DType::U8 { "llvm.fptoui.sat" } else { "llvm.fptosi.sat" };
    cx.ir.conversion(&cx.module, name, cx.register(to), value)
}

const fn is_unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::Bool | DType::U8)
}

fn int_to_float<'ctx>(cx: &Cx<'ctx>, from: DType, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    let scalar = cx.register(to);
    if is_unsigned(from) { cx.ir.uitofp(value, scalar) } else { cx.ir.sitofp(value, scalar) }
}

const fn bits(dtype: DType) -> usize {
    if matches!(dtype, DType::Bool) { 1 } else { dtype.bytes() * 8 }
}

fn resize_int<'ctx>(cx: &Cx<'ctx>, from: DType, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    let scalar = cx.register(to);
    if bits(to) < bits(from) {
        cx.ir.trunc(value, scalar)
    } else if bits(to) == bits(from) {
        value
    } else if is_unsigned(from) {
        cx.ir.zext(value, scalar)
    } else {
        cx.ir.sext(value, scalar)
    }
}

/// A 16-bit float as `f32`; exact.
fn widen<'ctx>(cx: &Cx<'ctx>, from: DType, value: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    let (int, float) = (cx.register(DType::I32), cx.register(DType::F32));
    if from == DType::BF16 {
        let wide = ir.zext(value, int);
        return ir.bitcast(ir.shl(wide, ir.int(wide, 16)), float);
    }
    if cx.facts.f16_convert {
        return ir.fpext(ir.bitcast(value, cx.half()), float);
    }
    let wide = ir.zext(value, int);
    let c = |value: i64| ir.int(wide, value);
    let sign = ir.shl(ir.and(wide, c(0x8000)), c(16));
    let magnitude = ir.and(wide, c(0x7fff));
    let shifted = ir.shl(magnitude, c(13));
    // The exponents differ by 112; a product also normalises subnormals.
    let shifted_float = ir.bitcast(shifted, float);
    let finite = ir.bitcast(ir.fmul(shifted_float, ir.float(shifted_float, 2f64.powi(112))), int);
    let special = ir.or(shifted, c(0x7f80_0000));
    let is_special = ir.icmp(IntPredicate::LLVMIntUGE, magnitude, c(0x7c00));
    ir.bitcast(ir.or(sign, ir.select(is_special, special, finite)), float)
}

/// Anything as a 16-bit float, rounded once.
fn narrow<'ctx>(cx: &Cx<'ctx>, from: DType, to: DType, value: Value<'ctx>) -> Value<'ctx> {
    let single = match from {
        DType::F32 => value,
        DType::F64 => round_to_odd(cx, value),
        // Exact in `f32`.
        DType::Bool | DType::I8 | DType::U8 => int_to_float(cx, from, DType::F32, value),
        _ => round_to_odd(cx, int_to_float(cx, from, DType::F64, value)),
    };
    if to == DType::BF16 {
        to_bf16(cx, single)
    } else if cx.facts.f16_convert {
        cx.ir.bitcast(cx.ir.fptrunc(single, cx.half()), cx.ir.context.i16_type().into())
    } else {
        to_f16(cx, single)
    }
}

/// An `f64` as the `f32` that leads to the right 16-bit float: of the two neighbours of an inexact value, the one
/// with an odd last bit. That bit is below anything that the second rounding keeps, and breaks its ties rightly.
fn round_to_odd<'ctx>(cx: &Cx<'ctx>, value: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    let (int, float, double) = (cx.register(DType::I32), cx.register(DType::F32), cx.register(DType::F64));
    let nearest = ir.fptrunc(value, float);
    let back = ir.fpext(nearest, double);
    let fabs = |value| ir.intrinsic(&cx.module, "llvm.fabs", &[value], &[value]);
    // Unordered comparisons fail: NaN stays as it is.
    let inexact = ir.fcmp(RealPredicate::LLVMRealONE, back, value);
    let too_far = ir.fcmp(RealPredicate::LLVMRealOGT, fabs(back), fabs(value));
    let bits = ir.bitcast(nearest, int);
    let towards_zero = ir.sub(bits, ir.zext(too_far, int));
    let odd = ir.or(towards_zero, ir.int(bits, 1));
    ir.bitcast(ir.select(inexact, odd, bits), float)
}

fn to_bf16<'ctx>(cx: &Cx<'ctx>, value: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    let bits = ir.bitcast(value, cx.register(DType::I32));
    let c = |value: i64| ir.int(bits, value);
    let high = ir.lshr(bits, c(16));
    let rounded = ir.lshr(ir.add(ir.add(bits, c(0x7fff)), ir.and(high, c(1))), c(16));
    let quiet = ir.or(high, c(0x40));
    let is_nan = ir.fcmp(RealPredicate::LLVMRealUNO, value, value);
    ir.trunc(ir.select(is_nan, quiet, rounded), cx.register(DType::BF16))
}

fn to_f16<'ctx>(cx: &Cx<'ctx>, value: Value<'ctx>) -> Value<'ctx> {
    let ir = &cx.ir;
    let (int, float) = (cx.register(DType::I32), cx.register(DType::F32));
    let bits = ir.bitcast(value, int);
    let c = |value: i64| ir.int(bits, value);
    let sign = ir.and(ir.lshr(bits, c(16)), c(0x8000));
    let magnitude = ir.and(bits, c(0x7fff_ffff));
    // Below 2^-14 the result is subnormal: a multiple of 2^-24, which is what one half has for its last bit.
    let magnitude_float = ir.bitcast(magnitude, float);
    let aligned = ir.bitcast(ir.fadd(magnitude_float, ir.float(magnitude_float, 0.5)), int);
    let subnormal = ir.sub(aligned, c(0x3f00_0000));
    // The exponents differ by 112; adding just under half of the last bit kept, and that bit, rounds to even.
    let even = ir.and(ir.lshr(magnitude, c(13)), c(1));
    let rounded = ir.add(ir.add(ir.sub(magnitude, c(112 << 23)), c(0xfff)), even);
    let normal = ir.lshr(rounded, c(13));
    let payload = ir.and(ir.lshr(magnitude, c(13)), c(0x3ff));
    let nan = ir.or(payload, c(0x7e00));
    let below = |limit: i64| ir.icmp(IntPredicate::LLVMIntULT, magnitude, c(limit));
    let finite = ir.select(below(0x3880_0000), subnormal, normal);
    let infinite = ir.select(below(0x7f80_0001), c(0x7c00), nan);
    let result = ir.select(below(0x4780_0000), finite, infinite);
    ir.trunc(ir.or(sign, result), cx.register(DType::F16))
}
