//! The rules on types. Constructors of expressions assert them, but a buffer's type may change after a load of it was
//! made, so they are checked again, once for each expression.

use std::collections::BTreeSet;

use super::{Errors, Rule};
use crate::expr::print::Names;
use crate::expr::{Expr, ExprId, TensorId, typing};
use crate::loops::{Stmt, visit};
use crate::scalar::{DType, ReduceOp};

/// The expressions that were looked at.
#[derive(Default)]
pub(super) struct Typed {
    seen: BTreeSet<ExprId>,
}

impl Typed {
    /// Checks all expressions of a statement, and the statement's own demands.
    pub(super) fn statement(&mut self, errors: &mut Errors<'_>, stmt: &Stmt) {
        for id in visit::expressions(stmt) {
            self.expression(errors, id);
        }
        if let Some((buffer, at)) = visit::written(stmt) {
            subscripts(errors, buffer, at);
        }
        let (kernel, pool) = (errors.kernel, &errors.kernel.pool);
        match stmt {
            Stmt::If { cond, .. } if pool.dtype(*cond) != DType::Bool => {
                errors.add(Rule::Types, format!("a condition is {}", pool.dtype(*cond)));
            }
            Stmt::Store { buffer, value, .. } | Stmt::Reduce { buffer, value, .. }
                if pool.dtype(*value) != kernel.buffers[*buffer].dtype =>
            {
                let (name, dtype) = (kernel.tensor(*buffer), kernel.buffers[*buffer].dtype);
                errors.add(Rule::Types, format!("{} goes into `{name}`, which is {dtype}", pool.dtype(*value)));
            }
            Stmt::Reduce { op, .. } | Stmt::Combine { op, .. } => {
                let dtype = visit::written(stmt).map_or(DType::F32, |(buffer, _)| kernel.buffers[buffer].dtype);
                if dtype != dtype.compute() || (dtype == DType::Bool) != matches!(op, ReduceOp::Any | ReduceOp::All) {
                    errors.add(Rule::Types, format!("`{}` is not defined on {dtype}", op.name()));
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, errors: &mut Errors<'_>, id: ExprId) {
        if !self.seen.insert(id) {
            return;
        }
        let pool = &errors.kernel.pool;
        for child in pool.children(id) {
            self.expression(errors, child);
        }
        if let Err(problem) = typing::check_node(pool, id) {
            errors.add(Rule::Types, problem);
        }
        if let Expr::Load { tensor, at } = pool.get(id) {
            let Some(buffer) = errors.kernel.buffers.get(*tensor) else {
                return errors.add(Rule::Scopes, format!("buffer {tensor:?} does not exist"));
            };
            if pool.dtype(id) != buffer.dtype {
                let (name, dtype) = (&buffer.name, buffer.dtype);
                errors.add(Rule::Types, format!("a load of `{name}` is {}, not {dtype}", pool.dtype(id)));
            }
            subscripts(errors, *tensor, at);
        }
    }
}

fn subscripts(errors: &mut Errors<'_>, buffer: TensorId, at: &[ExprId]) {
    let kernel = errors.kernel;
    let found = &kernel.buffers[buffer];
    if at.len() != found.shape.len() {
        let (name, rank) = (&found.name, found.shape.len());
        errors.add(Rule::Bounds, format!("`{name}` has {rank} dimensions and {} subscripts", at.len()));
    }
    for &subscript in at {
        if kernel.pool.dtype(subscript) != DType::I64 {
            let dtype = kernel.pool.dtype(subscript);
            errors.add(Rule::Types, format!("a subscript of `{}` is {dtype}", found.name));
        }
    }
}
