//! Servers for single tests, on separate ports, which tests can restart, crash, or fail over from;
//! and a connection pooler.

use super::{NOBODY, as_unprivileged, is_root, programs, run};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server in a separate directory. It is removed when dropped.
#[derive(Debug)]
pub struct Own {
    dir: PathBuf,
    programs: PathBuf,
    /// The port on the loopback interface, and of the socket in its directory.
    pub port: u16,
}

/// Returns a port that is currently free.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(|error| error.to_string())
}

fn directory() -> Result<PathBuf, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("dormouse-own-postgres-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    let _gone = fs::remove_dir_all(&dir).is_ok();
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    if is_root() {
        chown(&dir, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
    }
    Ok(dir)
}

impl Own {
    /// Starts a server with additional lines at the end of `postgresql.conf` and at the beginning
    /// of `pg_hba.conf`. Commits are synced to the disk.
    ///
    /// # Errors
    /// If it does not run, for example because PostgreSQL is not installed; the text says why.
    pub fn start(settings: &str, access: &str) -> Result<Own, String> {
        let programs = programs().ok_or("install the package postgresql")?;
        let server = Own { dir: directory()?, programs, port: free_port()? };
        let mut initdb = Command::new(server.programs.join("initdb"));
        initdb.args(["--no-sync", "-A", "trust", "-U", "dormouse", "-E", "UTF8", "--locale=C"]);
        run(as_unprivileged(initdb.arg("-D").arg(server.data()), &server.dir))?;
        let more = format!(
            "max_connections = 100\nshared_buffers = 32MB\nwal_level = replica\nhot_standby = on\n\
             wal_retrieve_retry_interval = 200ms\n{settings}\n"
        );
        server.put("postgresql.conf", |text| text + &more)?;
        server.put("pg_hba.conf", |text| format!("{access}\n{text}"))?;
        server.begin()?;
        Ok(server)
    }

    fn put(&self, name: &str, change: impl FnOnce(String) -> String) -> Result<(), String> {
        let path = self.data().join(name);
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        fs::write(&path, change(text)).map_err(|error| error.to_string())
    }

    /// Creates a streaming replica. If `is_waited_for`, commits wait until they are on the
    /// replica's disk, too.
    ///
    /// # Errors
    /// If it does not run; the text says why.
    pub fn replica(&self, is_waited_for: bool) -> Result<Own, String> {
        let dir = directory()?;
        let replica = Own { dir, programs: self.programs.clone(), port: free_port()? };
        let mut copy = Command::new(self.programs.join("pg_basebackup"));
        copy.args(["-R", "-c", "fast", "-U", "dormouse", "-h", "127.0.0.1"]);
        copy.arg("-p").arg(self.port.to_string()).arg("-D").arg(replica.data());
        run(as_unprivileged(&mut copy, &replica.dir))?;
        replica.begin()?;
        if is_waited_for {
            self.sql("alter system set synchronous_standby_names = '*'")?;
            self.sql("select pg_reload_conf()")?;
            let deadline = Instant::now() + Duration::from_secs(60);
            let count = "select count(*) from pg_stat_replication where sync_state = 'sync'";
            while self.sql(count)?.trim() != "1" {
                if Instant::now() > deadline {
                    return Err("the replica does not follow".to_owned());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(replica)
    }

    /// Starts the server, also after a crash.
    ///
    /// # Errors
    /// If it does not start; the text says why.
    pub fn begin(&self) -> Result<(), String> {
        let options =
            format!("-c listen_addresses=127.0.0.1 -p {} -k {}", self.port, self.dir.display());
        self.control(&["-o", &options, "start"])
    }

    /// Stops the server as in a crash.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn crash(&self) -> Result<(), String> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Promotes the replica to a server that accepts changes.
    ///
    /// # Errors
    /// The server's error.
    pub fn promote(&self) -> Result<(), String> {
        self.sql("alter system set synchronous_standby_names = ''")?;
        self.sql("select pg_reload_conf(), pg_promote()").map(drop)
    }

    /// Runs SQL statements.
    ///
    /// # Errors
    /// The server's error.
    pub fn sql(&self, statement: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "dormouse", "-h"]).arg(&self.dir);
        psql.arg("-p").arg(self.port.to_string()).args(["-c", statement, "postgres"]);
        run(&mut psql)
    }

    /// Returns the data directory, to which files can be added.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Writes a file that only the server can read, and returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn give(&self, name: &str, content: &[u8]) -> Result<PathBuf, String> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.dir.join(name);
        fs::write(&path, content).map_err(|error| error.to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|error| error.to_string())?;
        if is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
        }
        Ok(path)
    }

    fn control(&self, what: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        command.args(["-w", "-s", "-l"]).arg(self.dir.join("log"));
        command.arg("-D").arg(self.data()).args(what);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match as_unprivileged(&mut command, &self.dir).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                Err(format!("pg_ctl {what:?}: {status}: {log}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _gone = self.crash().is_ok();
        let _gone = fs::remove_dir_all(&self.dir).is_ok();
    }
}

/// pgbouncer in transaction mode in front of a server. It is stopped when dropped.
#[derive(Debug)]
pub struct Pool {
    process: Child,
    dir: PathBuf,
    /// The port on the loopback interface.
    pub port: u16,
}

impl Pool {
    /// Starts a pooler in front of a server, with at most this many connections to it.
    ///
    /// # Errors
    /// If it does not run, for example because it is not installed; the text says why.
    pub fn start(server: &Own, connections: u32) -> Result<Pool, String> {
        let unpacked = std::env::var_os("DORMOUSE_PGBOUNCER").map(PathBuf::from);
        let of = |root: &Path| root.join("usr/sbin/pgbouncer");
        let program = unpacked.iter().map(|root| of(root)).chain([of(Path::new("/"))]);
        let program = program.into_iter().find(|path| path.exists());
        let program = program.ok_or("install the package pgbouncer")?;
        let (dir, port) = (directory()?, free_port()?);
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 100\n\
             ignore_startup_parameters = extra_float_digits\n\
             [users]\n",
            server.port
        )
        .replace("dbname=postgres", "dbname=postgres user=dormouse");
        let file = dir.join("pgbouncer.ini");
        fs::write(&file, settings).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        if let Some(root) = &unpacked {
            command.env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
        }
        let log = fs::File::create(dir.join("log")).map_err(|error| error.to_string())?;
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = as_unprivileged(&mut command, &dir).spawn();
        let mut pool = Pool { process: process.map_err(|error| error.to_string())?, dir, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = pool.process.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(pool.dir.join("log")).unwrap_or_default();
                return Err(format!("pgbouncer does not start: {log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(pool)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let _gone = self.process.kill().is_ok();
        let _gone = self.process.wait().is_ok();
        let _gone = fs::remove_dir_all(&self.dir).is_ok();
    }
}
