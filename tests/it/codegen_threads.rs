//! Parallel loops of the LLVM backend: the interpreter's values on any number of threads, the same to the bit.
#![cfg(feature = "llvm")]

use std::path::Path;
use std::process::Command;

use ftc::artifact::{self, Interface};
use ftc::codegen::{Form, llvm};
use ftc::driver::{self, Session};
use ftc::loops::{interp, verify};
use ftc::runtime::{Array, Library};
use ftc::scalar::{DType, Values};

use crate::codegen::{cpu, kernel};

const THREADS: [usize; 4] = [1, 2, 3, 7];
const EXTENTS: [i64; 4] = [1, 2, 5, 13];

/// Temporaries on stack and heap, outside and inside; loops around and inside; two forks that share a temporary.
fn mixed(n: i64) -> String {
    format!(
        "kernel mixed(x: i32[3, {n}, 5], w: i32[5]) -> (y: i32[3, {n}], z: i32[{n}, 5]) {{
           alloc t: i32[3, {n}, 5] global {{ alloc s: i32[5] stack {{ alloc one: i32[] register {{
             one[] = 1i32
             for k in 5 {{ s[k] = w[k] * 2i32 + one[] }}
             for b in 3 {{
               parallel for i in {n} {{
                 alloc sum: i32[] register {{ alloc near: i32[5] global {{ alloc far: i32[20000] stack {{
                   for k1 in 5 {{ far[4000 * k1] = x[b, i, k1] * s[k1]
                                  near[k1] = far[4000 * k1] + i32(i) + one[] }}
                   sum[] = 0i32
                   for k2 in 5 {{ sum[] += near[4 - k2] * far[4000 * k2]
                                  t[b, i, k2] = near[k2] }}
                   if i > b {{ y[b, i] = sum[] }} else {{ y[b, i] = sum[] - 1i32 }} }} }} }} }} }}
             parallel for j in {n} {{
               alloc last: i32[70000] stack {{
                 for k3 in 5 {{ last[k3] = t[0, j, k3]
                   for b1 in 2 {{ last[k3] += t[b1 + 1, j, k3] }}
                   z[j, k3] = last[k3] }} }} }} }} }} }} }}"
    )
}

/// A library of some kernels, which outlives the file.
fn library(texts: &[&str]) -> Library {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libthreads.so");
    artifact::link_shared(&objects(texts), &path, &cpu("native")).expect("it links");
    Library::open(&path).expect("it loads")
}

fn objects(texts: &[&str]) -> Vec<(String, Vec<u8>)> {
    let object = |text: &&str| llvm::compile(&kernel(text), &cpu("native"), Form::Object).expect("it compiles");
    texts.iter().enumerate().map(|(nth, text)| (format!("{nth}.o"), object(text))).collect()
}

fn run(library: &Library, text: &str, inputs: &[Values]) -> Vec<Array> {
    let kernel = kernel(text);
    let inputs: Vec<_> = inputs.iter().map(|values| Array::from_values(values).expect("memory")).collect();
    let mut outputs: Vec<_> = kernel.params[inputs.len()..]
        .iter()
        .map(|&id| {
            let mut array = Array::zeros(kernel.buffers[id].dtype, &kernel.buffers[id].shape).expect("memory");
            array.bytes_mut().fill(0xa5);
            array
        })
        .collect();
    library.call(&kernel.name, &inputs.iter().collect::<Vec<_>>(), &mut outputs).expect("it runs");
    outputs
}

/// Small numbers for every input.
fn inputs(text: &str) -> Vec<Values> {
    let kernel = kernel(text);
    let inputs = kernel.params.iter().map(|&id| &kernel.buffers[id]);
    let inputs = inputs.filter(|buffer| matches!(buffer.kind, ftc::loops::BufferKind::Input { .. }));
    let numbers = |count: i64| (0..count).map(|n| (n * 7 + 3) % 11 - 4);
    inputs
        .map(|buffer| match buffer.dtype {
            DType::I32 => Values::ints(DType::I32, &buffer.shape, numbers(buffer.len()).collect()),
            dtype => Values::floats(dtype, &buffer.shape, numbers(buffer.len()).map(|n| n as f64 * 0.37).collect()),
        })
        .map(|values| values.expect("as many as the shape has"))
        .collect()
}

fn agrees_on_any_number_of_threads(text: &str) {
    let inputs = inputs(text);
    let wanted = interp::run(&kernel(text), &inputs).expect("the kernel runs");
    let library = library(&[text]);
    for threads in THREADS {
        library.set_threads(threads);
        for _ in 0..3 {
            let found: Vec<_> = run(&library, text, &inputs).iter().map(Array::values).collect();
            assert_eq!(found, wanted, "{threads} threads:\n{text}");
        }
    }
}

