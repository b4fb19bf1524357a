//! Schedules that FlexTensor published, beside ours: translated, compiled by ftc, and timed on one GPU.
//!
//! ```text
//! cargo bench --bench flextensor -- write FOLDER              both sides as `.ft` files
//! cargo bench --bench flextensor -- compile FOLDER            images of these files, on any machine with nvcc
//! cargo bench --bench flextensor -- time FOLDER [NUMBER…]     on the machine with the GPU: a line for each schedule
//! ```
//!
//! It takes `benches/flextensor/v100.json`. Ours is what `ftc bench` would compile: the schedules that come with ftc, else
//! what the model chooses.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

mod clock;
mod image;
mod translate;

use std::path::Path;

use translate::Record;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let records: Vec<Record> = serde_json::from_str(include_str!("v100.json")).expect("the data is as its type says");
    match words[..] {
        ["write", folder] => write(&records, Path::new(folder)),
        ["compile", folder] => image::compile(records.len(), Path::new(folder)),
        ["time", folder, ref numbers @ ..] => {
            let numbers: Vec<usize> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
            clock::time(&records, Path::new(folder), &numbers);
        }
        _ => println!("usage: cargo bench --bench flextensor -- write|compile|time FOLDER [NUMBER…]"),
    }
}

/// Both sides of all schedules as files.
fn write(records: &[Record], folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (number, record) in records.iter().enumerate() {
        for (side, text) in [("theirs", record.theirs()), ("ours", record.shape.ours())] {
            let text = format!("//! {}: {}.\n\n{text}", record.kind, record.shape.words());
            std::fs::write(image::file(folder, number, side, "ft"), text).expect("a file");
        }
    }
}
