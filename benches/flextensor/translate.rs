//! A schedule of FlexTensor's as a `.ft` file: the formula with its padding as a stage, and a `schedule` block.
//!
//! What its code generator does with a schedule, and what that is here:
//!
//! - every spatial axis has parts [block, virtual thread, thread, inner], every reduced one [outer, middle, inner];
//! - parts of neighbouring axes are fused into three groups, the coordinates z, y, x of the grid and of its blocks;
//! - outer and middle reduced loops are around both copies to shared memory, so these are `stage … at` the last of them,
//!   as boxes of the tensor;
//! - inner spatial and reduced loops are interleaved; virtual threads are copies of the statement, so here they are the
//!   innermost loops, written out;
//! - other loops are written out from the inside as long as that makes no more than so many statements.
//!
//! A grouped convolution has its groups as an axis of their own, in the same memory: all of these schedules give every group
//! blocks of its own.

use std::fmt::Write as _;

use serde::Deserialize;

/// One schedule, and what it is for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    /// The set that it is of.
    pub(crate) kind: String,
    pub(crate) shape: Shape,
    /// The convolution.
    main: Main,
    /// The stage that pads.
    pad: Pad,
    /// Whether that stage has no kernel of its own.
    inline_pad: bool,
}

/// A convolution of one, two or three dimensions, all extents of the window the same.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Shape {
    n: i64,
    c: i64,
    image: Vec<i64>,
    k: i64,
    window: i64,
    stride: i64,
    pad: i64,
    dilation: i64,
    groups: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct Main {
    spatial: Vec<[i64; 4]>,
    reduce: Vec<[i64; 3]>,
    /// Where each of the groups z, y, x ends.
    fuse: [usize; 3],
    /// The spatial axis that the last reduced one is next to.
    reorder: usize,
    /// Statements at most, and whether the compiler or nvcc writes them out.
    unroll: [i64; 2],
}

#[derive(Clone, Debug, Deserialize)]
struct Pad {
    spatial: Vec<[i64; 4]>,
    fuse: [usize; 3],
    unroll: [i64; 2],
}

impl Shape {
    /// Extents of the result's image.
    fn result(&self) -> Vec<i64> {
        let reach = self.dilation * (self.window - 1) + 1;
        self.image.iter().map(|extent| (extent + 2 * self.pad - reach) / self.stride + 1).collect()
    }

    /// Of `x`, `w` and `y`.
    pub(crate) fn extents(&self) -> [Vec<i64>; 3] {
        let of = |first: [i64; 2], rest: Vec<i64>| [first.to_vec(), rest].concat();
        let window = vec![self.window; self.image.len()];
        [
            of([self.n, self.c], self.image.clone()),
            of([self.k, self.c / self.groups], window),
            of([self.n, self.k], self.result()),
        ]
    }

    /// One element of the result, from the definition.
    pub(crate) fn element(&self, (x, w): (&[f32], &[f32]), position: usize) -> f64 {
        let [_, w_extents, y] = self.extents();
        let at = subscripts(&y, position as i64);
        let terms: i64 = w_extents[1..].iter().product();
        let first = at[1] / (self.k / self.groups) * w_extents[1];
        let term = |term: i64| {
            let tap = subscripts(&w_extents[1..], term);
            let mut place = at[0] * self.c + first + tap[0];
            for ((image, p), r) in self.image.iter().zip(&at[2..]).zip(&tap[1..]) {
                let row = p * self.stride + r * self.dilation - self.pad;
                if row < 0 || row >= *image {
                    return 0.0;
                }
                place = place * image + row;
            }
            f64::from(x[place as usize]) * f64::from(w[(at[1] * terms + term) as usize])
        };
        (0..terms).map(term).sum()
    }

    /// `1x192x3136, 128 of 1`
    pub(crate) fn words(&self) -> String {
        let mut words =
            format!("{} channels of {}, {} windows of {}", self.c, joined(&self.image, "x"), self.k, self.window);
        for (name, value, usual) in [
            ("batch", self.n, 1),
            ("stride", self.stride, 1),
            ("pad", self.pad, 0),
            ("dilation", self.dilation, 1),
            ("groups", self.groups, 1),
        ] {
            if value != usual {
                write!(words, ", {name} {value}").expect("a string grows");
            }
        }
        words
    }

    /// The same computation with nothing said about its order.
    pub(crate) fn ours(&self) -> String {
        let function = format!("conv{}d", self.image.len());
        let [x, w, _] = self.extents().map(|extents| joined(&extents, ", "));
        let Self { stride, pad, dilation, groups, .. } = self;
        format!(
            "use std::conv::{function}\n\n\
             export ours = {function}(x: f32[{x}], w: f32[{w}], stride = {stride}, pad = {pad}, \
             dilation = {dilation}, groups = {groups})\n"
        )
    }
}

/// Names of the axes of images and windows, of padded images, for one, two and three dimensions.
const IMAGE: [&str; 3] = ["o", "p", "q"];
const WINDOW: [&str; 3] = ["z", "r", "s"];
const PADDED: [&str; 3] = ["t", "u", "v"];

