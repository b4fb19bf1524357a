//! The program `ftc` from outside, where it makes code: libraries that C links to, the same bytes every time, and the
//! errors of tools and machines that lack something.

use std::fs;
use std::process::Command;

use ftc::runtime::gpu::{Device, GpuError};
use ftc::scalar::DType;

use crate::place::{GEMM, Place, ran, skipped};

const RUN: [&str; 6] = ["run", "gemm.ft", "--in", "A=a.npy", "--in", "B=b.npy"];

#[test]
fn build_writes_a_library_and_its_header() {
    let place = Place::with_gemm();
    let built = place.ftc(&["build", "gemm.ft", "-o", "out"]).succeeds();
    assert_eq!((built.out.as_str(), built.err.as_str()), ("", "wrote out/libgemm.so, out/gemm.h\n"));
    assert_eq!(place.names("out"), ["gemm.h", "libgemm.so"]);
    place.write(
        "main.c",
        "#include \"gemm.h\"\n#include <stdio.h>\nint main(void) { float a[6] = {1,2,3,4,5,6}, b[6] = {1,0,0,1,1,1}, \
         c[4]; int e = mm(a, b, c); printf(\"%d: %g %g %g %g\\n\", e, c[0], c[1], c[2], c[3]); return e; }\n",
    );
    let compile = "cc -std=c11 -Wall -Wextra -Werror -Iout main.c -Lout -lgemm -Wl,-rpath,out -o main && ./main";
    let output = Command::new("sh").args(["-c", compile]).current_dir(place.path(".")).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0: 4 5 10 11\n", "{output:?}");
}

#[test]
fn every_kind_of_output_has_its_file() {
    let place = Place::with_gemm();
    let kinds = "ast,graph,schedule,loops,llvm,asm,obj,archive,lib,header,python";
    place.ftc(&["build", "gemm.ft", "--target", "x86", "--emit", kinds, "-o", "out"]).succeeds();
    let names = [
        "gemm.ast",
        "gemm.h",
        "gemm.py",
        "libgemm.a",
        "libgemm.so",
        "mm.graph",
        "mm.ll",
        "mm.loops",
        "mm.o",
        "mm.s",
        "mm.schedule.ft",
    ];
    assert_eq!(place.names("out"), names);
    let llvm = place.ftc(&["build", "gemm.ft", "--emit", "llvm", "-o", "-"]).succeeds().out;
    assert!(llvm.contains("target triple"), "{llvm}");
    place.ftc(&["build", "gemm.ft", "--name", "linear", "-o", "named"]).succeeds();
    assert_eq!(place.names("named"), ["liblinear.so", "linear.h"]);
}

#[test]
fn the_same_source_gives_the_same_bytes_wherever_it_is_built() {
    let emit = ["--emit", "ast,graph,schedule,loops,llvm,asm,obj,archive,lib,header,python", "--target", "x86"];
    let (one, two) = (Place::with_gemm(), Place::with_gemm());
    fs::create_dir_all(two.path("deeper/down")).expect("a new folder");
    one.ftc(&[&["build", "gemm.ft", "-o", "out"][..], &emit].concat()).succeeds();
    one.ftc(&[&["build", "gemm.ft", "-o", "again"][..], &emit].concat()).succeeds();
    let mut deeper = two.command(&[&["build", "../../gemm.ft", "-o", "../../out"][..], &emit].concat());
    ran(deeper.current_dir(two.path("deeper/down"))).succeeds();
    let names = one.names("out");
    assert_eq!((names.len(), &names, &names), (11, &one.names("again"), &two.names("out")));
    for name in &names {
        let bytes = one.read(&format!("out/{name}"));
        assert_eq!(bytes, one.read(&format!("again/{name}")), "{name}: the second time");
        assert_eq!(bytes, two.read(&format!("out/{name}")), "{name}: in another folder");
    }
}

#[test]
fn run_calls_the_code_and_leaves_nothing_behind() {
    let place = Place::with_gemm();
    fs::create_dir(place.path("tmp")).expect("a new folder");
    let shown = ran(place.command(&RUN).env("TMPDIR", place.path("tmp"))).succeeds().out;
    assert_eq!(shown, "C: f32[2, 2]\n         4.0        5.0\n        10.0       11.0\n");
    assert!(place.names("tmp").is_empty());
    place.ftc(&[&RUN[..], &["--out", "C=c.npy"]].concat()).succeeds();
    place.array("expected.npy", DType::F32, &[2, 2], &[4, 5, 10, 11]);
    assert_eq!(place.read("c.npy"), place.read("expected.npy"));
}

