//! The functions that the host calls: they check their arguments, take memory for intermediates, and start launches.
//!
//! ```text
//! int32_t NAME(const float *A, …, cudaStream_t stream)      0; or what is wrong
//! int32_t NAME_call(void *const *args, cudaStream_t stream) the same with the arguments in an array
//! size_t NAME_pack_bytes(void)                              the size of the block of an export with `const` arguments
//! ```
//!
//! Parameters that lie in one block are one argument, in the place of the first of them.

use std::fmt::Write;

use crate::expr::TensorId;
use crate::loops::{BufferKind, Kernel};
use crate::scalar::DType;

use super::expr::storage;
use super::launch::{ALIGN, Call, Functions};
use super::module::{Argument, Plan, Start};

/// An argument of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arg {
    Tensor(TensorId),
    /// That in which parameters lie together.
    Block,
}

impl Functions<'_> {
    /// What the host function does, for who does it in its place. Parameters have their numbers.
    pub(super) fn plan(&self) -> Plan {
        let size = |values: [i64; 3]| values.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        let argument = |id: &TensorId| match self.places.iter().find(|(known, _)| known == id) {
            Some(&(_, place)) => Argument::Workspace(place),
            None => Argument::Param(self.kernel.params.iter().position(|param| param == id).unwrap_or(usize::MAX)),
        };
        let start = |call: &Call| Start {
            name: call.name.clone(),
            grid: size(call.grid),
            block: size(call.block),
            shared: u32::try_from(call.shared).unwrap_or(u32::MAX),
            args: call.args.iter().map(argument).collect(),
        };
        let launches = self.calls.iter().map(start).collect();
        Plan { ahead: Vec::new(), launches, workspace: self.workspace, block: 0 }
    }

    /// The functions that the host calls; some parameters may lie in one block, each so far inside of it.
    pub(super) fn host(&self, block: &[(TensorId, usize)]) -> String {
        let kernel = self.kernel;
        let args = self.arguments(block);
        let params: Vec<_> = args
            .iter()
            .map(|arg| match *arg {
                Arg::Tensor(id) => format!("{}{} *{}", constant(kernel, id), interface(kernel, id), self.name(*arg)),
                Arg::Block => format!("{}void *{}", constant(kernel, block[0].0), self.name(*arg)),
            })
            .chain(["cudaStream_t stream".to_owned()])
            .collect();
        let mut out = format!("extern \"C\" int32_t {}({}) {{\n", kernel.name, params.join(", "));
        self.check(&args, &mut out);
        if self.workspace > 0 {
            let bytes = self.workspace;
            let _ = writeln!(out, "  unsigned char *workspace = nullptr;");
            let _ = writeln!(out, "  if (cudaMallocAsync(&workspace, {bytes}, stream) != cudaSuccess) return 2;");
        }
        for call in &self.calls {
            self.call(block, &mut out, call);
        }
        let _ = writeln!(out, "  const cudaError_t launched = cudaGetLastError();");
        if self.workspace > 0 {
            let _ = writeln!(out, "  cudaFreeAsync(workspace, stream);");
        }
        let _ = writeln!(out, "  return launched == cudaSuccess ? 0 : 4;\n}}");
        self.by_array(&args, block, &mut out);
        out
    }

    fn arguments(&self, block: &[(TensorId, usize)]) -> Vec<Arg> {
        let is_inside = |id: TensorId| block.iter().any(|&(part, _)| part == id);
        let params = self.kernel.params.iter().map(|&id| if is_inside(id) { Arg::Block } else { Arg::Tensor(id) });
        let mut args: Vec<_> = params.collect();
        args.dedup();
        args
    }

    fn name(&self, arg: Arg) -> String {
        match arg {
            Arg::Tensor(id) => self.names.buffer(id).to_owned(),
            Arg::Block => {
                let mut name = "packed".to_owned();
                while self.kernel.buffers.iter().any(|(id, _)| self.names.buffer(id) == name) {
                    name.push('_');
                }
                name
            }
        }
    }

    /// What is wrong with the arguments.
    fn check(&self, args: &[Arg], out: &mut String) {
        let names: Vec<_> = args.iter().map(|&arg| self.name(arg)).collect();
        if names.is_empty() {
            return;
        }
        let nulls: Vec<_> = names.iter().map(|name| format!("{name} == nullptr")).collect();
        let bits: Vec<_> = names.iter().map(|name| format!("(uintptr_t){name}")).collect();
        let _ = writeln!(out, "  if ({}) return 1;", nulls.join(" || "));
        let _ = writeln!(out, "  if (({}) % {ALIGN} != 0) return 3;", bits.join(" | "));
    }

    fn call(&self, block: &[(TensorId, usize)], out: &mut String, call: &Call) {
        let Call { name, grid, block: threads, args, shared } = call;
        if *shared > 0 {
            let _ = writeln!(
                out,
                "  if (cudaFuncSetAttribute({name}, cudaFuncAttributeMaxDynamicSharedMemorySize, {shared}) != cudaSuccess) return 4;"
            );
        }
        let args: Vec<_> = args.iter().map(|&id| self.argument(block, id)).collect();
        let [grid, threads] = [grid, threads].map(|[x, y, z]| format!("dim3({x}, {y}, {z})"));
        let _ = writeln!(out, "  {name}<<<{grid}, {threads}, {shared}, stream>>>({});", args.join(", "));
    }

    fn argument(&self, block: &[(TensorId, usize)], id: TensorId) -> String {
        let buffer = &self.kernel.buffers[id];
        let (constant, storage) = (constant(self.kernel, id), storage(buffer.dtype));
        let name = self.names.buffer(id);
        if let Some((_, place)) = self.places.iter().find(|(known, _)| *known == id) {
            return format!("reinterpret_cast<{storage} *>(workspace + {place})");
        }
        if let Some((_, place)) = block.iter().find(|(part, _)| *part == id) {
            let packed = self.name(Arg::Block);
            let bytes = format!("static_cast<{constant}unsigned char *>({packed})");
            return format!("reinterpret_cast<{constant}{storage} *>({bytes} + {place})");
        }
        if storage == interface(self.kernel, id) {
            return name.to_owned();
        }
        format!("reinterpret_cast<{constant}{storage} *>({name})")
    }

    /// The same function with its arguments in an array.
    fn by_array(&self, args: &[Arg], block: &[(TensorId, usize)], out: &mut String) {
        let name = &self.kernel.name;
        let one = |(at, arg): (usize, &Arg)| match *arg {
            Arg::Tensor(id) => {
                format!("static_cast<{}{} *>(args[{at}])", constant(self.kernel, id), interface(self.kernel, id))
            }
            Arg::Block => format!("static_cast<{}void *>(args[{at}])", constant(self.kernel, block[0].0)),
        };
        let args: Vec<_> = args.iter().enumerate().map(one).chain(["stream".to_owned()]).collect();
        let _ = writeln!(out, "\nextern \"C\" int32_t {name}_call(void *const *args, cudaStream_t stream) {{");
        let _ = writeln!(out, "  return {name}({});\n}}", args.join(", "));
    }
}

/// The function that says how large the block of an export is.
pub(super) fn pack_bytes(name: &str, bytes: usize) -> String {
    format!("extern \"C\" size_t {name}_pack_bytes(void) {{\n  return {bytes};\n}}\n")
}

/// `const` before what is only read.
fn constant(kernel: &Kernel, id: TensorId) -> &'static str {
    if matches!(kernel.buffers[id].kind, BufferKind::Input { .. }) { "const " } else { "" }
}

/// The C type of an element as the header says it: 16-bit floats are their bits.
fn interface(kernel: &Kernel, id: TensorId) -> &'static str {
    match kernel.buffers[id].dtype {
        DType::F16 | DType::BF16 => "uint16_t",
        DType::I32 => "int32_t",
        DType::I64 => "int64_t",
        dtype => storage(dtype),
    }
}
