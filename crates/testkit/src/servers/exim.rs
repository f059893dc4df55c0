//! Exim.

use super::{Account, Mta, Programs, Running, free_address, listens, skip};
use crate::sink::Sink;
use crate::site::{copy_program, describe};
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The account that Debian has compiled into it.
const ACCOUNT: &str = "Debian-exim";

/// Its programs, and the account to run them as.
pub struct EximPrograms {
    programs: Programs,
    account: Account,
    /// If it is only unpacked, its account does not exist: `nss_wrapper` provides it.
    wrapper: Option<PathBuf>,
}

impl EximPrograms {
    /// Finds Debian's package `exim4-daemon-light`, or what `DORMOUSE_EXIM` names.
    pub fn find() -> Option<EximPrograms> {
        let programs = Programs::find("DORMOUSE_EXIM", "usr/sbin/exim4", "exim4-daemon-light")?;
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if passwd.lines().any(|line| line.starts_with(&format!("{ACCOUNT}:"))) {
            let account = Account::find(&[ACCOUNT])?;
            return Some(EximPrograms { programs, account, wrapper: None });
        }
        let Some(wrapper) = programs.library("libnss_wrapper.so") else {
            return skip("there is no account for Exim and no libnss-wrapper to simulate one");
        };
        let account = Account::find(&["uucp"])?;
        Some(EximPrograms { programs, account, wrapper: Some(wrapper) })
    }
}

/// A running Exim with a configuration of its own.
///
/// It accepts mail for everybody, sends what none of the given routers handles to a sink, and
/// delivers [on request](Mta::work). A copy of the program is run that is not setuid, so that it
/// finds its libraries wherever they are and cannot become root again.
pub struct Exim<'p> {
    // Dropped before its files.
    _daemon: Running,
    home: TempDir,
    address: SocketAddr,
    programs: &'p EximPrograms,
}

/// Its configuration file. Mail for other hosts goes to the sink.
fn configuration(
    dir: &Path,
    port: u16,
    sink: u16,
    hosts: &[&str],
    [settings, routers, transports]: [&str; 3],
) -> String {
    format!(
        "exim_path = {dir}/exim\n\
         keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP\n\
         spool_directory = {dir}/spool\nlog_file_path = {dir}/log/%slog\n\
         pid_file_path = {dir}/pid\nprimary_hostname = mx.test.example\n\
         local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\ntls_advertise_hosts =\n\
         smtp_enforce_sync = false\nqueue_only\n\
         domainlist local_domains = mx.test.example : {hosts}\n\
         acl_smtp_rcpt = rcpt\nacl_smtp_data = data\n{settings}\n\
         begin acl\n\
         rcpt:\n  require verify = recipient\n  accept\n\
         data:\n  accept\n\
         begin routers\n{routers}\n\
         elsewhere:\n  driver = manualroute\n  domains = ! +local_domains\n  \
         route_list = * 127.0.0.1\n  self = send\n  transport = sink\n\
         begin transports\n{transports}\n\
         sink:\n  driver = smtp\n  port = {sink}\n\
         begin retry\n* * F,2h,1m\n",
        dir = dir.display(),
        hosts = hosts.join(" : "),
    )
}

impl<'p> Exim<'p> {
    /// Starts it with these settings, routers and transports, for lists at these hosts.
    pub fn start(
        programs: &'p EximPrograms,
        sink: &Sink,
        hosts: &[&str],
        settings: &str,
        routers: &str,
        transports: &str,
    ) -> Exim<'p> {
        let home = TempDir::new().expect("a temporary directory can be created");
        let dir = home.path();
        fs::set_permissions(dir, Permissions::from_mode(0o755))
            .expect("its permissions can be set");
        for name in ["spool", "log"] {
            fs::create_dir(dir.join(name)).expect("the directory can be created");
        }
        // Several processes would create it at once.
        fs::write(dir.join("log/mainlog"), "").expect("the file can be written");
        programs.account.take_over(dir);
        let program = dir.join("exim");
        copy_program(&programs.programs.path("usr/sbin/exim4"), &program);
        fs::set_permissions(&program, Permissions::from_mode(0o755))
            .expect("its permissions can be set");
        let address = free_address();
        let config =
            configuration(dir, address.port(), sink.port(), hosts, [settings, routers, transports]);
        fs::write(dir.join("exim.conf"), config).expect("the file can be written");
        let Account { user, group, .. } = programs.account;
        for (file, line) in [
            ("passwd", format!("{ACCOUNT}:x:{user}:{group}::/:/usr/sbin/nologin")),
            ("group", format!("{ACCOUNT}:x:{group}:")),
        ] {
            let others = fs::read_to_string(format!("/etc/{file}")).unwrap_or_default();
            fs::write(dir.join(file), format!("{others}{line}\n"))
                .expect("the file can be written");
        }
        let read = Exim::exim(programs, &home).arg("-bV").output().expect("the command starts");
        assert!(read.status.success(), "{}", describe(&read));
        let mut command = Exim::exim(programs, &home);
        command.arg("-bdf").stdout(Stdio::null());
        let daemon = Running(command.spawn().expect("the command starts"));
        let exim = Exim { home, address, programs, _daemon: daemon };
        exim.eventually("Exim's start", &|| listens(address));
        exim
    }

    fn exim(programs: &EximPrograms, home: &TempDir) -> Command {
        let mut command = programs.programs.command(home.path().join("exim"));
        if let Some(wrapper) = &programs.wrapper {
            command
                .env("LD_PRELOAD", wrapper)
                .env("NSS_WRAPPER_PASSWD", home.path().join("passwd"))
                .env("NSS_WRAPPER_GROUP", home.path().join("group"));
        }
        command.arg("-C").arg(home.path().join("exim.conf")).stdin(Stdio::null());
        command
    }

    /// Gives a command what it needs to call this Exim by its name.
    pub fn surrounds(&self, command: &mut Command) {
        let ours = Exim::exim(self.programs, &self.home);
        let settings = ours.get_envs().filter_map(|(name, value)| {
            Some(format!("{}='{}' ", name.to_str()?, value?.to_str()?))
        });
        let words = std::iter::once(ours.get_program()).chain(ours.get_args());
        let words = words.map(|word| format!("'{}' ", word.display()));
        let script =
            format!("#!/bin/sh\nexec env {}\"$@\"\n", settings.chain(words).collect::<String>());
        let dir = self.home.path().join("bin");
        fs::create_dir_all(&dir).expect("the directory can be created");
        fs::write(dir.join("exim4"), script).expect("the file can be written");
        for path in [&dir, &dir.join("exim4")] {
            fs::set_permissions(path, Permissions::from_mode(0o755))
                .expect("its permissions can be set");
        }
        let mut path = dir.into_os_string();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        command.env("PATH", path);
    }

    /// Returns what the command prints for these arguments, such as `-bt ADDRESS`.
    pub fn says(&self, args: &[&str]) -> String {
        let mut command = Exim::exim(self.programs, &self.home);
        let output = command.args(args).output().expect("the command starts");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Mta for Exim<'_> {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn log(&self) -> String {
        ["mainlog", "paniclog", "rejectlog"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.home.path().join("log").join(name)).ok())
            .collect()
    }

    /// Delivers everything in its queue, due or not.
    fn work(&self) {
        self.says(&["-qff"]);
    }
}
