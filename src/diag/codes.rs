//! The registry of codes: one page of Markdown each, under `src/diag/codes/`, served by `ftc explain E0203`.
//!
//! A page opens with `# E0203: title`, then says what the error means, shows a wrong example and the fixed one.

use include_dir::{Dir, include_dir};

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/diag/codes");

/// The page of a code, in Markdown.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.get_file(format!("{}.md", code.to_ascii_uppercase()))?.contents_utf8()
}

/// All codes that have a page, in order.
pub fn all() -> Vec<&'static str> {
    let mut codes: Vec<_> = PAGES.files().filter_map(|file| file.path().file_stem()?.to_str()).collect();
    codes.sort_unstable();
    codes
}
