//! Posts become articles, and articles become posts.

use dormouse_testkit::news::NewsServer;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::waiting::{go_on, until_stopped};
use std::sync::atomic::{AtomicU32, Ordering};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn site(server: &NewsServer) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.news_list("dev", "anna@example.org", server.address());
    site
}

fn post(site: &TestSite, subject: &str) {
    site.post("dev", &message("anna@example.org", subject, ".dot\nx\n"));
}

/// Returns what is left in the queues.
fn left(site: &TestSite) -> Vec<String> {
    let queues = ["in", "news", "out", "retry", "shunt", "bad"];
    queues
        .iter()
        .flat_map(|queue| {
            files_in(&site.queue(queue)).into_iter().map(move |file| format!("{queue}/{file}"))
        })
        .collect()
}

#[test]
fn a_post_reaches_the_newsgroup_and_the_members() {
    let server = NewsServer::start(|_| None);
    let site = site(&server);
    post(&site, "hello");
    site.ok(&["run"]);
    assert_eq!(left(&site), [""; 0]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    let articles = server.articles();
    assert_eq!(articles.len(), 1);
    for line in [
        "Newsgroups: local.dev\n",
        "X-Mailman-Original-Message-ID: <hello@test.example>\n",
        "\n\n.dot\nx\n",
    ] {
        assert!(articles[0].contains(line), "{line} in {}", articles[0]);
    }
    let trace = site.ok(&["trace", "<hello@test.example>"]);
    assert!(trace.contains("local.dev"), "{trace}");
}

#[test]
fn an_article_that_was_taken_before_the_answer_was_lost_is_posted_once() {
    let cut = AtomicU32::new(0);
    let server = NewsServer::start(move |line| {
        (line == "." && cut.fetch_add(1, Ordering::Relaxed) == 0).then(String::new)
    });
    let site = site(&server);
    post(&site, "hello");
    site.ok(&["run"]);
    assert_eq!(site.files("retry", "pck").len(), 1, "the server is tried again");
    let output = site.command(&["run"]).env("DORMOUSE_CLOCK", "+70").output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(left(&site), [""; 0]);
    assert_eq!(server.articles().len(), 1);
    assert!(server.commands().iter().any(|command| command.starts_with("STAT <mailman.")));
}

#[test]
fn a_worker_does_not_wait_for_a_connection_that_the_drain_keeps() {
    let server = NewsServer::one_at_a_time();
    let site = site(&server);
    post(&site, "one");
    site.ok(&["run", "--queue", "in"]);
    let mut news = site.command(&["run", "--queue", "news"]);
    assert!(!news.env("DORMOUSE_FAULT", "claim.renamed").status().unwrap().success());
    // The drain itself posts suspects, workers post the others.
    let mut news = site.command(&["run", "--queue", "news"]);
    let mut news = news.env("DORMOUSE_STOP", "claim.finished").spawn().unwrap();
    until_stopped(&news);
    assert_eq!(server.articles().len(), 1);
    post(&site, "two");
    site.ok(&["run", "--queue", "in"]);
    go_on(&news);
    assert!(news.wait().unwrap().success());
    assert_eq!(server.articles().len(), 2);
}

#[test]
fn a_temporary_failure_is_retried_and_a_permanent_one_reported() {
    let answers = AtomicU32::new(0);
    let server = NewsServer::start(move |line| match line {
        "POST" if answers.fetch_add(1, Ordering::Relaxed) < 2 => {
            Some("400 closing for a while".to_owned())
        }
        "." => Some("441 no such group".to_owned()),
        _ => None,
    });
    let site = site(&server);
    post(&site, "hello");
    site.ok(&["run"]);
    for forward in ["+70", "+300"] {
        assert_eq!(site.files("retry", "pck").len(), 1, "{:?}", left(&site));
        let output = site.command(&["run"]).env("DORMOUSE_CLOCK", forward).output().unwrap();
        assert!(output.status.success(), "{}", describe(&output));
    }
    let shunted = site.ok(&["queue", "ls", "shunt", "--json"]);
    assert!(shunted.contains("441 no such group"), "{shunted}");
    assert!(site.ok(&["status"]).contains("441 no such group"));
}

#[test]
fn who_we_are_is_said_when_it_is_asked_for() {
    let server = NewsServer::with_account("lists", "secret");
    let site = site(&server);
    site.ok(&["config", "set", "news.user", "lists"]);
    site.ok(&["config", "set", "news.password_file", "news.password"]);
    std::fs::write(site.dir().join("news.password"), "secret\n").unwrap();
    post(&site, "hello");
    site.ok(&["run"]);
    assert_eq!((left(&site), server.articles().len()), (vec![], 1));
}

#[test]
fn new_articles_become_posts_once_and_those_of_the_list_do_not() {
    let server = NewsServer::start(|_| None);
    let site = site(&server);
    let article = |subject: &str, more: &str| {
        server.add(&format!(
            "From: n@news.example\nSubject: {subject}\nNewsgroups: local.dev\n{more}\n.x\ny\n"
        ));
    };
    article("before the gateway", "");
    site.ok(&["cron", "gate_news"]);
    article("one", "To: someone@else.example\n");
    server.add_gone();
    article("own", "X-BeenThere: dev@lists.example.org\n");
    article("two", "");
    assert!(site.ok(&["cron", "gate_news"]).contains("2 articles of 1 newsgroup passed on"));
    assert!(site.ok(&["cron", "gate_news"]).contains("0 articles"));
    site.ok(&["run"]);
    assert_eq!(left(&site), [""; 0]);
    let mails: Vec<String> = site
        .maildir("anna@example.org")
        .iter()
        .map(|mail| String::from_utf8_lossy(mail).into_owned())
        .collect();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails.iter().any(|mail| mail.contains("X-Originally-To: someone@else.example\n")));
    assert!(
        mails.iter().all(
            |mail| mail.contains("\n\n.x\ny\n") && mail.contains("To: dev@lists.example.org\n")
        )
    );
    assert_eq!(server.articles().len(), 5, "what came from there does not go back");
}

