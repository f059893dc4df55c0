//! Mailman 2.1: a copy of an installed one, with its resident runners.

use crate::{How, List, Peer, members};
use dormouse_testkit::sink::Sink;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The variable with the directory of an installed Mailman 2.1.
const VARIABLE: &str = "DORMOUSE_MAILMAN2";

pub struct Mailman2 {
    prefix: PathBuf,
    python: String,
}

impl Mailman2 {
    pub fn find() -> Option<Mailman2> {
        let prefix = PathBuf::from(std::env::var_os(VARIABLE)?);
        let script = fs::read_to_string(prefix.join("bin/qrunner"));
        let script = script.unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
        let python = script.lines().next()?.trim_start_matches("#!").trim().to_owned();
        Some(Mailman2 { prefix, python })
    }
}

impl Peer for Mailman2 {
    fn name(&self) -> &'static str {
        "Mailman 2.1"
    }

    fn list(&self, count: usize, how: How, sink: &Sink) -> Box<dyn List> {
        let home = TempDir::new().unwrap();
        let root = home.path().join("mailman");
        let copied = Command::new("cp").arg("-a").arg(&self.prefix).arg(&root).status().unwrap();
        assert!(copied.success());
        let (old, new) = (self.prefix.to_str().unwrap(), root.to_str().unwrap());
        rename(&root, old, new);
        for dir in ["lists", "qfiles", "archives/private", "archives/public", "locks", "logs"] {
            // The copy starts without lists, queues and archives.
            let _absent = fs::remove_dir_all(root.join(dir));
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let verp = i32::from(how == How::Verp);
        let port = sink.port();
        fs::write(
            root.join("Mailman/mm_cfg.py"),
            format!(
                "from Defaults import *\nMTA = None\nSMTPHOST = '127.0.0.1'\nSMTPPORT = {port}\n\
                 DEFAULT_EMAIL_HOST = 'lists.example.org'\nDEFAULT_URL_HOST = 'lists.example.org'\n\
                 VERP_DELIVERY_INTERVAL = {verp}\n"
            ),
        )
        .unwrap();
        let mut list = Installed { home, root, python: self.python.clone(), runners: Vec::new() };
        for name in ["mailman", "dev"] {
            list.script("newlist", &["-q", name, "owner@example.org", "secret"]);
        }
        let file = list.home.path().join("settings");
        let kept = i32::from(how == How::Kept);
        fs::write(
            &file,
            format!(
                "subject_prefix = ''\nmsg_footer = ''\ngeneric_nonmember_action = 0\n\
                 require_explicit_destination = 0\nadministrivia = 0\nmax_message_size = 0\n\
                 max_num_recipients = 0\narchive = {kept}\ndigestable = {kept}\n"
            ),
        )
        .unwrap();
        list.script("config_list", &["-i", file.to_str().unwrap(), "dev"]);
        if count > 0 {
            fs::write(&file, members(count).join("\n") + "\n").unwrap();
            let file = file.to_str().unwrap().to_owned();
            list.script("add_members", &["-r", &file, "-w", "n", "-a", "n", "dev"]);
        }
        for runner in ["IncomingRunner", "OutgoingRunner", "ArchRunner", "VirginRunner"] {
            let mut command = list.python("bin/qrunner");
            command.arg(format!("--runner={runner}:0:1")).stderr(Stdio::null());
            list.runners.push(command.spawn().unwrap());
        }
        // Waits until they have loaded all modules.
        std::thread::sleep(Duration::from_secs(2));
        Box::new(list)
    }
}

/// Replaces the installed one's directory by the copy's in its files.
fn rename(dir: &Path, old: &str, new: &str) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            rename(&path, old, new);
        } else if path.extension().is_some_and(|end| end == "pyc") {
            fs::remove_file(&path).unwrap();
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(&path)
            && text.contains(old)
        {
            fs::write(&path, text.replace(old, new)).unwrap();
        }
    }
}

struct Installed {
    home: TempDir,
    root: PathBuf,
    python: String,
    runners: Vec<Child>,
}

impl Installed {
    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-S").arg(self.root.join(script)).current_dir(&self.root);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn script(&self, name: &str, arguments: &[&str]) {
        let mut command = self.python(&format!("bin/{name}"));
        let said = command.args(arguments).stderr(Stdio::piped()).output().unwrap();
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

impl List for Installed {
    /// Returns the command that its mail wrapper calls.
    fn command(&self) -> Vec<String> {
        let script = self.root.join("scripts/post");
        [&self.python, "-S", script.to_str().unwrap(), "dev"].map(str::to_owned).to_vec()
    }

    fn wake(&self) -> Option<Vec<String>> {
        None
    }

    fn resident_cpu(&self) -> Duration {
        // Fields 14 and 15 of proc(5), after the name in parentheses, in hundredths of a second.
        let ticks = |child: &Child| -> u64 {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            let number = |field: &str| field.parse::<u64>().unwrap_or(0);
            rest.split(' ').skip(11).take(2).map(number).sum()
        };
        Duration::from_millis(10 * self.runners.iter().map(ticks).sum::<u64>())
    }

    fn resident_mb(&self) -> f64 {
        let kb = |child: &Child| -> f64 {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
            let status = status.unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0.0)
        };
        self.runners.iter().map(kb).sum::<f64>() / 1e3
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        for runner in &mut self.runners {
            // It may have exited already.
            let _gone = runner.kill();
            let _reaped = runner.wait();
        }
    }
}
