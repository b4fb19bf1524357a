//! Vector loops: where elements lie together and are aligned, all lanes are loaded and stored at once.
//!
//! ```text
//! vector for l in 4 { B.copy[k, j, l] = B[16 * k + 4 * j + l] }
//!     ==>   ftc_store(&B_copy[k][j][0], ftc_load<4>(&B[16 * k + 4 * j]));
//! vector for l in 4 { y[4 * i + l] = x[4 * i + l] * a[l + 1] }
//!     ==>   const auto x_lanes = ftc_load<4>(&x[4 * i]);
//!           ftc_vec<float, 4> y_lanes;
//!           for (int l = 0; l < 4; ++l) { y_lanes.lane[l] = x_lanes.lane[l] * a[l + 1]; }
//!           ftc_store(&y[4 * i], y_lanes);
//! ```
//!
//! Only what is loaded whatever conditions that differ between lanes say is loaded early. All other vector loops are loops.

use crate::arena::Id;
use crate::expr::simplify::simplify;
use crate::expr::{AxisId, Expr, ExprId, TensorId, affine};
use crate::loops::{For, Stmt};
use crate::scalar::ReduceOp;

use super::expr::storage;
use super::flat::{is_main, offset};
use super::write::{Writer, has_addresses};

/// Bytes that one instruction moves, at most.
const WIDE: i64 = 16;

