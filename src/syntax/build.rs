//! What the grammar's actions call: makes tree nodes with their places.
//!
//! Keeps expressions shallow (so that recursion over a tree, and dropping it, is safe) and reports what the grammar
//! cannot say: a block without a result, a tuple where one value is meant. Names are not looked at here.

use super::ast::{
    self, Arg as AstArg, Attr, Braces, ConstItem, Dim, Expr, ExprKind, Generic, Ident, Index, Item, LocalLet, Output,
    Param, ReduceIndex, StepKind, Stmt, StmtKind, Subscript, Type,
};
use super::error::{ErrorKind, ShapeError, SyntaxError};
use super::schedule;
use crate::source::{FileId, Span};

/// The deepest expression that is accepted.
pub(crate) const MAX_DEPTH: u32 = 500;

/// A node of the grammar and its place.
pub(crate) type Spanned<T> = (T, Span);

/// An expression, how deep it is, and whether an error was reported in it.
#[derive(Debug)]
pub(crate) struct Tree {
    expr: Expr,
    depth: u32,
    bad: bool,
}

/// What stands before an item.
#[derive(Debug)]
pub(crate) enum Lead {
    Doc(String),
    Attr(Attr),
}

/// `name = value` in an attribute.
pub(crate) type Field = (Ident, Expr);

/// A function up to its results.
#[derive(Debug)]
pub(crate) struct Head {
    name: Ident,
    generics: Vec<Generic>,
    params: Vec<Param>,
    outputs: Vec<Output>,
}

/// What follows the head: clauses and body.
pub(crate) type Tail = (Vec<ast::Clause>, Vec<Line>);

/// The condition and the body of a variant.
pub(crate) type WhenTail = (Option<Tree>, Vec<Line>);

/// What a `use` takes.
pub(crate) type UseNames = (Braces, Vec<ast::UseName>);

/// An export without the keyword.
pub(crate) type ExportCall = (Option<Ident>, Ident, Vec<ast::ExportArg>);

/// An argument of a call.
pub(crate) type Arg = (Option<Ident>, Tree);

/// A name and what stands in its brackets.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) name: Ident,
    pub(crate) entries: Vec<Entry>,
}

/// `k`, `k: K` or `..k` in brackets.
#[derive(Debug)]
pub(crate) enum Entry {
    At(Tree),
    Ranged(Tree, Tree),
    Spread(Ident),
}

/// What a `let` introduces.
#[derive(Debug)]
pub(crate) enum Target {
    Names(Vec<Ident>),
    Indexed(Indexed),
}

/// A line between braces.
#[derive(Debug)]
pub(crate) enum Line {
    Let(Spanned<(Target, Tree)>),
    Define(Spanned<(Target, Tree)>),
    Value(Tree),
}

/// Collects what is wrong while the tree grows.
#[derive(Debug)]
pub(crate) struct Build {
    file: FileId,
    /// What was wrong, in the order in which it was found.
    pub(crate) errors: Vec<SyntaxError>,
}

/// Adds the last element of a list.
pub(crate) fn append<T>(mut list: Vec<T>, last: Option<T>) -> Vec<T> {
    list.extend(last);
    list
}

/// Leaves out the elements that did not parse.
pub(crate) fn without_bad<T>(list: Vec<Option<T>>) -> Vec<T> {
    list.into_iter().flatten().collect()
}

/// A name.
pub(crate) fn name((name, span): Spanned<&str>) -> Ident {
    Ident { name: name.to_owned(), span }
}

/// Where an error was reported.
pub(crate) fn bad<T>((_, span): Spanned<T>) -> Tree {
    Tree { expr: Expr { kind: ExprKind::Error, span }, depth: 1, bad: true }
}

/// The expression itself.
pub(crate) fn expr(tree: Tree) -> Expr {
    tree.expr
}

/// `name[i, j] = value`
pub(crate) fn define_elements(((target, value), span): Spanned<(Indexed, Tree)>) -> Line {
    Line::Define(((Target::Indexed(target), value), span))
}

