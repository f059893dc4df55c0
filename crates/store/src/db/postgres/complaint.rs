//! What an error of the server or of a connection means, and what to do about it.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Trouble {
    /// The server cannot be reached, or the connection was lost. Another attempt may succeed.
    Lost,
    /// The server does not let this program in. Somebody must change something first.
    Barred,
    /// Another process holds a lock.
    Busy,
    /// The server rejects the statement.
    Refused,
    /// The server rejects a value in the statement.
    Value,
}

/// An error, in words.
#[derive(Debug)]
pub(in crate::db) struct Complaint {
    pub trouble: Trouble,
    /// The message of the server or the system.
    pub said: String,
    /// A clause that says what to do, or an empty text.
    pub advice: String,
}

/// The source of the password.
#[derive(Debug, Clone)]
pub(in crate::db) enum Secret {
    /// There is none.
    Missing,
    /// The URL.
    Url,
    /// A file, also one of systemd's credentials.
    File(PathBuf),
}

/// The connection that failed.
#[derive(Debug)]
pub(in crate::db) struct About {
    /// The host and port, or the socket.
    pub server: String,
    pub user: String,
    pub database: String,
    pub secret: Secret,
    /// The file with trusted certificates, if the URL names one.
    pub roots: Option<PathBuf>,
}

const WRITERS: &str = "; changes need a server that accepts them: name the primary, or all servers, \
                       in `store.url`, and check `default_transaction_read_only`";

const HANDSHAKE: &str = "nothing is lost: the other side ended the handshake; check that `store.url` \
                         names a PostgreSQL server, and see its log";

impl Complaint {
    /// Describes a lost connection.
    pub fn lost(said: String) -> Complaint {
        let advice = "; nothing is lost: check that the server runs and `store.url` is right";
        Complaint { trouble: Trouble::Lost, said, advice: advice.to_owned() }
    }

    /// Describes a setting of this host that prevents connections.
    pub fn here(said: String, advice: &str) -> Complaint {
        Complaint { trouble: Trouble::Barred, said, advice: advice.to_owned() }
    }

    /// Describes a server that accepts connections and then says nothing.
    pub fn silent(server: &str, limit: Duration) -> Complaint {
        let said = format!("{server} did not answer within {} s", limit.as_secs_f64());
        let advice = "; nothing is lost: it may be stopped or overloaded, or a pooler that waits for the server behind it";
        Complaint { trouble: Trouble::Lost, said, advice: advice.to_owned() }
    }

    /// Describes a database whose encoding cannot be used.
    pub fn of_encoding(encoding: &str) -> Complaint {
        let said = format!("the database's encoding is {encoding}, but mail needs UTF8");
        let advice =
            "; create the database again with `createdb --encoding UTF8 --template template0`";
        Complaint { trouble: Trouble::Refused, said, advice: advice.to_owned() }
    }

    /// Describes an error of a statement, or of a connection to a server.
    pub fn of(error: &postgres::Error, about: Option<&About>) -> Complaint {
        let said = told(error);
        let found = match error.as_db_error() {
            Some(answer) => of_code(answer.code().code(), answer.message(), about),
            None => of_connection(error, about),
        };
        match found {
            (trouble, Some(advice)) => Complaint { trouble, said, advice: format!("; {advice}") },
            (Trouble::Lost, None) => Complaint::lost(said),
            (trouble, None) => Complaint { trouble, said, advice: String::new() },
        }
    }

    /// Joins the errors of several servers, of which none could be used. The advice is about the first
    /// one that runs but does not let this program in, because the others may only be away.
    pub fn of_all(mut each: Vec<(String, Complaint)>) -> Complaint {
        if each.len() == 1
            && let Some((_, only)) = each.pop()
        {
            return only;
        }
        let is_lost = each.iter().any(|(_, one)| one.trouble == Trouble::Lost);
        let said: Vec<String> =
            each.iter().map(|(server, one)| format!("{server}: {}", one.said)).collect();
        let barred = each.iter().position(|(_, one)| one.trouble == Trouble::Barred);
        let all_follow = each.iter().all(|(_, one)| one.advice == WRITERS);
        let advice = match barred {
            Some(at) => format!("; on {}{}", each[at].0, each[at].1.advice.replacen(';', ":", 1)),
            None if all_follow => "; promote one of them".to_owned(),
            None => Complaint::lost(String::new()).advice,
        };
        let trouble = if is_lost { Trouble::Lost } else { Trouble::Barred };
        Complaint { trouble, said: said.join("; "), advice }
    }
}

