//! The address of a server, from a URL in libpq's syntax.

use super::complaint::{About, Complaint, Secret, told};
use super::patience;
use super::tls::{MakeTls, Trust};
use postgres::config::{Host, SslMode, TargetSessionAttrs};
use postgres::{Client, Config, NoTls};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

/// The time limit of an attempt to connect, unless the URL has one.
const CONNECT_FOR: Duration = Duration::from_secs(5);
/// How long the server's machine may be silent before a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(20);
/// The name of the password among systemd's credentials.
const CREDENTIAL: &str = "store-password";

/// The address of a server, and how to connect to it.
#[derive(Debug)]
pub(crate) struct Address {
    /// One for each server. The first that can be used is used.
    servers: Vec<Config>,
    trust: Option<Trust>,
    passfile: Option<PathBuf>,
    password_file: Option<PathBuf>,
    shown: String,
    key: String,
}

/// An error about a URL, with the correct form.
fn wrong(problem: &str) -> String {
    format!(
        "{problem}; write it like postgres://USER@HOST/DATABASE, with ?host=DIRECTORY for a socket"
    )
}

/// The part of a URL after the `?`.
struct Query<'u> {
    /// `sslmode`
    mode: Option<&'u str>,
    /// `sslrootcert`
    roots: Option<PathBuf>,
    passfile: Option<PathBuf>,
    /// Everything that the client library understands.
    kept: Vec<&'u str>,
}

impl<'u> Query<'u> {
    fn read(query: &'u str, dir: &Path) -> Result<Query<'u>, String> {
        let mut read = Query { mode: None, roots: None, passfile: None, kept: Vec::new() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| wrong(&format!("{pair} has no value")))?;
            match name {
                "sslmode" => read.mode = Some(value),
                "sslrootcert" => read.roots = Some(dir.join(decoded(value)?)),
                "passfile" => read.passfile = Some(dir.join(decoded(value)?)),
                _ => read.kept.push(pair),
            }
        }
        Ok(read)
    }
}

/// Whether the connection is encrypted, and which certificates are trusted, by libpq's rules for
/// `sslmode` and `sslrootcert`.
fn encryption(
    mode: Option<&str>,
    roots: Option<PathBuf>,
) -> Result<(SslMode, Option<Trust>), String> {
    Ok(match (mode, roots) {
        (Some("disable"), _) => (SslMode::Disable, None),
        (None | Some("allow" | "prefer"), _) => (SslMode::Prefer, Some(Trust::Anyone)),
        (Some("require"), None) => (SslMode::Require, Some(Trust::Anyone)),
        (Some("require" | "verify-ca" | "verify-full"), Some(file)) => {
            (SslMode::Require, Some(Trust::File(file)))
        }
        (Some("verify-ca" | "verify-full"), None) => (SslMode::Require, Some(Trust::System)),
        (Some(other), _) => {
            return Err(wrong(&format!(
                "sslmode={other} is not disable, prefer, require or verify-full"
            )));
        }
    })
}

/// Sets what the URL leaves open, so that a dead server is noticed soon.
fn set_defaults(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_FOR);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    config.keepalives_idle(SILENCE / 4).keepalives_interval(SILENCE / 4).keepalives_retries(3);
    if config.get_application_name().is_none() {
        config.application_name("dormouse");
    }
}

