//! Random schedules: steps are proposed at random, and kept where they are legal.

use ftc::loops::{For, Kernel, Scope, Stmt};
use ftc::schedule::{Place, SUFFIX, Schedule, Step, Tail, apply};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What is known of the loops while steps are proposed.
struct Names {
    /// Loops, nest by nest.
    nests: Vec<Vec<String>>,
    tensors: Vec<String>,
}

/// A legal schedule of so many proposals.
pub(crate) fn schedule(kernel: &Kernel, seed: u64, proposals: usize) -> Schedule {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut names = Names { nests: Vec::new(), tensors: Vec::new() };
    nests(kernel, &kernel.body, &mut names.nests);
    names.tensors.extend(kernel.buffers.iter().map(|(_, buffer)| buffer.name.clone()));
    let mut schedule = Schedule::default();
    for number in 0..proposals {
        // Nests move inside of others before much else is done to them.
        let early = if number < 8 { compute(&mut rng, &names) } else { None };
        let step = propose(&mut rng, &names);
        for step in early.into_iter().chain(step) {
            schedule.steps.push(step);
            if apply(kernel, &schedule).is_err() {
                schedule.steps.pop();
                continue;
            }
            learn(&mut names, schedule.steps.last().expect("it was kept"));
        }
    }
    schedule
}

fn nests(kernel: &Kernel, block: &[Stmt], found: &mut Vec<Vec<String>>) {
    for stmt in block {
        match stmt {
            Stmt::For(l) => {
                found.push(Vec::new());
                loops(kernel, l, found);
            }
            Stmt::Alloc { body, .. } => nests(kernel, body, found),
            _ => {}
        }
    }
}

fn loops(kernel: &Kernel, l: &For, found: &mut [Vec<String>]) {
    found.last_mut().expect("a nest is open").push(kernel.axes[l.axis].name.clone());
    inside(kernel, &l.body, found);
}

fn inside(kernel: &Kernel, block: &[Stmt], found: &mut [Vec<String>]) {
    for stmt in block {
        match stmt {
            Stmt::For(l) => loops(kernel, l, found),
            Stmt::Alloc { body, .. } => inside(kernel, body, found),
            _ => {}
        }
    }
}

fn learn(names: &mut Names, step: &Step) {
    let replace = |loops: &mut Vec<String>, old: &[String], new: Vec<String>| {
        if let Some(at) = loops.iter().position(|name| *name == old[0]) {
            loops.retain(|name| !old.contains(name));
            loops.splice(at.min(loops.len())..at.min(loops.len()), new);
        }
    };
    let mut more: Vec<Vec<String>> = Vec::new();
    for loops in &mut names.nests {
        match step {
            Step::Split { axis, parts, .. } => {
                let new = (0..=parts.len()).map(|part| format!("{axis}.{part}")).collect();
                replace(loops, std::slice::from_ref(axis), new);
            }
            Step::Fuse { axes, name } => replace(loops, axes, vec![name.clone()]),
            Step::Phases { axes, counts } if loops.contains(&axes[0]) => {
                let of_phase = |phase: i64| loops.iter().map(move |name| format!("{name}_{phase}"));
                let first = of_phase(0).collect();
                more.extend((1..counts.iter().product()).map(|phase| of_phase(phase).collect()));
                *loops = first;
            }
            Step::Reorder { axes } if loops.contains(&axes[0]) => loops.clone_from(axes),
            _ => {}
        }
    }
    if let Step::Store { operand, layout } = step {
        let stored = format!("{operand}{SUFFIX}");
        more.push(layout.iter().map(|axis| format!("{stored}.{axis}")).collect());
        names.tensors.push(stored);
    }
    names.nests.extend(more);
}

fn compute(rng: &mut StdRng, names: &Names) -> Option<Step> {
    let nest = names.nests.get(rng.random_range(0..names.nests.len().max(1))).filter(|nest| !nest.is_empty())?;
    let tensor = names.tensors[rng.random_range(0..names.tensors.len())].clone();
    Some(Step::ComputeAt { tensor, at: nest[rng.random_range(0..nest.len())].clone() })
}

fn propose(rng: &mut StdRng, names: &Names) -> Option<Step> {
    let nest = names.nests.get(rng.random_range(0..names.nests.len().max(1)))?;
    if nest.is_empty() {
        return None;
    }
    let axis = nest[rng.random_range(0..nest.len())].clone();
    Some(match rng.random_range(0..20) {
        0..=4 => {
            let count = rng.random_range(1..=2);
            let parts = (0..count).map(|_| Some([1, 2, 3, 4, 5, 8, 16][rng.random_range(0..7)])).collect();
            let tail = Tail::ALL[rng.random_range(0..4)].0;
            Step::Split { axis, parts, tail }
        }
        5 => {
            let at = rng.random_range(0..nest.len());
            let axes: Vec<_> = nest[at..].iter().take(rng.random_range(2..=3)).cloned().collect();
            if axes.len() < 2 {
                return None;
            }
            let name = axes.join("").replace('.', "");
            Step::Fuse { axes, name }
        }
        6..=8 => {
            let mut axes = nest.clone();
            for at in (1..axes.len()).rev() {
                axes.swap(at, rng.random_range(0..=at));
            }
            Step::Reorder { axes }
        }
        9 => Step::Parallel { axis },
        10 => Step::Vectorize { axis },
        11 => Step::Unroll { axes: vec![axis] },
        12 => Step::Accumulate { at: axis },
        13 => Step::Rfactor { axis },
        15 => Step::Phases { axes: vec![axis], counts: vec![rng.random_range(2..=3)] },
        14 => Step::Inline { tensor: names.tensors[rng.random_range(0..names.tensors.len())].clone() },
        16..=17 => {
            let operand = names.tensors[rng.random_range(0..names.tensors.len())].clone();
            let mut layout: Vec<_> = nest.iter().filter(|_| rng.random_bool(0.7)).cloned().collect();
            for at in (1..layout.len()).rev() {
                layout.swap(at, rng.random_range(0..=at));
            }
            Step::Store { operand, layout }
        }
        _ => {
            let operand = names.tensors[rng.random_range(0..names.tensors.len())].clone();
            let place = rng
                .random_bool(0.7)
                .then(|| if rng.random_bool(0.8) { Place::Inside(axis) } else { Place::Before(axis) });
            let layout = rng.random_bool(0.5).then(|| nest.iter().filter(|_| rng.random_bool(0.6)).cloned().collect());
            let scope =
                [Scope::Stack, Scope::Stack, Scope::Global, Scope::Register, Scope::Shared][rng.random_range(0..5)];
            Step::Stage { operand, place, layout, scope }
        }
    })
}
