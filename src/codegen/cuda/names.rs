//! Names of C for the names of a kernel: `i.0` is `i_0`, each different from all others and from the words of CUDA.

use std::collections::BTreeSet;

use crate::arena::{Arena, Id};
use crate::codegen::check;
use crate::expr::{AxisId, TensorId};
use crate::loops::Kernel;

/// Names that CUDA has given away, beside those of C.
const CUDA: &[&str] = &[
    "args",
    "blockDim",
    "blockIdx",
    "bool",
    "dim3",
    "gridDim",
    "half",
    "int32_t",
    "int64_t",
    "int8_t",
    "stream",
    "threadIdx",
    "uint16_t",
    "uint8_t",
    "warpSize",
    "workspace",
    "y0",
    "y1",
    "yn",
    "j0",
    "j1",
    "jn",
    "gamma",
    "signal",
    "index",
    "true",
    "false",
];

/// The names of one kernel.
#[derive(Clone, Debug)]
pub(super) struct Names {
    axes: Vec<String>,
    buffers: Vec<String>,
}

impl Names {
    /// Names for everything in a kernel: tensors keep theirs first.
    pub(super) fn of(kernel: &Kernel) -> Self {
        let mut taken = BTreeSet::from([kernel.name.clone()]);
        let buffers = all(&kernel.buffers, |buffer| &buffer.name, &mut taken);
        let axes = all(&kernel.axes, |axis| &axis.name, &mut taken);
        Self { axes, buffers }
    }

    pub(super) fn axis(&self, id: AxisId) -> &str {
        &self.axes[id.index()]
    }

    pub(super) fn buffer(&self, id: TensorId) -> &str {
        &self.buffers[id.index()]
    }
}

fn all<I: Id, T>(items: &Arena<I, T>, name: impl Fn(&T) -> &String, taken: &mut BTreeSet<String>) -> Vec<String> {
    items.iter().map(|(_, item)| distinct(name(item), taken)).collect()
}

/// A name like `wanted` that nothing has yet.
fn distinct(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name: String = wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name.insert(0, '_');
    }
    // Names that begin so are the prelude's, or the implementation's.
    if name.starts_with("ftc_") || name.starts_with("__") || name.starts_with("cuda") {
        name.insert_str(0, "v_");
    }
    while check::is_reserved(&name) || CUDA.contains(&name.as_str()) || taken.contains(&name) {
        name.push('_');
    }
    taken.insert(name.clone());
    name
}
