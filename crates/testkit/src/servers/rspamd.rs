//! rspamd, which scores mail.

use super::{Programs, Running, free_address, listens};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long its rules may take to load.
const LOADING: Duration = Duration::from_secs(120);

/// Its program.
pub struct RspamdPrograms(Programs);

impl RspamdPrograms {
    /// Finds Debian's package `rspamd`, or what `DORMOUSE_RSPAMD` names.
    pub fn find() -> Option<RspamdPrograms> {
        Programs::find("DORMOUSE_RSPAMD", "usr/bin/rspamd", "rspamd").map(RspamdPrograms)
    }
}

/// A running rspamd with the rules and scores of its package. It queries one name server and no
/// other service.
pub struct Rspamd {
    // Dropped before its files.
    _daemon: Running,
    _home: TempDir,
    address: SocketAddr,
}

/// The result for a mail: its score and that of each symbol.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// The score of the whole mail.
    pub score: f64,
    /// The score of each symbol found.
    pub symbols: BTreeMap<String, f64>,
}

impl Rspamd {
    /// Starts it; its rules take some seconds to load.
    pub fn start(programs: &RspamdPrograms, name_server: SocketAddr) -> Rspamd {
        let home = TempDir::new().expect("a temporary directory can be created");
        let (dir, programs) = (home.path().display(), &programs.0);
        let address = free_address();
        // The package's list of suffixes takes long to compile.
        fs::write(home.path().join("suffixes"), "com\norg\nnet\nexample\n")
            .expect("the file can be written");
        // These are merged into the package's options, as an administrator's are.
        let options = format!(
            "pidfile = \"{dir}/pid\"; control_socket = \"{dir}/control mode=0600\";\n\
             tempdir = \"{dir}\"; url_tld = \"{dir}/suffixes\"; disable_hyperscan = true;\n\
             filters = \"chartable,dkim,regexp\"; local_addrs = [];\n\
             dns {{ nameserver = [\"{name_server}\"]; timeout = 2s; retransmits = 1; }}\n\
             lang_detection {{ languages = \"$SHAREDIR/languages\"; }}\n"
        );
        fs::write(home.path().join("options.inc"), options).expect("the file can be written");
        let config = format!(
            ".include \"$CONFDIR/common.conf\"\n\
             options {{\n\
             .include \"$CONFDIR/options.inc\"\n\
             .include(priority=10,duplicate=merge) \"{dir}/options.inc\"\n\
             }}\n\
             logging {{ type = \"console\"; level = \"error\"; }}\n\
             worker \"normal\" {{ bind_socket = \"{address}\"; count = 1; }}\n\
             fuzzy_check {{ enabled = false; }}\n"
        );
        let file = home.path().join("rspamd.conf");
        fs::write(&file, config).expect("the file can be written");
        let mut command = programs.command("usr/bin/rspamd");
        command.arg("-f").arg("-i").arg("-c").arg(&file);
        let share = programs.path("usr/share/rspamd");
        for (name, below) in
            [("PLUGINSDIR", "plugins"), ("RULESDIR", "rules"), ("LUALIBDIR", "lualib")]
        {
            command.arg(format!("--var={name}={}", share.join(below).display()));
        }
        command.arg(format!("--var=CONFDIR={}", programs.path("etc/rspamd").display()));
        command.arg(format!("--var=SHAREDIR={}", share.display()));
        for name in ["LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR"] {
            command.arg(format!("--var={name}={dir}"));
        }
        let daemon = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = Running(daemon.spawn().expect("rspamd starts"));
        let deadline = Instant::now() + LOADING;
        while !listens(address) {
            let ended = daemon.0.try_wait().expect("its state can be read");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "rspamd does not start: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Rspamd { _daemon: daemon, _home: home, address }
    }

    /// Returns the result for a mail from this envelope sender, host and address.
    pub fn opinion(&self, mail: &[u8], sender: &str, host: &str, ip: &str) -> Opinion {
        let mut stream = TcpStream::connect(self.address).expect("rspamd accepts connections");
        let head = format!(
            "POST /checkv2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nFrom: {sender}\r\n\
             Rcpt: reader@example.org\r\nIP: {ip}\r\nHelo: {host}\r\nHostname: {host}\r\n\
             Content-Length: {}\r\n\r\n",
            mail.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(mail))
            .expect("rspamd reads the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer arrives");
        let (head, body) = answer.split_once("\r\n\r\n").expect("the response has a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        let told: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let symbols = told["symbols"].as_object().expect("the response has symbols").iter();
        let score = |value: &serde_json::Value| value["score"].as_f64().unwrap_or_default();
        Opinion {
            score: score(&told),
            symbols: symbols.map(|(name, value)| (name.clone(), score(value))).collect(),
        }
    }
}
