//! The LLVM backend: the text before optimisation, for the kernels in `tests/codegen/llvm`.
//!
//! The first lines of a kernel say what it shows and for which target it is compiled (`// target: x86`). Every text
//! here passed LLVM's verifier, and becomes an object file.
#![cfg(feature = "llvm")]

use ftc::codegen::{Form, llvm};
use ftc::loops::{Kernel, parse, verify};
use ftc::target::{Cpu, Target};

/// A CPU by its name.
pub(crate) fn cpu(name: &str) -> Cpu {
    match Target::parse(name, llvm::host().as_ref()) {
        Ok(Target::Cpu(cpu)) => cpu,
        other => panic!("{name}: {other:?}"),
    }
}

/// A kernel from its text.
pub(crate) fn kernel(text: &str) -> Kernel {
    parse::parse(text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

fn target(text: &str) -> Cpu {
    let name = text.lines().find_map(|line| line.strip_prefix("// target: ")).expect("a kernel names its target");
    cpu(name.trim())
}

#[test]
fn kernels_become_text() {
    insta::glob!("../codegen/llvm", "*.loops", |path| {
        let text = std::fs::read_to_string(path).expect("a file");
        let kernel = kernel(&text);
        let result = match llvm::compile_forms(&kernel, &target(&text), &[Form::Ir, Form::Object]) {
            Ok(forms) => {
                assert!(forms[1].starts_with(b"\x7fELF"));
                plain(&String::from_utf8(forms[0].clone()).expect("text"))
            }
            Err(error) => format!("{}: {error}\n", error.code()),
        };
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../codegen/llvm");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_snapshot_suffix();
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        settings.bind(|| insta::assert_snapshot!(name.as_ref(), format!("{text}\n{result}")));
    });
}

/// LLVM's text without the lines that change from one version to the next.
fn plain(text: &str) -> String {
    let noisy = ["; ModuleID", "source_filename", "target datalayout", "target triple", "; Function Attrs"];
    let lines = text.lines().filter(|line| !noisy.iter().any(|start| line.starts_with(start)));
    let lines = lines.map(|line| line.split("  ; preds = ").next().unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned() + "\n"
}

#[test]
fn kernels_of_the_corpus_verify() {
    insta::glob!("../codegen/llvm", "*.loops", |path| {
        let text = std::fs::read_to_string(path).expect("a file");
        let refused = path.file_name().expect("a file has a name").to_string_lossy().starts_with("refused");
        assert!(refused || verify::verify(&kernel(&text)).is_ok(), "{path:?}: {:?}", verify::verify(&kernel(&text)));
    });
}

#[test]
fn the_same_kernel_gives_the_same_bytes() {
    let text = include_str!("../codegen/llvm/math.loops");
    let forms = [Form::Ir, Form::OptimizedIr, Form::Asm, Form::Object];
    let once = move || llvm::compile_forms(&kernel(text), &cpu("x86"), &forms).expect("it compiles");
    let first = once();
    assert_eq!(first, once());
    assert_eq!(first, std::thread::spawn(once).join().expect("the thread ends"));
    for (form, all) in forms.into_iter().zip(first) {
        assert_eq!(llvm::compile(&kernel(text), &cpu("x86"), form).expect("it compiles"), all, "{form:?} alone");
    }
}

const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// The machine that an ELF file names.
fn elf_machine(object: &[u8]) -> u16 {
    u16::from_le_bytes([object[18], object[19]])
}

#[test]
fn objects_are_for_their_target() {
    let object = |name| llvm::compile(&kernel(include_str!("../codegen/llvm/gemm.loops")), &cpu(name), Form::Object);
    assert_eq!(elf_machine(&object("x86").expect("it compiles")), EM_X86_64);
    assert_eq!(elf_machine(&object("aarch64").expect("it compiles")), EM_AARCH64);
}

#[test]
fn accumulators_end_in_registers() {
    let text = include_str!("../codegen/llvm/gemm.loops");
    let optimized = llvm::compile(&kernel(text), &cpu("x86"), Form::OptimizedIr).expect("it compiles");
    assert!(!String::from_utf8(optimized).expect("text").contains("alloca"));
    let asm = String::from_utf8(llvm::compile(&kernel(text), &cpu("x86"), Form::Asm).expect("it compiles"))
        .expect("it compiles");
    assert!(asm.contains("vfmadd"), "products and sums are fused:\n{asm}");
}

#[test]
fn functions_in_loops_are_called_for_whole_vectors() {
    let asm = |target| {
        let text = include_str!("../codegen/llvm/math_v4.loops");
        String::from_utf8(llvm::compile(&kernel(text), &cpu(target), Form::Asm).expect("it compiles"))
            .expect("it compiles")
    };
    assert!(asm("x86-64").contains("_ZGVbN4v_expf"));
    assert!(asm("sandybridge").contains("_ZGVcN8v_expf"));
    assert!(asm("x86").contains("_ZGVdN8v_expf"));
    assert!(asm("znver4").contains("_ZGVeN16v_expf"));
    assert!(!asm("aarch64").contains("_ZGV"));
}

#[test]
fn the_host_is_a_target() {
    let host = llvm::host().expect("tests run on a known architecture");
    assert!(!host.cpu.is_empty() && host.features.contains(','));
    llvm::compile(&kernel(include_str!("../codegen/llvm/gemm.loops")), &cpu("native"), Form::Object)
        .expect("it compiles");
}

#[test]
fn no_target_needs_helpers_for_short_floats() {
    for target in ["x86-64", "x86-64-v2", "x86", "x86-64-v4", "sapphirerapids", "aarch64"] {
        for text in [include_str!("../codegen/llvm/half.loops"), include_str!("../codegen/llvm/half_portable.loops")] {
            let object = llvm::compile(&kernel(text), &cpu(target), Form::Object).expect("it compiles");
            let helper = ["__trunc", "__extend", "__float", "__fix", "__gnu"];
            let strings = String::from_utf8_lossy(&object);
            assert!(!helper.iter().any(|name| strings.contains(name)), "{target}");
        }
    }
}

/// LLVM knows every processor of the table, and agrees about what it has: nothing calls helpers for `f16`, and
/// functions come in vectors of the registers that are there.
#[test]
fn every_named_processor_compiles() {
    let text = include_str!("../codegen/llvm/half.loops");
    for (name, _) in Target::list() {
        let Ok(Target::Cpu(cpu)) = Target::parse(name, llvm::host().as_ref()) else { continue };
        let asm = llvm::compile(&kernel(text), &cpu, Form::Asm).expect("it compiles");
        let asm = String::from_utf8(asm).expect("text");
        assert!(!asm.contains("__trunc") && !asm.contains("__extend"), "{name}");
        let converts = asm.contains("vcvtph2ps") || asm.contains("fcvt");
        assert!(converts || !cpu.facts().f16_convert || cpu.facts().fp16, "{name}:\n{asm}");
    }
}
