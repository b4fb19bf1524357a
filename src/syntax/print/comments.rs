//! What stands between the parts of a tree: comments, blank lines, and the lists and rows that make room for them.
//!
//! Comments wait in order; whoever prints a part of the tree first takes those that stand before it. So none is lost:
//! where one stands in a place that has no room for it, it moves to the next that has.

use pretty::DocAllocator;

use super::{Arena, Doc, INDENT, Printer};
use crate::source::Span;
use crate::syntax::ast::{Comment, File};

/// The comments not yet printed.
pub(super) struct Pending<'a> {
    comments: std::collections::VecDeque<(usize, usize, String, bool)>,
    source: &'a str,
    /// The end of what was printed last, in the source.
    last: usize,
    /// Where the `//!` lines begin.
    docs: usize,
}

impl<'a> Pending<'a> {
    /// No comments.
    pub(super) fn none() -> Self {
        Self { comments: std::collections::VecDeque::new(), source: "", last: 0, docs: 0 }
    }

    /// The comments of a file.
    pub(super) fn new(file: &File, source: &'a str) -> Self {
        let take = |comment: &Comment| {
            let range = comment.span.range();
            (range.start, range.end, comment.text.clone(), comment.trailing)
        };
        let docs = if file.docs.is_empty() { None } else { source.find("//!") };
        Self { comments: file.comments.iter().map(take).collect(), source, last: 0, docs: docs.unwrap_or(0) }
    }

    /// The comments above the documentation of the file.
    pub(super) fn before_docs(&mut self) -> Vec<String> {
        let docs = self.docs;
        std::iter::from_fn(|| self.next_before(docs)).collect()
    }

    fn next_before(&mut self, until: usize) -> Option<String> {
        if self.comments.front()?.0 >= until {
            return None;
        }
        let (_, end, text, _) = self.comments.pop_front()?;
        self.last = self.last.max(end);
        Some(text)
    }

    /// The comment that stands behind the thing that ends at `end`, on its line.
    fn next_behind(&mut self, end: usize) -> Option<String> {
        let &(start, _, _, trailing) = self.comments.front()?;
        let between = self.source.get(end..start).unwrap_or("\n");
        let behind = between.chars().all(|c| matches!(c, ' ' | '\t' | ',' | ';'));
        if trailing && behind { self.next_before(usize::MAX) } else { None }
    }

    /// Whether a blank line follows what was printed last.
    fn blank(&self) -> bool {
        let rest = self.source.get(self.last..).unwrap_or("");
        let mut lines = 0;
        for c in rest.chars() {
            match c {
                '\n' => lines += 1,
                ';' | ',' => {}
                _ if c.is_whitespace() => {}
                _ => break,
            }
        }
        lines > 1
    }

    /// Where the bracket stands that closes a list whose last element ends at `end`.
    pub(super) fn closer(&self, end: usize) -> usize {
        let mut at = end;
        while let Some(rest) = self.source.get(at..) {
            let skipped =
                rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == ';').len();
            let comment = &rest[skipped..];
            if !comment.starts_with("//") {
                return at + skipped;
            }
            at += skipped + comment.find('\n').unwrap_or(comment.len());
        }
        end
    }
}

/// Rows of text, with or without a blank line before each.
pub(super) struct Rows<'a> {
    arena: &'a Arena<'a>,
    doc: Doc<'a>,
    empty: bool,
}

impl<'a> Rows<'a> {
    fn push(&mut self, blank: bool, row: Doc<'a>) {
        let arena = self.arena;
        let mut doc = std::mem::replace(&mut self.doc, arena.nil());
        if !self.empty {
            doc = doc.append(arena.hardline());
            if blank {
                doc = doc.append(arena.hardline());
            }
        }
        self.doc = doc.append(row);
        self.empty = false;
    }

    /// All rows.
    pub(super) fn into_doc(self) -> Doc<'a> {
        self.doc
    }

    /// All rows, if there are any.
    pub(super) fn into_filled(self) -> Option<Doc<'a>> {
        (!self.empty).then_some(self.doc)
    }
}

