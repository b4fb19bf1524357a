//! Both sides of every schedule on the GPU of this machine: the same data, results compared with each other and with the
//! definition, and times taken in turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use ftc::artifact::Image;
use ftc::driver::bench::report::geomean;
use ftc::driver::bench::timing::{self, Here, Plan, Timed};
use ftc::measure::accuracy;
use ftc::runtime::Array;
use ftc::runtime::gpu::{Call, Device, GpuError, Program, Tensors};
use ftc::scalar::DType;
use ftc::target::Numbers;

use crate::image::{SIDES, file};
use crate::translate::{Record, Shape};

/// A call that takes longer is timed by the clock of the host: starting it is nothing beside it, and a graph of ten would
/// take long.
const SLOW: Duration = Duration::from_millis(2);
/// Elements of a result that are computed from the definition.
const SAMPLE: usize = 64;

/// What is measured of one schedule.
struct Row {
    /// Seconds of theirs and of ours.
    seconds: [f64; 2],
    /// The larger of their errors, and how far they are from each other.
    errors: [f64; 2],
}

/// One line for each schedule, or for some of them, and a summary.
pub(crate) fn time(records: &[Record], folder: &Path, only: &[usize]) {
    let device = Device::open().expect("a GPU");
    println!("{}", device.name);
    let largest = records.iter().flat_map(|record| record.shape.extents()).map(|extents| length(&extents)).max();
    let numbers = numbers(largest.unwrap_or(0));
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    println!("  n theirs us   ours us  ratio    error  between  kind: shape");
    for (number, record) in records.iter().enumerate().filter(|(at, _)| only.is_empty() || only.contains(at)) {
        match row(&device, &record.shape, number, folder, &numbers) {
            Ok(Row { seconds: [theirs, ours], errors: [error, between] }) => {
                let (ratio, words) = (theirs / ours, record.shape.words());
                let (theirs, ours, kind) = (theirs * 1e6, ours * 1e6, &record.kind);
                println!("{number:3} {theirs:9.1} {ours:9.1} {ratio:6.2} {error:8.1e} {between:8.1e}  {kind}: {words}");
                ratios.entry(kind).or_default().push(ratio);
            }
            Err(why) => println!("{number:3} {why}"),
        }
    }
    let all: Vec<f64> = ratios.values().flatten().copied().collect();
    for (kind, ratios) in ratios.into_iter().chain([("all", all)]) {
        let faster = ratios.iter().filter(|ratio| **ratio > 1.0).count();
        let mean = geomean(ratios.iter().copied()).unwrap_or(0.0);
        println!("{kind}: {} schedules, {faster} slower than ours, geomean {mean:.2}", ratios.len());
    }
}

fn length(extents: &[i64]) -> usize {
    extents.iter().product::<i64>() as usize
}

/// Numbers between -1 and 1, the same in every run: a linear congruence is random enough for sums.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn row(device: &Device, shape: &Shape, number: usize, folder: &Path, numbers: &[f32]) -> Result<Row, String> {
    let failed = |cause: GpuError| cause.to_string();
    let mut programs = Vec::new();
    for side in SIDES {
        let bytes = std::fs::read(file(folder, number, side, "image")).map_err(|_| format!("no image of {side}"))?;
        let image = Image::from_bytes(&bytes).ok_or("not an image")?;
        programs.push(Program::load(device, &image).map_err(failed)?);
    }
    let [x, w, y] = shape.extents();
    let of = |extents: &[i64], from: &[f32]| {
        let mut array = Array::zeros(DType::F32, extents).expect("it fits");
        for (bytes, number) in array.bytes_mut().chunks_exact_mut(4).zip(from) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
        array
    };
    // Weights from further on, so that they are not the image again.
    let (images, weights) = (numbers, &numbers[numbers.len() - length(&w)..]);
    let mut result = Array::zeros(DType::F32, &y).expect("it fits");
    let tensors =
        Tensors::new(device, &[&of(&x, images), &of(&w, weights)], &[result.bytes().len()]).map_err(failed)?;
    let mut calls = Vec::new();
    let (mut results, mut slowest) = (Vec::new(), Duration::ZERO);
    for program in &programs {
        let call = program.prepare(&tensors).map_err(failed)?;
        tensors.poison().map_err(failed)?;
        call.run().map_err(failed)?;
        tensors.read(std::slice::from_mut(&mut result)).map_err(failed)?;
        let floats = result.bytes().chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four")));
        results.push(floats.collect::<Vec<f32>>());
        let start = Instant::now();
        call.run().map_err(failed)?;
        slowest = slowest.max(start.elapsed());
        calls.push(call);
    }
    let errors = errors(shape, (images, weights), &results);
    if errors.iter().any(|error| *error > accuracy::tolerance(DType::F32, Numbers::Exact)) {
        return Err(format!("results are wrong: {errors:?}"));
    }
    let [theirs, ours] = &mut calls[..] else { unreachable!("there are two sides") };
    let (theirs, ours) = if slowest > SLOW {
        let plan = Plan { shortest_sample: Duration::ZERO, samples: 5, ..Plan::GPU };
        timing::measure(&plan, &mut Here(|| theirs.run()), Some(&mut Here(|| ours.run()))).map_err(failed)?
    } else {
        timing::measure(&Plan::GPU, &mut Graphs(theirs), Some(&mut Graphs(ours))).map_err(failed)?
    };
    Ok(Row { seconds: [theirs, ours.expect("both were timed")], errors })
}

/// Calls that are timed as graphs.
struct Graphs<'a, 'c>(&'a mut Call<'c>);

impl Timed for Graphs<'_, '_> {
    type Error = GpuError;

    fn time(&mut self, calls: u32) -> Result<f64, GpuError> {
        self.0.time(calls)
    }
}

/// The larger distance of the two from the definition, of a sample; and from each other, of all elements.
fn errors(shape: &Shape, (images, weights): (&[f32], &[f32]), results: &[Vec<f32>]) -> [f64; 2] {
    let count = results[0].len();
    let positions: Vec<_> = (0..SAMPLE).map(|at| (at * (count - 1)) / (SAMPLE - 1)).collect();
    let wanted: Vec<_> = positions.iter().map(|&at| shape.element((images, weights), at)).collect();
    let error = |result: &Vec<f32>| {
        let pairs = positions.iter().zip(&wanted).map(|(&at, &wanted)| (f64::from(result[at]), wanted));
        accuracy::relative_error(&pairs.collect::<Vec<_>>())
    };
    let between = results[0].iter().zip(&results[1]).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let definition = results.iter().map(error).fold(0.0, f64::max);
    [definition, accuracy::relative_error(&between.collect::<Vec<_>>())]
}
