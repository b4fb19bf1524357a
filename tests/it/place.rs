//! The program `ftc` run in a folder of its own, for tests from outside.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ftc::runtime::{Array, npy};
use ftc::scalar::{DType, Values};

/// A folder of its own for a test, and the program run in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) const GEMM: &str = "\
//! Dense linear algebra.

/// C = A · B.
pub fn gemm<T: float>(A: T[M, K], B: T[K, N]) -> (C: T[M, N]) {
    C[i, j] = sum[k](A[i, k] * B[k, j])
}

export mm = gemm(A: f32[2, 3], B: f32[3, 2])
";

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With `gemm.ft`, `a.npy` and `b.npy`.
    pub(crate) fn with_gemm() -> Self {
        let place = Self::new();
        place.write("gemm.ft", GEMM);
        place.array("a.npy", DType::F32, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        place.array("b.npy", DType::F32, &[3, 2], &[1, 0, 0, 1, 1, 1]);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("a writable folder");
    }

    pub(crate) fn array(&self, name: &str, dtype: DType, shape: &[i64], items: &[i64]) {
        let values = Values::ints(dtype, shape, items.to_vec()).expect("as many items as the shape has");
        let mut bytes = Vec::new();
        npy::write(&mut bytes, &Array::from_values(&values).expect("some bytes")).expect("a vector takes everything");
        self.write(name, bytes);
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
    }

    /// The names of all files, in order.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftc"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn ftc(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    pub(crate) fn ftc_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is there");
        // The program may stop reading early; that is its right.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        Ran::of(&child.wait_with_output().expect("it ends"))
    }
}

/// Says that a test lacks something here, and is skipped.
#[expect(clippy::print_stderr, reason = "a test that is skipped must not look like one that passed")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

pub(crate) fn ran(command: &mut Command) -> Ran {
    Ran::of(&command.output().expect("the binary is there"))
}

impl Ran {
    pub(crate) fn of(output: &std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Ends with that exit code and one error, of that code, that says all these things.
    #[track_caller]
    pub(crate) fn fails(self, exit: i32, code: &str, says: &[&str]) -> Self {
        assert_eq!(self.code, exit, "{self:?}");
        assert_eq!(self.err.matches("error[").count(), 1, "one error: {self:?}");
        assert!(self.err.contains(&format!("error[{code}]")), "{code}: {self:?}");
        for part in says {
            assert!(self.err.contains(part), "`{part}` is not in:\n{}", self.err);
        }
        assert!(self.err.ends_with("1 error\n"), "{self:?}");
        self
    }
}
