//! The tile of accumulators: some rows of some vectors, perhaps on some planes, all in registers.
//!
//! Beside the accumulators, a tile holds what its operands are read into. What depends on all of its sides is read where it
//! is used; what does not is kept while the sides that it does not depend on run, and how much that is depends on which
//! side is the outer one. So a product of few channels (planes, of the weights) and rows of an image (of the picture) has
//! its rows outside: then one row of the picture is held, and the weights of all planes.

use super::Contraction;
use super::choice::Choice;
use crate::space::facts::Moved;
use crate::space::{Rejected, div_ceil};

/// So many values of an axis that is neither vector nor row, all in one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) axis: usize,
    pub(super) count: i64,
}

/// Which side of a tile is written out around the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outer {
    Planes,
    Rows,
}

/// A side of a tile: its axes, and how many it has of them.
struct Extent<'a> {
    axes: &'a [usize],
    count: i64,
}

impl Contraction {
    /// Why there is no such tile.
    pub(super) fn check_tile(&self, vector: &[usize], choice: &Choice) -> Result<(), Rejected> {
        let row = &self.rows[choice.row];
        let (rows, vectors) = (choice.rows, choice.vectors);
        if row.iter().any(|axis| vector.contains(axis)) {
            return Err(Rejected::same("the axis of the vector cannot be the rows, too"));
        }
        self.check_planes(vector, choice)?;
        let planes = self.planes_of(choice);
        let (_, held) = self.outer_side(choice);
        let needed = planes * rows * vectors + held.max(vectors + 1) + 1;
        if needed > self.registers {
            let planes = if planes > 1 { format!("{planes} planes of ") } else { String::new() };
            let tile = format!("{planes}{rows} rows of {vectors} vectors");
            let reason = format!("{tile} need {needed} registers; there are {}", self.registers);
            return Err(Rejected::new("registers", reason));
        }
        let most = div_ceil(self.facts.length(vector), self.lanes);
        if vectors > most {
            return Err(Rejected::new("vectors", format!("the axis has {most} vectors, fewer than {vectors}")));
        }
        let length = self.facts.length(row);
        if rows > length {
            return Err(Rejected::new("rows", format!("the axis has {length} rows, fewer than {rows}")));
        }
        if row.is_empty() != (rows == 1) {
            return Err(Rejected::same("one row is no row"));
        }
        Ok(())
    }

    fn check_planes(&self, vector: &[usize], choice: &Choice) -> Result<(), Rejected> {
        let Some(plane) = self.planes[choice.plane] else { return Ok(()) };
        if vector.contains(&plane.axis) || self.rows[choice.row].contains(&plane.axis) {
            return Err(Rejected::same("the axis of the vector or the rows cannot be the planes, too"));
        }
        if choice.row == 0 {
            return Err(Rejected::same("planes without rows are rows"));
        }
        Ok(())
    }

    /// The number of planes of a tile.
    pub(super) fn planes_of(&self, choice: &Choice) -> i64 {
        self.planes[choice.plane].map_or(1, |plane| plane.count)
    }

    /// How often the loop of an axis of the rest runs, around the planes if they are of that axis.
    pub(super) fn iterations(&self, axis: usize, choice: &Choice) -> i64 {
        let planes = self.planes[choice.plane].filter(|plane| plane.axis == axis).map_or(1, |plane| plane.count);
        div_ceil(self.facts.axes[axis].extent, planes)
    }

    /// The side that is better outside, and the registers that operands need then.
    pub(super) fn outer_side(&self, choice: &Choice) -> (Outer, i64) {
        let plane = self.planes[choice.plane].map(|plane| [plane.axis]);
        let planes = Extent { axes: plane.as_ref().map_or(&[], |axis| axis), count: self.planes_of(choice) };
        let rows = Extent { axes: &self.rows[choice.row], count: choice.rows };
        let vector = self.vectors[choice.vector].spatial().map_or(&[][..], |axes| axes);
        let vectors = Extent { axes: vector, count: choice.vectors };
        let (outside, inside) = (self.held([&planes, &rows, &vectors]), self.held([&rows, &planes, &vectors]));
        if inside < outside { (Outer::Rows, inside) } else { (Outer::Planes, outside) }
    }

    /// The registers that operands need while the sides of a tile are written out in an order, the outermost first: of
    /// each what it has inside of the outermost side that it does not depend on.
    fn held(&self, sides: [&Extent<'_>; 3]) -> i64 {
        let sides: Vec<_> = sides.into_iter().filter(|side| side.count > 1).collect();
        let of = |load: &Moved| {
            let inside = sides.iter().skip_while(|side| load.uses_any(side.axes));
            inside.filter(|side| load.uses_any(side.axes)).map(|side| side.count).product::<i64>()
        };
        self.facts.loads.iter().map(of).sum()
    }
}
