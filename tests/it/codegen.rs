//! The LLVM backend: the text before optimisation, and the values that the compiled code gives.
#![cfg(feature = "llvm")]

use ftc::arena::Arena;
use ftc::codegen::{Form, llvm};
use ftc::expr::Pool;
use ftc::loops::{Axis, Buffer, BufferKind, For, Kernel, LoopKind, Scope, Stmt};
use ftc::scalar::{Const, DType, ReduceOp};
use ftc::target::{Cpu, Target};

fn cpu(name: &str) -> Cpu {
    match Target::parse(name, llvm::host().as_ref()) {
        Ok(Target::Cpu(cpu)) => cpu,
        other => panic!("{other:?}"),
    }
}

fn gemm(n: i64) -> Kernel {
    let mut pool = Pool::new();
    let mut axes = Arena::new();
    let mut buffers = Arena::new();
    let [i, j, k] = ["i", "j", "k"].map(|name| axes.push(Axis { name: name.into() }));
    let mut buffer =
        |name: &str, kind, shape: Vec<i64>| buffers.push(Buffer { name: name.into(), dtype: DType::F32, shape, kind });
    let a = buffer("A", BufferKind::Input { is_const: false }, vec![n, n]);
    let b = buffer("B", BufferKind::Input { is_const: false }, vec![n, n]);
    let c = buffer("C", BufferKind::Output, vec![n, n]);
    let acc = buffer("acc", BufferKind::Temp(Scope::Register), vec![]);
    let [ei, ej, ek] = [i, j, k].map(|axis| pool.axis(axis));
    let zero = pool.constant(Const::float(DType::F32, 0.0));
    let (x, y) = (pool.load(a, vec![ei, ek], DType::F32), pool.load(b, vec![ek, ej], DType::F32));
    let product = pool.mul(x, y);
    let result = pool.load(acc, vec![], DType::F32);
    let nest = |axis, body| Stmt::For(For { axis, extent: n, kind: LoopKind::Serial, body });
    let sum = Stmt::Reduce { buffer: acc, at: vec![], op: ReduceOp::Sum, value: product };
    let inner = vec![
        Stmt::Store { buffer: acc, at: vec![], value: zero },
        nest(k, vec![sum]),
        Stmt::Store { buffer: c, at: vec![ei, ej], value: result },
    ];
    let body = vec![nest(i, vec![nest(j, vec![Stmt::Alloc { buffer: acc, body: inner }])])];
    Kernel { name: "gemm".into(), pool, axes, buffers, params: vec![a, b, c], body }
}

#[test]
fn gemm_compiles() {
    let forms = [Form::Ir, Form::OptimizedIr, Form::Asm, Form::Object];
    let all = llvm::compile_forms(&gemm(64), &cpu("x86"), &forms).unwrap();
    for text in &all[..3] {
        println!("{}", String::from_utf8_lossy(text));
    }
    let start = std::time::Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("libgemm.so");
    ftc::artifact::link_shared(&[("gemm.o".into(), all[3].clone())], &out, &cpu("x86")).unwrap();
    println!("link {:?}", start.elapsed());
    for _ in 0..3 {
        let start = std::time::Instant::now();
        llvm::compile(&gemm(64), &cpu("x86"), Form::Object).unwrap();
        println!("object {:?}", start.elapsed());
    }
}
