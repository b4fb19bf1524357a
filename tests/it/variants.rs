//! Which body an export is compiled from.

use crate::place::Place;

const CONV: &str = "use std::conv::conv2d\n\
    export wide = conv2d(x: f32[1, 256, 56, 56], w: f32[256, 256, 3, 3], pad = 1)\n\
    export narrow = conv2d(x: f16[1, 256, 56, 56], w: f16[256, 256, 3, 3], pad = 1)\n\
    export strided = conv2d(x: f32[1, 64, 28, 28], w: f32[64, 64, 3, 3], stride = 2, pad = 1)\n";

/// The first line of the schedule that is chosen for an export of [`CONV`] with a block more.
fn head(block: &str, args: &[&str]) -> String {
    let place = Place::new();
    place.write("conv.ft", format!("{CONV}{block}"));
    let all = [&["build", "conv.ft", "--target", "x86-64-v4", "--emit", "schedule", "-o", "-"], args].concat();
    let text = place.ftc(&all).succeeds().out;
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_model_chooses_among_exact_variants() {
    assert_eq!(head("", &["--export", "wide"]), "schedule wide as winograd for x86-64-v4 {");
    assert_eq!(head("", &["--export", "strided"]), "schedule strided for x86-64-v4 {");
    // Each intermediate would be rounded to 16 bits.
    assert_eq!(head("", &["--export", "narrow"]), "schedule narrow for x86-64-v4 {");
}

#[test]
fn a_variant_can_be_asked_for_and_refused() {
    let asked = head("", &["--export", "wide", "--variant", "winograd4"]);
    assert_eq!(asked, "schedule wide as winograd4 for x86-64-v4 {");
    assert_eq!(head("", &["--export", "wide", "--variant", "none"]), "schedule wide for x86-64-v4 {");
}

#[test]
fn a_block_is_about_the_body_that_it_names() {
    let block = "schedule wide as winograd4 {\n    split M.c by [?, 4]\n}\n";
    assert_eq!(head(block, &["--export", "wide"]), "schedule wide as winograd4 {");
    assert_eq!(head(block, &["--export", "wide", "--variant", "none"]), "schedule wide for x86-64-v4 {");
    let plain = "schedule wide {\n    split c by [?, 4]\n}\n";
    assert_eq!(head(plain, &["--export", "wide"]), "schedule wide {");
}

/// What `--emit schedule` writes for a variant is a block that gives the same loops.
#[test]
fn the_schedule_of_a_variant_reads_back() {
    let place = Place::new();
    place.write("conv.ft", CONV);
    let emit = |file: &str, kind: &str| {
        let args = ["build", file, "--export", "wide", "--target", "x86-64-v4", "--emit", kind, "-o", "-"];
        place.ftc(&args).succeeds().out
    };
    let (schedule, loops) = (emit("conv.ft", "schedule"), emit("conv.ft", "loops"));
    place.write("again.ft", format!("{CONV}{schedule}"));
    assert_eq!(emit("again.ft", "schedule"), schedule);
    assert_eq!(emit("again.ft", "loops"), loops);
}
