//! A schedule as data: steps in the order in which they are applied, and their text form.
//!
//! The text is that of a `schedule` block in a `.ft` file, one step a line; what [`Schedule`] prints, the parser of
//! the language reads back to the same steps. Axes have the names that the naive loop nest gives them (`ftc build
//! --emit loops` shows them); the parts of a split axis `i` are `i.0`, `i.1`, …, the outermost first.
//!
//! ```text
//! split i by [?, 14]                       i = i.0 * 14 + i.1; the first part is what is left
//! split j by [?, 2, 16] tail pad           how to treat a last part that is not full
//! fuse p q as pq                           pq = p * Q + q
//! phases p q by [2, 2]                     a nest for each remainder of p and of q by 2
//! reorder i.0 k.0 i.1 k.1                  these loops in this order; others keep their places
//! parallel i.0                             on several threads
//! vectorize j.2                            as the lanes of vectors
//! unroll i.1 j.1                           written out
//! bind i.0 to grid.x                       as a coordinate of a GPU's grid or of its blocks
//! store x as [c, r, p]                     what `x` gives is stored first, in this order
//! stage B at k.0 as [k.1, j.1]             copy what `B` gives inside of loop k.0, in this order
//! accumulate at k.0                        sums stay in registers inside of loop k.0
//! pipeline k.0                             its shared copies are made one iteration ahead
//! pipeline k.0 by 4                        … or three, in four buffers
//! tensorize i.3 j.3 k.2                    tiles of 16 by 8 by 16 are multiplied by matrix units
//! rfactor k.1                              each value of k.1 has a sum of its own; they are joined last
//! inline t                                 `t` is not stored but computed where it is used
//! compute t at y.p                         `t` is computed inside of loop y.p, as far as it is needed there
//! ```
//!
//! A `?` that is not the first part of a split is a *hole*: a choice that is left to the explorer.

use std::fmt;

use crate::loops::{LoopKind, Scope};
pub use crate::target::Numbers;

/// Steps, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One change of a kernel. Names are those of axes and tensors of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// One loop becomes several, nested.
    Split {
        /// The loop.
        axis: String,
        /// Extents of all parts but the first, which is what is left; `None` is a hole.
        parts: Vec<Option<i64>>,
        /// What happens where the parts do not fill the axis exactly.
        tail: Tail,
    },
    /// Neighbouring loops become one.
    Fuse {
        /// The loops, the outermost first; at least two.
        axes: Vec<String>,
        /// The name of the new loop.
        name: String,
    },
    /// A nest becomes several: one for each remainder of some axes.
    Phases {
        /// The axes.
        axes: Vec<String>,
        /// For each, by what it is divided.
        counts: Vec<i64>,
    },
    /// Loops change places among themselves.
    Reorder {
        /// In the order wanted, the outermost first.
        axes: Vec<String>,
    },
    /// Iterations run on several threads.
    Parallel {
        /// The loop.
        axis: String,
    },
    /// Iterations are lanes of vectors.
    Vectorize {
        /// The loop.
        axis: String,
    },
    /// Iterations are written out one after another.
    Unroll {
        /// The loops.
        axes: Vec<String>,
    },
    /// Iterations run at once on a GPU.
    Bind {
        /// The loop.
        axis: String,
        /// The coordinate: [`LoopKind::Grid`] or [`LoopKind::Block`].
        to: LoopKind,
    },
    /// What an operand gives is stored by a nest of its own, first.
    Store {
        /// The tensor that is read.
        operand: String,
        /// Axes of what is stored, slowest first.
        layout: Vec<String>,
    },
    /// An operand is copied into the order in which it is read.
    Stage {
        /// The tensor that is read.
        operand: String,
        /// Where the copy is made; before all loops if none.
        place: Option<Place>,
        /// Axes of the copy, slowest first; if none, it keeps the tensor's own axes and holds the part that is read.
        layout: Option<Vec<String>>,
        /// Where it lives.
        scope: Scope,
    },
    /// Results of a reduction are kept close while they grow.
    Accumulate {
        /// Inside of which loop; the accumulators are all results that the loops inside it work on.
        at: String,
    },
    /// Copies that threads share are made one iteration ahead.
    Pipeline {
        /// The loop inside of which they are made.
        axis: String,
        /// The number of buffers; if none, two, and what is ahead waits in registers.
        stages: Option<i64>,
    },
    /// The warps of a GPU multiply tiles by its matrix units.
    Tensorize {
        /// Rows of a tile.
        rows: String,
        /// Columns of a tile.
        columns: String,
        /// Terms of its sums.
        terms: String,
        /// How operands are rounded.
        numbers: Numbers,
    },
    /// Every value of a reduced axis gets accumulators of its own.
    Rfactor {
        /// The reduced axis.
        axis: String,
    },
    /// An intermediate is computed where it is used.
    Inline {
        /// The intermediate.
        tensor: String,
    },
    /// The part of an intermediate that one iteration needs is computed in that iteration.
    ComputeAt {
        /// The intermediate.
        tensor: String,
        /// The loop of its consumer.
        at: String,
    },
}