/// `name = value`
pub(crate) fn define_whole(((target, value), span): Spanned<(Ident, Tree)>) -> Line {
    Line::Define(((Target::Names(vec![target]), value), span))
}

/// A name as an expression.
pub(crate) fn variable(name: Ident) -> Tree {
    Tree { expr: Expr { kind: ExprKind::Name(name.name), span: name.span }, depth: 1, bad: false }
}

/// `#[name(key = value)]`
pub(crate) fn attribute(((name, fields), span): Spanned<(Ident, Option<Vec<Field>>)>) -> Lead {
    Lead::Attr(Attr { name, args: fields.unwrap_or_default(), span })
}

/// `use path::{names}`
pub(crate) fn use_item(((path, (braces, names)), span): Spanned<(Vec<Ident>, UseNames)>) -> Item {
    Item::Use(ast::Use { path, names, braces, span })
}

/// `const NAME = value`
pub(crate) fn const_item(((name, value), span): Spanned<(Ident, Tree)>) -> Item {
    Item::Const(ConstItem { docs: Vec::new(), name, value: value.expr, span })
}

/// A function up to its results.
pub(crate) fn head(name: Ident, generics: Option<Vec<Generic>>, params: Vec<Param>, outputs: Vec<Output>) -> Head {
    Head { name, generics: generics.unwrap_or_default(), params, outputs }
}

/// `name: const T[K] = default`
pub(crate) fn param(name: Ident, (is_const, ty): (bool, Type), default: Option<Tree>) -> Param {
    Param { name, is_const, ty, default: default.map(expr) }
}

/// `T[N, C]`
pub(crate) fn ty(((elem, dims), span): Spanned<(Ident, Option<Vec<Dim>>)>) -> Type {
    Type { elem, dims, span }
}

/// Clauses and body.
pub(crate) fn tail(clauses: Vec<ast::Clause>, last: Option<ast::Clause>, body: Vec<Line>) -> Tail {
    (append(clauses, last), body)
}

/// `P = value`
pub(crate) fn define(name: Ident, value: Tree) -> ast::Clause {
    ast::Clause::Define { name, value: value.expr }
}

/// A condition.
pub(crate) fn require(condition: Tree) -> ast::Clause {
    ast::Clause::Require(condition.expr)
}

/// An export with its keyword.
pub(crate) fn export_item((call, span): Spanned<ExportCall>) -> Item {
    Item::Export(export((call, span)))
}

/// An export.
pub(crate) fn export(((name, function, args), span): Spanned<ExportCall>) -> ast::Export {
    ast::Export { docs: Vec::new(), name, function, args, span }
}

/// `A: f32[64, 64]`
pub(crate) fn export_tensor(name: Ident, (is_const, ty): (bool, Type)) -> ast::ExportArg {
    ast::ExportArg::Tensor { name, is_const, ty }
}

/// `pad = 1`
pub(crate) fn export_value(name: Ident, value: Tree) -> ast::ExportArg {
    ast::ExportArg::Value { name, value: value.expr }
}

/// Of a schedule: what it is for, the variant, the target, the steps.
type ScheduleParts = (Ident, Option<Ident>, Option<Ident>, Vec<ast::Step>);

/// `schedule f for x86 { steps }`
pub(crate) fn schedule(((function, variant, target, steps), span): Spanned<ScheduleParts>) -> Item {
    Item::Schedule(ast::Schedule { docs: Vec::new(), function, variant, target, steps, span })
}

/// A step of a schedule.
pub(crate) fn step((kind, span): Spanned<ast::StepKind>) -> ast::Step {
    ast::Step { kind, span }
}

/// `?` or `14` in a split.
pub(crate) fn part<T>((_, span): Spanned<T>, extent: Option<i64>) -> ast::Part {
    ast::Part { extent, span }
}

