//! `inline t`: an intermediate is not stored but computed where it is used.
//!
//! ```text
//! for i { t[i] = f(x[i]) }; for j { y[j] = t[j] + t[j+1] }     ==>     for j { y[j] = f(x[j]) + f(x[j+1]) }
//! for i { t[i] = sum(…) }; for j { y[j] = relu(t[j]) }         ==>     for j { y[j] = relu(sum(…)) }
//! ```
//!
//! Legal for an intermediate that one nest writes whole, element `t[i, j, …]` for each `i, j, …`. If it is a reduction,
//! it becomes part of its consumer, which must be its only one, elementwise, and read each of its elements once.

use super::nest::{Item, Nest, Program, Role, Var, VarId, loads_of};
use super::{Refusal, refuse};
use crate::arena::{Arena, Id};
use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::loops::{BufferKind, Kernel, LoopKind};

pub(super) fn inline(program: &mut Program, name: &str) -> Result<(), Refusal> {
    let tensor = intermediate(program, name)?;
    let (producer, axes) = producer(program, tensor, name)?;
    let users = users(program, tensor);
    if users.iter().any(|&user| is_scheduled(&program.nests[user])) || is_scheduled(&program.nests[producer]) {
        return refuse(format!("loops of `{name}` or its users are scheduled already"), "`inline` comes first");
    }
    if program.nests[producer].reduction.is_some() {
        merge(program, producer, tensor, &users)?;
    } else {
        for &user in &users {
            substitute(program, user, producer, tensor, &axes);
        }
    }
    remove(program, producer, tensor, &users);
    // Its loops have no names any more.
    (program.nests[producer].vars, program.nests[producer].order) = (Arena::new(), Vec::new());
    Ok(())
}

/// The intermediate of a name.
pub(super) fn intermediate(program: &Program, name: &str) -> Result<TensorId, Refusal> {
    let found = program.kernel.buffers.iter().find(|(_, buffer)| buffer.name == name);
    match found.filter(|(_, buffer)| matches!(buffer.kind, BufferKind::Temp(_))) {
        Some((id, _)) => Ok(id),
        None => refuse(format!("`{name}` is not an intermediate"), "inputs and outputs are stored as they are"),
    }
}

/// The nest that writes a tensor whole, and the axes that are its subscripts.
pub(super) fn producer(program: &Program, tensor: TensorId, name: &str) -> Result<(usize, Vec<AxisId>), Refusal> {
    let mut computed = program.nests.iter().flat_map(|nest| nest.computes.iter().map(move |inner| (nest, inner)));
    if let Some((reader, inner)) = computed.find(|(_, inner)| inner.tensor == tensor) {
        let at = &reader.vars[inner.at].name;
        return refuse(format!("`{name}` is computed inside of `{at}` already"), "take one of the two steps away");
    }
    match whole_writer(program, tensor) {
        Some(found) => Ok(found),
        None => refuse(format!("`{name}` is not written whole by one nest"), "it has to be stored"),
    }
}

fn whole_writer(program: &Program, tensor: TensorId) -> Option<(usize, Vec<AxisId>)> {
    let mut writers = program.live().into_iter().filter(|&number| program.nests[number].buffer == tensor);
    let writer = writers.next().filter(|_| writers.next().is_none())?;
    let nest = &program.nests[writer];
    let axes: Option<Vec<_>> = nest.at.iter().map(|&at| as_axis(&program.kernel, at)).collect();
    let axes = axes?;
    let shape = &program.kernel.buffers[tensor].shape;
    let whole = axes.iter().zip(shape).all(|(&axis, &size)| extent_of(nest, axis) == Some(size));
    let distinct = axes.iter().enumerate().all(|(place, axis)| !axes[..place].contains(axis));
    (whole && distinct).then_some((writer, axes))
}

fn as_axis(kernel: &Kernel, expr: ExprId) -> Option<AxisId> {
    if let Expr::Axis(axis) = kernel.pool.get(expr) { Some(*axis) } else { None }
}

/// The nests that read a tensor.
pub(super) fn users(program: &Program, tensor: TensorId) -> Vec<usize> {
    let reads = |nest: &Nest, expr| !loads_of(&program.kernel, expr, tensor).is_empty() && nest.buffer != tensor;
    let numbers = program.live();
    let is_user = |number: &usize| {
        let nest = &program.nests[*number];
        reads(nest, nest.value()) || reads(nest, nest.result)
    };
    numbers.into_iter().filter(is_user).collect()
}

/// Whether a nest is no more as it was.
pub(super) fn is_scheduled(nest: &Nest) -> bool {
    let is_changed = |var: &Var| {
        var.axis.is_none() || var.kind != LoopKind::Serial || var.role == Role::Private || var.whole.is_some()
    };
    nest.vars.iter().any(|(_, var)| is_changed(var)) || nest.has_places() || !nest.order.is_sorted()
}

/// Replaces the loads of an elementwise intermediate by what is stored there.
fn substitute(program: &mut Program, user: usize, producer: usize, tensor: TensorId, axes: &[AxisId]) {
    let stored = program.nests[producer].result;
    let pool = &mut program.kernel.pool;
    let mut replace = |expr: ExprId| {
        pool.map(expr, &mut |pool, e| match pool.get(e) {
            Expr::Load { tensor: loaded, at } if *loaded == tensor => {
                let at = at.clone();
                Some(pool.substitute(stored, &|axis| axes.iter().position(|&a| a == axis).map(|place| at[place])))
            }
            _ => None,
        })
    };
    let nest = &mut program.nests[user];
    nest.result = replace(nest.result);
    if let Some(reduction) = &mut nest.reduction {
        reduction.value = replace(reduction.value);
    }
}

