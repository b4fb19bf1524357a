//! Generates the parser from `grammar/ftc.lalrpop`.

fn main() {
    println!("cargo::rerun-if-changed=grammar");
}
