//! References of `std::reduce`: a function of a row, applied to every row.

use super::array::{Array, array, sum};
use super::{Case, case};

/// `call` on a tensor of 2 × 3 rows of 7 elements.
fn rows(call: &str, f: impl Fn(&[f64]) -> f64 + 'static) -> Case {
    case(call, move |t| vec![by_row(&t[0], &f)])
}

fn by_row(x: &Array, f: &impl Fn(&[f64]) -> f64) -> Array {
    let (length, shape) = x.shape.split_last().expect("a row");
    Array { shape: shape.to_vec(), data: x.data.chunks(*length as usize).map(f).collect() }
}

fn largest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn smallest(row: &[f64]) -> f64 {
    row.iter().copied().fold(f64::INFINITY, f64::min)
}

fn mean(row: &[f64]) -> f64 {
    row.iter().sum::<f64>() / row.len() as f64
}

/// Σ of squared distances from the mean.
fn scatter(row: &[f64]) -> f64 {
    row.iter().map(|x| (x - mean(row)).powi(2)).sum()
}

fn first(row: &[f64], wanted: f64) -> f64 {
    row.iter().position(|&x| x == wanted).expect("one of them") as f64
}

fn total(x: &[f64]) -> f64 {
    x.iter().sum()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = of_all();
    cases.extend(of_rows());
    cases.extend(statistics());
    cases
}

fn of_all() -> Vec<Case> {
    let single = |f: fn(&[f64]) -> f64| move |t: &[Array]| vec![array([], |[]| f(&t[0].data))];
    vec![
        case("sum_all(x: f32[2, 3, 7])", single(total)),
        case("max_all(x: f32[2, 3, 7])", single(largest)),
        case("min_all(x: i8[13])", single(smallest)).ints(0, -128..128),
        case("sum_first(x: f32[7, 2, 3])", |t| vec![array([2, 3], |[a, b]| sum([7], |[n]| t[0].at([n, a, b])))]),
        case("mean_first(x: f32[7, 2, 3])", |t| vec![array([2, 3], |[a, b]| sum([7], |[n]| t[0].at([n, a, b])) / 7.0)]),
        case("sum_channels(x: f32[2, 3, 5, 7])", |t| {
            vec![array([3], |[c]| sum([2, 5, 7], |[n, h, w]| t[0].at([n, c, h, w])))]
        }),
    ]
}

fn of_rows() -> Vec<Case> {
    vec![
        rows("sum_last(x: f32[2, 3, 7])", total),
        rows("sum_last(x: f32[13])", total),
        rows("mean_last(x: f32[2, 3, 7])", mean),
        rows("prod_last(x: f32[2, 3, 7])", |row| row.iter().product()),
        rows("max_last(x: f32[2, 3, 7])", largest),
        rows("max_last(x: i32[5, 7])", largest).ints(0, -9..-3),
        rows("min_last(x: f32[2, 3, 7])", smallest),
        rows("argmax_last(x: f32[2, 3, 7])", |row| first(row, largest(row))),
        rows("argmax_last(x: i32[5, 7])", |row| first(row, largest(row))).ints(0, 0..3),
        rows("argmin_last(x: f32[2, 3, 7])", |row| first(row, smallest(row))),
        rows("any_last(x: bool[5, 3])", largest).ints(0, 0..2),
        rows("all_last(x: bool[5, 3])", smallest).ints(0, 0..2),
    ]
}

fn statistics() -> Vec<Case> {
    vec![
        rows("var_last(x: f32[2, 3, 7])", |row| scatter(row) / 6.0),
        rows("var_last(x: f32[2, 3, 7], correction = 0)", |row| scatter(row) / 7.0),
        case("moments_last(x: f32[5, 7])", |t| {
            vec![by_row(&t[0], &mean), by_row(&t[0], &|row: &[f64]| scatter(row) / 7.0)]
        }),
        rows("l1_norm_last(x: f32[5, 7])", |row| row.iter().map(|x| x.abs()).sum()),
        rows("l2_norm_last(x: f32[5, 7])", |row| row.iter().map(|x| x * x).sum::<f64>().sqrt()),
        rows("logsumexp_last(x: f32[5, 7])", |row| row.iter().map(|x| x.exp()).sum::<f64>().ln()),
        case("cumsum_last(x: f32[3, 7])", |t| vec![array([3, 7], |[i, n]| sum([n + 1], |[k]| t[0].at([i, k])))]),
    ]
}