/// Makes an elementwise consumer the last thing that its reduction does.
fn merge(program: &mut Program, producer: usize, tensor: TensorId, users: &[usize]) -> Result<(), Refusal> {
    let name = program.kernel.buffers[tensor].name.clone();
    let unfit = || {
        Err(Refusal {
            message: format!(
                "`{name}` is a reduction, and not used by one elementwise nest that reads each element once"
            ),
            help: Some("leave it stored, or compute it inside of its consumer with `compute … at …`".to_owned()),
        })
    };
    let [user] = users[..] else { return unfit() };
    let consumer = program.nests[user].clone();
    let loads = loads_of(&program.kernel, consumer.result, tensor);
    let [load] = loads[..] else { return unfit() };
    let Expr::Load { at, .. } = program.kernel.pool.get(load) else { return unfit() };
    let (at, kernel) = (at.clone(), &program.kernel);
    // What has one element in a dimension may be read at 0 there.
    let subscripts = at.iter().zip(&kernel.buffers[tensor].shape);
    let long = subscripts.filter(|&(&at, &size)| size > 1 || kernel.pool.as_int(at) != Some(0));
    let read: Option<Vec<_>> = long.map(|(&at, &size)| Some((as_axis(kernel, at)?, size))).collect();
    let Some(read) = read else { return unfit() };
    let is_read = |axis: AxisId| read.iter().any(|&(other, _)| other == axis);
    let elementwise = consumer.reduction.is_none()
        && read.iter().enumerate().all(|(place, (axis, _))| read[..place].iter().all(|(other, _)| other != axis))
        && read.iter().all(|&(axis, size)| extent_of(&consumer, axis) == Some(size))
        && consumer.vars.iter().all(|(_, var)| var.extent == 1 || var.axis.is_some_and(is_read));
    if !elementwise {
        return unfit();
    }
    program.nests[user] = merged(program, producer, &consumer, load, &at);
    Ok(())
}

fn extent_of(nest: &Nest, axis: AxisId) -> Option<i64> {
    nest.root(axis).map(|root| nest.vars[root].extent)
}

/// The reduction where its consumer reads it, with the consumer's value of it.
fn merged(program: &mut Program, producer: usize, consumer: &Nest, load: ExprId, to: &[ExprId]) -> Nest {
    let source = program.nests[producer].clone();
    let from: Vec<_> = source.at.iter().filter_map(|&at| as_axis(&program.kernel, at)).collect();
    let pool = &mut program.kernel.pool;
    let moved = |axis| from.iter().position(|&a| a == axis).map(|place| to[place]);
    let stored = pool.substitute(source.result, &moved);
    let result = pool.map(consumer.result, &mut |_, e| (e == load).then_some(stored));
    let reduction = source.reduction.map(|mut reduction| {
        reduction.value = pool.substitute(reduction.value, &moved);
        reduction
    });
    let mut vars: Arena<VarId, _> = Arena::new();
    for (_, var) in consumer.vars.iter() {
        vars.push(var.clone());
    }
    for (_, var) in source.vars.iter().filter(|(_, var)| var.role == Role::Reduced) {
        vars.push(var.clone());
    }
    let order = (0..vars.len()).map(VarId::new).collect();
    Nest { vars, order, result, reduction, ..consumer.clone() }
}

/// Takes a nest, and the life of what it wrote, out of the body: its users compute that themselves, from what it has read.
pub(super) fn remove(program: &mut Program, nest: usize, tensor: TensorId, users: &[usize]) {
    let mut items = std::mem::take(&mut program.items);
    lengthen(program, &mut items, nest, users);
    without(&mut items, nest, tensor);
    program.items = items;
}

/// What is allocated around a nest lives until the last of its users has run.
fn lengthen(program: &Program, items: &mut Vec<Item>, nest: usize, users: &[usize]) {
    let holds = |item: &Item, number| program.live_in(std::slice::from_ref(item)).contains(&number);
    let Some(place) = items.iter().position(|item| holds(item, nest)) else { return };
    let last = items.iter().rposition(|item| users.iter().any(|&user| holds(item, user))).unwrap_or(place);
    if !matches!(items[place], Item::Alloc { .. }) {
        return;
    }
    let between: Vec<_> = items.drain(place + 1..=last.max(place)).collect();
    if let Item::Alloc { body, .. } = &mut items[place] {
        body.extend(between);
        lengthen(program, body, nest, users);
    }
}

fn without(items: &mut Vec<Item>, nest: usize, tensor: TensorId) {
    let mut result = Vec::new();
    for mut item in items.drain(..) {
        match &mut item {
            Item::Nest(number) if *number == nest => continue,
            Item::Alloc { buffer, body } if *buffer == tensor => {
                let mut body = std::mem::take(body);
                without(&mut body, nest, tensor);
                result.extend(body);
                continue;
            }
            Item::Alloc { body, .. } => without(body, nest, tensor),
            Item::Nest(_) | Item::Other(_) => {}
        }
        result.push(item);
    }
    *items = result;
}
