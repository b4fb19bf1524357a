//! Both sides of a schedule through the compiler, as `ftc bench` goes through it, and through nvcc: images that `time` runs.
//!
//! What was compiled from the same text before is left as it is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use ftc::artifact::Image;
use ftc::codegen::cuda::module::Module;
use ftc::diag::render::{Style, render};
use ftc::driver::lock::{self, Pinned};
use ftc::driver::select::{self, Selection};
use ftc::driver::variants::{self, Wanted};
use ftc::driver::{Outcome, Session, Stop, generate_module, lower, machine};
use ftc::target::{Gpu, Platform, Target};

/// The two sides.
pub(crate) const SIDES: [&str; 2] = ["theirs", "ours"];

/// The file of one side of a schedule.
pub(crate) fn file(folder: &Path, number: usize, side: &str, extension: &str) -> PathBuf {
    folder.join(format!("{number:02}.{side}.{extension}"))
}

/// Compiles both sides of the schedules that have files, on all cores, and says what is refused.
pub(crate) fn compile(count: usize, folder: &Path) {
    let target = Target::parse("cuda", None).expect("it is known");
    let Target::Gpu(gpu) = &target else { panic!("it is a GPU") };
    let next = AtomicUsize::new(0);
    let (made, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= 2 * count {
                        break;
                    }
                    let (number, side) = (at / 2, SIDES[at % 2]);
                    if !file(folder, number, side, "ft").exists() {
                        continue;
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                    if let Err(why) = compile_one(folder, number, side, (&target, gpu)) {
                        refused.fetch_add(1, Ordering::Relaxed);
                        println!("{number:02} {side} is refused: {why}");
                    }
                }
            });
        }
    });
    println!("{} files, {} refused", made.into_inner(), refused.into_inner());
}

fn compile_one(folder: &Path, number: usize, side: &str, (target, gpu): (&Target, &Gpu)) -> Result<(), String> {
    let mut session = Session::new();
    let platform = Platform::from(gpu.chip());
    session.pinned = Some(Pinned::shipped(lock::target_name(target, &platform)));
    let made = module(&mut session, &file(folder, number, side, "ft"), (target, gpu));
    let module = made.map_err(|stop| match stop {
        Stop::Internal(text) => text,
        Stop::User | Stop::Environment => render(&session.sources, &session.diagnostics, Style::Plain),
    })?;
    let (text, image) = (file(folder, number, side, "cu"), file(folder, number, side, "image"));
    if image.exists() && std::fs::read_to_string(&text).is_ok_and(|before| before == module.text) {
        return Ok(());
    }
    let made = Image::compile(side, &module, gpu).map_err(|cause| cause.to_string())?;
    std::fs::write(text, &module.text).map_err(|cause| cause.to_string())?;
    std::fs::write(image, made.to_bytes()).map_err(|cause| cause.to_string())
}

fn module(session: &mut Session, file: &Path, (target, gpu): (&Target, &Gpu)) -> Outcome<Module> {
    let what = Selection { file: Some(file.to_owned()), ..Selection::default() };
    let selected = select::select(session, &what)?;
    let (export, asked) = (&selected.exports[0], &selected.request);
    let body = variants::of_export(session, &selected.program, export, asked, target, Wanted::Built)?;
    let lowered = lower(session, &body.graph, body.block.as_ref(), &machine::chooser(target))?;
    generate_module(session, &lowered.kernel, gpu)
}
