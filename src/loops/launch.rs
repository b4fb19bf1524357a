//! Launches: the parts of a nest that runs on a GPU.
//!
//! ```text
//! grid.y for i.0 in 4 {                      grid loops, one right in the other
//!   grid.x for j.0 in 4 {
//!     alloc A.copy: f32[16, 64] shared {     the shared memory of a block
//!       block.x for t in 256 {               block loops, one right in the other
//!         …                                  what one thread does
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! It takes the outermost grid loop and gives the parts; whether they are as the specification wants is for `verify` to
//! say: what is left in [`Launch::body`] may still have loops or allocations that do not belong there.

use super::{BufferKind, For, Kernel, LoopKind, Stmt};
use crate::expr::{AxisId, TensorId};

/// A grid of blocks of threads.
#[derive(Clone, Debug)]
pub struct Launch<'k> {
    /// The grid loops, the outermost first.
    pub grid: Vec<Coordinate>,
    /// The shared memory of a block.
    pub shared: Vec<TensorId>,
    /// The block loops, the outermost first.
    pub block: Vec<Coordinate>,
    /// What one thread does.
    pub body: &'k [Stmt],
}

/// A loop that is bound to a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coordinate {
    /// Its axis.
    pub axis: AxisId,
    /// 0 for `x`, 1 for `y`, 2 for `z`.
    pub dim: u8,
    /// The number of its values.
    pub extent: i64,
}

impl<'k> Launch<'k> {
    /// The launch that begins with the grid loop `outer` of `kernel`.
    pub fn of(kernel: &'k Kernel, outer: &'k For) -> Self {
        let first = match outer.kind {
            LoopKind::Grid(dim) => Coordinate { axis: outer.axis, dim, extent: outer.extent },
            kind => unreachable!("a launch begins with a grid loop, not with {kind:?}"),
        };
        let mut launch = Self { grid: vec![first], shared: Vec::new(), block: Vec::new(), body: &outer.body };
        while let [Stmt::For(For { axis, extent, kind: LoopKind::Grid(dim), body })] = launch.body {
            launch.grid.push(Coordinate { axis: *axis, dim: *dim, extent: *extent });
            launch.body = body;
        }
        let is_shared = |id: TensorId| matches!(kernel.buffers.get(id), Some(it) if matches!(it.kind, BufferKind::Temp(scope) if scope.is_shared()));
        while let [Stmt::Alloc { buffer, body }] = launch.body
            && is_shared(*buffer)
        {
            launch.shared.push(*buffer);
            launch.body = body;
        }
        while let [Stmt::For(For { axis, extent, kind: LoopKind::Block(dim), body })] = launch.body {
            launch.block.push(Coordinate { axis: *axis, dim: *dim, extent: *extent });
            launch.body = body;
        }
        launch
    }

    /// The extents of the grid: `x`, `y`, `z`.
    pub fn grid_size(&self) -> [i64; 3] {
        size(&self.grid)
    }

    /// The extents of a block: `x`, `y`, `z`.
    pub fn block_size(&self) -> [i64; 3] {
        size(&self.block)
    }

    /// The number of threads in a block.
    pub fn threads(&self) -> i64 {
        self.block_size().iter().fold(1, |product: i64, &extent| product.saturating_mul(extent))
    }
}

fn size(coordinates: &[Coordinate]) -> [i64; 3] {
    [0, 1, 2].map(|dim| coordinates.iter().find(|known| known.dim == dim).map_or(1, |known| known.extent))
}