#[test]
fn temporaries_and_nests_keep_their_meaning() {
    for n in EXTENTS {
        let text = mixed(n);
        assert_eq!(verify::verify(&kernel(&text)), Ok(()));
        agrees_on_any_number_of_threads(&text);
    }
}

/// A parallel loop in another one takes no further threads; one around it with a single iteration changes nothing.
#[test]
fn parallel_loops_inside_of_each_other_run() {
    for (a, b) in [(1, 5), (5, 1), (4, 3)] {
        agrees_on_any_number_of_threads(&format!(
            "kernel nested(x: i32[{a}, {b}, 4]) -> (y: i32[{a}, {b}]) {{
               parallel for i in {a} {{ alloc t: i32[{b}] global {{
                 parallel for j in {b} {{ alloc u: i32[] global {{ u[] = 0i32
                   for k in 4 {{ u[] += x[i, j, k] }}
                   t[j] = u[] }} }}
                 for l in {b} {{ y[i, l] = t[l] + 1i32 }} }} }} }}"
        ));
    }
}

/// Whether the loops over `i` of a kernel with this body are forks.
fn is_fork(params: &str, body: &str) -> bool {
    let kernel = kernel(&format!("kernel k(x: f32[64]) -> ({params}) {{ {body} }}"));
    assert_eq!(verify::verify(&kernel), Ok(()), "{body}");
    Interface::of(&kernel).memory.per_thread.is_some()
}

/// Iterations may reduce into one place, and then they run in order.
#[test]
fn iterations_that_may_meet_are_not_divided() {
    let init = "for a in 64 { y[a] = 0.0 }";
    let one = |body: &str| is_fork("y: f32[64]", &format!("{init} {body}"));
    assert!(one("parallel for i in 64 { for k in 9 { y[i] += x[k] } }"));
    assert!(one("parallel for i in 64 { for k in 9 { y[63 - i] += x[k] } }"));
    assert!(one("parallel for i in 4 { for j in 16 { y[16 * i + j] += x[j] } }"));
    assert!(one("parallel for i in 16 { for j in 4 { y[16 * j + i] += x[j] } }"));
    assert!(one("for b in 4 { parallel for i in 16 { for k in 9 { y[16 * b + i] += x[k] } } }"));
    assert!(one("for b in 4 { parallel for i in 16 { for k in 9 { y[b + 4 * i] += x[k] } } }"));
    assert!(one("parallel for i in 4 { for j in 16 { y[16 * i + j] += x[j] } for k in 16 { y[16 * i + k] += x[k] } }"));
    assert!(one("parallel for i in 64 { for k in 9 { y[i % 8 * 8 + i / 8] += x[k] } }"));

    assert!(!one("parallel for i in 64 { for k in 9 { y[0] += x[k] } }"));
    assert!(!one("parallel for i in 64 { for k in 9 { y[k] += x[i] } }"));
    assert!(!one("parallel for i in 64 { for k in 9 { y[i / 2] += x[k] } }"));
    assert!(!one("parallel for i in 4 { for j in 17 { y[15 * i + j] += x[j] } }"));
    assert!(!one("parallel for i in 32 { for k in 9 { y[i] += x[k]\n y[2 * i] += x[k] } }"));
    assert!(!one("parallel for i in 32 { for k in 9 { y[i] += x[k]\n y[i + 1] += x[k] } }"));
    assert!(!one("parallel for i in 64 { for k in 9 { y[min(i, 40)] += x[k] } }"));

    let two = |body: &str| is_fork("y: f32[8, 8]", &format!("for a in 8 {{ for b in 8 {{ y[a, b] = 0.0 }} }} {body}"));
    assert!(two("parallel for i in 64 { for k in 9 { y[i / 8, i % 8] += x[k] } }"));
    assert!(two("parallel for i in 4 { for k in 4 { y[i / 2 * 4 + k, i % 2 * 4] += x[k] } }"));
    assert!(!two("parallel for i in 64 { for k in 8 { y[i / 8, k] += x[i] } }"));
    assert!(!two("parallel for i in 8 { for k in 9 { y[i, 0] += x[k]\n y[0, i] += x[k] } }"));

    let own = "alloc t: f32[] register { t[] = 0.0\n for k in 9 { t[] += x[k] }\n y[i] = t[] }";
    assert!(is_fork("y: f32[64]", &format!("parallel for i in 64 {{ {own} }}")));
}

