//! Source to tensor graph: `tests/ir/graph/*.ft`, each snapshot with the source first and its exports' graphs after it.

use std::fs;

use crate::front;

#[test]
fn graphs_of_programs() {
    insta::glob!("../ir/graph", "*.ft", |path| {
        let text = fs::read_to_string(path).expect("a text file");
        let stem = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let graphs: Vec<_> = front::graphs(&stem, &text).iter().map(ToString::to_string).collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().expect("a case is in a folder"));
        settings.set_prepend_module_to_snapshot(false);
        settings.remove_snapshot_suffix();
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.bind(|| insta::assert_snapshot!(stem, format!("{text}\n----\n{}", graphs.join("\n"))));
    });
}
