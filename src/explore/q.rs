//! The Q-method, the paper's own: annealing picks the starts (`start`), Q-learning the directions.
//!
//! One network for each knob says what each direction of the knob is worth from a point: the reward of the step, and
//! what can be gained from there on, discounted. A start's best direction over all knobs is tried, or with probability ε
//! one at random. Networks are trained as the search goes, from transitions that it saw, towards values by a *target
//! network*, which is a copy that lags behind. Parameters are the paper's; what departs from it:
//!
//! - The reward of a step is the logarithm of how many times faster it is, not a difference in milliseconds, which tells
//!   kernels of microseconds nothing.
//! - Directions to known or illegal points are not taken: they bring no news.
//! - Training is due each 32 trials, since here a search has hundreds of trials, not thousands; and there are at most
//!   a tenth of all trials at random before (the paper has 200).

use rand::RngExt;

use super::network::{self, Lesson, Network, Rate};
use super::{Done, Explore, Search, random, start};
use crate::space::knobs::{Direction, Point};

/// Its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Q {
    /// How far from the best a start may be; see `start`.
    gamma: f64,
    /// Trials at random before, at most.
    warm_up: usize,
    /// ε is `first · exp(-fall · t)` at trial `t`, but never less than `last`.
    epsilon: Epsilon,
    /// What a gain one step later is worth.
    discount: f32,
    /// Width of each of the three hidden layers.
    width: usize,
    /// Of `AdaDelta`.
    rate: Rate,
    /// Transitions in a batch.
    lesson: usize,
    /// Transitions that are remembered.
    memory: usize,
    /// Batches for each training.
    epochs: usize,
    /// Trials between trainings.
    train_each: usize,
}

#[derive(Clone, Copy, Debug)]
struct Epsilon {
    first: f64,
    fall: f64,
    last: f64,
}

impl Default for Q {
    fn default() -> Self {
        Self {
            gamma: start::GAMMA,
            warm_up: 200,
            epsilon: Epsilon { first: 0.8, fall: 0.01, last: 0.1 },
            discount: 0.9,
            width: 64,
            rate: Rate { rate: 0.02, decay: 0.9 },
            lesson: 32,
            memory: 1000,
            epochs: 20,
            train_each: 32,
        }
    }
}

/// The reward of a step to a point that does not work.
const FAILURE: f32 = -1.0;
/// Starts without news before a fresh point is tried.
const PATIENCE: usize = 16;

/// The network of a knob, and the one it is trained towards.
#[derive(Debug)]
struct Agent {
    /// The directions of the knob; one output each.
    directions: Vec<Direction>,
    network: Network,
    target: Network,
}

/// A step that was tried.
#[derive(Clone, Debug)]
struct Transition {
    knob: usize,
    /// The direction's number among those of its knob.
    output: usize,
    from: Vec<f32>,
    to: Vec<f32>,
    reward: f32,
}

impl Explore for Q {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        random::warm_up(search, self.warm_up)?;
        let mut agents = self.agents(search);
        let mut memory: Vec<Transition> = Vec::new();
        let mut steps = 0;
        let mut trained_at = 0;
        loop {
            let mut moves = Vec::new();
            for _ in 0..search.batch {
                moves.extend(self.propose(search, &agents, steps, &moves)?);
                steps += 1;
            }
            if moves.is_empty() {
                let fresh = search.fresh_point()?;
                search.try_all(&[fresh])?;
                continue;
            }
            let ends: Vec<_> = moves.iter().map(|step: &Move| step.to.clone()).collect();
            let costs = search.try_all(&ends)?;
            memory.extend(moves.iter().zip(costs).filter_map(|(step, cost)| transition(search, &agents, step, cost)));
            let surplus = memory.len().saturating_sub(self.memory);
            memory.drain(..surplus);
            if search.tried() >= trained_at + self.train_each {
                trained_at = search.tried();
                self.train(search, &mut agents, &memory);
            }
        }
    }
}

/// A step to try.
#[derive(Clone, Debug)]
struct Move {
    from: Point,
    direction: Direction,
    to: Point,
}