#[test]
fn sums_over_parallel_loops_are_right() {
    agrees_on_any_number_of_threads(
        "kernel total(x: i32[13, 5]) -> (y: i32[], z: i32[5]) {
           y[] = 0i32
           for a in 5 { z[a] = 0i32 }
           parallel for i in 13 { for j in 5 { y[] += x[i, j]
                                               z[j] += x[i, j] } } }",
    );
}

/// Vectors and the rest of a loop may round differently, so threads must not cut anywhere.
#[test]
fn functions_give_the_same_bits_on_any_number_of_threads() {
    for text in [
        "kernel flat(x: f32[1999]) -> (y: f32[1999]) { parallel for i in 1999 { y[i] = exp(x[i]) * tanh(x[i]) } }",
        "kernel rows(x: f32[13, 3]) -> (y: f32[13, 3]) { parallel for i in 13 { for j in 3 {
           y[i, j] = exp(x[i, j]) + x[i, j] * 1.7 } } }",
        "kernel written(x: f32[2000, 2]) -> (y: f32[2000, 2]) { parallel for i in 2000 { unroll for j in 2 {
           y[i, j] = sin(x[i, j]) } } }",
    ] {
        let (inputs, library) = (inputs(text), library(&[text]));
        let wanted = interp::run(&kernel(text), &inputs).expect("the kernel runs");
        let results = THREADS.map(|threads| {
            library.set_threads(threads);
            run(&library, text, &inputs)
        });
        assert!(results.iter().all(|result| result == &results[0]), "{text}");
        let found = results[0][0].values();
        for at in 0..found.len() {
            let [a, b] = [&found, &wanted[0]].map(|values| values.get_f64(at).expect("inside"));
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "element {at}: {a}, not {b}\n{text}");
        }
    }
}

#[test]
fn libraries_share_the_threads_of_a_process() {
    let (one, two) = (mixed(13), mixed(5).replace("mixed", "other"));
    let libraries = [library(&[&one, &two]), library(&[&two]), library(&[&one])];
    let wanted = [&one, &two].map(|text| interp::run(&kernel(text), &inputs(text)).expect("the kernel runs"));
    let values = |arrays: Vec<Array>| arrays.iter().map(Array::values).collect::<Vec<_>>();
    for threads in THREADS {
        // One of them is enough: the number is OpenMP's.
        libraries[1].set_threads(threads);
        // SAFETY: libgomp is loaded already, and the function is as OpenMP says.
        #[expect(unsafe_code, reason = "OpenMP's runtime is asked itself")]
        let found = unsafe {
            let runtime = libloading::Library::new("libgomp.so.1").expect("it is loaded already");
            runtime.get::<unsafe extern "C" fn() -> i32>(b"omp_get_max_threads").expect("a function")()
        };
        assert_eq!(found, threads as i32);
        assert_eq!(values(run(&libraries[0], &one, &inputs(&one))), wanted[0]);
        assert_eq!(values(run(&libraries[0], &two, &inputs(&two))), wanted[1]);
        assert_eq!(values(run(&libraries[1], &two, &inputs(&two))), wanted[1]);
        assert_eq!(values(run(&libraries[2], &one, &inputs(&one))), wanted[0]);
    }
    // Threads that wait in the runtime outlive the library that made them.
    drop(libraries);
    let again = library(&[&one]);
    assert_eq!(values(run(&again, &one, &inputs(&one))), wanted[0]);
}

/// Calls from several threads at once: each has its own workspace.
#[test]
fn callers_do_not_meet() {
    let text = mixed(13);
    let (inputs, library) = (inputs(&text), library(&[&text]));
    let wanted = interp::run(&kernel(&text), &inputs).expect("the kernel runs");
    std::thread::scope(|scope| {
        for threads in [2, 3] {
            let (text, inputs, library, wanted) = (&text, &inputs, &library, &wanted);
            scope.spawn(move || {
                library.set_threads(threads);
                for _ in 0..20 {
                    let found: Vec<_> = run(library, text, inputs).iter().map(Array::values).collect();
                    assert_eq!(&found, wanted);
                }
            });
        }
    });
}

