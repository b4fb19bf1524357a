//! How `ftc run` shows an output that is not saved: small arrays whole, larger ones by their corners and range.

use crate::scalar::Const;
use crate::scalar::Values;

use super::arrays::type_of;

/// Arrays of up to this many elements are shown whole.
const WHOLE: usize = 64;

/// Elements of a row shown at either end, and rows at either end.
const EDGE: usize = 3;

/// `C: f32[2, 2]` and its elements.
pub fn preview(name: &str, values: &Values) -> String {
    let mut text = format!("{name}: {}", type_of(values.dtype(), values.shape()));
    if values.len() > WHOLE {
        text += &summary(values);
    }
    text + "\n" + &rows(values)
}

/// `  min -1.5  max 3.25  mean 0.125  2 not finite`
fn summary(values: &Values) -> String {
    let all = || (0..values.len()).filter_map(|index| values.get_f64(index));
    let finite = || all().filter(|value| value.is_finite());
    let odd = values.len() - finite().count();
    if odd == values.len() {
        return "  no finite value".to_owned();
    }
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let mean = finite().sum::<f64>() / (values.len() - odd) as f64;
    let odd = if odd > 0 { format!("  {odd} not finite") } else { String::new() };
    format!("  min {}  max {}  mean {}{odd}", short(low), short(high), short(mean))
}

/// The elements, a line for each row of the last dimension; what is left out is `…`.
fn rows(values: &Values) -> String {
    let columns = values.shape().last().map_or(1, |&extent| extent as usize);
    let count = values.len() / columns;
    let whole = values.len() <= WHOLE;
    let row = |row: usize| {
        let cell =
            |column: Option<usize>| column.map_or("…".to_owned(), |column| element(values, row * columns + column));
        picked(columns, whole).into_iter().map(cell).collect::<Vec<_>>().join(" ")
    };
    let line = |picked: Option<usize>| format!("  {}\n", picked.map_or("…".to_owned(), row));
    picked(count, whole).into_iter().map(line).collect::<Vec<_>>().concat()
}

/// All of `0..count`, or its ends with a gap between them.
fn picked(count: usize, whole: bool) -> Vec<Option<usize>> {
    if whole || count <= 2 * EDGE + 1 {
        return (0..count).map(Some).collect();
    }
    (0..EDGE).map(Some).chain([None]).chain((count - EDGE..count).map(Some)).collect()
}

fn element(values: &Values, index: usize) -> String {
    let value = values.get(index).expect("the index is in the shape");
    let text = if value.dtype().is_float() { short(value.to_f64()) } else { Const::to_string(&value) };
    format!("{text:>10}")
}

/// Six significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        let digits = 5 - value.abs().log10().floor().clamp(-4.0, 5.0) as i32;
        let text = format!("{value:.*}", if value == 0.0 { 1 } else { digits.max(1) as usize });
        let trimmed = text.trim_end_matches('0');
        if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
    } else if value.is_finite() {
        format!("{value:.5e}")
    } else if value.is_nan() {
        "nan".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{preview, short};
    use crate::scalar::DType;
    use crate::scalar::Values;

    #[test]
    fn numbers_are_short_and_right() {
        let texts = [0.0, 1.0, -2.5, 1.0 / 3.0, 123_456.7, 1e9, 1e-9, f64::NAN, f64::NEG_INFINITY].map(short);
        assert_eq!(texts, ["0.0", "1.0", "-2.5", "0.333333", "123456.7", "1.00000e9", "1.00000e-9", "nan", "-inf"]);
    }

    #[test]
    fn small_arrays_are_shown_whole_and_large_ones_by_their_corners() {
        let small = Values::ints(DType::I32, &[2, 2], vec![1, -2, 3, 4]).expect("four elements");
        assert_eq!(preview("y", &small), "y: i32[2, 2]\n           1         -2\n           3          4\n");
        let large = Values::ints(DType::F32, &[10, 10], (0..100).collect()).expect("a hundred elements");
        let text = preview("C", &large);
        assert!(text.starts_with("C: f32[10, 10]  min 0.0  max 99.0  mean 49.5\n"), "{text}");
        assert_eq!(text.lines().count(), 8);
        let scalar = Values::floats(DType::F64, &[], vec![0.5]).expect("one element");
        assert_eq!(preview("s", &scalar), "s: f64[]\n         0.5\n");
    }
}
