//! Real mail and news servers from Debian, started by a test in directories of their own and
//! stopped with it.
//!
//! They need root (only root may become their accounts) and their packages: installed and not
//! running, or unpacked into a directory that an environment variable names. Each `find` notes why
//! a test is skipped.

mod exim;
mod inn;
mod postfix;
mod rspamd;

pub use exim::{Exim, EximPrograms};
pub use inn::{Inn, InnPrograms};
pub use postfix::{Postfix, PostfixPrograms};
pub use rspamd::{Opinion, Rspamd, RspamdPrograms};

use crate::waiting::{PATIENCE, eventually_or};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::lchown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a server may take to stop on SIGTERM.
const TO_END: Duration = Duration::from_secs(10);

/// A package's programs, installed or only unpacked.
struct Programs {
    root: PathBuf,
    /// The library path of unpacked programs; empty for installed ones, which need none.
    libraries: OsString,
}

impl Programs {
    /// Finds the programs. `None`, with the reason noted, if they do not exist or must not be run.
    /// `variable` names the directory they are unpacked in.
    fn find(variable: &str, program: &str, package: &str) -> Option<Programs> {
        if !rustix::process::geteuid().is_root() {
            return skip(&format!("only root may run {package}"));
        }
        let unpacked = std::env::var_os(variable).map(PathBuf::from);
        let root = unpacked.clone().unwrap_or_else(|| PathBuf::from("/"));
        if !root.join(program).exists() {
            return skip(&format!("there is no {program} (Debian's package {package})"));
        }
        let mut libraries = OsString::new();
        if unpacked.is_some() {
            let places = ["usr/lib/postfix", "usr/lib/news", "usr/lib/rspamd"];
            let places = places.map(|place| root.join(place));
            libraries = std::env::join_paths(places.into_iter().chain(library_dirs(&root)))
                .expect("paths without colons");
        }
        Some(Programs { root, libraries })
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// Returns a command that finds its libraries. A relative path is below the root.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(self.root.join(program));
        if !self.libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", &self.libraries);
        }
        command
    }

    /// Returns the path of a file among the libraries, if it exists.
    fn library(&self, name: &str) -> Option<PathBuf> {
        library_dirs(&self.root).map(|dir| dir.join(name)).find(|file| file.exists())
    }
}

/// Returns Debian's library directories, which are named after the architecture:
/// `usr/lib/x86_64-linux-gnu`.
fn library_dirs(root: &Path) -> impl Iterator<Item = PathBuf> {
    let places = ["usr/lib", "lib"].map(|place| fs::read_dir(root.join(place)));
    places
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
}

fn skip<T>(reason: &str) -> Option<T> {
    skipped::skip(reason);
    None
}

/// A user of this machine.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its user ID.
    pub user: u32,
    /// Its group ID.
    pub group: u32,
}

impl Account {
    /// Returns the first of these that exists. `None`, with the test noted as skipped, if none
    /// does.
    pub fn find(names: &[&str]) -> Option<Account> {
        let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = names.iter().find_map(|name| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}:")))?;
            let mut numbers = line.split(':').skip(2).map(str::parse);
            let (user, group) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some(Account { name: (*name).to_owned(), user, group })
        });
        found.or_else(|| skip(&format!("there is no account {}", names.join(" or "))))
    }

    /// Makes a command run as this user.
    pub fn runs(&self, command: &mut Command) {
        command.uid(self.user).gid(self.group);
    }

    /// Makes this user the owner of a directory and everything in it.
    pub fn take_over(&self, path: &Path) {
        if fs::symlink_metadata(path).expect("the path exists").is_dir() {
            for entry in fs::read_dir(path).expect("the directory can be read") {
                self.take_over(&entry.expect("the entry can be read").path());
            }
        }
        lchown(path, Some(self.user), Some(self.group)).expect("root may change owners");
    }
}

/// A server, stopped when dropped.
struct Running(Child);

impl Running {
    fn stop(&mut self) {
        // On SIGTERM a master also stops its daemons.
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + TO_END;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It has most likely ended already.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns an address with a port that is free at this moment. Another process may still take it.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("a bound socket")
}

/// A mail server.
pub trait Mta {
    /// Returns the address where it accepts mail.
    fn address(&self) -> SocketAddr;

    /// Returns what it has logged.
    fn log(&self) -> String;

    /// Makes it do now what it would do by itself later.
    fn work(&self);

    /// Returns the URL where it accepts mail, for `delivery.url`.
    fn url(&self) -> String {
        format!("smtp://{}", self.address())
    }

    /// Sends it a mail, as another server would. Returns its last reply: `250 …` if it accepted the
    /// mail, or else the reply to the command that it refused.
    fn bring(&self, sender: &str, recipient: &str, mail: &[u8]) -> String {
        bring(self.address(), sender, recipient, mail)
    }

    /// Waits until a condition holds.
    fn eventually(&self, what: &str, is_so: &dyn Fn() -> bool) {
        let is_so = || {
            self.work();
            is_so()
        };
        eventually_or(what, is_so, || self.log());
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn bring(address: SocketAddr, sender: &str, recipient: &str, mail: &[u8]) -> String {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("the socket is usable");
    let mut lines = BufReader::new(stream.try_clone().expect("the socket is usable")).lines();
    let text = String::from_utf8_lossy(mail).replace('\n', "\r\n");
    let steps = [
        (String::new(), '2'),
        ("EHLO test.example\r\n".to_owned(), '2'),
        (format!("MAIL FROM:<{sender}>\r\n"), '2'),
        (format!("RCPT TO:<{recipient}>\r\n"), '2'),
        ("DATA\r\n".to_owned(), '3'),
        (format!("{text}\r\n.\r\n"), '2'),
    ];
    let mut answer = String::new();
    for (said, expected) in steps {
        (&stream).write_all(said.as_bytes()).expect("the server reads");
        answer = lines.next().expect("the server replies").expect("its reply can be read");
        while answer.as_bytes().get(3) == Some(&b'-') {
            answer = lines.next().expect("the server replies").expect("its reply can be read");
        }
        if !answer.starts_with(expected) {
            break;
        }
    }
    (&stream).write_all(b"QUIT\r\n").expect("the server reads");
    answer
}

/// A process that is killed when dropped.
pub struct Ends(pub Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may already have exited.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