/// `14` in a split.
pub(crate) fn known_part(node: Spanned<i64>) -> ast::Part {
    part(node, Some(node.0))
}

impl Build {
    /// A builder of nodes in `file`.
    pub(crate) fn new(file: FileId) -> Self {
        Self { file, errors: Vec::new() }
    }

    /// A node and its place.
    pub(crate) fn spanned<T>(&self, start: usize, node: T, end: usize) -> Spanned<T> {
        (node, Span::new(self.file, start, end.max(start)))
    }

    fn error(&mut self, span: Span, kind: ShapeError) {
        self.errors.push(SyntaxError::new(span, kind));
    }

    /// An expression over parts of depth `below`; too deep a one is dropped here, and reported once.
    fn tree(&mut self, kind: ExprKind, span: Span, below: Below) -> Tree {
        let depth = below.depth + 1;
        if depth > MAX_DEPTH {
            if !self.errors.iter().any(|error| matches!(error.kind, ErrorKind::Shape(ShapeError::TooDeep))) {
                self.error(span, ShapeError::TooDeep);
            }
            return Tree { expr: Expr { kind: ExprKind::Error, span }, depth: 1, bad: true };
        }
        Tree { expr: Expr { kind, span }, depth, bad: below.bad }
    }

    // ---- Items ----------------------------------------------------------------------------------------------------

    /// Puts documentation and attributes on an item.
    pub(crate) fn item(&mut self, lead: Vec<Lead>, mut item: Item) -> Item {
        let mut lines = Vec::new();
        let mut attrs = Vec::new();
        for lead in lead {
            match lead {
                Lead::Doc(line) => lines.push(line),
                Lead::Attr(attr) => attrs.push(attr),
            }
        }
        match &mut item {
            Item::Function(function) => {
                function.docs = lines;
                function.attrs = std::mem::take(&mut attrs);
            }
            Item::Const(item) => item.docs = lines,
            Item::Variant(item) => {
                item.docs = lines;
                item.attrs = std::mem::take(&mut attrs);
            }
            Item::Export(item) => item.docs = lines,
            Item::Schedule(item) => item.docs = lines,
            Item::Use(_) | Item::Error(_) => {}
        }
        if let Some(attr) = attrs.first() {
            self.error(attr.span, ShapeError::Attribute);
        }
        item
    }

    /// A function.
    pub(crate) fn function<W>(&mut self, node: Spanned<(Option<W>, Head, Tail)>) -> Item {
        let ((public, head, (clauses, body)), span) = node;
        let body = self.statements(body);
        Item::Function(ast::Function {
            docs: Vec::new(),
            attrs: Vec::new(),
            is_pub: public.is_some(),
            name: head.name,
            generics: head.generics,
            params: head.params,
            outputs: head.outputs,
            clauses,
            body,
            span,
        })
    }

    /// A variant.
    pub(crate) fn variant(&mut self, node: Spanned<(Ident, Ident, WhenTail)>) -> Item {
        let ((name, function, (when, body)), span) = node;
        let body = self.statements(body);
        let when = when.map(expr);
        Item::Variant(ast::Variant { docs: Vec::new(), attrs: Vec::new(), name, function, when, body, span })
    }

    // ---- Schedules ------------------------------------------------------------------------------------------------

    /// `split i by [?, 14] tail pad`
    pub(crate) fn split(
        &mut self,
        axis: Ident,
        (parts, span): Spanned<Vec<ast::Part>>,
        tail: Option<Ident>,
    ) -> StepKind {
        if parts.is_empty() {
            self.error(span, ShapeError::NoParts);
            return StepKind::Error;
        }
        if self.step_word("tail", &schedule::TAILS, tail.as_ref()) {
            return StepKind::Split { axis, parts, tail };
        }
        StepKind::Error
    }

    /// `fuse i j as ij`
    pub(crate) fn fuse(&mut self, axes: Vec<Ident>, name: Ident) -> StepKind {
        if let [one] = axes.as_slice() {
            self.error(one.span, ShapeError::FuseOne);
            return StepKind::Error;
        }
        StepKind::Fuse { axes, name }
    }

