//! Instructions beside what they come from: the places of a graph's tensors in its source, and what assembly with line
//! information says of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::codegen::places::{Marks, Place, Places};
use crate::graph::Graph;
use crate::loops::Kernel;
use crate::source::{SourceMap, Span};

/// Characters of a quotation, at most.
const LONGEST: usize = 72;

/// A line of the source that an instruction comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Quote {
    /// `gemm.ft:5`
    pub(super) place: String,
    pub(super) text: String,
}

/// The places of a graph's tensors, and what stands there.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) places: Places,
    texts: BTreeMap<Place, String>,
}

impl Source {
    /// Of a graph and its plain loops, whose accumulators keep their names.
    pub(super) fn of(sources: &SourceMap, graph: &Graph, naive: &Kernel) -> Self {
        let mut source = Self::default();
        for (id, tensor) in graph.tensors.iter() {
            if let Some(&span) = graph.origins.defined.get(id) {
                let place = source.add(sources, span);
                source.places.defined.insert(tensor.name.clone(), place);
            }
            if let Some(&span) = graph.origins.read.get(id) {
                let place = source.add(sources, span);
                source.places.read.insert(tensor.name.clone(), place);
            }
        }
        let marks = Marks::of(naive, &source.places);
        for (id, buffer) in naive.buffers.iter() {
            if let Some(place) = marks.stored.get(id) {
                source.places.defined.entry(buffer.name.clone()).or_insert_with(|| place.clone());
            }
        }
        source
    }

    fn add(&mut self, sources: &SourceMap, span: Span) -> Place {
        let (line, column) = sources.line_column(span.file, span.start);
        let file = sources.file(span.file).name.clone();
        let place = Place { file, line: line as u32, column: column as u32 };
        self.texts.insert(place.clone(), shortened(sources.text(span)));
        place
    }

    fn quote(&self, place: &Place) -> Option<Quote> {
        let text = self.texts.get(place)?.clone();
        Some(Quote { place: format!("{}:{}", place.file, place.line), text })
    }

    /// The instructions and labels of assembly with line information, each with what it comes from, as far as that is known.
    pub(super) fn lines<'a>(&self, assembly: &'a str) -> Vec<(&'a str, Option<Quote>)> {
        let mut files: BTreeMap<&str, &str> = BTreeMap::new();
        let (mut lines, mut quote) = (Vec::new(), None);
        for line in assembly.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some(".file") => {
                    // `.file 1 "folder" "name"`
                    if let (Some(number), Some(name)) = (words.next(), line.rsplit('"').nth(1)) {
                        files.insert(number, name);
                    }
                }
                Some(".loc") => {
                    let file = words.next().and_then(|number| files.get(number)).map(|&file| file.to_owned());
                    let mut number = || words.next().and_then(|word| word.parse().ok());
                    let place = file.zip(number().zip(number()));
                    let place = place.map(|(file, (line, column))| Place { file, line, column });
                    quote = place.and_then(|place| self.quote(&place));
                }
                Some(label) if label.starts_with(".Ltmp") => {}
                _ => lines.push((line, quote.clone())),
            }
        }
        lines
    }
}

/// One line, not too long.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_the_last_place_that_was_named() {
        let place = Place { file: "f.ft".to_owned(), line: 5, column: 3 };
        let texts = [(place, "y[i] = x[i]".to_owned())].into_iter().collect();
        let source = Source { texts, ..Source::default() };
        let assembly =
            "\t.file\t1 \"\" \"f.ft\"\n.LBB0_1:\n\t.loc\t1 5 3 prologue_end\n.Ltmp0:\n\taddss\n\t.loc\t1 0 3\n\tincq\n";
        let lines = source.lines(assembly);
        let shown: Vec<_> = lines.iter().map(|(line, quote)| (line.trim(), quote.is_some())).collect();
        assert_eq!(shown, [(".LBB0_1:", false), ("addss", true), ("incq", false)]);
        assert_eq!(lines[1].1.as_ref().map(|quote| quote.place.as_str()), Some("f.ft:5"));
    }

    #[test]
    fn quotations_are_one_line() {
        assert_eq!(shortened("a =\n    b"), "a = b");
        assert_eq!(shortened(&"x".repeat(100)).chars().count(), LONGEST + 1);
    }
}
