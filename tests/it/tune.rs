//! `ftc tune` from outside: locks, logs, resume, replay; and what a candidate can do to a worker.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use ftc::driver::bench::data;
use ftc::driver::tune::adverse::{self, ByZero};
use ftc::driver::{self, Session, choose, lock, select};
use ftc::graph::Graph;
use ftc::loops;
use ftc::measure::accuracy;
use ftc::measure::crew::Crew;
use ftc::measure::protocol::{Effort, Processor, Reply, Request, Setup, Time};
use ftc::runtime::Array;
use ftc::scalar::Values;
use ftc::schedule;
use ftc::space::knobs::Point;
use ftc::target::{Machine, Target};

const CALL: &str = "gemm(A: f32[24, 20], B: f32[20, 32])";

fn place() -> Place {
    Place::with_gemm()
}

fn text(place: &Place, name: &str) -> String {
    String::from_utf8(place.read(name)).expect("text")
}

fn tune<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["tune", "gemm.ft", "--export", CALL, "--threads", "1"][..], more].concat()
}

#[test]
fn a_search_pins_its_winner_and_build_goes_by_it() {
    let place = place();
    let ran = place.ftc(&tune(&["--budget", "12trials", "--log", "log.jsonl"]));
    assert!(ran.code == 0 && ran.out.contains("12 trials"), "{ran:?}");
    let lock = text(&place, "ftc.lock");
    assert!(lock.contains("[[kernel]]") && lock.contains("A: f32[24, 20]"), "{lock}");
    assert_eq!(text(&place, "log.jsonl").lines().count(), 14);
}

