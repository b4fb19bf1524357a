//! References of `std::conv`: one loop nest for forward convolutions of any rank and one, by scattering, for transposed
//! ones. Lower ranks are volumes of extent 1.

use super::array::{Array, array, each, sum, zeros};
use super::{Case, case};

/// What a convolution is told beside its tensors.
#[derive(Clone, Copy)]
struct Window {
    stride: i64,
    pad: i64,
    output_padding: i64,
    dilation: i64,
    groups: i64,
}

const PLAIN: Window = Window { stride: 1, pad: 0, output_padding: 0, dilation: 1, groups: 1 };

impl Window {
    fn arguments(self, transposed: bool) -> String {
        let Self { stride, pad, output_padding, dilation, groups } = self;
        let more = if transposed { format!(", output_padding = {output_padding}") } else { String::new() };
        format!("stride = {stride}, pad = {pad}, dilation = {dilation}, groups = {groups}{more}")
    }

    /// The output extent; a dimension that is not there stays 1.
    fn out(self, size: i64, taps: i64) -> i64 {
        (size + 2 * self.pad - self.dilation * (taps - 1) - 1) / self.stride + 1
    }

    fn out_transposed(self, size: i64, taps: i64) -> i64 {
        (size - 1) * self.stride - 2 * self.pad + self.dilation * (taps - 1) + self.output_padding + 1
    }
}

/// Leading extents, then spatial ones filled up with 1 in front to three.
fn volume(x: &Array) -> Array {
    let mut shape = x.shape[..2].to_vec();
    shape.extend(std::iter::repeat_n(1, 5 - x.shape.len()));
    shape.extend(&x.shape[2..]);
    x.clone().reshape(&shape)
}

/// The settings of a dimension that exists, or of one that was filled up.
fn settings(window: Window, rank: usize, dim: usize) -> Window {
    if dim + rank < 3 { PLAIN } else { window }
}

fn flat(y: Array, rank: usize) -> Array {
    let mut shape = y.shape[..2].to_vec();
    shape.extend(&y.shape[5 - rank..]);
    y.reshape(&shape)
}

fn forward(x: &Array, w: &Array, window: Window) -> Array {
    let rank = x.shape.len() - 2;
    let (x, w) = (volume(x), volume(w));
    let ([n, _, d, h, v], [k, cg, z, r, s]) = (x.dims(), w.dims());
    let on = |dim| settings(window, rank, dim);
    let shape = [n, k, on(0).out(d, z), on(1).out(h, r), on(2).out(v, s)];
    let tap = |dim, p: i64, r: i64| p * on(dim).stride + r * on(dim).dilation - on(dim).pad;
    let y = array(shape, |[n, ko, o, p, q]| {
        let first = ko / (k / window.groups) * cg;
        sum([cg, z, r, s], |[c, z, r, s]| {
            x.or([n, first + c, tap(0, o, z), tap(1, p, r), tap(2, q, s)], 0.0) * w.at([ko, c, z, r, s])
        })
    });
    flat(y, rank)
}

fn transposed(x: &Array, w: &Array, window: Window) -> Array {
    let rank = x.shape.len() - 2;
    let (x, w) = (volume(x), volume(w));
    let ([n, c, d, h, v], [_, kg, z, r, s]) = (x.dims(), w.dims());
    let on = |dim| settings(window, rank, dim);
    let shape =
        [n, kg * window.groups, on(0).out_transposed(d, z), on(1).out_transposed(h, r), on(2).out_transposed(v, s)];
    let target = |dim, h: i64, r: i64| h * on(dim).stride + r * on(dim).dilation - on(dim).pad;
    let mut y = zeros(shape);
    each([n, c, d, h, v], |[n, ci, d, h, v]| {
        let group = ci / (c / window.groups);
        each([kg, z, r, s], |[k, z, r, s]| {
            let value = x.at([n, ci, d, h, v]) * w.at([ci, k, z, r, s]);
            y.add([n, group * kg + k, target(0, d, z), target(1, h, r), target(2, v, s)], value);
        });
    });
    flat(y, rank)
}

fn shape(extents: &[i64]) -> String {
    format!("f32{extents:?}")
}

