//! A PostgreSQL server for tests, in a directory of its own on a socket. It is started by the first
//! test that asks for it, shared by all test programs that run, and gone some seconds after the last
//! of them has ended.
//!
//! With `DORMOUSE_TEST_STORE=postgres` the sites of tests are on it; without it, and unless a test is
//! about PostgreSQL itself, nothing is started.

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

/// Who runs the server when tests run as root, which it refuses: `nobody`.
const NOBODY: u32 = 65_534;
/// So many seconds after the last test program the server ends.
const GRACE: u32 = 10;

/// The URL of an empty database for one site, if the tests are to run on PostgreSQL.
pub fn wanted() -> Option<String> {
    (std::env::var("DORMOUSE_TEST_STORE").as_deref() == Ok("postgres")).then(|| {
        database().unwrap_or_else(|problem| panic!("no PostgreSQL for the tests: {problem}"))
    })
}

/// The URL of an empty database for one site.
///
/// # Errors
/// Why there is none, such as that PostgreSQL is not installed.
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

/// The server.
///
/// # Errors
/// Why it does not run.
pub fn server() -> Result<&'static Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref().map_err(Clone::clone)
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    programs: PathBuf,
    /// Held as long as this process lives.
    _user: File,
}

impl Server {
    /// Runs statements on it.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "dormouse", "-h"])
            .arg(&self.dir)
            .args(["-c", statements, "postgres"]);
        run(&mut psql)
    }

    /// Restarts it as after a crash: connections are lost, what was committed is there.
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
        // Held shared by every program that uses the server, exclusively by the one that ends it.
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
        // What a crash of the machine would take need not be safe here.
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
        // Ends it when nobody holds the lock any more, and holds it meanwhile.
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
        // The server must not hold what this program's caller waits for.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match as_unprivileged(&mut command, &self.dir).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("pg_ctl {what:?}: {status}; see {}", self.dir.display())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Has a command run in a directory, and not as root.
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

/// Where the server's programs are: on the path, or where Debian has them.
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
