//! What `ftc build` writes and says about it, and places that cannot be written to: read-only folders, full disks,
//! folders where a file should be. Whatever fails leaves nothing half-written behind.

use std::fs;
use std::process::Command;

use ftc::driver::Session;
use ftc::driver::output::{self, Output};

use crate::place::{Place, Ran, ran, skipped};

#[test]
fn written_files_are_told_as_json() {
    let place = Place::with_gemm();
    let build = ["build", "gemm.ft", "--emit", "graph,loops,header", "-o", "out", "--message-format", "json"];
    let said = place.ftc(&build).succeeds();
    assert_eq!(
        (said.out.as_str(), said.err.as_str()),
        (
            "",
            "{\"artifact\":\"out/mm.graph\",\"kind\":\"graph\"}\n{\"artifact\":\"out/mm.loops\",\"kind\":\"loops\"}\n\
             {\"artifact\":\"out/gemm.h\",\"kind\":\"header\"}\n"
        )
    );
    place.write("wrong.ft", "export e = f(x: f32[2])\n");
    let wrong = place.ftc(&["build", "wrong.ft", "-o", "other", "--message-format", "json"]);
    assert!(wrong.code == 1 && !wrong.err.contains("artifact"), "{wrong:?}");
}

#[test]
fn a_library_that_is_not_python_can_still_be_imported() {
    let place = Place::with_gemm();
    let module = |name: &str| {
        let folder = format!("out-{name}");
        place.ftc(&["build", "gemm.ft", "--emit", "python", "--name", name, "-o", &folder]).succeeds();
        place.names(&folder).concat()
    };
    assert_eq!(module("linear"), "linear.py");
    assert_eq!(module("my-kernels"), "my_kernels.py");
    assert_eq!(module("numpy"), "numpy_.py");
    assert_eq!(module("2d"), "_2d.py");
    let text = place.ftc(&["build", "gemm.ft", "--emit", "python", "-o", "-"]).succeeds().out;
    assert!(text.contains("LIBRARY = \"libgemm.so\"") && text.contains("\ndef mm(A, B, *, out=None):\n"), "{text}");
}

/// What a Python program says, or nothing where there is no NumPy.
#[cfg(feature = "llvm")]
fn python(place: &Place, folder: &str, program: &str) -> Option<Ran> {
    let python = |program: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", program]).env("PYTHONPATH", place.path(folder)).env("PYTHONDONTWRITEBYTECODE", "1");
        command.output().ok()
    };
    let has_numpy = python("import numpy").is_some_and(|output| output.status.success());
    if !has_numpy {
        skipped("python3 has no NumPy");
        return None;
    }
    python(program).as_ref().map(Ran::of)
}

#[cfg(feature = "llvm")]
#[test]
fn a_python_module_is_built_and_called() {
    let place = Place::with_gemm();
    place.ftc(&["build", "gemm.ft", "--emit", "lib,python", "-o", "out"]).succeeds();
    assert_eq!(place.names("out"), ["gemm.py", "libgemm.so"]);
    let program = "import gemm; print(gemm.mm([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1], [1, 1]]).tolist())";
    if let Some(ran) = python(&place, "out", program) {
        assert_eq!(ran.succeeds().out, "[[4.0, 5.0], [10.0, 11.0]]\n");
    }
    fs::remove_file(place.path("out/libgemm.so")).expect("it was written");
    if let Some(ran) = python(&place, "out", "import gemm") {
        assert!(ran.err.contains("ImportError: cannot load libgemm.so") && ran.err.contains("--emit lib,python"));
    }
}

#[test]
fn files_appear_complete_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let write = |names: &[&str], text: &str| {
        let files: Vec<_> = names.iter().map(|name| Output::new(at(name), text)).collect();
        let mut session = Session::new();
        let written = output::write_all(&mut session, &files);
        (written.is_ok(), session.diagnostics.iter().map(|found| found.code.0).collect::<Vec<_>>())
    };
    assert_eq!(write(&["a", "b"], "old"), (true, vec![]));
    assert_eq!(write(&["a", "b"], "new"), (true, vec![]));
    assert_eq!(write(&["a", "no/such/folder", "b"], "newer"), (false, vec!["E0707"]));
    assert_eq!(fs::read(at("a")).expect("a file"), b"new");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "no temporary files stay");
    assert!(
        output::check(&mut Session::new(), &at("a")).is_ok() && output::check(&mut Session::new(), &at("c")).is_ok()
    );
    assert_eq!(fs::read(at("a")).expect("a file"), b"new", "checking changes nothing");
    assert!(!at("c").exists());
}

