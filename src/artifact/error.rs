//! What goes wrong between bytes in memory and files that others can use.

use std::io;
use std::path::PathBuf;

use crate::diag::{Code, Diagnostic};

/// Why a file is not there. All of these are the environment's doing: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No C compiler for the target answers.
    #[error("no C compiler to link for `{target}`")]
    NoLinker {
        /// The target triple.
        target: &'static str,
        /// What was tried, and why it failed.
        reason: String,
    },
    /// The linker ran and failed.
    #[error("linking `{}` failed", output.display())]
    Link {
        /// The library.
        output: PathBuf,
        /// The command line.
        command: String,
        /// How it ended: `exit status: 1`.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// No nvcc answers.
    #[error("no nvcc to compile for a GPU")]
    NoNvcc {
        /// What was tried.
        reason: String,
    },
    /// nvcc ran and failed.
    #[error("nvcc cannot compile {what}")]
    Nvcc {
        /// The texts.
        what: String,
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// An object file cannot be read back: a fault of ftc.
    #[error("cannot make an archive")]
    Archive {
        /// Why.
        source: io::Error,
    },
}

impl ArtifactError {
    /// The code of the diagnostic.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "E0805",
            Self::NoLinker { .. } => "E0806",
            Self::Link { .. } => "E0807",
            Self::Archive { .. } => "E0808",
            Self::NoNvcc { .. } => "E0810",
            Self::Nvcc { .. } => "E0811",
        }
    }

    /// The same for the user.
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(Code(self.code()), self.to_string());
        match self {
            Self::Write { source, .. } | Self::Archive { source } => diagnostic.note(source.to_string()),
            Self::NoLinker { target, reason } => diagnostic
                .note(reason.clone())
                .help(format!("install a C compiler for `{target}`, or name one in the environment variable `CC`"))
                .help("`--emit obj`, `archive`, and `header` need none"),
            Self::NoNvcc { reason } => diagnostic
                .note(reason.clone())
                .help("install the CUDA toolkit, or `pip install nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl`")
                .help("`--emit cuda` and `header` need none"),
            Self::Nvcc { command, status, stderr, .. } => diagnostic
                .note(format!("command: {command}"))
                .note(format!("it ended with {status}"))
                .note(format!("it said: {stderr}")),
            Self::Link { command, status, stderr, .. } => {
                let diagnostic = diagnostic.note(format!("command: {command}")).note(format!("it ended with {status}"));
                let diagnostic =
                    if stderr.is_empty() { diagnostic } else { diagnostic.note(format!("it said: {stderr}")) };
                let lacks_threads = stderr.lines().any(|line| line.contains("cannot find -lgomp"));
                if lacks_threads {
                    diagnostic.help("install OpenMP's runtime `libgomp` for the target")
                } else {
                    diagnostic
                }
            }
        }
    }
}