    /// `phases p q by [2, 2]`
    pub(crate) fn phases(&mut self, axes: Vec<Ident>, (counts, span): Spanned<Vec<ast::Part>>) -> StepKind {
        if counts.len() != axes.len() || counts.iter().any(|count| count.extent.is_none()) {
            self.error(span, ShapeError::PhaseCounts);
            return StepKind::Error;
        }
        StepKind::Phases { axes, counts }
    }

    /// `bind i.0 to grid.x`
    pub(crate) fn bind(&mut self, axis: Ident, to: Ident) -> StepKind {
        if self.step_word("to", &schedule::COORDINATES, Some(&to)) {
            StepKind::Bind { axis, to }
        } else {
            StepKind::Error
        }
    }

    /// `pipeline k.0 by 4`
    pub(crate) fn pipeline(&mut self, axis: Ident, stages: Option<ast::Part>) -> StepKind {
        if let Some(hole) = stages.as_ref().filter(|stages| stages.extent.is_none()) {
            self.error(hole.span, ShapeError::Stages);
            return StepKind::Error;
        }
        StepKind::Pipeline { axis, stages }
    }

    /// `tensorize i.3 j.3 k.2 as tf32`
    pub(crate) fn tensorize(&mut self, rows: Ident, columns: Ident, terms: Ident, numbers: Option<Ident>) -> StepKind {
        if self.step_word("as", &schedule::NUMBERS, numbers.as_ref()) {
            return StepKind::Tensorize { axes: [rows, columns, terms], numbers };
        }
        StepKind::Error
    }

    /// `stage B at k.0 as [k.1, j.1] in stack`
    pub(crate) fn stage(
        &mut self,
        operand: Ident,
        place: Option<ast::Place>,
        layout: Option<Vec<Ident>>,
        scope: Option<Ident>,
    ) -> StepKind {
        if self.step_word("in", &schedule::SCOPES, scope.as_ref()) {
            return StepKind::Stage { operand, place, layout, scope };
        }
        StepKind::Error
    }

