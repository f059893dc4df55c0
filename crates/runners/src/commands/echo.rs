//! `echo`: the words come back.

use super::session::Session;
use super::{Command, Next};
use crate::pipeline::HandlerError;

/// The command.
pub const COMMAND: Command = Command {
    words: &["echo"],
    help: "echo [words]\n    Sends the words back; nothing else is done with your mail.\n",
    run,
};

fn run(session: &mut Session<'_, '_>, arguments: &[&str]) -> Result<Next, HandlerError> {
    session.say(format!("echo {}", arguments.join(" ")).trim_end());
    Ok(Next::Stop)
}
