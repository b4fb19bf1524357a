//! Launches as `__global__` functions, in the order in which the host starts them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::codegen::CodegenError;
use crate::expr::range::Domain;
use crate::expr::{Expr, TensorId};
use crate::loops::launch::{Coordinate, Launch};
use crate::loops::visit;
use crate::loops::{BufferKind, Kernel, LoopKind, Scope, Stmt};
use crate::target::Gpu;

use super::combine;
use super::expr::{constant, local, storage};
use super::flat::is_main;
use super::has_word;
use super::merge;
use super::names::Names;
use super::write::{Writer, declaration, dims};

/// Bytes of shared memory that need no asking.
const STATIC_SHARED: usize = 48 << 10;
/// Alignment of what is shared, and of what is in the workspace.
pub(super) const ALIGN: usize = 16;
const ALIGN_WORKSPACE: usize = 256;
/// Alignment of what is shared in lines for matrix units.
const ALIGN_LINES: usize = 1024;
/// Threads of a processor that hide each other's waiting well, even where each has much to do.
const BUSY_THREADS: i64 = 512;
/// Registers of temporaries that are much, and leave enough beside them for all else.
const MUCH: std::ops::RangeInclusive<usize> = 68..=84;
/// Values in a line of a table.
const COLUMNS: usize = 16;

/// The text of a kernel, function by function.
pub(super) struct Functions<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) names: Names,
    pub(super) domain: Domain,
    pub(super) gpu: &'a Gpu,
    /// The functions for the GPU.
    pub(super) device: String,
    /// What the host function does, one launch after another.
    pub(super) calls: Vec<Call>,
    /// Bytes of the workspace, and where each temporary is in it.
    pub(super) workspace: usize,
    pub(super) places: Vec<(TensorId, usize)>,
    /// Whether several launches are one.
    is_merged: bool,
}

/// One launch by the host.
pub(super) struct Call {
    pub(super) name: String,
    pub(super) grid: [i64; 3],
    pub(super) block: [i64; 3],
    pub(super) args: Vec<TensorId>,
    /// Bytes of shared memory that are asked for.
    pub(super) shared: usize,
}

impl<'a> Functions<'a> {
    pub(super) fn new(kernel: &'a Kernel, domain: Domain, gpu: &'a Gpu) -> Self {
        let names = Names::of(kernel);
        let (device, calls, places) = (String::new(), Vec::new(), Vec::new());
        Self { kernel, names, domain, gpu, device, calls, workspace: 0, places, is_merged: false }
    }

    /// Writes all launches, those of a group as one.
    pub(super) fn launches(&mut self, groups: &[Vec<usize>]) -> Result<(), CodegenError> {
        self.tables();
        self.is_merged = groups.iter().any(|group| group.len() > 1);
        let mut all = Vec::new();
        self.block(&self.kernel.body, 0, &mut all);
        for group in groups {
            let mut launches: Vec<_> = group.iter().map(|&number| &all[number]).collect();
            launches.sort_by_key(|launch| std::cmp::Reverse(merge::work(launch.body)));
            self.launch(&launches, groups.len())?;
        }
        Ok(())
    }

    /// Finds launches, and places for what they leave for each other.
    fn block(&mut self, body: &'a [Stmt], used: usize, found: &mut Vec<Launch<'a>>) {
        let mut rest = body;
        while let Some(stmt) = rest.first() {
            let plain = rest.iter().take_while(|stmt| !is_apart(self.kernel, stmt)).count();
            if plain > 0 {
                // What has no launch of its own is done by one thread.
                let mut inner = Vec::new();
                main_temporaries(self.kernel, &rest[..plain], &mut inner);
                let mut end = used;
                for buffer in inner {
                    end = self.reserve(buffer, end);
                }
                found.push(Launch { grid: Vec::new(), shared: Vec::new(), block: Vec::new(), body: &rest[..plain] });
                rest = &rest[plain..];
                continue;
            }
            match stmt {
                Stmt::Alloc { buffer, body } => {
                    let end = self.reserve(*buffer, used);
                    self.block(body, end, found);
                }
                Stmt::For(outer) => found.push(Launch::of(self.kernel, outer)),
                Stmt::If { .. }
                | Stmt::Store { .. }
                | Stmt::Reduce { .. }
                | Stmt::Combine { .. }
                | Stmt::Barrier
                | Stmt::Wait { .. } => {}
            }
            rest = &rest[1..];
        }
    }

