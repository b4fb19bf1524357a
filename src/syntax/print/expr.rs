//! Expressions as text, with the parentheses that the grammar needs, and some that the reader needs.

use pretty::DocAllocator;

use super::{Doc, Form, INDENT, Printer};
use crate::source::Span;
use crate::syntax::ast::{Arg, BinaryOp, Dim, Expr, ExprKind, Index, ReduceIndex, Subscript, UnaryOp};
use crate::syntax::lexer;

/// How tightly an operator or construct binds, from loose to tight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Lambda,
    Or,
    And,
    Comparison,
    Sum,
    Product,
    Unary,
    Primary,
}

impl Level {
    /// The next tighter one.
    fn tighter(self) -> Self {
        match self {
            Level::Lambda => Level::Or,
            Level::Or => Level::And,
            Level::And => Level::Comparison,
            Level::Comparison => Level::Sum,
            Level::Sum => Level::Product,
            Level::Product => Level::Unary,
            Level::Unary | Level::Primary => Level::Primary,
        }
    }
}

fn level(expr: &Expr) -> Level {
    match &expr.kind {
        ExprKind::Lambda { .. } | ExprKind::Range(..) => Level::Lambda,
        ExprKind::Binary(op, ..) => op_level(*op),
        ExprKind::Unary(..) => Level::Unary,
        _ => Level::Primary,
    }
}

fn op_level(op: BinaryOp) -> Level {
    match op {
        BinaryOp::Or => Level::Or,
        BinaryOp::And => Level::And,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => Level::Comparison,
        BinaryOp::Add | BinaryOp::Sub => Level::Sum,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => Level::Product,
    }
}

fn spelling(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
    }
}

/// Parentheses in parentheses that are there for the reader alone; so the grammar's limit stays far.
const MAX_KIND_PARENS: u32 = 64;

/// Whether an operand stands in parentheses by the grammar, or because it misleads.
fn needs_parens(expr: &Expr, least: Level) -> bool {
    level(expr) < least || misleads(expr)
}

/// Whether an operand would be misread without parentheses: `x[i] else 0 * 2`.
fn misleads(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::If { .. } | ExprKind::Read { otherwise: Some(_), .. })
}

/// The first operand of an expression, as far as it stands without parentheses.
fn first(mut expr: &Expr) -> &Expr {
    while let ExprKind::Binary(op, left, _) = &expr.kind {
        if needs_parens(left, left_level(*op)) {
            return expr;
        }
        expr = left;
    }
    expr
}

/// What the left operand of an operator is at least; comparisons do not chain.
fn left_level(op: BinaryOp) -> Level {
    let level = op_level(op);
    if level == Level::Comparison { level.tighter() } else { level }
}

/// Whether the text of an expression begins with a block.
pub(super) fn begins_with_block(expr: &Expr) -> bool {
    matches!(first(expr).kind, ExprKind::Block { .. })
}

/// Whether an expression at the start of a line would go on with the line before.
pub(super) fn goes_on(expr: &Expr) -> bool {
    matches!(first(expr).kind, ExprKind::Block { .. } | ExprKind::Unary(UnaryOp::Neg, _))
}

