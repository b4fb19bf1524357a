//! CUDA C: golden texts of programs, which nvcc compiles where there is one, and what is refused.

use ftc::artifact::{CudaForm, Nvcc};
use ftc::codegen::{CodegenError, cuda};
use ftc::driver::choose::choose;
use ftc::driver::schedules::find;
use ftc::loops::simplify::simplify;
use ftc::loops::{Kernel, interp, pack, parse, verify};
use ftc::lower::lower;
use ftc::schedule::apply;
use ftc::sema::{self, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;
use ftc::target::{Gpu, Target};

use crate::front::{self, Std};
use crate::graph_gen::same;
use crate::graphs::samples;
use crate::place::skipped;

fn gpu() -> Gpu {
    named("cuda")
}

fn named(name: &str) -> Gpu {
    let Ok(Target::Gpu(gpu)) = Target::parse(name, None) else { panic!("it is a GPU") };
    gpu
}

/// The GPU that a file is for.
fn meant(text: &str) -> Gpu {
    named(if text.contains("`--tf32`") { "cuda+tf32" } else { "cuda" })
}

/// The kernels of a file for a GPU, checked by the interpreter, with their schedules.
fn kernels(path: &str, text: &str) -> Vec<(Kernel, String)> {
    let mut sources = SourceMap::new();
    let file = sources.add(path, text);
    let (tree, found) = parser::parse(file, text);
    assert!(found.is_empty(), "{found:#?}");
    let (program, found) = sema::load(&mut sources, file, tree, &mut Std);
    assert!(found.is_empty(), "{found:#?}");
    let build = |export: &ftc::syntax::ast::Export| {
        let graph = sema::instantiate(&program, export, &Request::default()).expect("a right export");
        let naive = lower(&graph);
        let block = find(&program, export, &Request::default(), &Target::Gpu(meant(text)), None);
        let schedule =
            block.map_or_else(|| choose(&naive, &meant(text).chip().into()), |block| block.schedule().clone());
        let kernel = simplify(apply(&naive, &schedule).unwrap_or_else(|refused| panic!("{refused}\n{schedule}")));
        assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
        (kernel, naive, samples(&graph), schedule.to_string())
    };
    let checked = |(kernel, naive, inputs, schedule): (Kernel, Kernel, Vec<_>, String)| {
        // What takes the interpreter long has smaller ones of its kind among the random schedules.
        if naive.buffers.iter().map(|(_, buffer)| buffer.len()).sum::<i64>() < 20_000 {
            let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
            let found = interp::run(&kernel, &inputs).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
            assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{kernel}");
        }
        (kernel, schedule)
    };
    sema::exports(&program).iter().map(build).map(checked).collect()
}

#[test]
fn texts_of_programs() {
    let nvcc = Nvcc::find();
    if nvcc.is_err() {
        skipped("there is no nvcc to compile the texts with");
    }
    let mut codes = Vec::new();
    for (path, text) in front::sources("tests/codegen/cuda") {
        for (kernel, schedule) in kernels(&path, &text) {
            let about: Vec<_> = schedule.lines().map(str::to_owned).collect();
            let packing = pack::pack(&kernel);
            let code = cuda::export(&kernel, packing.as_ref(), &gpu(), &about).expect("it is possible");
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("../codegen/cuda");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| insta::assert_snapshot!(kernel.name.clone(), code.clone()));
            codes.push((kernel.name, code));
        }
    }
    if let Ok(nvcc) = &nvcc {
        compile_all(nvcc, &codes);
    }
}

/// Compiles texts, as many at once as there are processors.
fn compile_all(nvcc: &Nvcc, codes: &[(String, String)]) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((name, code)) = codes.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let made = nvcc.compile(name, code, &gpu(), CudaForm::Cubin);
            assert!(made.is_ok(), "{name}: {}", made.expect_err("it fails").diagnostic().notes.join("\n"));
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn texts_are_the_same_again() {
    for (path, text) in front::sources("tests/codegen/cuda") {
        let texts = || {
            let make = |(kernel, _)| cuda::source(&kernel, &gpu(), &[]).expect("it is possible");
            kernels(&path, &text).into_iter().map(make).collect::<Vec<_>>()
        };
        assert_eq!(texts(), texts(), "{path}");
    }
}

