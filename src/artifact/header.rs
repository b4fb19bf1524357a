//! The C header of a library.

use super::Interface;

/// The header of library `library` with these exports.
pub fn header(library: &str, interfaces: &[Interface]) -> String {
    let _ = interfaces;
    format!("/* {library} */\n")
}
