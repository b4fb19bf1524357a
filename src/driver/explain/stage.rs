//! One stage in words and columns.

use crate::expr::print::{Names, print};
use crate::expr::{AxisId, TensorId};
use crate::graph::analysis::access::Access;
use crate::graph::analysis::flow::{Flow, Level};
use crate::graph::analysis::{Analysis, AxisUse, Class, Contraction, Inlining, Split, StageAnalysis};
use crate::graph::print::StageNames;
use crate::graph::{Body, Graph, Stage};

use super::grouped;
use super::table::{Align, table};

/// Footprints are shown for a tile of so many values along each axis.
const TILE: i64 = 8;

/// The report on a stage, by its place in the graph.
pub(super) fn describe(graph: &Graph, analysis: &Analysis, place: usize) -> String {
    let (stage, found) = (&graph.stages[place], &analysis.stages[place]);
    let report = Report { graph, found, names: StageNames::new(graph, stage) };
    let parts = [
        format!("  stage {:<6} {}\n", place + 1, report.head(stage)),
        report.kind(),
        report.cost(),
        report.axes(),
        report.operands(),
        report.splits(),
    ];
    let flow = analysis.flows.iter().find(|flow| flow.producers.last() == Some(&place));
    let result = flow.map(|flow| format!("    {}\n", result(graph, flow))).unwrap_or_default();
    parts.concat() + &result
}

struct Report<'a> {
    graph: &'a Graph,
    found: &'a StageAnalysis,
    names: StageNames<'a>,
}

impl Report<'_> {
    /// `C[i: 64, j: 64] = sum over k: 64`
    fn head(&self, stage: &Stage) -> String {
        let axes = |ids: &[AxisId]| {
            let list = ids.iter().map(|&id| format!("{}: {}", self.names.axis(id), self.graph.axes[id].extent));
            list.collect::<Vec<_>>().join(", ")
        };
        let head = format!("{}[{}]", self.tensor(stage.tensor), axes(&stage.axes));
        match &stage.body {
            Body::Map(_) => format!("{head}, element by element"),
            Body::Reduce { op, axes: reduced, .. } => format!("{head} = {} over {}", op.name(), axes(reduced)),
        }
    }

    fn tensor(&self, id: TensorId) -> &str {
        self.names.tensor(id)
    }

    fn list<'i>(&self, axes: impl IntoIterator<Item = &'i AxisId>) -> String {
        axes.into_iter().map(|&axis| self.names.axis(axis)).collect::<Vec<_>>().join(" ")
    }

    /// `contraction  M 196 × N 128 × K 576`
    fn kind(&self) -> String {
        if self.found.contraction.is_none() {
            return String::new();
        }
        let size = |class| Contraction::size(self.graph, &self.found.axes, class);
        let batch = if size(Class::Batch) > 1 { format!("{} times ", size(Class::Batch)) } else { String::new() };
        let sizes = [Class::M, Class::N, Class::K].map(|class| format!("{} {}", class.name(), size(class)));
        format!("    contraction  {batch}{}\n", sizes.join(" × "))
    }

    fn cost(&self) -> String {
        let work = self.found.work;
        format!(
            "    work         {}, {}, {}: {:.1} operations a byte\n",
            counted(work.points, "point"),
            counted(work.flops, "operation"),
            counted(self.found.bytes, "byte"),
            self.found.intensity()
        )
    }

    /// A row for each axis, with a column for each access.
    fn axes(&self) -> String {
        let accesses: Vec<_> = std::iter::once(&self.found.store).chain(&self.found.reads).collect();
        let titles: Vec<_> = accesses.iter().map(|access| self.tensor(access.tensor)).collect();
        let fixed = [("axis", Align::Left), ("extent", Align::Right), ("", Align::Left), ("class", Align::Left)];
        let columns = titles.iter().map(|title| (*title, Align::Left));
        let columns: Vec<_> = fixed.into_iter().chain([("shares with", Align::Left)]).chain(columns).collect();
        let rows: Vec<_> = self.found.axes.iter().map(|used| self.axis(used, &accesses)).collect();
        if rows.is_empty() { String::new() } else { table("    ", &columns, &rows) }
    }

    fn axis(&self, used: &AxisUse, accesses: &[&Access]) -> Vec<String> {
        let mut row = vec![
            self.names.axis(used.axis).to_owned(),
            self.graph.axes[used.axis].extent.to_string(),
            (if used.is_reduced { "reduced" } else { "spatial" }).to_owned(),
            (if used.class == Class::Other { "" } else { used.class.name() }).to_owned(),
            self.list(&used.shares),
        ];
        row.extend(accesses.iter().map(|access| moves(access, used.axis)));
        row
    }

    /// A row for each access that reads.
    fn operands(&self) -> String {
        let columns = [
            ("reads", Align::Left),
            ("elements", Align::Right),
            ("times each", Align::Right),
            (&format!("in a tile of {TILE}"), Align::Right),
            ("next in memory", Align::Left),
            ("guarded by", Align::Left),
        ];
        let rows: Vec<_> = self.found.reads.iter().map(|read| self.operand(read)).collect();
        if rows.is_empty() { String::new() } else { table("    ", &columns, &rows) }
    }

    fn operand(&self, read: &Access) -> Vec<String> {
        let extent = |axis: AxisId| self.graph.axes[axis].extent;
        let elements = |most: i64| grouped(read.footprint(self.graph, &|axis| extent(axis).min(most)) as u64);
        let axes = self.found.axes.iter().map(|used| used.axis).filter(|&axis| extent(axis) > 1);
        let unit: Vec<_> = axes.filter(|&axis| read.stride(self.graph, axis) == Some(1)).collect();
        let loads = if read.loads.len() > 1 { format!(" ({} loads)", read.loads.len()) } else { String::new() };
        vec![
            format!("{}{loads}", self.tensor(read.tensor)),
            elements(i64::MAX),
            rounded(self.found.reuse(self.graph, read)),
            elements(TILE),
            self.list(&unit),
            self.list(&read.guards),
        ]
    }

    fn splits(&self) -> String {
        self.found.splits.iter().map(|split| self.split(split)).collect()
    }

    /// `congruence   (p + 1 - r) % 2 == 0 is decided by splitting p by 2, r by 2`
    fn split(&self, split: &Split) -> String {
        let text = |id| print(&self.graph.pool, id, &self.names);
        let factors = split.factors.iter().map(|(&axis, factor)| format!("{} by {factor}", self.names.axis(axis)));
        let factors = factors.collect::<Vec<_>>().join(", ");
        if split.conditions.is_empty() {
            return format!("    quotient     {} is regular after splitting {factors}\n", text(split.example));
        }
        let conditions: Vec<_> = split.conditions.iter().map(|&id| text(id)).collect();
        format!("    congruence   {} is decided by splitting {factors}\n", conditions.join(", "))
    }
}

