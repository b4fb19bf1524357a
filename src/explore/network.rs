//! Small networks: fully connected layers with rectifiers between them, initialised from the search's own chance.
//!
//! The only file that knows candle. Shapes are all made here, so its errors cannot happen.

use candle_core::{D, DType, Device, Tensor, Var};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::space::knobs::{Knobs, Order, Point};

const SHAPES: &str = "shapes agree: all of them are made in this file";

/// A point as numbers: the place on its line of each size, and one number for each value of other knobs.
pub(super) fn encode(knobs: &Knobs, point: &Point) -> Vec<f32> {
    let mut row = Vec::new();
    for (knob, &value) in knobs.knobs.iter().zip(&point.0) {
        let count = knob.values.len();
        match knob.order {
            _ if count == 1 => {}
            Order::Line => row.push(2.0 * f32::from(value) / (count - 1) as f32 - 1.0),
            Order::Any => row.extend((0..count).map(|other| f32::from(other == usize::from(value)))),
        }
    }
    // A network wants an input, even if nothing is to be chosen.
    row.push(1.0);
    row
}

/// Layers, and how their weights move.
#[derive(Debug)]
pub(super) struct Network {
    /// Weights and biases in turn.
    vars: Vec<Var>,
    /// For each of them the running means of `AdaDelta`: of squared gradients, and of squared steps.
    means: Vec<(Tensor, Tensor)>,
}

/// What a network is to say: for each row, which output, and its value.
#[derive(Debug)]
pub(super) struct Lesson<'a> {
    /// Inputs.
    pub(super) rows: &'a [&'a [f32]],
    /// The output that is meant, and what it should be.
    pub(super) wanted: &'a [(usize, f32)],
}

/// How fast weights move.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Factor of each step.
    pub(super) rate: f64,
    /// How much of the running means is kept.
    pub(super) decay: f64,
}

impl Network {
    /// A network with layers of these widths, inputs first and outputs last.
    pub(super) fn new(widths: &[usize], rng: &mut StdRng) -> Self {
        let mut vars = Vec::new();
        for pair in widths.windows(2) {
            let bound = (6.0 / pair[0] as f32).sqrt();
            let weights: Vec<f32> = (0..pair[0] * pair[1]).map(|_| rng.random_range(-bound..bound)).collect();
            vars.push(var(weights, &[pair[0], pair[1]]));
            vars.push(var(vec![0.0; pair[1]], &[1, pair[1]]));
        }
        let means = vars.iter().map(|var| (zeros(var), zeros(var))).collect();
        Self { vars, means }
    }

    /// A copy of another network's weights.
    pub(super) fn copy(&self) -> Self {
        let copied = |var: &Var| Var::from_tensor(&var.copy().expect(SHAPES)).expect(SHAPES);
        Self { vars: self.vars.iter().map(copied).collect(), means: self.means.clone() }
    }

    /// All outputs for each row.
    pub(super) fn outputs(&self, rows: &[&[f32]]) -> Vec<Vec<f32>> {
        if rows.is_empty() {
            return Vec::new();
        }
        self.forward(&matrix(rows)).to_vec2().expect(SHAPES)
    }

    fn forward(&self, inputs: &Tensor) -> Tensor {
        let last = self.vars.len() / 2 - 1;
        let mut values = inputs.clone();
        for (number, layer) in self.vars.chunks(2).enumerate() {
            values = values.matmul(&layer[0]).and_then(|values| values.broadcast_add(&layer[1])).expect(SHAPES);
            if number < last {
                values = values.relu().expect(SHAPES);
            }
        }
        values
    }

    /// One step of `AdaDelta` on the mean squared error.
    pub(super) fn learn(&mut self, lesson: &Lesson<'_>, rate: Rate) {
        if lesson.rows.is_empty() {
            return;
        }
        let outputs = self.forward(&matrix(lesson.rows));
        let count = outputs.dim(D::Minus1).expect(SHAPES);
        let mut meant = vec![0.0_f32; lesson.rows.len() * count];
        for (row, &(output, _)) in lesson.wanted.iter().enumerate() {
            meant[row * count + output] = 1.0;
        }
        let wanted: Vec<f32> = lesson.wanted.iter().map(|&(_, value)| value).collect();
        let loss = loss(&outputs, meant, wanted).expect(SHAPES);
        let gradients = loss.backward().expect(SHAPES);
        for (var, means) in self.vars.iter().zip(&mut self.means) {
            if let Some(gradient) = gradients.get(var) {
                step(var, gradient, means, rate).expect(SHAPES);
            }
        }
    }
}

fn loss(outputs: &Tensor, meant: Vec<f32>, wanted: Vec<f32>) -> candle_core::Result<Tensor> {
    let (rows, count) = outputs.dims2()?;
    let meant = Tensor::from_vec(meant, (rows, count), &Device::Cpu)?;
    let wanted = Tensor::from_vec(wanted, rows, &Device::Cpu)?;
    outputs.mul(&meant)?.sum(1)?.sub(&wanted)?.sqr()?.mean_all()
}

fn step(
    var: &Var,
    gradient: &Tensor,
    (squares, steps): &mut (Tensor, Tensor),
    Rate { rate, decay }: Rate,
) -> candle_core::Result<()> {
    const SMALL: f64 = 1e-6;
    let gradient = gradient.detach();
    *squares = ((squares.affine(decay, 0.0))? + gradient.sqr()?.affine(1.0 - decay, 0.0)?)?.detach();
    let scale = (steps.affine(1.0, SMALL)?.sqrt()? / squares.affine(1.0, SMALL)?.sqrt()?)?;
    let delta = (gradient * scale)?;
    *steps = (steps.affine(decay, 0.0)? + delta.sqr()?.affine(1.0 - decay, 0.0)?)?.detach();
    var.set(&(var.as_tensor().detach() - delta.affine(rate, 0.0)?)?)
}

fn var(values: Vec<f32>, shape: &[usize]) -> Var {
    Var::from_vec(values, shape, &Device::Cpu).expect(SHAPES)
}

fn zeros(var: &Var) -> Tensor {
    Tensor::zeros(var.shape(), DType::F32, &Device::Cpu).expect(SHAPES)
}

fn matrix(rows: &[&[f32]]) -> Tensor {
    let (count, width) = (rows.len(), rows[0].len());
    Tensor::from_vec(rows.concat(), (count, width), &Device::Cpu).expect(SHAPES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_network_learns_a_line_and_the_same_from_the_same_seed() {
        let train = || {
            let mut rng = StdRng::seed_from_u64(3);
            let mut network = Network::new(&[2, 16, 1], &mut rng);
            let rows: Vec<Vec<f32>> = (0..16_i16).map(|at| vec![f32::from(at) / 8.0 - 1.0, 1.0]).collect();
            let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
            let wanted: Vec<_> = rows.iter().map(|row| (0, 3.0 * row[0] + 1.0)).collect();
            for _ in 0..300 {
                network.learn(&Lesson { rows: &rows, wanted: &wanted }, Rate { rate: 1.0, decay: 0.9 });
            }
            let outputs = network.outputs(&rows);
            let worst = outputs.iter().zip(&wanted).map(|(a, b)| (a[0] - b.1).abs()).fold(0.0, f32::max);
            assert!(worst < 0.3, "{worst}");
            outputs
        };
        assert_eq!(train(), train());
    }
}
