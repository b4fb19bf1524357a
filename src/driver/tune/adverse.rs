//! Inputs that schedules trip over: NaN, infinities, zeros with a sign, tiny and huge numbers, a few among many.
//!
//! It takes a graph and says which of them each input may have; it computes nothing with them.
//!
//! # For which inputs a sum has one value
//!
//! A schedule may compute `sum[k, l](a[k] * W[k, l] * b[l])` in any order, in parts, and with factors taken out of parts:
//! `sum[k](a[k] * sum[l](W[k, l] * b[l]))`. As far as rounding goes, all of these are equal where
//!
//! - no product of some factors of a term and no sum of some terms *overflows*. With all inputs up to `h`, what a graph
//!   computes is at most `h^d * c`, where `d` is the number of inputs that are multiplied with each other and `c` comes from the
//!   constants and the numbers of terms. The huge number is the greatest `h` for which no tensor and no value on
//!   the way to it leaves its type;
//! - an *infinity* is never spread over several terms: in `a[k]` it makes as many infinite terms as there are `l`, with signs
//!   of their own, whose sum is NaN, but taken out it meets their finite sum once. So infinities stand only where no
//!   factor that reads the input can be taken out. One that can be is a factor of a sum's product whose loads do not go along
//!   with every reduced axis; a quotient or a remainder of an axis does not go along with it, since a split may leave
//!   it alone. A product of an infinity and a zero is NaN in any order, unless schedules leave out products by zero: then
//!   nothing is infinite or NaN;
//! - no product *underflows* beside an infinity: where three or more are multiplied, one input alone has tiny numbers.
//!
//! NaN stays NaN whatever is done to it. A factor that can be taken out and that is not made by sums and products alone, of
//! the inputs themselves, may become infinite or zero of any odd number: its inputs have only NaN.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::expr::{AxisId, Expr, ExprId, TensorId, affine};
use crate::graph::{Body, Graph, Role};
use crate::scalar::{DType, Op, ReduceOp, Values};

/// What schedules do with products by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByZero {
    /// They compute them all.
    Computed,
    /// Some leave them out.
    LeftOut,
}

/// No huge number is greater.
const HUGE: f64 = 3e18;
/// Less than the smallest normal number of 32 bits.
const TINY: f64 = 1e-40;
/// What is computed from axes and integers is taken to be at most so much.
const INTEGERS: f64 = 1e5;
/// How many intermediates are looked through for factors.
const DEPTH: usize = 4;

/// Puts odd numbers into the inputs of a graph.
pub fn disturb(graph: &Graph, by_zero: ByZero, inputs: &mut [Values], rng: &mut StdRng) {
    for (values, odd) in inputs.iter_mut().zip(odd(graph, by_zero)) {
        if !values.dtype().is_float() || values.len() < 4 * odd.len() {
            continue;
        }
        let mut items: Vec<f64> = (0..values.len()).filter_map(|at| values.get_f64(at)).collect();
        for odd in odd {
            let at = rng.random_range(0..items.len());
            items[at] = odd;
        }
        if let Ok(made) = Values::floats(values.dtype(), values.shape(), items) {
            *values = made;
        }
    }
}

/// The odd numbers that each input may have.
pub fn odd(graph: &Graph, by_zero: ByZero) -> Vec<Vec<f64>> {
    let (huge, factors) = magnitude(graph);
    let spread = spread(graph);
    let mut has_tiny = false;
    let of_input = |&id: &TensorId| {
        let mut odd = Vec::new();
        if by_zero == ByZero::Computed {
            odd.push(f64::NAN);
            if !spread.contains_key(&id) {
                odd.extend([f64::INFINITY, f64::NEG_INFINITY]);
            }
        }
        if spread.get(&id) == Some(&Spread::Anything) {
            return odd;
        }
        odd.push(-0.0);
        let is_float = graph.tensors[id].dtype.is_float();
        if is_float && (factors <= 2.0 || !std::mem::replace(&mut has_tiny, true)) {
            odd.push(TINY);
        }
        odd.extend(huge);
        odd
    };
    graph.inputs.iter().map(of_input).collect()
}

/// What is at most `h^degree * e^log`, where inputs are at most `h`.
#[derive(Clone, Copy, Debug)]
struct Bound {
    degree: f64,
    log: f64,
}

impl Bound {
    const ONE: Self = Self { degree: 0.0, log: 0.0 };

