//! `spool`: the queue directories as a whole.

use crate::cli::SpoolCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_runners::adoption::{self, Adoption};
use dormouse_spool::Spool;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: SpoolCommand) -> Result<ExitCode, Failure> {
    match command {
        SpoolCommand::Adopt { dir: estate } => adopt(dir, &estate),
    }
}

fn adopt(dir: &Path, estate: &Path) -> Result<ExitCode, Failure> {
    let (site, store) = super::open(dir)?;
    let spool = Spool::new(site.qfiles());
    let Adoption { counts, entries, odd, returns_knowing, was_decided } =
        adoption::adopt(&spool, &store, estate)?;
    for path in odd {
        crate::output::note!("dormouse: {} is not a file and stays there", path.display());
    }
    if was_decided {
        let entries = output::count(entries as u64, "entry", "entries");
        output::line(format_args!(
            "adopted before; the remaining {entries} are now in the queues"
        ))?;
        return Ok(ExitCode::Ok);
    }
    for (queue, count) in counts {
        output::line(format_args!("{count:>10}  {queue}"))?;
    }
    if !returns_knowing {
        crate::output::note!(
            "dormouse: {} has no identity (the file .id), so the host would not know of this when it \
             returns; empty its qfiles before you start it",
            estate.display()
        );
    }
    let entries = output::count(entries as u64, "entry", "entries");
    output::line(format_args!("adopted {entries}; `dormouse run` processes them"))?;
    Ok(ExitCode::Ok)
}
