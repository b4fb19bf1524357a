//! The interpreter on launches: phases between barriers, memory of blocks and threads, races.

use ftc::loops::interp::{self, InterpError};
use ftc::loops::parse::parse;
use ftc::loops::verify::verify;
use ftc::scalar::values::Data;
use ftc::scalar::{DType, Values};

fn kernel(body: &str) -> ftc::loops::Kernel {
    let text = format!("kernel f(x: f32[8]) -> (y: f32[8]) {{\n{body}\n}}");
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn run(body: &str) -> Result<Vec<f64>, InterpError> {
    let x = Values::floats(DType::F32, &[8], (0..8).map(f64::from).collect()).expect("eight");
    let outputs = interp::run(&kernel(body), &[x])?;
    match outputs[0].data() {
        Data::F64(items) => Ok(items.clone()),
        Data::I64(_) => panic!("integers"),
    }
}

fn error(body: &str) -> String {
    run(body).expect_err("it is wrong").to_string()
}

/// Each block turns its half around, through shared memory.
fn reversed(barrier: &str) -> String {
    format!(
        "grid.x for a in 2 {{ alloc s: f32[4] shared {{ block.x for t in 4 {{
            s[t] = x[a * 4 + t]
            {barrier}
            y[a * 4 + t] = s[3 - t]
        }} }} }}"
    )
}

#[test]
fn threads_meet_at_barriers() {
    assert_eq!(verify(&kernel(&reversed("barrier"))), Ok(()));
    assert_eq!(run(&reversed("barrier")), Ok(vec![3.0, 2.0, 1.0, 0.0, 7.0, 6.0, 5.0, 4.0]));
}

#[test]
fn a_missing_barrier_is_a_race_or_an_undefined_read() {
    assert_eq!(error(&reversed("")), "`s[3]` is read before it is stored");
    let set_first = "grid.x for a in 1 { alloc s: f32[8] shared { block.x for t in 8 {
        s[t] = 0.0
        barrier
        s[t] = x[t]
        y[t] = s[7 - t]
    } } }";
    assert_eq!(
        error(set_first),
        "race: `s[4]` is loaded by thread 3 of block 0 and stored by thread 4 of block 0, and nothing is between"
    );
    let too_late = set_first.replace("s[t] = x[t]", "").replace("y[t] = s[7 - t]", "y[t] = s[7 - t] s[t] = x[t]");
    assert_eq!(
        error(&too_late),
        "race: `s[3]` is stored by thread 3 of block 0 and loaded by thread 4 of block 0, and nothing is between"
    );
    let ahead = "grid.x for a in 1 { block.x for t in 8 { if t < 7 { y[t] = x[t] } if t > 6 { y[t] = y[t - 1] } } }";
    assert!(error(ahead).starts_with("race: `y[6]` is stored by thread 6 of block 0 and loaded by thread 7"));
}

#[test]
fn stores_of_two_threads_or_blocks_are_a_race() {
    let threads = "grid.x for a in 1 { block.x for t in 8 { y[t / 2 * 2] = 0.0 } }";
    assert_eq!(
        error(threads),
        "race: `y[0]` is stored by thread 0 of block 0 and stored by thread 1 of block 0, and nothing is between"
    );
    let blocks = "grid.x for a in 8 { block.x for t in 2 { barrier if t < 1 { y[a / 2] = 0.0 } } }";
    assert_eq!(
        error(blocks),
        "race: `y[0]` is stored by thread 0 of block 0 and stored by thread 0 of block 1, and nothing is between"
    );
    let stale =
        "for i in 8 { y[i] = 0.0 } grid.x for a in 2 { block.x for t in 4 { y[a * 4 + t] = y[4 - a * 4 + t] } }";
    assert_eq!(
        error(stale),
        "race: `y[0]` is stored by thread 0 of block 0 and loaded by thread 0 of block 1, and nothing is between"
    );
}

#[test]
fn launches_run_one_after_another() {
    let body = "alloc t: f32[8] global {
        grid.x for a in 8 { t[a] = x[a] * 2.0 }
        grid.x for b in 4 { block.x for c in 2 { y[b * 2 + c] = t[7 - b * 2 - c] } }
    }";
    assert_eq!(run(body), Ok(vec![14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0, 0.0]));
}

#[test]
fn every_thread_has_its_own_registers() {
    let body = "grid.x for a in 1 { block.x for t in 8 { alloc r: f32[2] register {
        r[0] = x[t]
        barrier
        r[1] = r[0] + 1.0
        barrier
        y[t] = r[1] * r[0]
    } } }";
    assert_eq!(run(body), Ok((0..8).map(|t| f64::from(t * (t + 1))).collect()));
    let forgetful = "grid.x for a in 1 { block.x for t in 8 { alloc r: f32[1] register { y[t] = r[0] } } }";
    assert_eq!(error(forgetful), "`r[0]` is read before it is stored");
}

#[test]
fn a_barrier_that_some_threads_miss_is_an_error() {
    let body = "grid.x for a in 1 { block.x for t in 8 { if t < 4 { barrier } y[t] = 0.0 } }";
    assert!(matches!(run(body), Err(InterpError::Divergent { block: 0, thread: 4 })));
    assert_eq!(run("barrier"), Err(InterpError::Unsupported("a barrier outside of a launch")));
}

#[test]
fn threads_combine_what_they_have() {
    let body = "grid.x for a in 1 { block.y for s in 2 { block.x for t in 4 { alloc r: f32[2] register {
        r[0] = x[s * 4 + t]
        r[1] = r[0]
        combine r[0] += over t
        combine r[1] max= over t, s
        y[s * 4 + t] = r[0] * 10.0 + r[1]
    } } } }";
    assert_eq!(verify(&kernel(body)), Ok(()));
    let sums = [67.0, 67.0, 67.0, 67.0, 227.0, 227.0, 227.0, 227.0];
    assert_eq!(run(body), Ok(sums.to_vec()));
    // The coordinate that is kept may be the faster one.
    let columns = body.replace("+= over t", "+= over s");
    let sums = [47.0, 67.0, 87.0, 107.0, 47.0, 67.0, 87.0, 107.0];
    assert_eq!(run(&columns), Ok(sums.to_vec()));
    assert_eq!(error(&body.replace("r[1] = r[0]", "")), "`r[1]` is read before it is stored");
}

#[test]
fn a_combination_orders_nothing_else() {
    let body = "grid.x for a in 1 { alloc s: f32[8] shared { block.x for t in 8 { alloc r: f32[] register {
        s[t] = x[t]
        r[] = x[t]
        combine r[] += over t
        y[t] = s[7 - t] + r[]
    } } } }";
    assert_eq!(
        error(body),
        "race: `s[7]` is stored by thread 7 of block 0 and loaded by thread 0 of block 0, and nothing is between"
    );
    assert!(run(&body.replace("combine r[]", "barrier combine r[]")).is_ok());
    let some = body.replace("s[7 - t] + ", "").replace("combine r[] += over t", "if t < 4 { combine r[] += over t }");
    assert!(matches!(run(&some), Err(InterpError::Divergent { block: 0, thread: 4 })));
}
