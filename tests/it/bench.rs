//! `ftc bench`, as a program: suites that are right and suites that are wrong. Times differ from run to run, so only
//! what is around them is compared.

use std::fs;
use std::path::Path;
use std::process::Command;

use ftc::diag::render::{self, Style};
use ftc::driver::bench::bind::Attribute;
use ftc::driver::bench::error;
use ftc::driver::bench::reference::Distance;
use ftc::source::SourceMap;
use ftc::syntax::{ast, parser};
use serde_json::Value;

#[cfg(feature = "llvm")]
use crate::tune::with_schedule;

/// What a run left behind.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
    folder: tempfile::TempDir,
}

/// Runs `ftc bench suite.json …` beside a suite of this text.
fn bench(suite: &str, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("suite.json"), suite).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_ftc"))
        .args(["bench", "suite.json", "--threads", "1"])
        .args(args)
        .current_dir(folder.path())
        .env("FTC_PYTHON", "no-such-python")
        .output()
        .expect("ftc starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran {
        code: output.status.code().expect("it was not killed"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        folder,
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("the file was written")).expect("JSON")
}

/// A suite of workloads given without the outer braces.
fn suite(workloads: &[&str]) -> String {
    format!("{{\"note\": \"a test\", \"workloads\": [\n{}]}}\n", workloads.join(",\n"))
}

const GEMM: &str = r#"{"name": "G", "op": "gemm", "dtype": "f32", "params": {"M": 5, "K": 7, "N": 3}}"#;
const CONV: &str = r#"{"name": "C", "op": "conv2d", "dtype": "f32", "params":
    {"N": 1, "C": 4, "spatial": [6, 5], "K": 6, "R": [3, 2], "stride": 1, "pad": 1, "dilation": 1, "groups": 2}}"#;
const SHIFT: &str = r#"{"name": "S", "op": "shift_conv2d", "dtype": "f32", "params":
    {"N": 1, "H": 6, "W": 5, "C": 4, "R": 3, "dilation": 1, "stride": 1}}"#;
const SOFTMAX: &str = r#"{"name": "A.1", "op": "softmax", "dtype": "f64", "params": {"S": [2, 3], "C": 5}}"#;

