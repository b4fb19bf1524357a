//! The rules on the use of axes and buffers: scopes, bounds, writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Errors, Rule};
use crate::expr::guard::visit_guarded_from;
use crate::expr::opaque::Opaque;
use crate::expr::print::{Names, print};
use crate::expr::prove::{Verdict, within};
use crate::expr::range::Domain;
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::loops::visit::{self, Context};
use crate::loops::{BufferKind, LoopKind, Stmt};

/// What the kernel does with its buffers, and which subscripts are known to be inside.
#[derive(Default)]
pub(super) struct Access {
    stored: BTreeSet<TensorId>,
    loaded: BTreeSet<TensorId>,
    /// By subscript, extent and conditions; axes have the same values wherever they are in scope.
    proved: HashMap<(ExprId, i64, Vec<ExprId>), Verdict>,
    opaque: Opaque,
}

impl Access {
    /// Checks one statement. It is well typed.
    pub(super) fn statement(&mut self, errors: &mut Errors<'_>, pool: &mut Pool, stmt: &Stmt, context: &Context) {
        let kernel = errors.kernel;
        let is_steady = |pool: &Pool, fact: ExprId| {
            let is_mutable = |id| matches!(kernel.buffers[id].kind, BufferKind::Output | BufferKind::Temp(_));
            !visit::loads_from(pool, fact, is_mutable)
        };
        let facts: Vec<_> = context.facts.iter().copied().filter(|&fact| is_steady(pool, fact)).collect();
        let domain = context.narrowed(pool);
        let roots = visit::expressions(stmt);
        if !axes(errors, pool, &roots, context) {
            return;
        }
        for root in roots {
            let mut loads = Vec::new();
            visit_guarded_from(pool, root, &facts, &mut |pool, id, facts| {
                if let Expr::Load { tensor, at } = pool.get(id) {
                    loads.push((*tensor, at.clone(), facts.to_vec()));
                }
            });
            for (tensor, at, facts) in loads {
                self.loaded.insert(tensor);
                scope(errors, context, tensor);
                self.bounds(errors, pool, tensor, &at, &domain, &facts);
            }
        }
        if let Some((buffer, at)) = visit::written(stmt) {
            if matches!(stmt, Stmt::Combine { .. }) {
                self.loaded.insert(buffer);
            }
            self.write(errors, pool, stmt, context, buffer);
            scope(errors, context, buffer);
            self.bounds(errors, pool, buffer, at, &domain, &facts);
        }
    }

    fn bounds(
        &mut self,
        errors: &mut Errors<'_>,
        pool: &mut Pool,
        buffer: TensorId,
        at: &[ExprId],
        domain: &Domain,
        facts: &[ExprId],
    ) {
        let kernel = errors.kernel;
        for (dim, (&subscript, &extent)) in at.iter().zip(&kernel.buffers[buffer].shape).enumerate() {
            let key = (subscript, extent, facts.to_vec());
            let verdict = match self.proved.get(&key) {
                Some(known) => known.clone(),
                None => self.prove(pool, subscript, extent, domain, facts),
            };
            let outcome = match &verdict {
                Verdict::Proved => None,
                Verdict::Refuted(witness) => Some(refutation(kernel, witness)),
                Verdict::Unknown => Some("is not proved to be".to_owned()),
            };
            if let Some(outcome) = outcome {
                let name = kernel.tensor(buffer);
                let subscript = print(pool, subscript, kernel);
                let message = format!("subscript {dim} of `{name}`, `{subscript}`, {outcome} inside 0..{extent}");
                errors.add(Rule::Bounds, message);
            }
            self.proved.insert(key, verdict);
        }
    }

    fn prove(&mut self, pool: &mut Pool, e: ExprId, extent: i64, domain: &Domain, facts: &[ExprId]) -> Verdict {
        let e = self.opaque.hide(pool, e);
        let facts: Vec<_> = facts.iter().map(|&fact| self.opaque.hide(pool, fact)).collect();
        let domain = domain.iter().chain(self.opaque.domain().iter()).collect();
        within(pool, e, 0, extent - 1, &domain, &facts)
    }