impl Address {
    /// Parses `postgres://user@host,host:port/database?key=value`. The directory of a socket is
    /// given as `host=` after the `?`, which replaces the hosts before it. `sslmode`, `sslrootcert`
    /// and `passfile` have libpq's meaning; relative paths start at `dir`.
    ///
    /// # Errors
    /// If the URL is invalid; the text says what is wrong and shows the correct form.
    pub fn read(url: &str, password_file: &str, dir: &Path) -> Result<Address, String> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))
            .ok_or_else(|| wrong("it does not begin with postgres://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Query { mode, roots, passfile, kept } = Query::read(query, dir)?;
        let (user, server) =
            place.split_once('@').map_or(("", place), |(user, server)| (user, server));
        let (hosts, database) = server.split_once('/').unwrap_or((server, ""));
        // As in libpq, `host=` after the `?` has precedence.
        let has = |name: &str| kept.iter().any(|pair| pair.starts_with(name));
        let hosts = if has("host=") { "" } else { hosts };
        let written = |user: &str, hosts: &str| {
            let user = if user.is_empty() { String::new() } else { format!("{user}@") };
            let query =
                if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
            format!("{scheme}://{user}{hosts}/{database}{query}")
        };
        let (mode, trust) = encryption(mode, roots)?;
        // What is a list of its own in the query belongs to all hosts together.
        let is_apart = !["host=", "hostaddr=", "port=", "load_balance_hosts="].into_iter().any(has);
        let places: Vec<&str> = if is_apart { hosts.split(',').collect() } else { vec![hosts] };
        let mut servers = Vec::with_capacity(places.len());
        for place in &places {
            let mut config =
                Config::from_str(&written(user, place)).map_err(|error| wrong(&told(&error)))?;
            if config.get_hosts().is_empty() {
                return Err(wrong("it names no host"));
            }
            config.ssl_mode(mode);
            set_defaults(&mut config);
            // One of several servers accepts changes, but not always the same one.
            let is_one_of_many = places.len() > 1 || config.get_hosts().len() > 1;
            if is_one_of_many && !has("target_session_attrs") {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            servers.push(config);
        }
        let password_file = password_file.trim();
        Ok(Address {
            servers,
            trust,
            passfile,
            password_file: (!password_file.is_empty()).then(|| dir.join(password_file)),
            shown: written(user.split(':').next().unwrap_or_default(), hosts),
            key: format!("{url} {password_file}"),
        })
    }

    /// Returns the URL without the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the key that identifies connections to this address.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Connects to the first server that can be used.
    ///
    /// # Errors
    /// If there is none. Each error names its server if there are several.
    pub(super) fn connect(&self) -> Result<Client, Complaint> {
        let mut each = Vec::new();
        for config in &self.servers {
            match self.connect_to(config) {
                Ok(client) => return Ok(client),
                Err(complaint) => each.push((place(config), complaint)),
            }
        }
        Err(Complaint::of_all(each))
    }

    fn connect_to(&self, config: &Config) -> Result<Client, Complaint> {
        let mut config = config.clone();
        let mut secret = Secret::Url;
        if config.get_password().is_none() {
            let (password, place) = self.password(&config)?;
            secret = place;
            if let Some(password) = password {
                config.password(password);
            }
        }
        let tls = match &self.trust {
            Some(trust) if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_))) => {
                let advice =
                    "; `sslrootcert=` in `store.url` must name a file with certificates in PEM";
                Some(MakeTls::with(trust).map_err(|said| Complaint::here(said, advice))?)
            }
            _ => None,
        };
        let limit = config.get_connect_timeout().copied().unwrap_or(CONNECT_FOR);
        let about = self.about_server(&config, secret);
        let attempt = move || match tls {
            Some(tls) => config.connect(tls),
            None => config.connect(NoTls),
        };
        match patience::within(limit, attempt) {
            Some(connected) => connected.map_err(|error| Complaint::of(&error, Some(&about))),
            None => Err(Complaint::silent(&about.server, limit)),
        }
    }

    /// Describes connections to this address.
    pub(super) fn about(&self) -> About {
        self.about_server(&self.servers[0], Secret::Missing)
    }

    fn about_server(&self, config: &Config, secret: Secret) -> About {
        let user = config.get_user().map_or_else(system_user, str::to_owned);
        About {
            server: place(config),
            database: config.get_dbname().unwrap_or(&user).to_owned(),
            user,
            secret,
            roots: match &self.trust {
                Some(Trust::File(path)) => Some(path.clone()),
                _ => None,
            },
        }
    }

    /// Reads the password from a file or systemd's credentials, if there is one.
    fn password(&self, config: &Config) -> Result<(Option<String>, Secret), Complaint> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| {
                let said = format!("cannot read the password in {}: {error}", path.display());
                Complaint::here(said, "; the user that runs dormouse must be able to read it")
            })
        };
        if let Some(path) = &self.passfile {
            return match password_in(&read(path)?, config) {
                Some(password) => Ok((Some(password), Secret::File(path.clone()))),
                None => {
                    let said = format!("{} has no line for {}", path.display(), place(config));
                    Err(Complaint::here(said, "; its lines are host:port:database:user:password"))
                }
            };
        }
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|dir| Path::new(&dir).join(CREDENTIAL))
            .filter(|path| path.exists());
        let Some(path) = self.password_file.clone().or(credential) else {
            return Ok((None, Secret::Missing));
        };
        let first = read(&path)?.lines().next().unwrap_or_default().to_owned();
        Ok((Some(first), Secret::File(path)))
    }
}