#[cfg(feature = "llvm")]
#[test]
fn every_row_has_its_numbers() {
    let ran = bench(&suite(&[GEMM, CONV, SHIFT, SOFTMAX]), &["--json", "rows.json", "--seed", "7"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let report = json(&ran.folder.path().join("rows.json"));
    assert_eq!((&report["note"], &report["seed"], &report["threads"]), (&"a test".into(), &7.into(), &1.into()));
    let rows = report["rows"].as_array().expect("rows");
    let flops: Vec<_> = rows.iter().map(|row| row["flops"].as_i64().expect("a count")).collect();
    // 6 × 6 outputs of 6 channels, each over 2 channels of a 3 × 2 window; softmax: max, -, exp, sum, / of 30 elements.
    assert_eq!(flops[..3], [2 * 5 * 7 * 3, 2 * 6 * (6 * 6) * (2 * 3 * 2), 6 * 5 * 4]);
    assert!(flops[3] >= 5 * 30, "{}", flops[3]);
    for row in rows {
        assert!(row["seconds"].as_f64().expect("a time") > 0.0, "{row}");
        assert!(row["max_rel_error"].as_f64().expect("an error") < 1e-5, "{row}");
        assert_eq!((&row["trials"], &row["schedule"], &row["error"]), (&0.into(), &"model".into(), &Value::Null));
        assert_eq!((&row["peer_seconds"], &row["ratio"]), (&Value::Null, &Value::Null));
    }
    assert_eq!((&report["summary"]["workloads"], &report["summary"]["failed"]), (&4.into(), &0.into()));
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{}", ran.stdout);
    assert!(lines[0].starts_with("workload  op") && lines[1].starts_with("G         gemm"), "{}", ran.stdout);
    assert_eq!(lines[5], "4 workloads, 0 failed");
}

#[cfg(feature = "llvm")]
#[test]
fn arrays_and_artefacts_are_written_on_request() {
    let args = ["--dump", "arrays", "--emit", "loops,header", "-o", "code"];
    let ran = bench(&suite(&[GEMM, SHIFT]), &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let names = |folder: &str| {
        let entries = fs::read_dir(ran.folder.path().join(folder)).expect("the folder was made");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("arrays"), ["G.in0.npy", "G.in1.npy", "G.out0.npy", "S.in0.npy", "S.in1.npy", "S.out0.npy"]);
    assert_eq!(names("code"), ["G.h", "G.loops", "S.h", "S.loops"]);
    let header = fs::read_to_string(ran.folder.path().join("code/S.h")).expect("text");
    assert!(header.contains("int32_t S(const float *x, const int64_t *idx, float *y);"), "{header}");
    // The taps are drawn from the window, by the attribute of the operator.
    let taps = fs::read(ran.folder.path().join("arrays/S.in1.npy")).expect("the file was written");
    let taps = taps[taps.len() - 32..].chunks(8).map(|tap| i64::from_le_bytes(tap.try_into().expect("8 bytes")));
    assert!(taps.clone().all(|tap| (0..9).contains(&tap)), "{:?}", taps.collect::<Vec<_>>());
}

#[cfg(feature = "llvm")]
#[test]
fn the_same_seed_gives_the_same_arrays() {
    let arrays = |seed: &str| {
        let ran = bench(&suite(&[GEMM]), &["--dump", ".", "--seed", seed]);
        ["G.in0.npy", "G.in1.npy", "G.out0.npy"].map(|name| fs::read(ran.folder.path().join(name)).expect("written"))
    };
    assert_eq!(arrays("1"), arrays("1"));
    assert_ne!(arrays("1"), arrays("2"));
}

#[cfg(feature = "llvm")]
#[test]
fn a_workload_that_fails_does_not_stop_the_others() {
    let unknown = r#"{"name": "X", "op": "gem", "dtype": "f32", "params": {}}"#;
    let ran = bench(&suite(&[unknown, GEMM]), &["--json", "rows.json", "--color", "never"]);
    assert_eq!(ran.code, 1);
    let report = json(&ran.folder.path().join("rows.json"));
    assert_eq!(report["rows"][0]["error"], "E0903: there is no operator `gem`");
    assert!(report["rows"][1]["seconds"].as_f64().is_some());
    assert_eq!(report["summary"]["failed"], 1);
    assert!(ran.stdout.contains("X         gem   failed: E0903"), "{}", ran.stdout);
}

#[cfg(feature = "llvm")]
#[test]
fn arrays_that_no_memory_holds_fail_their_own_row() {
    // In double precision `A` takes 128 TB, which is all that a process can address.
    let huge = r#"{"name": "H", "op": "gemm", "dtype": "f32", "params": {"M": 4000000, "K": 4000000, "N": 1}}"#;
    let ran = bench(&suite(&[huge, GEMM]), &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stdout.contains("H         gemm  failed: E0712: there is not enough memory"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("2 workloads, 1 failed\n"), "{}", ran.stdout);
}

#[cfg(feature = "llvm")]
#[test]
fn options_without_effect_say_so() {
    let said = |args: &[&str]| bench(&suite(&[GEMM]), args).stderr;
    assert_eq!(said(&["--budget", "0trials"]), "");
    let notes = said(&["--const-weights"]);
    assert!(notes.contains("note: `--const-weights` has no effect on operators without weights: gemm"), "{notes}");
    let lines = said(&["--const-weights", "--message-format", "json"]);
    let line: Value = serde_json::from_str(&lines).expect("one line of JSON");
    assert!(line["note"].as_str().is_some_and(|note| note.starts_with("`--const-weights`")), "{line}");
}

#[cfg(feature = "llvm")]
#[test]
fn a_budget_finds_schedules_that_a_lock_keeps() {
    let suite = suite(&[GEMM]);
    let ran = bench(&suite, &["--budget", "4trials", "--lock", "found.lock", "--json", "rows.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row = |ran: &Ran| -> Value {
        let text = fs::read_to_string(ran.folder.path().join("rows.json")).expect("a report");
        serde_json::from_str::<Value>(&text).expect("JSON")["rows"][0].clone()
    };
    assert_eq!((row(&ran)["trials"].as_u64(), row(&ran)["schedule"].as_str()), (Some(4), Some("lock")));
    let lock = ran.folder.path().join("found.lock");
    let again = bench(&suite, &["--lock", lock.to_str().expect("a plain path"), "--json", "rows.json"]);
    assert_eq!((row(&again)["trials"].as_u64(), row(&again)["schedule"].as_str()), (Some(0), Some("lock")));
}

/// The artefacts of a benchmark are those of what was timed.
#[cfg(feature = "llvm")]
#[test]
fn what_is_emitted_goes_by_the_same_lock() {
    let suite = suite(&[GEMM]);
    let ran = bench(&suite, &["--budget", "1trials", "--lock", "found.lock", "--emit", "schedule"]);
    let read = |ran: &Ran, name: &str| fs::read_to_string(ran.folder.path().join(name)).expect("it was written");
    let text = read(&ran, "found.lock");
    assert!(text.contains("[[kernel]]"), "{text}");
    fs::write(ran.folder.path().join("hand.lock"), with_schedule(&text, "split k by [?, 2]\n"))
        .expect("it can be written");
    let lock = ran.folder.path().join("hand.lock");
    let again = bench(&suite, &["--lock", lock.to_str().expect("a plain path"), "--emit", "schedule"]);
    let found = read(&again, "G.schedule.ft");
    assert!(found.contains("    split k by [?, 2]\n}"), "{found}");
}

#[cfg(feature = "llvm")]
#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_measured() {
    for place in ["no/such/rows.json", "suite.json/rows.json", "."] {
        let ran = bench(&suite(&[GEMM]), &["--json", place]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{place}");
        assert!(ran.stderr.contains("error[E0707]") && ran.stderr.contains(place), "{}", ran.stderr);
        assert!(!place.starts_with("no") || ran.stderr.contains("its folder does not exist"), "{}", ran.stderr);
    }
}

#[cfg(feature = "llvm")]
#[test]
fn a_filter_and_operators_select() {
    let names = |args: &[&str]| {
        let ran = bench(&suite(&[GEMM, CONV, SHIFT]), args);
        let rows = ran.stdout.lines().skip(1).take_while(|line| !line.contains("workloads, "));
        rows.filter_map(|row| row.split(' ').next()).collect::<Vec<_>>().concat()
    };
    assert_eq!(names(&["--ops", "gemm,conv2d"]), "GC");
    assert_eq!(names(&["--filter", "^[CS]$"]), "CS");
    assert_eq!(names(&["--budget", "0trials", "--const-weights", "--ops", "gemm"]), "G");
}

/// All operators that have weights give the same results when these are packed before.
#[cfg(feature = "llvm")]
#[test]
fn weights_are_packed_before_the_calls() {
    let bilinear = r#"{"name": "B", "op": "bilinear", "dtype": "f32", "params": {"N": 3, "M": 4, "K1": 5, "K2": 6}}"#;
    let ran = bench(
        &suite(&[CONV, SHIFT, bilinear]),
        &["--const-weights", "--json", "rows.json", "--emit", "header", "--dump", "data"],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let report = json(&ran.folder.path().join("rows.json"));
    assert_eq!(report["const_weights"], true);
    let rows = report["rows"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["max_rel_error"].as_f64().is_some_and(|error| error < 1e-5)), "{report}");
    for (name, takes) in [("C", "const float *w"), ("S", "const int64_t *idx"), ("B", "const float *W")] {
        let header = fs::read_to_string(ran.folder.path().join(format!("{name}.h"))).expect("a header");
        assert!(header.contains(&format!("int32_t {name}_pack({takes}, void *packed);")), "{header}");
    }
    assert!(ran.folder.path().join("data/C.in1.npy").exists(), "the weights are written as they came");
}

/// The errors of a run, with its exit code.
fn errors(suite: &str, args: &[&str]) -> String {
    let ran = bench(suite, &[args, &["--color", "never"]].concat());
    format!("exit code {}\n\n{}", ran.code, ran.stderr)
}

#[test]
fn files_that_are_no_suites_are_refused_at_the_place() {
    let wrong = [
        "",
        "[1, 2",
        "{\"workloads\": {}}",
        "{\"workloads\": []}",
        "{\"workloads\": [\n  {\"name\": \"G\", \"op\": \"gemm\", \"params\": {\"M\": 1}}]}",
        "{\"workloads\": [\n  {\"name\": 5, \"op\": \"gemm\", \"dtype\": \"f32\", \"params\": {}}]}",
        "{\"workloads\": [\n  {\"name\": \"ä ö\", \"op\": \"gemm\", \"dtype\": \"f32\", \"params\": {}}]}",
    ];
    let shown: Vec<_> = wrong.iter().map(|text| format!("--- {text}\n{}", errors(text, &[]))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[cfg(feature = "llvm")]
#[test]
fn workloads_that_do_not_fit_their_operators_are_refused_at_the_place() {
    let workload = |name: &str, op: &str, dtype: &str, params: &str| {
        format!("{{\"name\": \"{name}\", \"op\": \"{op}\", \"dtype\": \"{dtype}\", \"params\": {{{params}}}}}")
    };
    let wrong = [
        workload("op", "matmul_gem", "f32", ""),
        workload("unknown", "gemm", "f32", r#""M": 4, "K": 4, "L": 4"#),
        workload("missing", "gemm", "f32", r#""M": 4, "K": 4"#),
        workload("kind", "gemm", "f32", r#""M": "4", "K": 4, "N": 4"#),
        workload("list", "gemm", "f32", r#""M": [4], "K": 4, "N": 4"#),
        workload("short", "conv2d", "f32", r#""N": 1, "C": 4, "spatial": [6], "K": 6, "R": [3, 3]"#),
        workload("twice", "conv2d", "f32", r#""N": 1, "C": 4, "spatial": [6, 6], "H": 6, "K": 6, "R": [3, 3]"#),
        workload("zero", "gemm", "f32", r#""M": 0, "K": 4, "N": 4"#),
        workload("groups", "conv2d", "f32", r#""N": 1, "C": 4, "spatial": [6, 6], "K": 6, "R": [3, 3], "groups": 3"#),
        workload("dtype", "gemm", "i32", r#""M": 4, "K": 4, "N": 4"#),
        workload("fixed", "gemm_i8", "f32", r#""M": 4, "K": 4, "N": 4"#),
        workload("bool", "attention", "f32", r#""B": [2], "L": 4, "M": 4, "E": 4, "F": 4, "causal": 1"#),
    ];
    let shown: Vec<_> = wrong.iter().map(|workload| errors(&suite(&[workload]), &[])).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn names_must_be_new_and_types_known() {
    let unknown = GEMM.replace("f32", "float32").replace("\"G\"", "\"H\"");
    insta::assert_snapshot!(errors(&suite(&[GEMM, GEMM, &unknown]), &[]));
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let shown = [
        errors(&suite(&[GEMM]), &["--ops", "gem"]),
        errors(&suite(&[GEMM]), &["--filter", "X"]),
        errors(&suite(&[GEMM]), &["--filter", "("]),
        errors(&suite(&[GEMM]), &["--budget", "20"]),
        errors(&suite(&[GEMM]), &["--peer", "jax"]),
    ];
    insta::assert_snapshot!(shown.join("\n"));
}

#[cfg(feature = "llvm")]
#[test]
fn a_peer_that_is_not_there_is_the_machines_fault() {
    insta::assert_snapshot!(errors(&suite(&[GEMM]), &["--peer", "torch"]));
}

#[test]
fn attributes_that_do_not_fit_their_function_are_refused_with_e0906() {
    let wrong = [
        "#[workload(spatial = [H, Q])] pub fn f(x: f32[H]) -> (y: f32[H]) { y[i] = x[i] }",
        "#[workload(idx = 0..H)] pub fn f(x: f32[H]) -> (y: f32[H]) { y[i] = x[i] }",
        "#[workload(x = 3)] pub fn f(x: f32[H]) -> (y: f32[H]) { y[i] = x[i] }",
    ];
    let mut sources = SourceMap::new();
    let mut shown = String::new();
    for text in wrong {
        let file = sources.add("std::f", text);
        let (tree, found) = parser::parse(file, text);
        assert!(found.is_empty(), "{found:?}");
        let ast::Item::Function(function) = &tree.items[0] else { panic!("a function was written") };
        let refused = Attribute::of(function).expect_err("it does not fit");
        shown += &render::render(&sources, &[refused], Style::Plain);
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_wrong_result_says_how_far_off_it_is_with_e0909() {
    let distance = Distance { tensor: "C".to_owned(), error: 0.25, compared: 4096 };
    let found = error::wrong_result("GMM512", &distance, 1e-3);
    insta::assert_snapshot!(render::render(&SourceMap::new(), &[found], Style::Plain));
}
