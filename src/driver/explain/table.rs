//! Columns of text, as wide as they need.

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows in columns, each line after `indent`; columns that have nothing but their title are left out.
pub(super) fn table(indent: &str, titles: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let used: Vec<_> = (0..titles.len()).filter(|&column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let width = |text: &str| text.chars().count();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.chain([width(titles[column].0)]).max().unwrap_or(0)
    };
    let line = |cells: &dyn Fn(usize) -> String| {
        let padded = used.iter().map(|&column| match titles[column].1 {
            Align::Left => format!("{:<wide$}", cells(column), wide = widest(column)),
            Align::Right => format!("{:>wide$}", cells(column), wide = widest(column)),
        });
        format!("{indent}{}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned() + "\n"
    };
    let head = line(&|column| titles[column].0.to_owned());
    rows.iter().fold(head, |text, row| text + &line(&|column| row[column].clone()))
}