impl<'a> Printer<'a> {
    pub(super) fn rows(&self) -> Rows<'a> {
        Rows { arena: self.arena, doc: self.arena.nil(), empty: true }
    }

    /// Adds rows for the comments before `start`. Says whether a blank line comes next: where the source has one, and
    /// with `apart`, if no comment took it.
    pub(super) fn comment_rows(&mut self, rows: &mut Rows<'a>, start: usize, apart: bool) -> bool {
        let mut blank = apart || self.pending.blank();
        while let Some(comment) = self.pending.next_before(start) {
            let row = self.text(comment);
            rows.push(blank, row);
            blank = self.pending.blank();
        }
        blank
    }

    /// Adds a row for what ends at `end`, with the comment behind it.
    pub(super) fn row(&mut self, rows: &mut Rows<'a>, blank: bool, row: Doc<'a>, end: usize) {
        self.pending.last = self.pending.last.max(end);
        let row = row.append(self.comment_after(end));
        rows.push(blank, row);
    }

    /// The comments before `start`, each on a line of its own.
    pub(super) fn comments_before(&mut self, start: usize) -> Doc<'a> {
        let mut doc = self.arena.nil();
        while let Some(comment) = self.pending.next_before(start) {
            doc = doc.append(self.text(comment)).append(self.arena.hardline());
        }
        doc
    }

    /// The comment behind what ends at `end`; a line end must follow.
    pub(super) fn comment_after(&mut self, end: usize) -> Doc<'a> {
        match self.pending.next_behind(end) {
            Some(comment) => self.text(format!(" {comment}")).append(self.must_break()),
            None => self.arena.nil(),
        }
    }

    /// `(a, b)`, or one element a line.
    pub(super) fn list<T>(
        &mut self,
        open: &str,
        items: &[T],
        close: &str,
        place: impl Fn(&T) -> Span,
        doc: impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        self.open_list(open, items, close, place, doc).group()
    }

    /// The same for what is short and many: all elements stand on one line between the brackets, if they fit.
    pub(super) fn filled_list<T>(
        &mut self,
        open: &str,
        items: &[T],
        close: &str,
        place: impl Fn(&T) -> Span,
        doc: impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        if items.is_empty() {
            return self.text(format!("{open}{close}"));
        }
        let line = self.arena.line_();
        let inner = line.clone().append(self.elements(items, place, doc).group()).nest(INDENT);
        self.text(open).append(inner).append(line).append(self.text(close)).group()
    }

    /// The same, but what is around it decides whether it takes several lines.
    pub(super) fn open_list<T>(
        &mut self,
        open: &str,
        items: &[T],
        close: &str,
        place: impl Fn(&T) -> Span,
        doc: impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        if items.is_empty() {
            return self.text(format!("{open}{close}"));
        }
        let line = self.arena.line_();
        let inner = line.clone().append(self.elements(items, place, doc)).nest(INDENT);
        self.text(open).append(inner).append(line).append(self.text(close))
    }

    /// What stands in the brackets of a list.
    fn elements<T>(
        &mut self,
        items: &[T],
        place: impl Fn(&T) -> Span,
        mut doc: impl FnMut(&mut Self, &T) -> Doc<'a>,
    ) -> Doc<'a> {
        let arena = self.arena;
        let mut inner = arena.nil();
        for (index, item) in items.iter().enumerate() {
            let span = place(item).range();
            inner = inner.append(self.comments_before(span.start)).append(doc(self, item));
            if index + 1 < items.len() {
                inner = inner.append(",").append(self.comment_after(span.end)).append(arena.line());
            } else {
                inner = inner.append(arena.text(",").flat_alt(arena.nil())).append(self.comment_after(span.end));
                let closer = self.pending.closer(span.end);
                while let Some(comment) = self.pending.next_before(closer) {
                    inner = inner.append(arena.hardline()).append(self.text(comment));
                }
            }
        }
        inner
    }
}
