//! References of `std::pool`: every window is collected, then reduced.

use super::array::{Array, array, max, sum};
use super::{Case, case};

/// The positions of a window that are inside, in order.
fn window(p: i64, size: i64, settings: [i64; 4]) -> Vec<i64> {
    let [window, stride, pad, dilation] = settings;
    (0..window).map(|r| p * stride + r * dilation - pad).filter(|h| (0..size).contains(h)).collect()
}

fn out(size: i64, settings: [i64; 4]) -> i64 {
    let [window, stride, pad, dilation] = settings;
    (size + 2 * pad - dilation * (window - 1) - 1) / stride + 1
}

/// The largest element of every window, and its first position in the plane.
fn max_pool(x: &Array, settings: [i64; 4]) -> [Array; 2] {
    let [n, c, h, w] = x.dims();
    let shape = [n, c, out(h, settings), out(w, settings)];
    let best = |[n, c, p, q]: [i64; 4]| {
        let mut best = (f64::NEG_INFINITY, -1);
        for &i in &window(p, h, settings) {
            for &j in &window(q, w, settings) {
                if x.at([n, c, i, j]) > best.0 {
                    best = (x.at([n, c, i, j]), i * w + j);
                }
            }
        }
        best
    };
    [array(shape, |at| best(at).0), array(shape, |at| best(at).1 as f64)]
}

fn avg_pool(x: &Array, settings: [i64; 4], include_pad: bool) -> Array {
    let [n, c, h, w] = x.dims();
    array([n, c, out(h, settings), out(w, settings)], |[n, c, p, q]| {
        let (rows, cols) = (window(p, h, settings), window(q, w, settings));
        let total: f64 = rows.iter().flat_map(|&i| cols.iter().map(move |&j| x.at([n, c, i, j]))).sum();
        let count = if include_pad { settings[0] * settings[0] } else { (rows.len() * cols.len()) as i64 };
        total / count as f64
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = maxima();
    cases.extend(means());
    cases
}

fn maxima() -> Vec<Case> {
    vec![
        case("max_pool1d(x: f32[2, 3, 13], window = 3, stride = 2, pad = 1, dilation = 2)", |t| {
            vec![array([2, 3, 6], |[n, c, p]| {
                window(p, 13, [3, 2, 1, 2]).iter().map(|&i| t[0].at([n, c, i])).fold(f64::NEG_INFINITY, f64::max)
            })]
        }),
        case("max_pool2d(x: f32[2, 3, 7, 9], window = 2)", |t| max_pool(&t[0], [2, 2, 0, 1])[..1].to_vec()),
        case("max_pool2d(x: f32[1, 2, 13, 7], window = 3, stride = 2, pad = 1)", |t| {
            max_pool(&t[0], [3, 2, 1, 1])[..1].to_vec()
        }),
        case("max_pool2d_indices(x: f32[1, 3, 7, 9], window = 3, stride = 2, pad = 1)", |t| {
            max_pool(&t[0], [3, 2, 1, 1]).to_vec()
        }),
        case("max_pool2d_indices(x: f32[1, 2, 9, 8], window = 2, stride = 1, dilation = 3)", |t| {
            max_pool(&t[0], [2, 1, 0, 3]).to_vec()
        }),
        case("max_unpool2d(x: f32[1, 2, 3, 4], at: i64[1, 2, 3, 4], window = 2, stride = 3, pad = 1)", |t| {
            vec![unpool(t, [1, 2, 6, 9])]
        })
        .ints(1, 0..4)
        .adjust(1, |at, pick| {
            let row = (at[2] * 3 - 1 + pick as i64 / 2).clamp(0, 5);
            let col = (at[3] * 3 - 1 + pick as i64 % 2).clamp(0, 8);
            (row * 9 + col) as f64
        }),
        case("global_max_pool(x: f32[2, 3, 5, 7])", |t| {
            vec![array([2, 3], |[n, c]| max([5, 7], |[h, w]| t[0].at([n, c, h, w])))]
        }),
    ]
}

/// Scatters.
fn unpool(t: &[Array], shape: [i64; 4]) -> Array {
    let mut y = super::array::zeros(shape);
    let [n, c, p, q] = t[0].dims();
    super::array::each([n, c, p, q], |at| {
        let plane = t[1].at(at) as i64;
        y.add([at[0], at[1], plane / shape[3], plane % shape[3]], t[0].at(at));
    });
    y
}

fn means() -> Vec<Case> {
    vec![
        case("avg_pool1d(x: f32[2, 3, 13], window = 3, stride = 2, pad = 1)", |t| {
            vec![array([2, 3, 7], |[n, c, p]| {
                window(p, 13, [3, 2, 1, 1]).iter().map(|&i| t[0].at([n, c, i])).sum::<f64>() / 3.0
            })]
        }),
        case("avg_pool1d(x: f32[1, 2, 5], window = 4, stride = 1, pad = 2, include_pad = false)", |t| {
            vec![array([1, 2, 6], |[n, c, p]| {
                let inside = window(p, 5, [4, 1, 2, 1]);
                inside.iter().map(|&i| t[0].at([n, c, i])).sum::<f64>() / inside.len() as f64
            })]
        }),
        case("avg_pool2d(x: f32[1, 3, 7, 9], window = 3, stride = 2, pad = 1)", |t| {
            vec![avg_pool(&t[0], [3, 2, 1, 1], true)]
        }),
        case("avg_pool2d(x: f32[1, 3, 7, 9], window = 3, pad = 1, include_pad = false)", |t| {
            vec![avg_pool(&t[0], [3, 3, 1, 1], false)]
        }),
        case("global_avg_pool2d(x: f32[2, 3, 5, 7])", |t| {
            vec![array([2, 3], |[n, c]| sum([5, 7], |[h, w]| t[0].at([n, c, h, w])) / 35.0)]
        }),
        case("adaptive_avg_pool2d(x: f32[1, 2, 7, 5], P = 3, Q = 4)", |t| {
            vec![array([1, 2, 3, 4], |[n, c, p, q]| {
                let (rows, cols) = (adaptive(p, 3, 7), adaptive(q, 4, 5));
                let count = ((rows.end - rows.start) * (cols.end - cols.start)) as f64;
                rows.flat_map(|i| cols.clone().map(move |j| t[0].at([n, c, i, j]))).sum::<f64>() / count
            })]
        }),
    ]
}

fn adaptive(p: i64, parts: i64, size: i64) -> std::ops::Range<i64> {
    let (low, high) = (p as f64 * size as f64 / parts as f64, (p + 1) as f64 * size as f64 / parts as f64);
    low.floor() as i64..high.ceil() as i64
}
