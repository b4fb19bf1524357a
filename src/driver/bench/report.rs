//! What a benchmark came to: one row a workload, and a summary. As JSON (`--json`) and as lines of a table.

use std::collections::BTreeMap;

use serde::Serialize;

/// All results of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The suite's own words.
    pub note: String,
    /// The version of ftc.
    pub ftc: String,
    /// The target, with its processor and features.
    pub target: String,
    /// Threads, ours and the peer's.
    pub threads: usize,
    /// The seed of the inputs.
    pub seed: u64,
    /// Whether weights were packed ahead of the calls.
    pub const_weights: bool,
    /// The peer and its version.
    pub peer: Option<String>,
    /// One for each workload, in the order of the suite.
    pub rows: Vec<Row>,
    /// What the rows say together.
    pub summary: Summary,
}

/// The result of one workload. Everything but the first two is missing where something failed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The workload.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Operations by the mathematical definition.
    pub flops: Option<i64>,
    /// Median time of a call.
    pub seconds: Option<f64>,
    /// 10⁹ operations a second.
    pub gflops: Option<f64>,
    /// Median time of the peer's call.
    pub peer_seconds: Option<f64>,
    /// The peer's time divided by ours: above 1 we are faster.
    pub ratio: Option<f64>,
    /// Schedules that were measured to find this one.
    pub trials: u32,
    /// Time spent on finding it.
    pub tune_seconds: f64,
    /// How far the outputs are from the definition; see `measure::accuracy`.
    pub max_rel_error: Option<f64>,
    /// The variant that was compiled; the operator's first body if none.
    pub variant: Option<String>,
    /// The schedule.
    pub schedule: String,
    /// What failed.
    pub error: Option<String>,
}

/// What the rows say together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Rows.
    pub workloads: usize,
    /// Rows that failed.
    pub failed: usize,
    /// Geometric mean of all ratios.
    pub ratio: Option<f64>,
    /// Geometric mean of the ratios of each operator.
    pub ratio_by_op: BTreeMap<String, f64>,
    /// Geometric mean of the rates of each operator.
    pub gflops_by_op: BTreeMap<String, f64>,
    /// The workload with the smallest ratio.
    pub worst: Option<Worst>,
    /// The greatest error of any output.
    pub max_rel_error: Option<f64>,
}

/// A workload and its ratio.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// The workload.
    pub name: String,
    /// The peer's time divided by ours.
    pub ratio: f64,
}

/// Sums up rows.
pub fn summarize(rows: &[Row]) -> Summary {
    let worst = rows
        .iter()
        .filter_map(|row| Some(Worst { name: row.name.clone(), ratio: row.ratio? }))
        .min_by(|a, b| a.ratio.total_cmp(&b.ratio));
    Summary {
        workloads: rows.len(),
        failed: rows.iter().filter(|row| row.error.is_some()).count(),
        ratio: geomean(rows.iter().filter_map(|row| row.ratio)),
        ratio_by_op: by_op(rows, |row| row.ratio),
        gflops_by_op: by_op(rows, |row| row.gflops),
        worst,
        max_rel_error: rows.iter().filter_map(|row| row.max_rel_error).max_by(f64::total_cmp),
    }
}

fn by_op(rows: &[Row], value: impl Fn(&Row) -> Option<f64>) -> BTreeMap<String, f64> {
    let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.op.clone()).or_default().extend(value(row));
    }
    groups.into_iter().filter_map(|(op, values)| Some((op, geomean(values)?))).collect()
}

/// The geometric mean; none of no numbers.
pub fn geomean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let logs: Vec<_> = values.into_iter().map(f64::ln).collect();
    if logs.is_empty() { None } else { Some((logs.iter().sum::<f64>() / logs.len() as f64).exp()) }
}

/// The table that a run prints: its columns, and how wide the first two are.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    name: usize,
    op: usize,
    peer: PeerColumns,
}

/// Whether the table has columns for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PeerColumns {
    Shown,
    Absent,
}

