//! The nearest known name, for "did you mean".

/// How much of a name says which one is meant.
const LEAST_BEGINNING: usize = 3;

/// The candidate that a typing error most likely meant, if one is close enough.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_lowercase();
    let limit = 1 + name.chars().count() / 4;
    let candidates: Vec<&str> = candidates.filter(|candidate| *candidate != name).collect();
    candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| *candidate)
        .or_else(|| shortened(&folded, &candidates))
        .map(str::to_owned)
}

/// The one candidate that is the beginning of the name, or has it as its beginning: `pad` for `padding`.
fn shortened<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let begins = |long: &str, short: &str| short.len() >= LEAST_BEGINNING && long.starts_with(short);
    let mut fitting = candidates.iter().filter(|candidate| {
        let candidate = candidate.to_lowercase();
        candidate != name && (begins(name, &candidate) || begins(&candidate, name))
    });
    fitting.next().filter(|_| fitting.next().is_none()).copied()
}
