//! Combinations: threads of a block join what each has in a register.
//!
//! ```text
//! combine acc[] += over t          (t is block.x, of 256)
//!     ==>   acc = ftc_join_warps<8>(acc, [](float a, float b) { return a + b; }, threadIdx.x, …scratch…);
//! ```
//!
//! Threads are numbered as CUDA does, `x` fastest. Where those that combine have numbers next to each other, they join
//! by shuffles: within a warp, or warp by warp and then the results of warps, through a little shared memory. All others
//! put what they have into shared memory, and each adds up what it needs. The order is the same in every run, and every
//! thread of a group gets the same bits.

use crate::expr::{AxisId, ExprId, TensorId};
use crate::loops::launch::{Coordinate, Launch};
use crate::loops::{Kernel, Stmt};
use crate::scalar::{DType, ReduceOp};

use super::expr::local;
use super::write::Writer;

/// Threads of a warp.
const WARP: i64 = 32;

/// How threads of a block join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// So many neighbours in a warp.
    Lanes(i64),
    /// So many whole warps next to each other.
    Warps(i64),
    /// Each reads what it needs: for each coordinate, how many there are, and how far apart.
    Apart([(i64, i64); 3]),
}

/// The extents of a block's coordinates.
fn extents(block: &[Coordinate]) -> [i64; 3] {
    [0, 1, 2].map(|dim| block.iter().find(|at| at.dim == dim).map_or(1, |at| at.extent))
}

fn how(block: &[Coordinate], over: &[AxisId]) -> How {
    let extents = extents(block);
    let is_over = |dim: u8| block.iter().any(|at| at.dim == dim && over.contains(&at.axis));
    let threads: i64 = extents.iter().product();
    let mut groups = [(1, 0); 3];
    let (mut step, mut together, mut apart) = (1, 1, false);
    for dim in 0..3u8 {
        let extent = extents[usize::from(dim)];
        if is_over(dim) && extent > 1 {
            groups[usize::from(dim)] = (extent, step);
            apart |= together != step;
            together *= extent;
        }
        step *= extent;
    }
    // The last warp has to be whole, or the only one.
    let is_whole = threads % WARP == 0 || (threads < WARP && threads.count_ones() == 1);
    if apart || !is_whole {
        How::Apart(groups)
    } else if together <= WARP && together.count_ones() == 1 {
        How::Lanes(together)
    } else if together % WARP == 0 {
        How::Warps(together / WARP)
    } else {
        How::Apart(groups)
    }
}

/// Bytes of shared memory that the combinations of a launch need.
pub(super) fn scratch(kernel: &Kernel, launch: &Launch<'_>) -> usize {
    let mut most = 0;
    find(launch.body, &mut |buffer, over| {
        let items = match how(&launch.block, over) {
            How::Lanes(_) => 0,
            How::Warps(_) => launch.threads() / WARP,
            How::Apart(_) => launch.threads(),
        };
        most = most.max(items.unsigned_abs() as usize * kernel.buffers[buffer].dtype.bytes());
    });
    most
}

fn find(body: &[Stmt], see: &mut dyn FnMut(TensorId, &[AxisId])) {
    for stmt in body {
        match stmt {
            Stmt::Combine { buffer, over, .. } => see(*buffer, over),
            Stmt::For(l) => find(&l.body, see),
            Stmt::Alloc { body, .. } => find(body, see),
            Stmt::If { then, otherwise, .. } => {
                find(then, see);
                find(otherwise, see);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

impl Writer<'_> {
    pub(super) fn combine(&mut self, buffer: TensorId, at: &[ExprId], op: ReduceOp, over: &[AxisId]) {
        let place = self.place(buffer, at);
        let dtype = self.kernel.buffers[buffer].dtype;
        let (name, join) = (local(dtype), join(op, dtype));
        let [x, y, z] = extents(&self.threads);
        let mut thread = "threadIdx.x".to_owned();
        if y > 1 || z > 1 {
            let above = if z > 1 { format!("(threadIdx.y + {y} * threadIdx.z)") } else { "threadIdx.y".to_owned() };
            thread = format!("threadIdx.x + {x} * {above}");
        }
        let scratch = format!("reinterpret_cast<{name} *>(ftc_scratch)");
        let value = match how(&self.threads, over) {
            How::Lanes(1) => return,
            How::Lanes(lanes) => {
                let threads = x * y * z;
                let mask = if threads >= WARP { "~0u".to_owned() } else { format!("{:#x}u", (1i64 << threads) - 1) };
                format!("ftc_join_lanes<{lanes}>({place}, {join}, {mask})")
            }
            How::Warps(warps) => format!("ftc_join_warps<{warps}>({place}, {join}, {thread}, {scratch})"),
            How::Apart(groups) => {
                let groups: Vec<_> = groups.iter().map(|(count, step)| format!("{count}, {step}")).collect();
                format!("ftc_join_apart<{}>({place}, {join}, {thread}, {scratch})", groups.join(", "))
            }
        };
        self.line(&format!("{place} = {value};"));
    }
}

/// A function of C that joins two values.
fn join(op: ReduceOp, dtype: DType) -> String {
    let body = match (op, dtype.is_float()) {
        (ReduceOp::Sum, true) => "a + b",
        (ReduceOp::Sum, false) => "ftc_add(a, b)",
        (ReduceOp::Prod, true) => "a * b",
        (ReduceOp::Prod, false) => "ftc_mul(a, b)",
        (ReduceOp::Min, true) => "ftc_min(a, b)",
        (ReduceOp::Min, false) => "min(a, b)",
        (ReduceOp::Max, true) => "ftc_max(a, b)",
        (ReduceOp::Max, false) => "max(a, b)",
        (ReduceOp::Any, _) => "a || b",
        (ReduceOp::All, _) => "a && b",
    };
    let name = local(dtype);
    format!("[]({name} a, {name} b) {{ return {body}; }}")
}
