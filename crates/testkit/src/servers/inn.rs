//! INN: `innd`, and the `nnrpd` that it starts for each reader.

use super::{Account, Programs, Running, free_address, listens};
use crate::waiting::{PATIENCE, eventually_or};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Its programs, and the account to run them as.
pub struct InnPrograms {
    programs: Programs,
    account: Account,
}

impl InnPrograms {
    /// Finds Debian's packages `inn2` and `inn2-inews`, or what `DORMOUSE_INN` names.
    pub fn find() -> Option<InnPrograms> {
        let programs = Programs::find("DORMOUSE_INN", "usr/lib/news/bin/innd", "inn2")?;
        Some(InnPrograms { programs, account: Account::find(&["news"])? })
    }
}

/// A news server with the one newsgroup `local.dev`, which everybody on this machine may read and
/// post to.
pub struct Inn<'p> {
    // Dropped before its files.
    daemon: Option<Running>,
    home: TempDir,
    address: SocketAddr,
    programs: &'p InnPrograms,
}

impl<'p> Inn<'p> {
    /// Creates its files and starts it.
    pub fn start(programs: &'p InnPrograms) -> Inn<'p> {
        let home = TempDir::new().expect("a temporary directory can be created");
        let dir = home.path();
        fs::set_permissions(dir, Permissions::from_mode(0o755))
            .expect("its permissions can be set");
        for name in ["db", "etc", "filter", "log", "run", "tmp", "spool/articles"] {
            fs::create_dir_all(dir.join(name)).expect("the directory can be created");
        }
        for name in ["overview", "incoming/bad", "outgoing", "archive"] {
            fs::create_dir_all(dir.join("spool").join(name)).expect("the directory can be created");
        }
        let address = free_address();
        let mut inn = Inn { home, address, programs, daemon: None };
        for (file, text) in [
            ("etc/inn.conf", inn.settings()),
            ("etc/storage.conf", "method tradspool {\n newsgroups: *\n class: 0\n}\n".to_owned()),
            (
                "etc/readers.conf",
                "auth local {\n hosts: \"localhost, 127.0.0.1, stdin\"\n default: \"<local>\"\n}\n\
                 access local {\n users: \"<local>\"\n newsgroups: \"*\"\n access: RPA\n}\n"
                    .to_owned(),
            ),
            ("etc/incoming.conf", String::new()),
            ("etc/newsfeeds", "ME:*::\n".to_owned()),
            ("etc/control.ctl", "all:*:*:drop\n".to_owned()),
            ("etc/expire.ctl", "/remember/:10\n*:A:1:10:never\n".to_owned()),
            ("db/history", String::new()),
            ("db/newsgroups", "local.dev\tTests\n".to_owned()),
            (
                "db/active",
                "control n\ncontrol.cancel n\njunk n\nlocal.dev y\n"
                    .replace(' ', " 0000000000 0000000001 "),
            ),
        ] {
            fs::write(inn.home.path().join(file), text).expect("the file can be written");
        }
        programs.account.take_over(inn.home.path());
        let history = inn.home.path().join("db/history");
        let mut index = inn.command("makedbz");
        index.args(["-i", "-o", "-s", "1000", "-f"]).arg(history);
        assert!(index.status().expect("the command starts").success());
        inn.start_again();
        inn
    }

    fn settings(&self) -> String {
        let dir = self.home.path().display();
        let programs = self.programs.programs.path("usr/lib/news/bin");
        format!(
            "mta: \"/bin/true\"\nmailcmd: \"/bin/true\"\nhismethod: hisv6\n\
             enableoverview: true\novmethod: tradindexed\n\
             pathhost: news.test.example\ndomain: test.example\norganization: \"Tests\"\n\
             bindaddress: 127.0.0.1\nport: {port}\nnnrpdpostport: {port}\n\
             runasuser: {user}\nrunasgroup: {user}\n\
             pathnews: {dir}\npathbin: {programs}\npathetc: {dir}/etc\npathfilter: {dir}/filter\n\
             pathdb: {dir}/db\npathlog: {dir}/log\npathhttp: {dir}/log\npathrun: {dir}/run\n\
             pathtmp: {dir}/tmp\npathspool: {dir}/spool\npatharticles: {dir}/spool/articles\n\
             pathoverview: {dir}/spool/overview\npathincoming: {dir}/spool/incoming\n\
             pathoutgoing: {dir}/spool/outgoing\npatharchive: {dir}/spool/archive\n\
             doinnwatch: false\npgpverify: false\nnnrpdloadlimit: 0\n",
            port = self.address.port(),
            user = self.programs.account.name,
            programs = programs.display(),
        )
    }

    /// Starts it again after [`Inn::stop`], on the same port.
    pub fn start_again(&mut self) {
        let mut command = self.command("innd");
        command.args(["-f", "-4", "127.0.0.1"]);
        self.daemon = Some(Running(command.spawn().expect("the command starts")));
        eventually_or("INN's start", || listens(self.address), || self.log());
    }

    /// Stops it: nobody can connect any more.
    pub fn stop(&mut self) {
        if self.daemon.is_some() {
            self.ctlinnd("shutdown");
            self.daemon = None;
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = self.programs.programs.command(format!("usr/lib/news/bin/{name}"));
        self.programs.account.runs(&mut command);
        command
            .env("INNCONF", self.home.path().join("etc/inn.conf"))
            .current_dir(self.home.path().join("db"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Sends it a command: `pause`, `go`, `throttle`.
    pub fn ctlinnd(&self, command: &str) {
        let status = self.command("ctlinnd").args([command, "a test"]).status();
        assert!(status.expect("the command starts").success(), "{command}: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log/news")).unwrap_or_default()
    }

    /// Returns the address it listens on, as `nntp_host` has it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Posts an article, as a reader of the newsgroup does.
    pub fn post(&self, article: &str) {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("the socket is usable");
        let mut lines = BufReader::new(stream.try_clone().expect("the socket is usable")).lines();
        let text = format!("{}.\r\n", article.replace("\n.", "\n..").replace('\n', "\r\n"));
        for (said, expected) in
            [("", "200"), ("MODE READER\r\n", "200"), ("POST\r\n", "340"), (&text, "240")]
        {
            (&stream).write_all(said.as_bytes()).expect("the server reads");
            let answer = lines.next().expect("the server replies").expect("its reply can be read");
            assert!(answer.starts_with(expected), "{said}: {answer}");
        }
    }

    /// Returns the articles of `local.dev` from its spool, with line feeds, in order.
    pub fn articles(&self) -> Vec<String> {
        let dir = self.home.path().join("spool/articles/local/dev");
        let article = |number: usize| -> Option<String> {
            let bytes = fs::read(PathBuf::from(&dir).join(number.to_string())).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
        };
        (1..).map_while(article).collect()
    }
}

impl Drop for Inn<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
