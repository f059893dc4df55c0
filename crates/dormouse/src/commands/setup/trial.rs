//! The test mail, followed as far as this machine can see it.

use super::Answers;
use super::step::{Machine, succeeded};
use crate::cli::SetupMta;
use crate::failure::Failure;
use crate::output::{self, GOOD, HEAD, styled};
use dormouse_mail::date;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use sysexits::ExitCode;

/// How long the mail may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to look for the mail in the mailbox after the MTA has accepted it.
const MAILBOX: Duration = Duration::from_secs(10);

/// The interval between looks.
const PAUSE: Duration = Duration::from_millis(200);

pub fn run(machine: &Machine, answers: &Answers) -> Result<ExitCode, Failure> {
    let Answers { host, owner, list, .. } = answers;
    let now = SystemTime::now();
    let nanos = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let id = format!("setup-{nanos:x}@{host}");
    let mail = format!(
        "From: {owner}\nTo: {list}@{host}\nSubject: dormouse works\nDate: {}\nMessage-ID: <{id}>\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n\
         This mail went to the list {list}@{host}, and from there to you.\n",
        date::rfc5322(now.into())
    );
    let address = format!("{list}@{host}");
    let command = match answers.mta {
        SetupMta::None => machine.dormouse(&["post", list, "--sender", owner]),
        SetupMta::Postfix | SetupMta::Exim => {
            let mut command = machine.program("sendmail");
            command.args(["-i", "-f", owner, "--", &address]);
            command
        }
    };
    output::line(styled(HEAD, format_args!("a test mail to {address}:")))?;
    send(command, mail.as_bytes())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if !answers.units {
            // Without units, nothing else would process the queues.
            let output = machine.dormouse(&["run", "--quiet"]).output()?;
            tracing::debug!("run: {}", output.status);
        }
        match outcome(machine, &id, owner)? {
            Some(Ok(())) => break,
            Some(Err(step)) => return Err(lost(&id, &format!("it was {step}"))),
            None if Instant::now() > deadline => {
                return Err(lost(
                    &id,
                    &format!("there was no result within {} s", PATIENCE.as_secs()),
                ));
            }
            None => std::thread::sleep(PAUSE),
        }
    }
    if answers.mta == SetupMta::None {
        let place = machine.dir.join("mail");
        return said(format_args!("it is delivered, below {}", place.display()));
    }
    match in_mailbox(owner, &id) {
        Some(place) => said(format_args!("it has arrived in {}", place.display())),
        None => said(format_args!("the MTA has accepted it for {owner}: look into that mailbox")),
    }
}

fn said(text: std::fmt::Arguments<'_>) -> Result<ExitCode, Failure> {
    output::line(styled(GOOD, text))?;
    Ok(ExitCode::Ok)
}

fn lost(id: &str, what: &str) -> Failure {
    let text = format!(
        "the test mail has not arrived: {what}. `dormouse trace '<{id}>'`, `dormouse doctor` and the \
         MTA's log tell more; everything is set up, and `dormouse setup --undo` reverts it"
    );
    Failure::new(ExitCode::TempFail, text)
}

fn send(mut command: Command, mail: &[u8]) -> Result<(), Failure> {
    let failed =
        |error| Failure::new(ExitCode::Unavailable, format!("cannot send the test mail: {error}"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take()
        && let Err(error) = input.write_all(mail)
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(failed(error));
    }
    succeeded("sending the test mail", &child.wait_with_output().map_err(failed)?)
}

/// Returns the outcome for the recipient; `None` while there is none.
fn outcome(
    machine: &Machine,
    id: &str,
    owner: &str,
) -> Result<Option<Result<(), String>>, Failure> {
    let message = format!("<{id}>");
    let output = machine.dormouse(&["trace", &message, "--recipient", owner, "--json"]).output()?;
    // There is no trace of it yet.
    if !output.status.success() {
        return Ok(None);
    }
    let events: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let steps = events.as_array().into_iter().flatten().filter_map(|event| event["step"].as_str());
    let mut ends = steps.filter_map(|step| match step.to_lowercase().as_str() {
        "accepted" => Some(Ok(())),
        "held" | "rejected" | "discarded" | "shunted" | "refused" => Some(Err(step.to_owned())),
        _ => None,
    });
    Ok(ends.next_back())
}

/// Returns the mailbox on this machine that contains the mail.
fn in_mailbox(owner: &str, id: &str) -> Option<PathBuf> {
    let user = owner.split('@').next()?;
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let account = accounts.lines().find(|line| line.split(':').next() == Some(user))?;
    let home = Path::new(account.split(':').nth(5)?);
    let deadline = Instant::now() + MAILBOX;
    loop {
        let spool = ["/var/mail", "/var/spool/mail"].map(|dir| Path::new(dir).join(user));
        let maildir = std::fs::read_dir(home.join("Maildir/new")).into_iter().flatten();
        let files = spool.into_iter().chain(maildir.flatten().map(|entry| entry.path()));
        let has = |file: &PathBuf| {
            let mail = std::fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&mail).contains(id)
        };
        if let Some(found) = files.into_iter().find(has) {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
