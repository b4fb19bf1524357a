//! Archives, shared libraries and headers: as files that other programs use, and as failures that say why.
#![cfg(feature = "llvm")]

use std::path::Path;
use std::process::Command;

use ftc::artifact::{self, ArtifactError, Direction, Interface, Linker, Param};
use ftc::codegen::{Form, Memory, llvm};
use ftc::loops::pack::pack;
use ftc::runtime::{Array, Library};
use ftc::scalar::{DType, Values};
use ftc::target::Arch;

use crate::codegen::{cpu, kernel};
use crate::place::skipped;

const SCALE: &str = "kernel scale(a: f32[], x: const f32[2, 3]) -> (y: f32[2, 3]) {
  for i in 2 { for j in 3 { y[i, j] = a[] * x[i, j] } } }";

const SUMS: &str = "kernel sums(x: bool[4], h: f16[4]) -> (n: i32[], s: f16[]) {
  alloc t: f32[] global { n[] = 0i32
    t[] = 0.0
    for i in 4 { n[] += i32(x[i])
      t[] += f32(h[i]) }
    s[] = f16(t[]) } }";

fn object(text: &str) -> Vec<u8> {
    llvm::compile(&kernel(text), &cpu("x86"), Form::Object).expect("it compiles")
}

fn both() -> Vec<(String, Vec<u8>)> {
    vec![("scale.o".into(), object(SCALE)), ("sums.o".into(), object(SUMS))]
}

fn interfaces() -> Vec<Interface> {
    let doc = vec!["y = a · x, for every element.".to_owned(), "Not /* a */ comment.".to_owned()];
    vec![Interface::of(&kernel(SCALE)).with_doc(doc), Interface::of(&kernel(SUMS))]
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_header_says_what_a_caller_must_know() {
    insta::assert_snapshot!(artifact::header("my-kernels", &interfaces()));
}

#[test]
fn parameters_get_names_that_c_takes() {
    let param = |name: &str| Param {
        name: name.into(),
        dtype: DType::F64,
        shape: vec![2],
        direction: Direction::In { is_const: false },
    };
    let params = ["double", "double_", "α", "y.1", "1st"].map(param).to_vec();
    let interface = Interface { name: "f".into(), doc: Vec::new(), params, memory: Memory::default(), packing: None };
    let header = artifact::header("lib", &[interface]);
    let wanted =
        "f(const double *double_, const double *double__, const double *_, const double *y_1, const double *_1st);";
    assert!(header.contains(wanted), "{header}");
}

#[test]
fn the_python_module_checks_and_calls() {
    insta::assert_snapshot!(artifact::python("libmy.so", &interfaces()));
    if !has_numpy() {
        // The module's text is compared above; running it needs NumPy.
        skipped("python3 has no NumPy");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    artifact::link_shared(&both(), &folder.path().join("libmy.so"), &cpu("x86")).expect("it links");
    let module = artifact::python("libmy.so", &interfaces());
    std::fs::write(folder.path().join("my.py"), module).expect("a file");
    let script = "
import numpy as np, my
x = np.arange(6, dtype=np.float32).reshape(2, 3)
print(my.scale(2, x).tolist(), my.scale(np.float32(2), x.T.copy().T).tolist())
y = np.empty((2, 3), np.float32)
assert my.scale(2, x, out=(y,)) is y and y[1, 2] == 10
for wrong in [lambda: my.scale(2, x[:1]), lambda: my.scale(2, x + 1j), lambda: my.scale(2, x, out=(x,))]:
    try: wrong()
    except (TypeError, ValueError) as error: print(error)
n, s = my.sums([True, False, True, True], np.ones(4, np.float16))
print(n, s, s.dtype)
";
    let mut python = Command::new("python3");
    let said = run(python.arg("-c").arg(script).env("PYTHONPATH", folder.path()));
    insta::assert_snapshot!("python_says", said);
}

/// A C program links against the archive and calls what the header declares.
#[test]
fn archives_and_headers_work_in_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let archive = artifact::archive(&both()).expect("an archive");
    assert_eq!(archive, artifact::archive(&both()).expect("an archive"), "the same bytes");
    std::fs::write(at("libmy.a"), &archive).expect("a file");
    std::fs::write(at("my.h"), artifact::header("my", &interfaces())).expect("a file");
    let program = r#"
        #include <stdio.h>
        #include "my.h"
        int main(void) {
            float a = 2, x[6] = {1, 2, 3, 4, 5, 6}, y[6];
            uint8_t flags[4] = {0, 1, 7, 255};
            uint16_t h[4] = {0x3c00, 0x4000, 0x4200, 0x4400}, s;
            int32_t n, status = scale(&a, x, y);
            void *args[] = {flags, h, &n, &s};
            int32_t sum = sums_call(args);
            printf("%d %g %g %d %d %x %d", status, y[0], y[5], sum, n, s, scale(0, x, y));
            return sums_call(0) - 1;
        }"#;
    std::fs::write(at("main.c"), program).expect("a file");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]);
    run(cc.arg(at("main")).arg(at("main.c")).arg(at("libmy.a")).arg("-lm"));
    assert_eq!(run(&mut Command::new(at("main"))), "0 2 12 0 3 4900 1");
}

