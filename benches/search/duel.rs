//! The winners of several seeds against each other: all of them in one process, in turns.
//!
//! What one search says of its winner and another one of its own was measured at other times, in other processes, with data
//! at other places in memory: the same kernel differs by a tenth. Only side by side their times say whether searches
//! agree.

use std::collections::BTreeMap;
use std::path::Path;

use ftc::driver::tune::log::{self, Line};
use ftc::driver::tune::subject::{Recipe, Subject};
use ftc::driver::{Session, lock, machine};
use ftc::explore::Reason;
use ftc::lower::lower;
use ftc::measure::crew::Crew;
use ftc::measure::meter::{BUILD_LIMIT, Leader};
use ftc::space::knobs::Point;

use crate::fog::graphs;
use crate::live::{DEFAULT, KERNELS};

/// What the winners of one kernel take, one for each seed.
pub(crate) struct Duel {
    pub(crate) kernel: String,
    pub(crate) seconds: Vec<f64>,
}

/// Times the winners of all seeds of the default method, for each kernel that has several.
pub(crate) fn duels(logs: &Path) -> Vec<Duel> {
    let winners = winners(logs);
    let crew = Crew::new(env!("CARGO_BIN_EXE_ftc"), 2);
    let mut duels = Vec::new();
    for (kernel, call) in KERNELS {
        let Some(schedules) = winners.get(kernel).filter(|schedules| schedules.len() > 1) else { continue };
        match duel(&crew, call, schedules) {
            Ok(seconds) => duels.push(Duel { kernel: kernel.to_owned(), seconds }),
            Err(reason) => println!("{kernel}: {}: {}", reason.kind, reason.detail),
        }
    }
    duels
}

/// The schedules of winners, by kernel.
fn winners(logs: &Path) -> BTreeMap<String, Vec<String>> {
    let files = std::fs::read_dir(logs).expect("a folder of logs").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let mut winners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        let [kernel, DEFAULT, _seed, "jsonl"] = name.split('.').collect::<Vec<_>>()[..] else { continue };
        let lines = log::lines(&file).unwrap_or_default();
        let winner =
            lines.into_iter().find_map(|line| if let Line::Winner(winner) = line { Some(winner) } else { None });
        winners.entry(kernel.to_owned()).or_default().extend(winner.map(|winner| winner.schedule));
    }
    winners
}

/// What schedules of one call take, in their order.
fn duel(crew: &Crew, call: &str, schedules: &[String]) -> Result<Vec<f64>, Reason> {
    let graph = graphs(&[call]).swap_remove(0);
    let naive = lower(&graph);
    let target = machine::target(&mut Session::default(), "native").expect("this machine is a target");
    let platform = machine::model(&target).expect("this machine runs code");
    let recipe = Recipe {
        graph: &graph,
        definition: &graph,
        ranges: &[],
        naive: &naive,
        target: &target,
        platform: &platform,
        threads: 2,
        seed: 0,
        chosen: None,
    };
    let (mut subject, chosen) = Subject::new(&recipe)?;
    let built = crew.build(&[subject.order(&chosen)?], 1, BUILD_LIMIT).swap_remove(0);
    subject.expect(crew, chosen, built)?;
    let leader = |(at, text): (usize, &String)| {
        let schedule = lock::parse_schedule(text).expect("logs have schedules that can be read");
        let library = subject.meter.setup.folder.join(format!("winner{at}.so"));
        // The point says whose it is.
        Leader { point: Point(vec![at as u16]), schedule, seconds: f64::INFINITY, library, looks: Vec::new() }
    };
    let leaders: Vec<_> = schedules.iter().enumerate().map(leader).collect();
    let mut timed = subject.meter.compare(crew, leaders, None);
    timed.sort_by(|a, b| a.point.cmp(&b.point));
    let undisturbed = subject.meter.undisturbed();
    Ok(timed.into_iter().map(|leader| leader.seconds * undisturbed).collect())
}
