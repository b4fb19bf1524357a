//! The model of GPUs puts schedules in the order in which an H200 does: pairs that were measured far apart there, on it or
//! on its likes; the times are about so many microseconds.

use ftc::driver::lock::{cycles, parse_schedule};
use ftc::loops::Kernel;
use ftc::lower::lower;
use ftc::target::{Platform, Target};

use crate::front;

fn platform() -> Platform {
    let Ok(Target::Gpu(gpu)) = Target::parse("cuda", None) else { panic!("it is a GPU") };
    gpu.chip().into()
}

fn kernel(call: &str) -> Kernel {
    let text = format!("use std::linalg::{{gemm, gemv}}\nuse std::conv::conv2d\nexport k = {call}\n");
    lower(&front::graphs("k.ft", &text)[0])
}

/// A product of matrices in tiles: pieces of rows and of columns as for `split`, how `k` is split, what follows.
fn product(rows: &str, columns: &str, depth: &str, more: &str) -> String {
    format!(
        "split i by [?, {rows}] tail pad\nsplit j by [?, {columns}] tail pad\nsplit k by [?, {depth}]\n\
         reorder i.0 j.0 i.2 j.2 k.0 k.1 i.1 i.3 j.1 j.3\nbind i.0 to grid.y\nbind j.0 to grid.x\n\
         bind i.2 to block.y\nbind j.2 to block.x\n{more}unroll k.1 i.1 i.3 j.1 j.3\n"
    )
}

const STAGED: &str =
    "stage A at k.0 as [k.1, i.1, i.2, i.3] in shared\nstage B at k.0 as [k.1, j.1, j.2, j.3] in shared\n";

/// Holds the cycles of two schedules of a kernel to the times that were measured.
fn is_ranked(call: &str, fast: (&str, f64), slow: (&str, f64)) {
    let kernel = kernel(call);
    let of = |text: &str| {
        let schedule = parse_schedule(text).unwrap_or_else(|why| panic!("{call}: {why}:\n{text}"));
        cycles(&kernel, &schedule, &platform()).unwrap_or_else(|| panic!("{call}: is refused:\n{text}"))
    };
    let ([better, worse], [quick, long]) = ([of(fast.0), of(slow.0)], [fast.1, slow.1]);
    assert!(worse > 1.15 * better, "{call}: {quick} and {long} microseconds, {better:.0} and {worse:.0} cycles");
}

#[test]
fn larger_tiles_of_threads_read_less() {
    let call = "gemm(A: f32[2048, 2048], B: f32[2048, 2048])";
    let wide = product("2, 16, 4", "2, 16, 4", "16", STAGED);
    let narrow = product("1, 16, 2", "1, 16, 2", "16", STAGED);
    is_ranked(call, (&wide, 378.0), (&narrow, 1500.0));
}

#[test]
fn operands_are_read_from_shared_memory() {
    let call = "gemm(A: f32[512, 512], B: f32[512, 512])";
    let staged = product("1, 16, 4", "1, 8, 4", "32", STAGED);
    let half = product("1, 16, 4", "1, 8, 4", "32", "stage A at k.0 as [k.1, i.1, i.2, i.3] in shared\n");
    is_ranked(call, (&staged, 16.0), (&half, 80.0));
}

#[test]
fn threads_join_long_sums_of_few_results() {
    let call = "gemv(A: f32[1024, 1024], x: f32[1024])";
    let joined = "split k by [?, 128]\nreorder i k.1 k.0\nrfactor k.1\nsplit i by [?, 4] tail guard\n\
                  bind i.0 to grid.x\nbind i.1 to block.y\nbind k.1 to block.x\n";
    let alone = "reorder i k\nsplit i by [?, 32] tail guard\nbind i.0 to grid.x\nbind i.1 to block.x\n";
    is_ranked(call, (joined, 2.1), (alone, 32.0));
}

#[test]
fn blocks_share_sums_where_results_are_few() {
    let call = "gemm(A: f32[32, 1024], B: f32[1024, 1024])";
    let whole = product("1, 8, 4", "1, 16, 4", "64", STAGED);
    let shared = whole
        .replace("split k by [?, 64]", "split k by [?, 2, 64]")
        .replace("reorder i.0 j.0 i.2 j.2 k.0 k.1", "reorder k.0 i.0 j.0 i.2 j.2 k.1 k.2")
        .replace("bind i.0 to grid.y", "rfactor k.0\nbind k.0 to grid.z\nbind i.0 to grid.y")
        .replace("at k.0 as [k.1", "at k.1 as [k.2")
        .replace("unroll k.1", "unroll k.2");
    is_ranked(call, (&shared, 6.2), (&whole, 24.5));
}