/// Virtual threads of a group that are written out are fewer.
const WRITTEN: i64 = 16;
/// Statements that ftc writes out at most; two schedules ask for 1152 and 1344, whose outermost loop is left to nvcc.
const MOST: i64 = 1024;

fn last(names: [&'static str; 3], count: usize) -> Vec<&'static str> {
    names[3 - count..].to_vec()
}

fn subscripts(extents: &[i64], mut position: i64) -> Vec<i64> {
    let mut at = vec![0; extents.len()];
    for (at, extent) in at.iter_mut().zip(extents).rev() {
        (*at, position) = (position % extent, position / extent);
    }
    at
}

fn joined<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(between)
}

impl Record {
    /// The whole file.
    pub(crate) fn theirs(&self) -> String {
        format!("{}\nschedule theirs for cuda {{\n{}}}\n", self.formula(), self.steps())
    }

    /// Whether there is a stage that pads.
    fn is_padded(&self) -> bool {
        self.shape.pad > 0 || !self.inline_pad
    }

    fn formula(&self) -> String {
        let shape = &self.shape;
        let Shape { n, c, k, stride, pad, dilation, groups, .. } = shape;
        let dims = shape.image.len();
        let (image, window, padded) = (last(IMAGE, dims), last(WINDOW, dims), last(PADDED, dims));
        let [x, mut w, mut y] = shape.extents();
        let (mut group, mut channel) = (String::new(), "c".to_owned());
        if *groups > 1 {
            (group, channel) = ("g, ".to_owned(), format!("g * {} + c", c / groups));
            w.splice(0..1, [*groups, k / groups]);
            y.splice(1..2, [*groups, k / groups]);
        }
        let (xs, ws, ys) = (joined(&x, ", "), joined(&w, ", "), joined(&y, ", "));
        let mut text = format!("fn conv(x: f32[{xs}], w: f32[{ws}]) -> (y: f32[{ys}]) {{\n");
        let source = if self.is_padded() {
            let axes = padded.iter().zip(&shape.image).map(|(axis, extent)| format!("{axis}: {}", extent + 2 * pad));
            let taps = padded.iter().map(|axis| format!("{axis} - {pad}"));
            let (axes, taps) = (joined(&axes.collect::<Vec<_>>(), ", "), joined(&taps.collect::<Vec<_>>(), ", "));
            writeln!(text, "    let padded[a: {n}, b: {c}, {axes}] = x[a, b, {taps}] else 0").expect("a string grows");
            "padded"
        } else {
            "x"
        };
        let taps = image.iter().zip(&window).map(|(p, r)| format!("{p} * {stride} + {r} * {dilation}"));
        let (taps, image, window) =
            (joined(&taps.collect::<Vec<_>>(), ", "), joined(&image, ", "), joined(&window, ", "));
        writeln!(
            text,
            "    y[n, {group}k, {image}] = sum[c, {window}]({source}[n, {channel}, {taps}] * w[{group}k, c, {window}])"
        )
        .expect("a string grows");
        text + &format!("}}\n\nexport theirs = conv(x: f32[{xs}], w: f32[{ws}])\n")
    }

    fn steps(&self) -> String {
        let mut steps = Steps::default();
        let dims = self.shape.image.len();
        if self.is_padded() {
            if self.inline_pad {
                steps.add("inline padded");
            } else {
                let axes = [vec!["a", "b"], last(PADDED, dims)].concat();
                let (parts, ends) = (&self.pad.spatial, self.pad.fuse);
                let nest = Nest { axes: &axes, parts, ends, groups: None, prefix: "pad_" };
                nest.shape(&mut steps, &[], &nest.parts(3));
                steps.unroll(&nest.body(&nest.parts(3)), self.pad.unroll[0]);
            }
        }
        let axes = [vec!["n", "k"], last(IMAGE, dims)].concat();
        let reduced = [vec!["c"], last(WINDOW, dims)].concat();
        let mut parts = self.main.spatial.clone();
        if self.shape.groups > 1 {
            // The outermost part of what is left of `k`.
            parts[1][0] /= self.shape.groups;
        }
        let groups = (self.shape.groups > 1).then_some(self.shape.groups);
        let nest = Nest { axes: &axes, parts: &parts, ends: self.main.fuse, groups, prefix: "" };
        for (axis, [_, middle, inner]) in reduced.iter().zip(&self.main.reduce) {
            steps.add(&format!("split {axis} by [?, {middle}, {inner}]"));
        }
        let of = |part: usize| {
            let named = reduced.iter().zip(&self.main.reduce);
            named.map(|(axis, parts)| (format!("{axis}.{part}"), parts[part])).collect::<Vec<_>>()
        };
        let around = [of(0), of(1)].concat();
        let inner = interleaved(&nest.parts(3), &of(2), self.main.reorder);
        nest.shape(&mut steps, &around, &inner);
        let (at, _) = around.last().expect("there is a reduced axis");
        let source = if self.is_padded() && !self.inline_pad { "padded" } else { "x" };
        steps.add(&format!("stage {source} at {at} in shared"));
        steps.add(&format!("stage w at {at} in shared"));
        steps.unroll(&nest.body(&inner), self.main.unroll[0]);
        steps.text
    }
}

/// A loop and its extent.
type Loop = (String, i64);

/// The spatial loops of a stage.
struct Nest<'a> {
    axes: &'a [&'a str],
    parts: &'a [[i64; 4]],
    ends: [usize; 3],
    /// Groups of channels: a loop of blocks, before those of the second axis.
    groups: Option<i64>,
    /// Before the names of fused loops.
    prefix: &'a str,
}

