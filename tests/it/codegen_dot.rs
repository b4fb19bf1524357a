//! Dot products of bytes and of `bf16`: what the inner loops consist of, and that the values are those of the formula.
#![cfg(feature = "llvm")]

use ftc::codegen::{Form, llvm};
use ftc::driver::choose::choose;
use ftc::driver::schedules;
use ftc::loops::simplify::simplify;
use ftc::loops::{Kernel, interp, parse, verify};
use ftc::scalar::{DType, Values};
use ftc::schedule::{self, Schedule};
use ftc::source::SourceMap;
use ftc::syntax::ast::Item;
use ftc::syntax::parser;
use ftc::target::Machine;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::codegen::cpu;
use crate::codegen_values::{Compiled, targets};

/// C = A · B, as it is lowered.
fn product(a: DType, b: DType, [m, n, k]: [i64; 3]) -> Kernel {
    let sum = if a == DType::BF16 { "f32" } else { "i32" };
    let zero = if a == DType::BF16 { "0.0" } else { "0i32" };
    let text = format!(
        "kernel product(A: {a}[{m}, {k}], B: {b}[{k}, {n}]) -> (C: {sum}[{m}, {n}]) {{
           for i in {m} {{ for j in {n} {{ alloc acc: {sum}[] register {{ acc[] = {zero}
             for k in {k} {{ acc[] += {sum}(A[i, k]) * {sum}(B[k, j]) }}
             C[i, j] = acc[] }} }} }} }}"
    );
    parse::parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

/// C = A · B in tiles of 4 rows and 2 vectors, B in the order in which it is read.
fn gemm(a: DType, b: DType, lanes: i64, terms: [i64; 2]) -> Kernel {
    let naive = product(a, b, [8, 4 * lanes, 96]);
    let [groups, terms] = terms;
    let steps = format!(
        "split i by [?, 4]\nsplit j by [?, 2, {lanes}]\nsplit k by [?, {groups}, {terms}]\n\
         reorder i.0 j.0 k.0 i.1 j.1 j.2 k.1 k.2\nvectorize j.2\nunroll i.1 j.1 k.1 k.2\n\
         stage B as [j.0, k.0, j.1, k.1, j.2, k.2]\n"
    );
    let kernel = schedule::apply(&naive, &steps_of(&steps)).expect("the schedule is legal");
    assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
    kernel
}

fn steps_of(text: &str) -> Schedule {
    let mut sources = SourceMap::new();
    let text = format!("schedule f {{\n{text}}}\n");
    let file = sources.add("steps.ft", text.as_str());
    let (tree, found) = parser::parse(file, &text);
    assert!(found.is_empty(), "{found:?}");
    let block = tree.items.iter().find_map(|item| if let Item::Schedule(block) = item { Some(block) } else { None });
    schedules::steps_of(block.expect("a block"))
}

/// The instructions of the innermost loop that has `instruction`, without their operands.
fn inner_loop(kernel: &Kernel, target: &str, instruction: &str) -> Vec<String> {
    let asm = llvm::compile(kernel, &cpu(target), Form::Asm).expect("it compiles");
    let asm = String::from_utf8(asm).expect("text");
    let lines: Vec<_> = asm.lines().map(str::trim).filter(|line| !line.starts_with(".p2align")).collect();
    let first = lines.iter().position(|line| line.contains(instruction)).unwrap_or_else(|| panic!("none:\n{asm}"));
    let start = lines[..first].iter().rposition(|line| line.ends_with(':')).expect("a loop has a label");
    let end = first + lines[first..].iter().position(|line| line.starts_with('j')).expect("a loop ends with a jump");
    let word = |line: &&str| line.split_whitespace().next().unwrap_or_default().to_owned();
    lines[start + 1..=end].iter().map(word).collect()
}

/// Dot products, loads, broadcasts, and what counts and jumps; as many dot products as there are accumulators.
#[test]
fn inner_loops_are_dot_products() {
    use DType::{BF16, I8, U8};
    let rows = [
        ("sapphirerapids", U8, I8, 16, 4, "vpdpbusd"),
        ("sapphirerapids", I8, U8, 16, 4, "vpdpbusd"),
        ("znver4", U8, I8, 16, 4, "vpdpbusd"),
        ("cascadelake", U8, I8, 8, 4, "vpdpbusd"),
        ("alderlake", U8, I8, 8, 4, "vpdpbusd"),
        ("sierraforest", I8, I8, 8, 4, "vpdpbssd"),
        ("sierraforest", U8, U8, 8, 4, "vpdpbuud"),
        ("sapphirerapids", BF16, BF16, 16, 2, "vdpbf16ps"),
        ("znver4", BF16, BF16, 8, 2, "vdpbf16ps"),
    ];
    for (target, a, b, lanes, terms, instruction) in rows {
        let words = inner_loop(&gemm(a, b, lanes, [1, terms]), target, instruction);
        let of = |wanted: &str| words.iter().filter(|word| *word == wanted).count();
        let dots = of(instruction) + of("{vex}");
        // LLVM may write the loop out twice.
        assert!(dots > 0 && dots % 8 == 0, "{target}: {words:?}");
        let others = [
            instruction,
            "{vex}",
            "vpbroadcastd",
            "vbroadcastss",
            "vmovdqa64",
            "vmovdqa",
            "vmovdqu64",
            "vmovdqu",
            "vmovaps",
            "vmovups",
            "addq",
            "subq",
            "incq",
            "cmpq",
            "leaq",
            "jne",
        ];
        let strange: Vec<_> = words.iter().filter(|word| !others.contains(&word.as_str())).collect();
        assert!(strange.is_empty(), "{target}, {a} {b}: {strange:?} in {words:?}");
    }
}