    /// Gives a temporary its place in the workspace, of which so much is in use; gives how much then is.
    fn reserve(&mut self, buffer: TensorId, used: usize) -> usize {
        // What runs as one has no place in common.
        let used = if self.is_merged { self.workspace } else { used };
        let end = used + self.kernel.buffers[buffer].bytes().next_multiple_of(ALIGN_WORKSPACE);
        self.places.push((buffer, used));
        self.workspace = self.workspace.max(end);
        end
    }

    /// Writes launches as one function, of so many.
    fn launch(&mut self, launches: &[&Launch<'_>], count: usize) -> Result<(), CodegenError> {
        let number = self.calls.len();
        let suffix = if count > 1 { format!("_{}", number + 1) } else { String::new() };
        let name = format!("{}_kernel{suffix}", self.kernel.name);
        let args = used(self.kernel, launches.iter().map(|launch| launch.body));
        let mut all = launches.iter().map(|launch| self.shared(launch)).collect::<Result<Vec<_>, _>>()?;
        let align = all.iter().map(|one| one.align).max().unwrap_or(ALIGN);
        for one in &mut all {
            one.align = align;
        }
        let pool = pool(align);
        let most = |of: fn(&Shared) -> usize| all.iter().map(of).max().unwrap_or(0);
        let shared = Shared {
            places: Vec::new(),
            bytes: most(|one| one.bytes),
            scratch: most(|one| one.scratch),
            is_dynamic: all.iter().any(|one| one.is_dynamic),
            align,
        };
        let is_joint = launches.len() > 1;
        let mut body = String::new();
        if shared.is_dynamic {
            let _ = writeln!(body, "  extern __shared__ __align__({align}) unsigned char {pool}[];");
        } else if is_joint && shared.bytes > 0 {
            let _ = writeln!(body, "  __shared__ __align__({align}) unsigned char {pool}[{}];", shared.bytes);
        }
        if is_joint && shared.scratch > 0 {
            let _ = writeln!(body, "  __shared__ __align__({ALIGN}) unsigned char ftc_scratch[{}];", shared.scratch);
        }
        let mut helpers = BTreeMap::new();
        if let [launch] = launches {
            let memory = if shared.is_dynamic { Memory::Asked } else { Memory::Own };
            let text = self.body(launch, &all[0], memory, &mut helpers);
            body = self.coordinates(launch, &text) + &body + &text;
        } else {
            self.pieces(launches, &all, &mut helpers, &mut body);
        }
        let new = helpers.into_iter().filter(|(name, _)| !has_word(&self.device, name));
        let new: String = new.map(|(_, text)| text).collect();
        self.device.push_str(&new);
        let params: Vec<_> = args.iter().map(|&id| self.param(id)).collect();
        let bounds = launches.iter().map(|launch| bounds(self.kernel, launch)).reduce(|a, b| {
            // The fewest bounds are the shortest text.
            if a.len() <= b.len() { a } else { b }
        });
        let _ = write!(
            self.device,
            "static __global__ void __launch_bounds__({}) {name}({}) {{\n{body}}}\n\n",
            bounds.unwrap_or_default(),
            params.join(", "),
        );
        let asked = if shared.is_dynamic { shared.bytes } else { 0 };
        let blocks = |launch: &&Launch<'_>| launch.grid_size().iter().product::<i64>();
        let grid = match launches {
            [launch] => launch.grid_size(),
            _ => [launches.iter().map(blocks).sum(), 1, 1],
        };
        self.calls.push(Call { name, grid, block: launches[0].block_size(), args, shared: asked });
        Ok(())
    }

    /// What one thread does in a launch, with its memory.
    fn body(
        &self,
        launch: &Launch<'_>,
        shared: &Shared,
        memory: Memory,
        helpers: &mut BTreeMap<String, String>,
    ) -> String {
        let mut writer = self.writer(launch);
        let (align, pool) = (shared.align, pool(shared.align));
        for (id, place) in &shared.places {
            let buffer = &self.kernel.buffers[*id];
            if memory == Memory::Own {
                writer.line(&format!("__shared__ __align__({align}) {};", declaration(self.kernel, &self.names, *id)));
            } else {
                let (dtype, name) = (local(buffer.dtype), self.names.buffer(*id));
                let dims = dims(&buffer.shape);
                let cast = format!("*reinterpret_cast<{dtype} (*){dims}>({pool} + {place})");
                writer.line(&format!("{dtype} (&{name}){dims} = {cast};"));
            }
        }
        if shared.scratch > 0 && memory != Memory::Joint {
            writer.line(&format!("__shared__ __align__({ALIGN}) unsigned char ftc_scratch[{}];", shared.scratch));
        }
        writer.declare(launch.body);
        writer.block(launch.body);
        helpers.append(&mut writer.helpers);
        writer.out
    }

    /// A writer that knows which memory of a launch is for matrix units.
    fn writer(&self, launch: &Launch<'_>) -> Writer<'_> {
        let mut writer = Writer::new(self.kernel, &self.names, &self.domain, launch.block.clone(), self.gpu.sm);
        writer.find_lines(launch.body);
        writer.is_grouped = writer.has_groups(launch.body);
        writer
    }

    /// Launches whose blocks are next to each other in one grid.
    fn pieces(
        &self,
        launches: &[&Launch<'_>],
        shared: &[Shared],
        helpers: &mut BTreeMap<String, String>,
        out: &mut String,
    ) {
        let mut first = 0;
        for (number, (launch, shared)) in launches.iter().zip(shared).enumerate() {
            let text = self.body(launch, shared, Memory::Joint, helpers);
            let [x, y, z] = launch.grid_size();
            let end = first + x * y * z;
            let word = if number == 0 { "  " } else { " else " };
            let last = number + 1 == launches.len();
            let condition = if last { String::new() } else { format!("if (blockIdx.x < {end}) ") };
            let _ = writeln!(out, "{word}{condition}{{");
            let start = if first == 0 { String::new() } else { format!(" - {first}") };
            let _ = writeln!(out, "    const int ftc_block = blockIdx.x{start};");
            for Coordinate { axis, dim, .. } in &launch.grid {
                let axis = self.names.axis(*axis);
                let value = match dim {
                    0 => format!("ftc_block % {x}"),
                    1 => format!("ftc_block / {x} % {y}"),
                    _ => format!("ftc_block / {}", x * y),
                };
                if has_word(&text, axis) {
                    let _ = writeln!(out, "    const int {axis} = {value};");
                }
            }
            let threads =
                Launch { grid: Vec::new(), shared: Vec::new(), block: launch.block.clone(), body: launch.body };
            for line in (self.coordinates(&threads, &text) + &text).lines() {
                let _ = writeln!(out, "  {line}");
            }
            out.push_str("  }");
            first = end;
        }
        out.push('\n');
    }

    /// The coordinates that are used.
    fn coordinates(&self, launch: &Launch<'_>, body: &str) -> String {
        let grid = launch.grid.iter().map(|at| ("blockIdx", at));
        let all = grid.chain(launch.block.iter().map(|at| ("threadIdx", at)));
        let line = |(word, Coordinate { axis, dim, .. }): (&str, &Coordinate)| {
            let (axis, dim) = (self.names.axis(*axis), ["x", "y", "z"][usize::from(*dim)]);
            has_word(body, axis).then(|| format!("  const int {axis} = {word}.{dim};\n"))
        };
        all.filter_map(line).collect()
    }

    fn shared(&self, launch: &Launch<'_>) -> Result<Shared, CodegenError> {
        let scratch = combine::scratch(self.kernel, launch);
        // The order of lines goes by their addresses.
        let align = if self.writer(launch).in_lines.is_empty() { ALIGN } else { ALIGN_LINES };
        let mut shared = Shared { places: Vec::new(), bytes: 0, scratch, is_dynamic: false, align };
        for &id in &launch.shared {
            shared.places.push((id, shared.bytes));
            shared.bytes += self.kernel.buffers[id].bytes().next_multiple_of(align);
        }
        let most = self.gpu.shared();
        let bytes = shared.bytes + scratch;
        if bytes > most {
            let parts = launch.shared.iter().map(|&id| {
                let buffer = &self.kernel.buffers[id];
                let shape: Vec<_> = buffer.shape.iter().map(i64::to_string).collect();
                format!("`{}` {}[{}]", buffer.name, buffer.dtype, shape.join(", "))
            });
            return Err(CodegenError::TooMuch {
                kernel: self.kernel.name.clone(),
                what: format!("{bytes} bytes of shared memory in a block"),
                most: format!("{most} bytes"),
                target: self.gpu.name.clone(),
                parts: parts.collect::<Vec<_>>().join(", "),
            });
        }
        shared.is_dynamic = bytes > STATIC_SHARED;
        Ok(shared)
    }

    fn param(&self, id: TensorId) -> String {
        let buffer = &self.kernel.buffers[id];
        let constant = if matches!(buffer.kind, BufferKind::Input { .. }) { "const " } else { "" };
        format!("{constant}{} *__restrict__ {}", storage(buffer.dtype), self.names.buffer(id))
    }

    /// Tables of known values.
    fn tables(&mut self) {
        for (id, buffer) in self.kernel.buffers.iter() {
            let BufferKind::Constant(values) = &buffer.kind else { continue };
            let values: Vec<_> = values.iter().map(|&value| constant(value)).collect();
            let rows: Vec<_> = values.chunks(COLUMNS).map(|row| format!("  {},\n", row.join(", "))).collect();
            let (dtype, name) = (storage(buffer.dtype), self.names.buffer(id));
            let _ = write!(
                self.device,
                "static __device__ const __align__({ALIGN}) {dtype} {name}[{}] = {{\n{}}};\n\n",
                values.len(),
                rows.concat()
            );
        }
    }
}

/// The threads of a block, and where much is in their registers, how many blocks a processor is to hold, so that nvcc
/// takes no more registers than for a quarter of all threads.
fn bounds(kernel: &Kernel, launch: &Launch<'_>) -> String {
    let threads = launch.threads();
    let mut own = BTreeSet::new();
    visit::visit(&mut kernel.pool.clone(), launch.body, &mut |_, stmt, _| {
        if let Stmt::Alloc { buffer, .. } = stmt {
            own.insert(*buffer);
        }
    });
    let is_own = |&&id: &&TensorId| matches!(kernel.buffers[id].kind, BufferKind::Temp(Scope::Register | Scope::Stack));
    let registers: usize = own.iter().filter(is_own).map(|&id| kernel.buffers[id].bytes().div_ceil(4)).sum();
    if BUSY_THREADS % threads == 0 && threads < BUSY_THREADS && MUCH.contains(&registers) {
        return format!("{threads}, {}", BUSY_THREADS / threads);
    }
    threads.to_string()
}

/// Where the shared memory of a block is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// In arrays of its own.
    Own,
    /// In what was asked for.
    Asked,
    /// With that of other launches, which are one with this one; what combinations need, too.
    Joint,
}

/// The shared memory of a block.
struct Shared {
    places: Vec<(TensorId, usize)>,
    bytes: usize,
    /// Bytes for combinations.
    scratch: usize,
    /// Whether it has to be asked for.
    is_dynamic: bool,
    /// Where each buffer begins at a multiple of this.
    align: usize,
}

/// The name of all shared memory, of an alignment.
const fn pool(align: usize) -> &'static str {
    if align == ALIGN { "ftc_shared" } else { "ftc_shared_lines" }
}

/// The temporaries in main memory that some statements allocate, each once.
fn main_temporaries(kernel: &Kernel, body: &[Stmt], found: &mut Vec<TensorId>) {
    for stmt in body {
        match stmt {
            Stmt::For(l) => main_temporaries(kernel, &l.body, found),
            Stmt::If { then, otherwise, .. } => {
                main_temporaries(kernel, then, found);
                main_temporaries(kernel, otherwise, found);
            }
            Stmt::Alloc { buffer, body } => {
                if kernel.buffers[*buffer].kind == BufferKind::Temp(Scope::Global) && !found.contains(buffer) {
                    found.push(*buffer);
                }
                main_temporaries(kernel, body, found);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

/// Whether a statement outside of all loops is more than what one thread does.
pub(super) fn is_apart(kernel: &Kernel, stmt: &Stmt) -> bool {
    match stmt {
        Stmt::For(l) => matches!(l.kind, LoopKind::Grid(_)),
        Stmt::Alloc { buffer, .. } => kernel.buffers[*buffer].kind == BufferKind::Temp(Scope::Global),
        Stmt::If { .. }
        | Stmt::Store { .. }
        | Stmt::Reduce { .. }
        | Stmt::Combine { .. }
        | Stmt::Barrier
        | Stmt::Wait { .. } => false,
    }
}

/// The buffers in main memory that statements use: parameters in their order, then temporaries. Tables are not passed.
fn used<'k>(kernel: &Kernel, bodies: impl Iterator<Item = &'k [Stmt]>) -> Vec<TensorId> {
    let mut found = BTreeSet::new();
    let mut pool = kernel.pool.clone();
    for body in bodies {
        visit::visit(&mut pool, body, &mut |pool, stmt, _| {
            found.extend(visit::written(stmt).map(|(buffer, _)| buffer));
            for root in visit::expressions(stmt) {
                pool.visit(root, &mut |_, expr| {
                    if let Expr::Load { tensor, .. } = expr {
                        found.insert(*tensor);
                    }
                });
            }
        });
    }
    let is_passed = |id: &TensorId| {
        let kind = &kernel.buffers[*id].kind;
        is_main(kind) && !matches!(kind, BufferKind::Constant(_))
    };
    let temps = found.iter().copied().filter(|id| !kernel.params.contains(id));
    kernel.params.iter().copied().filter(|id| found.contains(id)).chain(temps).filter(is_passed).collect()
}
