//! Changes of order: the same results for random graphs and real programs, and what they make of kernels.

use ftc::loops::{interp, print, verify};
use ftc::lower::lower;
use ftc::schedule::rows::rows;
use proptest::prelude::*;

use crate::front;
use crate::graph_gen::{self, Choices, same};
use crate::graphs::samples;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn rows_change_no_result(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        let inputs = samples(&graph);
        let naive = lower(&graph);
        let changed = rows(naive.clone());
        prop_assert!(verify::verify(&changed).is_ok(), "{:?}\n{}", verify::verify(&changed), print::print(&changed));
        let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
        let found = interp::run(&changed, &inputs).expect("the changed kernel runs");
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!(same(found, wanted), "{}\n{found:?}\n{wanted:?}", print::print(&changed));
        }
    }
}

#[test]
fn rows_of_programs() {
    for (path, text) in front::sources("tests/schedule/rows") {
        for graph in front::graphs(&path, &text) {
            let changed = rows(lower(&graph));
            assert_eq!(verify::verify(&changed), Ok(()), "{path}");
            let inputs = samples(&graph);
            let wanted = interp::run(&lower(&graph), &inputs).expect("the naive kernel runs");
            let found = interp::run(&changed, &inputs).expect("the changed kernel runs");
            assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{path}");
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("../schedule/rows");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            let name = graph.name.clone();
            settings.bind(|| insta::assert_snapshot!(name, print::print(&changed)));
        }
    }
}
