//! `ftc doctor`: is everything here that ftc works with? Asks the programs themselves.

use std::process::Command;

use crate::artifact::Nvcc;
use crate::codegen;
use crate::target::Cpu;

use super::{bench, modules};

/// One thing that ftc works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// Its version, or what is wrong with it.
    pub detail: String,
    /// What works only with it.
    pub purpose: &'static str,
}

/// Whether a thing is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Found,
    /// It is not, and something that ftc is for does not work; this is the remedy.
    Missing(&'static str),
    /// It is not, and only extras do not work; this is the remedy.
    Absent(&'static str),
}

/// Looks for everything.
pub fn examine() -> Vec<Finding> {
    vec![library(), processor(), linker(), cuda(), writable(), python("numpy"), python("torch")]
}

fn library() -> Finding {
    let modules = modules::std_modules();
    let purpose = "`use std::…`";
    Finding { name: "std", state: State::Found, detail: modules.join(" "), purpose }
}

fn processor() -> Finding {
    let purpose = "`ftc build`, `ftc run`";
    match codegen::llvm::host() {
        Some(host) => {
            let cpu = Cpu { name: "native".into(), arch: host.arch, cpu: host.cpu, features: host.features };
            let facts = cpu.facts();
            let detail = format!("{} ({}-bit vectors)", cpu.cpu, facts.vector_bits);
            Finding { name: "LLVM", state: State::Found, detail: format!("native is {detail}"), purpose }
        }
        None => Finding {
            name: "LLVM",
            state: State::Missing("build ftc with its default features, where LLVM 22 is installed"),
            detail: "not in this ftc: it checks, prints and interprets".to_owned(),
            purpose,
        },
    }
}

fn linker() -> Finding {
    let remedy = "install a C compiler (Debian: `apt install gcc libc6-dev`), or name one in the variable CC";
    let program = std::env::var("CC").ok().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "cc".to_owned());
    let state = |found: &Result<String, String>| match found {
        Ok(_) => State::Found,
        Err(_) => State::Missing(remedy),
    };
    let mut words = program.split_whitespace();
    let found = ask(words.next().unwrap_or("cc"), &words.chain(["--version"]).collect::<Vec<_>>());
    Finding { name: "C compiler", state: state(&found), detail: either(found), purpose: "`--emit lib`, `ftc run`" }
}

fn cuda() -> Finding {
    let purpose = "`--target cuda --emit ptx,cubin,lib`";
    let remedy = "install the CUDA toolkit, or the packages that `ftc explain E0810` names";
    let Ok(nvcc) = Nvcc::find() else {
        let detail = "neither on the path, nor in CUDA_HOME, nor among Python's packages".to_owned();
        return Finding { name: "nvcc", state: State::Absent(remedy), detail, purpose };
    };
    let version = nvcc.version().unwrap_or_else(|| "it does not say its version".to_owned());
    let detail = format!("{version} ({})", nvcc.path.display());
    Finding { name: "nvcc", state: State::Found, detail, purpose }
}

fn writable() -> Finding {
    let folder = std::env::temp_dir();
    let made = tempfile::tempdir();
    let detail = folder.display().to_string();
    let state = match made {
        Ok(_) => State::Found,
        Err(_) => State::Missing("make the folder writable, or name another in the variable TMPDIR"),
    };
    Finding { name: "temporary folder", state, detail, purpose: "`--emit lib`, `ftc run`" }
}

fn python(package: &'static str) -> Finding {
    let (program, purpose, remedy) = match package {
        "torch" => {
            (bench::peer::python(), "`ftc bench --peer torch`", "`pip install torch`; FTC_PYTHON names its Python")
        }
        _ => ("python3".to_owned(), "modules of `--emit python`, and making `.npy` files", "`pip install numpy`"),
    };
    let found = ask(&program, &["-c", &format!("import {package}; print({package}.__version__)")]);
    let state = if found.is_ok() { State::Found } else { State::Absent(remedy) };
    Finding { name: package, state, detail: either(found), purpose }
}

/// The first line that a program says, or the last line of its complaint.
fn ask(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|cause| format!("`{program}`: {cause}"))?;
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    if output.status.success() {
        Ok(said.lines().next().unwrap_or_default().to_owned())
    } else {
        Err(said.lines().last().unwrap_or("it failed").to_owned())
    }
}

fn either(found: Result<String, String>) -> String {
    found.unwrap_or_else(|complaint| complaint)
}
