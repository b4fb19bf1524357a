//! Random schedules for a GPU: each nest gets a launch of random tiles, then steps are proposed at random, and kept
//! where they are legal.

use ftc::loops::{Kernel, LoopKind, Scope};
use ftc::schedule::nest::{Nest, Program, Role};
use ftc::schedule::{Place, Schedule, Step, Tail, apply};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A legal schedule in which every nest with a loop of its result is a launch.
pub(crate) fn schedule(kernel: &Kernel, seed: u64) -> Schedule {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut schedule = Schedule::default();
    let program = Program::of(kernel);
    let inlined = rng.random_bool(0.3);
    for (_, buffer) in kernel.buffers.iter().filter(|_| inlined) {
        keep(kernel, &mut schedule, Step::Inline { tensor: buffer.name.clone() });
    }
    for nest in &program.nests {
        launch(kernel, &mut rng, nest, &mut schedule);
    }
    schedule
}

/// Adds a step where it is legal; says whether it is.
fn keep(kernel: &Kernel, schedule: &mut Schedule, step: Step) -> bool {
    schedule.steps.push(step);
    let is_legal = apply(kernel, schedule).is_ok();
    if !is_legal {
        schedule.steps.pop();
    }
    is_legal
}

fn launch(kernel: &Kernel, rng: &mut StdRng, nest: &Nest, schedule: &mut Schedule) {
    let of = |role| nest.order.iter().filter(move |&&var| nest.vars[var].role == role);
    let names: Vec<_> = of(Role::Spatial).map(|&var| nest.vars[var].name.clone()).collect();
    let reduced: Vec<_> = of(Role::Reduced).map(|&var| nest.vars[var].name.clone()).collect();
    let mut spatial = names.clone();
    while spatial.len() > 3 || (spatial.len() > 1 && rng.random_bool(0.3)) {
        let axes: Vec<_> = spatial.drain(spatial.len() - 2..).collect();
        let name = axes.concat().replace('.', "_");
        if !keep(kernel, schedule, Step::Fuse { axes: axes.clone(), name: name.clone() }) {
            spatial.extend(axes);
            break;
        }
        spatial.push(name);
    }
    let (mut grid, mut block, mut inner) = (Vec::new(), Vec::new(), Vec::new());
    for axis in &spatial {
        let parts = vec![Some([1, 2, 4, 5][rng.random_range(0..4)]), Some([1, 1, 2, 3][rng.random_range(0..4)])];
        let tail = [Tail::Peel, Tail::Guard, Tail::Pad][rng.random_range(0..3)];
        if keep(kernel, schedule, Step::Split { axis: axis.clone(), parts, tail }) {
            grid.push(format!("{axis}.0"));
            block.push(format!("{axis}.1"));
            inner.push(format!("{axis}.2"));
        }
    }
    for axis in reduced {
        let tail = [Tail::Peel, Tail::Guard, Tail::Pad][rng.random_range(0..3)];
        let parts = vec![Some([2, 3, 4][rng.random_range(0..3)])];
        let is_split = keep(kernel, schedule, Step::Split { axis: axis.clone(), parts, tail });
        let loops = if is_split { vec![format!("{axis}.0"), format!("{axis}.1")] } else { vec![axis] };
        for axis in loops {
            // Now and then several threads or blocks have parts of a sum.
            let to = match rng.random_range(0..6) {
                0 if grid.len() < 3 => &mut grid,
                1 if block.len() < 3 => &mut block,
                _ => &mut inner,
            };
            to.insert(0, axis);
        }
    }
    for axis in grid.iter().chain(&block).filter(|axis| !spatial.iter().any(|whole| is_part(axis, whole))) {
        keep(kernel, schedule, Step::Rfactor { axis: axis.clone() });
    }
    for at in (1..inner.len()).rev() {
        inner.swap(at, rng.random_range(0..=at));
    }
    let axes = [grid.clone(), block.clone(), inner.clone()].concat();
    if axes.len() > 1 && !keep(kernel, schedule, Step::Reorder { axes }) {
        return;
    }
    for (dim, axis) in grid.iter().take(3).enumerate() {
        keep(kernel, schedule, Step::Bind { axis: axis.clone(), to: LoopKind::Grid(dim as u8) });
    }
    for (dim, axis) in block.iter().take(3).rev().enumerate() {
        keep(kernel, schedule, Step::Bind { axis: axis.clone(), to: LoopKind::Block(dim as u8) });
    }
    inside(kernel, rng, &[block, inner].concat(), schedule);
}

/// Whether a loop is a part of an axis, or all of it.
fn is_part(name: &str, whole: &str) -> bool {
    name.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Steps for what one thread does, and for copies.
fn inside(kernel: &Kernel, rng: &mut StdRng, loops: &[String], schedule: &mut Schedule) {
    let tensors: Vec<_> = kernel.buffers.iter().map(|(_, buffer)| buffer.name.clone()).collect();
    for _ in 0..12 {
        if loops.is_empty() {
            return;
        }
        let axis = loops[rng.random_range(0..loops.len())].clone();
        let step = match rng.random_range(0..10) {
            0 => Step::Unroll { axes: vec![axis] },
            1 => Step::Vectorize { axis },
            2 => Step::Accumulate { at: axis },
            3 => Step::Rfactor { axis },
            choice => {
                let operand = tensors[rng.random_range(0..tensors.len())].clone();
                let at = rng.random_bool(0.8).then_some(axis);
                let scope = [Scope::Shared, Scope::Shared, Scope::Shared, Scope::Stack][rng.random_range(0..4)];
                let layout = (choice < 8).then(|| layout(kernel, rng, schedule, (&operand, at.as_deref(), scope)));
                Step::Stage { operand, place: at.map(Place::Inside), layout, scope }
            }
        };
        let copied = match &step {
            Step::Stage { place: Some(Place::Inside(axis)), scope: Scope::Shared, .. } => Some(axis.clone()),
            _ => None,
        };
        let is_kept = keep(kernel, schedule, step);
        if let Some(axis) = copied.filter(|_| is_kept && rng.random_bool(0.5)) {
            let stages = [None, Some(2), Some(3)][rng.random_range(0..3)];
            keep(kernel, schedule, Step::Pipeline { axis, stages });
        }
    }
}

/// The axes of a copy in a random order: those that the refusal of a copy without any asks for.
fn layout(
    kernel: &Kernel,
    rng: &mut StdRng,
    schedule: &Schedule,
    (operand, at, scope): (&str, Option<&str>, Scope),
) -> Vec<String> {
    let mut tried = schedule.clone();
    let place = at.map(|at| Place::Inside(at.to_owned()));
    tried.steps.push(Step::Stage { operand: operand.to_owned(), place, layout: Some(Vec::new()), scope });
    let help = apply(kernel, &tried).err().and_then(|refused| refused.help).unwrap_or_default();
    let names = help.split_once("as [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(names, _)| names);
    let mut names: Vec<_> = names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    for at in (1..names.len()).rev() {
        names.swap(at, rng.random_range(0..=at));
    }
    names
}