/// Where a copy is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In every iteration of this loop.
    Inside(String),
    /// Just outside of it.
    Before(String),
}

/// What happens where parts do not fill their axis exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tail {
    /// The last, smaller part gets loops of its own.
    #[default]
    Peel,
    /// A condition around the innermost statement.
    Guard,
    /// The last part starts earlier, so that it is full: some values are computed twice.
    Overlap,
    /// Computed as if it were full; reads outside give 0, and what is outside is not stored.
    Pad,
}

impl Tail {
    /// All of them, with their words.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Peel, "peel"), (Self::Guard, "guard"), (Self::Overlap, "overlap"), (Self::Pad, "pad")];

    /// Its word in the text.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl Step {
    /// The coordinates of a GPU.
    pub const COORDINATES: [LoopKind; 6] = [
        LoopKind::Grid(0),
        LoopKind::Grid(1),
        LoopKind::Grid(2),
        LoopKind::Block(0),
        LoopKind::Block(1),
        LoopKind::Block(2),
    ];

    /// Whether it gives loops their shapes: such steps come before those that place something in the loops.
    pub const fn is_shape(&self) -> bool {
        matches!(self, Self::Split { .. } | Self::Fuse { .. } | Self::Reorder { .. })
    }
}

impl Schedule {
    /// Whether a choice is left open.
    pub fn has_holes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Split { parts, .. } if parts.contains(&None)))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split { axis, parts, tail } => {
                write!(f, "split {axis} by [?")?;
                for part in parts {
                    match part {
                        Some(extent) => write!(f, ", {extent}")?,
                        None => f.write_str(", ?")?,
                    }
                }
                f.write_str("]")?;
                if *tail == Tail::Peel { Ok(()) } else { write!(f, " tail {}", tail.word()) }
            }
            Self::Fuse { axes, name } => write!(f, "fuse {} as {name}", axes.join(" ")),
            Self::Phases { axes, counts } => {
                let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
                write!(f, "phases {} by [{}]", axes.join(" "), counts.join(", "))
            }
            Self::Reorder { axes } => write!(f, "reorder {}", axes.join(" ")),
            Self::Parallel { axis } => write!(f, "parallel {axis}"),
            Self::Vectorize { axis } => write!(f, "vectorize {axis}"),
            Self::Unroll { axes } => write!(f, "unroll {}", axes.join(" ")),
            Self::Bind { axis, to } => write!(f, "bind {axis} to {}", to.name()),
            Self::Store { operand, layout } => write!(f, "store {operand} as [{}]", layout.join(", ")),
            Self::Stage { operand, place, layout, scope } => {
                write!(f, "stage {operand}")?;
                match place {
                    None => {}
                    Some(Place::Inside(axis)) => write!(f, " at {axis}")?,
                    Some(Place::Before(axis)) => write!(f, " before {axis}")?,
                }
                if let Some(layout) = layout {
                    write!(f, " as [{}]", layout.join(", "))?;
                }
                if *scope == Scope::Stack { Ok(()) } else { write!(f, " in {}", scope_word(*scope)) }
            }
            Self::Accumulate { at } => write!(f, "accumulate at {at}"),
            Self::Pipeline { axis, stages: None } => write!(f, "pipeline {axis}"),
            Self::Pipeline { axis, stages: Some(stages) } => write!(f, "pipeline {axis} by {stages}"),
            Self::Tensorize { rows, columns, terms, numbers } => {
                write!(f, "tensorize {rows} {columns} {terms}")?;
                if *numbers == Numbers::Tf32 { f.write_str(" as tf32") } else { Ok(()) }
            }
            Self::Rfactor { axis } => write!(f, "rfactor {axis}"),
            Self::Inline { tensor } => write!(f, "inline {tensor}"),
            Self::ComputeAt { tensor, at } => write!(f, "compute {tensor} at {at}"),
        }
    }
}

const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Stack => "stack",
        Scope::Register => "register",
        Scope::Shared | Scope::Async => "shared",
    }
}