impl Writer<'_> {
    /// Writes a vector loop, if something in it can be loaded or stored at once.
    pub(super) fn lanes(&mut self, l: &For) -> bool {
        if let [Stmt::Reduce { buffer, at, op, value }] = l.body.as_slice() {
            return self.joined_lanes(l, (*buffer, at, *op, *value));
        }
        let [Stmt::Store { buffer, at, value }] = l.body.as_slice() else { return false };
        let to = self.start(*buffer, at, l);
        if let Some(to) = &to
            && let Some(value) = self.at_once(*value, l)
        {
            self.line(&format!("ftc_store(&{to}, {value});"));
            return true;
        }
        if to.is_none()
            && self.pool.axes(*value).contains(&l.axis)
            && let Some(value) = self.at_once(*value, l)
        {
            let axis = self.names.axis(l.axis).to_owned();
            let place = self.place(*buffer, at);
            let value = format!("const auto ftc_lanes = {value};");
            self.over_lanes(l, &[value], &format!("{place} = ftc_lanes.lane[{axis}];"), None);
            return true;
        }
        let loads = self.early(*value, l);
        if to.is_none() && loads.is_empty() {
            return false;
        }
        self.braces_of_lanes(l, (*buffer, at, *value), to.as_deref(), loads);
        true
    }

    /// Writes a vector loop that joins values, if something in it can be loaded at once.
    fn joined_lanes(&mut self, l: &For, (buffer, at, op, value): (TensorId, &[ExprId], ReduceOp, ExprId)) -> bool {
        let loads = self.early(value, l);
        if loads.is_empty() {
            return false;
        }
        let head = self.hoist(l, loads);
        let place = self.place(buffer, at);
        let joined = self.joined(op, &place, self.kernel.buffers[buffer].dtype, value);
        self.over_lanes(l, &head, &joined, None);
        self.hoists.clear();
        true
    }

    /// Loads at once, as lines; what they give is known by its lanes from then on.
    fn hoist(&mut self, l: &For, loads: Vec<Early>) -> Vec<String> {
        let axis = self.names.axis(l.axis).to_owned();
        let mut lines = Vec::new();
        for (number, Early { id, tensor, value }) in loads.into_iter().enumerate() {
            let name = format!("{}_lanes{number}", self.names.buffer(tensor));
            lines.push(format!("const auto {name} = {value};"));
            self.hoists.insert(id, format!("{name}.lane[{axis}]"));
        }
        lines
    }

    /// Some lines, then one for each lane, then another one.
    fn over_lanes(&mut self, l: &For, head: &[String], each: &str, last: Option<String>) {
        let axis = self.names.axis(l.axis).to_owned();
        self.line("{");
        for line in head {
            self.line(&format!("  {line}"));
        }
        self.line("  #pragma unroll");
        self.line(&format!("  for (int {axis} = 0; {axis} < {}; ++{axis}) {{ {each} }}", l.extent));
        if let Some(last) = last {
            self.line(&format!("  {last}"));
        }
        self.line("}");
    }

    fn braces_of_lanes(
        &mut self,
        l: &For,
        (buffer, at, value): (TensorId, &[ExprId], ExprId),
        to: Option<&str>,
        loads: Vec<Early>,
    ) {
        let axis = self.names.axis(l.axis).to_owned();
        let mut head = self.hoist(l, loads);
        let result = format!("{}_lanes", self.names.buffer(buffer));
        if to.is_some() {
            let dtype = storage(self.kernel.buffers[buffer].dtype);
            head.push(format!("ftc_vec<{dtype}, {}> {result};", l.extent));
        }
        let place = match to {
            Some(_) => format!("{result}.lane[{axis}]"),
            None => self.place(buffer, at),
        };
        let value = self.text(value);
        let last = to.map(|to| format!("ftc_store(&{to}, {result});"));
        self.over_lanes(l, &head, &format!("{place} = {value};"), last);
        self.hoists.clear();
    }

    /// The first element, if those of all lanes lie together and are aligned.
    pub(super) fn start(&mut self, buffer: TensorId, at: &[ExprId], l: &For) -> Option<String> {
        let found = &self.kernel.buffers[buffer];
        if !has_addresses(self.kernel, buffer) || found.dtype.bytes() as i64 * l.extent > WIDE {
            return None;
        }
        let shape = if is_main(&found.kind) { vec![found.len()] } else { found.shape.clone() };
        let flat = offset(&mut self.pool, &shape, at, self.domain);
        let lane = self.pool.axis(l.axis);
        let view = affine::linear(&self.pool, flat);
        let others = view.terms.keys().filter(|&&atom| self.pool.axes(atom).contains(&l.axis)).count();
        if view.coefficient(lane) != 1 || others != 1 {
            return None;
        }
        let first = self.first(flat, l.axis);
        if !self.is_multiple(first, l.extent) {
            return None;
        }
        let at: Vec<_> = at.iter().map(|&subscript| self.first(subscript, l.axis)).collect();
        Some(self.place(buffer, &at))
    }

    /// An expression in the first lane.
    fn first(&mut self, id: ExprId, lane: AxisId) -> ExprId {
        let zero = self.pool.int(0);
        let first = self.pool.substitute(id, &|axis| (axis == lane).then_some(zero));
        simplify(&mut self.pool, first, self.domain)
    }

    /// All lanes of a value in one expression: a load, what is the same in all lanes, or a choice that is.
    fn at_once(&mut self, id: ExprId, l: &For) -> Option<String> {
        let varies = |this: &Self, id| this.pool.axes(id).contains(&l.axis);
        match self.pool.get(id).clone() {
            Expr::Load { tensor, at } if varies(self, id) => {
                let from = self.start(tensor, &at, l)?;
                Some(format!("ftc_load<{}>(&{from})", l.extent))
            }
            Expr::Select { cond, then, otherwise } if !varies(self, cond) => {
                let (then, otherwise) = (self.at_once(then, l)?, self.at_once(otherwise, l)?);
                let cond = self.text(cond);
                Some(format!("({cond}) ? {then} : {otherwise}"))
            }
            _ if !varies(self, id) => {
                let dtype = storage(self.pool.dtype(id));
                let value = self.text(id);
                Some(format!("ftc_splat<{}, {dtype}>({value})", l.extent))
            }
            _ => None,
        }
    }

    /// What is evaluated in every lane, and can be loaded at once: loads, and choices between them that all lanes decide
    /// alike. Each with its tensor and what it gives.
    fn early(&mut self, value: ExprId, l: &For) -> Vec<Early> {
        let mut open = vec![value];
        let mut found: Vec<Early> = Vec::new();
        while let Some(id) = open.pop() {
            if found.iter().any(|early| early.id == id) {
                continue;
            }
            let varies = self.pool.axes(id).contains(&l.axis);
            let tensor = match self.pool.get(id).clone() {
                Expr::Load { tensor, .. } => Some(tensor),
                Expr::Select { then, .. } => match *self.pool.get(then) {
                    Expr::Load { tensor, .. } => Some(tensor),
                    _ => None,
                },
                _ => None,
            };
            match tensor.filter(|_| varies).and_then(|tensor| Some((tensor, self.at_once(id, l)?))) {
                Some((tensor, value)) => found.push(Early { id, tensor, value }),
                None => match *self.pool.get(id) {
                    Expr::Select { cond, .. } => open.push(cond),
                    _ => open.extend(self.pool.children(id)),
                },
            }
        }
        found.sort_by_key(|early| early.id.index());
        found
    }
}

/// A value that is loaded for all lanes at once.
struct Early {
    id: ExprId,
    tensor: TensorId,
    value: String,
}
