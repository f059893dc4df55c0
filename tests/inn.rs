//! A real news server, INN: posts become articles there and articles become posts, and failures in
//! between lose neither.

use dormouse_testkit::servers::{Inn, InnPrograms};
use dormouse_testkit::site::{TestSite, describe, message};
use std::process::Output;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn site(server: &Inn<'_>) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.news_list("dev", "anna@example.org", server.address());
    site
}

/// A post with the current date: a news server refuses old and future ones.
fn mail(subject: &str, body: &str) -> Vec<u8> {
    let mail = String::from_utf8(message("anna@example.org", subject, body)).unwrap();
    mail.lines()
        .filter(|line| !line.starts_with("Date:"))
        .fold(String::new(), |mail, line| mail + line + "\n")
        .into()
}

/// Runs a drain at a later time.
fn run_later(site: &TestSite, forward: &str) -> Output {
    let output = site.command(&["run"]).env("DORMOUSE_CLOCK", forward).output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    output
}

#[test]
fn posts_become_articles_and_articles_posts_each_once() {
    let Some(programs) = InnPrograms::find() else { return };
    let server = Inn::start(&programs);
    let site = site(&server);
    site.ok(&["cron", "gate_news"]);
    site.post("dev", &mail("hello", ".dot\nx\n"));
    site.ok(&["run"]);
    let articles = server.articles();
    assert_eq!(articles.len(), 1, "{articles:?}");
    for line in [
        "Newsgroups: local.dev\n",
        "X-Mailman-Original-Message-ID: <hello@test.example>\n",
        "\n\n..dot\nx\n",
    ] {
        assert!(articles[0].contains(line), "{line} in {}", articles[0]);
    }
    server.post("From: n@news.example\nSubject: from there\nNewsgroups: local.dev\n\n.x\ny\n");
    assert!(site.ok(&["cron", "gate_news"]).contains("1 article of 1 newsgroup"));
    assert!(site.ok(&["cron", "gate_news"]).contains("0 articles"));
    site.ok(&["run"]);
    let mails = site.maildir("anna@example.org");
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().any(|mail| {
        let mail = String::from_utf8_lossy(mail);
        mail.contains("Subject: from there\n") && mail.ends_with("\n\n.x\ny\n")
    }));
    assert_eq!(server.articles().len(), 2, "what came from there does not go back");
}

#[test]
fn a_server_that_pauses_or_is_away_is_tried_again() {
    let Some(programs) = InnPrograms::find() else { return };
    let mut server = Inn::start(&programs);
    let site = site(&server);
    site.ok(&["cron", "gate_news"]);
    server.ctlinnd("pause");
    site.post("dev", &mail("hello", "x\n"));
    site.ok(&["run"]);
    assert_eq!(site.files("retry", "pck").len(), 1, "it paused");
    assert_eq!(site.run(&["cron", "gate_news"]).status.code(), Some(75));
    server.ctlinnd("go");
    server.ctlinnd("throttle");
    run_later(&site, "+70");
    assert_eq!(site.files("retry", "pck").len(), 1, "it was throttled");
    server.stop();
    run_later(&site, "+300");
    assert_eq!(site.files("retry", "pck").len(), 1, "it was away");
    assert_eq!(site.run(&["cron", "gate_news"]).status.code(), Some(75));
    server.start_again();
    run_later(&site, "+1000");
    assert_eq!(server.articles().len(), 1);
    assert_eq!(site.files("retry", "pck").len() + site.files("shunt", "pck").len(), 0);
}

#[test]
fn mail_is_converted_to_an_article() {
    let Some(programs) = InnPrograms::find() else { return };
    let server = Inn::start(&programs);
    let site = site(&server);
    let long = (0..60).map(|n| format!("<{n}@long.host.name.example>")).collect::<Vec<_>>();
    for (subject, field) in [
        ("empty", b"X-Empty:\n".to_vec()),
        ("tight", b"X-Tight:value\n".to_vec()),
        ("blank", b"X-Blank: one\n \n two\n".to_vec()),
        ("latin1", b"X-Latin: caf\xe9\n".to_vec()),
        ("control", b"X-Control: a\x01b\x7fc\n".to_vec()),
        ("long", format!("References: {}\n", long.join(" ")).into_bytes()),
        ("wide", format!("X-Wide: {}\n", "x".repeat(1200)).into_bytes()),
        ("twice", b"Cc: a@b.example\nCc: c@d.example\n".to_vec()),
        ("cancel", b"Control: cancel <x@test.example>\n".to_vec()),
        (
            "traced",
            b"Injection-Info: there\nInjection-Date: Mon, 23 Nov 2020 10:00:00 +0000\n".to_vec(),
        ),
        ("old", b"See-Also: x\nAlso-Control: cancel <x@test.example>\nRelay-Version: 1\n".to_vec()),
    ] {
        site.post("dev", &[field, mail(subject, "x\n")].concat());
    }
    site.ok(&["run"]);
    let shunted = site.ok(&["queue", "ls", "shunt", "--json"]);
    let articles = server.articles();
    assert_eq!(articles.len(), 11, "{shunted}");
    assert!(!articles.iter().any(|article| article.contains("\nControl:")));
}