impl Table {
    /// A table for workloads of these names and operators.
    pub fn new<'a>(workloads: impl IntoIterator<Item = (&'a str, &'a str)>, peer: PeerColumns) -> Self {
        let longest = |(name, op): (usize, usize), (n, o): (&str, &str)| (name.max(n.len()), op.max(o.len()));
        let (name, op) = workloads.into_iter().fold((8, 2), longest);
        Self { name, op, peer }
    }

    /// The line above the rows.
    pub fn header(&self) -> String {
        let (name, op) = (self.name, self.op);
        let ours = format!("{:<name$}  {:<op$}  {:>9}  {:>10}  {:>8}", "workload", "op", "time", "GFLOP/s", "error");
        match self.peer {
            PeerColumns::Shown => format!("{ours}  {:>9}  {:>7}", "peer", "ratio"),
            PeerColumns::Absent => ours,
        }
    }

    /// The line of a row.
    pub fn row(&self, row: &Row) -> String {
        let (name, op) = (self.name, self.op);
        let head = format!("{:<name$}  {:<op$}", row.name, row.op);
        let Some(seconds) = row.seconds else {
            return format!("{head}  failed: {}", row.error.as_deref().unwrap_or("not measured"));
        };
        let gflops = row.gflops.map_or("-".to_owned(), |gflops| format!("{gflops:.2}"));
        let error = row.max_rel_error.map_or("-".to_owned(), |error| format!("{error:.1e}"));
        let ours = format!("{head}  {:>9}  {gflops:>10}  {error:>8}", time(seconds));
        let line = match self.peer {
            PeerColumns::Absent => ours,
            PeerColumns::Shown => {
                let peer = row.peer_seconds.map_or("-".to_owned(), time);
                let ratio = row.ratio.map_or("-".to_owned(), shown);
                format!("{ours}  {peer:>9}  {ratio:>7}")
            }
        };
        match &row.error {
            Some(error) => format!("{line}  failed: {error}"),
            None => line,
        }
    }

    /// The lines below the rows.
    pub fn footer(&self, summary: &Summary) -> String {
        let mut lines = vec![format!("{} workloads, {} failed", summary.workloads, summary.failed)];
        if let Some(ratio) = summary.ratio {
            lines.push(format!("peer time / ftc time, geometric mean: {}", shown(ratio)));
            lines.extend(
                summary
                    .ratio_by_op
                    .iter()
                    .map(|(op, &ratio)| format!("  {op:<width$}  {}", shown(ratio), width = self.op)),
            );
        }
        if let Some(worst) = &summary.worst {
            lines.push(format!("worst: {} at {}", worst.name, shown(worst.ratio)));
        }
        lines.join("\n")
    }
}

/// `1.23 ms`
pub fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A ratio with two digits that count, even where it is small.
fn shown(ratio: f64) -> String {
    let digits = if ratio >= 0.1 {
        2
    } else if ratio >= 0.01 {
        3
    } else {
        4
    };
    format!("{ratio:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, op: &str, ratio: f64) -> Row {
        Row {
            name: name.to_owned(),
            op: op.to_owned(),
            seconds: Some(1.5e-3),
            gflops: Some(2.0),
            peer_seconds: Some(1.5e-3 * ratio),
            ratio: Some(ratio),
            max_rel_error: Some(1e-7),
            ..Row::default()
        }
    }

    #[test]
    fn small_ratios_keep_their_digits() {
        assert_eq!([15.278, 0.5, 0.087, 0.0024].map(shown), ["15.28", "0.50", "0.087", "0.0024"]);
    }

    #[test]
    fn ratios_are_summed_up_by_geometric_means() {
        let failed = Row { name: "D".into(), op: "gemv".into(), error: Some("no".into()), ..Row::default() };
        let rows = [row("A", "gemm", 0.5), row("B", "gemm", 2.0), row("C", "gemv", 4.0), failed];
        let summary = summarize(&rows);
        assert_eq!((summary.workloads, summary.failed), (4, 1));
        assert!((summary.ratio_by_op["gemm"] - 1.0).abs() < 1e-12);
        assert!((summary.ratio.expect("ratios") - 4.0_f64.powf(1.0 / 3.0)).abs() < 1e-12);
        assert_eq!(summary.worst, Some(Worst { name: "A".into(), ratio: 0.5 }));
    }

    #[test]
    fn the_table_lines_up() {
        let rows = [row("A", "gemm", 0.5), row("GMM1024", "conv2d", 20.0)];
        let table = Table::new(rows.iter().map(|row| (row.name.as_str(), row.op.as_str())), PeerColumns::Shown);
        let widths: Vec<_> = rows.iter().map(|row| table.row(row).chars().count()).collect();
        assert_eq!(widths, vec![table.header().chars().count(); 2]);
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let times = [3.2e-9, 4.56e-5, 0.123_4, 2.5, 123.4].map(time);
        assert_eq!(times, ["3.20 ns", "45.6 µs", "123 ms", "2.50 s", "123 s"]);
    }
}
