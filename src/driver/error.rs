//! The driver's own errors, about files, data and the command line, codes E0701 to E0715; and those whose codes other
//! rooms have, without words for the user.

use std::io;
use std::path::Path;

use crate::artifact::Interface;
use crate::codegen::CodegenError;
use crate::diag::{Code, Diagnostic};
use crate::runtime::gpu::GpuError;
use crate::source::Span;

use super::suggest::nearest;

fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code(code), message)
}

/// What the system said, in words that do not depend on it where the kind is a common one.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a directory".to_owned(),
        io::ErrorKind::FileTooLarge => "it is too long".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => error.to_string(),
    }
}

/// E0701: a source file cannot be read.
pub fn unreadable(path: &Path, cause: &io::Error) -> Diagnostic {
    let name = path.display();
    let why = match cause.kind() {
        io::ErrorKind::FileTooLarge => "it is longer than 64 MiB".to_owned(),
        _ => reason(cause),
    };
    let diagnostic = error("E0701", format!("cannot read `{name}`: {why}"));
    match cause.kind() {
        io::ErrorKind::IsADirectory => {
            diagnostic.help(format!("name a file in it: `{}`", path.join("FILE.ft").display()))
        }
        io::ErrorKind::NotFound if path.extension().is_none() && path.with_extension("ft").exists() => {
            diagnostic.help(format!("there is `{}`", path.with_extension("ft").display()))
        }
        _ => diagnostic,
    }
}

/// E0702: a source file is not text.
pub fn not_utf8(name: &str, byte: u8, offset: usize, span: Span) -> Diagnostic {
    error("E0702", format!("`{name}` is not UTF-8 text"))
        .primary(span, format!("byte 0x{byte:02x} at offset {offset}"))
        .help("save the file as UTF-8")
}

/// E0512: there is nothing to compile.
pub fn no_exports(name: &str, example: Option<String>) -> Diagnostic {
    let diagnostic = error("E0512", format!("`{name}` has no export, so there is nothing to compile"));
    match example {
        Some(example) => diagnostic
            .help(format!("add a line such as `export {example}` to the file"))
            .help(format!("or name the call here: `--export '{example}'`")),
        None => diagnostic.help("write a function and a line such as `export NAME = FUNCTION(x: f32[64])`"),
    }
}

/// E0512: neither a file nor an export was given.
pub fn nothing_given() -> Diagnostic {
    error("E0512", "there is neither a source file nor an `--export`, so there is nothing to compile")
        .help("name a file: `ftc build conv.ft`")
        .help("or call a function of the standard library: `--export 'gemm(A: f32[64, 64], B: f32[64, 64])'`")
}

