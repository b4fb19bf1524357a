//! Whether a block is for a target, and how closely.

use crate::driver::machine;
use crate::syntax::ast;
use crate::target::{Facts, Host, Numbers, Target};

/// How closely a block fits; a greater one is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It is for any target.
    Any,
    /// The machine has what the block's target asks for, which is so much.
    Has(u32),
    /// It is for this target.
    Same,
}

/// How closely a block fits a target; none if not at all.
pub(super) fn fit(block: &ast::Schedule, target: &Target, host: Option<&Host>) -> Option<Fit> {
    let Some(written) = &block.target else { return Some(Fit::Any) };
    if written.name == target.name() {
        return Some(Fit::Same);
    }
    match (Target::parse(&written.name, host), target) {
        (Ok(Target::Cpu(wanted)), Target::Cpu(there)) => {
            let has_all = wanted.arch == there.arch && machine::lacks(&wanted.facts(), &there.facts()).is_none();
            has_all.then(|| Fit::Has(demands(&wanted.facts())))
        }
        (Ok(Target::Gpu(wanted)), Target::Gpu(there)) => {
            let may_round = wanted.numbers == Numbers::Exact || wanted.numbers == there.numbers;
            (wanted.sm <= there.sm && may_round).then_some(Fit::Has(wanted.sm))
        }
        _ => None,
    }
}

/// How much a target asks for.
fn demands(facts: &Facts) -> u32 {
    let flags = [facts.fma, facts.f16_convert, facts.vnni, facts.bf16, facts.fp16, facts.masks];
    facts.vector_bits + flags.into_iter().map(u32::from).sum::<u32>()
}
