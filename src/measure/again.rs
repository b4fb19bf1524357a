//! What is timed again while a search runs: the first of the leaders, of whom some lead by luck; and what says how long
//! the anchor takes.

use super::anchor::Anchor;
use super::crew::Crew;
use super::meter::Meter;
use super::protocol::Effort;
use super::samples::median;

/// Looks at a leader before the final, at most; how many leaders are looked at again before each batch, and how far they
/// may be behind. The clock of a GPU says the same each time.
const LOOKS: usize = 3;
const LOOKED_AT: usize = 2;
const NEAR: f64 = 0.08;
/// How long to look at a leader again.
const AGAIN: Effort = Effort { samples: 3, seconds: 0.05, hopeless: None, behind: None, fastest: 0.0 };

impl Meter {
    /// Gets the anchor ready, and looks at leaders again.
    pub(super) fn look_around(&mut self, crew: &Crew) {
        if self.is_gpu() {
            return;
        }
        if self.anchor.as_ref().is_some_and(|anchor| !anchor.is_known()) {
            self.learn_anchor(crew);
        }
        self.change_anchor();
        self.look_again(crew);
    }

    /// Where trials were recalled: what the anchor takes beside the best of them.
    fn learn_anchor(&mut self, crew: &Crew) {
        let Some(best) = self.best().cloned() else { return };
        let samples = self.restore(crew, &best).and_then(|()| self.time(crew, &best.library, AGAIN, true));
        if let (Ok(samples), Some(anchor)) = (samples, &mut self.anchor) {
            anchor.learn(best.seconds, &samples);
        }
    }

    /// Makes the best the anchor if that is much slower, or if there is none.
    fn change_anchor(&mut self) {
        let Some(best) = self.leaders.first() else { return };
        if self.anchor.as_ref().is_some_and(|anchor| !anchor.is_slow(best.seconds)) {
            return;
        }
        self.made += 1;
        let library = self.setup.folder.join(format!("anchor{}.so", self.made));
        if std::fs::copy(&best.library, &library).is_ok() {
            self.anchor = Some(Anchor::known(library, best.seconds));
        }
    }

    /// Times some of the first leaders again, those that were looked at least: their seconds are the medians.
    fn look_again(&mut self, crew: &Crew) {
        let near = self.best().map_or(0.0, |best| best.seconds) * (1.0 + NEAR);
        for _ in 0..LOOKED_AT {
            let open = self.leaders.iter().enumerate();
            let open = open.filter(|(_, leader)| leader.seconds <= near && leader.looks.len() < LOOKS);
            let Some(at) = open.min_by_key(|(_, leader)| leader.looks.len()).map(|(at, _)| at) else { return };
            let mut leader = self.leaders.remove(at);
            // A library may be missing: a trial that was recalled has none.
            let exists = leader.library.exists();
            let again = if exists { self.seconds(crew, &leader.library, AGAIN, true) } else { Ok(leader.seconds) };
            match again {
                Ok(seconds) => leader.looks.push(seconds),
                // What does not work the second time does not win.
                Err(_) => continue,
            }
            leader.seconds = median(&leader.looks);
            self.lead(leader);
        }
    }
}