/// E0703: `--call` or `--export` names no export.
pub fn unknown_export(name: &str, known: &[String], nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0703", format!("there is no export `{name}`")).note(format!("exports: {}", list(known)));
    match nearest {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// E0703: there are several exports, and which one to call was not said.
pub fn which_export(known: &[String]) -> Diagnostic {
    error("E0703", "there are several exports; which one is to be called?")
        .note(format!("exports: {}", list(known)))
        .help(format!("add `--call {}`", known[0]))
}

/// E0511: two exports would be the same C symbol.
pub fn duplicate_export(name: &str) -> Diagnostic {
    error("E0511", format!("two exports are called `{name}`"))
        .help(format!("give one of them another name: `--export '{name}_2 = …'`"))
}

/// E0511: an export has the name of a function that comes with another one.
pub fn clashing_export(name: &str, of: &str) -> Diagnostic {
    error("E0511", format!("`{name}` is also the name of a function that comes with the export `{of}`"))
        .help(format!("give it another name: `export {name}_2 = …`"))
}

/// E0514: a variant that no function has.
pub fn unknown_variant(name: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = error("E0514", format!("no function has a variant `{name}`"));
    let diagnostic = match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `--variant {near}`?")),
        None => diagnostic,
    };
    let known: Vec<_> = known.iter().map(|&name| name.to_owned()).collect();
    if known.is_empty() { diagnostic } else { diagnostic.note(format!("variants: {}", list(&known))) }
}

/// E0704: a target that does not exist.
pub fn unknown_target(message: &str, nearest: &[&str]) -> Diagnostic {
    let diagnostic = error("E0704", message);
    let diagnostic = match nearest {
        [] => diagnostic,
        [near, ..] => diagnostic.help(format!("did you mean `{near}`?")),
    };
    diagnostic.help("`ftc targets` lists all of them")
}

/// E0704: a target without what was allowed.
pub fn no_tf32(message: &str) -> Diagnostic {
    error("E0704", message).help("leave `--tf32` out, or name a GPU since `sm_80`: `--target cuda --tf32`")
}

/// E0704: a form of code for a target that has none.
pub fn interpreted_only() -> Diagnostic {
    error("E0704", "target `interp` runs kernels, it has no code to write")
        .help("name a machine: `--target x86`; or run the interpreter: `ftc run --target interp …`")
}

/// E0705: an unknown kind of output.
pub fn unknown_emit(kind: &str, known: &[&str], nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0705", format!("`--emit {kind}`: there is no such kind of output"))
        .note(format!("kinds: {}", known.join(" ")));
    match nearest {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// E0705: a kind of output that is planned.
pub fn later_emit(kind: &str, known: &[&str]) -> Diagnostic {
    error("E0705", format!("`--emit {kind}`: this version of ftc cannot write that yet"))
        .note(format!("kinds: {}", known.join(" ")))
}

/// E0705: a kind of output that is not one of the target.
pub fn not_for_target(kind: &str, target: &str, known: &[&str]) -> Diagnostic {
    let diagnostic = error("E0705", format!("`--emit {kind}` is not possible for `{target}`"))
        .note(format!("kinds for this target: {}", known.join(" ")));
    match kind {
        "cuda" | "ptx" | "cubin" => diagnostic.help("compile for a GPU: `--target cuda`"),
        _ => diagnostic,
    }
}

/// E0715: no GPU, or another one than the code is for.
pub fn no_gpu(target: &str, cause: &GpuError) -> Diagnostic {
    let diagnostic = error("E0715", format!("code for `{target}` cannot run here: {cause}"));
    match cause {
        GpuError::Other { found, .. } => diagnostic.help(format!("compile for this GPU: `--target cuda:{found}`")),
        _ => diagnostic
            .help("run it on a machine with an NVIDIA GPU and its driver; `nvidia-smi` lists what is there")
            .help("`ftc build --target cuda --emit lib` writes a library here, to be called on such a machine")
            .help("`--target interp` runs the interpreter, `--target native` the processor"),
    }
}

/// E0712: a kernel that the GPU did not run to its end.
pub fn gpu_failed(cause: &GpuError) -> Diagnostic {
    error("E0712", format!("the kernel fails on the GPU: {cause}"))
}

/// E0705: more or other than one text form for standard output.
pub fn not_for_stdout(kinds: &str) -> Diagnostic {
    error("E0705", format!("`-o -` writes one text form to standard output, not `{kinds}`"))
        .help("ask for one of ast, graph, schedule, loops, llvm, asm, header, python: `--emit loops -o -`")
        .help("or name a folder: `-o out`")
}

/// E0705: a form of which one text holds one export.
pub fn several_for_stdout(kind: &str, exports: &[String]) -> Diagnostic {
    error("E0705", format!("`-o -` writes the {kind} form of one export, and there are {}", exports.len()))
        .note(format!("exports: {}", list(exports)))
        .help(format!("choose one: `--export {}`; or name a folder: `-o out`", exports[0]))
}

/// E0705: a syntax tree of no file.
pub fn no_tree() -> Diagnostic {
    error("E0705", "`--emit ast` writes the syntax tree of a file, and none is given")
}

/// E0706: an option that is not `NAME=VALUE`.
pub fn malformed_option(option: &str, given: &str, wanted: &str) -> Diagnostic {
    error("E0706", format!("`{option} {given}`: expected `{option} {wanted}`"))
}

/// E0706: an option that was given two values for one name.
pub fn repeated_option(option: &str, name: &str) -> Diagnostic {
    error("E0706", format!("`{option} {name}=…` is given twice"))
}

/// E0707: an output cannot be written.
pub fn unwritable(what: &str, cause: &io::Error) -> Diagnostic {
    let why = match cause.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        io::ErrorKind::FileTooLarge => "it is longer than a file may be here".to_owned(),
        io::ErrorKind::QuotaExceeded => "your share of the disk is full".to_owned(),
        _ => reason(cause),
    };
    error("E0707", format!("cannot write {what}: {why}"))
}

/// E0707: the output folder is a file.
pub fn output_is_a_file(path: &Path) -> Diagnostic {
    error("E0707", format!("cannot write to `{}`: it is a file, not a folder", path.display()))
        .help("`-o` names the folder; `--name` names the library")
}

/// E0708: inputs without a file, or files without an input.
pub fn wrong_inputs(export: &str, missing: &[String], unknown: &[(String, Option<String>)]) -> Diagnostic {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("needs {} more input{}", missing.len(), if missing.len() == 1 { "" } else { "s" }));
    }
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.iter().map(|(name, _)| name.clone()).collect();
        parts.push(format!("has no input {}", list(&names)));
    }
    let mut diagnostic = error("E0708", format!("`{export}` {}", parts.join(", and ")));
    for input in missing {
        let name = input.split(':').next().unwrap_or(input);
        diagnostic = diagnostic.note(format!("missing: `{input}`")).help(format!("add `--in {name}={name}.npy`"));
    }
    for near in unknown.iter().filter_map(|(_, near)| near.as_ref()) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    diagnostic
}

