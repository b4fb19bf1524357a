//! Arrays of `f64` for the references: indexed by tuples of positions, filled by a formula, summed by loops.

/// A dense, row-major array.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<i64>,
    pub(super) data: Vec<f64>,
}

impl Array {
    /// Extent `dim`.
    pub(super) fn dim(&self, dim: usize) -> i64 {
        self.shape[dim]
    }

    /// All extents, for an array of known rank.
    pub(super) fn dims<const N: usize>(&self) -> [i64; N] {
        self.shape.as_slice().try_into().expect("the case says the rank")
    }

    fn position<const N: usize>(&self, at: [i64; N]) -> Option<usize> {
        assert_eq!(self.shape.len(), N, "subscripts for {:?}", self.shape);
        let inside = at.iter().zip(&self.shape).all(|(i, extent)| (0..*extent).contains(i));
        inside.then(|| at.iter().zip(&self.shape).fold(0, |flat, (i, extent)| flat * extent + i) as usize)
    }

    /// An element that is there.
    pub(super) fn at<const N: usize>(&self, at: [i64; N]) -> f64 {
        self.data[self.position(at).unwrap_or_else(|| panic!("{at:?} in {:?}", self.shape))]
    }

    /// An element, or `default` outside.
    pub(super) fn or<const N: usize>(&self, at: [i64; N], default: f64) -> f64 {
        self.position(at).map_or(default, |position| self.data[position])
    }

    /// Adds to an element; outside it is lost.
    pub(super) fn add<const N: usize>(&mut self, at: [i64; N], value: f64) {
        if let Some(position) = self.position(at) {
            self.data[position] += value;
        }
    }

    /// The same elements with another shape.
    pub(super) fn reshape(self, shape: &[i64]) -> Self {
        assert_eq!(shape.iter().product::<i64>() as usize, self.data.len());
        Self { shape: shape.to_vec(), ..self }
    }
}

/// Fills an array by a formula.
pub(super) fn array<const N: usize>(shape: [i64; N], mut f: impl FnMut([i64; N]) -> f64) -> Array {
    let mut data = Vec::new();
    each(shape, |at| data.push(f(at)));
    Array { shape: shape.to_vec(), data }
}

/// All zeros.
pub(super) fn zeros<const N: usize>(shape: [i64; N]) -> Array {
    array(shape, |_| 0.0)
}

/// Element by element.
pub(super) fn map(x: &Array, f: impl FnMut(f64) -> f64) -> Array {
    Array { shape: x.shape.clone(), data: x.data.iter().copied().map(f).collect() }
}

/// Calls `f` for every position below `extents`, in row-major order.
pub(super) fn each<const N: usize>(extents: [i64; N], mut f: impl FnMut([i64; N])) {
    let total: i64 = extents.iter().product();
    for mut flat in 0..total {
        let mut at = [0; N];
        for dim in (0..N).rev() {
            at[dim] = flat % extents[dim];
            flat /= extents[dim];
        }
        f(at);
    }
}

/// Σ over every position below `extents`.
pub(super) fn sum<const N: usize>(extents: [i64; N], mut f: impl FnMut([i64; N]) -> f64) -> f64 {
    let mut total = 0.0;
    each(extents, |at| total += f(at));
    total
}

/// Maximum over every position below `extents`.
pub(super) fn max<const N: usize>(extents: [i64; N], mut f: impl FnMut([i64; N]) -> f64) -> f64 {
    let mut largest = f64::NEG_INFINITY;
    each(extents, |at| largest = largest.max(f(at)));
    largest
}