    /// A number, of which the part below 1 does not count: other factors may not be there.
    fn constant(value: f64) -> Self {
        Self { log: if value.is_finite() { value.abs().max(1.0).ln() } else { 0.0 }, ..Self::ONE }
    }

    fn times(self, other: Self) -> Self {
        Self { degree: self.degree + other.degree, log: self.log + other.log }
    }

    fn most(self, other: Self) -> Self {
        Self { degree: self.degree.max(other.degree), log: self.log.max(other.log) }
    }

    fn plus(self, other: Self) -> Self {
        let most = self.most(other);
        Self { log: most.log + std::f64::consts::LN_2, ..most }
    }
}

/// The huge number, if there is one that is not small, and how many inputs are multiplied with each other.
fn magnitude(graph: &Graph) -> (Option<f64>, f64) {
    let mut bounds = Bounds { graph, tensors: BTreeMap::new(), known: BTreeMap::new(), log: HUGE.ln(), degree: 1.0 };
    for (id, tensor) in graph.tensors.iter() {
        let bound = match &tensor.role {
            Role::Input { .. } if tensor.dtype.is_float() => Bound { degree: 1.0, log: 0.0 },
            Role::Input { .. } => Bound::constant(INTEGERS),
            Role::Constant(table) => Bound::constant(table.iter().map(|c| c.to_f64().abs()).fold(0.0, f64::max)),
            Role::Output | Role::Intermediate => continue,
        };
        bounds.within(tensor.dtype, bound);
        bounds.tensors.insert(id, bound);
    }
    for stage in &graph.stages {
        let value = bounds.of(stage.body.value());
        let reduced = match &stage.body {
            Body::Map(_) => value,
            Body::Reduce { op, axes, .. } => {
                let terms: f64 = axes.iter().map(|&axis| graph.axes[axis].extent as f64).product();
                match op {
                    ReduceOp::Sum => value.times(Bound::constant(terms)),
                    ReduceOp::Prod => Bound { degree: value.degree * terms, log: value.log * terms },
                    ReduceOp::Min | ReduceOp::Max | ReduceOp::Any | ReduceOp::All => value,
                }
            }
        };
        bounds.within(graph.pool.dtype(stage.body.value()), reduced);
        bounds.within(graph.tensors[stage.tensor].dtype, reduced);
        let known = bounds.tensors.get(&stage.tensor).copied().unwrap_or(Bound::ONE);
        bounds.tensors.insert(stage.tensor, known.most(reduced));
    }
    let huge = bounds.log.exp();
    ((huge > 2.0).then_some(huge), bounds.degree)
}

/// Bounds of everything in a graph.
struct Bounds<'g> {
    graph: &'g Graph,
    tensors: BTreeMap<TensorId, Bound>,
    known: BTreeMap<ExprId, Bound>,
    /// The logarithm of the huge number.
    log: f64,
    /// The greatest of all degrees.
    degree: f64,
}

impl Bounds<'_> {
    /// Makes the huge number so small that a value stays within its type.
    fn within(&mut self, dtype: DType, bound: Bound) {
        let limit = match dtype {
            DType::F64 => f64::MAX.ln(),
            DType::F16 => 65504_f64.ln(),
            DType::F32 | DType::BF16 => f64::from(f32::MAX).ln(),
            DType::Bool | DType::I8 | DType::U8 | DType::I32 | DType::I64 => return,
        };
        self.degree = self.degree.max(bound.degree);
        if bound.degree > 0.0 {
            // Roundings grow it a little.
            self.log = self.log.min((limit - 0.1 - bound.log) / bound.degree);
        }
    }

    fn of(&mut self, id: ExprId) -> Bound {
        if let Some(&known) = self.known.get(&id) {
            return known;
        }
        let bound = self.compute(id);
        self.within(self.graph.pool.dtype(id), bound);
        self.known.insert(id, bound);
        bound
    }

    fn compute(&mut self, id: ExprId) -> Bound {
        let pool = &self.graph.pool;
        match *pool.get(id) {
            Expr::Const(value) => Bound::constant(value.to_f64()),
            Expr::Load { tensor, .. } => self.tensors.get(&tensor).copied().unwrap_or(Bound::ONE),
            _ if !pool.dtype(id).is_float() => Bound::constant(INTEGERS),
            Expr::Axis(_) => Bound::constant(INTEGERS),
            Expr::Cast(_, a) => self.of(a),
            Expr::Select { then, otherwise, .. } => {
                let (then, otherwise) = (self.of(then), self.of(otherwise));
                then.most(otherwise)
            }
            Expr::Unary(op, a) => {
                let bound = self.of(a);
                match op {
                    Op::Neg | Op::Abs | Op::Floor | Op::Ceil | Op::Round | Op::Sqrt => bound,
                    // They leave every type for what is huge, in any order, or stay small.
                    _ => Bound::ONE,
                }
            }
            Expr::Binary(op, a, b) => {
                let (left, right) = (self.of(a), self.of(b));
                match op {
                    Op::Mul => left.times(right),
                    Op::Add | Op::Sub => left.plus(right),
                    Op::Div => left,
                    _ => left.most(right),
                }
            }
        }
    }
}

