//! The end of a search: the final among the leaders of each export, the check of who won, and what that takes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::bench::options::Budget;
use super::super::lock::Entry;
use super::super::session::{Outcome, Session};
use super::error;
use super::log::{Line, Winner};
use super::notes::{INTERRUPTED, Notes};
use super::open::Open;
use super::search::Tuned;
use super::turns::Turns;
use crate::explore::Reason;
use crate::measure::crew::Crew;
use crate::measure::meter::Leader;
use crate::measure::parallel;
use crate::space::knobs::Point;

/// Seconds that the checks of winners will take, as many at a time as there are cores.
pub(super) fn checking(open: &[Open<'_>]) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    open.iter().map(|export| export.subject.compared).sum::<f64>() / cores.min(open.len()).max(1) as f64
}

/// The share of a budget that finals may take where they need so much.
const FINALS: f64 = 0.12;

/// Seconds that the finals will take, of which each may take its part of the budget.
pub(super) fn finals(open: &[Open<'_>], most: f64) -> f64 {
    open.iter().map(|export| export.subject.meter.final_seconds(most)).sum()
}

/// The seconds that one of so many finals may take.
pub(super) fn most_of_final(budget: Budget, exports: usize) -> f64 {
    match budget {
        Budget::Trials(_) => f64::INFINITY,
        Budget::Time(time) => time.as_secs_f64() * FINALS / exports.max(1) as f64,
    }
}

/// Ends all searches and picks the winners: of the leaders, timed in turns, the first that passes the check.
pub(super) fn finish_all(
    session: &mut Session,
    open: &mut [Open<'_>],
    (crew, most): (&Crew, f64),
    notes: &mut Notes<'_>,
    started: Instant,
) -> Vec<Outcome<Tuned>> {
    // Without a trial, what a build takes is timed and stays, unless nothing was to be tried at all.
    let is_idle = open.iter().all(|export| notes.trials_of(&export.job.graph.name) == 0);
    let is_cut = is_idle || INTERRUPTED.load(Ordering::Relaxed);
    let mut last = Vec::new();
    for at in 0..open.len() {
        let later = checking(open) + finals(&open[at + 1..], most);
        let export = &mut open[at];
        if let Some(end) = export.turns.take().and_then(Turns::end) {
            export.rejections = end.rejections;
        }
        let name = &export.job.graph.name;
        let is_left = notes.trials_of(name) == 0 && is_cut;
        let is_known = notes.winner_in_past(name).is_some() || notes.replays() || is_left;
        last.push(if is_known { (Vec::new(), None) } else { finale(export, crew, notes.before_end(later)) });
    }
    let work: Vec<_> = open.iter_mut().zip(last).collect();
    let ends = parallel::each(work, |(export, (finalists, rival))| {
        let (winner, refused) = checked(export, crew, finalists);
        Ending { winner, refused, rival }
    });
    open.iter().zip(ends).map(|(export, end)| finish(session, export, end, notes, started)).collect()
}

/// What came of a final.
struct Ending {
    winner: Option<Winner>,
    /// Why others were not taken.
    refused: Vec<Reason>,
    /// Of another body, with what it took.
    rival: Option<Entry>,
}

/// The finalists of an export, and the entry of another body that was among them.
fn finale(export: &mut Open<'_>, crew: &Crew, until: Option<Instant>) -> (Vec<Leader>, Option<Entry>) {
    let Open { subject, rival, .. } = export;
    // One that cannot be compiled is no rival.
    let other = rival.as_ref().and_then(|rival| rival.leader(&subject.meter, crew).ok());
    let guests: Vec<_> = subject.chosen.clone().into_iter().chain(other).collect();
    let mut finalists = subject.meter.finale(crew, guests, until);
    let entry = rival.as_ref().and_then(|rival| rival.part(&mut finalists));
    (finalists, entry)
}

/// What became of an export.
fn finish(
    session: &mut Session,
    export: &Open<'_>,
    Ending { winner, refused, rival }: Ending,
    notes: &mut Notes<'_>,
    started: Instant,
) -> Outcome<Tuned> {
    let name = export.job.graph.name.clone();
    let winner = notes.winner_in_past(&name).cloned().or(winner);
    let status = notes.status(&name).clone();
    let mut reasons = export.rejections.clone();
    for (kind, count) in status.reasons {
        let known = reasons.entry(kind).or_default();
        *known = (*known).max(count);
    }
    let Some(winner) = winner else {
        let mut counted: Vec<_> = reasons.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
        counted.extend(refused.first().map(|reason| format!("the winner: {}: {}", reason.kind, reason.detail)));
        let counted = counted.join(", ");
        return Err(session.environment(error::nothing_found(&name, &counted)));
    };
    notes.write(&Line::Winner(winner.clone()));
    let choices = export.subject.meter.candidates.knobs.show(&Point(winner.point));
    let entry = super::entry(&name, &export.key, winner.seconds, choices, winner.schedule);
    let trials = notes.trials_of(&name);
    let first = status.first.map(|first| first * export.subject.meter.undisturbed());
    Ok(Tuned { entry, rival, trials, first, reasons, took: started.elapsed().as_secs_f64(), refused })
}

/// The first of the finalists that passes the check, and why others did not.
fn checked(export: &mut Open<'_>, crew: &Crew, finalists: Vec<Leader>) -> (Option<Winner>, Vec<Reason>) {
    let mut refused = Vec::new();
    for leader in finalists {
        match export.subject.check(crew, &leader) {
            Ok(()) => {
                let (name, form) = (export.job.graph.name.clone(), export.key.form.clone());
                let (seconds, point) = (leader.seconds, leader.point.0.clone());
                let schedule = leader.schedule.to_string();
                return (Some(Winner { export: name, form, seconds, point, schedule }), refused);
            }
            Err(reason) => refused.push(reason),
        }
    }
    (None, refused)
}