/// `1 point`, `2_048 points`
fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// An average, with as many digits as it is worth.
fn rounded(number: f64) -> String {
    if number < 100.0 { format!("{number:.1}") } else { grouped(number.round() as u64) }
}

/// How one step of an axis moves an access: `dim 2 +1`, counted from 1 as in diagnostics.
fn moves(access: &Access, axis: AxisId) -> String {
    let dims = (1..).zip(&access.dims).filter_map(|(place, dim)| {
        let irregular = dim.irregular.contains(&axis).then(|| format!("dim {place} irregular"));
        irregular.or_else(|| dim.steps.get(&axis).map(|step| format!("dim {place} {step:+}")))
    });
    let text = dims.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "·".to_owned() } else { text }
}

/// What may become of an intermediate: `result       to stage 3; inlined, or computed inside i, or stored`.
fn result(graph: &Graph, flow: &Flow) -> String {
    let plural = if flow.consumers.len() == 1 { "" } else { "s" };
    let stages: Vec<_> = flow.consumers.iter().map(|consumer| (consumer.stage + 1).to_string()).collect();
    let reads = flow.consumers.iter().map(|consumer| consumer.reuse).sum::<f64>();
    let inlined = match flow.inlining {
        Inlining::Map if reads <= 1.0 => Some("inlined".to_owned()),
        Inlining::Map => Some(format!("inlined (then computed {} times)", rounded(reads))),
        Inlining::Epilogue => Some("finished there, as its epilogue".to_owned()),
        Inlining::Recomputed | Inlining::Pieces => None,
    };
    let inside = (!flow.levels.is_empty()).then(|| {
        let levels: Vec<_> = flow.levels.iter().map(|level| describe_level(graph, flow, level)).collect();
        format!("computed inside {}", levels.join(", "))
    });
    let whole = if flow.must_be_stored() { "must be stored" } else { "stored" };
    let options: Vec<_> = inlined.into_iter().chain(inside).chain([whole.to_owned()]).collect();
    format!("result       to stage{plural} {}: {}", stages.join(", "), options.join(", or "))
}

/// `p (3 rows, next 2 on)`, with the axes named as the consumers do.
fn describe_level(graph: &Graph, flow: &Flow, level: &Level) -> String {
    let names = flow.consumers.iter().map(|consumer| StageNames::new(graph, &graph.stages[consumer.stage]));
    let mut axes: Vec<_> = Vec::new();
    for names in names {
        let known = level.axes.iter().map(|&axis| names.axis(axis)).filter(|name| *name != "?");
        for name in known {
            if !axes.iter().any(|found| found == name) {
                axes.push(name.to_owned());
            }
        }
    }
    let part = if level.needs > 1 { format!(" ({} at a time, {} on)", level.needs, level.step) } else { String::new() };
    axes.join("/") + &part
}
