//! Ranges of indices, from where an index stands alone in a subscript.
//!
//! Reads without `else` count first, because they must stay inside; only if there is none, reads with `else`.

use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Ident, Subscript};

use super::elab::Elab;
use super::value::{Binding, Size};
use super::{error, walk};

/// A place that implies a range.
pub(super) struct Evidence {
    pub(super) size: Size,
    pub(super) span: Span,
    pub(super) tensor: String,
    pub(super) position: usize,
    has_else: bool,
}

impl<'p> Elab<'p> {
    /// The number of values of an index, as `within` implies it.
    pub(super) fn infer_range(&mut self, name: &Ident, within: &[&'p Expr]) -> Option<Size> {
        let mut found = Vec::new();
        let mut is_clouded = false;
        for expr in within {
            self.evidence(expr, &name.name, &mut found, &mut is_clouded);
        }
        let strict = found.iter().any(|evidence| !evidence.has_else);
        found.retain(|evidence| !strict || !evidence.has_else);
        let Some(first) = found.first() else {
            if !is_clouded {
                let mixed = within.iter().find_map(|expr| mixed_subscript(expr, &name.name));
                self.report(error::index::no_range(name, mixed));
            }
            return None;
        };
        if let Some(other) = found.iter().find(|other| other.size.value != first.size.value) {
            let diagnostic = error::index::ranges_differ(name, first, other);
            self.report(diagnostic);
            return None;
        }
        Some(first.size.clone())
    }

    /// Collects the reads in which `name` stands alone as a subscript. `is_clouded` is set where a read could not be
    /// understood because of an error elsewhere.
    fn evidence(&self, expr: &'p Expr, name: &str, found: &mut Vec<Evidence>, is_clouded: &mut bool) {
        walk::each(expr, &mut |e| match &e.kind {
            ExprKind::Read { tensor, at, otherwise } => match self.extents(&tensor.name) {
                Some(shape) => {
                    let Some(positions) = positions(at, shape.len()) else { return };
                    for (subscript, position) in at.iter().zip(positions) {
                        if let Subscript::At(Expr { kind: ExprKind::Name(alone), span }) = subscript
                            && alone == name
                            && let Some(size) = shape.get(position)
                        {
                            found.push(Evidence {
                                size: size.clone(),
                                span: *span,
                                tensor: tensor.name.clone(),
                                position,
                                has_else: otherwise.is_some(),
                            });
                        }
                    }
                }
                None => *is_clouded = true,
            },
            ExprKind::Call { callee, args } => {
                let Some((position, entry)) = self.lookup(&callee.name) else { return };
                let Binding::Helper(params, body) = entry.binding else { return };
                for (param, arg) in params.iter().zip(args) {
                    if matches!(&arg.value.kind, ExprKind::Name(alone) if alone == name) && position > 0 {
                        self.evidence(body, &param.name, found, is_clouded);
                    }
                }
            }
            ExprKind::Error => *is_clouded = true,
            _ => {}
        });
    }

    /// The extents of what can be read by that name.
    fn extents(&self, name: &str) -> Option<Vec<Size>> {
        match &self.lookup(name)?.1.binding {
            Binding::Tensor(tensor) => Some(tensor.shape.clone()),
            Binding::Table(table) => Some(self.tables[*table].shape.iter().map(|&n| Size::literal(n)).collect()),
            Binding::Output(position) => Some(self.frame.outputs[*position].shape.clone()),
            _ => None,
        }
    }

    /// The extents that `..name` runs over, as `within` implies them.
    pub(super) fn infer_spread(&mut self, name: &Ident, within: &[&'p Expr]) -> Option<Vec<Size>> {
        let mut found: Vec<(Vec<Size>, Span)> = Vec::new();
        let mut is_clouded = false;
        for expr in within {
            walk::each(expr, &mut |e| {
                let ExprKind::Read { tensor, at, .. } = &e.kind else { return };
                let spread = at.iter().position(|s| matches!(s, Subscript::Spread(i) if i.name == name.name));
                let Some(start) = spread else { return };
                let Some(shape) = self.extents(&tensor.name) else {
                    is_clouded = true;
                    return;
                };
                if let Some(count) = (shape.len() + 1).checked_sub(at.len()) {
                    found.push((shape[start..start + count].to_vec(), e.span));
                }
            });
        }
        let Some((first, span)) = found.first() else {
            if !is_clouded {
                self.report(error::index::no_spread(name));
            }
            return None;
        };
        let values = |sizes: &[Size]| sizes.iter().map(|size| size.value).collect::<Vec<_>>();
        if let Some((other, at)) = found.iter().find(|(other, _)| values(other) != values(first)) {
            self.report(error::index::spreads_differ(name, (first, *span), (other, *at)));
            return None;
        }
        Some(first.clone())
    }
}

/// A subscript that an index stands in with something else.
fn mixed_subscript(expr: &Expr, index: &str) -> Option<Span> {
    let mut found = None;
    walk::each(expr, &mut |e| {
        let ExprKind::Read { at, .. } = &e.kind else { return };
        let mixed = at.iter().find_map(|subscript| match subscript {
            Subscript::At(sub) if walk::names(sub).contains(&index) => Some(sub.span),
            _ => None,
        });
        found = found.or(mixed);
    });
    found
}

/// The dimension that each subscript stands for, with one spread taking what the others leave.
fn positions(at: &[Subscript], rank: usize) -> Option<Vec<usize>> {
    let spreads = at.iter().filter(|s| matches!(s, Subscript::Spread(_))).count();
    let width = match spreads {
        0 => 1,
        1 => (rank + 1).checked_sub(at.len())?,
        _ => return None,
    };
    let mut next = 0;
    let positions = at.iter().map(|subscript| {
        let here = next;
        next += if matches!(subscript, Subscript::Spread(_)) { width } else { 1 };
        here
    });
    Some(positions.collect())
}
