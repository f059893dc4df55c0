//! `backup` and `restore`: a whole site in one file.

use crate::cli::{BackupArgs, RestoreArgs};
use crate::failure::Failure;
use crate::output;
use dormouse_backup::BackupError;
use dormouse_spool::Spool;
use dormouse_store::Site;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;
use sysexits::ExitCode;

/// The summary that is printed.
#[derive(Serialize)]
struct Outcome {
    bytes: u64,
}

pub fn backup(dir: &Path, args: &BackupArgs) -> Result<ExitCode, Failure> {
    let since = args.since.as_deref().map(since).transpose()?;
    if args.file == Path::new("-") {
        // SQLite's files next to the database must belong to the site's owner.
        super::enter(dir)?;
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let site = Site::open(dir)?;
        // After a power failure accepted mail may be in files that are not copied.
        Spool::new(site.qfiles()).finish_handovers()?;
        dormouse_backup::take(&site, BufWriter::new(out), since)?;
        return Ok(ExitCode::Ok);
    }
    let bytes = to_file(dir, &args.file, since)?;
    if args.json {
        output::json(&Outcome { bytes })?;
    } else if !args.quiet {
        output::line(format_args!("{}: {}", args.file.display(), output::size(bytes)))?;
    }
    Ok(ExitCode::Ok)
}

/// Writes a backup to a file, which gets its name once it is complete and durable; returns the size.
/// Another process of this program writes it as the site's owner: in the target directory, often only
/// root may create files.
fn to_file(dir: &Path, file: &Path, since: Option<SystemTime>) -> Result<u64, Failure> {
    let mut hidden = file.as_os_str().to_owned();
    hidden.push(".unfinished");
    let hidden = PathBuf::from(hidden);
    let failed = |action| {
        let path = hidden.clone();
        move |source| BackupError::Io { action, path, source }
    };
    // It contains password hashes and private mail.
    let out = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&hidden)
        .map_err(failed("create"))?;
    let program = crate::program::own()?;
    let mut writer = Command::new(program);
    writer.arg("--site").arg(dir).args(["backup", "-"]);
    if let Some(since) = since {
        let time =
            jiff::Timestamp::try_from(since).map_err(|error| Failure::usage(error.to_string()))?;
        writer.arg("--since").arg(time.to_string());
    }
    let ended = writer.stdin(Stdio::null()).stdout(out.try_clone()?).status()?;
    if !ended.success() {
        fs::remove_file(&hidden).map_err(failed("remove"))?;
        let code = ExitCode::try_from(ended).ok();
        return Err(Failure::new(
            code.unwrap_or(ExitCode::Software),
            format!("{} was not written", file.display()),
        ));
    }
    out.sync_all().map_err(failed("sync"))?;
    let bytes = out.metadata().map_err(failed("look at"))?.len();
    fs::rename(&hidden, file).map_err(failed("rename"))?;
    Ok(bytes)
}

/// Returns the time of `--since`. Files that changed during that backup are in both.
fn since(text: &str) -> Result<SystemTime, Failure> {
    let path = Path::new(text);
    if path.exists() {
        return begun(path);
    }
    let time: Option<jiff::Timestamp> = text.parse().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
    });
    time.map(SystemTime::from).ok_or_else(|| {
        Failure::usage(format!(
            "{text:?} is neither a backup nor a time such as 2026-11-26T08:00:00Z"
        ))
    })
}

fn begun(backup: &Path) -> Result<SystemTime, Failure> {
    let file = File::open(backup).map_err(|error| {
        Failure::new(ExitCode::NoInput, format!("cannot open {}: {error}", backup.display()))
    })?;
    dormouse_backup::begun(BufReader::new(file))
        .map_err(|error| Failure::new(error.sysexit(), format!("{}: {error}", backup.display())))
}

pub fn restore(dir: &Path, args: &RestoreArgs) -> Result<ExitCode, Failure> {
    let open = |path: &PathBuf| -> Result<Box<dyn Read>, Failure> {
        if path == Path::new("-") {
            return Ok(Box::new(io::stdin().lock()));
        }
        let file = File::open(path).map_err(|error| {
            Failure::new(ExitCode::NoInput, format!("cannot open {}: {error}", path.display()))
        })?;
        Ok(Box::new(BufReader::new(file)))
    };
    let backups = args.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let restored = dormouse_backup::restore(dir, backups)?;
    if args.json {
        output::json(&Outcome { bytes: restored.bytes })?;
        return Ok(ExitCode::Ok);
    }
    output::line(format_args!(
        "restored the site {}: {}, {}",
        dir.display(),
        output::count(restored.files, "file", "files"),
        output::size(restored.bytes)
    ))?;
    output::line(
        "mail that was delivered after the backup is still in its queues and will be delivered again; \
         see `dormouse queue ls` before `dormouse units install`",
    )?;
    Ok(ExitCode::Ok)
}
