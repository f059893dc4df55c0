//! Access tokens for AUTH XOAUTH2, which the site's own program prints.

use crate::Cause;
use std::fmt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command that prints an access token. It runs when a server requires one, and again only after
/// a server has refused the token: the sessions of a process share it.
#[derive(Clone)]
pub struct TokenCommand {
    command: String,
    last: Arc<Mutex<Option<String>>>,
}

impl TokenCommand {
    /// A command line for `sh`.
    pub fn new(command: &str) -> TokenCommand {
        TokenCommand { command: command.to_owned(), last: Arc::default() }
    }

    /// The token.
    pub(crate) fn token(&self) -> Result<String, Cause> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*last {
            return Ok(token.clone());
        }
        let token = self.run()?;
        Ok(last.insert(token).clone())
    }

    /// Discards a token that a server has refused, unless another session has already replaced it.
    pub(crate) fn forget(&self, refused: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() == Some(refused) {
            *last = None;
        }
    }

    fn run(&self) -> Result<String, Cause> {
        let failed = |problem: String| Cause::Token { command: self.command.clone(), problem };
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        // A token fits into the pipe; a program that writes more runs into the deadline.
        let status = loop {
            match child.try_wait().map_err(|error| failed(error.to_string()))? {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                None => {
                    // It may have ended by itself meanwhile.
                    let _ended = child.kill();
                    child.wait().map_err(|error| failed(error.to_string()))?;
                    return Err(failed(format!("no token within {} s", PATIENCE.as_secs())));
                }
            }
        };
        if !status.success() {
            return Err(failed(status.to_string()));
        }
        let mut printed = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            std::io::Read::read_to_string(&mut stdout, &mut printed)
                .map_err(|error| failed(error.to_string()))?;
        }
        let token = printed.trim();
        // RFC 6750 §2.1: visible ASCII.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed("its output is not a token".to_owned()));
        }
        Ok(token.to_owned())
    }
}

impl fmt::Debug for TokenCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenCommand({:?})", self.command)
    }
}