/// Interprets an SQLSTATE.
fn of_code(code: &str, message: &str, about: Option<&About>) -> (Trouble, Option<String>) {
    let (user, database) = about.map_or(("the role", "the database"), |about| {
        (about.user.as_str(), about.database.as_str())
    });
    let advice = match code {
        "28P01" => return (Trouble::Barred, Some(wrong_password(about))),
        "28000" => return (Trouble::Barred, Some(not_admitted(message, user, database))),
        "3D000" => return (Trouble::Barred, Some(no_database(user, database))),
        // Poolers have only this code for errors of their own.
        "08P01" => return of_pooler(message, user, database),
        "25006" => return (Trouble::Lost, Some(WRITERS.trim_start_matches("; ").to_owned())),
        "53300" => {
            let advice = "all connections are in use: raise `max_connections` or the connection limit \
                          of the role or database, or put pgbouncer in front of the server";
            return (Trouble::Lost, Some(advice.to_owned()));
        }
        "57P03" => {
            let advice = "the server is starting, stopping or recovering: wait, or see its log";
            return (Trouble::Lost, Some(advice.to_owned()));
        }
        "42501" => format!(
            "make {user} the owner of the database (`alter database {database} owner to {user}`), or \
             `grant usage, create on schema … to {user}`"
        ),
        "3F000" => {
            "there is no schema to create tables in: the `search_path` of the URL or the role \
                    must name one that exists and that the role may use"
                .to_owned()
        }
        "53100" => {
            "free some space on the server's disk; nothing that was stored is lost".to_owned()
        }
        "57014" => "`statement_timeout` of the server or the role is too short".to_owned(),
        // A lock timeout, a deadlock, a serialization failure.
        "55P03" | "40P01" | "40001" => {
            let advice = "another process has been writing for too long, try again";
            return (Trouble::Busy, Some(advice.to_owned()));
        }
        // A character that the database's encoding lacks.
        "22P05" => {
            let advice = "create the database with `--encoding UTF8 --template template0`";
            return (Trouble::Value, Some(advice.to_owned()));
        }
        // Connections; the server stops; it has ended an idle session or transaction.
        code if code.starts_with("08") || code.starts_with("57P0") => return (Trouble::Lost, None),
        "25P03" | "25P04" => return (Trouble::Lost, None),
        // Data exceptions and violated constraints.
        code if code.starts_with("22") || code.starts_with("23") => return (Trouble::Value, None),
        _ => return (Trouble::Refused, None),
    };
    (Trouble::Refused, Some(advice))
}

fn wrong_password(about: Option<&About>) -> String {
    let Some(About { user, secret, .. }) = about else {
        return "correct the password".to_owned();
    };
    let place = match secret {
        Secret::Missing => return missing_password(),
        Secret::Url => "`store.url`".to_owned(),
        Secret::File(path) => path.display().to_string(),
    };
    format!(
        "correct the password of {user} in {place}, or set it on the server (`\\password {user}` in psql)"
    )
}

fn missing_password() -> String {
    "the server asks for a password: name a file with it by `passfile=` in `store.url` or by \
     `store.password_file`, or give it as the credential store-password"
        .to_owned()
}

/// Advice for a rejection by `pg_hba.conf`, or for a role that may not connect.
fn not_admitted(message: &str, user: &str, database: &str) -> String {
    if message.starts_with("role ") || message.starts_with("password ") {
        return format!(
            "correct the role's name in `store.url`, create it with `createuser --pwprompt {user}`, or \
             `alter role {user} login`"
        );
    }
    if message.contains("Peer ") || message.contains("Ident ") {
        return format!(
            "the server expects the system user of that name: run as {user}, or add a line for it to \
             pg_hba.conf with the method scram-sha-256"
        );
    }
    let encrypted = if message.contains("no encryption") {
        "; if the line begins with hostssl, use `sslmode=require`"
    } else if message.contains("SSL encryption") {
        "; if the line begins with hostnossl, use `sslmode=disable`"
    } else {
        ""
    };
    format!(
        "let this host in with a line for the database {database} and the role {user} in the server's \
         pg_hba.conf, before lines that reject it, and reload the server{encrypted}"
    )
}

fn no_database(user: &str, database: &str) -> String {
    format!(
        "correct its name in `store.url`, or create it with \
         `createdb --owner {user} --encoding UTF8 --template template0 {database}`"
    )
}

/// Interprets a protocol error, which is usually a pooler's.
fn of_pooler(message: &str, user: &str, database: &str) -> (Trouble, Option<String>) {
    let begins = |words: &str| message.starts_with(words);
    if begins("unsupported startup parameter") {
        let name = message.rsplit(": ").next().unwrap_or_default();
        let advice = format!(
            "add {name} to `ignore_startup_parameters` in pgbouncer.ini, or leave it out of `store.url`; \
             a search_path can be set with `alter role {user} set search_path`"
        );
        (Trouble::Barred, Some(advice))
    } else if begins("no such database") || begins("bouncer config") {
        let advice =
            format!("add {database} to the databases in pgbouncer.ini, or correct `store.url`");
        (Trouble::Barred, Some(advice))
    } else if begins("no such user") || message.contains("auth failed") || begins("not allowed") {
        let advice =
            format!("add {user} with its password to pgbouncer's auth_file, or see its auth_query");
        (Trouble::Barred, Some(advice))
    } else if begins("no more connections") || begins("query_wait_timeout") {
        let advice = "raise `max_client_conn` or `default_pool_size` in pgbouncer.ini";
        (Trouble::Lost, Some(advice.to_owned()))
    } else if begins("pgbouncer cannot connect")
        || begins("server login")
        || begins("client_login_timeout")
        || begins("bouncer config")
    {
        let advice = "nothing is lost: the pooler answers, but not the server behind it; see the log of both";
        (Trouble::Lost, Some(advice.to_owned()))
    } else {
        (Trouble::Lost, None)
    }
}

