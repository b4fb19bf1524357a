//! The schedules that the model chooses: legal for random graphs and real programs, and what they make of kernels.

use ftc::driver::choose::choose;
use ftc::loops::{interp, print, verify};
use ftc::lower::lower;
use ftc::schedule;
use ftc::target::{Machine, Platform, Target};
use proptest::prelude::*;

use crate::front;
use crate::graph_gen::{self, Choices, same};
use crate::graphs::samples;

fn machine(target: &str) -> Platform {
    let Ok(Target::Cpu(cpu)) = Target::parse(target, None) else { panic!("{target} is a CPU") };
    Machine::of(&cpu, 4).into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn chosen_schedules_change_no_result(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        let inputs = samples(&graph);
        let naive = lower(&graph);
        let chosen = choose(&naive, &machine("x86-64-v4"));
        let changed = schedule::apply(&naive, &chosen).expect("what is chosen is legal");
        prop_assert!(verify::verify(&changed).is_ok(), "{:?}\n{}", verify::verify(&changed), print::print(&changed));
        let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
        let found = interp::run(&changed, &inputs).expect("the changed kernel runs");
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!(same(found, wanted), "{chosen}\n{}\n{found:?}\n{wanted:?}", print::print(&changed));
        }
    }
}

#[test]
fn chosen_for_programs() {
    for (path, text) in front::sources("tests/schedule/chosen") {
        for graph in front::graphs(&path, &text) {
            let naive = lower(&graph);
            let chosen = choose(&naive, &machine("x86-64-v3"));
            let changed = schedule::apply(&naive, &chosen).expect("what is chosen is legal");
            assert_eq!(verify::verify(&changed), Ok(()), "{path}");
            let inputs = samples(&graph);
            let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
            let found = interp::run(&changed, &inputs).expect("the changed kernel runs");
            assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{path}");
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("../schedule/chosen");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            let name = graph.name.clone();
            settings.bind(|| insta::assert_snapshot!(name, format!("{chosen}\n{}", print::print(&changed))));
        }
    }
}