/// The program run by somebody who may not write to folders that are read-only: root may, so root becomes nobody.
#[cfg(unix)]
fn as_nobody(place: &Place, args: &[&str]) -> Option<Ran> {
    use std::os::unix::process::CommandExt;
    let mut command = place.command(args);
    if fs::write(place.path("locked/probe"), "").is_ok() {
        fs::remove_file(place.path("locked/probe")).expect("it was just written");
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(output) => Some(Ran::of(&output)),
        Err(cause) => {
            skipped(&format!("nobody cannot run ftc: {cause}"));
            None
        }
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_the_environments_error() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_gemm();
    let mode = |name: &str, bits: u32| {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(bits)).expect("it is ours");
    };
    fs::create_dir(place.path("locked")).expect("a new folder");
    place.write("locked/mm.loops", "old");
    mode(".", 0o755);
    mode("locked", 0o555);
    let fails = |args: &[&str], says: &[&str]| {
        if let Some(ran) = as_nobody(&place, args) {
            ran.fails(2, "E0707", says);
        }
    };
    let build = ["build", "gemm.ft", "--emit", "graph,loops", "-o"];
    fails(&[&build[..], &["locked"]].concat(), &["cannot write `locked/mm.graph`", "ermission denied"]);
    fails(&[&build[..], &["locked/deeper/down"]].concat(), &["`locked/deeper/down`", "ermission denied"]);
    let run = ["run", "gemm.ft", "--target", "interp", "--in", "A=a.npy", "--in", "B=b.npy", "--out"];
    fails(&[&run[..], &["C=locked/c.npy"]].concat(), &["`locked/c.npy`", "ermission denied"]);
    mode("locked", 0o755);
    assert_eq!((place.names("locked"), place.read("locked/mm.loops")), (vec!["mm.loops".to_owned()], b"old".to_vec()));
}

/// A disk that is full after 1 KiB, to one file at least: the limit of a shell, whose signal is ignored as by Python.
#[cfg(target_os = "linux")]
fn with_little_room(place: &Place, command: &str) -> Ran {
    let mut shell = Command::new("bash");
    let ftc = env!("CARGO_BIN_EXE_ftc");
    let script = format!("trap '' XFSZ; ulimit -f 1; exec '{ftc}' {command}");
    ran(shell.args(["-c", &script]).current_dir(place.path(".")).env("NO_COLOR", "1"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_leaves_nothing_half_written() {
    let place = Place::with_gemm();
    let exports: Vec<_> = (1..100).map(|n| format!("export mm{n} = gemm(A: f32[{n}, 3], B: f32[3, 2])\n")).collect();
    place.write("many.ft", [crate::place::GEMM, &exports.concat()].concat());
    let before = place.names(".");
    let build = "build many.ft --emit graph,header -o out";
    with_little_room(&place, build).fails(2, "E0707", &["cannot write `out/many.h`", "longer than a file may be"]);
    assert_eq!(place.names("."), before, "the folder is unmade, too");
    fs::create_dir(place.path("out")).expect("a new folder");
    place.write("out/many.h", "old");
    with_little_room(&place, build).fails(2, "E0707", &["`out/many.h`"]);
    assert_eq!((place.names("out"), place.read("out/many.h")), (vec!["many.h".to_owned()], b"old".to_vec()));
    let formatted = place.read("many.ft");
    place.write("loose.ft", [&formatted[..], b"\n\n\n"].concat());
    with_little_room(&place, "fmt loose.ft").fails(2, "E0707", &["`loose.ft`"]);
    assert_eq!(place.read("loose.ft"), [&formatted[..], b"\n\n\n"].concat());
}

#[cfg(all(target_os = "linux", feature = "llvm"))]
#[test]
fn a_full_temporary_folder_is_the_environments_error() {
    let place = Place::with_gemm();
    fs::create_dir(place.path("tmp")).expect("a new folder");
    let before = place.names(".");
    let ran = with_little_room(&place, "build gemm.ft --time-passes -o out");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("error[E0805]") || ran.err.contains("error[E0807]"), "{ran:?}");
    assert_eq!(place.names("."), before);
}
