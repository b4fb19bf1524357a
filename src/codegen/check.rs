//! What a kernel must not ask of a CPU, found before a backend starts.

use super::CodegenError;
use crate::loops::{BufferKind, Kernel, LoopKind, Stmt};

/// Names of C and of the libraries that kernels call; an export by such a name would take the library's place.
const RESERVED: &[&str] = &[
    "main",
    "aligned_alloc",
    "free",
    "malloc",
    "memcpy",
    "memmove",
    "memset",
    "fma",
    "fmod",
    "auto",
    "break",
    "case",
    "char",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    "class",
    "delete",
    "namespace",
    "new",
    "operator",
    "private",
    "public",
    "template",
    "this",
    "throw",
    "try",
    "using",
    "virtual",
];

/// Functions of the mathematics library, without the `f` of their `float` forms.
const MATH: &[&str] = &[
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "pow",
    "tanh",
    "erf",
    "sqrt",
    "floor",
    "ceil",
    "round",
    "roundeven",
    "rint",
    "nearbyint",
    "trunc",
    "fabs",
    "fmin",
    "fmax",
    "fma",
    "abs",
    "exp2",
    "log2",
    "exp10",
    "sincos",
];

/// How the names of OpenMP's runtime start.
const OPENMP: &[&str] = &["omp_", "GOMP_"];

/// Whether C or its library has this name.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || OPENMP.iter().any(|start| name.starts_with(start))
        || MATH.iter().any(|math| name.strip_prefix(math).is_some_and(|rest| rest.is_empty() || rest == "f"))
}

/// Refuses kernels that no CPU backend can compile.
pub fn for_cpu(kernel: &Kernel) -> Result<(), CodegenError> {
    if is_reserved(&kernel.name) {
        return Err(CodegenError::ReservedName { name: kernel.name.clone() });
    }
    match gpu_only(kernel, &kernel.body) {
        Some(what) => Err(CodegenError::Unsupported { kernel: kernel.name.clone(), what }),
        None => Ok(()),
    }
}

fn gpu_only(kernel: &Kernel, block: &[Stmt]) -> Option<&'static str> {
    block.iter().find_map(|stmt| match stmt {
        Stmt::Barrier | Stmt::Combine { .. } | Stmt::Wait { .. } => Some("a barrier"),
        Stmt::For(nest) => match nest.kind {
            LoopKind::Grid(_) => Some("a GPU grid"),
            LoopKind::Block(_) => Some("a GPU block"),
            LoopKind::Serial | LoopKind::Parallel | LoopKind::Unroll | LoopKind::Vector | LoopKind::Tensor => {
                gpu_only(kernel, &nest.body)
            }
        },
        Stmt::If { then, otherwise, .. } => gpu_only(kernel, then).or_else(|| gpu_only(kernel, otherwise)),
        Stmt::Alloc { buffer, .. } if matches!(kernel.buffers[*buffer].kind, BufferKind::Temp(scope) if scope.is_shared()) => {
            Some("shared memory")
        }
        Stmt::Alloc { body, .. } => gpu_only(kernel, body),
        Stmt::Store { .. } | Stmt::Reduce { .. } => None,
    })
}
