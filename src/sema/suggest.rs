//! The nearest known name, for "did you mean".

/// The candidate that a typing error most likely meant, if one is close enough.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_lowercase();
    let limit = 1 + name.chars().count() / 4;
    candidates
        .filter(|candidate| *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate.to_owned())
}
