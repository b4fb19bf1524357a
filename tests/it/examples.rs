//! The examples do what their READMEs say: built by `ftc`, compiled by the C compiler, run.
#![cfg(feature = "llvm")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program in the project's folder.
fn run(program: impl AsRef<Path>, args: &[&str]) -> Output {
    let command = Command::new(program.as_ref()).args(args).env("NO_COLOR", "1").current_dir(ROOT).output();
    command.unwrap_or_else(|cause| panic!("{}: {cause}", program.as_ref().display()))
}

fn ftc(args: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_ftc"), args)
}

/// What a program printed, if it ended well.
fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Builds `examples/NAME/SOURCE.ft` to a library, and `main.c` beside it to a program that uses it.
fn build_c(folder: &Path, name: &str, source: &str) -> PathBuf {
    let out = folder.to_str().expect("a path of text");
    text(&ftc(&["build", &format!("examples/{name}/{source}.ft"), "-o", out]));
    let program = folder.join("demo");
    let flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"];
    let places = [format!("-I{out}"), format!("-L{out}"), format!("-Wl,-rpath,{out}")];
    let mut args: Vec<&str> = flags.into_iter().chain(places.iter().map(String::as_str)).collect();
    let (main, library) = (format!("examples/{name}/main.c"), format!("-l{source}"));
    args.extend([main.as_str(), "-o", program.to_str().expect("a path of text"), &library, "-lm"]);
    text(&run("cc", &args));
    program
}

#[test]
fn the_digits_are_read_as_well_as_by_the_framework_that_trained_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = text(&run(build_c(folder.path(), "digits", "net"), &["examples/digits/data"]));
    assert!(printed.contains("\n493 of 500 right (98.6 %)"), "{printed}");
    assert!(printed.starts_with("The first 6 of 500 held-out digits:"), "{printed}");
}

#[test]
fn the_product_is_what_three_loops_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let printed = text(&run(build_c(folder.path(), "gemm", "gemm"), &[]));
    assert!(printed.starts_with("C[0][0] = 0.4759, C[511][511] = 1.0749\n"), "{printed}");
}

#[test]
fn softmax_runs_from_the_command_line() {
    let shown = |target: &str| {
        let file = "examples/softmax/softmax.ft";
        text(&ftc(&["run", file, "--in", "x=examples/softmax/x.npy", "--target", target]))
    };
    assert_eq!(shown("native"), shown("interp"));
    insta::assert_snapshot!(shown("native"));
}

#[test]
fn the_wrong_program_is_refused_as_its_readme_shows() {
    let output = ftc(&["check", "examples/error/blur.ft"]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).expect("text");
    for file in ["examples/error/README.md", "README.md"] {
        let shown = blocks(&read(file), "text").iter().any(|block| block.trim_end() == printed.trim_end());
        assert!(shown, "{file} does not show what ftc says:\n{printed}");
    }
}

#[test]
fn the_first_program_of_the_readme_prints_what_it_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let readme = read("README.md");
    let place = |name: &str| folder.path().join(name).to_str().expect("a path of text").to_owned();
    fs::write(place("layer.ft"), &blocks(&readme, "ft")[0]).expect("it can be written");
    fs::write(place("main.c"), &blocks(&readme, "c")[0]).expect("it can be written");
    text(&ftc(&["build", &place("layer.ft"), "-o", &place("out")]));
    let (include, libraries, rpath) =
        (format!("-I{}", place("out")), format!("-L{}", place("out")), format!("-Wl,-rpath,{}", place("out")));
    text(&run("cc", &[&include, &place("main.c"), &libraries, "-llayer", &rpath, "-o", &place("a.out")]));
    assert_eq!(text(&run(place("a.out"), &[])), "6.5 0\n");
    assert!(readme.contains("prints `6.5 0`"));
}

#[test]
fn the_readme_names_only_files_that_are_there() {
    let readme = read("README.md");
    let folders = ["examples/", "benches/", "src/", "tests/", "grammar/", "stdlib/"];
    let is_path =
        |word: &&str| folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '…', ':']);
    let missing: Vec<_> =
        readme.split(['`', ' ', '\n']).filter(is_path).filter(|path| !Path::new(ROOT).join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).expect("the file is there")
}

/// The blocks of code of a language in Markdown.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let odd = markdown.split("\n```").skip(1).step_by(2);
    odd.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned() + "\n")).collect()
}

#[test]
fn the_filters_do_to_an_image_what_they_are_called() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let filtered = |name: &str| {
        let path = folder.path().join(name);
        // Cargo builds the examples before it runs the tests, beside the program.
        let program = Path::new(env!("CARGO_BIN_EXE_ftc")).with_file_name("examples").join("filter");
        text(&run(program, &[name, "examples/filter/lake.png", path.to_str().expect("a path of text")]));
        pixels(&path)
    };
    let original = steps(&pixels(&Path::new(ROOT).join("examples/filter/lake.png")));
    let (blurred, sharpened) = (steps(&filtered("blur")), steps(&filtered("sharpen")));
    assert!(blurred < original && original < sharpened, "{blurred} {original} {sharpened}");
    let edges = filtered("edges");
    let dark = edges.iter().filter(|&&pixel| pixel < 32).count();
    assert!(dark * 2 > edges.len() && edges.contains(&255), "most of a picture is no edge");
}

fn pixels(path: &Path) -> Vec<u8> {
    let file = std::io::BufReader::new(fs::File::open(path).expect("the image was written"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("an image");
    pixels
}

/// How much neighbours in a row differ.
fn steps(pixels: &[u8]) -> u64 {
    pixels.windows(4).map(|window| u64::from(window[0].abs_diff(window[3]))).sum()
}