impl Q {
    fn agents(&self, search: &mut Search<'_>) -> Vec<Agent> {
        let directions = search.knobs.directions();
        let inputs = network::encode(search.knobs, &search.knobs.point(0)).len();
        let agent = |knob: usize| {
            let own: Vec<_> = directions.iter().copied().filter(|direction| direction.knob == knob).collect();
            let widths = [inputs, self.width, self.width, self.width, own.len().max(1)];
            let network = Network::new(&widths, &mut search.rng);
            Agent { directions: own, target: network.copy(), network }
        };
        (0..search.knobs.knobs.len()).map(agent).collect()
    }

    /// A step from some start; none if no start has a direction that brings news.
    fn propose(
        &self,
        search: &mut Search<'_>,
        agents: &[Agent],
        steps: usize,
        taken: &[Move],
    ) -> Result<Option<Move>, Done> {
        let epsilon = (self.epsilon.first * (-self.epsilon.fall * steps as f64).exp()).max(self.epsilon.last);
        for _ in 0..PATIENCE {
            let from = start::start(search, self.gamma)?;
            let mut open: Vec<(f32, Move)> = Vec::new();
            let row = network::encode(search.knobs, &from);
            for agent in agents.iter().filter(|agent| !agent.directions.is_empty()) {
                let values = agent.network.outputs(&[&row]).swap_remove(0);
                for (&direction, value) in agent.directions.iter().zip(values) {
                    let Some(to) = search.knobs.step(&from, direction) else { continue };
                    let is_news = !search.is_known(&to) && taken.iter().all(|step| step.to != to);
                    if is_news && search.predict(&to).is_some() {
                        open.push((value, Move { from: from.clone(), direction, to }));
                    }
                }
            }
            if open.is_empty() {
                continue;
            }
            let by_chance = search.rng.random_range(0.0..1.0) < epsilon;
            let pick = if by_chance { search.rng.random_range(0..open.len()) } else { best(&open) };
            return Ok(Some(open.swap_remove(pick).1));
        }
        Ok(None)
    }

    /// Trains every network on batches of its own transitions.
    fn train(&self, search: &mut Search<'_>, agents: &mut [Agent], memory: &[Transition]) {
        for (knob, agent) in agents.iter_mut().enumerate() {
            let own: Vec<_> = memory.iter().filter(|transition| transition.knob == knob).collect();
            if own.is_empty() {
                continue;
            }
            agent.target = agent.network.copy();
            for _ in 0..self.epochs {
                let count = self.lesson.min(own.len());
                let batch: Vec<_> = (0..count).map(|_| own[search.rng.random_range(0..own.len())]).collect();
                let ends: Vec<_> = batch.iter().map(|transition| transition.to.as_slice()).collect();
                let later = agent.target.outputs(&ends);
                let wanted = batch.iter().zip(later).map(|(transition, values)| {
                    let most = values.into_iter().fold(f32::NEG_INFINITY, f32::max);
                    (transition.output, transition.reward + self.discount * most)
                });
                let wanted: Vec<_> = wanted.collect();
                let rows: Vec<_> = batch.iter().map(|transition| transition.from.as_slice()).collect();
                agent.network.learn(&Lesson { rows: &rows, wanted: &wanted }, self.rate);
            }
        }
    }
}

/// The number of the move with the greatest value, the first of equals.
fn best(open: &[(f32, Move)]) -> usize {
    (1..open.len()).fold(0, |best, at| if open[at].0 > open[best].0 { at } else { best })
}

/// What a step taught; nothing if it began at a point without a time.
fn transition(search: &Search<'_>, agents: &[Agent], step: &Move, cost: Option<f64>) -> Option<Transition> {
    let before = search.cost(&step.from)?;
    let reward = cost.map_or(FAILURE, |after| (before / after).ln() as f32);
    let knob = step.direction.knob;
    let output = agents[knob].directions.iter().position(|direction| *direction == step.direction)?;
    let [from, to] = [&step.from, &step.to].map(|point| network::encode(search.knobs, point));
    Some(Transition { knob, output, from, to, reward })
}