/// E0708: `--out` names no output.
pub fn unknown_output(export: &str, name: &str, known: &[String]) -> Diagnostic {
    error("E0708", format!("`{export}` has no output `{name}`")).note(format!("outputs: {}", list(known)))
}

/// E0709: an array file cannot be read.
pub fn bad_array(input: &str, path: &Path, why: &str) -> Diagnostic {
    error("E0709", format!("input `{input}`: cannot read `{}`: {why}", path.display()))
}

/// E0710: an array is not what the export takes.
pub fn wrong_array(input: &str, path: &Path, why: &str) -> Diagnostic {
    error("E0710", format!("input `{input}`: `{}` {why}", path.display()))
}

/// E0711: the code is for another machine than this one.
pub fn not_this_machine(target: &str, why: &str) -> Diagnostic {
    error("E0711", format!("code for `{target}` cannot run here: {why}"))
        .help("leave `--target` out, or run the interpreter: `--target interp`")
}

/// E0712: the built library does not load, or its function fails.
pub fn call_failed(message: &str) -> Diagnostic {
    error("E0712", message)
}

/// E0712: the intermediate tensors do not fit.
pub fn no_workspace(interface: &Interface) -> Diagnostic {
    let bytes = crate::artifact::words_of(interface.memory).unwrap_or_default();
    error("E0712", format!("there is not enough memory for the intermediate tensors of `{}`", interface.name))
        .note(format!("they take {bytes}"))
}

/// E0712: the arrays do not fit.
pub fn no_memory() -> Diagnostic {
    error("E0712", "there is not enough memory for the arrays")
}

/// E0713: no such code, or no such file.
pub fn unknown_code(subject: &str, nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0713", format!("there is no error code `{subject}`, and no such file"));
    match nearest {
        Some(near) => diagnostic.help(format!("did you mean `ftc explain {near}`?")),
        None => diagnostic,
    }
    .help("`ftc explain` lists all codes")
}

/// E0801 to E0804, E0812: a backend's refusal.
pub fn codegen(cause: &CodegenError) -> Diagnostic {
    let diagnostic = error(cause.code(), cause.to_string());
    match cause {
        CodegenError::NoLlvm { .. } => diagnostic
            .help("`--target interp` runs without it, and `--emit graph,loops` needs none")
            .help("build ftc with its default features to have it"),
        CodegenError::ReservedName { .. } => diagnostic.help("give the export another name: `export my_name = …`"),
        CodegenError::TooMuch { parts, .. } => diagnostic
            .note(format!("it is for {parts}"))
            .help("split axes of these copies into smaller parts, or `stage` further inside"),
        CodegenError::Unsupported { .. } => diagnostic.help(
            "compile for a GPU: `--target cuda`; or write a schedule for this target, without `bind` and `shared`",
        ),
        CodegenError::Llvm { .. } => diagnostic,
    }
}

/// E0809: a parallel loop that runs on one thread.
pub fn serial_loop(kernel: &str, axis: &str) -> Diagnostic {
    let what = format!("the parallel loop `{axis}` of `{kernel}` runs on one thread");
    Diagnostic::warning(Code("E0809"), what)
        .note("two of its iterations may join their values to one place, and the order would change with the threads")
        .help(
            "run a loop of results on threads, or give each value of the reduced axis a sum of its own with `rfactor`",
        )
}

/// "`a`, `b`, `c`".
pub fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// E0714: what is asked for needs a model of a machine.
pub fn no_model(target: &str) -> Diagnostic {
    error("E0714", format!("`{target}` has no space of schedules"))
        .help("name a processor: `--target native`, `--target x86`; `ftc targets` lists them")
}
