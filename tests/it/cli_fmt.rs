//! `ftc fmt` from outside.

use std::fs;
use std::path::Path;

use crate::place::Place;

#[test]
fn fmt_rewrites_checks_and_filters() {
    let place = Place::new();
    let canonical = "pub fn f(x: f32[N]) -> (y: f32[N]) {\n    y[i] = x[i] + 1\n}\n";
    let untidy = "pub fn f( x:f32[N] )->(y:f32[N]) {\n  y[i]=x[i]+1\n}";
    place.write("good.ft", canonical);
    place.write("bad.ft", untidy);
    let ran = place.ftc(&["fmt", "--check", "good.ft", "bad.ft"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "bad.ft\n"), "{ran:?}");
    assert_eq!(place.read("bad.ft"), untidy.as_bytes());
    place.ftc(&["fmt", "good.ft", "bad.ft"]).succeeds();
    assert_eq!(String::from_utf8_lossy(&place.read("bad.ft")), canonical);
    place.ftc(&["fmt", "--check", "good.ft", "bad.ft"]).succeeds();
    assert_eq!(place.ftc_with_input(&["fmt", "-"], untidy.as_bytes()).succeeds().out, canonical);
    place.write("broken.ft", "pub fn f(");
    assert_eq!(place.ftc(&["fmt", "broken.ft"]).code, 1);
    assert_eq!(place.read("broken.ft"), b"pub fn f(");
}

#[test]
#[cfg(unix)]
fn links_stay_links_and_files_get_the_usual_mode() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("real.ft", "pub fn f( x:f32[N] )->(y:f32[N]) { y[i]=x[i]+1 }");
    std::os::unix::fs::symlink(place.path("real.ft"), place.path("link.ft")).expect("a link");
    place.ftc(&["fmt", "link.ft"]).succeeds();
    assert!(fs::symlink_metadata(place.path("link.ft")).is_ok_and(|link| link.is_symlink()));
    assert!(place.read("real.ft").starts_with(b"pub fn f(x: f32[N])"));
    fs::write(place.path("plain"), "").expect("a writable folder");
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode();
    assert_eq!(mode(&place.path("real.ft")), mode(&place.path("plain")));
}
