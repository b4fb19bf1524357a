//! The program `ftc` from outside: every command, and every kind of bad input. One clear error with a code, the right
//! exit code, nothing half-written, never a panic. `cli_code` has what needs a backend.

use std::fs;

use ftc::scalar::DType;

use crate::place::{GEMM, Place, Ran, ran};

#[test]
fn help_teaches_by_example() {
    let place = Place::new();
    let overview = place.ftc(&["--help"]).succeeds().out;
    for command in ["check", "build", "run", "explain", "fmt", "targets", "doctor"] {
        assert!(overview.contains(&format!("\n  {command}")), "{command}: {overview}");
    }
    for command in ["check", "build", "run", "explain", "fmt"] {
        let help = place.ftc(&["help", command]).succeeds().out;
        assert!(help.contains("Examples:\n  ftc "), "{command}: {help}");
    }
    assert!(place.ftc(&["--version"]).succeeds().out.starts_with("ftc "));
}

#[test]
fn wrong_usage_is_the_users_error() {
    let place = Place::new();
    for args in [&["bild"][..], &[], &["check"], &["build", "--no-such-option"], &["run", "--color", "blue"]] {
        let ran = place.ftc(args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{args:?}: {ran:?}");
        assert!(ran.err.contains("Usage: ftc") || ran.err.contains("try '--help'"), "{ran:?}");
    }
}

#[test]
fn check_is_silent_about_a_good_file() {
    let place = Place::with_gemm();
    let ran = place.ftc(&["check", "gemm.ft"]).succeeds();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}

#[test]
fn check_reports_the_errors_of_all_files() {
    let place = Place::with_gemm();
    place.write("one.ft", "pub fn f(x: f32[N]) -> (y: f32[N]) {\n    y[i] = z[i]\n}\n");
    place.write("two.ft", "pub fn g(x: f32[N]) -> (y: f32[N]) {\n    y[i] = x[i, i]\n}\n");
    let ran = place.ftc(&["check", "one.ft", "gemm.ft", "two.ft", "three.ft"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for part in ["one.ft:2", "two.ft:2", "`three.ft`", "3 errors"] {
        assert!(ran.err.contains(part), "`{part}` is not in:\n{}", ran.err);
    }
    let json = place.ftc(&["check", "--message-format", "json", "one.ft", "two.ft"]);
    assert_eq!((json.code, json.err.lines().count()), (1, 2), "{json:?}");
    for line in json.err.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(value["severity"], "error", "{line}");
    }
}

#[test]
fn a_finding_in_a_shared_module_is_reported_once() {
    let place = Place::new();
    place.write("shared.ft", "pub fn broken(x: f32[N] -> (y: f32[N]) {\n    y[i] = x[i]\n}\n");
    for name in ["a.ft", "b.ft"] {
        place.write(name, "use shared::broken\n");
    }
    let ran = place.ftc(&["check", "a.ft", "b.ft"]);
    assert_eq!(ran.err.matches("shared.ft:3").count(), 1, "{}", ran.err);
}

#[test]
fn colour_is_for_terminals_and_who_asks() {
    let place = Place::new();
    let coloured = |ran: &Ran| ran.err.contains('\x1b');
    assert!(!coloured(&place.ftc(&["check", "no.ft"])));
    assert!(coloured(&place.ftc(&["check", "no.ft", "--color", "always"])));
    assert!(!coloured(&place.ftc(&["--color", "never", "check", "no.ft"])));
    let with = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = place.command(&[&["check", "no.ft"][..], args].concat());
        coloured(&ran(command.envs(variables.iter().copied())))
    };
    let (no, force) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
    assert!(with(&[force], &[]));
    assert!(!with(&[("CLICOLOR_FORCE", "0")], &[]));
    assert!(!with(&[no], &[]) && !with(&[no, force], &[]));
    assert!(with(&[("NO_COLOR", ""), force], &[]), "an empty variable is as good as none");
    // The command line has the last word.
    assert!(with(&[no], &["--color", "always"]) && !with(&[force], &["--color", "never"]));
}

#[test]
fn sources_that_cannot_be_read() {
    let place = Place::with_gemm();
    fs::create_dir(place.path("folder")).expect("a new folder");
    place.ftc(&["check", "none.ft"]).fails(1, "E0701", &["`none.ft`", "no such file"]);
    place.ftc(&["check", "gemm"]).fails(1, "E0701", &["there is `gemm.ft`"]);
    place.ftc(&["check", "folder"]).fails(1, "E0701", &["it is a directory"]);
    place.ftc(&["check", "gemm.ft/x.ft"]).fails(1, "E0701", &["is a file, not a directory"]);
    place.ftc(&["check", "/dev/zero"]).fails(1, "E0701", &["longer than 64 MiB"]);
    place.ftc(&["build", "none.ft"]).fails(1, "E0701", &[]);
    place.ftc(&["run", "none.ft"]).fails(1, "E0701", &[]);
    place.ftc(&["explain", "none.ft"]).fails(1, "E0701", &[]);
}

#[test]
fn sources_that_are_not_text() {
    let place = Place::new();
    place.write("latin.ft", b"// caf\xe9\n");
    let ran =
        place.ftc(&["check", "latin.ft"]).fails(1, "E0702", &["`latin.ft` is not UTF-8", "byte 0xe9 at offset 6"]);
    assert!(ran.err.contains("latin.ft:1:7"), "{}", ran.err);
    place.ftc_with_input(&["check", "-"], b"\xff\xfe").fails(1, "E0702", &["offset 0"]);
    place.write("marked.ft", ["\u{feff}", GEMM].concat());
    place.ftc(&["check", "marked.ft"]).succeeds();
}

#[test]
fn a_cycle_of_files_and_private_functions() {
    let place = Place::new();
    place.write("a.ft", "use b::g\n\npub fn f(x: f32[N]) -> (y: f32[N]) {\n    y = g(x)\n}\n");
    place.write("b.ft", "use a::f\n\npub fn g(x: f32[N]) -> (y: f32[N]) {\n    y = f(x)\n}\n");
    let circle = place.ftc(&["check", "a.ft"]);
    assert!(circle.code == 1 && circle.err.contains("error[E0307]"), "{circle:?}");
    place.write("hidden.ft", "fn h(x: f32[N]) -> (y: f32[N]) {\n    y = x\n}\n");
    place.write("c.ft", "use hidden::h\n\npub fn f(x: f32[N]) -> (y: f32[N]) {\n    y = h(x)\n}\n");
    place.ftc(&["check", "c.ft"]).fails(1, "E0306", &["`h`"]);
    place.write("d.ft", "use hiden::h\n");
    place.ftc(&["check", "d.ft"]).fails(1, "E0304", &["`hiden`", "did you mean `hidden`?"]);
}

#[test]
fn any_bytes_end_in_an_error_not_in_a_panic() {
    let place = Place::new();
    let deep = |open: &str| format!("pub fn f(x: f32[N]) -> (y: f32[N]) {{ y[i] = {} }}", open.repeat(100_000));
    let cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; 10_000],
        (0..=255).collect(),
        vec![b'('; 1 << 20],
        deep("(").into(),
        deep("-").into(),
        deep("if x { ").into(),
        deep("1 + ").into(),
        "pub fn ".repeat(10_000).into(),
        "x".repeat(10 << 20).into(),
        "export e = f(x: f32[99999999999999999999])".into(),
        "\u{202e}\u{0}\r\u{2028}é".into(),
    ];
    for case in cases {
        for command in ["check", "fmt"] {
            let ran = place.ftc_with_input(&[command, "-"], &case);
            assert!(ran.code == 0 || ran.code == 1, "{ran:?}");
            assert!(ran.err.len() < 200_000, "{} bytes of errors", ran.err.len());
        }
    }
}