impl<'a> Printer<'a> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Doc<'a> {
        match &expr.kind {
            ExprKind::Int(value) => self.literal(expr, value.to_string()),
            ExprKind::Float(value) => self.literal(expr, format!("{value:?}")),
            ExprKind::Bool(value) => self.text(value.to_string()),
            ExprKind::Name(name) => self.text(name),
            ExprKind::Unary(op, operand) => {
                let sign = match op {
                    UnaryOp::Neg => "-",
                    UnaryOp::Not => "!",
                };
                // `-(-x)`, but no more parentheses than that: the grammar limits their depth.
                let twice = matches!(&operand.kind, ExprKind::Unary(_, x) if !matches!(x.kind, ExprKind::Unary(..)));
                self.text(sign).append(self.operand(operand, if twice { Level::Primary } else { Level::Unary }))
            }
            ExprKind::Binary(op, ..) => self.chain(expr, op_level(*op)),
            ExprKind::If { .. } => self.choice(expr).group(),
            ExprKind::Block { lets, result } => self.block(lets, result),
            ExprKind::Read { tensor, at, otherwise } => {
                let read = self.name(tensor).append(self.filled_list("[", at, "]", subscript_span, Self::subscript));
                match otherwise {
                    Some(value) => read.append(" else ").append(self.fallback(value)),
                    None => read,
                }
            }
            ExprKind::Reduce { op, indices, body } => {
                let head = self.name(op).append(self.filled_list("[", indices, "]", reduce_span, Self::reduce_index));
                let defaulted = matches!(body.kind, ExprKind::Read { otherwise: Some(_), .. });
                head.append(if defaulted { self.wide_parens(body) } else { self.parens(body) })
            }
            ExprKind::Call { callee, args } => {
                let place = |arg: &Arg| arg.name.as_ref().map_or(arg.value.span, |name| name.span.to(arg.value.span));
                self.name(callee).append(self.list("(", args, ")", place, Self::arg))
            }
            ExprKind::Lambda { params, body } => {
                let params: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
                let head = self.text(format!("({}) =>", params.join(", ")));
                let stays = !matches!(body.kind, ExprKind::Binary(..)) || begins_with_block(body);
                let body = self.expr(body);
                let gap = if stays { self.text(" ") } else { self.arena.line() };
                head.append(gap.append(body).nest(if stays { 0 } else { INDENT }).group())
            }
            ExprKind::Array(elements) => self.filled_list("[", elements, "]", |element| element.span, Self::expr),
            ExprKind::Range(low, high) => self.expr(low).append("..").append(self.expr(high)),
            ExprKind::Error => self.text(self.source.get(expr.span.range()).unwrap_or("?")),
        }
    }

    /// A number: as the source spells it, else in its shortest form.
    fn literal(&self, expr: &Expr, shortest: String) -> Doc<'a> {
        let written = self.source.get(expr.span.range()).filter(|text| lexer::same_number(text, &shortest));
        self.text(written.map_or(shortest, str::to_owned))
    }

    fn operand(&mut self, expr: &Expr, least: Level) -> Doc<'a> {
        if level(expr) < least || (misleads(expr) && self.kind_parens < MAX_KIND_PARENS) {
            self.kind_parens += 1;
            let doc = self.parens(expr);
            self.kind_parens -= 1;
            doc
        } else {
            self.expr(expr)
        }
    }

    /// What a read gives outside: as tight as an operand of a sign, and a further read needs no parentheses.
    fn fallback(&mut self, value: &Expr) -> Doc<'a> {
        let parens = level(value) < Level::Unary || matches!(value.kind, ExprKind::If { .. });
        if parens { self.parens(value) } else { self.expr(value) }
    }

    /// An expression in parentheses; what has brackets of its own begins and ends on their lines.
    fn parens(&mut self, expr: &Expr) -> Doc<'a> {
        let own_brackets = matches!(
            expr.kind,
            ExprKind::Read { .. }
                | ExprKind::Call { .. }
                | ExprKind::Reduce { .. }
                | ExprKind::If { .. }
                | ExprKind::Array(_)
        );
        let hugs = own_brackets || begins_with_block(expr);
        if hugs { self.text("(").append(self.expr(expr)).append(")") } else { self.wide_parens(expr) }
    }

    /// An expression in parentheses that may take lines of their own.
    fn wide_parens(&mut self, expr: &Expr) -> Doc<'a> {
        let doc = self.expr(expr);
        let line = self.arena.line_();
        self.text("(").append(line.clone().append(doc).nest(INDENT)).append(line).append(")").group()
    }

    /// Operands of one level, broken before their operators.
    fn chain(&mut self, expr: &Expr, at: Level) -> Doc<'a> {
        let mut links = Vec::new();
        let mut rest = expr;
        while let ExprKind::Binary(op, left, right) = &rest.kind
            && op_level(*op) == at
        {
            links.push((*op, right));
            rest = left;
            if at == Level::Comparison {
                break;
            }
        }
        let hugs = begins_with_block(expr);
        let least = if at == Level::Comparison { at.tighter() } else { at };
        let mut doc = self.link(rest, least);
        let mut end = rest.span.end as usize;
        for (op, operand) in links.into_iter().rev() {
            let behind = self.comment_after(end);
            let above = self.comments_before(operand.span.start as usize);
            let commented = !matches!((&*behind, &*above), (pretty::Doc::Nil, pretty::Doc::Nil));
            let gap = if hugs && !commented { self.text(" ") } else { self.arena.line() };
            doc = doc.append(behind).append(gap).append(above);
            doc = doc.append(format!("{} ", spelling(op))).append(self.link(operand, at.tighter()));
            end = operand.span.end as usize;
        }
        doc.group()
    }

    /// An operand of a chain; a tighter chain in it is indented.
    fn link(&mut self, operand: &Expr, least: Level) -> Doc<'a> {
        let doc = self.operand(operand, least);
        let chain = matches!(operand.kind, ExprKind::Binary(..)) && !needs_parens(operand, least);
        if chain && !begins_with_block(operand) { doc.nest(INDENT) } else { doc }
    }

    fn choice(&mut self, expr: &Expr) -> Doc<'a> {
        let mut doc = self.arena.nil();
        let mut rest = expr;
        while let ExprKind::If { cond, then, otherwise } = &rest.kind {
            doc = doc.append("if ").append(self.expr(cond)).append(" ").append(self.branch(then)).append(" else ");
            rest = otherwise;
        }
        doc.append(self.branch(rest))
    }

    /// A branch of an `if`; all of them take several lines, or none.
    fn branch(&mut self, expr: &Expr) -> Doc<'a> {
        let inner = match &expr.kind {
            ExprKind::Block { lets, result } if self.form == Form::File => {
                self.block_rows(lets, result).append(self.must_break())
            }
            ExprKind::Block { lets, result } => return self.block(lets, result),
            _ => {
                let comments = self.comments_before(expr.span.start as usize);
                let doc = self.expr(expr);
                comments.append(doc).append(self.comment_after(expr.span.end as usize))
            }
        };
        let line = self.arena.line();
        self.text("{").append(line.clone().append(inner).nest(INDENT)).append(line).append("}")
    }

    fn subscript(&mut self, subscript: &Subscript) -> Doc<'a> {
        match subscript {
            Subscript::At(expr) => self.expr(expr),
            Subscript::Spread(name) => self.text(format!("..{}", name.name)),
        }
    }

    fn reduce_index(&mut self, index: &ReduceIndex) -> Doc<'a> {
        match index {
            ReduceIndex::One { name, range: None } => self.name(name),
            ReduceIndex::One { name, range: Some(range) } => {
                self.text(format!("{}: ", name.name)).append(self.expr(range))
            }
            ReduceIndex::Spread(name) => self.text(format!("..{}", name.name)),
        }
    }

    fn arg(&mut self, arg: &Arg) -> Doc<'a> {
        let value = self.expr(&arg.value);
        match &arg.name {
            Some(name) => self.text(format!("{} = ", name.name)).append(value),
            None => value,
        }
    }

    pub(super) fn dim(&mut self, dim: &Dim) -> Doc<'a> {
        match dim {
            Dim::Size(expr) => self.expr(expr),
            Dim::Spread(name) => self.text(format!("..{}", name.name)),
        }
    }
}

fn subscript_span(subscript: &Subscript) -> Span {
    match subscript {
        Subscript::At(expr) => expr.span,
        Subscript::Spread(name) => name.span,
    }
}

fn reduce_span(index: &ReduceIndex) -> Span {
    match index {
        ReduceIndex::One { name, range } => range.as_ref().map_or(name.span, |range| name.span.to(range.span)),
        ReduceIndex::Spread(name) => name.span,
    }
}

pub(super) fn dim_span(dim: &Dim) -> Span {
    match dim {
        Dim::Size(expr) => expr.span,
        Dim::Spread(name) => name.span,
    }
}

pub(super) fn index_span(index: &Index) -> Span {
    match index {
        Index::At { expr, range } => range.as_ref().map_or(expr.span, |range| expr.span.to(range.span)),
        Index::Spread(name) => name.span,
    }
}