/// Interprets an error without an answer of the server.
fn of_connection(error: &postgres::Error, about: Option<&About>) -> (Trouble, Option<String>) {
    let kind = error.to_string();
    if error.is_closed() {
        return (Trouble::Lost, None);
    }
    let Some(source) = error.source() else { return (Trouble::Refused, None) };
    let text = source.to_string();
    let broken = source.downcast_ref::<io::Error>();
    if let Some(tls) = broken.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref()) {
        return of_tls(tls, about);
    }
    if text == "password missing" {
        return (Trouble::Barred, Some(missing_password()));
    }
    if text == "server does not support TLS" {
        let advice =
            "switch it on (`ssl = on`), or use `sslmode=disable` on a network that you trust";
        return (Trouble::Barred, Some(advice.to_owned()));
    }
    if kind.starts_with("error parsing response") || kind.starts_with("authentication error") {
        let advice = "check that `store.url` names a PostgreSQL server, and its port";
        return (Trouble::Barred, Some(advice.to_owned()));
    }
    if kind.starts_with("error performing TLS") {
        return (Trouble::Lost, Some(HANDSHAKE.to_owned()));
    }
    match (broken, about) {
        (Some(broken), Some(about)) => (Trouble::Lost, of_system(broken, about)),
        (Some(_), None) => (Trouble::Lost, None),
        (None, _) => (Trouble::Refused, None),
    }
}

/// Interprets an error of the system during an attempt to connect.
fn of_system(error: &io::Error, about: &About) -> Option<String> {
    let server = &about.server;
    let is_socket = server.starts_with('/');
    let text = error.to_string();
    Some(match error.kind() {
        _ if text.contains("does not allow writes") => WRITERS.trim_start_matches("; ").to_owned(),
        _ if text.contains("failed to lookup") || text.contains("could not resolve") => {
            format!(
                "no address is known for {server}: correct the host in `store.url`, or check the DNS"
            )
        }
        ErrorKind::ConnectionRefused => format!(
            "nothing is lost: no server listens at {server}; start it, or check its `listen_addresses` \
             and the port in `store.url`"
        ),
        ErrorKind::NotFound if is_socket => format!(
            "nothing is lost: no server has a socket {server}; start it, or correct `host=` in `store.url`"
        ),
        ErrorKind::PermissionDenied if is_socket => {
            format!("let the user that runs dormouse use {server}, see `unix_socket_permissions`")
        }
        ErrorKind::TimedOut => format!(
            "nothing is lost: {server} did not answer in time; check its machine, the network and \
             firewalls"
        ),
        _ => return None,
    })
}

/// Interprets a failed handshake.
fn of_tls(error: &rustls::Error, about: Option<&About>) -> (Trouble, Option<String>) {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(problem) = error else {
        return (Trouble::Lost, Some(HANDSHAKE.to_owned()));
    };
    let server = about.map_or("the server", |about| about.server.as_str());
    let roots = about.and_then(|about| about.roots.as_ref());
    let advice = match problem {
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            format!("renew the certificate of {server}, or check this host's clock")
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            format!("check this host's clock, and from when the certificate of {server} is valid")
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => format!(
            "name the server in `store.url` as its certificate does, or give {server} a certificate with \
             this name as a subjectAltName"
        ),
        Certificate::UnknownIssuer | Certificate::BadSignature => match roots {
            Some(path) => format!(
                "put the certificate of the authority that issued it into {}, or correct `sslrootcert=`",
                path.display()
            ),
            None => "name the certificate of the authority that issued it with `sslrootcert=` in \
                     `store.url`"
                .to_owned(),
        },
        _ if format!("{problem:?}").contains("CaUsedAsEndEntity") => {
            "a self-signed certificate cannot be verified: issue one with a CA of your own, whose \
             certificate you name with `sslrootcert=`"
                .to_owned()
        }
        _ => format!("give {server} another certificate"),
    };
    (Trouble::Barred, Some(advice))
}

/// Returns the server's message, or the cause of a failed connection.
pub(in crate::db) fn told(error: &postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail} [{}]", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
