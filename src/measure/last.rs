//! The final: leaders timed in turns, so that what the machine does besides falls on all of them, the winner first.
//!
//! Who is clearly behind after some turns has no more of them, and the best have the most. Turns are dealt out to several
//! processes one after the other, since each has its data at other places in memory, which makes some tiles faster and
//! others slower: what won in one of them alone won by luck. Of those that are nearly equal at the end the simplest
//! wins, so that two searches agree.

use std::time::Instant;

use super::crew::Crew;
use super::meter::{Leader, Meter};
use super::protocol::Effort;
use super::samples::median;

/// What counts as equal.
const EQUAL: f64 = 0.015;
/// Turns at most and at least. The clock of a GPU says the same each time.
const TURNS: usize = 15;
const GPU_TURNS: usize = 3;
const FEWEST_TURNS: usize = 3;
/// Turns in one process.
const LIFE: usize = 3;
/// Kernels with more bytes of tensors stay in one process: their data would be read anew.
const LARGE: u64 = 64 << 20;
/// Leaders that stay in the final whatever time is left.
const FEWEST: usize = 4;
/// How far one may be behind the best after so many turns to have another one.
const BEHIND: [(usize, f64); 3] = [(3, 0.10), (6, 0.06), (9, 0.03)];
/// How long to measure in each of them.
const TURN: Effort = Effort { samples: 3, seconds: 0.05, hopeless: None, behind: None, fastest: 0.0 };
/// The same beside an anchor, for calls that are short.
const SHORT: f64 = 5e-3;
/// What a worker needs beside the calls that it times, and to start.
const AROUND: f64 = 4e-3;
const START: f64 = 0.2;

/// Someone in the final.
struct Finalist {
    leader: Leader,
    samples: Vec<f64>,
    is_out: bool,
}

impl Meter {
    /// Seconds that the final will take, about, where so many may be spent.
    pub fn final_seconds(&self, most: f64) -> f64 {
        let Some(turn) = self.turn_seconds() else { return 0.0 };
        let count = self.finalists().count() + 1;
        // Few are left for the later turns.
        let turns = FEWEST_TURNS * count + (self.most_turns() - FEWEST_TURNS) * count.div_ceil(3);
        let least = turn * (FEWEST_TURNS * count.min(FEWEST)) as f64;
        (turn * turns as f64 + START * self.lives() as f64).min(most).max(least)
    }

    /// Seconds of one turn of one leader.
    fn turn_seconds(&self) -> Option<f64> {
        let best = self.best()?;
        Some(AROUND + 2.0 * best.seconds + TURN.seconds.min(SHORT + 2.0 * TURN.samples as f64 * best.seconds))
    }

    /// The leaders and guests, timed in turns, the winner first: the simplest of those that are as good as equal. After
    /// some time there are no more turns than are needed.
    pub fn finale(
        &mut self,
        crew: &Crew,
        guests: impl IntoIterator<Item = Leader>,
        until: Option<Instant>,
    ) -> Vec<Leader> {
        let mut leaders: Vec<Leader> = self.finalists().cloned().collect();
        if let (Some(until), Some(turn)) = (until, self.turn_seconds()) {
            let left = until.saturating_duration_since(Instant::now()).as_secs_f64();
            leaders.truncate(((left / (turn * 2.0 * FEWEST_TURNS as f64)) as usize).max(FEWEST));
        }
        leaders.extend(guests);
        let mut ranked = self.compare(crew, leaders, until);
        ranked.retain(|leader| leader.seconds.is_finite());
        let undisturbed = self.undisturbed();
        for leader in &mut ranked {
            leader.seconds *= undisturbed;
        }
        let least = ranked.first().map_or(f64::INFINITY, |leader| leader.seconds);
        let equal = ranked.iter().take_while(|leader| leader.seconds <= least * (1.0 + EQUAL)).count();
        ranked[..equal].sort_by_key(|leader| {
            let text = leader.schedule.to_string();
            (leader.schedule.steps.len(), text.len(), text)
        });
        ranked
    }

    /// Times all in turn, several times over; their seconds are then the medians. Those that had more turns come first, the
    /// faster of them before others.
    pub fn compare(&mut self, crew: &Crew, leaders: Vec<Leader>, until: Option<Instant>) -> Vec<Leader> {
        let open = |leader| Finalist { leader, samples: Vec::new(), is_out: false };
        let mut all: Vec<_> = leaders.into_iter().map(open).collect();
        for turn in 0..self.most_turns() {
            let is_last = until.is_some_and(|until| Instant::now() > until);
            if turn >= FEWEST_TURNS && (is_last || all.iter().filter(|finalist| !finalist.is_out).count() < 2) {
                break;
            }
            if turn % LIFE == 0 && turn > 0 && self.lives() > 1 {
                crew.renew();
            }
            self.take_turn(crew, &mut all, turn % LIFE > 0);
            if let Some((_, behind)) = BEHIND.iter().rev().find(|(from, _)| turn + 1 >= *from) {
                drop_out(&mut all, *behind);
            }
        }
        for finalist in &mut all {
            let Finalist { leader, samples, .. } = finalist;
            leader.seconds = if samples.is_empty() { f64::INFINITY } else { median(samples) };
        }
        let turns = |finalist: &Finalist| std::cmp::Reverse(finalist.samples.len());
        all.sort_by(|a, b| turns(a).cmp(&turns(b)).then_with(|| a.leader.seconds.total_cmp(&b.leader.seconds)));
        all.into_iter().map(|finalist| finalist.leader).collect()
    }

    /// Times once who is still in.
    fn take_turn(&mut self, crew: &Crew, all: &mut [Finalist], checked: bool) {
        for finalist in all.iter_mut().filter(|finalist| !finalist.is_out) {
            // A library may be missing: a trial that was recalled has none.
            let restored = self.restore(crew, &finalist.leader);
            match restored.and_then(|()| self.seconds(crew, &finalist.leader.library, TURN, checked)) {
                Ok(seconds) => finalist.samples.push(seconds),
                Err(_) => finalist.is_out = true,
            }
        }
    }

    /// Processes that share the turns.
    const fn lives(&self) -> usize {
        if self.is_gpu() || self.setup.tensors > LARGE { 1 } else { TURNS.div_ceil(LIFE) }
    }

    const fn most_turns(&self) -> usize {
        if self.is_gpu() { GPU_TURNS } else { TURNS }
    }
}

/// Takes those out that are too far behind.
fn drop_out(all: &mut [Finalist], behind: f64) {
    let so_far =
        |finalist: &Finalist| if finalist.samples.is_empty() { f64::INFINITY } else { median(&finalist.samples) };
    let best = all.iter().filter(|finalist| !finalist.is_out).map(so_far).fold(f64::INFINITY, f64::min);
    for finalist in all.iter_mut().filter(|finalist| !finalist.is_out) {
        finalist.is_out = so_far(finalist) > best * (1.0 + behind);
    }
}
