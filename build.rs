//! Generates the parser from `grammar/ftc.lalrpop`.

fn main() {
    println!("cargo::rerun-if-changed=grammar/ftc.lalrpop");
    lalrpop::Configuration::new()
        .set_in_dir("grammar")
        .emit_rerun_directives(false)
        .process()
        .expect("the grammar is unambiguous");
}