impl Nest<'_> {
    /// One part of every axis.
    fn parts(&self, part: usize) -> Vec<Loop> {
        self.axes.iter().zip(self.parts).map(|(axis, parts)| (format!("{axis}.{part}"), parts[part])).collect()
    }

    /// Splits, brings loops into order, fuses and binds.
    fn shape(&self, steps: &mut Steps, around: &[Loop], inner: &[Loop]) {
        for (axis, [_, apart, threads, inner]) in self.axes.iter().zip(self.parts) {
            steps.add(&format!("split {axis} by [?, {apart}, {threads}, {inner}]"));
        }
        let [mut blocks, threads] = [0, 2].map(|part| self.parts(part));
        let mut ends = self.ends;
        if let Some(groups) = self.groups {
            blocks.insert(1, ("g".to_owned(), groups));
            // They are of the group of loops that has the second axis.
            ends.iter_mut().filter(|end| **end > 1).for_each(|end| *end += 1);
        }
        let (loops, written) = self.body(inner);
        steps.reorder(&[&blocks, &threads, around, &loops, &written].concat());
        for (what, loops, ends) in [("grid", blocks, ends), ("block", threads, self.ends)] {
            let mut begin = 0;
            for (end, coordinate) in ends.into_iter().zip(["z", "y", "x"]) {
                let names: Vec<_> = loops[begin..end].iter().map(|(name, _)| name.clone()).collect();
                steps.bind(&names, &format!("{}{what}_{coordinate}", self.prefix), &format!("{what}.{coordinate}"));
                begin = end;
            }
        }
    }

    /// What each thread does between two barriers: its loops, and the virtual threads that are always written out, those of
    /// groups with fewer than 16.
    fn body(&self, inner: &[Loop]) -> (Vec<Loop>, Vec<Loop>) {
        let (mut loops, mut written) = (inner.to_vec(), Vec::new());
        let (apart, mut begin) = (self.parts(1), 0);
        for end in self.ends {
            let group = &apart[begin..end];
            let count: i64 = group.iter().map(|(_, extent)| extent).product();
            if count < WRITTEN { &mut written } else { &mut loops }.extend(group.iter().cloned());
            begin = end;
        }
        (loops, written)
    }
}

/// The inner loops: reduced ones each outside of a spatial one, the last at the axis `at`, then the other spatial ones.
fn interleaved(spatial: &[Loop], reduced: &[Loop], at: usize) -> Vec<Loop> {
    let mut inner: Vec<Loop> = spatial[at + 1..].iter().rev().cloned().collect();
    let (mut spatial, mut reduced) = (spatial[..=at].iter().rev(), reduced.iter().rev());
    loop {
        match (spatial.next(), reduced.next()) {
            (None, None) => break,
            (space, sum) => inner.extend(space.into_iter().chain(sum).cloned()),
        }
    }
    inner.reverse();
    inner
}

/// The text of a block.
#[derive(Default)]
struct Steps {
    text: String,
}

impl Steps {
    fn add(&mut self, step: &str) {
        writeln!(self.text, "    {step}").expect("a string grows");
    }

    fn reorder(&mut self, loops: &[Loop]) {
        let names: Vec<_> = loops.iter().map(|(name, _)| name.as_str()).collect();
        self.add(&format!("reorder {}", names.join(" ")));
    }

    fn bind(&mut self, loops: &[String], name: &str, coordinate: &str) {
        match loops {
            [] => {}
            [only] => self.add(&format!("bind {only} to {coordinate}")),
            several => {
                self.add(&format!("fuse {} as {name}", several.join(" ")));
                self.add(&format!("bind {name} to {coordinate}"));
            }
        }
    }

    /// Writes out `written`, and around it loops from the inside, up to so many statements.
    fn unroll(&mut self, (loops, written): &(Vec<Loop>, Vec<Loop>), most: i64) {
        let most = most.min(MOST);
        let mut statements: i64 = written.iter().map(|(_, extent)| extent).product();
        let fits = |(_, extent): &&Loop| {
            statements *= extent;
            statements <= most
        };
        let mut inner: Vec<_> = loops.iter().rev().take_while(fits).collect();
        inner.reverse();
        let names: Vec<_> = inner.into_iter().chain(written).filter(|(_, extent)| *extent > 1).collect();
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
            self.add(&format!("unroll {}", names.join(" ")));
        }
    }
}
