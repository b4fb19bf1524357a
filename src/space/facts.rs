//! What a space is built from: the axes of a nest and how its accesses go along them. Nothing else of the nest counts.

use crate::loops::BufferKind;
use crate::schedule::dot::dot;
use crate::schedule::nest::{Nest, Program, VarId, loads_of};
use crate::schedule::reads::{self, Access};
use crate::target::Machine;

/// The axes and accesses of a nest.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// All axes, in the order of the naive loops.
    pub(super) axes: Vec<Axis>,
    /// Axes of one value.
    pub(super) ones: Vec<usize>,
    /// Longer axes of results.
    pub(super) spatial: Vec<usize>,
    /// Longer axes of sums.
    pub(super) reduced: Vec<usize>,
    pub(super) loads: Vec<Moved>,
    pub(super) store: Moved,
    /// Bytes of a value while it is computed.
    pub(super) bytes: i64,
    /// Terms of the sum that one instruction joins, if the machine has one for them, and how many of these in a row.
    pub(super) terms: Option<(i64, i64)>,
}

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) extent: i64,
    /// Whether values are joined along it.
    pub(super) is_reduced: bool,
}

/// An access.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) name: String,
    /// Bytes of an element in memory.
    pub(super) bytes: i64,
    /// For each axis, elements from one value to the next; none if that is no one number.
    pub(super) strides: Vec<Option<i64>>,
    /// For each axis, whether it decides what is read.
    pub(super) uses: Vec<bool>,
    /// For each axis, whether it decides if something is read.
    pub(super) guarded: Vec<bool>,
    /// Whether it is the only read of its tensor.
    pub(super) is_copiable: bool,
    /// Whether other nests read the tensor, too.
    pub(super) is_shared: bool,
    /// Whether its elements are known to the compiler.
    pub(super) is_constant: bool,
}

impl Facts {
    /// Those on a CPU.
    pub(super) fn of(program: &Program, nest: &Nest, machine: &Machine) -> Self {
        let terms = dot(program, nest, machine).map(|dot| (dot.terms, dot.groups()));
        Self { terms, ..Self::of_structure(program, nest) }
    }

    /// Those of every machine.
    pub(super) fn of_structure(program: &Program, nest: &Nest) -> Self {
        let axis = |&var: &VarId| {
            let found = &nest.vars[var];
            Axis { name: found.name.clone(), extent: found.extent, is_reduced: found.is_reduced() }
        };
        let (ones, long): (Vec<_>, Vec<_>) =
            (0..nest.order.len()).partition(|&at| nest.vars[nest.order[at]].extent == 1);
        let (reduced, spatial) = long.into_iter().partition(|&at| nest.vars[nest.order[at]].is_reduced());
        let loads = reads::loads(program, nest);
        let is_only = |load: &Access| loads.iter().filter(|other| other.tensor == load.tensor).count() == 1;
        let reads = |nest: &Nest, load: &Access| !loads_of(&program.kernel, nest.value(), load.tensor).is_empty();
        let is_shared = |load: &Access| program.nests.iter().filter(|nest| reads(nest, load)).count() > 1;
        let is_constant = |load: &Access| matches!(program.kernel.buffers[load.tensor].kind, BufferKind::Constant(_));
        let known = |load: &Access| Moved {
            is_copiable: is_only(load),
            is_shared: is_shared(load),
            is_constant: is_constant(load),
            ..moved(nest, load)
        };
        Self {
            axes: nest.order.iter().map(axis).collect(),
            ones,
            spatial,
            reduced,
            loads: loads.iter().map(known).collect(),
            store: moved(nest, &reads::store(program, nest)),
            bytes: program.kernel.pool.dtype(nest.value()).bytes() as i64,
            terms: None,
        }
    }

    /// Values of several axes.
    pub(super) fn length(&self, axes: &[usize]) -> i64 {
        axes.iter().map(|&axis| self.axes[axis].extent).product()
    }

    /// Names of axes.
    pub(super) fn names(&self, axes: &[usize]) -> Vec<String> {
        axes.iter().map(|&axis| self.axes[axis].name.clone()).collect()
    }
}

impl Moved {
    /// Whether what is read depends on one of some axes.
    pub(super) fn uses_any(&self, axes: &[usize]) -> bool {
        axes.iter().any(|&axis| self.uses[axis])
    }
}

fn moved(nest: &Nest, access: &Access) -> Moved {
    let axes: Vec<_> = nest.order.iter().map(|&var| nest.vars[var].axis).collect();
    let of = |test: &dyn Fn(crate::expr::AxisId) -> bool| axes.iter().map(|axis| axis.is_some_and(test)).collect();
    Moved {
        name: access.name.clone(),
        bytes: access.bytes,
        strides: axes.iter().map(|axis| axis.and_then(|axis| access.stride(axis))).collect(),
        uses: of(&|axis| access.uses(axis)),
        guarded: of(&|axis| access.guards.contains(&axis)),
        is_copiable: false,
        is_shared: false,
        is_constant: false,
    }
}