#[test]
fn a_build_goes_by_the_lock_that_is_beside_the_file_or_named() {
    let place = place();
    let ran = place.ftc(&["tune", "gemm.ft", "--export", CALL, "--budget", "1trials", "--lock", "other.lock"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    place.write("other.lock", with_schedule(&text(&place, "other.lock"), "split j by [?, 7]\n"));
    let built = |more: &[&str]| {
        let ran = place.ftc(&[&["build", "gemm.ft", "--export", CALL, "--emit", "schedule", "-o", "-"], more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out.contains("    split j by [?, 7]\n}")
    };
    assert!(!built(&[]) && built(&["--lock", "other.lock"]));
    place.write("ftc.lock", text(&place, "other.lock"));
    assert!(built(&[]));
    let ran = place.ftc(&["build", "gemm.ft", "--export", CALL, "--lock", "none.lock"]);
    assert!(ran.code == 1 && ran.err.contains("E1101") && ran.err.contains("no such file"), "{ran:?}");
}

/// A lock of one entry with another schedule, as if by hand.
pub(crate) fn with_schedule(lock: &str, schedule: &str) -> String {
    let (before, after) = lock.split_once("schedule = ").expect("an entry");
    let quoted = if after.starts_with("\"\"\"") { "\"\"\"" } else { "\"" };
    let rest = after[quoted.len()..].split_once(quoted).expect("a schedule ends").1;
    format!("{before}schedule = \"\"\"\n{schedule}\"\"\"{rest}")
}

#[test]
fn exports_for_which_no_trial_is_left_keep_what_a_build_takes() {
    let place = Place::new();
    let exports = [40, 56].map(|n| format!("export gemm_{n} = gemm(A: f32[{n}, 24], B: f32[24, {n}])\n"));
    place.write("two.ft", format!("use std::linalg::gemm\n{}", exports.concat()));
    let ran = place.ftc(&["tune", "two.ft", "--threads", "1", "--budget", "1trials"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(text(&place, "ftc.lock").matches("[[kernel]]").count(), 2, "{ran:?}");
}

/// What is multiplied by zero is left out there, so numbers that are not finite are no test.
#[test]
fn schedules_that_leave_out_products_by_zero_win() {
    let place = Place::new();
    let call = "conv_transpose2d(x: f32[1, 4, 5, 5], w: f32[4, 6, 3, 3], stride = 2, pad = 1)";
    let ran = place.ftc(&["tune", "--export", call, "--threads", "1", "--budget", "6trials"]);
    assert!(ran.code == 0 && ran.out.contains("6 trials"), "{ran:?}");
}

#[test]
fn a_replay_writes_the_same_log_and_a_torn_log_is_gone_on_with() {
    let place = place();
    assert_eq!(place.ftc(&tune(&["--budget", "10trials", "--seed", "3", "--log", "a.jsonl"])).code, 0);
    let ran = place.ftc(&tune(&["--replay", "a.jsonl", "--log", "b.jsonl"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let whole = text(&place, "a.jsonl");
    assert_eq!(whole, text(&place, "b.jsonl"));
    // The winner is in the lock by now, and there may be another lock: the search began without.
    let budget = ["--budget", "10trials", "--seed", "4", "--log", "d.jsonl"];
    assert_eq!(place.ftc(&tune(&budget)).code, 0);
    let ran = place.ftc(&tune(&["--replay", "d.jsonl", "--log", "e.jsonl", "--lock", "other.lock"]));
    assert_eq!((ran.code, text(&place, "d.jsonl")), (0, text(&place, "e.jsonl")), "{}", ran.err);
    // Cut off in the middle of the sixth trial.
    let cut: usize = whole.lines().take(6).map(|line| line.len() + 1).sum();
    place.write("c.jsonl", &whole[..cut + 40]);
    let ran = place.ftc(&tune(&["--budget", "10trials", "--seed", "3", "--log", "c.jsonl", "--resume"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let resumed = text(&place, "c.jsonl");
    assert_eq!(resumed.as_bytes()[..cut], whole.as_bytes()[..cut]);
    assert_eq!(resumed.lines().count(), 12);
}

#[test]
fn locks_and_logs_that_do_not_fit_are_refused() {
    let place = place();
    place.write("ftc.lock", "version = 1\n<<<<<<< ours\n");
    place.ftc(&tune(&["--budget", "1trials"])).fails(1, "E1101", &["ftc.lock"]);
    fs::remove_file(place.path("ftc.lock")).expect("it is there");
    place.write("log.jsonl", "{}\n");
    place.ftc(&tune(&["--log", "log.jsonl", "--resume"])).fails(1, "E1103", &["log.jsonl"]);
    place.ftc(&tune(&["--budget", "0trials"])).fails(2, "E1104", &["gemm"]);
    place.ftc(&tune(&["--search", "luck"])).fails(1, "E0908", &["`auto`"]);
}

#[test]
fn entries_of_other_versions_are_not_used_silently() {
    let place = place();
    assert_eq!(place.ftc(&["tune", "gemm.ft", "--budget", "3trials"]).code, 0);
    let ran = place.ftc(&["build", "gemm.ft", "--emit", "schedule", "-o", "-"]);
    assert!(ran.code == 0 && !ran.err.contains("E1102"), "{ran:?}");
    let lock = text(&place, "ftc.lock");
    let version = format!("compiler = \"{}\"", env!("CARGO_PKG_VERSION"));
    place.write("ftc.lock", lock.replace(&version, "compiler = \"0.0.1\""));
    let ran = place.ftc(&["build", "gemm.ft", "--emit", "schedule", "-o", "-"]);
    assert!(ran.code == 0 && ran.err.contains("E1102") && ran.err.contains("0.0.1"), "{ran:?}");
}

#[test]
fn entries_that_an_edit_broke_are_left_alone_with_the_reason() {
    let place = place();
    assert_eq!(place.ftc(&["tune", "gemm.ft", "--budget", "3trials"]).code, 0);
    let lock: toml::Table = text(&place, "ftc.lock").parse().expect("a lock");
    let broken = |schedule: &str| {
        let mut lock = lock.clone();
        for entry in lock["kernel"].as_array_mut().expect("entries") {
            entry["schedule"] = schedule.into();
        }
        place.write("ftc.lock", lock.to_string());
    };
    let build = ["build", "gemm.ft", "--emit", "schedule", "-o", "-"];
    for (schedule, why) in [("split zz by [?, 4]\n", "`split zz by [?, 4]`: "), ("split i by\n", "expected")] {
        broken(schedule);
        let ran = place.ftc(&build);
        assert!(ran.code == 0 && ran.err.contains("E1102") && ran.err.contains(why), "{ran:?}");
    }
    // A search says it, too, before it puts another one in the place of it.
    let ran = place.ftc(&["tune", "gemm.ft", "--budget", "3trials"]);
    assert!(ran.code == 0 && ran.err.contains("E1102"), "{ran:?}");
    assert!(!place.ftc(&build).succeeds().err.contains("E1102"));
}

/// A small convolution, and a lock that has one of its bodies with a time that is too good to be true.
fn two_bodies() -> Place {
    let place = Place::new();
    let export = "export conv = conv2d(x: f32[1, 4, 8, 8], w: f32[4, 4, 3, 3], pad = 1)";
    place.write("conv.ft", format!("use std::conv::conv2d\n{export}\n"));
    let tune = ["tune", "conv.ft", "--threads", "1", "--budget", "1trials", "--variant", "winograd"];
    place.ftc(&tune).succeeds();
    let mut lock: toml::Table = text(&place, "ftc.lock").parse().expect("a lock");
    lock["kernel"][0]["seconds"] = 1e-9.into();
    place.write("ftc.lock", lock.to_string());
    place
}

/// A search is replayed on the kernel that it was of, whichever body of the export the lock likes best by now.
#[test]
fn a_replay_stays_with_the_body_that_was_searched() {
    let place = two_bodies();
    let tune = |more: &[&str]| place.ftc(&[&["tune", "conv.ft", "--threads", "1"], more].concat()).succeeds();
    tune(&["--budget", "4trials", "--log", "a.jsonl", "--lock", "a.lock"]);
    tune(&["--replay", "a.jsonl", "--log", "b.jsonl"]);
    assert_eq!(text(&place, "a.jsonl"), text(&place, "b.jsonl"));
}

/// What a lock says of one body is measured again beside the body that is searched.
#[test]
fn a_body_that_was_measured_before_is_in_the_final() {
    let place = two_bodies();
    place.ftc(&["tune", "conv.ft", "--threads", "1", "--budget", "4trials"]).succeeds();
    let lock: toml::Table = text(&place, "ftc.lock").parse().expect("a lock");
    let seconds = lock["kernel"].as_array().expect("entries").iter().map(|entry| entry["seconds"].as_float());
    let seconds: Vec<_> = seconds.flatten().collect();
    assert!(seconds.len() == 2 && seconds.iter().all(|&seconds| seconds > 1e-8), "{seconds:?}");
}

/// A library that claims to be a kernel `C[i] = A[i]` of eight floats.
fn impostor(folder: &std::path::Path, name: &str, body: &str) -> std::path::PathBuf {
    let source = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    let text = format!(
        "#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n\
         int32_t copy_call(void *const *args) {{\n    float *a = args[0], *c = args[1];\n    {body}\n    return 0;\n}}\n"
    );
    fs::write(&source, text).expect("a file");
    let status = Command::new("cc").args(["-shared", "-fPIC", "-O0", "-w", "-o"]).arg(&library).arg(&source).status();
    assert!(status.expect("a C compiler").success());
    library
}

/// A crew, and data of a kernel `C[i] = A[i]` of eight floats.
fn copying(folder: &std::path::Path, input: &str) -> (Crew, Setup) {
    let kernel = format!(
        "kernel copy(A: {input}f32[8]) -> (C: f32[8]) {{\n    for i in 8 {{\n        C[i] = A[i]\n    }}\n}}\n"
    );
    let processor = Target::parse("x86", None).ok().and_then(|target| Processor::of(&target)).expect("a processor");
    let setup = Setup { kernel, processor, threads: 1, folder: folder.to_owned(), tensors: 1 << 16 };
    for set in 0..2_u8 {
        let numbers: Vec<u8> = (0..8_u8).flat_map(|at| f32::from(at + set).to_le_bytes()).collect();
        fs::write(setup.file("in", set.into(), 0), &numbers).expect("a file");
        fs::write(setup.file("out", set.into(), 0), &numbers).expect("a file");
    }
    (Crew::new(env!("CARGO_BIN_EXE_ftc"), 1), setup)
}

/// What becomes of a library: nothing to say, or by which reason it failed.
fn verdict(crew: &mut Crew, setup: &Setup, library: std::path::PathBuf, fastest: f64) -> String {
    let effort = Effort { samples: 3, seconds: 0.01, hopeless: None, behind: None, fastest };
    let request = Request::Time(Time { library, effort, checked: false, anchor: None });
    match crew.alone(setup, &request, Duration::from_secs(3)) {
        Ok(Reply::Samples(samples)) if !samples.own.is_empty() => String::new(),
        Ok(other) => format!("{other:?}"),
        Err(reason) => reason.kind,
    }
}

#[test]
fn whatever_a_candidate_does_costs_one_trial() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut crew, setup) = copying(folder.path(), "");
    let cases = [
        ("good", "memcpy(c, a, 32);", ""),
        ("crash", "*(volatile int *)8 = 1;", "crash"),
        ("abort", "abort();", "crash"),
        ("hang", "for (;;) {}", "time limit"),
        ("greedy", "char *p = malloc(100000000000); if (!p) return 2; memset(p, 1, 100000000000);", "call"),
        ("wrong", "memcpy(c, a, 32); c[7] += 1;", "wrong values"),
        ("forgetful", "memcpy(c, a, 28);", "wrong values"),
        ("outside", "memcpy(c, a, 32); c[8] = 0;", "wrong values"),
        // Remembers that it was called, and does nothing any more: a time that is too good.
        ("lazy", "static int calls; if (calls++ == 0) memcpy(c, a, 32);", "wrong values"),
        ("again", "memcpy(c, a, 32);", ""),
    ];
    for (name, body, expected) in cases {
        let library = impostor(folder.path(), name, body);
        assert_eq!(verdict(&mut crew, &setup, library, 0.0), expected, "{name}");
    }
    assert_eq!(verdict(&mut crew, &setup, folder.path().join("good.so"), 1.0), "too good");
}

#[test]
fn constant_arguments_are_packed_before_the_calls_that_are_timed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut crew, setup) = copying(folder.path(), "const ");
    let body = "abort(); }
        size_t copy_pack_bytes(void) { return 64; }
        static int packs;
        int32_t copy_pack_call(void *const *args) { packs++; memcpy(args[1], args[0], 32); return 0; }
        int32_t copy_packed_call(void *const *args) { if (packs > 2) abort(); memcpy(args[1], args[0], 32); return 0;";
    let library = impostor(folder.path(), "packed", body);
    assert_eq!(verdict(&mut crew, &setup, library, 0.0), "");
    let library =
        impostor(folder.path(), "spill", &body.replace("return 0; }", "((char *)args[1])[70] = 0; return 0; }"));
    assert_eq!(verdict(&mut crew, &setup, library, 0.0), "wrong values");
    let place = place();
    let call = "gemm(A: f32[24, 20], B: const f32[20, 32])";
    let ran = place.ftc(&["tune", "gemm.ft", "--export", call, "--threads", "1", "--budget", "12trials"]);
    assert!(ran.code == 0 && !ran.out.contains("crash"), "{ran:?}");
}

#[test]
fn every_candidate_reads_back_from_its_text() {
    let calls = [
        "gemm(A: f32[37, 53], B: f32[53, 29])",
        "softmax(x: f32[24, 40])",
        "conv2d(x: f32[1, 8, 14, 14], w: f32[12, 8, 3, 3], pad = 1)",
        "conv_transpose2d(x: f32[1, 4, 9, 9], w: f32[4, 6, 3, 3], stride = 2)",
    ];
    let mut session = Session::default();
    let exports = calls.iter().enumerate().map(|(at, call)| format!("k{at} = {call}")).collect();
    let what = select::Selection { exports, ..select::Selection::default() };
    let selected = select::select(&mut session, &what).expect("the calls are right");
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
    for export in &selected.exports {
        let graph = driver::instantiate(&mut session, &selected.program, export, &selected.request);
        let kernel = ftc::lower::lower(&graph.expect("the call is right"));
        let mut candidates = choose::candidates(&kernel, &Machine::of(&cpu, 2).into());
        let starts = candidates.starts(4);
        let near = starts.iter().flat_map(|start| candidates.knobs.neighbours(start)).collect::<Vec<_>>();
        let mut legal = 0;
        for point in starts.into_iter().chain(near) {
            let Ok(schedule) = candidates.schedule(&point) else { continue };
            let Ok(text) = candidates.loops(&schedule) else { continue };
            let read = loops::parse::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{schedule}\n{text}"));
            assert_eq!(loops::print::print(&read), text);
            assert!(loops::verify::verify(&read).is_ok(), "{schedule}\n{text}");
            legal += 1;
        }
        assert!(legal > 5, "{}: {legal}", kernel.name);
    }
}

#[test]
fn where_an_intermediate_is_computed_is_a_choice() {
    let mut session = Session::default();
    let exports = vec!["softmax(x: f32[64, 256])".to_owned()];
    let what = select::Selection { exports, ..select::Selection::default() };
    let selected = select::select(&mut session, &what).expect("the call is right");
    let graph = driver::instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
    let kernel = ftc::lower::lower(&graph.expect("the call is right"));
    let mut candidates = choose::candidates(&kernel, &Machine::of(&cpu, 2).into());
    assert_eq!(candidates.knobs.knobs[0].name, "inside");
    let starts = candidates.starts(8);
    let inside =
        |start: &&Point| candidates.schedule(start).is_ok_and(|schedule| schedule.to_string().contains("compute "));
    assert!(starts.iter().any(|start| inside(&start)) && starts.iter().any(|start| !inside(&start)));
    let mut strange = starts.iter().find(|start| start.0[0] == 0).expect("nothing is inside").clone();
    *strange.0.last_mut().expect("there are knobs") += 1;
    assert_eq!(candidates.predict(&strange).expect_err("that knob means nothing here").kind, "same");
    assert!(starts.iter().all(|start| candidates.predict(start).is_ok_and(f64::is_finite)));
}

/// How many outputs of some candidates and of a schedule were looked at, for inputs that `odd` changes, and how many are not
/// those of the plain loops.
fn disagreeing(call: &str, steps: &str, odd: &dyn Fn(&Graph, &mut [Values], u64)) -> (usize, usize) {
    let mut session = Session::default();
    let what = select::Selection { exports: vec![call.to_owned()], ..select::Selection::default() };
    let selected = select::select(&mut session, &what).expect("the call is right");
    let graph = driver::instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
    let graph = graph.expect("the call is right");
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
    let naive = ftc::lower::lower(&graph);
    let mut candidates = choose::candidates(&naive, &Machine::of(&cpu, 2).into());
    let starts = candidates.starts(6);
    let chosen = starts.iter().filter_map(|start| candidates.schedule(start).ok()).chain(lock::parse_schedule(steps));
    let kernels: Vec<_> = chosen.filter_map(|steps| schedule::apply(&naive, &steps).ok()).collect();
    let (mut all, mut disagree) = (0, 0);
    for seed in 0..4 {
        let mut rng = data::source(seed, call);
        let shapes = graph.inputs.iter().map(|&id| (graph.tensors[id].dtype, graph.tensors[id].shape.clone()));
        let made = shapes.map(|(dtype, shape)| data::random(&mut rng, dtype, &shape, None).expect("they are small"));
        let mut inputs: Vec<Values> = made.collect();
        odd(&graph, &mut inputs, seed);
        let run = |kernel| {
            let outputs = loops::interp::run(kernel, &inputs).expect("it runs");
            outputs.iter().map(|values| Array::from_values(values).expect("they are small")).collect::<Vec<_>>()
        };
        let wanted = run(&naive);
        for kernel in &kernels {
            let far = run(kernel).iter().zip(&wanted).any(|(a, b)| accuracy::distance(a, b) > 1e-6);
            (all, disagree) = (all + 1, disagree + usize::from(far));
        }
    }
    (all, disagree)
}

#[test]
fn all_schedules_agree_on_inputs_that_they_trip_over() {
    let adverse = |graph: &Graph, inputs: &mut [Values], seed: u64| {
        adverse::disturb(graph, ByZero::Computed, inputs, &mut data::source(seed, "odd"));
    };
    let bilinear = "bilinear(a: f32[6, 8], W: f32[12, 8, 10], b: f32[6, 10])";
    let mttkrp = "mttkrp(A: f32[4, 8, 6], B: f32[8, 12], C: f32[6, 12])";
    let taken_out = "reorder n k m l\naccumulate at k";
    let others = ["gemm(A: f32[9, 8], B: f32[8, 12])", "softmax(x: f32[8, 24])"].map(|call| (call, ""));
    for (call, steps) in [(bilinear, taken_out), (mttkrp, "")].into_iter().chain(others) {
        let (all, disagree) = disagreeing(call, steps, &adverse);
        assert!(all > 4 && disagree == 0, "{call}: {disagree} of {all}");
    }
    // An infinity that can be taken out of a sum is another number in it: that is why there is none.
    let infinite = |_: &Graph, inputs: &mut [Values], _: u64| {
        let mut items: Vec<_> = (0..inputs[0].len()).filter_map(|at| inputs[0].get_f64(at)).collect();
        items[3] = f64::INFINITY;
        inputs[0] = Values::floats(inputs[0].dtype(), inputs[0].shape(), items).expect("as many as there were");
    };
    assert!(disagreeing(bilinear, taken_out, &infinite).1 > 0);
}
