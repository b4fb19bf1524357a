//! References of `std::activation`.

use super::array::{array, map};
use super::{Case, case};

fn pointwise(call: &str, f: fn(f64) -> f64) -> Case {
    let (name, arguments) = call.split_once('(').unwrap_or((call, ")"));
    let more = arguments.trim_end_matches(')');
    let comma = if more.is_empty() { "" } else { ", " };
    case(&format!("{name}(x: f32[3, 7]{comma}{more})"), move |t| vec![map(&t[0], f)])
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.exp().ln_1p()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = piecewise();
    cases.extend(smooth());
    cases.extend(with_parameters());
    cases
}

fn piecewise() -> Vec<Case> {
    vec![
        pointwise("relu", |x| x.max(0.0)),
        pointwise("relu6", |x| x.clamp(0.0, 6.0)),
        pointwise("leaky_relu", |x| if x > 0.0 { x } else { 0.01 * x }),
        pointwise("leaky_relu(slope = 0.25)", |x| if x > 0.0 { x } else { 0.25 * x }),
        pointwise("hardtanh", |x| x.clamp(-1.0, 1.0)),
        pointwise("hardtanh(low = -0.5, high = 0.25)", |x| x.clamp(-0.5, 0.25)),
        pointwise("hardsigmoid", |x| (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        pointwise("hardswish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        pointwise("hardshrink", |x| if (-0.5..=0.5).contains(&x) { 0.0 } else { x }),
        pointwise("softsign", |x| x / (1.0 + x.abs())),
    ]
}

fn smooth() -> Vec<Case> {
    vec![
        pointwise("elu", |x| if x > 0.0 { x } else { x.exp_m1() }),
        pointwise("celu(alpha = 2)", |x| x.max(0.0) + (2.0 * (x / 2.0).exp_m1()).min(0.0)),
        pointwise("selu", |x| {
            let (scale, alpha) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
            scale * if x > 0.0 { x } else { alpha * x.exp_m1() }
        }),
        pointwise("gelu", |x| x * 0.5 * libm::erfc(-x / 2f64.sqrt())),
        pointwise("gelu_tanh", |x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            x * 0.5 * (1.0 + inner.tanh())
        }),
        pointwise("silu", |x| x * sigma(x)),
        pointwise("mish", |x| x * softplus(x).tanh()),
        pointwise("tanh_activation", f64::tanh),
        pointwise("sigmoid_activation", sigma),
        pointwise("log_sigmoid", |x| sigma(x).ln()),
        pointwise("softplus", softplus),
    ]
}

fn with_parameters() -> Vec<Case> {
    vec![
        case("prelu(x: f32[2, 3, 5, 4], slope: f32[3])", |t| {
            vec![array([2, 3, 5, 4], |at| {
                let x = t[0].at(at);
                if x > 0.0 { x } else { t[1].at([at[1]]) * x }
            })]
        }),
        case("prelu(x: f32[2, 3], slope: f32[3])", |t| {
            vec![array([2, 3], |at| t[0].at(at).max(0.0) + t[1].at([at[1]]) * t[0].at(at).min(0.0))]
        }),
        case("glu(x: f32[3, 5, 8])", |t| {
            vec![array([3, 5, 4], |[a, b, c]| t[0].at([a, b, c]) * sigma(t[0].at([a, b, c + 4])))]
        }),
    ]
}
