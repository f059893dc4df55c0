//! A server that cannot be used: the message says what is wrong, where, and what to do. Nothing is created.

use super::DORMOUSE;
use super::servers::or_skip;
use dormouse_testkit::sink::Certificate;
use dormouse_testkit::site::{TestSite, describe, message};
use dormouse_testkit::waiting::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output};
use tempfile::TempDir;
use throwaway_postgres::{Own, Pool, free_port};

/// A user's attempts, each with a directory of its own.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> User {
        User { home: TempDir::new().unwrap() }
    }

    /// Writes a file, and returns its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn init(&self, url: &str) -> Output {
        let mut init = Command::new(DORMOUSE);
        init.arg("--site").arg(self.home.path().join("site"));
        init.args(["init", "--host", "lists.example.org", "--store", url]);
        init.env_remove("CREDENTIALS_DIRECTORY").output().unwrap()
    }

    /// Checks that a URL is refused, with a message that contains all of these words.
    fn is_refused(&self, url: &str, words: &[&str]) {
        let refused = self.init(url);
        let said = String::from_utf8_lossy(&refused.stderr);
        eprintln!("{said}");
        assert_eq!(refused.status.code(), Some(75), "{url}: {}", describe(&refused));
        for word in words {
            assert!(said.contains(word), "{url}: no {word:?} in {said}");
        }
        assert!(!said.contains("wrong-secret"), "{said}");
        assert!(!self.home.path().join("site/dormouse.toml").exists(), "{url}");
    }
}

const ACCESS: &str = "hostssl lists lists 127.0.0.1/32 scram-sha-256\n\
                      host lists lists 127.0.0.1/32 reject\n\
                      host all strange 127.0.0.1/32 reject\n\
                      host replication dormouse 127.0.0.1/32 trust";

#[test]
fn passwords_certificates_and_encryption_that_are_wrong_are_explained() {
    let Some(server) = or_skip(Own::start("", ACCESS)) else { return };
    let user = User::new();
    for statement in [
        "create role lists login password 'right'",
        "create database lists owner lists",
        "create role strange login",
    ] {
        server.sql(statement).unwrap();
    }
    let at =
        |host: &str, more: &str| format!("postgres://lists@{host}:{}/lists?{more}", server.port);
    user.is_refused(&at("localhost", "sslmode=require"), &["TLS", "`ssl = on`", "sslmode=disable"]);
    let install = |certificate: &Certificate| {
        server.give("data/server.crt", certificate.pem().as_bytes()).unwrap();
        server.give("data/server.key", certificate.key_pem().as_bytes()).unwrap();
        server.sql("alter system set ssl = on").unwrap();
        server.sql("select pg_reload_conf()").unwrap();
    };
    let good = Certificate::for_localhost();
    install(&good);
    eventually("the server has TLS", || {
        let said = user.init(&at("localhost", "sslmode=require")).stderr;
        !String::from_utf8_lossy(&said).contains("`ssl = on`")
    });
    let trusted = user.file("ca.pem", &good.pem());
    let other = user.file("other.pem", &Certificate::for_localhost().pem());
    let junk = user.file("junk.pem", "no certificate\n");
    let wrong = user.file("wrong", "*:*:*:*:wrong-secret\n");
    let elsewhere = user.file("elsewhere", "db.example.org:*:*:*:wrong-secret\n");
    let missing = user.home.path().join("missing").display().to_string();
    let cases: &[(String, &[&str])] = &[
        (at("localhost", "sslmode=require"), &["password", "passfile=", "store.password_file"]),
        (
            at("localhost", &format!("passfile={wrong}")),
            &[
                "authentication failed",
                "[28P01]",
                "password of lists in",
                &wrong,
                "\\password lists",
            ],
        ),
        (
            at("localhost", "").replace("lists@", "lists:wrong-secret@"),
            &["authentication failed", "`store.url`"],
        ),
        (
            at("localhost", &format!("passfile={elsewhere}")),
            &["elsewhere has no line for localhost:", "host:port:database:user:password"],
        ),
        (at("localhost", &format!("passfile={missing}")), &["cannot read the password", "missing"]),
        (
            at("localhost", &format!("sslmode=verify-full&sslrootcert={other}")),
            &["certificate", "authority that issued it", "other.pem"],
        ),
        (
            at("localhost", "sslmode=verify-full"),
            &["certificate", "authority that issued it", "`sslrootcert=`"],
        ),
        (
            at("localhost", &format!("sslmode=verify-full&sslrootcert={junk}")),
            &["junk.pem", "`sslrootcert=`", "PEM"],
        ),
        (
            at(
                "db.example.org",
                &format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={trusted}"),
            ),
            &["not valid for name", "db.example.org", "subjectAltName"],
        ),
        (at("localhost", "sslmode=disable"), &["pg_hba.conf", "lists", "sslmode=require"]),
        (
            format!("postgres://strange@127.0.0.1:{}/lists", server.port),
            &["pg_hba.conf", "[28000]", "the database lists and the role strange", "reload"],
        ),
    ];
    for (url, words) in cases {
        user.is_refused(url, words);
    }
    for (certificate, words) in [
        (Certificate::expired(), ["expired", "renew the certificate"]),
        (Certificate::of_an_authority(), ["self-signed", "CA of your own"]),
    ] {
        install(&certificate);
        let ca = user.file("new.pem", &certificate.pem());
        let url = at("localhost", &format!("sslmode=verify-full&sslrootcert={ca}"));
        eventually("the new certificate", || {
            String::from_utf8_lossy(&user.init(&url).stderr).contains(words[1])
        });
        user.is_refused(&url, &words);
    }
}