#[test]
fn too_much_shared_memory_is_refused_with_its_parts() {
    let text = "kernel f(x: f32[8]) -> (y: f32[8]) {
        grid.x for a in 1 { alloc s: f32[300, 256] shared { block.x for t in 8 {
            s[0, t] = x[t]
            barrier
            y[t] = s[0, 7 - t]
        } } }
    }";
    let kernel = parse::parse(text).expect("it parses");
    let error = cuda::source(&kernel, &gpu(), &[]).expect_err("there is not so much");
    assert_eq!(error.code(), "E0812");
    assert_eq!(
        error.to_string(),
        "kernel `f` needs 307200 bytes of shared memory in a block, and `cuda` has 232448 bytes"
    );
    let CodegenError::TooMuch { parts, .. } = error else { panic!("{error}") };
    assert_eq!(parts, "`s` f32[300, 256]");
    // What is more than usual is asked for.
    let asked = parse::parse(&text.replace("300", "100")).expect("it parses");
    let code = cuda::source(&asked, &gpu(), &[]).expect("it is possible");
    assert!(
        code.contains("cudaFuncSetAttribute(f_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 102400)"),
        "{code}"
    );
}

#[test]
fn one_thread_has_its_large_temporaries_in_the_workspace() {
    let text = "kernel f(x: f32[8]) -> (y: f32[8]) {
        for i in 8 {
            alloc t: f32[100] global { for j in 100 { t[j] = x[i] } y[i] = t[i] }
        }
    }";
    let kernel = parse::parse(text).expect("it parses");
    let code = cuda::source(&kernel, &gpu(), &[]).expect("it is possible");
    assert!(
        code.contains("f_kernel(const float *__restrict__ x, float *__restrict__ y, float *__restrict__ t)"),
        "{code}"
    );
    assert!(code.contains("0, stream>>>(x, y, reinterpret_cast<float *>(workspace + 0));"), "{code}");
}

/// The statements of the only function for the GPU.
fn device(body: &str) -> String {
    let text = format!("kernel f(x: f32[100, 196]) -> (y: f32[100, 196]) {{ {body} }}");
    let kernel = parse::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(verify::verify(&kernel), Ok(()));
    let code = cuda::source(&kernel, &gpu(), &[]).expect("it is possible");
    let (_, body) = code.split_once("__launch_bounds__").expect("there is a function");
    body.split_once("extern").expect("it ends").0.to_owned()
}

#[test]
fn conditions_that_lanes_decide_alike_are_asked_once() {
    let guarded = |cond: &str| {
        device(&format!(
            "grid.x for a in 100 {{ block.x for t in 64 {{ vector for l in 4 {{ if {cond} {{ y[a, t * 4 + l] = x[a, t * 4 + l] }} }} }} }}"
        ))
    };
    for cond in ["t * 4 + l < 196", "195 >= t * 4 + l", "t * 4 + l <= 195", "196 > t * 4 + l"] {
        assert!(guarded(cond).contains("ftc_store(&y["), "{cond}: {}", guarded(cond));
    }
    for cond in ["t * 4 + l < 195", "t * 4 + l <= 192"] {
        assert!(!guarded(cond).contains("ftc_store(&y["), "{cond}: {}", guarded(cond));
    }
    let chosen = device(
        "grid.x for a in 100 { block.x for t in 49 { alloc r: f32[4] register {
            vector for m in 4 { r[m] = 0.0 }
            vector for l in 4 { r[l] += if t * 4 + l < 100 { x[a, t * 4 + l] } else { 1.0 } }
            vector for n in 4 { y[a, t * 4 + n] = r[n] }
        } } }",
    );
    assert!(chosen.contains("= (t < 25) ? ftc_load<4>(&x[4 * t + 196 * a]) : ftc_splat<4, float>(1.0f);"), "{chosen}");
}

#[test]
fn names_of_c_are_left_to_c() {
    let text = "kernel k(threadIdx: f32[4], float: f32[4], ftc_x: f32[4]) -> (k: f32[4]) {
        grid.x for y0 in 4 { k[y0] = threadIdx[y0] + `float`[y0] * ftc_x[y0] }
    }";
    let kernel = parse::parse(text).expect("it parses");
    let code = cuda::source(&kernel, &gpu(), &[]).expect("it is possible");
    assert!(code.contains("k_[y0_] = threadIdx_[y0_] + float_[y0_] * v_ftc_x[y0_];"), "{code}");
}

#[test]
fn without_nvcc_or_with_a_broken_one_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let compile = |path: &std::path::Path| {
        let made = Nvcc::at(path).and_then(|nvcc| nvcc.compile("k", "", &gpu(), CudaForm::Ptx));
        made.expect_err("it cannot compile")
    };
    let missing = compile(&folder.path().join("nvcc"));
    assert_eq!(missing.code(), "E0810", "{missing}");
    let broken = folder.path().join("broken-nvcc");
    std::fs::write(&broken, "#!/bin/sh\necho 'no such header' >&2\nexit 3\n").expect("it is written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&broken, mode).expect("it is a program");
    let failed = compile(&broken);
    assert_eq!((failed.code(), failed.to_string().as_str()), ("E0811", "nvcc cannot compile k.cu"));
    assert!(failed.diagnostic().notes.iter().any(|note| note.contains("no such header")));
}
