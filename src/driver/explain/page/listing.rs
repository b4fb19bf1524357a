//! Loops and assembly, line by line, for reading beside each other.

use serde::Serialize;

use super::super::grouped;
use super::source::{Quote, Source};

/// A line of the loops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LoopLine {
    pub(super) text: String,
    /// How often a statement runs; empty for other lines.
    pub(super) runs: String,
    /// Whether no statement runs more often.
    pub(super) is_hot: bool,
}

/// Loops, with how often each statement runs. Conditions are taken to hold.
pub(super) fn loops(text: &str) -> Vec<LoopLine> {
    let counts: Vec<_> = runs(text);
    let most = counts.iter().flatten().copied().max();
    let lines = text.lines().zip(counts);
    lines
        .map(|(line, count)| LoopLine {
            text: line.to_owned(),
            runs: count.map_or_else(String::new, grouped),
            is_hot: count.is_some() && count == most,
        })
        .collect()
}

/// The runs of each line, none where a line is no statement.
fn runs(text: &str) -> Vec<Option<u64>> {
    let mut open: Vec<u64> = vec![1];
    let mut counts = Vec::new();
    for line in text.lines().map(str::trim) {
        let inside = *open.last().unwrap_or(&1);
        if line.starts_with('}') {
            open.pop();
        }
        if line.ends_with('{') {
            open.push(inside.saturating_mul(extent(line).unwrap_or(1)));
        }
        let is_statement = !line.ends_with('{') && line.contains("= ");
        counts.push(is_statement.then_some(inside));
    }
    counts
}

/// The extent of a loop: `vector for j.3 in 16 {`.
fn extent(line: &str) -> Option<u64> {
    let (head, rest) = line.split_once(" in ")?;
    head.contains("for ").then(|| rest.trim_end_matches(['{', ' ']).parse().ok())?
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Instruction {
    pub(super) text: String,
    /// What it does, a word that the page has a colour for.
    pub(super) sort: &'static str,
    /// What it comes from, where that is known, and not the same as that of the line before.
    pub(super) from: Option<Quote>,
}

/// The inner loop of an assembly, beside what it comes from as far as `noted`, the same with line information, says it.
pub(super) fn inner_loop(assembly: &str, noted: &str, source: &Source) -> Vec<Instruction> {
    let plain: Vec<_> = assembly.lines().map(|line| (line, None)).collect();
    let noted = source.lines(noted);
    let [plain, noted] = [plain, noted].map(|lines| innermost(&lines).to_vec());
    let is_same = plain.iter().map(|(line, _)| line).eq(noted.iter().map(|(line, _)| line));
    let mut last = None;
    let lines = if is_same { noted } else { plain };
    lines
        .into_iter()
        .map(|(line, from)| {
            let is_new = from.is_some() && from != last;
            if is_new {
                last.clone_from(&from);
            }
            Instruction { text: line.trim_end().replace('\t', "    "), sort: sort(line), from: from.filter(|_| is_new) }
        })
        .collect()
}

/// A line of an assembly, and what it comes from.
type Line<'a> = (&'a str, Option<Quote>);

/// The loop of an assembly that computes most: no loop inside of it, and more arithmetic on vectors than any other.
fn innermost<'l, 'a>(noted: &'l [Line<'a>]) -> &'l [Line<'a>] {
    let lines: Vec<&str> = noted.iter().map(|(line, _)| *line).collect();
    let mut best = (0, 0..0);
    let loops = loops_of(&lines);
    for &(from, to) in &loops {
        let has_inner = loops.iter().any(|&(start, end)| (start, end) != (from, to) && from <= start && end <= to);
        let body = &lines[from..=to];
        let work = body.iter().filter(|line| sort(line) == "compute").count();
        if !has_inner && work > best.0 {
            best = (work, from..to + 1);
        }
    }
    &noted[best.1]
}

/// From a label to the last jump back to it.
fn loops_of(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (from, line) in lines.iter().enumerate() {
        let Some(label) = line.strip_suffix(':').filter(|label| label.starts_with(".L")) else { continue };
        let rest = lines[from..].iter().take_while(|line| !line.contains(".size"));
        let back = rest.enumerate().filter(|(_, line)| jumps_to(line, label)).map(|(at, _)| from + at);
        found.extend(back.last().map(|to| (from, to)));
    }
    found
}

fn jumps_to(line: &str, label: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_jump =
        words.next().is_some_and(|word| word.starts_with('j') || word.starts_with("b.") || word.starts_with("cb"));
    is_jump && words.any(|word| word == label)
}

/// What an instruction does.
fn sort(line: &str) -> &'static str {
    let mut words = line.trim().splitn(2, char::is_whitespace);
    let (name, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_vector = name.starts_with('v') || rest.contains("mm") || rest.contains(".4s") || rest.contains(".2d");
    let is_move = ["mov", "broadcast", "ld", "st", "insert", "perm", "shuf", "unpck", "zero"];
    let is_move = is_move.iter().any(|word| name.contains(word));
    match name {
        _ if line.ends_with(':') => "label",
        _ if !is_vector && (name.starts_with('j') || name.starts_with("b.") || name.starts_with("cb")) => "jump",
        _ if !is_vector => "scalar",
        // In AT&T's order the destination comes last.
        _ if is_move && rest.ends_with(')') => "store",
        _ if is_move => "load",
        _ => "compute",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_products_of_the_loops_around() {
        let text = "kernel k(A: f32[8]) -> (C: f32[8]) {\n  for i in 4 {\n    vector for j in 2 {\n      C[2 * i + j] += A[j]\n    }\n    C[i] = 0.0\n  }\n}\n";
        let lines = loops(text);
        let shown: Vec<_> = lines.iter().map(|line| (line.runs.as_str(), line.is_hot)).collect();
        let none = ("", false);
        assert_eq!(shown, [none, none, none, ("8", true), none, ("4", false), none, none]);
    }

    #[test]
    fn the_inner_loop_is_the_one_that_computes_most() {
        let assembly = ".LBB0_1:\n\tvaddps\t%zmm0, %zmm1, %zmm0\n\tjne\t.LBB0_1\n.LBB0_2:\n\tmovq\t%rax, %rcx\n.LBB0_3:\n\tvmovups\t(%rax), %zmm2\n\tvfmadd231ps\t(%rdi){1to16}, %zmm2, %zmm0\n\tvfmadd231ps\t4(%rdi){1to16}, %zmm2, %zmm1\n\taddq\t$64, %rax\n\tjne\t.LBB0_3\n\tvmovups\t%zmm0, (%rsi)\n\tjne\t.LBB0_2\n";
        let sorts: Vec<_> = inner_loop(assembly, "", &Source::default()).into_iter().map(|line| line.sort).collect();
        assert_eq!(sorts, ["label", "load", "compute", "compute", "scalar", "jump"]);
        assert!(inner_loop("\tretq\n", "", &Source::default()).is_empty());
    }
}