#[test]
fn databases_roles_and_addresses_that_are_wrong_are_explained() {
    let Some(server) = or_skip(Own::start("", ACCESS)) else { return };
    let user = User::new();
    for statement in [
        "create role asleep nologin",
        "create role crowd login connection limit 0",
        "create role poor login",
        "create database ascii encoding 'SQL_ASCII' template template0",
        "create database latin encoding 'LATIN1' template template0",
    ] {
        server.sql(statement).unwrap();
    }
    let port = server.port;
    let at = |role: &str, database: &str, more: &str| {
        format!("postgres://{role}@127.0.0.1:{port}/{database}?{more}")
    };
    let replica = server.replica(false).unwrap();
    let two = format!(
        "postgres://dormouse@127.0.0.1:{},127.0.0.1:{}/postgres",
        replica.port, replica.port
    );
    let free = free_port().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let no_server = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in other.incoming().map_while(Result::ok) {
            let _sent = client.write_all(b"SSH-2.0-Other\r\n").is_ok();
        }
    });
    let cases: &[(String, &[&str])] = &[
        (
            at("dormouse", "gone", ""),
            &["[3D000]", "createdb --owner dormouse --encoding UTF8 --template template0 gone"],
        ),
        (at("nobody", "postgres", ""), &["[28000]", "createuser --pwprompt nobody"]),
        (at("asleep", "postgres", ""), &["[28000]", "alter role asleep login"]),
        (at("crowd", "postgres", ""), &["[53300]", "connection limit", "pgbouncer"]),
        (
            at("poor", "postgres", ""),
            &["[42501]", "permission denied for schema public", "postgres owner to poor", "grant"],
        ),
        (at("dormouse", "postgres", "options=-csearch_path%3Dgone"), &["[3F000]", "search_path"]),
        (at("dormouse", "ascii", ""), &["SQL_ASCII", "--encoding UTF8 --template template0"]),
        (at("dormouse", "latin", ""), &["LATIN1", "--encoding UTF8 --template template0"]),
        (
            at("dormouse", "postgres", "options=-cdefault_transaction_read_only%3Don"),
            &["[25006]", "default_transaction_read_only"],
        ),
        (
            format!("postgres://dormouse@127.0.0.1:{}/postgres", replica.port),
            &["[25006]", "name the primary, or all servers"],
        ),
        (two, &["does not allow writes", "promote one of them"]),
        (
            format!("postgres://dormouse@127.0.0.1:{free}/postgres"),
            &["refused", "no server listens at 127.0.0.1:", "listen_addresses"],
        ),
        (
            format!("postgres://dormouse@127.0.0.1:{free},127.0.0.1:{port}/gone"),
            &["refused", "on 127.0.0.1", "createdb --owner dormouse"],
        ),
        (
            "postgres://dormouse@/postgres?host=/nowhere".to_owned(),
            &["/nowhere/.s.PGSQL.5432", "`host=`"],
        ),
        (
            format!("postgres://dormouse@127.0.0.1:{no_server}/postgres"),
            &["`store.url` names a PostgreSQL server"],
        ),
    ];
    for (url, words) in cases {
        user.is_refused(url, words);
    }
}

#[test]
fn errors_of_a_pooler_are_explained() {
    let Some(server) = or_skip(Own::start("", "")) else { return };
    let Some(pool) = or_skip(Pool::start(&server, 2)) else { return };
    let user = User::new();
    let at = |database: &str, more: &str| {
        format!("postgres://dormouse@127.0.0.1:{}/{database}?{more}", pool.port)
    };
    user.is_refused(&at("gone", ""), &["[08P01]", "add gone to the databases in pgbouncer.ini"]);
    let options = at("postgres", "options=-csearch_path%3Dpublic");
    user.is_refused(&options, &["unsupported startup parameter", "ignore_startup_parameters"]);
    server.crash().unwrap();
    user.is_refused(&at("postgres", ""), &["nothing is lost", "the server behind it"]);
}

/// A stopped postmaster, which continues when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(server: &Own) -> Stopped {
        let text = fs::read_to_string(server.data().join("postmaster.pid")).unwrap();
        let pid = Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

/// The kernel accepts connections for it, but nobody answers.
#[test]
fn a_server_that_is_stopped_holds_up_neither_intake_nor_the_queues_for_long() {
    let Some(server) = or_skip(Own::start("", "")) else { return };
    let url = format!("postgres://dormouse@127.0.0.1:{}/postgres", server.port);
    let host = TestSite::on(DORMOUSE, &url);
    host.plain_list("dev", &["anna@example.org"]);
    let post = |subject: &str| message("anna@example.org", subject, "x\n");
    host.post("dev", &post("first"));
    host.ok(&["run"]);
    let stopped = Stopped::stop(&server);
    host.post("dev", &post("second"));
    let run = host.run(&["run"]);
    assert_eq!(run.status.code(), Some(75), "{}", describe(&run));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("did not answer within 5 s"), "{said}");
    // Another server of the site is used instead.
    let free = Own::start("", "").unwrap();
    let both =
        format!("postgres://dormouse@127.0.0.1:{},127.0.0.1:{}/postgres", server.port, free.port);
    let user = User::new();
    let made = user.init(&both);
    assert!(made.status.success(), "{}", describe(&made));
    drop(stopped);
    host.ok(&["run"]);
    assert_eq!(host.maildir("anna@example.org").len(), 2);
}
