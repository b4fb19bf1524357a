//! The elaborator's state: the graph under construction, what names mean, and what has been found.
//!
//! A function is elaborated for known sizes. Calls are expanded in place, each in a [`Frame`] of its own. The rest
//! of the elaborator is `impl` blocks in the files named after what they elaborate: `bind call body element infer
//! expr arith read reduce`.

use std::collections::BTreeMap;

use crate::arena::{Arena, IdMap};
use crate::diag::{Diagnostic, Label};
use crate::expr::range::{Domain, Interval};
use crate::expr::{AxisId, ExprId, Pool, TensorId};
use crate::graph::cover::Progression;
use crate::graph::{Axis, Body, Graph, Origins, Role, Stage, Tensor};
use crate::scalar::DType;
use crate::source::Span;
use crate::syntax::ast;

use super::poly::Poly;
use super::program::Program;
use super::value::{Binding, Entry, Size, SymRange, Table, Value};
use super::{Request, error};

/// Calls expanded in one instance, at most.
const MAX_CALLS: usize = 5_000;
/// Calls within calls, at most.
const MAX_DEPTH: usize = 100;
/// Constants that need each other in a row, at most, where they are no whole numbers.
const MAX_CONSTANTS: usize = 500;
/// Calls that a message shows beside the outermost.
const SHOWN_CALLS: usize = 4;
/// Expressions looked at in one instance, at most.
const MAX_STEPS: usize = 4_000_000;
/// Bytes of one tensor, at most: what an address space can hold.
pub(super) const MAX_BYTES: i64 = 1 << 46;

/// One instance of one function, with all that it calls.
pub(super) struct Elab<'p> {
    pub(super) program: &'p Program,
    pub(super) request: &'p Request,
    pub(super) graph: Graph,
    pub(super) domain: Domain,
    /// The extents as a reader would write them.
    pub(super) axis_sizes: IdMap<AxisId, Size>,
    pub(super) found: Vec<Diagnostic>,
    pub(super) tables: Vec<Table>,
    pub(super) frame: Frame<'p>,
    /// The constants evaluated so far that are no whole numbers.
    pub(super) constants: BTreeMap<(usize, &'p str), Value>,
    names: BTreeMap<String, usize>,
    calls: usize,
    steps: usize,
    /// Set when a limit was hit: nothing more is elaborated.
    pub(super) aborted: bool,
}

/// What one function call can see.
pub(super) struct Frame<'p> {
    pub(super) module: usize,
    /// The function, for the places of its declarations.
    pub(super) function: Option<&'p ast::Function>,
    pub(super) types: Vec<(String, DType)>,
    pub(super) scope: Vec<Entry<'p>>,
    pub(super) outputs: Vec<OutputState>,
    /// What the caller names the outputs; those that it does not name keep their own names.
    pub(super) result_names: Vec<&'p str>,
    /// Conditions that hold where the current expression is evaluated.
    pub(super) facts: Vec<ExprId>,
    /// The tensor being defined; names hoisted reductions.
    pub(super) target: String,
    /// The statement that is elaborated.
    pub(super) statement: Option<Span>,
    pub(super) depth: usize,
    /// Where the function was called, outermost last.
    pub(super) calls: Vec<(String, Span)>,
    /// The names that the body defines by `let`, to tell unknown names from early ones.
    pub(super) lets: Vec<ast::Ident>,
    /// Constants being evaluated, to find circles.
    pub(super) constants: Vec<String>,
}

impl Frame<'_> {
    pub(super) fn new(module: usize) -> Self {
        Self {
            module,
            function: None,
            types: Vec::new(),
            scope: Vec::new(),
            outputs: Vec::new(),
            result_names: Vec::new(),
            facts: Vec::new(),
            target: String::new(),
            statement: None,
            depth: 0,
            calls: Vec::new(),
            lets: Vec::new(),
            constants: Vec::new(),
        }
    }
}

/// An output under way, at the position that it has in the function's declaration.
pub(super) struct OutputState {
    pub(super) name: ast::Ident,
    pub(super) shape: Vec<Size>,
    pub(super) elem: DType,
    pub(super) tensor: Option<TensorId>,
    /// The parts defined so far.
    pub(super) pieces: Vec<(Vec<Progression>, Span)>,
    /// Whether a definition of it was in error: then nothing more is said about it.
    pub(super) is_broken: bool,
}

impl<'p> Elab<'p> {
    pub(super) fn new(program: &'p Program, request: &'p Request, name: &str, module: usize) -> Self {
        Self {
            program,
            request,
            graph: Graph {
                name: name.to_owned(),
                pool: Pool::new(),
                axes: Arena::new(),
                tensors: Arena::new(),
                stages: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                origins: Origins::default(),
            },
            domain: Domain::new(),
            axis_sizes: IdMap::new(),
            found: Vec::new(),
            tables: Vec::new(),
            frame: Frame::new(module),
            constants: BTreeMap::new(),
            names: BTreeMap::new(),
            calls: 0,
            steps: 0,
            aborted: false,
        }
    }

    /// Reports; inside calls, says where the nearest ones and the outermost are.
    pub(super) fn report(&mut self, mut diagnostic: Diagnostic) {
        let calls = &self.frame.calls;
        for (name, span) in calls.iter().take(SHOWN_CALLS).chain(calls.iter().skip(SHOWN_CALLS).last()) {
            let shows = |label: &Label| label.primary && encloses(*span, label.span);
            if !diagnostic.labels.iter().any(shows) {
                diagnostic = diagnostic.secondary(*span, format!("in this call of `{name}`"));
            }
        }
        self.found.push(diagnostic);
    }

