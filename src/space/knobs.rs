//! Knobs and points: a space as a search sees it.
//!
//! In `FlexTensor`'s words, a *knob* is one choice with its list of values, a *point* picks a value of each knob, and a
//! *direction* leads from a point to a neighbour by changing one knob. This file knows nothing of schedules: it counts,
//! numbers and steps. Which points can be built is for the space that they belong to.

use std::fmt;

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// What is chosen.
    pub name: String,
    /// The values, as texts; never empty.
    pub values: Vec<String>,
    /// How values are neighbours.
    pub order: Order,
    /// Where it means something; everywhere if none.
    pub only: Option<Only>,
}

/// A knob that means something only where another one has some value. Elsewhere it has the value `home`, so that no two
/// points say the same, and so that whoever turns that other knob comes to a good place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Only {
    /// The number of the other knob, an earlier one.
    pub knob: usize,
    /// The number of its value.
    pub value: u16,
    /// The number of the own value elsewhere.
    pub home: u16,
}

/// How the values of a knob are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each value and the next: sizes.
    Line,
    /// Each value and every other: kinds.
    Any,
}

/// All knobs of a space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// In a fixed order.
    pub knobs: Vec<Knob>,
}

/// The number of a value for each knob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point(pub Vec<u16>);

/// A way from a point to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Direction {
    /// The number of the knob that changes.
    pub knob: usize,
    /// How far: -1 or 1 along a line; else by so many values, around the end.
    pub by: i32,
}

impl Knob {
    /// A knob of sizes.
    pub fn line(name: impl Into<String>, values: impl IntoIterator<Item = i64>) -> Self {
        let values = values.into_iter().map(|value| value.to_string()).collect();
        Self { name: name.into(), values, order: Order::Line, only: None }
    }

    /// A knob of kinds.
    pub fn any(name: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        Self { name: name.into(), values: values.into_iter().collect(), order: Order::Any, only: None }
    }
}

impl Knobs {
    /// The number of points, legal or not.
    pub fn size(&self) -> u128 {
        self.knobs.iter().map(|knob| knob.values.len() as u128).product()
    }

    /// The point of a number below [`Knobs::size`]; the last knob changes fastest.
    pub fn point(&self, mut index: u128) -> Point {
        let mut values = vec![0; self.knobs.len()];
        for (value, knob) in values.iter_mut().zip(&self.knobs).rev() {
            let count = knob.values.len() as u128;
            *value = (index % count) as u16;
            index /= count;
        }
        Point(values)
    }

    /// The number of a point: the inverse of [`Knobs::point`].
    pub fn index(&self, point: &Point) -> u128 {
        let digits = point.0.iter().zip(&self.knobs);
        digits.fold(0, |index, (&value, knob)| index * knob.values.len() as u128 + u128::from(value))
    }

    /// Whether a knob means something at a point.
    pub fn is_meant(&self, point: &Point, knob: usize) -> bool {
        self.knobs[knob].only.is_none_or(|only| point.0[only.knob] == only.value)
    }

    /// The point that says the same, with the knobs at home that mean nothing there.
    pub fn canonical(&self, mut point: Point) -> Point {
        for (number, knob) in self.knobs.iter().enumerate() {
            if let Some(only) = knob.only
                && point.0[only.knob] != only.value
            {
                point.0[number] = only.home;
            }
        }
        point
    }

    /// All directions, those of one knob next to each other.
    pub fn directions(&self) -> Vec<Direction> {
        let of = |(knob, k): (usize, &Knob)| {
            let count = k.values.len() as i32;
            let steps: Vec<i32> = match k.order {
                _ if count == 1 => Vec::new(),
                Order::Line => vec![-1, 1],
                Order::Any => (1..count).collect(),
            };
            steps.into_iter().map(move |by| Direction { knob, by })
        };
        self.knobs.iter().enumerate().flat_map(of).collect()
    }

    /// The neighbour of a point in a direction; none where a line ends, and where the knob means nothing.
    pub fn step(&self, point: &Point, direction: Direction) -> Option<Point> {
        let knob = &self.knobs[direction.knob];
        let count = knob.values.len() as i32;
        let moved = i32::from(point.0[direction.knob]) + direction.by;
        let value = match knob.order {
            Order::Line => (0..count).contains(&moved).then_some(moved)?,
            Order::Any => moved.rem_euclid(count),
        };
        let mut next = point.clone();
        next.0[direction.knob] = value as u16;
        let next = self.canonical(next);
        (next != *point).then_some(next)
    }

    /// All neighbours of a point.
    pub fn neighbours(&self, point: &Point) -> Vec<Point> {
        self.directions().into_iter().filter_map(|direction| self.step(point, direction)).collect()
    }

    /// A point as a text: `vector k, row q, rows 14`; nothing for a schedule that is no point.
    pub fn show(&self, point: &Point) -> String {
        if point.0.len() != self.knobs.len() {
            return String::new();
        }
        let meant = self.knobs.iter().enumerate().filter(|&(number, _)| self.is_meant(point, number));
        let texts = meant.map(|(number, knob)| format!("{} {}", knob.name, knob.values[usize::from(point.0[number])]));
        texts.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&values.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn knobs(counts: &[usize]) -> Knobs {
        let knob = |(number, &count): (usize, &usize)| Knob {
            name: format!("k{number}"),
            values: (0..count).map(|value| value.to_string()).collect(),
            order: if number % 2 == 0 { Order::Line } else { Order::Any },
            only: None,
        };
        Knobs { knobs: counts.iter().enumerate().map(knob).collect() }
    }

    #[test]
    fn knobs_that_mean_nothing_are_at_home() {
        let mut knobs = knobs(&[2, 3, 3]);
        knobs.knobs[1].only = Some(Only { knob: 0, value: 0, home: 2 });
        knobs.knobs[2].only = Some(Only { knob: 0, value: 1, home: 1 });
        let near: Vec<_> = knobs.neighbours(&Point(vec![0, 1, 1])).into_iter().map(|point| point.0).collect();
        assert_eq!(near, [vec![1, 2, 1], vec![0, 2, 1], vec![0, 0, 1]]);
        assert_eq!(knobs.canonical(Point(vec![1, 0, 0])), Point(vec![1, 2, 0]));
        assert_eq!(knobs.show(&Point(vec![1, 2, 0])), "k0 1, k2 0");
    }

    proptest! {
        #[test]
        fn points_and_numbers_are_the_same(counts in prop::collection::vec(1usize..9, 1..8), seed: u64) {
            let knobs = knobs(&counts);
            let index = u128::from(seed) % knobs.size();
            prop_assert_eq!(knobs.index(&knobs.point(index)), index);
        }

        #[test]
        fn neighbours_differ_in_one_knob_and_lead_back(counts in prop::collection::vec(1usize..6, 1..5), seed: u64) {
            let knobs = knobs(&counts);
            let point = knobs.point(u128::from(seed) % knobs.size());
            let neighbours = knobs.neighbours(&point);
            for next in &neighbours {
                let changed = point.0.iter().zip(&next.0).filter(|(a, b)| a != b).count();
                prop_assert_eq!(changed, 1);
                prop_assert!(knobs.neighbours(next).contains(&point));
            }
            let distinct: std::collections::BTreeSet<_> = neighbours.iter().collect();
            prop_assert_eq!(distinct.len(), neighbours.len());
        }
    }
}
