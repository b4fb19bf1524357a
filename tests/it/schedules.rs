//! Schedules in files: their text and their steps are the same, the right one is found for a target, and what is refused
//! is shown where it is written.

use ftc::diag::Diagnostic;
use ftc::diag::codes;
use ftc::diag::render::{Style, render};
use ftc::driver::schedules::{self, find, steps_of};
use ftc::loops::{Kernel, Scope};
use ftc::schedule::step::Place as At;
use ftc::schedule::{Numbers, Refused, Schedule, Step, Tail};
use ftc::sema::{self, Program, Request};
use ftc::source::SourceMap;
use ftc::syntax::ast::Item;
use ftc::syntax::{parser, print};
use ftc::target::{Arch, Host, Target};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::front::Std;
use crate::place::Place;

const GEMM: &str = "\
fn f(A: f32[M, K], B: f32[K, N]) -> (C: f32[M, N]) {
    C[i, j] = sum[k](A[i, k] * B[k, j])
}

export g = f(A: f32[64, 64], B: f32[64, 64])
export h = f(A: f32[32, 32], B: f32[32, 32])

";

fn program(sources: &mut SourceMap, text: &str) -> (Program, Vec<Diagnostic>) {
    let file = sources.add("test.ft", text);
    let (tree, mut found) = parser::parse(file, text);
    let (program, more) = sema::load(sources, file, tree, &mut Std);
    found.extend(more);
    (program, found)
}

fn naive(program: &Program) -> Kernel {
    let graph = sema::instantiate(program, &sema::exports(program)[0], &Request::default()).expect("a right export");
    ftc::lower::lower(&graph)
}

/// The text of the block that is taken for an export of [`GEMM`], without its steps.
fn taken(blocks: &str, export: usize, target: &str) -> String {
    let mut sources = SourceMap::new();
    let (program, found) = program(&mut sources, &format!("{GEMM}{blocks}"));
    assert!(found.is_empty(), "{found:#?}");
    let host = Host { arch: Arch::X86, cpu: "znver4".to_owned(), features: String::new() };
    let target = Target::parse(target, Some(&host)).expect("a target");
    let block = find(&program, &sema::exports(&program)[export], &Request::default(), &target, Some(&host));
    block.map_or("none".to_owned(), |block| block.text(block.schedule()).trim_end_matches(" {}\n").to_owned())
}

#[test]
fn the_closest_target_wins() {
    let blocks = "schedule f {}\nschedule f for x86 {}\nschedule f for x86-64-v4 {}\nschedule f for znver4 {}\n";
    let rows = [
        ("x86", "schedule f for x86"),
        ("haswell", "schedule f for x86"),
        ("x86-64-v4", "schedule f for x86-64-v4"),
        ("skylake-avx512", "schedule f for x86-64-v4"),
        ("znver4", "schedule f for znver4"),
        ("native", "schedule f for znver4"),
        ("x86-64-v2", "schedule f"),
        ("aarch64", "schedule f"),
        ("interp", "schedule f"),
    ];
    for (target, block) in rows {
        assert_eq!(taken(blocks, 0, target), block, "{target}");
    }
    assert_eq!(taken("schedule f for znver4 {}\n", 0, "x86"), "none");
    assert_eq!(taken("", 0, "x86"), "none");
}

#[test]
fn the_block_of_an_export_comes_before_that_of_its_function() {
    let blocks = "schedule f for x86 {}\nschedule g {}\n";
    assert_eq!(taken(blocks, 0, "x86"), "schedule g");
    assert_eq!(taken(blocks, 1, "x86"), "schedule f for x86");
    // A block that does not fit does not stand in the way.
    assert_eq!(taken("schedule f {}\nschedule g for znver4 {}\n", 0, "x86"), "schedule f");
}

