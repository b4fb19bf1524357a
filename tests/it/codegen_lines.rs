//! Line information: instructions know where in the source they come from, stay what they are without it, and a module has
//! none where nobody asks.
#![cfg(feature = "llvm")]

use ftc::codegen::places::{Marks, Place, Places};
use ftc::codegen::{Form, llvm};
use ftc::driver::choose::choose;
use ftc::graph::Graph;
use ftc::loops::Kernel;
use ftc::loops::simplify::simplify;
use ftc::lower::lower;
use ftc::schedule::apply;
use ftc::target::Machine;

use crate::codegen::cpu;
use crate::front;

const SOURCE: &str = "use std::linalg::gemm
use std::nn::softmax
fn layer(x: f32[N, K], w: const f32[K, M], b: f32[M]) -> (y: f32[N, M]) {
    let c = gemm(x, w)
    y[n, m] = max(c[n, m] + b[m], 0)
}
export product = gemm(A: f32[64, 64], B: f32[64, 64])
export dense = layer(x: f32[600, 200], w: f32[200, 300], b: f32[300])
export rows = softmax(x: f32[512, 100])
export halves = gemm(A: f16[40, 40], B: f16[40, 40])
";

fn place(line: u32) -> Place {
    Place { file: "f.ft".to_owned(), line, column: 1 }
}

/// Line 10 and on for definitions, 50 and on for reads, in the order of the tensors.
fn places(graph: &Graph) -> Places {
    let mut places = Places::default();
    for (number, (_, tensor)) in graph.tensors.iter().enumerate() {
        places.defined.insert(tensor.name.clone(), place(10 + number as u32));
        places.read.insert(tensor.name.clone(), place(50 + number as u32));
    }
    places
}

fn scheduled(graph: &Graph, target: &str) -> Kernel {
    let naive = lower(graph);
    let machine = Machine::of(&cpu(target), 4);
    simplify(apply(&naive, &choose(&naive, &machine.into())).expect("what is chosen applies"))
}

/// What is executed, and labels of code.
fn instructions(assembly: &str) -> Vec<&str> {
    let lines = assembly.lines().take_while(|line| !line.contains(".section\t.debug"));
    let is_code = |line: &&str| match line.trim() {
        word if word.starts_with(".LBB") => true,
        word => !word.starts_with(['.', '#', '/']) && !word.is_empty(),
    };
    lines.filter(is_code).collect()
}

#[test]
fn lines_change_no_instruction() {
    for target in ["x86-64-v4", "x86-64-v3", "aarch64"] {
        for graph in front::graphs("f.ft", SOURCE) {
            let kernel = scheduled(&graph, target);
            let forms = [Form::Ir, Form::Asm];
            let compiled = |places: Option<&Places>| {
                let code = llvm::compile_noted(&kernel, None, &cpu(target), &forms, places).expect("it compiles");
                code.into_iter().map(|text| String::from_utf8(text).expect("text")).collect::<Vec<_>>()
            };
            let (plain, noted) = (compiled(None), compiled(Some(&places(&graph))));
            assert!(!plain[0].contains("!dbg") && !plain[1].contains(".loc"), "{}", graph.name);
            assert!(noted[0].contains("!dbg") && noted[1].contains(".loc"), "{}", graph.name);
            let [mut plain, mut noted] = [&plain, &noted].map(|forms| instructions(&forms[1]));
            if target == "aarch64" {
                // What saves registers is in an order of its own.
                plain.sort_unstable();
                noted.sort_unstable();
            }
            assert_eq!(plain, noted, "{} on {target}", graph.name);
        }
    }
}

#[test]
fn copies_are_where_they_are_read_and_accumulators_where_their_sums_are_defined() {
    let text = "kernel k(x: f32[8, 8], w: f32[8, 8]) -> (y: f32[8, 8]) {
        for i in 8 {
          alloc x_copy: f32[8] stack {
            for u in 8 { x_copy[u] = if u < 7 { x[i, u + 1] } else { 0.0 } }
            for j in 8 {
              alloc acc: f32[] register {
                acc[] = 0.0
                for k in 8 { acc[] += x_copy[k] * w[k, j] }
                y[i, j] = acc[]
              }
            }
          }
        }
      }";
    let kernel = ftc::loops::parse::parse(text).expect("it parses");
    let mut places = Places::default();
    places.defined.insert("y".to_owned(), place(1));
    for (name, line) in [("x", 2), ("w", 3)] {
        places.read.insert(name.to_owned(), place(line));
    }
    let marks = Marks::of(&kernel, &places);
    let lines = |of: &ftc::arena::IdMap<_, Place>| {
        let line = |(id, place): (_, &Place)| (kernel.buffers[id].name.clone(), place.line);
        of.iter().map(line).collect::<Vec<_>>()
    };
    let named = |rows: &[(&str, u32)]| rows.iter().map(|&(name, line)| (name.to_owned(), line)).collect::<Vec<_>>();
    assert_eq!(lines(&marks.stored), named(&[("y", 1), ("x_copy", 2), ("acc", 1)]));
    assert_eq!(lines(&marks.loaded), named(&[("x", 2), ("w", 3), ("x_copy", 2), ("acc", 1)]));
}

#[test]
fn assembly_with_lines() {
    let graph = front::graphs("f.ft", SOURCE).remove(0);
    let kernel = scheduled(&graph, "x86-64-v3");
    let code = llvm::compile_noted(&kernel, None, &cpu("x86-64-v3"), &[Form::Asm], Some(&places(&graph)));
    let text = String::from_utf8(code.expect("it compiles").remove(0)).expect("text");
    // Which registers and labels LLVM takes is its own affair: an instruction's name, and the line that it comes from.
    let mut line = "";
    let mut rows: Vec<String> = Vec::new();
    for text in text.lines().take_while(|line| !line.contains(".section\t.debug")) {
        let mut words = text.split_whitespace();
        match words.next() {
            Some(".loc") => line = words.nth(1).unwrap_or_default(),
            Some(name) if name.starts_with("vfmadd") => rows.push(format!("line {line}: {name}")),
            _ => {}
        }
    }
    rows.dedup();
    // `C` is the third tensor.
    assert_eq!(rows, ["line 12: vfmadd231ps"]);
}
