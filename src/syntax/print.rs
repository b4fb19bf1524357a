//! Syntax tree to canonical text, with its comments: the formatter, and the way in which messages quote expressions.
//!
//! `parse(print(tree)) == tree` but for places, and printing what was printed changes nothing. Lines have up to 100
//! columns. A list that does not fit has one element a line; an expression that does not fit is broken before its
//! operators. Comments keep their place among items, statements, elements of lists and operands; blank lines stay
//! between statements, one at most.
//!
//! The layout is found by `pretty`, whose documents are built here: `print` has the items, `stmt` statements and
//! blocks, `expr` expressions, `step` schedules, `comments` what stands between them.

mod comments;
mod expr;
mod step;
mod stmt;

use pretty::DocAllocator;

use self::comments::Pending;
use super::ast::{
    Attr, Braces, Clause, Export, ExportArg, Expr, File, Function, Generic, Ident, Item, Output, Param, Type, Use,
    UseName, Variant,
};

/// The longest line.
const WIDTH: usize = 100;

/// How far lines are indented in brackets.
const INDENT: isize = 4;

type Arena<'a> = pretty::Arena<'a>;
type Doc<'a> = pretty::DocBuilder<'a, Arena<'a>>;

/// The canonical text of a file. `source` is the text that the tree was parsed from; a tree without one is printed
/// with an empty `source`.
pub fn print(file: &File, source: &str) -> String {
    let arena = Arena::new();
    let mut printer =
        Printer { arena: &arena, source, pending: Pending::new(file, source), form: Form::File, kind_parens: 0 };
    let doc = printer.file(file);
    finish(&rendered(&doc, WIDTH))
}

/// An expression on one line, as messages quote it.
pub fn print_expr(expr: &Expr) -> String {
    let arena = Arena::new();
    let mut printer =
        Printer { arena: &arena, source: "", pending: Pending::none(), form: Form::Quote, kind_parens: 0 };
    let doc = printer.expr(expr).group();
    rendered(&doc, usize::MAX / 2)
}

fn rendered(doc: &Doc<'_>, width: usize) -> String {
    let mut text = String::new();
    doc.render_fmt(width, &mut text).expect("a string takes any text");
    text
}

/// Lines without blanks at their ends, and one line end at the end.
fn finish(text: &str) -> String {
    let lines = text.trim().lines().flat_map(|line| [line.trim_end(), "\n"]);
    lines.collect()
}

/// What the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A file: blocks take several lines.
    File,
    /// A quotation: everything on one line.
    Quote,
}

struct Printer<'a> {
    arena: &'a Arena<'a>,
    /// The text that the tree was parsed from; numbers keep their spelling.
    source: &'a str,
    /// The comments not yet printed.
    pending: Pending<'a>,
    form: Form,
    /// How many parentheses are open that are there for the reader.
    kind_parens: u32,
}

