//! Bodies, statements and blocks as text.

use pretty::DocAllocator;

use super::{Doc, Form, INDENT, Printer, expr};
use crate::syntax::ast::{Expr, ExprKind, Index, LocalLet, Stmt, StmtKind};

impl<'a> Printer<'a> {
    /// The body of a function that ends at `end`.
    pub(super) fn body(&mut self, body: &[Stmt], end: usize) -> Doc<'a> {
        let mut rows = self.rows();
        for stmt in body {
            let span = stmt.span.range();
            let blank = self.comment_rows(&mut rows, span.start, false);
            let doc = self.stmt(stmt);
            self.row(&mut rows, blank, doc, span.end);
        }
        self.comment_rows(&mut rows, end, false);
        match rows.into_filled() {
            Some(rows) => self.in_braces(rows),
            None => self.text("{}"),
        }
    }

    /// Rows between braces, on lines of their own.
    pub(super) fn in_braces(&self, rows: Doc<'a>) -> Doc<'a> {
        let line = self.arena.hardline();
        self.text("{").append(line.clone().append(rows).nest(INDENT)).append(line).append("}")
    }

    fn stmt(&mut self, stmt: &Stmt) -> Doc<'a> {
        let word = |is_let: bool| if is_let { "let " } else { "" };
        match &stmt.kind {
            StmtKind::Element { is_let, target, indices, value } => {
                let head = self.text(format!("{}{}", word(*is_let), target.name));
                let head = head.append(self.filled_list("[", indices, "]", expr::index_span, Self::index));
                self.assignment(head, value)
            }
            StmtKind::Whole { is_let, targets, value } => {
                let names = match &targets[..] {
                    [target] => self.name(target),
                    _ => self.list("(", targets, ")", |name| name.span, |printer, name| printer.name(name)),
                };
                let head = self.text(word(*is_let)).append(names);
                self.assignment(head, value)
            }
            StmtKind::Error => self.text(self.source.get(stmt.span.range()).unwrap_or("")),
        }
    }

    fn index(&mut self, index: &Index) -> Doc<'a> {
        match index {
            Index::At { expr, range: None } => self.expr(expr),
            Index::At { expr, range: Some(range) } => self.expr(expr).append(": ").append(self.expr(range)),
            Index::Spread(name) => self.text(format!("..{}", name.name)),
        }
    }

    /// `head = value`. A value that has brackets of its own to break begins on the line of its head.
    pub(super) fn assignment(&mut self, head: Doc<'a>, value: &Expr) -> Doc<'a> {
        let stays = match &value.kind {
            ExprKind::Binary(..) | ExprKind::Unary(..) => expr::begins_with_block(value),
            ExprKind::Read { otherwise, .. } => otherwise.is_none(),
            _ => true,
        };
        let doc = self.expr(value);
        if stays {
            head.append(" = ").append(doc)
        } else {
            head.append(" =").append(self.arena.line().append(doc).nest(INDENT).group())
        }
    }

    /// `{ let s = e … result }`
    pub(super) fn block(&mut self, lets: &[LocalLet], result: &Expr) -> Doc<'a> {
        match self.form {
            Form::File => {
                let rows = self.block_rows(lets, result);
                self.in_braces(rows)
            }
            Form::Quote => {
                let mut doc = self.text("{ ");
                for local in lets {
                    doc = doc.append(self.local(local)).append("; ");
                }
                doc.append(self.result(lets, result)).append(" }")
            }
        }
    }

    /// What stands in a block.
    pub(super) fn block_rows(&mut self, lets: &[LocalLet], result: &Expr) -> Doc<'a> {
        let mut rows = self.rows();
        for local in lets {
            let blank = self.comment_rows(&mut rows, local.name.span.start as usize, false);
            let doc = self.local(local);
            self.row(&mut rows, blank, doc, local.value.span.end as usize);
        }
        let blank = self.comment_rows(&mut rows, result.span.start as usize, false);
        let doc = self.result(lets, result);
        self.row(&mut rows, blank, doc, result.span.end as usize);
        let closer = self.pending.closer(result.span.end as usize);
        self.comment_rows(&mut rows, closer, false);
        rows.into_doc()
    }

    fn local(&mut self, local: &LocalLet) -> Doc<'a> {
        let head = self.text(format!("let {}", local.name.name));
        self.assignment(head, &local.value)
    }

    /// The result of a block. On a line after another, a sign or a brace at its start would go on with that line.
    fn result(&mut self, lets: &[LocalLet], result: &Expr) -> Doc<'a> {
        let doc = self.expr(result);
        if !lets.is_empty() && expr::goes_on(result) { self.text("(").append(doc).append(")") } else { doc }
    }
}
