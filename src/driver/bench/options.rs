//! The options of `ftc bench` that say which workloads, and how long.

use std::time::Duration;

use regex_lite::Regex;

use super::Request;
use super::error;
use super::suite::{Suite, Workload};
use crate::diag::Diagnostic;
use crate::driver::suggest::nearest;

/// What may be spent on finding schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many schedules are measured; `0trials` never measures.
    Trials(u32),
    /// So much time.
    Time(Duration),
}

impl Budget {
    /// `0trials`, `1trial`, `500ms`, `20s`, `2m`.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: Option<u32> = number.parse().ok();
        let budget = number.and_then(|number| match unit {
            "trial" | "trials" => Some(Self::Trials(number)),
            "ms" => Some(Self::Time(Duration::from_millis(number.into()))),
            "s" => Some(Self::Time(Duration::from_secs(number.into()))),
            "m" | "min" => Some(Self::Time(Duration::from_secs(60 * u64::from(number)))),
            _ => None,
        });
        budget.ok_or_else(|| error::option("--budget", text, "a time or a number of trials: `20s`, `2m`, `0trials`"))
    }
}

/// What may be spent on each workload; nothing if nothing is to be measured.
pub fn budget(request: &Request) -> Result<Option<Budget>, Diagnostic> {
    let budget = request.budget.as_deref().map(Budget::parse).transpose()?;
    Ok(budget.filter(|budget| *budget != Budget::Trials(0)))
}

/// What is to be said about operators that have no weights, where weights are to be constant.
pub fn without_weights(request: &Request, chosen: &[&Workload], has_weights: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut ops: Vec<_> = chosen.iter().map(|workload| workload.op.as_str()).filter(|op| !has_weights(op)).collect();
    ops.sort_unstable();
    ops.dedup();
    let is_said = request.const_weights && !ops.is_empty();
    is_said.then(|| format!("`--const-weights` has no effect on operators without weights: {}", ops.join(", ")))
}

/// The workloads of a suite that `--ops` and `--filter` leave.
pub fn select<'s>(suite: &'s Suite, ops: &[String], filter: Option<&str>) -> Result<Vec<&'s Workload>, Diagnostic> {
    let mut known: Vec<String> = Vec::new();
    for workload in &suite.workloads {
        if !known.contains(&workload.op) {
            known.push(workload.op.clone());
        }
    }
    if let Some(unknown) = ops.iter().find(|op| !known.contains(op)) {
        let near = nearest(unknown, known.iter().map(String::as_str));
        return Err(error::op_not_in_suite(unknown, &known, near));
    }
    let pattern = filter
        .map(|text| {
            Regex::new(text)
                .map_err(|cause| error::option("--filter", text, &format!("a regular expression ({cause})")))
        })
        .transpose()?;
    let chosen: Vec<_> = suite
        .workloads
        .iter()
        .filter(|workload| ops.is_empty() || ops.contains(&workload.op))
        .filter(|workload| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&workload.name)))
        .collect();
    if chosen.is_empty() { Err(error::none_selected(&known)) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_times_or_trials() {
        assert_eq!(Budget::parse("0trials"), Ok(Budget::Trials(0)));
        assert_eq!(Budget::parse("2m"), Ok(Budget::Time(Duration::from_secs(120))));
        for wrong in ["", "20", "s", "-1s", "2h", "99999999999s", "1.5s"] {
            assert!(Budget::parse(wrong).is_err(), "{wrong}");
        }
    }
}
