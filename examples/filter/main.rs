//! Filters a PNG with a function of `filter.ft`, which is compiled for just that image's size, here and now: how a
//! program uses ftc as a library.
//!
//! usage: cargo run --example filter -- blur|sharpen|edges IN.png OUT.png

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use ftc::diag::render::{self, Style};
use ftc::driver::loaded::{self, Loaded};
use ftc::driver::select::{self, Selection};
use ftc::driver::{self, Outcome, Session, machine};
use ftc::runtime::Array;
use ftc::scalar::DType;
use ftc::target::Target;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/filter/filter.ft");

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [filter, input, output] = args.as_slice() else {
        return complain("usage: filter blur|sharpen|edges IN.png OUT.png");
    };
    match apply(filter, Path::new(input), Path::new(output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "this is how a program of the command line complains")]
fn complain(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn apply(filter: &str, input: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let image = read(input)?;
    let mut filtered = Array::zeros(DType::U8, image.shape()).ok_or("the image is too large")?;
    let kernel = compile(filter, image.shape())?;
    kernel.library.call(&kernel.export, &[&image], std::slice::from_mut(&mut filtered))?;
    write(output, &filtered)
}

/// The filter for images of one size, in memory; or all that is wrong with its source.
fn compile(filter: &str, shape: &[i64]) -> Result<Loaded, String> {
    let mut session = Session::new();
    pipeline(&mut session, filter, shape)
        .map_err(|_| render::render(&session.sources, &session.diagnostics, Style::Plain))?
        .ok_or_else(|| format!("filter.ft exports no `{filter}`"))
}

/// What `ftc run` does, arrow by arrow.
fn pipeline(session: &mut Session, filter: &str, shape: &[i64]) -> Outcome<Option<Loaded>> {
    let set = ["H", "W"].iter().zip(shape).map(|(name, extent)| format!("{name}={extent}")).collect();
    let what = Selection { file: Some(SOURCE.into()), set, ..Selection::default() };
    let selected = select::select(session, &what)?;
    let Some(export) = selected.exports.iter().find(|export| select::symbol(export) == filter) else { return Ok(None) };
    let target = machine::target(session, "native")?;
    let Target::Cpu(cpu) = &target else { return Ok(None) };
    let graph = driver::instantiate(session, &selected.program, export, &selected.request)?;
    let kernel = driver::lower(session, &graph, None, &machine::chooser(&target))?.kernel;
    loaded::load(session, &kernel, None, cpu).map(Some)
}

/// The pixels of a PNG with 8 bits for each of red, green and blue: rows × columns × 3.
fn read(path: &Path) -> Result<Array, Box<dyn Error>> {
    let named = |cause: &dyn Error| format!("{}: {cause}", path.display());
    let file = File::open(path).map_err(|cause| named(&cause))?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().map_err(|cause| named(&cause))?;
    let (width, height) = reader.info().size();
    if reader.output_color_type() != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(format!("{}: expected 8 bits for each of red, green and blue", path.display()).into());
    }
    let mut pixels = Array::zeros(DType::U8, &[height.into(), width.into(), 3]).ok_or("the image is too large")?;
    reader.next_frame(pixels.bytes_mut()).map_err(|cause| named(&cause))?;
    Ok(pixels)
}

fn write(path: &Path, pixels: &Array) -> Result<(), Box<dyn Error>> {
    let [height, width, _] = pixels.shape() else { return Err("an image has three extents".into()) };
    let file = File::create(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), u32::try_from(*width)?, u32::try_from(*height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels.bytes())?;
    Ok(())
}