/// The schedule that nobody wrote has them as well; for `bf16` only where they are faster than multiply-adds.
#[test]
fn dot_products_are_chosen() {
    use DType::{BF16, I8, U8};
    let rows = [
        ("sapphirerapids", U8, I8, "vpdpbusd", true),
        ("znver4", I8, I8, "vpdpbusd", true),
        ("alderlake", U8, I8, "vpdpbusd", true),
        ("znver4", BF16, BF16, "vdpbf16ps", true),
        ("sapphirerapids", BF16, BF16, "vdpbf16ps", false),
        ("x86-64-v4", U8, I8, "vpdpbusd", false),
    ];
    for (target, a, b, instruction, wanted) in rows {
        let (naive, cpu) = (product(a, b, [64, 128, 256]), cpu(target));
        let chosen = choose(&naive, &Machine::of(&cpu, 1).into());
        let kernel = schedule::apply(&naive, &chosen).expect("what is chosen is legal");
        let asm = llvm::compile(&simplify(kernel), &cpu, Form::Asm).expect("it compiles");
        let asm = String::from_utf8(asm).expect("text");
        assert_eq!(asm.contains(instruction), wanted, "{target}, {a} {b}:\n{chosen}");
    }
}

/// Numbers of a type, the extreme ones among them.
fn random(rng: &mut StdRng, dtype: DType, shape: &[i64]) -> Values {
    let count = shape.iter().product::<i64>();
    if let Some((low, high)) = dtype.int_range() {
        let mut one = || match rng.random_range(0..10) {
            0 => low,
            1 => high,
            _ => rng.random_range(low..=high),
        };
        return Values::ints(dtype, shape, (0..count).map(|_| one()).collect()).expect("as many as the shape says");
    }
    let data = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
    Values::floats(dtype, shape, data).expect("as many as the shape says")
}

/// On whatever this machine is: with the instructions where it has them, else without.
#[test]
fn dot_products_are_the_sums_of_the_formula() {
    use DType::{BF16, I8, U8};
    let mut rng = StdRng::seed_from_u64(11);
    for target in targets() {
        for (a, b) in [(U8, I8), (I8, U8), (I8, I8), (U8, U8), (BF16, BF16)] {
            let terms = if a == BF16 { 2 } else { 4 };
            for (lanes, groups) in [(16, 1), (8, 3), (4, 2), (32, 1)] {
                let kernel = gemm(a, b, lanes, [groups, terms]);
                let inputs = [random(&mut rng, a, &[8, 96]), random(&mut rng, b, &[96, 4 * lanes])];
                let wanted = &interp::run(&kernel, &inputs).expect("it runs")[0];
                let found = &Compiled::new(&kernel.to_string(), target).run(&inputs)[0];
                for at in 0..wanted.len() {
                    let (wanted, found) = (wanted.get_f64(at).expect("inside"), found.get_f64(at).expect("inside"));
                    // At most 96 products below 1, each sum rounded to an `f32`.
                    let tolerance = if a == BF16 { 96.0 * 96.0 * f64::from(f32::EPSILON) } else { 0.0 };
                    assert!(
                        (wanted - found).abs() <= tolerance,
                        "{target}, {a} {b}, {lanes} lanes: {wanted}, not {found}"
                    );
                }
            }
        }
    }
}

/// Sums that wrap, do so in the same way.
#[test]
fn sums_of_bytes_wrap() {
    let text = "kernel far(a: u8[16384, 4], b: i8[16384, 16, 4], s: i32[]) -> (y: i32[16]) {
      alloc acc: i32[16] register {
        vector for z in 16 { acc[z] = s[] }
        for k in 16384 { vector for v in 16 { unroll for q in 4 {
          acc[v] += i32(a[k, q]) * i32(b[k, v, q]) } } }
        vector for w in 16 { y[w] = acc[w] } } }";
    let fill = |dtype, shape: &[i64], value: i64| {
        Values::ints(dtype, shape, vec![value; shape.iter().product::<i64>() as usize]).expect("as many")
    };
    let inputs = [
        fill(DType::U8, &[16384, 4], 255),
        fill(DType::I8, &[16384, 16, 4], -128),
        fill(DType::I32, &[], -2_000_000_000),
    ];
    let wanted = (-2_000_000_000_i64 - 65536 * 255 * 128) as i32;
    for target in targets() {
        let found = Compiled::new(text, target).run(&inputs);
        assert_eq!(found[0].get_f64(3), Some(f64::from(wanted)), "{target}");
    }
}
