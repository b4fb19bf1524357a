//! Plots as SVG: lines, dots and words over two logarithmic axes.
//!
//! Colours are left to classes, `s0`, `s1`, … for series and `grid`, `axis`, `faint` for the rest, so that a page can have
//! them light or dark; [`STYLE`] has both, and goes into a page once, or into an SVG that stands alone.

use std::fmt::Write;

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// What is drawn, in order.
    pub marks: Vec<Mark>,
    /// Words for classes.
    pub legend: Vec<(String, String)>,
}

/// A logarithmic axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it counts.
    pub label: String,
    /// Where it begins, above zero.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How numbers are written.
    pub number: fn(f64) -> String,
}

/// Something in a plot.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A line through points.
    Line {
        /// The points.
        points: Vec<(f64, f64)>,
        /// Its class.
        class: String,
    },
    /// A dot with words that a pointer on it shows.
    Dot {
        /// Where.
        at: (f64, f64),
        /// Its class.
        class: String,
        /// The words.
        title: String,
    },
    /// Words beside a point.
    Words {
        /// Where.
        at: (f64, f64),
        /// The words.
        text: String,
    },
}

/// Colours of the classes, light and dark.
pub const STYLE: &str = include_str!("plot.css");

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;

impl Axis {
    /// An axis with room for these numbers, of which those above zero count.
    pub fn around(label: &str, numbers: impl IntoIterator<Item = f64>, number: fn(f64) -> String) -> Self {
        let (from, to) = numbers
            .into_iter()
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(from, to), value| (from.min(value), to.max(value)));
        let (from, to) = if from <= to { (from / 1.15, to * 1.15) } else { (1.0, 10.0) };
        Self { label: label.to_owned(), from, to, number }
    }

    /// Where a number is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let span = (self.to / self.from).ln().max(1e-9);
        ((value.max(self.from * 1e-3) / self.from).ln() / span).clamp(-0.02, 1.02)
    }

    /// Round numbers on the axis: 1, 2 and 5 of each power of ten, or powers alone where those are many.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.from.log10().floor() as i32)..=(self.to.log10().ceil() as i32);
        let steps: &[f64] = if (self.to / self.from).log10() > 4.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        all.filter(|value| (self.from..=self.to).contains(value)).collect()
    }
}

impl Plot {
    /// The plot as an SVG element.
    pub fn svg(&self) -> String {
        let mut out = format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
        self.grid(&mut out);
        for mark in &self.marks {
            self.mark(&mut out, mark);
        }
        self.keys(&mut out);
        out + "</svg>"
    }

    /// The same as a file of its own.
    pub fn file(&self) -> String {
        let svg = self.svg();
        let open = svg.replacen("<svg ", "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 1);
        open.replacen('>', &format!("><style>{STYLE}</style>"), 1) + "\n"
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.x.place(value)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self.y.place(value)
    }

    fn grid(&self, out: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for value in self.x.ticks() {
            let (x, text) = (self.x(value), escape(&(self.x.number)(value)));
            let below = bottom + 16.0;
            write_to(out, format_args!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>"));
            write_to(
                out,
                format_args!("<text class=\"tick\" x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{text}</text>"),
            );
        }
        for value in self.y.ticks() {
            let (y, text) = (self.y(value), escape(&(self.y.number)(value)));
            let (left, middle) = (LEFT - 6.0, y + 4.0);
            write_to(out, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
            write_to(
                out,
                format_args!("<text class=\"tick\" x=\"{left}\" y=\"{middle:.1}\" text-anchor=\"end\">{text}</text>"),
            );
        }
        write_to(out, format_args!("<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>"));
        let (x, y) = (escape(&self.x.label), escape(&self.y.label));
        let low = HEIGHT - 8.0;
        write_to(out, format_args!("<text class=\"label\" x=\"{right}\" y=\"{low}\" text-anchor=\"end\">{x}</text>"));
        write_to(out, format_args!("<text class=\"label\" x=\"4\" y=\"14\">{y}</text>"));
    }

    fn mark(&self, out: &mut String, mark: &Mark) {
        match mark {
            Mark::Line { points, class } => {
                let points = points.iter().map(|&(x, y)| format!("{:.1},{:.1}", self.x(x), self.y(y)));
                let points = points.collect::<Vec<_>>().join(" ");
                write_to(out, format_args!("<polyline class=\"line {class}\" points=\"{points}\"/>"));
            }
            Mark::Dot { at: (x, y), class, title } => {
                let (x, y, title) = (self.x(*x), self.y(*y), escape(title));
                write_to(
                    out,
                    format_args!(
                        "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{title}</title></circle>"
                    ),
                );
            }
            Mark::Words { at: (x, y), text } => {
                let (x, y, text) = (self.x(*x), self.y(*y), escape(text));
                // Words that begin at the right end end there.
                let anchor = if x > WIDTH * 0.7 { "end" } else { "start" };
                let (x, y) = (if anchor == "end" { x - 6.0 } else { x + 6.0 }, y - 6.0);
                write_to(
                    out,
                    format_args!(
                        "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
                    ),
                );
            }
        }
    }

    fn keys(&self, out: &mut String) {
        let mut right = WIDTH - RIGHT;
        for (class, text) in self.legend.iter().rev() {
            let words = right - 7.0 * text.chars().count() as f64;
            let (from, to, text) = (words - 22.0, words - 6.0, escape(text));
            write_to(out, format_args!("<path class=\"line {class}\" d=\"M{from:.1} 10H{to:.1}\"/>"));
            write_to(out, format_args!("<text class=\"tick\" x=\"{words:.1}\" y=\"14\">{text}</text>"));
            right = from - 10.0;
        }
    }
}

fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

/// Text as it stands in XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: f64) -> String {
        format!("{value}")
    }

    #[test]
    fn ticks_are_round_numbers_inside() {
        let axis = Axis { label: String::new(), from: 0.9, to: 22.0, number: plain };
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0]);
        let wide = Axis { to: 1e6, ..axis };
        assert_eq!(wide.ticks().len(), 7);
    }

    #[test]
    fn nothing_to_draw_is_a_plot_too() {
        let axis = || Axis::around("a & b", [f64::INFINITY, 0.0], plain);
        let plot = Plot { x: axis(), y: axis(), marks: Vec::new(), legend: Vec::new() };
        let svg = plot.svg();
        assert!(svg.ends_with("</svg>") && svg.contains("a &amp; b") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn points_stay_inside_of_the_picture() {
        let axis = Axis::around("", [1.0, 10.0], plain);
        assert!((axis.place(1e-12) + 0.02).abs() < 1e-9 && (axis.place(1e12) - 1.02).abs() < 1e-9);
    }
}