/// What must not stand in an input of which a factor can be taken out of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spread {
    /// Infinities.
    Infinities,
    /// Whatever is not NaN.
    Anything,
}

/// A factor of a product under a sum.
struct Factor {
    value: ExprId,
    /// Whether it changes with every reduced axis.
    stays: bool,
}

/// The inputs that factors read which can be taken out of sums.
fn spread(graph: &Graph) -> BTreeMap<TensorId, Spread> {
    let mut found = BTreeMap::new();
    for stage in &graph.stages {
        let Body::Reduce { op: ReduceOp::Sum, axes, value } = &stage.body else { continue };
        let all = factors(graph, *value, &long(graph, axes), DEPTH);
        for factor in all.iter().filter(|factor| all.len() > 1 && !factor.stays) {
            note(graph, factor.value, &mut found);
        }
    }
    found
}

/// The axes that have more than one value.
fn long(graph: &Graph, axes: &[AxisId]) -> BTreeSet<AxisId> {
    axes.iter().copied().filter(|&axis| graph.axes[axis].extent > 1).collect()
}

/// The factors of a value, those of intermediates that may be computed where they are used among them.
fn factors(graph: &Graph, value: ExprId, over: &BTreeSet<AxisId>, depth: usize) -> Vec<Factor> {
    match graph.pool.get(value) {
        &Expr::Binary(Op::Mul, a, b) => {
            let mut all = factors(graph, a, over, depth);
            all.extend(factors(graph, b, over, depth));
            all
        }
        &Expr::Cast(_, inner) => factors(graph, inner, over, depth),
        Expr::Load { tensor, .. } => {
            let stays = goes_along(graph, value, over);
            let makers = graph.stages.iter().filter(|stage| stage.tensor == *tensor);
            let maps = makers.filter(|stage| matches!(stage.body, Body::Map(_)));
            let inner: Vec<_> = maps
                .flat_map(|stage| match depth {
                    0 => vec![Factor { value: stage.body.value(), stays: false }],
                    _ => factors(graph, stage.body.value(), &long(graph, &stage.axes), depth - 1),
                })
                .map(|factor| Factor { stays: factor.stays && stays, ..factor })
                .collect();
            if inner.is_empty() { vec![Factor { value, stays }] } else { inner }
        }
        _ => vec![Factor { value, stays: goes_along(graph, value, over) }],
    }
}

/// Whether what a value reads changes with each of some axes, wherever these are split.
fn goes_along(graph: &Graph, value: ExprId, over: &BTreeSet<AxisId>) -> bool {
    let pool = &graph.pool;
    let mut along = BTreeSet::new();
    pool.visit(value, &mut |_, expr| {
        let Expr::Load { at, .. } = expr else { return };
        for &subscript in at {
            let terms = affine::linear(pool, subscript).terms;
            along.extend(terms.keys().filter_map(|&atom| match pool.get(atom) {
                Expr::Axis(axis) => Some(*axis),
                _ => None,
            }));
        }
    });
    over.is_subset(&along)
}

