//! Source to tensor graph: `tests/ir/graph/*.ft`, each snapshot with the source first and its exports' graphs after it.

use std::fs;

use crate::front;

#[test]
fn graphs_of_programs() {
    insta::glob!("../ir/graph", "*.ft", |path| {
        let text = fs::read_to_string(path).expect("a text file");
        let stem = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let graphs: Vec<_> = front::graphs(&stem, &text).iter().map(ToString::to_string).collect();
        let settings = front::beside(path);
        settings.bind(|| insta::assert_snapshot!(stem, format!("{text}\n----\n{}", graphs.join("\n"))));
    });
}
