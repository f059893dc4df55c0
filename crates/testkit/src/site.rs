//! A temporary site, driven through the built command.

use crate::servers::Account;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A site in a temporary directory, removed when dropped.
pub struct TestSite {
    home: TempDir,
    binary: PathBuf,
    owner: Option<Account>,
}

impl TestSite {
    /// Creates a site for `lists.example.org` with the command at `binary`
    /// (`env!("CARGO_BIN_EXE_dormouse")`).
    pub fn new(binary: &str) -> TestSite {
        TestSite::new_in(binary, &std::env::temp_dir())
    }

    /// The same below a directory of the caller's choice.
    pub fn new_in(binary: &str, parent: &Path) -> TestSite {
        TestSite::with(binary, parent, throwaway_postgres::wanted().as_deref())
    }

    /// Creates a site whose database is a file of its own, even if the tests run with PostgreSQL.
    pub fn in_a_file(binary: &str) -> TestSite {
        TestSite::with(binary, &std::env::temp_dir(), None)
    }

    /// The same below a directory of the caller's choice.
    pub fn in_a_file_below(binary: &str, parent: &Path) -> TestSite {
        TestSite::with(binary, parent, None)
    }

    /// Creates a site whose database is on that PostgreSQL server.
    pub fn on(binary: &str, server: &str) -> TestSite {
        TestSite::with(binary, &std::env::temp_dir(), Some(server))
    }

    fn with(binary: &str, parent: &Path, server: Option<&str>) -> TestSite {
        let home = TempDir::new_in(parent).expect("a temporary directory can be created");
        let site = TestSite { home, binary: binary.into(), owner: None };
        let init = ["init", "--host", "lists.example.org"];
        match server {
            Some(server) => site.ok(&[&init[..], &["--store", server]].concat()),
            None => site.ok(&init),
        };
        // The archives count as served.
        site.ok(&["config", "set", "archive_url", "https://lists.example.org/pipermail/"]);
        // Tests query no name servers but their own.
        site.ok(&["config", "set", "dmarc.lookups", "no"]);
        site
    }

    /// Gives the site to a user. From now on the command runs as that user, from a copy that the
    /// user can reach.
    pub fn give_to(&mut self, owner: &Account) {
        let copy = self.home.path().join("dormouse");
        copy_program(&self.binary, &copy);
        // Which the command becomes.
        let full = "dormouse-full";
        copy_program(&self.binary.with_file_name(full), &self.home.path().join(full));
        self.binary = copy;
        owner.take_over(self.home.path());
        self.owner = Some(owner.clone());
    }

    /// Returns the path of the command that [`TestSite::command`] runs.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Returns the site's directory.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("site")
    }

    /// Returns whether its database is on a server, where the markers of jobs stay.
    pub fn is_shared(&self) -> bool {
        !self.dir().join("dormouse.db").exists()
    }

    /// Returns a queue's directory.
    pub fn queue(&self, name: &str) -> PathBuf {
        self.dir().join("qfiles").join(name)
    }

    /// Returns the command for this site, with a clean environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args);
        self.in_its_environment(command)
    }

    /// Returns the command with a socket that is passed to it as systemd does.
    pub fn command_with(&self, socket: OwnedFd, args: &[&str]) -> Command {
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&self.binary).args(args);
        let mut command = self.in_its_environment(command);
        command.stdin(Stdio::from(socket));
        command
    }

    fn in_its_environment(&self, mut command: Command) -> Command {
        command
            .env("DORMOUSE_SITE", self.dir())
            .env_remove("DORMOUSE_FAULT")
            .env_remove("DORMOUSE_STOP")
            .env_remove("DORMOUSE_LOG")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("SENDER")
            .env_remove("RECIPIENT")
            .stdin(Stdio::null());
        if let Some(owner) = &self.owner {
            owner.runs(&mut command);
        }
        command
    }

    /// Runs the command and waits for it.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the command starts")
    }

    /// Runs the command, which must succeed, and returns what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", describe(&output));
        String::from_utf8(output.stdout).expect("UTF-8 output")
    }

    /// Runs the command with `input` on standard input.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        // A command that refuses early closes the pipe; its output is what counts.
        let _unread = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().expect("the command ends")
    }

    /// Posts a message, which must be accepted.
    pub fn post(&self, list: &str, message: &[u8]) {
        let output = self.feed(&["post", list], message);
        assert!(output.status.success(), "post {list}: {}", describe(&output));
    }

    /// Starts a drain in the background.
    pub fn start_drain(&self) -> Child {
        self.command(&["run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts")
    }

    /// Creates a list of one member that is gated to and from the newsgroup `local.dev`.
    pub fn news_list(&self, name: &str, member: &str, server: impl std::fmt::Display) {
        self.plain_list(name, &[member]);
        let host = format!("nntp_host={server}");
        let gateway =
            ["gateway_to_news=yes", "gateway_to_mail=yes", "linked_newsgroup=local.dev", &host];
        self.ok(&[&["list", "set", name], &gateway[..]].concat());
    }

    /// Creates a list with plain settings: no prefix, no footer, no moderation, no notices.
    pub fn plain_list(&self, name: &str, members: &[&str]) {
        self.ok(&["list", "create", name, "--owner", "owner@example.org", "--quiet"]);
        self.ok(&[
            "list",
            "set",
            name,
            "subject_prefix=",
            "msg_footer=",
            "generic_nonmember_action=accept",
            "require_explicit_destination=no",
            "administrivia=no",
            "max_message_size=0",
            "max_num_recipients=0",
            "dmarc_moderation_action=0",
            "bounce_matching_headers=",
            "return_path_tag=no",
        ]);
        if !members.is_empty() {
            let input = members.join("\n");
            let add = ["member", "add", name, "--welcome", "no", "--file", "-"];
            let output = self.feed(&add, input.as_bytes());
            assert!(output.status.success(), "{}", describe(&output));
        }
    }

    /// Returns the names of the files in a queue with this extension (`pck`, `bak`, `psv`).
    pub fn files(&self, queue: &str, ending: &str) -> Vec<String> {
        files_in(&self.queue(queue))
            .into_iter()
            .filter(|name| !name.starts_with('.') && name.ends_with(&format!(".{ending}")))
            .collect()
    }

    /// Returns the mails that the Maildir transport has put into one recipient's `new/`.
    pub fn maildir(&self, address: &str) -> Vec<Vec<u8>> {
        let dir = self.dir().join("mail").join(address).join("new");
        let mut names = files_in(&dir);
        names.sort();
        names.iter().map(|name| fs::read(dir.join(name)).expect("a delivered mail")).collect()
    }
}

/// Returns a plain post.
pub fn message(from: &str, subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: {from}\nTo: dev@lists.example.org\nSubject: {subject}\n\
         Message-ID: <{subject}@test.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\n{body}"
    )
    .into_bytes()
}

/// Copies a program that is about to be started. The copy is written by a separate process: a child
/// that another test forks meanwhile would inherit a descriptor open for writing, and the copy
/// could not be executed (`ETXTBSY`).
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp starts");
    assert!(status.success(), "cp {}: {status}", from.display());
}

/// Describes how a command ended, for a failing assertion.
pub fn describe(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Returns a directory's file names; none if the directory does not exist.
pub fn files_in(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .collect()
        },
    )
}
