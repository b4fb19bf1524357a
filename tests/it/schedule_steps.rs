//! Each primitive of schedules on small programs: `tests/schedule/PRIMITIVE/*.ft`. A case has one export and one `schedule`
//! block; its snapshot holds the source, then the loops before and after, or the step that is refused and why.

use std::fs;

use ftc::diag::render::{Style, render};
use ftc::driver::schedules::find;
use ftc::loops::simplify::simplify;
use ftc::loops::{Kernel, interp, verify};
use ftc::lower::lower;
use ftc::sema::{self, Request};
use ftc::target::Target;

use crate::front::{self, beside};
use crate::graph_gen::same;
use crate::graphs::samples;

/// The loops before and after the block of a program, or why it is refused.
fn outcome(name: &str, text: &str) -> String {
    let (sources, program, found) = front::program(name, text);
    assert!(found.is_empty(), "{}", render(&sources, &found, Style::Plain));
    let [export] = &sema::exports(&program)[..] else { panic!("{name}: one export") };
    let graph = sema::instantiate(&program, export, &Request::default()).expect("a right export");
    let naive = lower(&graph);
    let block = find(&program, export, &Request::default(), &Target::Interp, None).expect("a schedule block");
    match block.apply(&naive) {
        Err(refused) => render(&sources, &[refused], Style::Plain),
        Ok(changed) => {
            means_the_same(name, &naive, &changed, &samples(&graph));
            format!("{naive}\n---- scheduled ----\n\n{changed}")
        }
    }
}

fn means_the_same(name: &str, naive: &Kernel, changed: &Kernel, inputs: &[ftc::scalar::Values]) {
    let wanted = interp::run(naive, inputs).expect("the naive kernel runs");
    for kernel in [changed.clone(), simplify(changed.clone())] {
        assert_eq!(verify::verify(&kernel), Ok(()), "{name}\n{kernel}");
        let found = interp::run(&kernel, inputs).unwrap_or_else(|error| panic!("{name}: {error}\n{kernel}"));
        assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{name}\n{kernel}\n{found:?}\n{wanted:?}");
    }
}

#[test]
fn primitives_do_as_they_say() {
    insta::glob!("../schedule", "*/*.ft", |path| {
        if path.ends_with("chosen/nests.ft") {
            return;
        }
        let text = fs::read_to_string(path).expect("a text file");
        let stem = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let outcome = outcome(&format!("{stem}.ft"), &text);
        beside(path).bind(|| insta::assert_snapshot!(stem, format!("{text}\n---- loops ----\n\n{outcome}")));
    });
}
