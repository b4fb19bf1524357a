//! Chains of intermediates that are computed block by block: whatever point of their space is a schedule, it gives what
//! the plain loops give.

use ftc::driver::{self, Session, choose, select};
use ftc::loops::{Kernel, interp, verify};
use ftc::lower::lower;
use ftc::scalar::Values;
use ftc::schedule;
use ftc::target::{Machine, Target};

use crate::graph_gen::same;
use crate::graphs::samples;

/// A convolution by Winograd's method, and inputs for it.
fn convolution(call: &str) -> (Kernel, Vec<Values>) {
    let mut session = Session::default();
    let (exports, variants) = (vec![call.to_owned()], vec!["winograd".to_owned()]);
    let what = select::Selection { exports, variants, ..select::Selection::default() };
    let selected = select::select(&mut session, &what).expect("the call is right");
    let graph = driver::instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
    let graph = graph.expect("the call is right");
    (lower(&graph), samples(&graph))
}

#[test]
fn points_of_chains_keep_results() {
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
    for call in [
        "conv2d(x: f32[1, 3, 12, 13], w: f32[4, 3, 3, 3], pad = 1)",
        "conv_transpose2d(x: f32[2, 3, 8, 8], w: f32[3, 4, 3, 3], pad = 1)",
    ] {
        let (naive, inputs) = convolution(call);
        let wanted = interp::run(&naive, &inputs).expect("the plain loops run");
        let mut candidates = choose::candidates(&naive, &Machine::of(&cpu, 2).into());
        let arrangements = candidates.knobs.knobs[0].values.clone();
        let chains = (0u16..).zip(&arrangements).filter(|(_, name)| name.starts_with("Y M V in y "));
        let chains: Vec<_> = chains.map(|(number, _)| number).collect();
        assert!(!chains.is_empty(), "{call}: {arrangements:?}");
        let starts = candidates.starts(2 * arrangements.len());
        let starts: Vec<_> = starts.into_iter().filter(|start| chains.contains(&start.0[0])).collect();
        let near = starts.iter().flat_map(|start| candidates.knobs.neighbours(start)).step_by(3);
        let mut legal = 0;
        for point in starts.iter().cloned().chain(near.collect::<Vec<_>>()) {
            let Ok(steps) = candidates.schedule(&point) else { continue };
            let applied = schedule::apply(&naive, &steps);
            // What the model has judged is a schedule.
            assert!(applied.is_ok() || candidates.predict(&point).is_err(), "{steps}");
            let Ok(changed) = applied else { continue };
            assert_eq!(verify::verify(&changed), Ok(()), "{steps}");
            let found = interp::run(&changed, &inputs).unwrap_or_else(|error| panic!("{error}\n{steps}"));
            assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{steps}");
            legal += 1;
        }
        assert!(legal > 20, "{call}: {legal}");
    }
}