    /// Reports, and gives the value that keeps quiet from here on.
    pub(super) fn fail(&mut self, diagnostic: Diagnostic) -> Value {
        self.report(diagnostic);
        Value::Error
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// Counts a step of work; false once the program is too large.
    pub(super) fn step(&mut self, span: Span) -> bool {
        self.steps += 1;
        self.within(self.steps <= MAX_STEPS, span)
    }

    /// Counts a call; false once the program is too large.
    pub(super) fn enter_call(&mut self, span: Span) -> bool {
        self.calls += 1;
        self.within(self.calls <= MAX_CALLS && self.frame.depth < MAX_DEPTH, span)
    }

    /// Says whether one more constant may be evaluated for another one.
    pub(super) fn enter_constant(&mut self, span: Span) -> bool {
        self.within(self.frame.constants.len() < MAX_CONSTANTS, span)
    }

    fn within(&mut self, fits: bool, span: Span) -> bool {
        if !fits && !self.aborted {
            self.aborted = true;
            self.report(error::size::program_too_large(span));
        }
        !self.aborted
    }

    /// Brings a name into scope.
    pub(super) fn bind(&mut self, name: &ast::Ident, binding: Binding<'p>) {
        self.frame.scope.push(Entry { name: name.name.clone(), span: name.span, binding });
    }

    /// The innermost meaning of a name in this function, with its position in the scope.
    pub(super) fn lookup(&self, name: &str) -> Option<(usize, &Entry<'p>)> {
        self.frame.scope.iter().enumerate().rev().find(|(_, entry)| entry.name == name)
    }

    /// The names that can be seen, for suggestions.
    pub(super) fn visible(&self) -> Vec<String> {
        let consts = self.program.modules[self.frame.module]
            .scope
            .iter()
            .filter(|(name, _)| matches!(self.program.global(self.frame.module, name), Some((_, ast::Item::Const(_)))));
        self.frame.scope.iter().map(|entry| entry.name.clone()).chain(consts.map(|(name, _)| name.clone())).collect()
    }

    /// What the tensor of an output is called: as the caller names it, for a reader sees the calls expanded.
    pub(super) fn result_name(&self, position: usize) -> &'p str {
        let own = self.frame.function.and_then(|function| function.outputs.get(position));
        let named = self.frame.result_names.get(position).copied();
        named.or(own.map(|output| output.name.name.as_str())).unwrap_or("y")
    }

    /// A name for a tensor that no other has.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut count = self.names.get(name).copied().unwrap_or(0);
        while self.names.contains_key(&candidate) {
            count += 1;
            candidate = format!("{name}_{}", count + 1);
        }
        self.names.insert(name.to_owned(), count);
        self.names.entry(candidate.clone()).or_insert(0);
        candidate
    }

    /// A new tensor.
    pub(super) fn tensor(&mut self, name: &str, dtype: DType, shape: Vec<i64>, role: Role) -> TensorId {
        let name = self.unique(name);
        self.graph.tensors.push(Tensor { name, dtype, shape, role })
    }

    /// A new axis and the index that runs over it.
    pub(super) fn axis(&mut self, name: &str, extent: &Size) -> (AxisId, Value) {
        let axis = self.graph.axes.push(Axis { name: name.to_owned(), extent: extent.value });
        self.domain.insert(axis, Interval { lo: 0, hi: extent.value - 1 });
        self.axis_sizes.insert(axis, extent.clone());
        let expr = self.graph.pool.axis(axis);
        let range = extent.sym.as_ref().map(|sym| SymRange { lo: Poly::constant(0), hi: sym.sub(&Poly::constant(1)) });
        (axis, Value::Index(expr, range))
    }

    /// The domain of the axes that some expressions use: proofs need not see the rest of the program.
    pub(super) fn domain_of(&self, exprs: &[ExprId]) -> Domain {
        let mut domain = Domain::new();
        for axis in exprs.iter().flat_map(|&expr| self.graph.pool.axes(expr)) {
            domain.insert(axis, self.domain.get(axis));
        }
        domain
    }

    /// A copy of an axis, for a stage of its own.
    pub(super) fn clone_axis(&mut self, axis: AxisId) -> AxisId {
        let copy = self.graph.axes[axis].clone();
        let interval = Interval { lo: 0, hi: copy.extent - 1 };
        let id = self.graph.axes.push(copy);
        self.domain.insert(id, interval);
        id
    }

    /// Adds a stage that defines all of `tensor` by plain indices.
    pub(super) fn stage(&mut self, tensor: TensorId, axes: Vec<AxisId>, body: Body) {
        let at = axes.iter().map(|&axis| self.graph.pool.axis(axis)).collect();
        self.add_stage(Stage { tensor, axes, at, body });
    }

    /// Adds a stage that the current statement defines.
    pub(super) fn add_stage(&mut self, stage: Stage) {
        let defined = &mut self.graph.origins.defined;
        if let (None, Some(statement)) = (defined.get(stage.tensor), self.frame.statement) {
            defined.insert(stage.tensor, statement);
        }
        self.graph.stages.push(stage);
    }

    /// `load`, cast to the compute type.
    pub(super) fn load(&mut self, tensor: TensorId, at: Vec<ExprId>) -> ExprId {
        let dtype = self.graph.tensors[tensor].dtype;
        let load = self.graph.pool.load(tensor, at, dtype);
        self.graph.pool.cast(dtype.compute(), load)
    }

    /// The float type of numbers that nothing else types: the function's own float parameter, else `f32`.
    pub(super) fn default_float(&self) -> DType {
        self.frame.types.iter().map(|(_, dtype)| *dtype).find(|dtype| dtype.is_float()).unwrap_or(DType::F32)
    }
}

/// Whether all of `inner` is in `outer`.
fn encloses(outer: Span, inner: Span) -> bool {
    outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
}
