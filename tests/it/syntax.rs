//! The front end: what the language reference shows parses, and what is printed parses to the same tree.

use ftc::source::SourceMap;
use ftc::syntax::parser;

fn parse(text: &str) -> (ftc::syntax::ast::File, Vec<String>) {
    let mut sources = SourceMap::new();
    let file = sources.add("test.ft", text);
    let (tree, diagnostics) = parser::parse(file, text);
    (tree, diagnostics.iter().map(|d| format!("{d:?}")).collect())
}

const SAMPLE: &str = r"//! Dense linear algebra.

use std::nn::{conv2d, max_pool2d as pool, dense}
use std::linalg::gemm

const N = 4

/// C = A · B.
#[workload(spatial = [H, W], idx = 0..R * R)]
pub fn gemm<T: float>(A: T[M, K], B: T[K, N],) -> (C: T[M, N]) {
    C[i, j] = sum[k](A[i, k] * B[k, j])
}

pub fn conv2d<T: float>(
    x: T[N, C, H, W], w: T[K, CG, R, S],
    stride: int = 1, pad: int = 0, dilation: int = 1, groups: int = 1, s: T[],
) -> (y: T[N, K, P, Q], z: T[..S])
where
    C == CG * groups, K % groups == 0,
    P = (H + 2 * pad - dilation * (R - 1) - 1) / stride + 1,
    Q = (W + 2 * pad - dilation * (S - 1) - 1) / stride + 1,
{
    let first = (k) => k / (K / groups) * CG        // or any spelling you find for a local index helper
    y[n, k, p, q] = sum[c: C / groups, r, s](
        (x[n, first(k) + c, p * stride + r * dilation - pad, q * stride + s * dilation - pad] else 0)
        * w[k, c, r, s])
    y[n, 2 * i + 1, A + j: B, ..l] = sum[c, r, s]({
        let h = p + pad - r * dilation
        let v = q + pad - s * dilation
        if h % stride == 0 && v % stride == 0 { x[n, c, h / stride, v / stride] else 0 } else { 0 }
    } * w[c, k, r, s])
    let G = [[1, 0], [0, 1.5e-3]]
    let (a, b) = f(x, pad = 1)
    let e[n, c] = if x > 0 { 1 } else if y { -2 } else { 3 }
    z = f((a, b) => a + -b, () => 1, true)
        + 2; let q = 3
    (1)
}

variant winograd of conv2d when R == 3 && S == 3 { y = x }
variant of of when { y = x }

export gemm_1k = gemm(A: f32[1024, 1024], w: const f32[3], pad = 1)
";

#[test]
fn the_sample_parses() {
    let (tree, errors) = parse(SAMPLE);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(tree.items.len(), 8);
}
