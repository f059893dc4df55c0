//! Postfix.

use super::{Account, Mta, Programs, Running, free_address, listens};
use crate::sink::Sink;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Its programs, and the accounts to run them as.
pub struct PostfixPrograms {
    programs: Programs,
    owner: Account,
    group: &'static str,
}

impl PostfixPrograms {
    /// Finds Debian's package `postfix`, or what `DORMOUSE_POSTFIX` names.
    pub fn find() -> Option<PostfixPrograms> {
        let programs =
            Programs::find("DORMOUSE_POSTFIX", "usr/lib/postfix/sbin/master", "postfix")?;
        // If it is only unpacked, its accounts do not exist; any unused ones will do.
        let owner = Account::find(&["postfix", "uucp"])?;
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let has_group = groups.lines().any(|line| line.starts_with("postdrop:"));
        let group = if has_group { "postdrop" } else { "games" };
        Some(PostfixPrograms { programs, owner, group })
    }
}

/// A Postfix with a configuration of its own. It runs from [`Postfix::start`] on.
///
/// Mail for hosts other than `mx.test.example` goes to a sink unless the test adds something else.
pub struct Postfix<'p> {
    // Dropped before its files.
    master: Option<Running>,
    home: TempDir,
    address: SocketAddr,
    programs: &'p PostfixPrograms,
}

/// The lines of master.cf, other than the port.
const SERVICES: [&str; 17] = [
    "pickup unix n - n 60 1 pickup",
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "smtp unix - - n - - smtp",
    "lmtp unix - - n - - lmtp",
    "local unix - n n - - local",
    "verify unix - - n - 1 verify",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "anvil unix - - n - 1 anvil",
    "scache unix - - n - 1 scache",
    "postlog unix-dgram n - n - 1 postlogd",
];

impl<'p> Postfix<'p> {
    /// Writes its configuration.
    pub fn new(programs: &'p PostfixPrograms, sink: &Sink) -> Postfix<'p> {
        let home = TempDir::new().expect("a temporary directory can be created");
        let dir = home.path();
        fs::set_permissions(dir, Permissions::from_mode(0o755))
            .expect("its permissions can be set");
        let (queue, data, config) = (dir.join("spool"), dir.join("data"), dir.join("etc"));
        let owned = "active bounce corrupt defer deferred flush hold incoming private saved trace \
                     maildrop public";
        fs::create_dir_all(queue.join("pid")).expect("the directory can be created");
        fs::create_dir(&data).expect("the directory can be created");
        fs::create_dir(&config).expect("the directory can be created");
        let owner = &programs.owner;
        chown(&data, Some(owner.user), None).expect("root may change owners");
        for name in owned.split_ascii_whitespace() {
            let path = queue.join(name);
            fs::create_dir(&path).expect("the directory can be created");
            fs::set_permissions(&path, Permissions::from_mode(0o700))
                .expect("its permissions can be set");
            chown(&path, Some(owner.user), None).expect("root may change owners");
        }
        let address = free_address();
        let unpacked = &programs.programs;
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {queue}\ndata_directory = {data}\n\
             daemon_directory = {daemons}\ncommand_directory = {commands}\n\
             shlib_directory = {libraries}\nmeta_directory = {config}\n\
             mail_owner = {owner}\nsetgid_group = {group}\n\
             maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\ndisable_dns_lookups = yes\n\
             smtp_host_lookup = native\nmyhostname = mx.test.example\nmyorigin = $myhostname\n\
             mydestination = $myhostname\n\
             mynetworks = 127.0.0.0/8\n\
             default_transport = smtp:[127.0.0.1]:{sink}\n\
             relay_transport = $default_transport\n\
             smtpd_authorized_verp_clients = 127.0.0.1\nrecipient_delimiter = +\n\
             smtp_tls_security_level = none\nsmtpd_tls_security_level = none\n\
             export_environment = TZ LANG LD_LIBRARY_PATH\n\
             import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG LD_LIBRARY_PATH\n",
            queue = queue.display(),
            data = data.display(),
            daemons = unpacked.path("usr/lib/postfix/sbin").display(),
            commands = unpacked.path("usr/sbin").display(),
            libraries = unpacked.path("usr/lib/postfix").display(),
            config = config.display(),
            owner = owner.name,
            group = programs.group,
            dir = dir.display(),
            sink = sink.port(),
        );
        fs::write(config.join("main.cf"), main).expect("the file can be written");
        let master = format!("{address} inet n - n - - smtpd\n{}\n", SERVICES.join("\n"));
        fs::write(config.join("master.cf"), master).expect("the file can be written");
        Postfix { home, address, programs, master: None }
    }

    /// Returns the path of a configuration file in the directory of `main.cf`.
    pub fn config(&self, file: &str) -> PathBuf {
        self.home.path().join("etc").join(file)
    }

    /// Appends lines to `main.cf` or `master.cf`; the last line of a name counts.
    pub fn add(&self, file: &str, lines: &str) {
        let opened = OpenOptions::new().append(true).open(self.config(file));
        writeln!(opened.expect("the file can be opened"), "{lines}")
            .expect("the file can be written");
    }

    /// Gives a command what it needs to call this Postfix's own commands: their paths and the
    /// configuration.
    pub fn surrounds(&self, command: &mut Command) {
        let programs = &self.programs.programs;
        let mut path = programs.path("usr/sbin").into_os_string();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        let environment: [(&str, OsString); 3] = [
            ("PATH", path),
            ("MAIL_CONFIG", self.config("").into_os_string()),
            ("LD_LIBRARY_PATH", programs.libraries.clone()),
        ];
        command.envs(environment.into_iter().filter(|(_, value)| !value.is_empty()));
    }

    /// Returns whether its queues are empty.
    pub fn is_idle(&self) -> bool {
        let is_empty = |queue: &str| {
            let entries = fs::read_dir(self.home.path().join("spool").join(queue));
            entries.is_ok_and(|mut entries| entries.next().is_none())
        };
        ["incoming", "active", "maildrop"].into_iter().all(is_empty) && self.has_none_deferred()
    }

    /// Returns whether no mail is deferred. The subdirectories stay even if they are empty.
    fn has_none_deferred(&self) -> bool {
        let dirs = fs::read_dir(self.home.path().join("spool/deferred"));
        let is_empty =
            |dir: PathBuf| fs::read_dir(dir).is_ok_and(|mut files| files.next().is_none());
        dirs.is_ok_and(|dirs| dirs.flatten().all(|dir| is_empty(dir.path())))
    }

    /// Starts it.
    pub fn start(mut self) -> Postfix<'p> {
        let mut command = self.programs.programs.command("usr/lib/postfix/sbin/master");
        self.surrounds(&mut command);
        let config = self.config("");
        command.args(["-d", "-c"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null());
        self.master = Some(Running(command.spawn().expect("the command starts")));
        self.eventually("Postfix's start", &|| listens(self.address));
        self
    }
}

impl Mta for Postfix<'_> {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    fn work(&self) {}
}
