//! References of `std::tensor`.

use super::array::{Array, array};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = orders();
    cases.extend(joins());
    cases.extend(pads());
    cases.extend(slices());
    cases.extend(gathers());
    cases.extend(images());
    cases.extend(arithmetic());
    cases
}

fn orders() -> Vec<Case> {
    vec![
        case("transpose(x: f32[7, 5])", |t| vec![array([5, 7], |[i, j]| t[0].at([j, i]))]),
        case("transpose_last(x: f32[2, 7, 5])", |t| vec![array([2, 5, 7], |[b, i, j]| t[0].at([b, j, i]))]),
        case("nchw_to_nhwc(x: f32[2, 3, 5, 7])", |t| vec![array([2, 5, 7, 3], |[n, h, w, c]| t[0].at([n, c, h, w]))]),
        case("nhwc_to_nchw(x: f32[2, 5, 7, 3])", |t| vec![array([2, 3, 5, 7], |[n, c, h, w]| t[0].at([n, h, w, c]))]),
        case("flatten(x: f32[2, 3, 5, 7])", |t| vec![t[0].clone().reshape(&[2, 105])]),
        case("flip_last(x: i32[2, 7])", |t| vec![array([2, 7], |[i, j]| t[0].at([i, 6 - j]))]).ints(0, -99..99),
        case("roll_last(x: f32[2, 7], shift = 3)", |t| vec![array([2, 7], |[i, j]| t[0].at([i, (j + 4) % 7]))]),
        case("roll_last(x: f32[7], shift = -9)", |t| vec![array([7], |[j]| t[0].at([(j + 9) % 7]))]),
        case("tile_first(x: f32[3, 2], times = 4)", |t| vec![array([12, 2], |[i, j]| t[0].at([i % 3, j]))]),
        case("channel_shuffle(x: f32[2, 6, 5], groups = 3)", |t| {
            let parts = t[0].clone().reshape(&[2, 3, 2, 5]);
            vec![array([2, 2, 3, 5], |[n, c, g, i]| parts.at([n, g, c, i])).reshape(&[2, 6, 5])]
        }),
    ]
}

fn joins() -> Vec<Case> {
    vec![
        case("concat_first(a: f32[3, 5], b: f32[4, 5])", |t| {
            vec![array([7, 5], |[i, j]| if i < 3 { t[0].at([i, j]) } else { t[1].at([i - 3, j]) })]
        }),
        case("concat_first(a: f32[1], b: f32[1])", |t| vec![array([2], |[i]| t[i as usize].at([0]))]),
        case("concat_last(a: f32[5, 3], b: f32[5, 4])", |t| {
            vec![array([5, 7], |[i, j]| if j < 3 { t[0].at([i, j]) } else { t[1].at([i, j - 3]) })]
        }),
        case("concat_channels(a: f32[2, 3, 5, 4], b: f32[2, 1, 5, 4])", |t| {
            vec![array(
                [2, 4, 5, 4],
                |[n, c, h, w]| {
                    if c < 3 { t[0].at([n, c, h, w]) } else { t[1].at([n, c - 3, h, w]) }
                },
            )]
        }),
        case("interleave(a: f32[5, 3], b: f32[5, 3])", |t| {
            vec![array([10, 3], |[i, j]| t[(i % 2) as usize].at([i / 2, j]))]
        }),
    ]
}

fn pads() -> Vec<Case> {
    vec![
        case("pad1d(x: f32[7], before = 2, after = 3, value = 1.5)", |t| {
            vec![array([12], |[i]| t[0].or([i - 2], 1.5))]
        }),
        case("pad2d(x: f32[1, 2, 5, 7], pad = 2)", |t| {
            vec![array([1, 2, 9, 11], |[n, c, h, w]| t[0].or([n, c, h - 2, w - 2], 0.0))]
        }),
        case("pad2d_reflect(x: f32[1, 2, 5, 4], pad = 3)", |t| {
            let mirror = |i: i64, size: i64| [i.abs(), 2 * (size - 1) - i][usize::from(i >= size)];
            vec![array([1, 2, 11, 10], |[n, c, h, w]| t[0].at([n, c, mirror(h - 3, 5), mirror(w - 3, 4)]))]
        }),
        case("pad2d_replicate(x: f32[1, 2, 5, 4], pad = 3)", |t| {
            vec![array([1, 2, 11, 10], |[n, c, h, w]| t[0].at([n, c, (h - 3).clamp(0, 4), (w - 3).clamp(0, 3)]))]
        }),
    ]
}