#[test]
fn explain_knows_codes_and_files() {
    let place = Place::with_gemm();
    assert!(place.ftc(&["explain", "E0203"]).succeeds().out.starts_with("# E0203: "));
    assert!(place.ftc(&["explain", "e0203"]).succeeds().out.starts_with("# E0203: "));
    assert!(place.ftc(&["explain"]).succeeds().out.contains("\nE0203: "));
    place.ftc(&["explain", "E0799"]).fails(1, "E0713", &["`E0799`", "`ftc explain E07"]);
    place.ftc(&["explain", "203"]).fails(1, "E0713", &["did you mean `ftc explain E0203`?"]);
    let text = place.ftc(&["explain", "gemm.ft"]).succeeds().out;
    for part in ["mm\n", "A: f32[2, 3]", "C[i: 2, j: 2] = sum over k: 3", "24 floating-point operations"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn targets_lists_and_doctor_examines() {
    let place = Place::new();
    let targets = place.ftc(&["targets"]).succeeds().out;
    for name in ["native", "x86", "znver4", "aarch64", "interp"] {
        assert!(targets.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {targets}");
    }
    let doctor = place.ftc(&["doctor"]);
    assert!([0, 2].contains(&doctor.code), "{doctor:?}");
    assert!(doctor.out.contains("C compiler"), "{doctor:?}");
    let other = ran(place.command(&["doctor"]).env("FTC_PYTHON", "no-such-python"));
    assert!(other.out.contains("absent  torch             `no-such-python`"), "{other:?}");
}

#[test]
fn what_to_compile_must_be_clear() {
    let place = Place::with_gemm();
    place.write("open.ft", GEMM.split("export").next().expect("a first part"));
    place.write("empty.ft", "");
    let two = [GEMM, "export nn = gemm(A: f32[4, 4], B: f32[4, 4])\n"].concat();
    place.write("two.ft", two);
    place.ftc(&["build"]).fails(1, "E0512", &["neither a source file nor an `--export`"]);
    place.ftc(&["build", "open.ft"]).fails(1, "E0512", &["`--export 'gemm(A: f32[64, 64], B: f32[64, 64])'`"]);
    place.ftc(&["run", "empty.ft"]).fails(1, "E0512", &["`empty.ft` has no export"]);
    place.ftc(&["run", "two.ft"]).fails(1, "E0703", &["`mm`, `nn`", "`--call mm`"]);
    place.ftc(&["run", "two.ft", "--call", "mmm"]).fails(1, "E0703", &["did you mean `mm`?"]);
    let twice =
        ["gemm.ft", "--export", "gemm(A: f32[2, 2], B: f32[2, 2])", "--export", "gemm(A: f32[4, 4], B: f32[4, 4])"];
    place.ftc(&[&["build"][..], &twice].concat()).fails(1, "E0511", &["two exports are called `gemm`"]);
    let clash =
        ["--export", "gemm(A: f32[2, 2], B: f32[2, 2])", "--export", "gemm_pack = gemm(A: f32[2, 2], B: f32[2, 2])"];
    let says = "`gemm_pack` is also the name of a function that comes with the export `gemm`";
    place.ftc(&[&["build"][..], &clash].concat()).fails(1, "E0511", &[says]);
    place.ftc(&["build", "gemm.ft", "--target", "zen4"]).fails(1, "E0704", &["did you mean `znver4`?"]);
    place.ftc(&["build", "gemm.ft", "--target", "interp"]).fails(1, "E0704", &["no code to write"]);
    let rounding = ["build", "gemm.ft", "--target", "x86", "--tf32"];
    place.ftc(&rounding).fails(1, "E0704", &["`x86` has no matrix units that round to tf32", "`--target cuda --tf32`"]);
    place.ftc(&["build", "gemm.ft", "--variant", "fast"]).fails(1, "E0514", &["no function has a variant `fast`"]);
    place.ftc(&["build", "gemm.ft", "--set", "M"]).fails(1, "E0706", &["`--set NAME=INTEGER`"]);
    place.ftc(&["build", "gemm.ft", "--set", "M=many"]).fails(1, "E0706", &["`--set M=many`"]);
    assert_eq!(place.names("."), ["a.npy", "b.npy", "empty.ft", "gemm.ft", "open.ft", "two.ft"]);
}

#[test]
fn kinds_of_output_must_exist_and_fit_where_they_go() {
    let place = Place::with_gemm();
    let emit = |kinds: &str, to: &str| place.ftc(&["build", "gemm.ft", "--emit", kinds, "-o", to]);
    emit("llvmm", "out").fails(1, "E0705", &["no such kind", "did you mean `llvm`?"]);
    emit("space", "out").fails(1, "E0705", &["cannot write that yet"]);
    emit("cuda", "out").fails(1, "E0705", &["not possible for `native`", "kinds for this target: ast graph"]);
    let cuda = |kinds: &str| place.ftc(&["build", "gemm.ft", "--target", "cuda", "--emit", kinds, "-o", "out"]);
    cuda("asm").fails(1, "E0705", &["not possible for `cuda`", "cuda ptx cubin"]);
    emit("loops,asm", "-").fails(1, "E0705", &["not `loops,asm`"]);
    emit("obj", "-").fails(1, "E0705", &["not `obj`"]);
    assert!(!place.path("out").exists());
}

#[test]
fn text_forms_go_to_standard_output() {
    let place = Place::with_gemm();
    let emit = |kind: &str| place.ftc(&["build", "gemm.ft", "--emit", kind, "-o", "-"]).succeeds().out;
    assert!(emit("ast").contains("Function"), "{}", emit("ast"));
    assert!(emit("graph").contains("sum[k: 3]"), "{}", emit("graph"));
    assert!(emit("loops").contains("for k in 3"), "{}", emit("loops"));
    let cuda = place.ftc(&["build", "gemm.ft", "--target", "cuda", "--emit", "cuda", "-o", "-"]).succeeds().out;
    assert!(
        cuda.contains("static __global__ void") && cuda.contains("mm_kernel(const float *__restrict__ A"),
        "{cuda}"
    );
    let header =
        place.ftc(&["build", "gemm.ft", "--target", "cuda:sm_80", "--emit", "header", "-o", "-"]).succeeds().out;
    assert!(header.contains("int32_t mm(const float *A, const float *B, float *C, cudaStream_t stream);"), "{header}");
    assert_eq!(place.names("."), ["a.npy", "b.npy", "gemm.ft"]);
}

#[test]
fn one_of_several_exports_is_chosen_by_name() {
    let place = Place::new();
    place.write("two.ft", [GEMM, "export nn = gemm(A: f32[4, 4], B: f32[4, 4])\n"].concat());
    let emit = |args: &[&str]| place.ftc(&[&["build", "two.ft", "-o", "-", "--emit"][..], args].concat());
    let both = emit(&["graph"]).succeeds().out;
    assert!(both.contains("graph mm") && both.contains("graph nn"), "{both}");
    let one = emit(&["graph", "--export", "nn"]).succeeds().out;
    assert!(!one.contains("graph mm") && one.contains("graph nn"), "{one}");
    emit(&["graph", "--export", "n"]).fails(1, "E0703", &["no export `n`", "did you mean `nn`?"]);
    emit(&["asm"]).fails(1, "E0705", &["one export, and there are 2", "`--export mm`"]);
    place.ftc(&["build", "two.ft", "--name", "../x"]).fails(1, "E0706", &["`--name ../x`"]);
    place.ftc(&["build", "two.ft", "--name", ""]).fails(1, "E0706", &["plain name"]);
    let tree = ["build", "--export", "relu(x: f32[4])", "--emit", "ast", "-o", "-"];
    place.ftc(&tree).fails(1, "E0705", &["syntax tree of a file"]);
}

#[test]
fn errors_of_every_export_are_shown() {
    let place = Place::new();
    let calls = ["--export", "a = gemm(X: f32[2, 2])", "--export", "b = gemm(X: f32[2, 3])"];
    let ran = place.ftc(&[&["build", "--emit", "graph"][..], &calls].concat());
    assert!(ran.code == 1 && ran.err.contains("a = gemm") && ran.err.contains("b = gemm"), "{ran:?}");
}

#[test]
fn passes_are_timed_on_request() {
    let place = Place::with_gemm();
    let ran = place.ftc(&["build", "gemm.ft", "--emit", "loops", "-o", "-", "--time-passes"]).succeeds();
    for pass in ["parse", "instantiate", "lower", "simplify", "total"] {
        assert!(ran.err.contains(&format!(" ms  {pass}")), "{pass}: {}", ran.err);
    }
}

#[test]
fn the_interpreter_runs_and_saves() {
    let place = Place::with_gemm();
    let run = ["run", "gemm.ft", "--target", "interp", "--in", "A=a.npy", "--in", "B=b.npy"];
    let shown = place.ftc(&run).succeeds().out;
    assert_eq!(shown, "C: f32[2, 2]\n         4.0        5.0\n        10.0       11.0\n");
    let ran = place.ftc(&[&run[..], &["--out", "C=c.npy"]].concat()).succeeds();
    assert_eq!(ran.out, "");
    place.array("expected.npy", DType::F32, &[2, 2], &[4, 5, 10, 11]);
    assert_eq!(place.read("c.npy"), place.read("expected.npy"));
}

#[test]
fn inputs_and_outputs_are_named_as_in_the_export() {
    let place = Place::with_gemm();
    let run = |args: &[&str]| place.ftc(&[&["run", "gemm.ft", "--target", "interp"], args].concat());
    run(&["--in", "A=a.npy"]).fails(1, "E0708", &["needs 1 more input", "`B: f32[3, 2]`", "add `--in B=B.npy`"]);
    run(&["--in", "A=a.npy", "--in", "b=b.npy"]).fails(1, "E0708", &["has no input `b`", "`B: f32[3, 2]`"]);
    run(&["--in", "A=a.npy", "--in", "B=b.npy", "--out", "D=d.npy"]).fails(1, "E0708", &["no output `D`", "`C`"]);
    run(&["--in", "a.npy"]).fails(1, "E0706", &["`--in NAME=FILE.npy`"]);
    run(&["--in", "A=a.npy", "--in", "A=b.npy"]).fails(1, "E0706", &["given twice"]);
}

/// A file with this header and so many bytes of elements.
fn npy_file(descr: &str, order: &str, shape: &str, elements: usize) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(vec![0; elements]);
    bytes
}

#[test]
fn arrays_that_cannot_be_read() {
    let place = Place::with_gemm();
    let run = |file: &str, bytes: &[u8]| {
        place.write(file, bytes);
        let a = format!("A={file}");
        place.ftc(&["run", "gemm.ft", "--target", "interp", "--in", &a, "--in", "B=b.npy"])
    };
    let missing = ["run", "gemm.ft", "--target", "interp", "--in", "A=none.npy", "--in", "B=b.npy"];
    place.ftc(&missing).fails(1, "E0709", &["input `A`", "`none.npy`", "no such file"]);
    run("empty.npy", b"").fails(1, "E0709", &["it is empty, not a `.npy` file"]);
    run("text.npy", b"1.0 2.0 3.0 4.0").fails(1, "E0709", &["it is text"]);
    run("zip.npy", b"PK\x03\x04........").fails(1, "E0709", &["`.npz`"]);
    run("version.npy", b"\x93NUMPY\x09\x00....").fails(1, "E0709", &["version is 9.0"]);
    run("header.npy", b"\x93NUMPY\x01\x00\x40\x00{'descr'").fails(1, "E0709", &["header is damaged"]);
    run("short.npy", &npy_file("'<f4'", "False", "(2, 3)", 20)).fails(1, "E0709", &["truncated: 24 bytes", "20 do"]);
    run("object.npy", &npy_file("'|O'", "False", "(2, 3)", 24)).fails(1, "E0709", &["pickled Python objects"]);
    let records = npy_file("[('r', '<f4')]", "False", "(2, 3)", 24);
    run("record.npy", &records).fails(1, "E0709", &["records with named fields"]);
}

#[test]
fn arrays_that_do_not_fit() {
    let place = Place::with_gemm();
    let run = |descr: &str, order: &str, shape: &str| {
        place.write("x.npy", npy_file(descr, order, shape, 48));
        place.ftc(&["run", "gemm.ft", "--target", "interp", "--in", "A=x.npy", "--in", "B=b.npy"])
    };
    let expected = "expected `f32[2, 3]`";
    run("'<f8'", "False", "(2, 3)").fails(
        1,
        "E0710",
        &["another element type", "found `f64[2, 3]`", expected, "np.float32"],
    );
    run("'<c8'", "False", "(2, 3)").fails(1, "E0710", &["another element type", "found `<c8[2, 3]`"]);
    run("'>f4'", "False", "(2, 3)").fails(1, "E0710", &["is big-endian", "astype(np.float32)"]);
    run("'<f4'", "True", "(2, 3)").fails(1, "E0710", &["is in Fortran order", "np.ascontiguousarray(x)"]);
    run("'<f4'", "False", "(3, 2)").fails(1, "E0710", &["another shape", "found `f32[3, 2]`", expected, "x.T"]);
    run("'<f4'", "False", "(6,)").fails(1, "E0710", &["another shape", "x.reshape([2, 3])"]);
    run("'<f4'", "False", "(7, 3)").fails(1, "E0710", &["another shape", "export the function for these sizes"]);
    run("'<f4'", "False", "(99999999999999, 99999999999999)").fails(1, "E0710", &["another shape"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::with_gemm();
    let build = |to: &str| place.ftc(&["build", "gemm.ft", "--emit", "graph,loops", "-o", to]);
    build("gemm.ft").fails(1, "E0707", &["`gemm.ft`: it is a file, not a folder"]);
    build("gemm.ft/out").fails(2, "E0707", &["`gemm.ft/out`", "a file, not a directory"]);
    build("/proc/no/such").fails(2, "E0707", &["/proc/no/such"]);
    // One of two outputs cannot be placed: neither is.
    fs::create_dir_all(place.path("out/mm.loops")).expect("a new folder");
    build("out").fails(2, "E0707", &["`out/mm.loops`", "directory"]);
    assert_eq!(place.names("out"), ["mm.loops"]);
    let run = ["run", "gemm.ft", "--target", "interp", "--in", "A=a.npy", "--in", "B=b.npy", "--out"];
    place.ftc(&[&run[..], &["C=no/such/c.npy"]].concat()).fails(2, "E0707", &["`no/such/c.npy`"]);
    assert_eq!(place.names("."), ["a.npy", "b.npy", "gemm.ft", "out"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_the_environments_error() {
    let place = Place::with_gemm();
    let full = || fs::File::options().write(true).open("/dev/full").expect("the device");
    let emit = ["build", "gemm.ft", "--emit", "loops", "-o", "-"];
    ran(place.command(&emit).stdout(full())).fails(2, "E0707", &["standard output", "full"]);
    let run = ["run", "gemm.ft", "--target", "interp", "--in", "A=a.npy", "--in", "B=b.npy"];
    ran(place.command(&run).stdout(full())).fails(2, "E0707", &["standard output"]);
    place.ftc(&[&run[..], &["--out", "C=/dev/full"]].concat()).fails(2, "E0707", &["`/dev/full`", "full"]);
    place.ftc(&[&run[..], &["--out", "C=/dev/null"]].concat()).succeeds();
    assert!(fs::metadata("/dev/full").is_ok_and(|device| !device.is_file()), "the device is still a device");
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for args in [&["explain"][..], &["targets"], &["explain", "E0203"], &["--help"]] {
        let ran = ran(place.command(args).stdout(writer.try_clone().expect("another end")));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
    }
}