/// Notes the inputs of a factor that can be taken out.
fn note(graph: &Graph, factor: ExprId, found: &mut BTreeMap<TensorId, Spread>) {
    let mut is_plain = true;
    let mut open = Vec::new();
    graph.pool.visit(factor, &mut |id, expr| match expr {
        Expr::Load { tensor, .. } => open.push(*tensor),
        // Subscripts and conditions.
        _ if !graph.pool.dtype(id).is_float() => {}
        Expr::Unary(op, _) => is_plain &= *op == Op::Neg,
        Expr::Binary(op, ..) => is_plain &= matches!(op, Op::Add | Op::Sub | Op::Mul),
        Expr::Const(_) | Expr::Axis(_) | Expr::Cast(..) | Expr::Select { .. } => {}
    });
    let mut seen = BTreeSet::new();
    while let Some(tensor) = open.pop() {
        if !seen.insert(tensor) {
            continue;
        }
        if let Role::Input { .. } = graph.tensors[tensor].role {
            let spread = if is_plain { Spread::Infinities } else { Spread::Anything };
            let known = found.entry(tensor).or_insert(spread);
            *known = spread.max(*known);
            continue;
        }
        // What happens on the way from the inputs to an intermediate is not looked at.
        is_plain = false;
        for stage in graph.stages.iter().filter(|stage| stage.tensor == tensor) {
            graph.pool.visit(stage.body.value(), &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr {
                    open.push(*tensor);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::modules::Modules;
    use crate::driver::{Session, instantiate, select};
    use crate::sema;

    /// The odd numbers of each input of a call.
    fn odd_of(call: &str, by_zero: ByZero) -> Vec<Vec<f64>> {
        let mut session = Session::default();
        let _ = sema::load_std(&mut session.sources, &mut Modules::beside(""));
        let what = select::Selection { exports: vec![call.to_owned()], ..select::Selection::default() };
        let selected = select::select(&mut session, &what).expect("the call is right");
        let graph = instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
        odd(&graph.expect("the call is right"), by_zero)
    }

    fn most(odd: &[f64]) -> f64 {
        odd.iter().copied().filter(|odd| odd.is_finite()).fold(0.0, f64::max)
    }

    fn has_infinity(odd: &[f64]) -> bool {
        odd.iter().any(|odd| odd.is_infinite())
    }

    #[test]
    fn what_reaches_a_sum_in_one_term_may_be_infinite() {
        for call in [
            "gemm(A: f32[64, 512], B: f32[512, 64])",
            "conv2d(x: f32[1, 8, 14, 14], w: f32[12, 8, 3, 3], pad = 1)",
            "softmax(x: f32[24, 40])",
        ] {
            let odd = odd_of(call, ByZero::Computed);
            assert!(odd.iter().all(|odd| has_infinity(odd) && odd.iter().any(|odd| odd.is_nan())), "{call}: {odd:?}");
        }
    }

    #[test]
    fn what_can_be_taken_out_of_a_sum_is_finite_or_nan() {
        let odd = odd_of("bilinear(a: f32[8, 16], W: f32[4, 16, 32], b: f32[8, 32])", ByZero::Computed);
        assert_eq!([&odd[0], &odd[1], &odd[2]].map(|odd| has_infinity(odd)), [false, true, false]);
        assert!(odd.iter().all(|odd| odd.iter().any(|odd| odd.is_nan())));
        // Two tiny numbers beside an infinity would be a zero in one order and none in another.
        assert_eq!(odd.iter().filter(|odd| odd.contains(&TINY)).count(), 1);
    }

    #[test]
    fn no_sum_of_huge_products_overflows() {
        let odd = odd_of("gemm(A: f32[64, 512], B: f32[512, 64])", ByZero::Computed);
        let [a, b] = [&odd[0], &odd[1]].map(|odd| most(odd));
        assert!(a * b * 512.0 < f64::from(f32::MAX) && a > 1e17, "{a}");
        let odd = odd_of("bilinear(a: f32[8, 64], W: f32[4, 64, 128], b: f32[8, 128])", ByZero::Computed);
        let product: f64 = odd.iter().map(|odd| most(odd)).product();
        assert!(product * 64.0 * 128.0 < f64::from(f32::MAX) && most(&odd[0]) > 1e11, "{product}");
        let odd = odd_of("gemm(A: f16[64, 512], B: f16[512, 64])", ByZero::Computed);
        let product: f64 = odd.iter().map(|odd| most(odd)).product();
        assert!(product * 512.0 < 65504.0, "{product}");
        let odd = odd_of("relu(x: f32[1024])", ByZero::Computed);
        assert!((most(&odd[0]) / HUGE - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_multiplied_by_a_zero_that_is_left_out_is_finite() {
        let odd = odd_of("conv_transpose2d(x: f32[1, 4, 9, 9], w: f32[4, 6, 3, 3], stride = 2)", ByZero::LeftOut);
        assert!(odd.iter().flatten().all(|odd| odd.is_finite()) && odd.iter().all(|odd| most(odd) > 1e15), "{odd:?}");
    }
}
