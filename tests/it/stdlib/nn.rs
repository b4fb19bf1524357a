//! References of `std::nn`.

use super::array::{Array, array, each, map, sum};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = layers();
    cases.extend(normalisation());
    cases.extend(losses());
    cases.extend(attention_cases());
    cases.extend(cells());
    cases.extend(pixels());
    cases
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn layers() -> Vec<Case> {
    vec![
        case("dense(x: f32[2, 3, 7], w: f32[5, 7], b: f32[5])", |t| {
            vec![array([2, 3, 5], |[a, b, o]| t[2].at([o]) + sum([7], |[i]| t[0].at([a, b, i]) * t[1].at([o, i])))]
        }),
        case("dense(x: f32[7], w: f32[5, 7], b: f32[5])", |t| {
            vec![array([5], |[o]| t[2].at([o]) + sum([7], |[i]| t[0].at([i]) * t[1].at([o, i])))]
        }),
        case("bias_add(x: f32[2, 3, 5, 7], b: f32[3])", |t| {
            vec![array([2, 3, 5, 7], |at| t[0].at(at) + t[1].at([at[1]]))]
        }),
        case("batch_norm(x: f32[2, 3, 5], mu: f32[3], sigma2: f32[3], gamma: f32[3], beta: f32[3])", |t| {
            vec![array([2, 3, 5], |at| {
                let [mu, sigma2, gamma, beta] = [1, 2, 3, 4].map(|i| t[i].at([at[1]]));
                (t[0].at(at) - mu) / (sigma2 + 1e-5).sqrt() * gamma + beta
            })]
        })
        .adjust(2, |_, x| x.abs() + 0.5),
    ]
}

/// Mean and biased variance.
fn moments(items: &[f64]) -> (f64, f64) {
    let count = items.len() as f64;
    let mean = items.iter().sum::<f64>() / count;
    (mean, items.iter().map(|x| x * x).sum::<f64>() / count - mean * mean)
}

fn normalisation() -> Vec<Case> {
    vec![
        case("layer_norm(x: f32[2, 3, 7], gamma: f32[7], beta: f32[7])", |t| {
            vec![array([2, 3, 7], |[a, b, c]| {
                let row: Vec<_> = (0..7).map(|c| t[0].at([a, b, c])).collect();
                let (mean, variance) = moments(&row);
                (t[0].at([a, b, c]) - mean) / (variance + 1e-5).sqrt() * t[1].at([c]) + t[2].at([c])
            })]
        }),
        case("rms_norm(x: f32[3, 7], gamma: f32[7], eps = 0.125)", |t| {
            vec![array([3, 7], |[a, c]| {
                let square = sum([7], |[c]| t[0].at([a, c]).powi(2)) / 7.0;
                t[0].at([a, c]) / (square + 0.125).sqrt() * t[1].at([c])
            })]
        }),
        case("group_norm(x: f32[2, 6, 3, 5], gamma: f32[6], beta: f32[6], groups = 3)", |t| vec![group_norm(t, 3)]),
        case("instance_norm(x: f32[2, 4, 3, 5], gamma: f32[4], beta: f32[4])", |t| vec![group_norm(t, 4)]),
        case("softmax(x: f32[2, 3, 7])", |t| vec![softmax(&t[0].clone().reshape(&[6, 7])).reshape(&[2, 3, 7])]),
        case("softmax(x: f32[5])", |t| vec![softmax(&t[0].clone().reshape(&[1, 5])).reshape(&[5])]),
        case("log_softmax(x: f32[3, 7])", |t| vec![map(&softmax(&t[0]), f64::ln)]),
    ]
}

fn group_norm(t: &[Array], groups: i64) -> Array {
    let [n, c, h, w] = t[0].dims();
    let size = c / groups;
    array([n, c, h, w], |[n, c, y, x]| {
        let mut members = Vec::new();
        each([size, h, w], |[i, y, x]| members.push(t[0].at([n, c / size * size + i, y, x])));
        let (mean, variance) = moments(&members);
        (t[0].at([n, c, y, x]) - mean) / (variance + 1e-5).sqrt() * t[1].at([c]) + t[2].at([c])
    })
}

/// Along the rows of a matrix.
fn softmax(x: &Array) -> Array {
    let [rows, cols] = x.dims();
    array([rows, cols], |[i, j]| x.at([i, j]).exp() / sum([cols], |[k]| x.at([i, k]).exp()))
}

fn losses() -> Vec<Case> {
    vec![
        case("cross_entropy(x: f32[5, 7], target: i64[5])", |t| {
            let p = softmax(&t[0]);
            vec![array([], |[]| -sum([5], |[n]| p.at([n, t[1].at([n]) as i64]).ln()) / 5.0)]
        })
        .ints(1, 0..7),
        case("mse_loss(x: f32[5, 7], t: f32[5, 7])", |t| {
            vec![array([], |[]| sum([5, 7], |at| (t[0].at(at) - t[1].at(at)).powi(2)) / 35.0)]
        }),
    ]
}

fn attention_cases() -> Vec<Case> {
    vec![
        case("attention(q: f32[2, 3, 5, 4], k: f32[2, 3, 7, 4], v: f32[2, 3, 7, 6])", |t| {
            vec![attention(t, |_, _| true)]
        }),
        case("attention(q: f32[1, 2, 5, 3], k: f32[1, 2, 5, 3], v: f32[1, 2, 5, 3], causal = true)", |t| {
            vec![attention(t, |i, j| j <= i)]
        }),
    ]
}