#[test]
fn libraries_export_what_the_header_declares_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libmy.so");
    artifact::link_shared(&both(), &path, &cpu("x86")).expect("it links");
    let names = run(Command::new("nm").args(["-D", "--defined-only", "--format=just-symbols"]).arg(&path));
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["scale", "scale_call", "sums", "sums_call"]);
    let first = std::fs::read(&path).expect("a file");
    artifact::link_shared(&both(), &path, &cpu("x86")).expect("it links");
    assert_eq!(first, std::fs::read(&path).expect("a file"), "the same bytes");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "no temporary files stay: {left:?}");
}

/// Calls the only export of a library made of `text`.
fn call(text: &str, inputs: &[Values], outputs: &mut [Array]) -> Result<(), ftc::runtime::library::LibraryError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libk.so");
    artifact::link_shared(&[("k.o".into(), object(text))], &path, &cpu("x86")).expect("it links");
    let inputs: Vec<_> = inputs.iter().map(|input| Array::from_values(input).expect("memory")).collect();
    let inputs: Vec<_> = inputs.iter().collect();
    Library::open(&path).expect("it loads").call(&kernel(text).name, &inputs, outputs)
}

const LAYER: &str = "kernel layer(x: f32[3], w: const f32[3, 2], b: const f32[2]) -> (y: f32[2]) {
  alloc w.copy: f32[2, 3] stack { for j in 2 { for k in 3 { w.copy[j, k] = w[k, j] } }
    for o in 2 { alloc acc: f32[] register { acc[] = b[o]
      for i in 3 { acc[] += x[i] * w.copy[o, i] }
      y[o] = acc[] } } } }";

/// The object and the interface of an export with `const` arguments.
fn packed(text: &str) -> (Vec<u8>, Interface) {
    let kernel = kernel(text);
    let packing = pack(&kernel);
    let code = llvm::compile_export(&kernel, packing.as_ref(), &cpu("x86"), &[Form::Object]);
    (code.expect("it compiles").remove(0), Interface::of(&kernel).with_packing(packing.as_ref()))
}

/// Two libraries with such exports in one program; what is refused, and what the second call of a block gives.
#[test]
fn what_is_packed_ahead_works_in_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let again = LAYER.replace("kernel layer", "kernel again");
    for (name, text) in [("one", LAYER), ("two", &again)] {
        let (object, interface) = packed(text);
        let objects = [(format!("{name}.o"), object)];
        std::fs::write(at(&format!("lib{name}.a")), artifact::archive(&objects).expect("an archive")).expect("a file");
        std::fs::write(at(&format!("{name}.h")), artifact::header(name, &[interface])).expect("a file");
    }
    let program = r#"
        #include <stdio.h>
        #include "one.h"
        #include "two.h"
        int main(void) {
            float x[3] = {1, 2, 3}, w[6] = {1, 2, 3, 4, 5, 6}, b[2] = {10, 20}, y[2], z[2];
            _Alignas(64) unsigned char packed[256];
            void *args[] = {w, b, packed}, *call[] = {x, packed, z};
            printf("%d %d %d; ", (int)layer_pack_bytes(), layer_pack(w, b, packed), again_pack_call(args));
            w[0] = b[0] = 1000;
            int32_t first = layer_packed(x, packed, y), second = again_packed_call(call);
            printf("%d %g %g, %d %g %g; ", first, y[0], y[1], second, z[0], z[1]);
            printf("%d %d %d; ", layer_pack(w, 0, packed), layer_pack(w, b, packed + 4), layer_packed(x, packed + 4, y));
            first = layer(x, w, b, y);
            printf("%d %g", first, y[0]);
            return 0;
        }"#;
    std::fs::write(at("main.c"), program).expect("a file");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]);
    run(cc.arg(at("main")).arg(at("main.c")).arg(at("libone.a")).arg(at("libtwo.a")).arg("-lm"));
    let said = run(&mut Command::new(at("main")));
    assert_eq!(said, "128 0 0; 0 32 48, 0 32 48; 1 3 3; 0 2021");
}

#[test]
fn the_header_and_the_module_speak_of_what_is_packed() {
    let (object, interface) = packed(LAYER);
    let header = artifact::header("layers", std::slice::from_ref(&interface));
    let module = artifact::python("liblayers.so", &[interface]);
    let functions = module.split_once("\n\n\ndef layer(").expect("the functions come last").1;
    insta::assert_snapshot!(format!("{header}\n{functions}"));
    let folder = tempfile::tempdir().expect("a folder");
    artifact::link_shared(&[("layer.o".into(), object)], &folder.path().join("liblayers.so"), &cpu("x86"))
        .expect("it links");
    let names = run(Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(folder.path().join("liblayers.so")));
    let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
    let mut all: Vec<_> = Interface::symbols("layer").collect();
    names.sort_unstable();
    all.sort_unstable();
    assert_eq!(names, all);
    if !has_numpy() {
        skipped("python3 has no NumPy");
        return;
    }
    std::fs::write(folder.path().join("layers.py"), module).expect("a file");
    let script = "
import numpy as np, layers
f = lambda *values: np.array(values, np.float32)
w, b = f(1, 2, 3, 4, 5, 6).reshape(3, 2), f(10, 20)
packed = layers.layer_pack(w, b)
assert layers.layer_pack(w, b, out=(packed,)) is packed
print(layers.layer_packed(f(1, 2, 3), packed).tolist(), packed.shape)
try: layers.layer_packed(f(1, 2, 3), packed[1:])
except TypeError as error: print(error)
";
    let mut python = Command::new("python3");
    let said = run(python.arg("-c").arg(script).env("PYTHONPATH", folder.path()));
    assert_eq!(said, "[32.0, 48.0] (128,)\n`packed` must be what the function that packs returned\n");
}