#[test]
fn the_standard_library_needs_no_file() {
    let place = Place::with_gemm();
    let call = "product = gemm(A: f32[2, 3], B: f32[3, 2])";
    let shown = place.ftc(&["run", "--export", call, "--in", "A=a.npy", "--in", "B=b.npy"]).succeeds().out;
    assert!(shown.contains("10.0       11.0"), "{shown}");
    place.ftc(&["build", "--export", call, "-o", "out"]).succeeds();
    assert_eq!(place.names("out"), ["libproduct.so", "product.h"]);
    let open = ["build", "--export", "gemm(A: f32[M, 3], B: f32[3, 2])", "--set", "M=64", "--emit", "graph", "-o", "-"];
    assert!(place.ftc(&open).succeeds().out.contains("A: f32[64, 3]"));
    let unused = ["build", "--export", call, "--set", "Q=64", "--emit", "graph", "-o", "-"];
    place.ftc(&unused).fails(1, "E0517", &["`Q`", "--set"]);
    let unknown = place.ftc(&["build", "--export", "gemmm(A: f32[2, 3])"]);
    assert!(unknown.code == 1 && unknown.err.contains("`gemm`"), "{unknown:?}");
    let broken = place.ftc(&["build", "--export", "gemm(A: f32[2, 3]"]);
    assert!(broken.code == 1 && broken.err.contains("--export"), "{broken:?}");
}

#[test]
fn code_for_another_machine_is_built_but_not_run() {
    let place = Place::with_gemm();
    for target in ["aarch64", "x86-64", "znver4"] {
        let out = format!("out-{target}");
        place.ftc(&["build", "gemm.ft", "--target", target, "--emit", "obj,asm", "-o", &out]).succeeds();
    }
    let other = if cfg!(target_arch = "aarch64") { "x86" } else { "aarch64" };
    let run = [&RUN[..], &["--target", other]].concat();
    place.ftc(&run).fails(1, "E0711", &["cannot run here", "`--target`"]);
}

#[test]
fn without_a_gpu_its_code_is_built_but_not_run() {
    if !matches!(Device::open(), Err(GpuError::NoDriver)) {
        return skipped("this machine has a driver for GPUs");
    }
    let place = Place::with_gemm();
    place.write(
        "suite.json",
        r#"{"workloads": [{"name": "P", "op": "gemm", "dtype": "f32", "params": {"M": 8, "K": 8, "N": 8}}]}"#,
    );
    let told = ["cannot run here", "no driver", "nvidia-smi", "ftc build --target cuda"];
    let on_gpu = |args: &[&str]| place.ftc(&[args, &["--target", "cuda"]].concat());
    on_gpu(&RUN).fails(2, "E0715", &told);
    on_gpu(&["bench", "suite.json"]).fails(2, "E0715", &told);
    on_gpu(&["tune", "gemm.ft", "--budget", "1trials"]).fails(2, "E0715", &told);
    on_gpu(&["build", "gemm.ft", "--emit", "cuda", "-o", "out"]).succeeds();
}

#[test]
fn a_missing_c_compiler_is_named_with_what_works_without() {
    let place = Place::with_gemm();
    let without = |args: &[&str]| ran(place.command(args).env("CC", "/no/such/cc"));
    without(&["build", "gemm.ft", "-o", "out"]).fails(
        2,
        "E0806",
        &["no C compiler", "/no/such/cc", "CC", "--emit obj"],
    );
    without(&RUN).fails(2, "E0806", &["no C compiler"]);
    assert!(!place.path("out").exists());
    without(&["build", "gemm.ft", "--emit", "archive,header", "-o", "out"]).succeeds();
    assert_eq!(without(&["doctor"]).code, 2);
}