fn slices() -> Vec<Case> {
    vec![
        case("slice_first(x: f32[13, 3], start = 2, count = 4, step = 3)", |t| {
            vec![array([4, 3], |[i, j]| t[0].at([2 + 3 * i, j]))]
        }),
        case("slice_last(x: f32[3, 13], start = 5, count = 8)", |t| vec![array([3, 8], |[i, j]| t[0].at([i, 5 + j]))]),
        case("tril(x: f32[5, 7])", |t| vec![array([5, 7], |[i, j]| if j <= i { t[0].at([i, j]) } else { 0.0 })]),
        case("tril(x: f32[5, 7], diagonal = -2)", |t| {
            vec![array([5, 7], |[i, j]| if j + 2 <= i { t[0].at([i, j]) } else { 0.0 })]
        }),
    ]
}

fn gathers() -> Vec<Case> {
    vec![
        case("embedding(table: f32[5, 7], at: i64[2, 3])", |t| {
            vec![array([2, 3, 7], |[a, b, e]| t[0].or([t[1].at([a, b]) as i64, e], 0.0))]
        })
        .ints(1, -2..7),
        case("gather_last(x: f32[2, 3, 5], at: i64[2, 3])", |t| {
            vec![array([2, 3], |[a, b]| t[0].at([a, b, (t[1].at([a, b]) as i64).clamp(0, 4)]))]
        })
        .ints(1, -2..7),
        case("one_hot(at: i64[2, 3], classes = 5)", |t| {
            vec![array([2, 3, 5], |[a, b, c]| f64::from(t[0].at([a, b]) == c as f64))]
        })
        .ints(0, -1..6),
        case("select(c: bool[5, 3], a: f32[5, 3], b: f32[5, 3])", |t| {
            vec![array([5, 3], |at| t[if t[0].at(at) == 0.0 { 2 } else { 1 }].at(at))]
        })
        .ints(0, 0..2),
    ]
}

fn images() -> Vec<Case> {
    vec![
        case("upsample_nearest2d(x: f32[1, 2, 5, 4], scale = 3)", |t| {
            vec![array([1, 2, 15, 12], |[n, c, h, w]| t[0].at([n, c, h / 3, w / 3]))]
        }),
        case("upsample_bilinear2d(x: f32[1, 2, 5, 4], scale = 3)", |t| vec![bilinear(&t[0], 3)]),
        case("upsample_bilinear2d(x: f32[1, 1, 1, 7], scale = 2)", |t| vec![bilinear(&t[0], 2)]),
        case("pixel_shuffle(x: f32[1, 12, 3, 5], scale = 2)", |t| {
            let parts = t[0].clone().reshape(&[3, 2, 2, 3, 5]);
            vec![array([3, 3, 2, 5, 2], |[c, h, i, w, j]| parts.at([c, i, j, h, w])).reshape(&[1, 3, 6, 10])]
        }),
        case("pixel_unshuffle(x: f32[1, 3, 6, 10], scale = 2)", |t| {
            let parts = t[0].clone().reshape(&[3, 3, 2, 5, 2]);
            vec![array([3, 2, 2, 3, 5], |[c, i, j, h, w]| parts.at([c, h, i, w, j])).reshape(&[1, 12, 3, 5])]
        }),
    ]
}

/// Between pixel centres, in floating point.
fn bilinear(x: &Array, scale: i64) -> Array {
    let [n, c, h, w] = x.dims();
    let source = |p: i64| ((p as f64 + 0.5) / scale as f64 - 0.5).max(0.0);
    array([n, c, h * scale, w * scale], |[n, c, p, q]| {
        let (row, col) = (source(p), source(q));
        let (top, left) = (row.floor() as i64, col.floor() as i64);
        let (a, b) = (row.fract(), col.fract());
        let pixel = |i: i64, j: i64| x.at([n, c, i.min(h - 1), j.min(w - 1)]);
        (1.0 - a) * (1.0 - b) * pixel(top, left)
            + (1.0 - a) * b * pixel(top, left + 1)
            + a * (1.0 - b) * pixel(top + 1, left)
            + a * b * pixel(top + 1, left + 1)
    })
}

fn arithmetic() -> Vec<Case> {
    vec![
        case("add(a: f32[5, 3], b: f32[5, 3])", |t| vec![array([5, 3], |at| t[0].at(at) + t[1].at(at))]),
        case("mul(a: i32[5, 3], b: i32[5, 3])", |t| vec![array([5, 3], |at| t[0].at(at) * t[1].at(at))])
            .ints(0, -99..99)
            .ints(1, -99..99),
        case("to_f16(x: f32[13])", |t| vec![t[0].clone()]),
        case("quantize_i8(x: f32[13], step = 0.125, zero = -3)", |t| {
            vec![super::array::map(&t[0], |x| ((x / 0.125).round_ties_even() - 3.0).clamp(-128.0, 127.0))]
        })
        .adjust(0, |_, x| x * 8.0),
        case("dequantize_i8(x: i8[13], step = 0.125, zero = -3)", |t| {
            vec![super::array::map(&t[0], |x| (x + 3.0) * 0.125)]
        })
        .ints(0, -128..128),
    ]
}
