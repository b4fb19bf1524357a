//! References of `std::linalg`.

use super::array::{Array, array, sum};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = products();
    cases.extend(batches());
    cases.extend(vectors());
    cases.extend(structured());
    cases
}

fn product(m: i64, n: i64, depth: i64, f: impl Fn(i64, i64, i64) -> f64) -> Vec<Array> {
    vec![array([m, n], |[i, j]| sum([depth], |[k]| f(i, j, k)))]
}

fn products() -> Vec<Case> {
    vec![
        case("gemm(A: f32[7, 13], B: f32[13, 5])", |t| product(7, 5, 13, |i, j, k| t[0].at([i, k]) * t[1].at([k, j]))),
        case("gemm(A: f64[1, 1], B: f64[1, 17])", |t| product(1, 17, 1, |i, j, k| t[0].at([i, k]) * t[1].at([k, j]))),
        case("gemm(A: f16[3, 11], B: f16[11, 4])", |t| product(3, 4, 11, |i, j, k| t[0].at([i, k]) * t[1].at([k, j])))
            .within(2e-3),
        case("gemm_nt(A: f32[7, 13], B: f32[5, 13])", |t| {
            product(7, 5, 13, |i, j, k| t[0].at([i, k]) * t[1].at([j, k]))
        }),
        case("gemm_tn(A: f32[13, 7], B: f32[13, 5])", |t| {
            product(7, 5, 13, |i, j, k| t[0].at([k, i]) * t[1].at([k, j]))
        }),
        case("gemm_tt(A: f32[13, 7], B: f32[5, 13])", |t| {
            product(7, 5, 13, |i, j, k| t[0].at([k, i]) * t[1].at([j, k]))
        }),
        case("gemm_scaled(A: f32[7, 13], B: f32[13, 5], C: f32[7, 5], alpha = 0.5, beta = -2)", |t| {
            let dot = |i, j| sum([13], |[k]| t[0].at([i, k]) * t[1].at([k, j]));
            vec![array([7, 5], |[i, j]| 0.5 * dot(i, j) - 2.0 * t[2].at([i, j]))]
        }),
        case("gemm_i8(A: i8[7, 13], B: i8[13, 5])", |t| product(7, 5, 13, |i, j, k| t[0].at([i, k]) * t[1].at([k, j])))
            .ints(0, -128..128)
            .ints(1, -128..128),
        case("gram(A: f32[7, 13])", |t| product(7, 7, 13, |i, j, k| t[0].at([i, k]) * t[0].at([j, k]))),
    ]
}

fn batches() -> Vec<Case> {
    vec![
        case("batched_gemm(A: f32[2, 3, 5, 7], B: f32[2, 3, 7, 4])", |t| {
            vec![array([2, 3, 5, 4], |[a, b, i, j]| sum([7], |[k]| t[0].at([a, b, i, k]) * t[1].at([a, b, k, j])))]
        }),
        case("batched_gemm_nt(A: f32[3, 5, 7], B: f32[3, 4, 7])", |t| {
            vec![array([3, 5, 4], |[b, i, j]| sum([7], |[k]| t[0].at([b, i, k]) * t[1].at([b, j, k])))]
        }),
        case("batched_gemv(A: f32[3, 5, 7], x: f32[3, 7])", |t| {
            vec![array([3, 5], |[b, i]| sum([7], |[k]| t[0].at([b, i, k]) * t[1].at([b, k])))]
        }),
        case("ttm(x: f32[3, 5, 7], U: f32[4, 7])", |t| {
            vec![array([3, 5, 4], |[a, b, m]| sum([7], |[k]| t[0].at([a, b, k]) * t[1].at([m, k])))]
        }),
        case("bilinear(a: f32[5, 7], W: f32[3, 7, 11], b: f32[5, 11])", |t| {
            vec![array([5, 3], |[n, m]| sum([7, 11], |[k, l]| t[0].at([n, k]) * t[1].at([m, k, l]) * t[2].at([n, l])))]
        }),
        case("mttkrp(A: f32[5, 7, 11], B: f32[7, 3], C: f32[11, 3])", |t| {
            vec![array([5, 3], |[n, m]| sum([7, 11], |[k, l]| t[0].at([n, k, l]) * t[1].at([k, m]) * t[2].at([l, m])))]
        }),
    ]
}

fn vectors() -> Vec<Case> {
    vec![
        case("gemv(A: f32[7, 13], x: f32[13])", |t| {
            vec![array([7], |[i]| sum([13], |[k]| t[0].at([i, k]) * t[1].at([k])))]
        }),
        case("gemv(A: f32[1, 1], x: f32[1])", |t| vec![array([1], |[i]| t[0].at([i, 0]) * t[1].at([0]))]),
        case("gemv_t(A: f32[7, 13], x: f32[7])", |t| {
            vec![array([13], |[j]| sum([7], |[i]| t[0].at([i, j]) * t[1].at([i])))]
        }),
        case("dot(a: f32[13], b: f32[13])", |t| vec![array([], |[]| sum([13], |[i]| t[0].at([i]) * t[1].at([i])))]),
        case("outer(a: f32[7], b: f32[5])", |t| vec![array([7, 5], |[i, j]| t[0].at([i]) * t[1].at([j]))]),
        case("axpy(alpha: f32[], x: f32[7, 3], y: f32[7, 3])", |t| {
            vec![array([7, 3], |[i, j]| t[0].at([]) * t[1].at([i, j]) + t[2].at([i, j]))]
        }),
        case("ger(A: f32[7, 5], x: f32[7], y: f32[5])", |t| {
            vec![array([7, 5], |[i, j]| t[0].at([i, j]) + t[1].at([i]) * t[2].at([j]))]
        }),
        case("trmv_lower(L: f32[7, 7], x: f32[7])", |t| {
            vec![array([7], |[i]| sum([i + 1], |[k]| t[0].at([i, k]) * t[1].at([k])))]
        }),
        case("trace(A: f32[7, 7])", |t| vec![array([], |[]| sum([7], |[i]| t[0].at([i, i])))]),
    ]
}

fn structured() -> Vec<Case> {
    vec![
        case("khatri_rao(A: f32[3, 5], B: f32[7, 5])", |t| {
            vec![array([3, 7, 5], |[i, j, m]| t[0].at([i, m]) * t[1].at([j, m])).reshape(&[21, 5])]
        }),
        case("kron(A: f32[3, 2], B: f32[5, 7])", |t| {
            let wide = array([3, 5, 2, 7], |[i, k, j, l]| t[0].at([i, j]) * t[1].at([k, l]));
            vec![wide.reshape(&[15, 14])]
        }),
        case("block_circulant(x: f32[6, 9], BLOCK = 3)", |t| vec![circulant(&t[0], 3)]),
        case("block_circulant(x: f32[7, 5], BLOCK = 1)", |t| vec![circulant(&t[0], 1)]),
        case("block_circulant(x: f32[16, 8], BLOCK = 8)", |t| vec![circulant(&t[0], 8)]),
    ]
}

/// Each element becomes the mean over its block of the elements on the same wrapped diagonal.
fn circulant(x: &Array, block: i64) -> Array {
    array(x.dims(), |[i, j]| {
        let (top, left) = (i / block * block, j / block * block);
        let mut total = 0.0;
        for row in 0..block {
            for col in 0..block {
                if (col - row).rem_euclid(block) == ((j - left) - (i - top)).rem_euclid(block) {
                    total += x.at([top + row, left + col]);
                }
            }
        }
        total / block as f64
    })
}