fn forward_case(function: &str, x: &[i64], w: &[i64], window: Window) -> Case {
    let call = format!("{function}(x: {}, w: {}, {})", shape(x), shape(w), window.arguments(false));
    case(&call, move |t| vec![forward(&t[0], &t[1], window)])
}

fn transposed_case(function: &str, x: &[i64], w: &[i64], window: Window) -> Case {
    let call = format!("{function}(x: {}, w: {}, {})", shape(x), shape(w), window.arguments(true));
    case(&call, move |t| vec![transposed(&t[0], &t[1], window)])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = forward_cases();
    cases.extend(transposed_cases());
    cases.extend(others());
    cases.extend(winograd());
    cases
}

/// The variants, also where their tiles reach over the rim.
fn winograd() -> Vec<Case> {
    let padded = Window { pad: 1, ..PLAIN };
    let sizes = [([1, 2, 4, 4], PLAIN), ([2, 3, 7, 9], PLAIN), ([1, 3, 6, 5], padded), ([1, 1, 1, 1], padded)];
    let call = |(x, window): ([i64; 4], Window)| forward_case("conv2d", &x, &[5, x[1], 3, 3], window);
    let small = sizes.into_iter().map(|size| call(size).by("winograd"));
    let large = sizes.into_iter().map(|size| call(size).by("winograd4").within(2e-4));
    small.chain(large).chain(winograd_apart()).collect()
}

/// Where taps stand apart, in groups, and turned.
fn winograd_apart() -> Vec<Case> {
    let dilated = |dilation, pad| Window { pad, dilation, ..PLAIN };
    let grouped = Window { pad: 1, dilation: 2, groups: 3, ..PLAIN };
    let cases = [
        forward_case("conv2d", &[2, 2, 9, 11], &[3, 2, 3, 3], dilated(2, 1)),
        forward_case("dilated_conv2d", &[1, 3, 13, 7], &[2, 3, 3, 3], dilated(3, 4)),
        forward_case("grouped_conv2d", &[1, 6, 7, 8], &[9, 2, 3, 3], grouped),
        transposed_case("conv_transpose2d", &[1, 3, 5, 4], &[3, 2, 3, 3], PLAIN),
        transposed_case("conv_transpose2d", &[2, 3, 6, 7], &[3, 4, 3, 3], dilated(1, 2)),
        transposed_case("conv_transpose2d", &[1, 6, 7, 5], &[6, 2, 3, 3], grouped),
        transposed_case("conv_transpose2d", &[1, 2, 1, 3], &[2, 3, 3, 3], dilated(2, 1)),
    ];
    cases.into_iter().map(|case| case.by("winograd")).collect()
}

fn forward_cases() -> Vec<Case> {
    let strided = Window { stride: 2, pad: 1, ..PLAIN };
    let dilated = Window { pad: 2, dilation: 2, ..PLAIN };
    let grouped = Window { stride: 3, pad: 1, dilation: 2, groups: 3, ..PLAIN };
    vec![
        forward_case("conv1d", &[2, 3, 13], &[5, 3, 3], strided),
        forward_case("conv1d", &[1, 6, 11], &[9, 2, 4], grouped),
        forward_case("conv1d", &[1, 1, 1], &[1, 1, 1], PLAIN),
        forward_case("conv2d", &[2, 3, 7, 9], &[5, 3, 3, 3], PLAIN),
        forward_case("conv2d", &[1, 3, 13, 8], &[4, 3, 3, 2], strided),
        forward_case("conv2d", &[1, 2, 7, 7], &[3, 2, 3, 3], dilated),
        forward_case("conv2d", &[1, 6, 11, 8], &[9, 2, 3, 2], grouped),
        forward_case("conv2d", &[1, 2, 1, 1], &[3, 2, 3, 3], Window { pad: 1, ..PLAIN }),
        forward_case("grouped_conv2d", &[1, 4, 7, 5], &[6, 2, 3, 3], Window { pad: 1, groups: 2, ..PLAIN }),
        forward_case("dilated_conv2d", &[1, 3, 9, 7], &[2, 3, 3, 3], dilated),
        forward_case("conv3d", &[1, 2, 5, 7, 6], &[3, 2, 3, 2, 3], strided),
        forward_case("conv3d", &[1, 6, 7, 8, 9], &[3, 2, 2, 3, 2], grouped),
    ]
}

