//! Source files through to kernels: each lowers, verifies, simplifies, and means the same all along.

use ftc::graph::Graph;
use ftc::graph::eval::Evaluator;
use ftc::graph::flops::flops;
use ftc::loops::interp;
use ftc::loops::simplify::simplify;
use ftc::loops::verify::verify;
use ftc::lower::lower;

use crate::front;
use crate::graph_gen::same;
use crate::graphs::samples;

/// Larger ones are for the verifier alone.
const MOST_FLOPS: u64 = 20_000_000;

fn check(name: &str, graph: &Graph) {
    let naive = lower(graph);
    assert_eq!(verify(&naive), Ok(()), "{name}\n{naive}");
    let simple = simplify(naive.clone());
    assert_eq!(verify(&simple), Ok(()), "{name}\n{naive}\n{simple}");
    if flops(graph) > MOST_FLOPS {
        return;
    }
    let inputs = samples(graph);
    let wanted = interp::run(&naive, &inputs).unwrap_or_else(|e| panic!("{name}: {e}\n{naive}"));
    let found = interp::run(&simple, &inputs).unwrap_or_else(|e| panic!("{name}: {e}\n{simple}"));
    let mut evaluator = Evaluator::new(graph, &inputs).expect("the inputs fit");
    for ((wanted, found), &output) in wanted.iter().zip(&found).zip(&graph.outputs) {
        assert!(same(wanted, found), "{name}\n{naive}\n{simple}");
        let evaluated = evaluator.tensor(output).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(same(wanted, &evaluated), "{name}\n{naive}");
    }
}

#[test]
fn programs_mean_the_same_all_along() {
    for folder in ["tests/ir/graph", "tests/ir/loops"] {
        for (name, text) in front::sources(folder) {
            for graph in front::graphs(&name, &text) {
                check(&name, &graph);
            }
        }
    }
}

#[test]
fn kernels_of_programs() {
    insta::glob!("../ir/loops", "*.ft", |path| {
        let text = std::fs::read_to_string(path).expect("a text file");
        let name = path.file_name().expect("a file").to_string_lossy();
        let kernels: Vec<_> = front::graphs(&name, &text)
            .iter()
            .map(|graph| {
                let naive = lower(graph);
                format!("{naive}\nsimplified, {} flops:\n\n{}", flops(graph), simplify(naive.clone()))
            })
            .collect();
        insta::with_settings!({ omit_expression => true, snapshot_path => "../ir/loops", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("kernel", format!("{text}\n----\n{}", kernels.join("\n")));
        });
    });
}
