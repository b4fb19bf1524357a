//! CUDA C to what a GPU runs, through nvcc.
//!
//! nvcc is where the environment says, `NVCC` or `CUDA_HOME`, on the path, in its usual place, in the folder to which
//! `make setup` brings it, or among Python's packages. The `cc` crate runs it, as it does in build scripts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::ArtifactError;
use super::library::{tail, words};
use crate::codegen::cuda;
use crate::target::{Arch, Gpu};

/// What nvcc makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CudaForm {
    /// The virtual assembly of NVIDIA's GPUs, as text.
    Ptx,
    /// Machine code for one GPU.
    Cubin,
}

/// nvcc.
#[derive(Clone, Debug)]
pub struct Nvcc {
    tool: cc::Tool,
    /// Where it is.
    pub path: PathBuf,
}

impl Nvcc {
    /// The nvcc of this machine. It is looked for once.
    pub fn find() -> Result<Self, ArtifactError> {
        static FOUND: Mutex<Option<Nvcc>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.as_ref() {
            return Ok(known.clone());
        }
        let places = places();
        let path = places.iter().find(|path| path.is_file());
        let Some(path) = path else {
            let tried: Vec<_> = places.iter().map(|path| format!("`{}`", path.display())).collect();
            return Err(ArtifactError::NoNvcc { reason: format!("there is none of {}", tried.join(", ")) });
        };
        let nvcc = Self::at(path)?;
        *found = Some(nvcc.clone());
        Ok(nvcc)
    }

    /// The nvcc at `path`.
    pub fn at(path: &Path) -> Result<Self, ArtifactError> {
        let host = Arch::from_rust(std::env::consts::ARCH).unwrap_or(Arch::X86).triple();
        let mut build = cc::Build::new();
        build.cuda(true).compiler(path).target(host).host(host).opt_level(3).no_default_flags(true).warnings(false);
        build.cargo_metadata(false).cargo_warnings(false).cargo_output(false).cargo_debug(false);
        let tool = build.try_get_compiler().map_err(|error| ArtifactError::NoNvcc { reason: error.to_string() })?;
        Ok(Self { tool, path: path.to_owned() })
    }

    /// The version that it says: `Cuda compilation tools, release 13.0, V13.0.88`.
    pub fn version(&self) -> Option<String> {
        let output = Command::new(&self.path).arg("--version").output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines().find(|line| line.contains("release")).map(str::to_owned)
    }

    /// Compiles one text, which is called `name` in messages.
    pub fn compile(&self, name: &str, text: &str, gpu: &Gpu, form: CudaForm) -> Result<Vec<u8>, ArtifactError> {
        let what = match form {
            CudaForm::Ptx => "-ptx",
            CudaForm::Cubin => "-cubin",
        };
        self.run(&[(name.to_owned(), text.to_owned())], gpu, &[what.into()])
    }

    /// Compiles texts, and links them into a shared library.
    pub fn shared(&self, texts: &[(String, String)], gpu: &Gpu) -> Result<Vec<u8>, ArtifactError> {
        let mut options: Vec<OsString> =
            ["-shared", "-Xcompiler", "-fPIC", "-cudart", "static"].map(OsString::from).into();
        // Wheels have their libraries beside `bin`.
        let beside = self.path.parent().and_then(Path::parent).map(|root| root.join("lib"));
        if let Some(folder) = beside.filter(|folder| folder.join("libcudart_static.a").is_file()) {
            options.extend(["-L".into(), folder.into_os_string()]);
        }
        self.run(texts, gpu, &options)
    }

    fn run(&self, texts: &[(String, String)], gpu: &Gpu, options: &[OsString]) -> Result<Vec<u8>, ArtifactError> {
        let work = tempfile::Builder::new().prefix("ftc-").tempdir();
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| ArtifactError::Write { path, source }
        };
        let work = work.map_err(fail(&std::env::temp_dir()))?;
        let output = work.path().join("made");
        let mut command = self.tool.to_command();
        // Names of files get into what is made; these are the same everywhere.
        command
            .current_dir(work.path())
            .args(["-std=c++17", "-O3", "-arch", &arch(texts, gpu)])
            .args(options)
            .arg("-o")
            .arg("made");
        for (name, text) in texts {
            let file = format!("{name}.cu");
            std::fs::write(work.path().join(&file), text).map_err(fail(&work.path().join(&file)))?;
            command.arg(file);
        }
        let ran = command.output().map_err(|error| ArtifactError::NoNvcc {
            reason: format!("`{}` does not run: {error}", self.path.display()),
        })?;
        if ran.status.success() {
            return std::fs::read(&output).map_err(fail(&output));
        }
        let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let names: Vec<_> = texts.iter().map(|(name, _)| format!("{name}.cu")).collect();
        Err(ArtifactError::Nvcc {
            what: names.join(", "),
            command: words(&command),
            status: ran.status.to_string(),
            stderr: tail(&said),
        })
    }
}

/// Where nvcc may be, the likeliest first.
fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    places.extend(std::env::var_os("NVCC").map(PathBuf::from));
    for variable in ["CUDA_HOME", "CUDA_PATH"] {
        places.extend(std::env::var_os(variable).map(|root| PathBuf::from(root).join("bin/nvcc")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path).map(|folder| folder.join("nvcc")).filter(|path| path.is_file()));
    places.push("/usr/local/cuda/bin/nvcc".into());
    places.extend(beside_program());
    places.extend(wheels());
    places
}

/// Where `make setup` puts it: `target/nvcc`, beside what cargo makes.
fn beside_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(4).map(|folder| folder.join("nvcc/nvidia/cu13/bin/nvcc"));
    folders.into_iter().find(|path| path.is_file())
}

/// Where Python's packages have it.
fn wheels() -> Vec<PathBuf> {
    let script =
        "import site, sysconfig; print(chr(10).join([sysconfig.get_path('purelib'), site.getusersitepackages()]))";
    let Ok(output) = Command::new("python3").args(["-c", script]).output() else { return Vec::new() };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().map(|folder| Path::new(folder).join("nvidia/cu13/bin/nvcc")).collect()
}

/// The architecture to compile texts for together.
fn arch(texts: &[(String, String)], gpu: &Gpu) -> String {
    let each = texts.iter().map(|(_, text)| cuda::arch(text, gpu));
    each.max().unwrap_or_else(|| gpu.arch())
}