    fn write(&mut self, errors: &mut Errors<'_>, pool: &Pool, stmt: &Stmt, context: &Context, buffer: TensorId) {
        let kernel = errors.kernel;
        self.stored.insert(buffer);
        match kernel.buffers[buffer].kind {
            BufferKind::Input { .. } | BufferKind::Constant(_) => {
                errors.add(Rule::Writes, format!("`{}` is written", kernel.tensor(buffer)));
            }
            BufferKind::Output | BufferKind::Temp(_) => {}
        }
        let (Stmt::Store { at, .. } | Stmt::Reduce { at, .. }) = stmt else { return };
        let joins = matches!(stmt, Stmt::Reduce { .. });
        let used: BTreeSet<_> = at.iter().chain(&context.facts).flat_map(|&id| pool.axes(id)).collect();
        for open in &context.loops[own_from(context, buffer)..] {
            let at_once = match open.kind {
                LoopKind::Serial | LoopKind::Unroll | LoopKind::Tensor => false,
                LoopKind::Parallel | LoopKind::Vector => !joins,
                LoopKind::Grid(_) | LoopKind::Block(_) => true,
            };
            if at_once && open.extent > 1 && !used.contains(&open.axis) {
                let (name, axis) = (kernel.tensor(buffer), kernel.axis(open.axis));
                errors.add(Rule::Writes, format!("all iterations of `{axis}` store to the same place in `{name}`"));
            }
        }
    }

    /// Checks what only the whole kernel shows.
    pub(super) fn finish(&mut self, errors: &mut Errors<'_>) {
        let kernel = errors.kernel;
        let mut missing = BTreeMap::new();
        for (id, buffer) in kernel.buffers.iter() {
            match buffer.kind {
                BufferKind::Output => drop(missing.insert(id, "is never stored")),
                BufferKind::Temp(_) if self.loaded.contains(&id) => {
                    missing.insert(id, "is loaded, but never stored");
                }
                BufferKind::Temp(_) | BufferKind::Input { .. } | BufferKind::Constant(_) => {}
            }
        }
        missing.retain(|id, _| !self.stored.contains(id));
        for (id, what) in missing {
            errors.add(Rule::Writes, format!("`{}` {what}", kernel.tensor(id)));
        }
    }
}

/// Whether all axes of some expressions are in scope.
fn axes(errors: &mut Errors<'_>, pool: &Pool, roots: &[ExprId], context: &Context) -> bool {
    let used: BTreeSet<_> = roots.iter().flat_map(|&root| pool.axes(root)).collect();
    let outside: Vec<_> = used.into_iter().filter(|&axis| !context.has_axis(axis)).collect();
    for &axis in &outside {
        errors.add(Rule::Scopes, format!("`{}` is used outside its loop", errors.kernel.axis(axis)));
    }
    outside.is_empty()
}

/// The number of loops around the life of a buffer: those inside see the same one.
fn own_from(context: &Context, buffer: TensorId) -> usize {
    context.temporaries.iter().find(|(id, _)| *id == buffer).map_or(0, |&(_, loops)| loops)
}

fn scope(errors: &mut Errors<'_>, context: &Context, buffer: TensorId) {
    let is_temporary = matches!(errors.kernel.buffers[buffer].kind, BufferKind::Temp(_));
    if is_temporary && !context.has_temporary(buffer) {
        let name = errors.kernel.tensor(buffer);
        errors.add(Rule::Scopes, format!("`{name}` is used outside its `alloc`"));
    }
}

fn refutation(kernel: &crate::loops::Kernel, witness: &[(AxisId, i64)]) -> String {
    let known = witness.iter().filter(|(axis, _)| kernel.axes.get(*axis).is_some());
    let values: Vec<_> = known.map(|&(axis, value)| format!("{} = {value}", kernel.axis(axis))).collect();
    if values.is_empty() { "is not".to_owned() } else { format!("is, for {}, not", values.join(", ")) }
}