    /// Says whether the word behind `of`, if there is one, is a known one.
    fn step_word(&mut self, of: &'static str, known: &'static [&'static str], word: Option<&Ident>) -> bool {
        let unknown = word.filter(|word| !known.contains(&word.name.as_str()));
        if let Some(word) = unknown {
            self.error(word.span, ShapeError::StepWord { of, found: word.name.clone(), known });
        }
        unknown.is_none()
    }

    /// `0..N` in an attribute.
    pub(crate) fn range(&mut self, ((low, high), span): Spanned<(Tree, Tree)>) -> Expr {
        let below = low.below().and(&high);
        self.tree(ExprKind::Range(Box::new(low.expr), Box::new(high.expr)), span, below).expr
    }

    // ---- Statements -----------------------------------------------------------------------------------------------

    fn statements(&mut self, lines: Vec<Line>) -> Vec<Stmt> {
        lines.into_iter().map(|line| self.statement(line)).collect()
    }

    fn statement(&mut self, line: Line) -> Stmt {
        let (is_let, ((target, value), span)) = match line {
            Line::Let(node) => (true, node),
            Line::Define(node) => (false, node),
            Line::Value(tree) => {
                if !tree.bad {
                    self.error(tree.expr.span, ShapeError::UnusedExpression);
                }
                return Stmt { kind: StmtKind::Error, span: tree.expr.span };
            }
        };
        let value = value.expr;
        let kind = match target {
            Target::Names(targets) => StmtKind::Whole { is_let, targets, value },
            Target::Indexed(Indexed { name, entries }) => {
                let indices = entries.into_iter().map(Entry::into_index).collect();
                StmtKind::Element { is_let, target: name, indices, value }
            }
        };
        Stmt { kind, span }
    }

    /// `{ let s = e … result }`
    pub(crate) fn block(&mut self, (lines, span): Spanned<Vec<Line>>) -> Tree {
        let mut lets = Vec::new();
        let mut result: Option<Tree> = None;
        let mut below = Below::NONE;
        for line in lines {
            if let Some(early) = result.take() {
                if !early.bad {
                    self.error(early.expr.span, ShapeError::EarlyResult);
                }
                below.bad = true;
            }
            match line {
                Line::Value(tree) => {
                    below = below.and(&tree);
                    result = Some(tree);
                }
                Line::Let(((target, value), at)) => {
                    below = below.and(&value);
                    match target {
                        Target::Names(mut names) if names.len() == 1 => {
                            lets.extend(names.pop().map(|name| LocalLet { name, value: value.expr }));
                        }
                        Target::Names(_) => self.error(at, ShapeError::TupleInBlock),
                        Target::Indexed(_) => self.error(at, ShapeError::TensorInBlock),
                    }
                }
                Line::Define((_, at)) => {
                    self.error(at, ShapeError::DefinitionInBlock);
                    below.bad = true;
                }
            }
        }
        if lets.is_empty()
            && let Some(result) = result
        {
            return Tree { bad: below.bad, ..result };
        }
        let Some(result) = result else {
            if !below.bad {
                self.error(span, ShapeError::NoResult);
            }
            return bad(((), span));
        };
        self.tree(ExprKind::Block { lets, result: Box::new(result.expr) }, span, below)
    }

    // ---- Expressions ----------------------------------------------------------------------------------------------

    /// A number or truth value.
    pub(crate) fn leaf(&mut self, (kind, span): Spanned<ExprKind>) -> Tree {
        self.tree(kind, span, Below::NONE)
    }

    /// `a + b`
    pub(crate) fn binary(&mut self, ((left, op, right), span): Spanned<(Tree, ast::BinaryOp, Tree)>) -> Tree {
        let below = left.below().and(&right);
        self.tree(ExprKind::Binary(op, Box::new(left.expr), Box::new(right.expr)), span, below)
    }

    /// `-a`
    pub(crate) fn unary(&mut self, ((op, operand), span): Spanned<(ast::UnaryOp, Tree)>) -> Tree {
        let below = operand.below();
        self.tree(ExprKind::Unary(op, Box::new(operand.expr)), span, below)
    }

    /// `x[i] else v`
    pub(crate) fn read(&mut self, ((read, otherwise), span): Spanned<(Indexed, Option<Tree>)>) -> Tree {
        let mut below = Below::NONE;
        let mut at = Vec::new();
        for entry in read.entries {
            below = entry.below(below);
            match entry {
                Entry::At(tree) => at.push(Subscript::At(tree.expr)),
                Entry::Spread(name) => at.push(Subscript::Spread(name)),
                Entry::Ranged(tree, range) => {
                    self.error(range.expr.span, ShapeError::RangeInRead { tensor: read.name.clone() });
                    at.push(Subscript::At(tree.expr));
                }
            }
        }
        let otherwise = otherwise.map(|tree| {
            below = below.and(&tree);
            Box::new(tree.expr)
        });
        self.tree(ExprKind::Read { tensor: read.name, at, otherwise }, span, below)
    }

    /// `sum[k: K](body)`
    pub(crate) fn reduce(&mut self, ((head, body), span): Spanned<(Indexed, Tree)>) -> Tree {
        let mut below = body.below();
        let mut indices = Vec::new();
        for entry in head.entries {
            below = entry.below(below);
            let (tree, range) = match entry {
                Entry::Spread(name) => {
                    indices.push(ReduceIndex::Spread(name));
                    continue;
                }
                Entry::At(tree) => (tree, None),
                Entry::Ranged(tree, range) => (tree, Some(range.expr)),
            };
            let at = tree.expr.span;
            match tree.expr.kind {
                ExprKind::Name(name) => indices.push(ReduceIndex::One { name: Ident { name, span: at }, range }),
                _ if tree.bad => {}
                _ => {
                    self.error(at, ShapeError::ReduceOverExpression { op: head.name.clone() });
                    below.bad = true;
                }
            }
        }
        self.tree(ExprKind::Reduce { op: head.name, indices, body: Box::new(body.expr) }, span, below)
    }

    /// `f(a, pad = 1)`
    pub(crate) fn call(&mut self, ((callee, args), span): Spanned<(Ident, Vec<Arg>)>) -> Tree {
        let below = args.iter().fold(Below::NONE, |below, (_, tree)| below.and(tree));
        let args = args.into_iter().map(|(name, tree)| AstArg { name, value: tree.expr }).collect();
        self.tree(ExprKind::Call { callee, args }, span, below)
    }

    /// `[a, b]`
    pub(crate) fn array(&mut self, (elements, span): Spanned<Vec<Tree>>) -> Tree {
        let below = elements.iter().fold(Below::NONE, Below::and);
        self.tree(ExprKind::Array(elements.into_iter().map(expr).collect()), span, below)
    }

    /// `(a)`
    pub(crate) fn paren(&mut self, (mut elements, span): Spanned<Vec<Tree>>) -> Tree {
        if elements.len() == 1
            && let Some(mut tree) = elements.pop()
        {
            tree.expr.span = span;
            return tree;
        }
        if !elements.iter().any(|tree| tree.bad) {
            self.error(span, if elements.is_empty() { ShapeError::EmptyParens } else { ShapeError::Tuple });
        }
        bad(((), span))
    }

    /// `(a, b) => value`
    pub(crate) fn lambda(&mut self, ((params, body), span): Spanned<(Vec<Tree>, Tree)>) -> Tree {
        let mut below = body.below();
        let mut names = Vec::new();
        for tree in params {
            let at = tree.expr.span;
            match tree.expr.kind {
                ExprKind::Name(name) => names.push(Ident { name, span: at }),
                _ if tree.bad => {}
                _ => {
                    self.error(at, ShapeError::LambdaParameter);
                    below.bad = true;
                }
            }
        }
        self.tree(ExprKind::Lambda { params: names, body: Box::new(body.expr) }, span, below)
    }

    /// `if c { a } else { b }`
    pub(crate) fn choice(
        &mut self,
        ((cond, then, otherwise), span): Spanned<(Tree, Spanned<Vec<Line>>, Option<Tree>)>,
    ) -> Tree {
        let then = self.block(then);
        let Some(otherwise) = otherwise else {
            self.error(span, ShapeError::NoElse);
            return bad(((), span));
        };
        let below = cond.below().and(&then).and(&otherwise);
        let [cond, then, otherwise] = [cond, then, otherwise].map(|tree| Box::new(tree.expr));
        self.tree(ExprKind::If { cond, then, otherwise }, span, below)
    }
}

/// What is known of the parts of an expression.
#[derive(Clone, Copy)]
struct Below {
    depth: u32,
    bad: bool,
}

impl Below {
    const NONE: Self = Self { depth: 0, bad: false };

    fn and(self, tree: &Tree) -> Self {
        Self { depth: self.depth.max(tree.depth), bad: self.bad || tree.bad }
    }
}

impl Tree {
    fn below(&self) -> Below {
        Below { depth: self.depth, bad: self.bad }
    }
}

impl Entry {
    fn below(&self, below: Below) -> Below {
        match self {
            Entry::At(tree) => below.and(tree),
            Entry::Ranged(tree, range) => below.and(tree).and(range),
            Entry::Spread(_) => below,
        }
    }

    fn into_index(self) -> Index {
        match self {
            Entry::At(tree) => Index::At { expr: tree.expr, range: None },
            Entry::Ranged(tree, range) => Index::At { expr: tree.expr, range: Some(range.expr) },
            Entry::Spread(name) => Index::Spread(name),
        }
    }
}
