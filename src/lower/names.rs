//! Unique names for the axes and accumulators of a kernel. They come from the source's names and the order of the
//! stages alone, so that schedules can refer to them.

use std::collections::BTreeSet;

use crate::arena::Id;
use crate::graph::{self, Graph};

/// The names that are taken.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// Takes `name`; false if it was taken already.
    pub(super) fn claim(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    /// A free name: `name`, else `owner.name`, else `owner.name_2` and so on.
    pub(super) fn fresh(&mut self, name: &str, owner: &str) -> String {
        let qualified = format!("{owner}.{name}");
        [name.to_owned(), qualified.clone()]
            .into_iter()
            .chain((2..=usize::MAX).map(|number| format!("{qualified}_{number}")))
            .find(|candidate| self.claim(candidate))
            .expect("numbers do not run out")
    }
}

/// A name for every axis of the graph, in the order of their ids. The first stage that uses a name keeps it; in later
/// stages it is qualified by the tensor that they define. Axes that no stage uses come last.
pub(super) fn axes(graph: &Graph) -> Vec<String> {
    let mut names = Names::default();
    let mut result = vec![String::new(); graph.axes.len()];
    for stage in &graph.stages {
        let owner = &graph.tensors[stage.tensor].name;
        for &axis in stage.axes.iter().chain(stage.body.reduce_axes()) {
            result[axis.index()] = names.fresh(&graph.axes[axis].name, owner);
        }
    }
    for (axis, graph::Axis { name, .. }) in graph.axes.iter() {
        if result[axis.index()].is_empty() {
            result[axis.index()] = names.fresh(name, "unused");
        }
    }
    result
}