#[test]
fn an_interrupted_gateway_continues_where_it_stopped() {
    let broken = AtomicU32::new(0);
    let server = NewsServer::start(move |line| {
        (line == "BODY 3" && broken.fetch_add(1, Ordering::Relaxed) == 0).then(String::new)
    });
    let site = site(&server);
    site.ok(&["cron", "gate_news"]);
    for number in 1..=4 {
        server.add(&format!("From: n@news.example\nSubject: article{number}\n\nx\n"));
    }
    let output = site.run(&["cron", "gate_news"]);
    assert_eq!(output.status.code(), Some(75), "{}", describe(&output));
    assert_eq!(site.files("in", "pck").len(), 2);
    site.ok(&["cron", "gate_news"]);
    assert_eq!(site.files("in", "pck").len(), 4);
}

#[test]
fn what_waits_for_a_news_server_goes_back_to_it_and_to_nobody_else() {
    let refuse = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let refusing = std::sync::Arc::clone(&refuse);
    let server = NewsServer::start(move |line| {
        let refuses = line == "." && refusing.load(Ordering::Relaxed);
        refuses.then(|| "436 try again later".to_owned())
    });
    let site = site(&server);
    post(&site, "hello");
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
    let waiting = site.ok(&["queue", "ls", "retry"]);
    assert!(waiting.contains("436"), "why it waits: {waiting}");
    let said = site.ok(&["queue", "retry", "--all", "retry"]);
    assert!(said.contains("was moved back to news"), "{said}");
    assert_eq!((site.files("news", "pck").len(), site.files("out", "pck").len()), (1, 0));
    refuse.store(false, Ordering::Relaxed);
    site.ok(&["run"]);
    assert_eq!(left(&site), [""; 0]);
    assert_eq!(server.articles().len(), 1);
    assert_eq!(site.maildir("anna@example.org").len(), 1, "nobody gets it twice");
}

#[test]
fn an_article_that_was_set_aside_goes_back_to_the_news_queue() {
    let server = NewsServer::start(|_| None);
    let site = site(&server);
    post(&site, "hello");
    site.ok(&["run", "--queue", "in"]);
    site.ok(&["list", "set", "dev", "linked_newsgroup="]);
    site.ok(&["run"]);
    assert_eq!(site.files("shunt", "pck").len(), 1);
    site.ok(&["list", "set", "dev", "linked_newsgroup=local.dev"]);
    let said = site.ok(&["queue", "retry", "--all", "shunt"]);
    assert!(said.contains("was moved back to news"), "{said}");
    site.ok(&["run"]);
    assert_eq!(left(&site), [""; 0]);
    assert_eq!(server.articles().len(), 1);
    assert_eq!(site.maildir("anna@example.org").len(), 1);
}
