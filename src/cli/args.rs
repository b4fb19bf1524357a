//! The command line as data. The texts here are what `ftc help` teaches; meaning is given to them in the commands'
//! own files and in `driver`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A compiler from tensor formulas (`.ft`) to fast kernels.
#[derive(Debug, Parser)]
#[command(version, after_help = OVERVIEW, max_term_width = 100)]
pub(super) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(super) common: Common,

    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Common {
    /// Diagnostics, and what `build` wrote, for people or as one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t = MessageFormat::Human, value_name = "FORMAT")]
    pub(super) message_format: MessageFormat,

    /// Colour the diagnostics; `auto`: on a terminal, unless `NO_COLOR` or `CLICOLOR_FORCE` is set
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,

    /// Say on stderr how long each pass of the compiler took
    #[arg(long, global = true)]
    pub(super) time_passes: bool,
}

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MessageFormat {
    Human,
    Json,
}

/// When diagnostics are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Find the errors in source files, without building anything
    Check(CheckArgs),
    /// Compile exports to libraries, objects, or any form on the way
    Build(BuildArgs),
    /// Compile one export and call it with arrays from `.npy` files
    Run(RunArgs),
    /// Search for the fastest schedules by measuring, and pin them in ftc.lock
    Tune(super::tune::TuneArgs),
    /// Measure a suite of workloads, each checked against its definition
    Bench(super::bench::BenchArgs),
    /// Explain an error code, or what a source file computes: axes, reuse, what can be fused
    Explain(super::explain::ExplainArgs),
    /// Show the schedules that could be chosen: knobs, sizes, why points are left out, what the model likes
    Space(SpaceArgs),
    /// Write source files in the one canonical layout
    Fmt(FmtArgs),
    /// Compile and time candidates for another `ftc`, as it asks on standard input
    #[command(hide = true)]
    Worker,
    /// List the machines that can be compiled for
    Targets,
    /// Check that all that ftc needs is installed
    Doctor,
}

/// Arguments of `ftc check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(super) struct CheckArgs {
    /// Source files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

/// Which computation is meant: shared by `build`, `run` and `explain`.
#[derive(Clone, Debug, Args)]
pub(super) struct What {
    /// Compile this call, or the export of this name, instead of all exports of the file; may be given several times
    #[arg(long = "export", value_name = "CALL|NAME")]
    pub(super) exports: Vec<String>,

    /// Give a size that the file leaves open a value; may be given several times
    #[arg(long, value_name = "NAME=INT")]
    pub(super) set: Vec<String>,

    /// Use this variant's body where it applies, or `none`; may be given several times
    #[arg(long = "variant", value_name = "NAME")]
    pub(super) variants: Vec<String>,
}

/// What a GPU may make of numbers: shared by all commands that choose schedules.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Rounding {
    /// Let matrix units of a GPU multiply `f32` rounded to 10 bits behind the point; the same as `--target cuda+tf32`
    #[arg(long)]
    tf32: bool,
}

impl Rounding {
    /// The name of the target with it.
    pub(super) fn of(self, target: &str) -> String {
        if self.tf32 { format!("{target}+tf32") } else { target.to_owned() }
    }
}

/// Arguments of `ftc build`.
#[derive(Debug, Args)]
#[command(after_help = BUILD)]
pub(super) struct BuildArgs {
    /// Source file; left out, `--export` calls functions of the standard library
    pub(super) file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) what: What,

    /// The machine to compile for; `ftc targets` lists them
    #[arg(long, default_value = "native", value_name = "TARGET")]
    pub(super) target: String,

    #[command(flatten)]
    pub(super) rounding: Rounding,

    /// What to write: ast graph schedule loops llvm asm obj archive lib header python; for a GPU cuda ptx cubin
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', default_value = "lib,header")]
    pub(super) emit: Vec<String>,

    /// The lock that schedules come from [default: ftc.lock beside the file]
    #[arg(long, value_name = "FILE")]
    pub(super) lock: Option<PathBuf>,

    /// Folder to write to; `-` writes one text form to standard output
    #[arg(short, long, default_value = ".", value_name = "DIR|-")]
    pub(super) output: PathBuf,

    /// Name of the library, for lib{NAME}.so and {NAME}.h [default: that of the file or first export]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// Arguments of `ftc run`.
