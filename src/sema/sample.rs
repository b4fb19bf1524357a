//! Small sizes for which a function is looked at: seeded, so that every run says the same.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::scalar::DType;
use crate::syntax::ast::{Clause, Dim, Expr, ExprKind, Function};

use super::instance::Assignment;
use super::solve::{self, Env};

/// Samples tried for one function.
const ATTEMPTS: usize = 3000;
/// Samples wanted.
const WANTED: usize = 6;
/// Elements of one tensor, at most.
const MAX_ELEMENTS: i64 = 1 << 16;

/// A few assignments that satisfy the `where` clauses, `when`, and give every extent at least one element.
pub(super) fn samples(function: &Function, when: Option<&Expr>, constants: &Env) -> Vec<Assignment> {
    let mut rng = StdRng::seed_from_u64(0x5eed);
    let mut found: Vec<Assignment> = Vec::new();
    for attempt in 0..ATTEMPTS {
        if found.len() == WANTED {
            break;
        }
        let Some(sizes) = sizes(function, when, constants, attempt, &mut rng) else { continue };
        if found.iter().any(|known| known.sizes == sizes.0 && known.spreads == sizes.1) {
            continue;
        }
        let types = function
            .generics
            .iter()
            .map(|generic| (generic.name.name.clone(), element_type(&generic.bound.name, found.len())))
            .collect();
        found.push(Assignment { types, sizes: sizes.0, spreads: sizes.1 });
    }
    found
}

fn element_type(bound: &str, turn: usize) -> DType {
    let choices: &[DType] = match bound {
        "int" => &[DType::I32, DType::I64, DType::I8],
        "number" => &[DType::F32, DType::I32, DType::F16, DType::I8],
        "any" => &[DType::F32, DType::Bool, DType::I32],
        _ => &[DType::F32, DType::F16, DType::F64],
    };
    choices[turn % choices.len()]
}

type Sizes = (BTreeMap<String, i64>, BTreeMap<String, Vec<i64>>);

fn sizes(function: &Function, when: Option<&Expr>, constants: &Env, attempt: usize, rng: &mut StdRng) -> Option<Sizes> {
    let mut env = constants.clone();
    for param in function.params.iter().filter(|param| param.ty.dims.is_none()) {
        let number = match param.ty.elem.name.as_str() {
            "int" => rng.random_range(0..4),
            "bool" => rng.random_range(0..2),
            _ => continue,
        };
        let default = param.default.as_ref().and_then(|default| solve::eval(default, &env).ok());
        // The defaults first; they are what most calls use.
        let keeps_default = attempt < 200 || rng.random_bool(0.4);
        env.insert(param.name.name.clone(), default.filter(|_| keeps_default).unwrap_or(number));
    }
    let mut pool: Vec<i64> = if attempt % 3 == 2 { (1..=7).collect() } else { (2..=9).collect() };
    pool.shuffle(rng);
    let mut names = size_names(function, constants);
    names.shuffle(rng);
    for name in names {
        solve::solve(&function.clauses, &mut env);
        if let Some(when) = when {
            solve::require(when, &mut env);
        }
        let number = pool.pop().unwrap_or_else(|| rng.random_range(2..=9));
        env.entry(name).or_insert(number);
    }
    solve::solve(&function.clauses, &mut env);
    let spreads = spreads(function, rng);
    (holds(function, when, &env) && fits(function, &env, &spreads)).then(|| {
        env.retain(|name, _| !constants.contains_key(name));
        (env, spreads)
    })
}

/// The sizes that arguments bind.
fn size_names(function: &Function, constants: &Env) -> Vec<String> {
    let mut names = Vec::new();
    for dim in function.params.iter().flat_map(|param| param.ty.dims.iter().flatten()) {
        if let Dim::Size(Expr { kind: ExprKind::Name(name), .. }) = dim
            && !names.contains(name)
            && !constants.contains_key(name)
        {
            names.push(name.clone());
        }
    }
    names
}

fn spreads(function: &Function, rng: &mut StdRng) -> BTreeMap<String, Vec<i64>> {
    let mut spreads = BTreeMap::new();
    for dim in function.params.iter().flat_map(|param| param.ty.dims.iter().flatten()) {
        if let Dim::Spread(name) = dim {
            let rank = rng.random_range(1..=3);
            let extents = (0..rank).map(|_| rng.random_range(2..=5)).collect();
            spreads.entry(name.name.clone()).or_insert(extents);
        }
    }
    spreads
}

fn holds(function: &Function, when: Option<&Expr>, env: &Env) -> bool {
    let requirements = function.clauses.iter().all(|clause| match clause {
        Clause::Require(expr) => solve::eval(expr, env).is_ok_and(|truth| truth != 0),
        Clause::Define { name, value } => {
            solve::eval(value, env).is_ok_and(|number| env.get(&name.name) == Some(&number))
        }
    });
    requirements && when.is_none_or(|when| solve::eval(when, env).is_ok_and(|truth| truth != 0))
}

/// Every extent at least 1, and no tensor large.
fn fits(function: &Function, env: &Env, spreads: &BTreeMap<String, Vec<i64>>) -> bool {
    let params = function.params.iter().map(|param| &param.ty);
    params.chain(function.outputs.iter().map(|output| &output.ty)).all(|ty| {
        let mut elements = 1i64;
        for dim in ty.dims.iter().flatten() {
            let extent = match dim {
                Dim::Size(expr) =>
                // An unknown name is for the elaborator to report.
                {
                    solve::eval(expr, env).unwrap_or(1)
                }
                Dim::Spread(name) => spreads.get(&name.name).map_or(1, |extents| extents.iter().product()),
            };
            if extent < 1 {
                return false;
            }
            elements = elements.saturating_mul(extent);
        }
        elements <= MAX_ELEMENTS
    })
}
