//! A PostgreSQL server for tests, in a separate directory with a socket. The first test that needs
//! it starts it, all running test programs share it, and it stops some seconds after the last of
//! them has exited.
//!
//! With `DORMOUSE_TEST_STORE=postgres` the sites of tests are on it. Otherwise only tests of
//! PostgreSQL itself start it.

mod own;

pub use own::{Own, Pool, free_port};

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The user (`nobody`) that runs the server if tests run as root, because it refuses to run as
/// root.
const NOBODY: u32 = 65_534;
/// The number of seconds after the last test program when the server stops.
const GRACE: u32 = 10;

/// Returns the URL of an empty database for a site, if the tests should run on PostgreSQL.
pub fn wanted() -> Option<String> {
    (std::env::var("DORMOUSE_TEST_STORE").as_deref() == Ok("postgres")).then(|| {
        database().unwrap_or_else(|problem| panic!("no PostgreSQL for the tests: {problem}"))
    })
}

/// Returns the URL of an empty database for a site.
///
/// # Errors
/// If there is none, for example because PostgreSQL is not installed; the text says why.
pub fn database() -> Result<String, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("site_{}_{number}", std::process::id());
    server.sql(&format!("drop schema if exists {name} cascade; create schema {name}"))?;
    Ok(format!(
        "postgres://dormouse@/postgres?host={}&options=-csearch_path%3D{name}",
        server.dir.display()
    ))
}

/// Returns the shared server, and starts it if necessary.
///
/// # Errors
/// If it does not run; the text says why.
pub fn server() -> Result<&'static Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref().map_err(Clone::clone)
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    programs: PathBuf,
    /// A lock held as long as this process lives.
    _user: File,
}

impl Server {
    /// Runs SQL statements.
    ///
    /// # Errors
    /// The server's error.
    pub fn sql(&self, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "dormouse", "-h"])
            .arg(&self.dir)
            .args(["-c", statements, "postgres"]);
        run(&mut psql)
    }

    /// Restarts the server as after a crash: connections are lost, committed changes are kept.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn restart(&self) -> Result<(), String> {
        self.control(&["-m", "immediate", "restart"])
    }

    fn start() -> Result<Server, String> {
        let programs = programs().ok_or("install the package postgresql")?;
        let uid = rustix::process::geteuid().as_raw();
        let dir = std::env::temp_dir().join(format!("dormouse-tests-postgres-{uid}"));
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        // Every program that uses the server holds a shared lock; the one that stops it an
        // exclusive one.
        let open = |name: &str| {
            let path = dir.with_extension(name);
            File::create(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let user = open("users")?;
        flock(&user, FlockOperation::LockShared).map_err(|error| error.to_string())?;
        let starting = open("starting")?;
        let server = Server { dir, programs, _user: user };
        flock(&starting, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
        if server.sql("select 1").is_err() {
            server.create()?;
        }
        Ok(server)
    }

    fn create(&self) -> Result<(), String> {
        let _gone = fs::remove_dir_all(self.data()).is_ok();
        fs::create_dir_all(&self.dir).map_err(|error| error.to_string())?;
        if is_root() {
            chown(&self.dir, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
        }
        let mut initdb = Command::new(self.programs.join("initdb"));
        initdb.args(["--no-sync", "-A", "trust", "-U", "dormouse", "-E", "UTF8", "--locale=C"]);
        run(as_unprivileged(initdb.arg("-D").arg(self.data()), &self.dir))?;
        // Data need not survive a crash of the machine.
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\n\
             synchronous_commit = off\nfull_page_writes = off\nmax_connections = 300\n\
             shared_buffers = 32MB\nmax_prepared_transactions = 0\n",
            self.dir.display()
        );
        let file = self.data().join("postgresql.conf");
        let all = fs::read_to_string(&file).map_err(|error| error.to_string())? + &settings;
        fs::write(&file, all).map_err(|error| error.to_string())?;
        self.control(&["start"])?;
        // Stops the server when nobody holds the lock, and holds the lock meanwhile.
        let guard = format!(
            "while sleep {GRACE}; do flock --exclusive --nonblock '{users}' sh -c \"\
             '{programs}/pg_ctl' -D '{data}' -m immediate stop; rm -rf '{dir}'/*\" && break; done",
            users = self.dir.with_extension("users").display(),
            programs = self.programs.display(),
            data = self.data().display(),
            dir = self.dir.display(),
        );
        let mut shell = Command::new("setsid");
        shell.args(["sh", "-c", &guard]);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        as_unprivileged(&mut shell, &self.dir).spawn().map(drop).map_err(|error| error.to_string())
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn control(&self, what: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        command.args(["-w", "-s", "-l"]).arg(self.dir.join("log"));
        command.arg("-D").arg(self.data()).args(what);
        // The server must not keep the pipes open that this program's caller reads.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match as_unprivileged(&mut command, &self.dir).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("pg_ctl {what:?}: {status}; see {}", self.dir.display())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Makes a command run in a directory, and not as root.
fn as_unprivileged<'c>(command: &'c mut Command, dir: &Path) -> &'c mut Command {
    command.current_dir(dir);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the directory of the server's programs: in the path, or Debian's.
fn programs() -> Option<PathBuf> {
    let has = |dir: &Path| dir.join("initdb").exists() && dir.join("psql").exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(dir) = std::env::split_paths(&path).find(|dir| has(dir)) {
        return Some(dir);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut dirs: Vec<PathBuf> = versions.flatten().map(|dir| dir.path().join("bin")).collect();
    dirs.sort();
    dirs.into_iter().rev().find(|dir| has(dir))
}