/// Returns the name under which the client library connects if the URL has none.
fn system_user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "the system user".to_owned())
}

/// Returns the host and port of a server, or its socket.
fn place(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let places: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(dir) => dir.join(format!(".s.PGSQL.{port}")).display().to_string(),
        })
        .collect();
    places.join(",")
}

/// Returns a server's password from the text of a passfile, with lines
/// `host:port:database:user:password`.
fn password_in(text: &str, config: &Config) -> Option<String> {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(dir) => dir.display().to_string(),
        })
        .collect();
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    let is = |field: &str, wanted: &str| field == "*" || field == wanted;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [host, fields_port, fields_database, fields_user, password] =
            <[String; 5]>::try_from(fields).ok()?;
        let fits = hosts.iter().any(|name| is(&host, name))
            && is(&fields_port, &port)
            && is(&fields_database, database)
            && is(&fields_user, user);
        fits.then_some(password)
    })
}

/// Splits a line at colons; a backslash escapes the next character.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(last)) => last.extend(letters.next()),
            (letter, Some(last)) => last.push(letter),
            (_, None) => {}
        }
    }
    fields
}

fn decoded(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_err(|_| format!("{value} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, String> {
        Address::read(url, "", Path::new("/site"))
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (url, host, user, database) in [
            ("postgres://mm@db.example/lists", "db.example", "mm", "lists"),
            (
                "postgresql://mm@db.example:5433/lists?sslmode=verify-full",
                "db.example",
                "mm",
                "lists",
            ),
            ("postgres://mm@/lists?host=/run/postgresql", "/run/postgresql", "mm", "lists"),
            (
                "postgres://mm@localhost/lists?host=/run/postgresql",
                "/run/postgresql",
                "mm",
                "lists",
            ),
            ("postgres://mm@%2Frun%2Fpostgresql/lists", "/run/postgresql", "mm", "lists"),
            ("postgres:///lists?host=/tmp&user=mm&port=5555", "/tmp", "mm", "lists"),
            ("postgres://mm:se%40cret@[::1]/lists", "::1", "mm", "lists"),
        ] {
            let address = read(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
            let found = match &address.servers[0].get_hosts()[0] {
                Host::Tcp(name) => name.clone(),
                Host::Unix(dir) => dir.display().to_string(),
            };
            assert_eq!(address.servers[0].get_hosts().len(), 1, "{url}");
            assert_eq!(
                (found.as_str(), address.servers[0].get_user(), address.servers[0].get_dbname()),
                (host, Some(user), Some(database)),
                "{url}"
            );
            assert!(!address.shown().contains("cret"), "{}", address.shown());
        }
        for wrong in [
            "mysql://x/y",
            "lists.example",
            "postgres://",
            "postgres:///lists",
            "postgres://db/lists?sslmode=perhaps",
            "postgres://db/lists?nonsense=1",
            "postgres://db:port/lists",
        ] {
            let problem = read(wrong).unwrap_err();
            assert!(problem.contains("postgres://USER@HOST/DATABASE"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn the_password_is_found_in_a_passfile_or_the_first_line_of_a_file() {
        let home = tempfile::tempdir().unwrap();
        let lines = "# ours\nother:*:*:mm:no\n*:5432:li\\:sts:mm:no\n*:*:lists:mm:with\\:colon\n";
        fs::write(home.path().join("pass"), lines).unwrap();
        fs::write(home.path().join("secret"), "plain\nsecond\n").unwrap();
        let of = |url: &str, file: &str| {
            let address = Address::read(url, file, home.path()).unwrap();
            let password = |server| address.password(server).map(|(password, _)| password);
            password(address.servers.last().unwrap()).map_err(|complaint| complaint.said)
        };
        let url = "postgres://mm@db/lists";
        assert_eq!(of(&format!("{url}?passfile=pass"), ""), Ok(Some("with:colon".to_owned())));
        assert_eq!(of(url, "secret"), Ok(Some("plain".to_owned())));
        let several = "postgres://mm@db,other:5433/lists?passfile=pass";
        assert_eq!(of(several, ""), Ok(Some("no".to_owned())), "each server has its own line");
        assert!(of("postgres://xx@db/lists?passfile=pass", "").unwrap_err().contains("no line"));
        assert!(of(url, "missing").unwrap_err().contains("missing"));
    }
}
