//! Questions to the user at the terminal.

use crate::failure::Failure;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Write};
use sysexits::ExitCode;

/// Asks for a line.
pub fn ask(question: &str) -> Result<String, Failure> {
    let mut out = io::stdout();
    write!(out, "{question}").and_then(|()| out.flush())?;
    line()
}

/// Reads a line of standard input, without its end.
pub fn line() -> Result<String, Failure> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        let text = "standard input ended without an answer";
        return Err(Failure::new(ExitCode::NoInput, text));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a line that is not shown while it is typed.
pub fn ask_secret(question: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return ask(question);
    }
    let usual = tcgetattr(&stdin).map_err(io::Error::from)?;
    let mut silent = usual.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(io::Error::from)?;
    let answer = ask(question);
    tcsetattr(&stdin, OptionalActions::Flush, &usual).map_err(io::Error::from)?;
    let _unread = writeln!(io::stdout());
    answer
}
