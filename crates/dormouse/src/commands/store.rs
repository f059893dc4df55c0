//! `store`: moving a site's database.

use crate::cli::StoreCommand;
use crate::failure::Failure;
use crate::output;
use dormouse_store::{DatabasePlace, StoreError};
use sysexits::ExitCode;

pub fn run(command: StoreCommand) -> Result<ExitCode, Failure> {
    match command {
        StoreCommand::Copy { from, to } => copy(&from, &to),
    }
}

fn copy(from: &str, to: &str) -> Result<ExitCode, Failure> {
    let source = DatabasePlace::open(from, false)?;
    let target = DatabasePlace::open(to, true)?;
    let tables = source.copy_to(&target, || Ok::<(), StoreError>(()))?;
    for table in tables.iter().filter(|table| table.rows > 0) {
        output::line(format_args!("{:>10}  {}", table.rows, table.table))?;
    }
    output::line("copied; every row was read back and compared")?;
    Ok(ExitCode::Ok)
}
