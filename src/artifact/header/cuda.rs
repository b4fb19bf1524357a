//! The header of a library for a GPU: pointers are those of its memory, and each function takes a stream.

use std::fmt::Write;

use super::{BLOCK, Function, Interface, Packed, about, comment, framed, identifiers, line_of_comment, parameters};
use crate::codegen::check;

/// The header of library `library` with these exports, for a GPU.
pub fn cuda_header(library: &str, interfaces: &[Interface]) -> String {
    let has_blocks = interfaces.iter().any(|interface| interface.packing.is_some());
    let (size, of_blocks) = if has_blocks { ("#include <stddef.h>\n", RULES_OF_BLOCKS) } else { ("", "") };
    let includes = format!("#include <cuda_runtime_api.h>\n{size}#include <stdint.h>\n");
    framed(library, &includes, &format!("{RULES}{of_blocks} */\n"), interfaces, function)
}

const RULES: &str = "\
/*
 * For every function here:
 * - Pointers are to memory of the GPU, aligned to 16 bytes, as `cudaMalloc` gives it. Tensors are dense and row-major: the
 *   last index is the fastest. A tensor without dimensions is one element.
 * - `bool` is one byte: 0 is false, anything else is true, and 1 is written. `f16` (IEEE binary16) and `bf16`
 *   (bfloat16) are given as their 16 bits.
 * - Inputs are only read, outputs are written completely. An output must not overlap any other argument; inputs may
 *   overlap each other.
 * - It starts work on `stream` and does not wait for it. Intermediates are in memory of the stream's pool.
 * - It returns 0; 1 if a pointer is null, 2 if there is no memory for intermediates, 3 if a pointer is not aligned, and 4
 *   if the GPU refuses the work. It can be captured in a graph.
 * - It keeps no state: different threads may call it at the same time.
 * - `NAME_call` is the same function with the arguments in an array, for callers that bind functions at run time.
";

const RULES_OF_BLOCKS: &str = " *
 * Arguments that are the same in every call can be given once, ahead of all calls:
 * - `NAME_pack` lays them out in a block of `NAME_pack_bytes()` bytes of the GPU's memory, and computes what depends on
 *   them alone. `NAME_packed` takes the block in their place; it does what `NAME` does, which makes all that anew in each
 *   call.
 * - The block is the caller's. Several calls may read it at the same time, once it is filled: on the same stream, or after
 *   an event. What is in it is for this build of the library only.
";

fn function(text: &mut String, interface: &Interface) {
    let names = names(interface);
    text.push_str("/**\n");
    for line in &interface.doc {
        line_of_comment(text, &comment(line));
    }
    if !interface.doc.is_empty() {
        line_of_comment(text, "");
    }
    for (param, name) in interface.params.iter().zip(&names) {
        line_of_comment(text, &about(param, name));
    }
    text.push_str(" */\n");
    declare(text, interface, &names, &interface.whole());
    if let Some(packed) = interface.packing {
        packing(text, interface, packed);
    }
}

/// The functions for arguments that are packed ahead.
fn packing(text: &mut String, interface: &Interface, packed: Packed) {
    let [pack, call] = interface.in_two();
    let (name, names) = (&interface.name, names(interface));
    text.push_str("\n/**\n");
    line_of_comment(text, &format!("Fills the block of `{}`, from the arguments of `{name}` that are", call.symbol));
    line_of_comment(text, "the same in every call.");
    line_of_comment(text, "");
    line_of_comment(text, &format!("{}: {} bytes, out", names[names.len() - 1], packed.bytes));
    text.push_str(" */\n");
    let _ = writeln!(text, "size_t {name}_pack_bytes(void);");
    declare(text, interface, &names, &pack);
    text.push_str("\n/**\n");
    line_of_comment(text, &format!("`{name}` with what `{}` made.", pack.symbol));
    text.push_str(" */\n");
    declare(text, interface, &names, &call);
}

/// What the arguments are called, and the block behind them.
fn names(interface: &Interface) -> Vec<String> {
    let is_reserved = |name: &str| name == "stream" || check::is_reserved(name);
    let params = interface.params.iter().map(|param| param.name.as_str());
    identifiers(params.chain([BLOCK]), &is_reserved)
}

/// The prototypes of a function.
fn declare(text: &mut String, interface: &Interface, names: &[String], function: &Function) {
    let mut list = parameters(interface, names, function);
    list.push("cudaStream_t stream".to_owned());
    let _ = writeln!(text, "int32_t {}({});", function.symbol, list.join(", "));
    let _ = writeln!(text, "int32_t {}_call(void *const *args, cudaStream_t stream);", function.symbol);
}
