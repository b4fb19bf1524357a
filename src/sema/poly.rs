//! Polynomials over size names, for messages: `H + R - 2`. Nothing is decided by them: every proof is about numbers.

use std::collections::BTreeMap;

/// A sum of monomials; a monomial is a sorted list of names.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Poly {
    terms: BTreeMap<Vec<String>, i64>,
}

impl Poly {
    /// A number.
    pub(super) fn constant(value: i64) -> Self {
        let mut poly = Self::default();
        poly.insert(Vec::new(), Some(value));
        poly
    }

    /// A name.
    pub(super) fn name(name: &str) -> Self {
        let mut poly = Self::default();
        poly.insert(vec![name.to_owned()], Some(1));
        poly
    }

    /// Adds a term; none stands for an overflow, which drops it: messages only.
    fn insert(&mut self, monomial: Vec<String>, factor: Option<i64>) {
        let entry = self.terms.entry(monomial).or_insert(0);
        *entry = factor.and_then(|f| entry.checked_add(f)).unwrap_or(0);
        self.terms.retain(|_, factor| *factor != 0);
    }

    /// `self + other`
    pub(super) fn add(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (monomial, &factor) in &other.terms {
            sum.insert(monomial.clone(), Some(factor));
        }
        sum
    }

    /// `self - other`
    pub(super) fn sub(&self, other: &Self) -> Self {
        self.add(&other.mul(&Self::constant(-1)))
    }

    /// `self * other`
    pub(super) fn mul(&self, other: &Self) -> Self {
        let mut product = Self::default();
        for (a, &x) in &self.terms {
            for (b, &y) in &other.terms {
                let mut monomial: Vec<_> = a.iter().chain(b).cloned().collect();
                monomial.sort();
                product.insert(monomial, x.checked_mul(y));
            }
        }
        product
    }

    /// Whether a name occurs.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.terms.keys().flatten().any(|known| known == name)
    }

    /// Whether no name occurs.
    pub(super) fn is_constant(&self) -> bool {
        self.terms.keys().all(Vec::is_empty)
    }

    /// Replaces names by polynomials; none if a name has no replacement.
    pub(super) fn substitute(&self, replace: &dyn Fn(&str) -> Option<Self>) -> Option<Self> {
        let mut result = Self::default();
        for (monomial, &factor) in &self.terms {
            let mut product = Self::constant(factor);
            for name in monomial {
                product = product.mul(&replace(name)?);
            }
            result = result.add(&product);
        }
        Some(result)
    }
}

impl std::fmt::Display for Poly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Positive terms first, the number last, so that no minus leads unless all are negative.
        let mut terms: Vec<_> = self.terms.iter().collect();
        terms.sort_by_key(|(monomial, factor)| (monomial.is_empty(), **factor < 0));
        if terms.is_empty() {
            return write!(f, "0");
        }
        for (position, (monomial, factor)) in terms.into_iter().enumerate() {
            let sign = match (position, *factor < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let magnitude = factor.unsigned_abs();
            let name = monomial.join(" * ");
            match (magnitude, name.is_empty()) {
                (_, true) => write!(f, "{sign}{magnitude}")?,
                (1, false) => write!(f, "{sign}{name}")?,
                (_, false) => write!(f, "{sign}{magnitude} * {name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Poly;

    #[test]
    fn prints_as_one_would_write_it() {
        let (h, r) = (Poly::name("H"), Poly::name("R"));
        let sum = h.add(&r).sub(&Poly::constant(2));
        assert_eq!(sum.to_string(), "H + R - 2");
        assert_eq!(h.sub(&h).to_string(), "0");
        assert_eq!(h.mul(&r).mul(&Poly::constant(3)).to_string(), "3 * H * R");
        assert_eq!(Poly::constant(-1).sub(&h).to_string(), "-H - 1");
    }
}