#[test]
fn a_refused_step_is_shown_where_it_is_written() {
    let text = format!("{GEMM}schedule g {{\n    split k by [?, 8] // steps\n    reorder k.1 k.0\n}}\n");
    let mut sources = SourceMap::new();
    let (program, _) = program(&mut sources, &text);
    let block =
        find(&program, &sema::exports(&program)[0], &Request::default(), &Target::Interp, None).expect("there is one");
    let message = "`split` of `k`, which is refused".to_owned();
    let refused = Refused { step: 0, message, help: Some("split another axis".to_owned()) };
    let shown = block.refused(&naive(&program), &refused);
    insta::assert_snapshot!(render(&sources, &[shown], Style::Plain));
    // A step that is not there is no reason to panic.
    block.refused(&naive(&program), &Refused { step: 9, help: None, ..refused });
}

#[test]
fn an_empty_block_leaves_the_plain_loops() {
    let mut sources = SourceMap::new();
    let (program, _) = program(&mut sources, &format!("{GEMM}schedule g {{}}\n"));
    let block =
        find(&program, &sema::exports(&program)[0], &Request::default(), &Target::Interp, None).expect("there is one");
    let naive = naive(&program);
    assert_eq!(block.apply(&naive).expect("no step is refused").to_string(), naive.to_string());
}

#[test]
fn the_command_line_applies_blocks_and_writes_them() {
    let place = Place::new();
    let build = |text: &str, emit: &str| {
        place.write("f.ft", format!("{GEMM}{text}"));
        place.ftc(&["build", "f.ft", "--export", "g", "--emit", emit, "--target", "x86", "-o", "-"])
    };
    let plain = build("schedule g for x86 {}\n", "loops").succeeds();
    let chosen = build("", "loops").succeeds();
    assert_ne!(plain.out, chosen.out);
    assert_eq!(build("schedule g for aarch64 {}\n", "loops").out, chosen.out);
    assert_eq!(build("schedule g for x86 {}\n", "schedule").succeeds().out, "schedule g for x86 {}\n");
    let default = build("", "schedule").succeeds().out;
    assert!(default.starts_with("schedule g for x86 {\n    split "), "{default}");
    assert_eq!(build(&default, "loops").succeeds().out, chosen.out);
    place.write("back.ft", &default);
    place.ftc(&["fmt", "--check", "back.ft"]).succeeds();

    let filled = build(
        "schedule g for x86 { split i by [?, ?]; split j by [?, ?, 8]; reorder k j.2; vectorize j.2 }\n",
        "schedule",
    );
    let filled = filled.succeeds().out;
    assert!(filled.contains("split i by [?, ") && !filled.contains(", ?"), "{filled}");
    assert_eq!(build(&filled, "schedule").succeeds().out, filled);
    build("schedule g { split i by [?, ?]; vectorize i.0 }\n", "loops").fails(1, "E1006", &["f.ft:8:29"]);
    build("schedule g { parallel q }\n", "loops").fails(1, "E1004", &["`i`, `j`, `k`"]);
    build("schedule q {}\n", "loops").fails(1, "E1001", &["`q`"]);
    place.write("f.ft", format!("{GEMM}schedule g {{ split i by [?, ?] }}\n"));
    place.ftc(&["check", "f.ft"]).succeeds();
    place.write("f.ft", format!("{GEMM}schedule g {{ parallel q }}\n"));
    place.ftc(&["check", "f.ft"]).fails(1, "E1004", &["`q`"]);
    place.write("f.ft", format!("{GEMM}schedule g {{ paralel q }}\n"));
    place.ftc(&["check", "f.ft"]).fails(1, "E0110", &["did you mean `parallel`?"]);
}

