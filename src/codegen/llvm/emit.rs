//! A finished module as text, assembly or object bytes: verifying, optimising, and choosing the machine.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Once;

use inkwell::OptimizationLevel;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use inkwell::targets::{CodeModel, FileType, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple};

use super::lone::lone_lanes;
use crate::codegen::Form;
use crate::codegen::prepare::Vectors;
use crate::target::{Cpu, Host};

/// What failed: a verb, and LLVM's words.
pub(super) type Failure = (&'static str, String);

/// The processor that ftc runs on, in LLVM's words.
pub(super) fn host() -> Option<Host> {
    let arch = crate::target::Arch::from_rust(std::env::consts::ARCH)?;
    let cpu = TargetMachine::get_host_cpu_name().to_string();
    let features = TargetMachine::get_host_cpu_features().to_string();
    Some(Host { arch, cpu, features })
}

/// The machine for `cpu`; making one takes longer than compiling a small kernel, so a thread keeps those it made.
pub(super) fn machine(cpu: &Cpu) -> Result<Rc<TargetMachine>, Failure> {
    thread_local! {
        static MACHINES: RefCell<Vec<(Cpu, Rc<TargetMachine>)>> = const { RefCell::new(Vec::new()) };
    }
    MACHINES.with_borrow_mut(|machines| {
        if let Some((_, machine)) = machines.iter().find(|(known, _)| known == cpu) {
            return Ok(Rc::clone(machine));
        }
        let machine = Rc::new(new_machine(cpu)?);
        machines.push((cpu.clone(), Rc::clone(&machine)));
        Ok(machine)
    })
}

fn new_machine(cpu: &Cpu) -> Result<TargetMachine, Failure> {
    static READY: Once = Once::new();
    READY.call_once(|| {
        let config = InitializationConfig { asm_parser: false, disassembler: false, ..InitializationConfig::default() };
        Target::initialize_x86(&config);
        Target::initialize_aarch64(&config);
    });
    let triple = TargetTriple::create(cpu.arch.triple());
    let target = Target::from_triple(&triple).map_err(|error| ("find a target for", error.to_string()))?;
    target
        .create_target_machine(
            &triple,
            &cpu.cpu,
            &cpu.features,
            OptimizationLevel::Aggressive,
            RelocMode::PIC,
            CodeModel::Default,
        )
        .ok_or_else(|| ("make a machine for", format!("no machine for `{}`", cpu.cpu)))
}

/// Says for which machine a module is.
pub(super) fn address(module: &Module<'_>, machine: &TargetMachine) {
    module.set_triple(&machine.get_triple());
    module.set_data_layout(&machine.get_target_data().get_data_layout());
}

/// The forms of a module, in the order asked for. The module is optimised on the way, if any form wants it.
pub(super) fn forms(
    module: &Module<'_>,
    machine: &TargetMachine,
    vectors: Vectors,
    forms: &[Form],
) -> Result<Vec<Vec<u8>>, Failure> {
    module.verify().map_err(|error| ("verify", error.to_string()))?;
    let text = || module.print_to_string().to_bytes().to_vec();
    let before = if forms.contains(&Form::Ir) { text() } else { Vec::new() };
    if forms.iter().any(|&form| form != Form::Ir) {
        optimize(module, machine, vectors)?;
    }
    let emit = |(number, &form): (usize, &Form)| {
        let then = if forms[number + 1..].is_empty() { Then::Nothing } else { Then::More };
        match form {
            Form::Ir => Ok(before.clone()),
            Form::OptimizedIr => Ok(text()),
            Form::Asm => write(module, machine, FileType::Assembly, then),
            Form::Object => write(module, machine, FileType::Object, then),
        }
    };
    forms.iter().enumerate().map(emit).collect()
}

/// What a kernel with a schedule needs: its loops are those of the machine code already, their vectors and copies too. What
/// is left is what no schedule says: common parts of subscripts, what does not change in a loop, conditions that are known.
/// The code is as fast as that of `O3`, which takes four times as long for it.
const SHORT: &str = "function(\
    sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,reassociate,\
    loop-mssa(licm),simplifycfg,instcombine<no-verify-fixpoint>,\
    loop(loop-idiom,indvars,loop-deletion,loop-unroll-full),vector-combine,gvn,instcombine<no-verify-fixpoint>,\
    jump-threading,correlated-propagation,loop-mssa(licm),simplifycfg,instcombine<no-verify-fixpoint>)";

/// What the loops of a formula need: LLVM is to choose their vectors.
const WHOLE: &str = "default<O3>";

fn optimize(module: &Module<'_>, machine: &TargetMachine, vectors: Vectors) -> Result<(), Failure> {
    let options = PassBuilderOptions::create();
    options.set_loop_vectorization(true);
    options.set_loop_slp_vectorization(true);
    options.set_loop_interleaving(true);
    options.set_loop_unrolling(true);
    let passes = match vectors {
        Vectors::ByKernel => SHORT,
        Vectors::ByCompiler => WHOLE,
    };
    module.run_passes(passes, machine, options).map_err(|error| ("optimise", error.to_string()))?;
    lone_lanes(module);
    Ok(())
}

/// What is done with a module after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    More,
}

fn write(module: &Module<'_>, machine: &TargetMachine, kind: FileType, then: Then) -> Result<Vec<u8>, Failure> {
    // Writing prepares the module for one instruction set and leaves it changed.
    let copy = (then == Then::More).then(|| module.clone());
    let module = copy.as_ref().unwrap_or(module);
    let buffer = machine.write_to_memory_buffer(module, kind).map_err(|error| ("write", error.to_string()))?;
    let bytes = buffer.as_slice();
    // LLVM ends its buffers with a zero byte, which is not part of the file.
    Ok(bytes.strip_suffix(&[0]).filter(|_| kind == FileType::Assembly).unwrap_or(bytes).to_vec())
}