fn has_numpy() -> bool {
    Command::new("python3").args(["-c", "import numpy"]).output().is_ok_and(|run| run.status.success())
}

#[test]
fn a_workspace_that_does_not_fit_is_an_error_code() {
    // 2^46 bytes: more than a process may have.
    let text = "kernel huge(i: i64[]) -> (y: u8[]) {
      alloc t: u8[70368744177664] global { t[max(min(i[], 70368744177663), 0)] = 1u8
        y[] = t[max(min(i[], 70368744177663), 0)] } }";
    let index = Values::ints(DType::I64, &[], vec![5]).expect("one element");
    let mut out = [Array::zeros(DType::U8, &[]).expect("memory")];
    let error = call(text, &[index], &mut out).expect_err("there is no such memory");
    assert!(error.to_string().contains("error code 2"), "{error}");
}

#[test]
fn temporaries_on_heap_and_stack_hold_what_is_stored() {
    // 40 000 floats are too many for the stack.
    for scope in ["stack", "global", "register"] {
        let text = format!(
            "kernel turn(x: f32[40000]) -> (y: f32[40000]) {{
               alloc t: f32[40000] {scope} {{ alloc u: f32[100] {scope} {{
                 for i in 40000 {{ t[39999 - i] = x[i] }}
                 for j in 100 {{ u[j] = t[400 * j] }}
                 for k in 40000 {{ y[k] = t[k] + u[k / 400] }} }} }} }}"
        );
        let items: Vec<f64> = (0..40000).map(f64::from).collect();
        let input = Values::floats(DType::F32, &[40000], items).expect("the right number");
        let mut out = [Array::zeros(DType::F32, &[40000]).expect("memory")];
        call(&text, &[input], &mut out).expect("it runs");
        let y = out[0].values();
        for k in 0..40000 {
            let wanted = (39999 - k) + (39999 - k / 400 * 400);
            assert_eq!(y.get_f64(k), Some(wanted as f64), "{scope}, {k}");
        }
    }
}

#[test]
fn a_missing_compiler_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libmy.so");
    let linker = Linker::at(Path::new("/nonexistent/cc"), Arch::X86);
    let error = linker.and_then(|linker| linker.shared(&both(), &path)).expect_err("there is none");
    assert!(matches!(error, ArtifactError::NoLinker { .. }), "{error:?}");
    let diagnostic = error.diagnostic();
    assert_eq!(diagnostic.code.0, "E0806");
    assert!(diagnostic.notes[0].contains("/nonexistent/cc"), "{diagnostic:?}");
    assert!(!path.exists());
}

/// Where the cross compiler is installed, it links; elsewhere the diagnostic says what to install.
#[test]
fn another_machine_needs_its_own_compiler() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libmy.so");
    let object = llvm::compile(&kernel(SCALE), &cpu("aarch64"), Form::Object).expect("it compiles");
    artifact::archive(&[("scale.o".into(), object.clone())]).expect("an archive needs no compiler");
    match artifact::link_shared(&[("scale.o".into(), object)], &path, &cpu("aarch64")) {
        Ok(()) => assert!(path.exists()),
        Err(ArtifactError::NoLinker { target, .. }) => assert_eq!(target, "aarch64-unknown-linux-gnu"),
        // `CC` names a compiler of this machine.
        Err(error) => assert!(matches!(error, ArtifactError::Link { .. }), "{error:?}"),
    }
}

#[test]
fn a_failing_linker_is_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libmy.so");
    let error = artifact::link_shared(&[("bad.o".into(), b"no object".to_vec())], &path, &cpu("x86"));
    let error = error.expect_err("that is no object file");
    let ArtifactError::Link { command, status, stderr, .. } = &error else { panic!("{error:?}") };
    assert!(command.contains("-shared") && status.contains('1') && stderr.contains("bad.o"), "{error:?}");
    assert_eq!(error.diagnostic().code.0, "E0807");
    assert!(std::fs::read_dir(folder.path()).expect("a folder").next().is_none(), "nothing stays behind");
}

#[test]
fn every_code_of_the_backend_has_its_page() {
    for code in ["E0801", "E0802", "E0803", "E0804", "E0805", "E0806", "E0807", "E0808", "E0809"] {
        let page = ftc::diag::codes::page(code).unwrap_or_else(|| panic!("{code} has no page"));
        assert!(page.starts_with(&format!("# {code}: ")));
    }
}
