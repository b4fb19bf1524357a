//! The whole-number constants of all files, each evaluated once, in whatever order they depend on each other.
//!
//! A constant that is no whole number or truth value, overflows, or needs itself is left out: the elaborator evaluates
//! it where it is used, and reports what is wrong. Takes a program whose scopes are complete; works without recursion,
//! so a chain of constants may be as long as it likes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Item, UnaryOp};

use super::program::Program;
use super::solve::{self, Env};
use super::walk;

/// A constant: truth is 1 and 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant {
    pub(super) value: i64,
    pub(super) is_truth: bool,
}

/// A constant's module and its position among the items.
type Place = (usize, usize);

/// What is known of each constant: nothing while those that it needs are evaluated.
type Known = BTreeMap<Place, Option<Constant>>;

/// The constants in the scope of each module, by their names there.
pub(super) fn constants(program: &Program) -> Vec<BTreeMap<String, Constant>> {
    let mut known = Known::new();
    let in_scope = |module: usize| {
        program.modules[module].scope.iter().filter_map(move |(name, global)| {
            let place = (global.module, global.item);
            value(program, place).map(|_| (name, place))
        })
    };
    for module in 0..program.modules.len() {
        in_scope(module).for_each(|(_, place)| evaluate(program, place, &mut known));
    }
    (0..program.modules.len())
        .map(|module| {
            in_scope(module)
                .filter_map(|(name, place)| Some((name.clone(), known.get(&place).copied().flatten()?)))
                .collect()
        })
        .collect()
}

/// The right-hand side of the constant at a place, if there is one.
fn value(program: &Program, (module, item): Place) -> Option<&Expr> {
    match &program.modules[module].tree.items[item] {
        Item::Const(constant) => Some(&constant.value),
        _ => None,
    }
}

/// Evaluates a constant after all that it needs. Those of a circle find nothing known of each other.
fn evaluate(program: &Program, place: Place, known: &mut Known) {
    let mut open = vec![(place, false)];
    while let Some((place, needs_are_known)) = open.pop() {
        let Some(expr) = value(program, place) else { continue };
        let needs: Vec<(&str, Place)> = walk::names(expr)
            .into_iter()
            .filter_map(|name| program.global(place.0, name).map(|(global, _)| (name, (global.module, global.item))))
            .collect();
        if needs_are_known {
            let needed = needs.iter().filter_map(|&(name, need)| Some((name.to_owned(), known.get(&need).copied()??)));
            let constant = constant(expr, &needed.collect());
            known.insert(place, constant);
        } else if let Entry::Vacant(unseen) = known.entry(place) {
            unseen.insert(None);
            open.push((place, true));
            open.extend(needs.iter().filter(|(_, need)| !known.contains_key(need)).map(|&(_, need)| (need, false)));
        }
    }
}

fn constant(expr: &Expr, needed: &BTreeMap<String, Constant>) -> Option<Constant> {
    let env: Env = needed.iter().map(|(name, constant)| (name.clone(), constant.value)).collect();
    let value = solve::eval(expr, &env).ok()?;
    Some(Constant { value, is_truth: is_truth(expr, needed) })
}

/// Whether an expression that has a value is a truth value.
fn is_truth(expr: &Expr, needed: &BTreeMap<String, Constant>) -> bool {
    match &expr.kind {
        ExprKind::Bool(_) | ExprKind::Unary(UnaryOp::Not, _) => true,
        ExprKind::Binary(op, ..) => {
            !matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod)
        }
        ExprKind::Name(name) => needed.get(name).is_some_and(|constant| constant.is_truth),
        ExprKind::If { then: value, .. } | ExprKind::Block { result: value, .. } => is_truth(value, needed),
        _ => false,
    }
}