fn attention(t: &[Array], sees: impl Fn(i64, i64) -> bool) -> Array {
    let ([b, h, l, e], [_, _, m, f]) = (t[0].dims(), t[2].dims());
    array([b, h, l, f], |[b, h, i, f]| {
        let score = |j| sum([e], |[e]| t[0].at([b, h, i, e]) * t[1].at([b, h, j, e])) / (e as f64).sqrt();
        let weights: Vec<_> = (0..m).map(|j| if sees(i, j) { score(j).exp() } else { 0.0 }).collect();
        let total: f64 = weights.iter().sum();
        sum([m], |[j]| weights[j as usize] / total * t[2].at([b, h, j, f]))
    })
}

/// x · wᵀ + b, row n, element j.
fn affine(x: &Array, w: &Array, b: &Array, n: i64, j: i64) -> f64 {
    b.at([j]) + sum([x.dim(1)], |[k]| x.at([n, k]) * w.at([j, k]))
}

fn cells() -> Vec<Case> {
    vec![
        case(
            "lstm_cell(x: f32[2, 5], h: f32[2, 3], c: f32[2, 3], w_ih: f32[12, 5], w_hh: f32[12, 3], \
             b_ih: f32[12], b_hh: f32[12])",
            |t| {
                let gate = |n, j, g: i64| {
                    affine(&t[0], &t[3], &t[5], n, j + 3 * g) + affine(&t[1], &t[4], &t[6], n, j + 3 * g)
                };
                let cell = array([2, 3], |[n, j]| {
                    sigma(gate(n, j, 1)) * t[2].at([n, j]) + sigma(gate(n, j, 0)) * gate(n, j, 2).tanh()
                });
                let hidden = array([2, 3], |[n, j]| sigma(gate(n, j, 3)) * cell.at([n, j]).tanh());
                vec![hidden, cell]
            },
        ),
        case(
            "gru_cell(x: f32[2, 5], h: f32[2, 3], w_ih: f32[9, 5], w_hh: f32[9, 3], b_ih: f32[9], b_hh: f32[9])",
            |t| {
                let of_x = |n, j, g: i64| affine(&t[0], &t[2], &t[4], n, j + 3 * g);
                let of_h = |n, j, g: i64| affine(&t[1], &t[3], &t[5], n, j + 3 * g);
                vec![array([2, 3], |[n, j]| {
                    let reset = sigma(of_x(n, j, 0) + of_h(n, j, 0));
                    let update = sigma(of_x(n, j, 1) + of_h(n, j, 1));
                    let new = (of_x(n, j, 2) + reset * of_h(n, j, 2)).tanh();
                    (1.0 - update) * new + update * t[1].at([n, j])
                })]
            },
        ),
    ]
}

fn pixels() -> Vec<Case> {
    vec![
        case("pixel_cnn(x: f32[1, 2, 5, 7], w: f32[3, 2, 3, 5], b: f32[3])", |t| vec![pixel_cnn(t, true)]),
        case("pixel_cnn(x: f32[1, 2, 5, 7], w: f32[3, 2, 3, 5], b: f32[3], center = false)", |t| {
            vec![pixel_cnn(t, false)]
        }),
        gated(0),
        gated(1),
    ]
}

/// The convolution with "same" padding and a mask on the weights.
fn pixel_cnn(t: &[Array], center: bool) -> Array {
    let ([n, _, h, w], [k, c, r, s]) = (t[0].dims(), t[1].dims());
    array([n, k, h, w], |[n, k, p, q]| {
        t[2].at([k])
            + sum([c, r, s], |[c, i, j]| {
                let (down, right) = (i - r / 2, j - s / 2);
                let seen = down < 0 || down == 0 && (right < 0 || center && right == 0);
                if seen { t[0].or([n, c, p + down, q + right], 0.0) * t[1].at([k, c, i, j]) } else { 0.0 }
            })
    })
}

fn gated(skip: i64) -> Case {
    let call = format!(
        "gated_pixel_cnn(v: f32[1, 2, 5, 4], h: f32[1, 2, 5, 4], w_v: f32[4, 2, 2, 3], w_h: f32[4, 2, 3], \
         link: f32[4, 4], out: f32[2, 2], skip = {skip})"
    );
    case(&call, move |t| gated_pixel_cnn(t, skip))
}

/// Rows above and with the pixel for the vertical stack; pixels to the left, and the row above, for the horizontal one.
fn gated_pixel_cnn(t: &[Array], skip: i64) -> Vec<Array> {
    let ([n, c, h, w], [_, _, rows, cols]) = (t[0].dims(), t[2].dims());
    let left = t[3].dim(2);
    let shape = [n, 2 * c, h, w];
    let vertical = array(shape, |[n, k, p, q]| {
        sum([c, rows, cols], |[c, up, s]| {
            t[0].or([n, c, p - up, q + s - cols / 2], 0.0) * t[2].at([k, c, rows - 1 - up, s])
        })
    });
    let horizontal = array(shape, |[n, k, p, q]| {
        let own =
            sum([c, left], |[c, back]| t[1].or([n, c, p, q - back - skip], 0.0) * t[3].at([k, c, left - 1 - back]));
        own + sum([2 * c], |[j]| vertical.or([n, j, p - 1, q], 0.0) * t[4].at([k, j]))
    });
    let gate = |a: &Array, n, k, p, q| a.at([n, k, p, q]).tanh() * sigma(a.at([n, k + c, p, q]));
    vec![
        array([n, c, h, w], |[n, k, p, q]| gate(&vertical, n, k, p, q)),
        array([n, c, h, w], |[n, k, p, q]| {
            t[1].at([n, k, p, q]) + sum([c], |[j]| gate(&horizontal, n, j, p, q) * t[5].at([k, j]))
        }),
    ]
}
