//! The header of a library for a GPU: pointers are those of its memory, and each function takes a stream.

use std::fmt::Write;

use super::{Interface, about, comment, declaration, framed, identifiers, line_of_comment};
use crate::codegen::check;

/// The header of library `library` with these exports, for a GPU.
pub fn cuda_header(library: &str, interfaces: &[Interface]) -> String {
    framed(library, "#include <cuda_runtime_api.h>\n#include <stdint.h>\n", RULES, interfaces, function)
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
 */
";

fn function(text: &mut String, interface: &Interface) {
    let is_reserved = |name: &str| name == "stream" || check::is_reserved(name);
    let names = identifiers(interface.params.iter().map(|param| param.name.as_str()), &is_reserved);
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
    let params = interface.params.iter().zip(&names).map(|(param, name)| declaration(param, name));
    let list: Vec<_> = params.chain(["cudaStream_t stream".to_owned()]).collect();
    let _ = writeln!(text, "int32_t {}({});", interface.name, list.join(", "));
    let _ = writeln!(text, "int32_t {}_call(void *const *args, cudaStream_t stream);", interface.name);
}