/// The wrong examples are wrong as they say, the fixed ones right.
#[test]
fn pages_of_schedules_are_true() {
    for code in codes::all().into_iter().filter(|code| code.starts_with("E10") && *code != "E1006") {
        let page = codes::page(code).expect("a listed page");
        let examples: Vec<_> =
            page.split("```").skip(1).step_by(2).filter_map(|text| text.strip_prefix("ft\n")).collect();
        let [wrong, fixed] = examples.as_slice() else { panic!("{code}: two examples") };
        let said = |text: &str| {
            let mut sources = SourceMap::new();
            let (program, mut found) = program(&mut sources, text);
            found.extend(schedules::check(&program, None));
            if found.is_empty() {
                found.extend(schedules::try_all(&program));
            }
            found.iter().map(|found| found.code.0).collect::<Vec<_>>()
        };
        assert_eq!(said(wrong), [code]);
        assert_eq!(said(fixed), Vec::<&str>::new(), "{code}");
    }
}

fn name() -> impl Strategy<Value = String> + Clone {
    let names = [
        "i", "i.0", "k.1.init", "y.n", "i.0.10", "j.1e5", "C", "split", "by", "at", "tail", "to", "bind", "in", "for",
        "pq",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn step() -> impl Strategy<Value = Step> {
    let tail = prop::sample::select(Tail::ALL.to_vec()).prop_map(|(tail, _)| tail);
    let split = (name(), vec(option::of(0..=i64::MAX), 0..4), tail).prop_map(|(axis, parts, tail)| Step::Split {
        axis,
        parts,
        tail,
    });
    let scope = prop::sample::select(vec![Scope::Global, Scope::Stack, Scope::Register, Scope::Shared]);
    let place = prop_oneof![name().prop_map(At::Inside), name().prop_map(At::Before)];
    let phases = vec((name(), 1..=i64::MAX), 1..4).prop_map(|axes| {
        let (axes, counts) = axes.into_iter().unzip();
        Step::Phases { axes, counts }
    });
    let stage = (name(), option::of(place), option::of(vec(name(), 0..4)), scope)
        .prop_map(|(operand, place, layout, scope)| Step::Stage { operand, place, layout, scope });
    let coordinate = prop::sample::select(Step::COORDINATES.to_vec());
    prop_oneof![
        split,
        phases,
        stage,
        (vec(name(), 2..5), name()).prop_map(|(axes, name)| Step::Fuse { axes, name }),
        vec(name(), 1..40).prop_map(|axes| Step::Reorder { axes }),
        name().prop_map(|axis| Step::Parallel { axis }),
        name().prop_map(|axis| Step::Vectorize { axis }),
        vec(name(), 1..5).prop_map(|axes| Step::Unroll { axes }),
        (name(), coordinate).prop_map(|(axis, to)| Step::Bind { axis, to }),
        name().prop_map(|at| Step::Accumulate { at }),
        (name(), option::of(0..=i64::MAX)).prop_map(|(axis, stages)| Step::Pipeline { axis, stages }),
        ([name(), name(), name()], any::<bool>()).prop_map(|([rows, columns, terms], is_rounded)| {
            let numbers = if is_rounded { Numbers::Tf32 } else { Numbers::Exact };
            Step::Tensorize { rows, columns, terms, numbers }
        }),
        name().prop_map(|axis| Step::Rfactor { axis }),
        name().prop_map(|tensor| Step::Inline { tensor }),
        (name(), name()).prop_map(|(tensor, at)| Step::ComputeAt { tensor, at }),
        (name(), vec(name(), 0..4)).prop_map(|(operand, layout)| Step::Store { operand, layout }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_are_read_as_they_are_printed(steps in vec(step(), 1..8)) {
        let schedule = Schedule { steps };
        let rows: Vec<_> = schedule.to_string().lines().map(|line| format!("    {line}\n")).collect();
        let text = format!("schedule f for x86 {{\n{}}}\n", rows.concat());
        let mut sources = SourceMap::new();
        let file = sources.add("test.ft", text.as_str());
        let (tree, found) = parser::parse(file, &text);
        prop_assert!(found.is_empty(), "{}\n{:#?}", text, found);
        let [Item::Schedule(block)] = tree.items.as_slice() else { panic!("one block: {text}") };
        prop_assert_eq!(steps_of(block), schedule);
        prop_assert_eq!(print::print(&tree, &text), text);
    }
}
