//! Exports on their way: made ready before the first trial, with the outputs that are expected of their candidates.

use super::super::lock::{self, Key, Pinned};
use super::super::session::{Outcome, Session};
use super::error;
use super::log::{Header, Past};
use super::rival::Rival;
use super::search::{Job, Settings};
use super::subject::{Recipe, Subject};
use super::turns::{Progress, Turns};
use crate::explore::{Reason, Rejections};
use crate::loops::Kernel;
use crate::lower;
use crate::measure::crew::Crew;
use crate::measure::meter::BUILD_LIMIT;
use crate::measure::parallel;
use crate::space::knobs::Point;

/// One export on its way.
pub(super) struct Open<'j> {
    pub(super) job: &'j Job,
    pub(super) key: Key,
    pub(super) subject: Subject,
    pub(super) turns: Option<Turns>,
    pub(super) progress: Progress,
    pub(super) rejections: Rejections,
    pub(super) rival: Option<Rival>,
}

/// Gets all exports ready.
pub(super) fn open_all<'j>(
    session: &mut Session,
    settings: &Settings,
    jobs: &'j [Job],
    crew: &Crew,
) -> Outcome<Vec<Open<'j>>> {
    let target = session.pinned.as_ref().map_or_else(String::new, |pinned| pinned.target.clone());
    let naive: Vec<_> = jobs.iter().map(|job| session.passes.run("lower", || lower::lower(&job.graph))).collect();
    let Session { passes, pinned, diagnostics, .. } = session;
    // What is found takes their places.
    let broken = naive.iter().filter_map(|kernel| lock::finding(pinned.as_ref()?, kernel));
    diagnostics.extend(broken);
    let subjects = passes.run("reference", || subjects(settings, pinned.as_ref(), jobs, &naive, crew));
    let mut open = Vec::new();
    for ((job, naive), subject) in jobs.iter().zip(naive).zip(subjects) {
        let subject = subject.map_err(|reason| {
            let why = format!("{}: {}", reason.kind, reason.detail);
            session.environment(error::nothing_found(&job.graph.name, &why))
        })?;
        let key = Key::of(&naive, &target);
        let (progress, rejections) = (Progress::default(), Rejections::new());
        let pinned = session.pinned.as_ref();
        let rival = pinned.zip(job.rival.as_ref());
        let rival = rival.and_then(|(pinned, graph)| Rival::of(pinned, graph, &settings.platform));
        open.push(Open { job, key, subject, turns: None, progress, rejections, rival });
    }
    Ok(open)
}

/// The data of all jobs.
fn subjects(
    settings: &Settings,
    pinned: Option<&Pinned>,
    jobs: &[Job],
    naive: &[Kernel],
    crew: &Crew,
) -> Vec<Result<Subject, Reason>> {
    let recipe = |(job, naive): (&Job, &Kernel)| {
        Subject::new(&Recipe {
            chosen: pinned
                .and_then(|pinned| lock::recorded(pinned, naive, &settings.platform))
                .or_else(|| job.chosen.clone()),
            graph: &job.graph,
            definition: &job.definition,
            ranges: &job.ranges,
            naive,
            target: &settings.target,
            platform: &settings.platform,
            threads: settings.threads,
            seed: settings.seed,
        })
    };
    let made = parallel::each(jobs.iter().zip(naive).collect(), recipe);
    let orders: Vec<_> = made.iter().map(|made| made.as_ref().ok().map(|(own, chosen)| own.order(chosen))).collect();
    let builds: Vec<_> = orders.iter().flatten().filter_map(|order| order.clone().ok()).collect();
    let mut built = crew.build(&builds, 1, BUILD_LIMIT).into_iter();
    let mut work = Vec::new();
    for (made, order) in made.into_iter().zip(orders) {
        let built = order.map_or(Ok(()), |order| order.and_then(|_| built.next().unwrap_or(Ok(()))));
        work.push((made, built));
    }
    parallel::each(work, |(made, built)| {
        let (mut subject, chosen) = made?;
        subject.expect(crew, chosen, built)?;
        Ok(subject)
    })
}

/// The first line of the log.
pub(super) fn header(settings: &Settings, batch: usize, open: &[Open<'_>], hints: &[Vec<Point>]) -> Header {
    Header {
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
        target: open.first().map_or_else(String::new, |export| export.key.target.clone()),
        search: settings.method.name().to_owned(),
        seed: settings.seed,
        budget: settings.budget_text.clone(),
        batch,
        exports: open.iter().map(|export| (export.job.graph.name.clone(), export.key.form.clone())).collect(),
        hints: hints.iter().map(|own| own.iter().map(|point| point.0.clone()).collect()).collect(),
    }
}

/// A log is of use for the same kernels alone.
pub(super) fn check_past(session: &mut Session, past: &Past, open: &[Open<'_>]) -> Outcome<()> {
    let Some(header) = &past.header else { return Ok(()) };
    for export in open {
        let own = (export.job.graph.name.clone(), export.key.form.clone());
        if !header.exports.contains(&own) || header.target != export.key.target {
            let why = format!("it is not of `{}` on `{}`, or that has changed since", own.0, export.key.target);
            return Err(session.user(error::wrong_log(&past.path, &why)));
        }
    }
    Ok(())
}

/// Points that were good for kernels of the same structure in this run.
pub(super) fn similar(open: &[Open<'_>], at: usize) -> Vec<Point> {
    let own = &open[at];
    let similar =
        open.iter().enumerate().filter(|(other, export)| *other != at && export.key.structure == own.key.structure);
    let texts = similar.filter_map(|(_, export)| {
        let best = export.subject.meter.best()?;
        Some(export.subject.meter.candidates.knobs.show(&best.point))
    });
    points(own, &texts.take(2).collect::<Vec<_>>())
}

/// Such points for each export: those that the log of an earlier search has, if there is one, else those of the lock.
pub(super) fn pinned_hints(past: &Past, pinned: Option<&Pinned>, open: &[Open<'_>]) -> Vec<Vec<Point>> {
    let in_past = |export: &Open<'_>| {
        let header = past.header.as_ref()?;
        let name = &export.job.graph.name;
        let at = header.exports.iter().position(|(other, form)| other == name && *form == export.key.form)?;
        let knobs = export.subject.meter.candidates.knobs.knobs.len();
        let fits = |point: &&Vec<u16>| point.len() == knobs;
        Some(header.hints.get(at)?.iter().filter(fits).cloned().map(Point).collect())
    };
    let in_lock = |export: &Open<'_>| {
        let Some(pinned) = pinned else { return Vec::new() };
        let exact = pinned.exact(&export.key).map(|entry| entry.choices.clone());
        let near = pinned.near(&export.key).into_iter().take(2).map(|entry| entry.choices.clone());
        points(export, &exact.into_iter().chain(near).collect::<Vec<_>>())
    };
    open.iter().map(|export| in_past(export).unwrap_or_else(|| in_lock(export))).collect()
}

/// The points of an export's space that are nearest to choices.
fn points(export: &Open<'_>, choices: &[String]) -> Vec<Point> {
    let knobs = &export.subject.meter.candidates.knobs;
    choices.iter().filter_map(|text| lock::nearest_point(knobs, text)).collect()
}