fn transposed_cases() -> Vec<Case> {
    let strided = Window { stride: 2, pad: 1, ..PLAIN };
    let padded = Window { stride: 3, pad: 2, output_padding: 2, dilation: 2, ..PLAIN };
    let grouped = Window { stride: 2, pad: 1, output_padding: 1, groups: 3, ..PLAIN };
    vec![
        transposed_case("conv_transpose1d", &[2, 3, 7], &[3, 5, 3], strided),
        transposed_case("conv_transpose1d", &[1, 6, 5], &[6, 2, 4], grouped),
        transposed_case("conv_transpose1d", &[1, 2, 7], &[2, 3, 3], PLAIN),
        transposed_case("conv_transpose2d", &[1, 3, 5, 4], &[3, 2, 3, 3], strided),
        transposed_case("conv_transpose2d", &[1, 2, 4, 5], &[2, 3, 3, 2], padded),
        transposed_case("conv_transpose2d", &[1, 6, 3, 4], &[6, 2, 2, 3], grouped),
        transposed_case("conv_transpose3d", &[1, 2, 3, 4, 2], &[2, 3, 3, 2, 3], strided),
        transposed_case("conv_transpose3d", &[1, 3, 2, 3, 2], &[3, 1, 2, 2, 2], grouped),
    ]
}

fn others() -> Vec<Case> {
    let window = Window { stride: 2, pad: 1, ..PLAIN };
    vec![
        case("depthwise_conv2d(x: f32[2, 3, 7, 5], w: f32[3, 1, 3, 3], pad = 1)", |t| {
            vec![forward(&t[0], &t[1], Window { pad: 1, groups: 3, ..PLAIN })]
        }),
        case("depthwise_conv2d(x: f32[1, 3, 7, 5], w: f32[6, 1, 3, 2], multiplier = 2, stride = 2, pad = 1)", |t| {
            vec![forward(&t[0], &t[1], Window { stride: 2, pad: 1, groups: 3, ..PLAIN })]
        }),
        case("conv2d_nhwc(x: f32[1, 7, 6, 3], w: f32[3, 2, 3, 5], stride = 2, pad = 1)", move |t| {
            let x = array([1, 3, 7, 6], |[n, c, h, w]| t[0].at([n, h, w, c]));
            let w = array([5, 3, 3, 2], |[k, c, r, s]| t[1].at([r, s, c, k]));
            let y = forward(&x, &w, window);
            vec![array([1, y.dim(2), y.dim(3), 5], |[n, p, q, k]| y.at([n, k, p, q]))]
        }),
        case("conv2d_i8(x: i8[1, 3, 7, 6], w: i8[4, 3, 3, 3], stride = 2, pad = 1)", move |t| {
            vec![forward(&t[0], &t[1], window)]
        })
        .ints(0, -128..128)
        .ints(1, -128..128),
        case("im2col(x: f32[2, 3, 7, 6], R = 3, S = 2, stride = 2, pad = 1)", |t| {
            let columns =
                array([2, 3, 3, 2, 4, 4], |[n, c, r, s, p, q]| t[0].or([n, c, p * 2 + r - 1, q * 2 + s - 1], 0.0));
            vec![columns.reshape(&[2, 18, 16])]
        }),
        case("shift_conv2d(x: f32[1, 5, 7, 11], idx: i64[11], R = 3)", |t| vec![shift(&t[0], &t[1], 3, 1, 1)])
            .ints(1, 0..9),
        case("shift_conv2d(x: f32[2, 8, 5, 13], idx: i64[13], R = 5, stride = 2, dilation = 2)", |t| {
            vec![shift(&t[0], &t[1], 5, 2, 2)]
        })
        .ints(1, 0..25),
    ]
}

fn shift(x: &Array, taps: &Array, window: i64, stride: i64, dilation: i64) -> Array {
    let [n, h, w, c] = x.dims();
    array([n, (h - 1) / stride + 1, (w - 1) / stride + 1, c], |[n, p, q, c]| {
        let tap = taps.at([c]) as i64;
        let (down, right) = (tap / window - window / 2, tap % window - window / 2);
        x.or([n, p * stride + down * dilation, q * stride + right * dilation, c], 0.0)
    })
}
