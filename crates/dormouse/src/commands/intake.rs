//! `post` and `deliver`: what an MTA's alias runs.

use crate::cli::EnvelopeArgs;
use crate::failure::Failure;
use dormouse_runners::intake::{self, Envelope};
use dormouse_store::Site;
use std::path::Path;
use sysexits::ExitCode;

pub fn post(dir: &Path, list: &str, envelope: EnvelopeArgs) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let accepted =
        intake::post(&site, list, &Envelope { sender: envelope.sender }, std::io::stdin().lock())?;
    tracing::info!("{list}: accepted as {}/{}", accepted.queue, accepted.name);
    Ok(ExitCode::Ok)
}

pub fn deliver(dir: &Path, address: &str, envelope: EnvelopeArgs) -> Result<ExitCode, Failure> {
    let site = Site::open(dir)?;
    let accepted = intake::deliver(
        &site,
        address,
        &Envelope { sender: envelope.sender },
        std::io::stdin().lock(),
    )?;
    tracing::info!("{address}: accepted as {}/{}", accepted.queue, accepted.name);
    Ok(ExitCode::Ok)
}
