//! The lines of a file that a diagnostic shows, made fit to be shown.
//!
//! A place is moved into its file and onto character boundaries, and ends with its first line. A long line is cut
//! around its places. Control characters, and those that turn the direction of text, are replaced by visible ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use codespan_reporting::files::{Error, Files};

use crate::source::{FileId, SourceFile, Span};

/// Longer lines are cut.
const MAX_LINE: usize = 180;

/// How much of a long line is shown before the first place in it.
const BEFORE: usize = 60;

/// Where the lines of files begin, found once.
#[derive(Debug, Default)]
pub(super) struct LineStarts(BTreeMap<FileId, Vec<usize>>);

impl LineStarts {
    /// The first byte of every line of `text`.
    pub(super) fn of(&mut self, file: FileId, text: &str) -> &[usize] {
        self.0
            .entry(file)
            .or_insert_with(|| std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }
}

/// The excerpts of all files of one diagnostic.
#[derive(Debug, Default)]
pub(super) struct Excerpts(BTreeMap<FileId, Excerpt>);

/// Some lines of one file.
#[derive(Debug)]
struct Excerpt {
    name: String,
    /// The lines as they are shown, one after the other.
    text: String,
    /// By number, from 0: where they are in `text`.
    lines: BTreeMap<usize, Range<usize>>,
    /// Where places of the file are in `text`.
    places: BTreeMap<Span, Range<usize>>,
    /// The columns of the starts of places, from 1, in the file.
    columns: BTreeMap<usize, usize>,
}

/// A place on one line.
struct Spot {
    span: Span,
    line: usize,
    range: Range<usize>,
}

impl Excerpts {
    /// Adds what is to be shown of a file, of which the lines begin at `starts`.
    pub(super) fn add(&mut self, id: FileId, file: &SourceFile, starts: &[usize], spans: &[Span]) {
        let spots: Vec<Spot> = spans.iter().map(|&span| spot(&file.text, starts, span)).collect();
        let mut wanted: BTreeSet<usize> = spots.iter().map(|spot| spot.line).collect();
        let gaps: Vec<usize> = wanted.iter().map(|line| line + 1).filter(|gap| wanted.contains(&(gap + 1))).collect();
        wanted.extend(gaps);
        let mut excerpt = Excerpt {
            name: file.name.clone(),
            text: String::new(),
            lines: BTreeMap::new(),
            places: BTreeMap::new(),
            columns: BTreeMap::new(),
        };
        for line in wanted {
            let range = line_range(&file.text, starts, line);
            let spots: Vec<&Spot> = spots.iter().filter(|spot| spot.line == line).collect();
            excerpt.line(&file.text, line, range, &spots);
        }
        self.0.insert(id, excerpt);
    }

    /// Where a place is in the excerpt of its file.
    pub(super) fn place(&self, span: Span) -> Range<usize> {
        self.0.get(&span.file).and_then(|excerpt| excerpt.places.get(&span)).cloned().unwrap_or(0..0)
    }

    fn get(&self, id: FileId) -> Result<&Excerpt, Error> {
        self.0.get(&id).ok_or(Error::FileMissing)
    }
}

impl Excerpt {
    /// Adds a line.
    fn line(&mut self, text: &str, number: usize, range: Range<usize>, spots: &[&Spot]) {
        let first = spots.iter().map(|spot| spot.range.start).min().unwrap_or(range.start);
        let shown = window(text, &range, first);
        let start = self.text.len();
        if shown.start > range.start {
            self.text.push('…');
        }
        let content = self.text.len();
        self.text.extend(text[shown.clone()].chars().map(visible));
        let end = self.text.len();
        for spot in spots {
            // How far a place of the file is in the shown line; what is cut off is at its rim.
            let put = |at: usize| {
                let at = at.clamp(shown.start, shown.end);
                content + text[shown.start..at].chars().map(|c| visible(c).len_utf8()).sum::<usize>()
            };
            let place = put(spot.range.start)..put(spot.range.end);
            self.columns.insert(place.start, text[range.start..spot.range.start].chars().count() + 1);
            self.places.insert(spot.span, place);
        }
        if shown.end < range.end {
            self.text.push('…');
        }
        self.lines.insert(number, start..self.text.len().max(end));
        self.text.push('\n');
    }
}

/// What is shown of a line: all of it, or a piece around `at`.
fn window(text: &str, line: &Range<usize>, at: usize) -> Range<usize> {
    let content = &text[line.clone()];
    if content.len() <= MAX_LINE {
        return line.clone();
    }
    let before = text[line.start..at].char_indices().rev().nth(BEFORE - 1);
    let start = before.map_or(line.start, |(offset, _)| line.start + offset);
    let after = text[start..line.end].char_indices().nth(MAX_LINE);
    start..after.map_or(line.end, |(offset, _)| start + offset)
}

/// The character that is shown for `c`.
fn visible(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}

fn line_range(text: &str, starts: &[usize], line: usize) -> Range<usize> {
    let start = starts.get(line).copied().unwrap_or(text.len());
    let end = starts.get(line + 1).map_or(text.len(), |next| next - 1);
    let content = &text[start..end];
    start..start + content.strip_suffix('\r').unwrap_or(content).len()
}

/// The first line of a place.
fn spot(text: &str, starts: &[usize], span: Span) -> Spot {
    let start = boundary(text, span.start as usize);
    let line = starts.partition_point(|&first| first <= start).saturating_sub(1);
    let range = line_range(text, starts, line);
    let start = start.min(range.end);
    let end = boundary(text, span.end as usize).clamp(start, range.end);
    Spot { span, line, range: start..end }
}

/// The last character boundary of `text` that is not after `at`.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl<'a> Files<'a> for Excerpts {
    type FileId = FileId;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: FileId) -> Result<&'a str, Error> {
        Ok(&self.get(id)?.name)
    }

    fn source(&'a self, id: FileId) -> Result<&'a str, Error> {
        Ok(&self.get(id)?.text)
    }

    fn line_index(&'a self, id: FileId, byte: usize) -> Result<usize, Error> {
        let excerpt = self.get(id)?;
        let line = excerpt.lines.iter().take_while(|(_, range)| range.start <= byte).last();
        line.map(|(&line, _)| line).ok_or(Error::IndexTooLarge { given: byte, max: excerpt.text.len() })
    }

    fn line_range(&'a self, id: FileId, line: usize) -> Result<Range<usize>, Error> {
        let excerpt = self.get(id)?;
        excerpt.lines.get(&line).cloned().ok_or(Error::LineTooLarge { given: line, max: excerpt.lines.len() })
    }

    fn column_number(&'a self, id: FileId, _line: usize, byte: usize) -> Result<usize, Error> {
        Ok(self.get(id)?.columns.get(&byte).copied().unwrap_or(1))
    }
}
