//! Connections to the server: TLS, passwords, a pool in between.

use super::{DORMOUSE, subjects};
use dormouse_testkit::sink::Certificate;
use dormouse_testkit::site::{TestSite, describe, message};
use std::collections::HashSet;
use std::process::{Command, Output};
use tempfile::TempDir;
use throwaway_postgres::{Own, Pool};

const ANNA: &str = "anna@example.org";

pub(super) fn or_skip<T>(made: Result<T, String>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(problem) if problem.starts_with("install") => {
            skipped::skip(&problem);
            None
        }
        Err(problem) => panic!("{problem}"),
    }
}

/// The server requires TLS and a password.
#[test]
fn a_server_is_reached_with_tls_and_a_password_that_is_not_in_the_settings() {
    let access = "hostssl lists lists 127.0.0.1/32 scram-sha-256\nhost lists all all reject";
    let Some(server) = or_skip(Own::start("", access)) else { return };
    let certificate = Certificate::for_localhost();
    server.give("data/server.crt", certificate.pem().as_bytes()).unwrap();
    server.give("data/server.key", certificate.key_pem().as_bytes()).unwrap();
    for statement in [
        "alter system set ssl = on",
        "select pg_reload_conf()",
        "create role lists login password 'se:cret'",
        "create database lists owner lists",
    ] {
        server.sql(statement).unwrap();
    }
    let home = TempDir::new().unwrap();
    let path = |name: &str| home.path().join(name);
    std::fs::write(path("ca.pem"), certificate.pem()).unwrap();
    std::fs::write(path("pass"), "*:*:lists:lists:se\\:cret\n").unwrap();
    std::fs::write(path("store-password"), "se:cret\n").unwrap();
    let ca = format!("sslrootcert={}", path("ca.pem").display());
    let url = |host: &str, mode: &str| {
        format!("postgres://lists@{host}:{}/lists?sslmode={mode}&{ca}", server.port)
    };
    let init = |dir: &str, url: &str, credentials: bool| -> Output {
        let mut init = Command::new(DORMOUSE);
        init.arg("--site").arg(path(dir)).args(["init", "--host", "lists.example.org", "--store"]);
        init.arg(url).env_remove("CREDENTIALS_DIRECTORY");
        if credentials {
            init.env("CREDENTIALS_DIRECTORY", home.path());
        }
        init.output().unwrap()
    };
    let without_ca =
        format!("postgres://lists@localhost:{}/lists?sslmode=verify-full", server.port);
    for (wrong, credentials) in [
        (url("localhost", "verify-full"), false),
        (url("localhost", "disable"), true),
        (without_ca, true),
    ] {
        let refused = init("none", &wrong, credentials);
        assert_eq!(refused.status.code(), Some(75), "{wrong}: {}", describe(&refused));
        assert!(!path("none/dormouse.toml").exists());
    }
    let made = init("one", &url("localhost", "verify-full"), true);
    assert!(made.status.success(), "{}", describe(&made));
    let with_file = format!("{}&passfile={}", url("127.0.0.1", "require"), path("pass").display());
    let joined = init("two", &with_file, false);
    assert!(joined.status.success(), "{}", describe(&joined));
    assert!(String::from_utf8_lossy(&joined.stdout).contains("joined the site"));
    let shown = String::from_utf8_lossy(&joined.stdout).into_owned();
    assert!(!shown.contains("cret"), "{shown}");
    // The password is in a file named by the settings.
    let two = |args: &[&str]| {
        let mut command = Command::new(DORMOUSE);
        command.arg("--site").arg(path("two")).args(args).env_remove("CREDENTIALS_DIRECTORY");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    two(&["config", "set", "store.password_file", &path("store-password").display().to_string()]);
    two(&["config", "set", "store.url", &url("localhost", "verify-full")]);
    two(&["list", "create", "dev", "--owner", "owner@example.org", "--quiet"]);
    assert!(two(&["list", "ls"]).contains("dev"));
    let encrypted = server.sql("select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'lists'");
    assert_ne!(encrypted.unwrap().trim(), "f");
}

/// Nothing depends on a session: two connections serve many processes, in any order.
#[test]
fn a_pool_in_transaction_mode_may_stand_between() {
    const POSTS: usize = 15;
    let Some(server) = or_skip(Own::start("", "")) else { return };
    let Some(pool) = or_skip(Pool::start(&server, 2)) else { return };
    let url = format!("postgres://dormouse@127.0.0.1:{}/postgres", pool.port);
    let hosts = [TestSite::on(DORMOUSE, &url), TestSite::on(DORMOUSE, &url)];
    hosts[0].plain_list("dev", &[ANNA]);
    hosts[0].ok(&["list", "set", "dev", "subject_prefix=[dev %d] "]);
    std::thread::scope(|scope| {
        for (name, host) in ["one", "two"].into_iter().zip(&hosts) {
            scope.spawn(move || {
                for number in 0..POSTS {
                    host.post("dev", &message(ANNA, &format!("{name}{number}"), "x\n"));
                    if number % 5 == 4 {
                        host.ok(&["run"]);
                    }
                }
            });
        }
        scope.spawn(|| {
            for number in 0..10 {
                hosts[1].ok(&["member", "add", "dev", &format!("m{number}@example.org")]);
                hosts[0].ok(&["member", "ls", "dev"]);
            }
        });
    });
    let all = [subjects(&hosts[0], ANNA), subjects(&hosts[1], ANNA)].concat();
    let posts: Vec<&String> = all.iter().filter(|subject| subject.starts_with("[dev ")).collect();
    let numbers: HashSet<&str> =
        posts.iter().map(|subject| subject.split(']').next().unwrap()).collect();
    assert_eq!((posts.len(), numbers.len()), (2 * POSTS, 2 * POSTS), "{all:?}");
    assert_eq!(hosts[0].ok(&["member", "ls", "dev"]).lines().count(), 11);
}
