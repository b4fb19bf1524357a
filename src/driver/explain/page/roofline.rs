//! How fast an export could be, by its operations and bytes, and how fast it is.

use super::super::plot::{Axis, Mark, Plot};
use crate::driver::bench::report::time;
use crate::graph::Graph;
use crate::graph::flops;
use crate::target::Machine;

/// What a kernel asks for, and what a machine has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roofline {
    pub(super) flops: f64,
    pub(super) bytes: f64,
    /// Operations and bytes in a second.
    pub(super) peak: f64,
    pub(super) bandwidth: f64,
}

impl Roofline {
    /// Of a graph on a machine with this clock.
    pub(super) fn of(graph: &Graph, machine: &Machine, clock: f64) -> Self {
        let ends = graph.inputs.iter().chain(&graph.outputs).map(|&id| &graph.tensors[id]);
        let smallest = ends.clone().map(|tensor| tensor.dtype.bytes()).min().unwrap_or(4);
        let lanes = machine.vector_bytes as f64 / smallest as f64;
        let threads = machine.threads as f64;
        Self {
            flops: flops::flops(graph) as f64,
            bytes: ends.map(|tensor| tensor.bytes() as f64).sum(),
            peak: threads * 2.0 * machine.fmas * lanes * clock,
            bandwidth: threads * machine.bandwidth[1] * clock,
        }
    }

    /// Operations for each byte that comes in or goes out.
    pub(super) fn intensity(&self) -> f64 {
        self.flops.max(1.0) / self.bytes.max(1.0)
    }

    /// What the roof allows, in operations a second.
    pub(super) fn roof(&self) -> f64 {
        self.peak.min(self.intensity() * self.bandwidth)
    }

    /// The plot, with the seconds that are known: words and a class for each.
    pub(super) fn plot(&self, known: &[(&str, &str, f64)]) -> Plot {
        let intensity = self.intensity();
        let ridge = self.peak / self.bandwidth;
        let giga = |value: f64| value / 1e9;
        let speeds = known.iter().map(|(_, _, seconds)| giga(self.flops.max(1.0) / seconds));
        let x = Axis::around(
            "operations for each byte",
            [intensity / 4.0, intensity * 4.0, ridge / 4.0, ridge * 4.0],
            |v| format!("{v}"),
        );
        let low = giga(self.bandwidth) * x.from;
        let y = Axis::around("Gop/s", speeds.chain([low, giga(self.peak)]), |v| format!("{v}"));
        let mut marks = vec![
            Mark::Line {
                points: vec![(x.from, low), (ridge, giga(self.peak)), (x.to, giga(self.peak))],
                class: "s4".to_owned(),
            },
            Mark::Line {
                points: vec![(intensity, y.from), (intensity, giga(self.roof()))],
                class: "s4 faint".to_owned(),
            },
        ];
        for &(words, class, seconds) in known {
            let at = (intensity, giga(self.flops.max(1.0) / seconds));
            let title = format!("{words}: {}, {:.0} Gop/s", time(seconds), at.1);
            marks.push(Mark::Dot { at, class: class.to_owned(), title });
            marks.push(Mark::Words { at, text: words.to_owned() });
        }
        Plot { x, y, marks, legend: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roof_is_the_lower_of_both() {
        let dense = Roofline { flops: 1e9, bytes: 1e6, peak: 1e11, bandwidth: 1e10 };
        let thin = Roofline { bytes: 1e9, ..dense };
        assert!((dense.roof() - 1e11).abs() < 1.0 && (thin.roof() - 1e10).abs() < 1.0);
        assert!(thin.plot(&[("measured", "s0", 0.2)]).svg().contains("measured"));
    }
}
