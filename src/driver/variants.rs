//! Which body an export is compiled from: that of its function, or a variant.
//!
//! `--variant` says it, or a block `schedule f as winograd`; a block without a name is about the first body. Where nobody
//! says it, a body that was measured is taken, else the one that the model likes best with the schedule that it would
//! choose. Variants round differently: those that say `#[inexact]` have to be asked for, and none is a choice where
//! tensors are stored in fewer than 32 bits, since the roundings of every intermediate would be seen, or where products
//! are of numbers that are rounded to so few.

use crate::graph::Graph;
use crate::loops::{self, Kernel};
use crate::lower;
use crate::scalar::DType;
use crate::sema::{self, Program, Request, Unfit};
use crate::syntax::ast;
use crate::target::{Numbers, Platform, Target};

use super::choose::{Choice, choice};
use super::lock::{Key, Pinned};
use super::schedules::{self, Block};
use super::session::{Outcome, Session};
use super::{error, instantiate, machine};

/// Which body is taken where nobody says it.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// What a build takes: what was measured before what the model likes.
    Built,
    /// What a search takes: what the model likes before what was measured, if it never was.
    Searched,
    /// What a search took, by the fingerprints of its kernels.
    Logged(&'a [String]),
}

/// The name in `--variant` that means the first body.
pub const FIRST: &str = "none";

/// What a variant must cost at most, of what the first body does: that one is the more exact.
const GAIN: f64 = 0.9;

/// What an export is compiled from.
#[derive(Clone, Debug)]
pub struct Body<'p> {
    /// What is computed.
    pub graph: Graph,
    /// What it is to give, by the first body.
    pub definition: Graph,
    /// The variant that it comes from; the first body if none.
    pub variant: Option<String>,
    /// What a build takes, where a search takes another one.
    pub rival: Option<Graph>,
    /// The schedule that is written for it.
    pub block: Option<Block<'p>>,
}

/// The body of an export.
pub fn of_export<'p>(
    session: &mut Session,
    program: &'p Program,
    export: &ast::Export,
    request: &Request,
    target: &Target,
    wanted: Wanted<'_>,
) -> Outcome<Body<'p>> {
    let block = schedules::find(program, export, request, target, machine::host().as_ref());
    let variant = block.as_ref().and_then(Block::variant).map(str::to_owned);
    let variant = variant.or_else(|| match request.variants.as_slice() {
        [only] if only != FIRST => Some(only.clone()),
        _ => None,
    });
    let asked = variant.as_ref().map_or_else(|| request.clone(), |name| with(request, name, Unfit::Refuse));
    let graph = instantiate(session, program, export, &asked)?;
    let first = Request { variants: Vec::new(), ..request.clone() };
    let definition =
        if asked.variants.is_empty() { graph.clone() } else { instantiate(session, program, export, &first)? };
    let is_open = block.is_none() && request.variants.is_empty();
    let Some(platform) = machine::model(target).filter(|_| is_open) else {
        return Ok(Body { graph, definition, variant, rival: None, block });
    };
    let make = |name: &str| sema::instantiate(program, export, &with(request, name, Unfit::Skip)).ok();
    let Picked { graph, variant, rival } = pick(session, program, graph, (&platform, wanted), &make);
    Ok(Body { graph, definition, variant, rival, block })
}

/// Refuses names of variants that do not exist.
pub fn check(session: &mut Session, program: &Program, names: &[String]) -> Outcome<()> {
    let known = program.variant_names();
    match names.iter().find(|name| *name != FIRST && !known.contains(&name.as_str())) {
        Some(name) => Err(session.user(error::unknown_variant(name, &known))),
        None => Ok(()),
    }
}

/// A request for a variant.
pub fn with(request: &Request, variant: &str, unfit: Unfit) -> Request {
    Request { variants: vec![variant.to_owned()], unfit, ..request.clone() }
}

/// A body that was picked.
#[derive(Clone, Debug)]
pub struct Picked {
    /// What is computed.
    pub graph: Graph,
    /// The variant; the first body if none.
    pub variant: Option<String>,
    /// What a build takes, where a search takes another one.
    pub rival: Option<Graph>,
}

/// The best body where nobody says which: the first one, or that of a variant as `make` makes it. Variants that it does
/// not make are no choice.
pub fn pick(
    session: &mut Session,
    program: &Program,
    first: Graph,
    (platform, wanted): (&Platform, Wanted<'_>),
    make: &dyn Fn(&str) -> Option<Graph>,
) -> Picked {
    session.chosen = None;
    let is_short = |dtype: DType| dtype.is_float() && dtype.bytes() < 4;
    if platform.numbers() == Numbers::Tf32 || first.tensors.iter().any(|(_, tensor)| is_short(tensor.dtype)) {
        return Picked { graph: first, variant: None, rival: None };
    }
    let text = first.to_string();
    let mut bodies = vec![(first, None)];
    for name in program.exact_variants() {
        let graph = make(name).filter(|graph| graph.to_string() != text);
        bodies.extend(graph.map(|graph| (graph, Some(name.to_owned()))));
    }
    let mut rival = None;
    if bodies.len() > 1 {
        let kernels: Vec<_> = bodies.iter().map(|(graph, _)| lower::lower(graph)).collect();
        let pinned = session.pinned.as_ref();
        let best = session.passes.run("variant", || best(pinned, &kernels, platform, wanted));
        session.chosen = best.choice.map(|choice| (loops::print::print(&kernels[best.at]), choice.schedule));
        rival = best.rival.map(|at| bodies[at].0.clone());
        bodies.truncate(best.at + 1);
    }
    let (graph, variant) = bodies.pop().expect("the first body is there");
    Picked { graph, variant, rival }
}

/// Which body is the best.
struct Best {
    at: usize,
    /// What the model chooses for it, if that had to be asked.
    choice: Option<Choice>,
    /// The one that a build takes, if that is another one.
    rival: Option<usize>,
}

impl Best {
    const fn known(at: usize) -> Self {
        Self { at, choice: None, rival: None }
    }
}

/// The best of some bodies.
fn best(pinned: Option<&Pinned>, kernels: &[Kernel], platform: &Platform, wanted: Wanted<'_>) -> Best {
    let logged = |forms: &[String]| kernels.iter().position(|kernel| forms.contains(&Key::of(kernel, "").form));
    let measured = measured(pinned, kernels);
    let known = match wanted {
        Wanted::Logged(forms) => logged(forms).map(Best::known),
        Wanted::Built => measured.map(Best::known),
        Wanted::Searched => measured.map(|measured| {
            let liked = cheapest(kernels, platform);
            let is_new = pinned.is_none_or(|pinned| pinned.seconds(&kernels[liked.at]).is_none());
            if is_new { Best { rival: Some(measured), ..liked } } else { Best::known(measured) }
        }),
    };
    known.unwrap_or_else(|| cheapest(kernels, platform))
}

/// The body that the lock has the best time for, if it has one.
fn measured(pinned: Option<&Pinned>, kernels: &[Kernel]) -> Option<usize> {
    let seconds = kernels.iter().enumerate().filter_map(|(at, kernel)| Some((at, pinned?.seconds(kernel)?)));
    seconds.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
}

/// The body that the model likes best, with what it chooses for it.
fn cheapest(kernels: &[Kernel], platform: &Platform) -> Best {
    let mut choices: Vec<_> = kernels.iter().map(|kernel| choice(kernel, platform)).collect();
    let cost = |&at: &usize| choices[at].cycles / if at == 0 { 1.0 } else { GAIN };
    let at = (0..choices.len()).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(0);
    Best { at, choice: Some(choices.swap_remove(at)), rival: None }
}