#[test]
#[cfg(unix)]
fn a_linker_that_fails_is_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_gemm();
    place.write("cc", "#!/bin/sh\necho 'ld: the moon is in the wrong phase' >&2\nexit 3\n");
    fs::set_permissions(place.path("cc"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let failed = ran(place.command(&["build", "gemm.ft", "-o", "out"]).env("CC", place.path("cc")));
    failed.fails(2, "E0807", &["linking", "ld: the moon", "exit status: 3"]);
    assert!(!place.path("out").exists());
}

#[test]
fn a_temporary_folder_that_is_not_there() {
    let place = Place::with_gemm();
    let failed = ran(place.command(&["build", "gemm.ft", "-o", "out"]).env("TMPDIR", "/no/such/folder"));
    failed.fails(2, "E0707", &["temporary"]);
    assert!(!place.path("out").exists());
}

#[test]
fn names_that_c_has_are_refused() {
    let place = Place::new();
    let build = |name: &str| {
        let call = format!("{name} = relu(x: f32[4])");
        place.ftc(&["build", "--export", &call, "--emit", "obj", "-o", "out"])
    };
    build("expf").fails(1, "E0803", &["`expf`", "give the export another name"]);
    build("int").fails(1, "E0511", &["`int`"]);
    assert!(!place.path("out").exists());
}

#[test]
fn arrays_that_no_memory_holds() {
    let place = Place::new();
    let huge = "relu(x: f32[1_000_000_000_000])";
    place.write(
        "x.npy",
        b"\x93NUMPY\x01\x00\x4a\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }    \n",
    );
    let ran = place.ftc(&["run", "--export", huge, "--in", "x=x.npy"]);
    assert!(ran.code == 1 || ran.code == 2, "{ran:?}");
    assert!(ran.err.contains("error[E0709]") || ran.err.contains("error[E06"), "{ran:?}");
}

#[test]
fn a_workspace_that_no_memory_holds() {
    let place = Place::new();
    // Sums that are read twice are stored. Three times 64 TB are more than the address space of a process.
    let lets: Vec<_> = ["t", "u", "v"]
        .iter()
        .map(|t| format!("    let {t}[i, j: 4000000000000] = sum[k: 2](x[i] + f32(j + k))\n"))
        .collect();
    let head = "pub fn f(x: f32[N]) -> (y: f32[N]) {\n";
    let last = "    y[i] = t[i, 0] + t[i, 1] + u[i, 0] + u[i, 1] + v[i, 0] + v[i, 1]\n}\n\nexport g = f(x: f32[4])\n";
    let text = [head, &lets.concat(), last].concat();
    place.write("f.ft", text);
    place.array("x.npy", DType::F32, &[4], &[1, 2, 3, 4]);
    let says = ["not enough memory"];
    place.ftc(&["run", "f.ft", "--in", "x=x.npy"]).fails(2, "E0712", &says);
    place.ftc(&["run", "f.ft", "--in", "x=x.npy", "--target", "interp"]).fails(2, "E0712", &says);
}

#[test]
fn errors_of_all_exports_are_reported() {
    let place = Place::new();
    let text = [GEMM, "export a = gemm(A: f32[2, 3], B: f32[4, 2])\nexport b = gemm(A: f32[2, 3], B: f32[5, 2])\n"];
    place.write("bad.ft", text.concat());
    let ran = place.ftc(&["build", "bad.ft", "-o", "out"]);
    assert_eq!((ran.code, ran.err.matches("error[").count()), (1, 2), "{ran:?}");
    assert!(!place.path("out").exists());
}

#[test]
fn the_step_that_asks_for_what_a_machine_lacks_is_shown() {
    let place = Place::new();
    let schedule = "schedule f {\n    bind i to grid.x\n    bind j to block.x\n    stage A at i in shared\n}\n";
    let export = "use std::linalg::gemm\nexport f = gemm(A: f32[64, 1024], B: f32[1024, 64])\n\n";
    place.write("bound.ft", format!("{export}{schedule}"));
    let says = ["bound.ft:5:5", "this step asks for it", "`--target cuda`"];
    place.ftc(&["build", "bound.ft", "-o", "out"]).fails(1, "E0802", &says);
    place.write("bound.ft", format!("{export}{}", schedule.replace("A at i", "B at i")));
    let on_gpu = ["build", "bound.ft", "--target", "cuda", "--emit", "cuda", "-o", "out"];
    place.ftc(&on_gpu).fails(1, "E0812", &["bound.ft:7:5", "bytes of shared memory"]);
    assert!(!place.path("out").exists());
}