#[derive(Debug, Args)]
#[command(after_help = RUN)]
pub(super) struct RunArgs {
    /// Source file; left out, `--export` calls a function of the standard library
    pub(super) file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) what: What,

    /// The export to call; needed when there are several
    #[arg(long, value_name = "EXPORT")]
    pub(super) call: Option<String>,

    /// Read an input from a `.npy` file; one for each input
    #[arg(long = "in", value_name = "NAME=FILE")]
    pub(super) inputs: Vec<String>,

    /// Write an output to a `.npy` file; outputs without a file are shown
    #[arg(long = "out", value_name = "NAME=FILE")]
    pub(super) outputs: Vec<String>,

    /// The lock that schedules come from [default: ftc.lock beside the file]
    #[arg(long, value_name = "FILE")]
    pub(super) lock: Option<PathBuf>,

    /// The machine to compile for, which must be this one; `interp` runs the reference interpreter
    #[arg(long, default_value = "native", value_name = "TARGET")]
    pub(super) target: String,

    #[command(flatten)]
    pub(super) rounding: Rounding,
}

/// Arguments of `ftc space`.
#[derive(Debug, Args)]
#[command(after_help = SPACE)]
pub(super) struct SpaceArgs {
    /// The source file; needed unless `--export` gives calls of standard functions
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) what: What,

    /// The machine to schedule for
    #[arg(long, value_name = "TARGET", default_value = "native")]
    pub(super) target: String,

    #[command(flatten)]
    pub(super) rounding: Rounding,
}

/// Arguments of `ftc fmt`.
#[derive(Debug, Args)]
#[command(after_help = FMT)]
pub(super) struct FmtArgs {
    /// Change nothing; list the files that would change, and exit with 1 if there are any
    #[arg(long)]
    pub(super) check: bool,

    /// Source files; `-` formats standard input to standard output
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

const OVERVIEW: &str = "\
First steps:
  ftc run --export 'gemm(A: f32[2, 3], B: f32[3, 2])' --in A=a.npy --in B=b.npy
  ftc check conv.ft
  ftc build conv.ft --target x86 -o out
  ftc explain conv.ft
  ftc explain E0203

Exit codes:
  0    done
  1    something in your input is wrong
  2    something on this machine is missing, forbidden or full
  101  a bug of ftc";

const CHECK: &str = "\
Examples:
  ftc check conv.ft
  ftc check --message-format json src/*.ft";

const BUILD: &str = "\
Examples:
  ftc build conv.ft                                    libconv.so and conv.h for this machine
  ftc build conv.ft --target x86 --emit obj,header -o out
  ftc build --export 'gemm(A: f32[37, 53], B: f32[53, 29])'
  ftc build conv.ft --emit lib,python -o out           and a Python module for NumPy arrays
  ftc build conv.ft --emit loops -o -                  look at the loops
  ftc build conv.ft --emit llvm,asm -o out             one file for each export
  ftc build conv.ft --export layer1 --emit asm -o -    one export alone";

const RUN: &str = "\
Examples:
  ftc run conv.ft --call layer1 --in x=x.npy --in w=w.npy --out y=y.npy
  ftc run conv.ft --target interp --in x=x.npy --in w=w.npy
  ftc run --export 'relu(x: f32[4])' --in x=x.npy

Arrays are little-endian, in C order, and of exactly the export's element type and shape.
NumPy has no bf16: such arrays are read from and written as two opaque bytes an element (V2),
as the package ml_dtypes does.";

const SPACE: &str = "\
Examples:
  ftc space conv.ft
  ftc space --export 'gemm(A: f32[512, 512], B: f32[512, 512])' --target x86-64-v4";

const FMT: &str = "\
Examples:
  ftc fmt conv.ft
  ftc fmt --check src/*.ft
  ftc fmt - < conv.ft";