impl<'a> Printer<'a> {
    fn text(&self, text: impl Into<String>) -> Doc<'a> {
        self.arena.text(text.into())
    }

    fn name(&self, name: &Ident) -> Doc<'a> {
        self.text(&name.name)
    }

    /// Nothing, but what is around it does not fit on one line.
    fn must_break(&self) -> Doc<'a> {
        self.arena.nil().flat_alt(self.arena.fail())
    }

    // ---- Files and items ------------------------------------------------------------------------------------------

    fn file(&mut self, file: &File) -> Doc<'a> {
        let mut doc = self.arena.nil();
        for comment in self.pending.before_docs() {
            doc = doc.append(self.text(comment)).append(self.arena.hardline());
        }
        doc = doc.append(self.doc_lines("//!", &file.docs));
        if !file.docs.is_empty() {
            doc = doc.append(self.arena.hardline());
        }
        let mut rows = self.rows();
        let mut last: Option<&Item> = None;
        for item in &file.items {
            let span = item_span(item).range();
            let apart = last.is_some_and(|last| !belong_together(last, item));
            let blank = self.comment_rows(&mut rows, span.start, apart);
            let doc = self.item(item);
            self.row(&mut rows, blank, doc, span.end);
            last = Some(item);
        }
        self.comment_rows(&mut rows, usize::MAX, false);
        doc.append(rows.into_doc())
    }

    fn item(&mut self, item: &Item) -> Doc<'a> {
        match item {
            Item::Use(item) => self.use_item(item),
            Item::Const(item) => {
                let head = self.doc_lines("///", &item.docs).append(format!("const {}", item.name.name));
                self.assignment(head, &item.value)
            }
            Item::Function(item) => self.function(item),
            Item::Variant(item) => self.variant(item),
            Item::Export(item) => self.export(item),
            Item::Schedule(item) => self.schedule(item),
            Item::Error(span) => self.text(self.source.get(span.range()).unwrap_or("")),
        }
    }

    fn doc_lines(&self, marker: &str, lines: &[String]) -> Doc<'a> {
        let lines = lines.iter().map(|line| {
            let text = if line.is_empty() { marker.to_owned() } else { format!("{marker} {line}") };
            self.text(text).append(self.arena.hardline())
        });
        self.arena.concat(lines)
    }

    fn use_item(&mut self, item: &Use) -> Doc<'a> {
        let parts: Vec<&str> = item.path.iter().map(|part| part.name.as_str()).collect();
        let head = self.text(format!("use {}::", parts.join("::")));
        let names = |printer: &mut Self, name: &UseName| {
            let alias = name.alias.as_ref().map_or(String::new(), |alias| format!(" as {}", alias.name));
            printer.text(format!("{}{alias}", name.name.name))
        };
        if item.braces == Braces::Absent
            && let [name] = &item.names[..]
        {
            return head.append(names(self, name));
        }
        let place = |name: &UseName| name.name.span.to(name.alias.as_ref().unwrap_or(&name.name).span);
        head.append(self.list("{", &item.names, "}", place, names))
    }

    fn function(&mut self, item: &Function) -> Doc<'a> {
        let docs = self.doc_lines("///", &item.docs);
        let attrs: Vec<Doc<'a>> = item.attrs.iter().map(|attr| self.attr(attr)).collect();
        let mut head = self.text(if item.is_pub { "pub fn " } else { "fn " }).append(self.name(&item.name));
        if !item.generics.is_empty() {
            let place = |generic: &Generic| generic.name.span.to(generic.bound.span);
            head = head.append(self.list("<", &item.generics, ">", place, |printer, generic| {
                printer.text(format!("{}: {}", generic.name.name, generic.bound.name))
            }));
        }
        let params = self.open_list("(", &item.params, ")", param_span, Self::param);
        let outputs = self.list("(", &item.outputs, ")", |out| out.name.span.to(out.ty.span), Self::output);
        let head = head.append(params).append(" -> ").append(outputs);
        let head =
            if item.clauses.is_empty() { head.append(" ").group() } else { self.clauses(head.group(), &item.clauses) };
        let body = self.body(&item.body, item.span.end as usize);
        docs.append(self.arena.concat(attrs)).append(head).append(body)
    }

    fn attr(&mut self, attr: &Attr) -> Doc<'a> {
        let mut doc = self.text(format!("#[{}", attr.name.name));
        if !attr.args.is_empty() {
            let place = |(name, value): &(Ident, Expr)| name.span.to(value.span);
            doc = doc.append(self.list("(", &attr.args, ")", place, |printer, (name, value)| {
                printer.text(format!("{} = ", name.name)).append(printer.expr(value))
            }));
        }
        doc.append("]").append(self.arena.hardline())
    }

    fn param(&mut self, param: &Param) -> Doc<'a> {
        let doc = self.text(format!("{}: {}", param.name.name, if param.is_const { "const " } else { "" }));
        let doc = doc.append(self.ty(&param.ty));
        match &param.default {
            Some(default) => doc.append(" = ").append(self.expr(default)),
            None => doc,
        }
    }

    fn output(&mut self, output: &Output) -> Doc<'a> {
        self.text(format!("{}: ", output.name.name)).append(self.ty(&output.ty))
    }

    fn ty(&mut self, ty: &Type) -> Doc<'a> {
        let elem = self.name(&ty.elem);
        match &ty.dims {
            Some(dims) => elem.append(self.filled_list("[", dims, "]", expr::dim_span, Self::dim)),
            None => elem,
        }
    }

    fn clauses(&mut self, head: Doc<'a>, clauses: &[Clause]) -> Doc<'a> {
        let mut rows = self.arena.hardline();
        for (index, clause) in clauses.iter().enumerate() {
            if index > 0 {
                rows = rows.append(self.arena.hardline());
            }
            let span = match clause {
                Clause::Define { name, value } => name.span.to(value.span),
                Clause::Require(condition) => condition.span,
            };
            rows = rows.append(self.comments_before(span.start as usize));
            rows = rows.append(match clause {
                Clause::Define { name, value } => self.text(format!("{} = ", name.name)).append(self.expr(value)),
                Clause::Require(condition) => self.expr(condition),
            });
            rows = rows.append(",").append(self.comment_after(span.end as usize));
        }
        let line = self.arena.hardline();
        head.append(line.clone()).append("where").append(rows.nest(INDENT)).append(line)
    }

    fn variant(&mut self, item: &Variant) -> Doc<'a> {
        let docs = self.doc_lines("///", &item.docs);
        let mut head = self.text(format!("variant {} of {}", item.name.name, item.function.name));
        let line = self.arena.line();
        if let Some(when) = &item.when {
            let when = line.clone().append("when ").append(self.expr(when)).nest(INDENT);
            head = head.append(when).append(line).group();
        } else {
            head = head.append(" ");
        }
        let attrs: Vec<Doc<'a>> = item.attrs.iter().map(|attr| self.attr(attr)).collect();
        docs.append(self.arena.concat(attrs)).append(head).append(self.body(&item.body, item.span.end as usize))
    }

    fn export(&mut self, item: &Export) -> Doc<'a> {
        let docs = self.doc_lines("///", &item.docs);
        let name = item.name.as_ref().map_or(String::new(), |name| format!("{} = ", name.name));
        let head = self.text(format!("export {name}{}", item.function.name));
        docs.append(head).append(self.list("(", &item.args, ")", export_arg_span, |printer, arg| match arg {
            ExportArg::Tensor { name, is_const, ty } => {
                let head = format!("{}: {}", name.name, if *is_const { "const " } else { "" });
                printer.text(head).append(printer.ty(ty))
            }
            ExportArg::Value { name, value } => printer.text(format!("{} = ", name.name)).append(printer.expr(value)),
        }))
    }
}

fn param_span(param: &Param) -> crate::source::Span {
    param.name.span.to(param.default.as_ref().map_or(param.ty.span, |default| default.span))
}

fn export_arg_span(arg: &ExportArg) -> crate::source::Span {
    match arg {
        ExportArg::Tensor { name, ty, .. } => name.span.to(ty.span),
        ExportArg::Value { name, value } => name.span.to(value.span),
    }
}

fn item_span(item: &Item) -> crate::source::Span {
    match item {
        Item::Use(item) => item.span,
        Item::Const(item) => item.span,
        Item::Function(item) => item.span,
        Item::Variant(item) => item.span,
        Item::Export(item) => item.span,
        Item::Schedule(item) => item.span,
        Item::Error(span) => *span,
    }
}

/// Whether two items may stand without a blank line between them.
fn belong_together(first: &Item, second: &Item) -> bool {
    match (first, second) {
        (Item::Use(_), Item::Use(_)) => true,
        (Item::Const(_), Item::Const(second)) => second.docs.is_empty(),
        (Item::Export(_), Item::Export(second)) => second.docs.is_empty(),
        _ => false,
    }
}