/// Large workspaces are left for the next call: of more threads, of fewer, of two callers at once.
#[test]
fn kept_workspaces_fit_every_call() {
    let text = "kernel turn(x: f32[300000]) -> (y: f32[8]) {
      parallel for p in 8 { alloc t: f32[300000] global {
        for i in 300000 { t[i] = x[299999 - i] + 1.0 }
        y[p] = t[299999 - p] } } }";
    let code = llvm::compile(&kernel(text), &cpu("x86"), Form::Ir).expect("it compiles");
    assert!(String::from_utf8_lossy(&code).contains("@turn.kept = internal global ptr null"));
    for _loaded_again in 0..2 {
        let (inputs, library) = (inputs(text), library(&[text]));
        let wanted = interp::run(&kernel(text), &inputs).expect("the kernel runs");
        for callers in [1, 3, 1] {
            std::thread::scope(|scope| {
                for caller in 0..callers {
                    let (inputs, library, wanted) = (&inputs, &library, &wanted);
                    scope.spawn(move || {
                        for threads in [1, 4, 2, 5 + caller] {
                            library.set_threads(threads);
                            let found: Vec<_> = run(library, text, inputs).iter().map(Array::values).collect();
                            assert_eq!(&found, wanted);
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn too_many_threads_for_the_memory_are_an_error_code() {
    // 2^60 bytes each: eight threads would wrap around.
    let text = "kernel huge(i: i64[]) -> (y: u8[4]) {
      parallel for p in 4 { alloc t: u8[1152921504606846976] global {
        for q in 2 { t[max(min(i[], 7), 0)] = 1u8 }
        y[p] = t[max(min(i[], 7), 0)] } } }";
    let library = library(&[text]);
    for threads in [1, 8, 16] {
        library.set_threads(threads);
        let index = Array::from_values(&Values::ints(DType::I64, &[], vec![5]).expect("one")).expect("memory");
        let mut out = [Array::zeros(DType::U8, &[4]).expect("memory")];
        let error = library.call("huge", &[&index], &mut out).expect_err("there is no such memory");
        assert!(error.to_string().contains("error code 2"), "{error}");
    }
}

#[test]
fn parallel_kernels_give_the_same_bytes() {
    let text = mixed(13);
    for target in ["x86", "aarch64"] {
        let forms = [Form::Ir, Form::OptimizedIr, Form::Asm, Form::Object];
        let once = || llvm::compile_forms(&kernel(&text), &cpu(target), &forms).expect("it compiles");
        assert_eq!(once(), once());
    }
}

/// What is known of the buffers reaches the threads: inner loops are vectors, and sums stay in registers.
#[test]
fn loops_inside_of_parallel_ones_are_optimised() {
    let text = "kernel gemm(A: f32[64, 64], B: f32[64, 64]) -> (C: f32[64, 64]) {
      parallel for i in 64 { for j in 64 { C[i, j] = 0.0 } for k in 64 { for l in 64 { C[i, l] += A[i, k] * B[k, l] } } } }";
    let optimized = llvm::compile(&kernel(text), &cpu("x86"), Form::OptimizedIr).expect("it compiles");
    let optimized = String::from_utf8(optimized).expect("text");
    let part = optimized.split("define ").find(|part| part.contains("@gemm.i(i64")).expect("the part of a thread");
    assert!(
        part.contains("load <8 x float>") && part.contains("@llvm.fmuladd.v8f32") || part.contains("fmul contract <8"),
        "{part}"
    );
    assert!(!part.contains("vector.memcheck"), "buffers are known not to overlap:\n{part}");
}

#[test]
fn only_libraries_with_parallel_loops_need_openmp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libmy.so");
    let serial = "kernel serial(x: f32[4]) -> (y: f32[4]) { for i in 4 { y[i] = x[i] } }";
    // A single part is not divided.
    let single = "kernel single(x: f32[4]) -> (y: f32[4]) { parallel for i in 4 { y[i] = x[i] } }";
    let parallel = mixed(2);
    let needs = |texts: &[&str]| {
        artifact::link_shared(&objects(texts), &path, &cpu("native")).expect("it links");
        let library = std::fs::read(&path).expect("a file");
        library.windows(10).any(|window| window == b"libgomp.so")
    };
    assert!(!needs(&[serial, single]));
    assert!(needs(&[serial, &parallel]));
    let object = llvm::compile(&kernel(&parallel), &cpu("aarch64"), Form::Object).expect("it compiles");
    artifact::archive(&[("parallel.o".into(), object)]).expect("an archive needs no compiler");
}

#[test]
fn the_header_speaks_of_threads() {
    let interfaces = [&mixed(13), &mixed(1).replace("mixed", "alone")].map(|text| Interface::of(&kernel(text)));
    insta::assert_snapshot!(artifact::header("threads", &interfaces));
}

/// A program in C, linked as the header says, once with OpenMP's runtime and once with one that shows what it is asked.
#[test]
fn archives_with_parallel_loops_work_in_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let text = "kernel twice(x: i32[5, 2]) -> (y: i32[5, 2]) {
      parallel for i in 5 { alloc t: i32[2] global {
        for j in 2 { t[j] = x[i, j] * 2i32 }
        for k in 2 { y[i, k] = t[1 - k] } } } }";
    std::fs::write(at("libmy.a"), artifact::archive(&objects(&[text])).expect("an archive")).expect("a file");
    let header = artifact::header("my", &[Interface::of(&kernel(text))]);
    std::fs::write(at("my.h"), header).expect("a file");
    let program = r#"
        #include <stdio.h>
        #include "my.h"
        int main(void) {
            int32_t x[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, y[10], status = twice(x, y);
            printf("%d:", status);
            for (int i = 0; i < 10; i++) printf(" %d", y[i]);
            return 0;
        }"#;
    let fake = r#"
        #include <stdio.h>
        static int own, all;
        int omp_get_max_threads(void) { return 3; }
        int omp_get_num_threads(void) { return all; }
        int omp_get_thread_num(void) { return own; }
        void GOMP_parallel(void (*f)(void *), void *data, unsigned n, unsigned flags) {
            printf("%u threads, flags %u; ", n, flags);
            all = (int)n;
            for (own = all - 1; own >= 0; own--) f(data);
        }"#;
    std::fs::write(at("main.c"), program).expect("a file");
    std::fs::write(at("fake.c"), fake).expect("a file");
    let says = |extra: &[&str], threads: &str| {
        let mut cc = Command::new("cc");
        cc.current_dir(folder.path()).args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.c"]);
        printed(cc.args(extra));
        printed(Command::new(Path::new("./main")).current_dir(folder.path()).env("OMP_NUM_THREADS", threads))
    };
    let wanted = "0: 4 2 8 6 12 10 16 14 20 18";
    assert_eq!(says(&["libmy.a", "-fopenmp"], "2"), wanted);
    assert_eq!(says(&["libmy.a", "-lgomp"], "9"), wanted);
    assert_eq!(says(&["fake.c", "libmy.a"], "1"), format!("3 threads, flags 0; {wanted}"));
}

fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_parallel_loop_that_is_not_divided_is_said() {
    let says = |text: &str| {
        let mut session = Session::new();
        driver::generate(&mut session, &kernel(text), None, &cpu("x86"), &[Form::Ir]).expect("it compiles");
        session.diagnostics.iter().map(|found| format!("{}: {}", found.code.0, found.message)).collect::<Vec<_>>()
    };
    let joined = "kernel sum(x: f32[512, 8]) -> (y: f32[8]) { for i in 8 { y[i] = 0.0 }
      parallel for k in 512 { for j in 8 { y[j] += x[k, j] } } }";
    assert_eq!(says(joined), ["E0809: the parallel loop `k` of `sum` runs on one thread"]);
    let apart = "kernel sum(x: f32[8, 512]) -> (y: f32[512]) {
      parallel for k in 512 { y[k] = 0.0
        for j in 8 { y[k] += x[j, k] } } }";
    assert_eq!(says(apart), [""; 0]);
    // Rows and columns of 7 tell the block of 32 pixels though the column was simplified: 32 is 4 more than 28.
    let fused = |by: i64| {
        let at = format!("(32 * b + i) / 7, ({by} * b + i) % 7");
        format!(
            "kernel sum(x: f32[8, 7, 7]) -> (y: f32[7, 7]) {{ for p in 7 {{ for q in 7 {{ y[p, q] = 0.0 }} }}
               parallel for b in 2 {{ for k in 8 {{ for i in 17 {{ y[{at}] += x[k, {at}] }} }} }} }}"
        )
    };
    assert_eq!(says(&fused(4)), [""; 0]);
    assert_eq!(says(&fused(3)), ["E0809: the parallel loop `b` of `sum` runs on one thread"]);
    // Three loops in one: its first quotient is the quotient of the second, and where that is not so, nothing is known.
    let three = |by: i64| {
        let at = format!("f / {by}, f / 2 % 4, f % 2");
        format!(
            "kernel sum(x: f32[8, 24]) -> (y: f32[5, 4, 2]) {{ for a in 5 {{ for b in 4 {{ for c in 2 {{ y[a, b, c] = 0.0 }} }} }}
               parallel for f in 24 {{ for k in 8 {{ y[{at}] += x[k, f] }} }} }}"
        )
    };
    assert_eq!(says(&three(8)), [""; 0]);
    assert_eq!(says(&three(6)), ["E0809: the parallel loop `f` of `sum` runs on one thread"]);
}
