//! The same confirmation or decision on two hosts at the same time: one of them does it, and the other one
//! says that it was done.

use super::{subjects, two_hosts};
use dormouse_testkit::server::Server;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use std::process::Output;

/// All mails to an address, each as text on one line.
fn mails(hosts: [&TestSite; 2], address: &str) -> Vec<String> {
    let mails = hosts.into_iter().flat_map(|host| host.maildir(address));
    mails
        .map(|mail| {
            let text = String::from_utf8_lossy(&mail).into_owned();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// Runs something on both hosts at the same time.
fn at_once<T: Send>(hosts: [&TestSite; 2], work: impl Fn(&TestSite) -> T + Sync) -> [T; 2] {
    std::thread::scope(|scope| {
        let work = &work;
        let other = scope.spawn(move || work(hosts[1]));
        let one = work(hosts[0]);
        [one, other.join().unwrap()]
    })
}

fn is_idle(hosts: [&TestSite; 2]) {
    for host in hosts {
        for queue in ["in", "commands", "virgin", "out", "retry", "shunt", "bad"] {
            assert_eq!(files_in(&host.queue(queue)), Vec::<String>::new(), "{queue}");
        }
    }
}

#[test]
fn a_token_that_comes_back_to_two_hosts_by_mail_works_once() {
    let Some((one, two, _)) = two_hosts() else { return };
    let hosts = [&one, &two];
    one.plain_list("dev", &[]);
    one.ok(&["list", "set", "dev", "send_welcome_msg=yes", "subscribe_policy=confirm"]);
    for round in 0..4 {
        let address = format!("new{round}@example.net");
        let join =
            one.feed(&["deliver", "dev-join@lists.example.org"], &message(&address, "join", ""));
        assert!(join.status.success(), "{}", describe(&join));
        one.ok(&["run"]);
        let question = mails(hosts, &address);
        let [question] = &question[..] else { panic!("{question:?}") };
        let cookie = question.split("Subject: confirm ").nth(1).unwrap();
        let cookie = cookie.split_whitespace().next().unwrap();
        let confirm = format!("dev-confirm+{cookie}@lists.example.org");
        for host in hosts {
            let reply =
                host.feed(&["deliver", &confirm], &message(&address, "Re: confirm", "ok\n"));
            assert!(reply.status.success(), "{}", describe(&reply));
        }
        at_once(hosts, |host| host.ok(&["run"]));
        at_once(hosts, |host| host.ok(&["run"]));
        is_idle(hosts);
        let mails = mails(hosts, &address);
        let count = |text: &str| mails.iter().filter(|mail| mail.contains(text)).count();
        assert_eq!(count("Welcome to"), 1, "{mails:#?}");
        assert_eq!(count("This was used before"), 1, "the other one is told: {mails:#?}");
        let members = one.ok(&["member", "ls", "dev"]);
        assert_eq!(members.lines().filter(|line| *line == address).count(), 1, "{members}");
    }
}

/// The link of a held post of a new list.
fn held(host: &TestSite, list: &str) -> String {
    host.plain_list(list, &["anna@example.org"]);
    host.ok(&["list", "set", list, "emergency=yes"]);
    host.post(list, &message("anna@example.org", &format!("held in {list}"), "x\n"));
    host.ok(&["run"]);
    let shown = host.ok(&["held", "ls", list, "--json"]);
    let held: serde_json::Value = serde_json::from_str(&shown).unwrap();
    held[0]["id"].to_string()
}

fn is_sent_once(hosts: [&TestSite; 2], list: &str) {
    at_once(hosts, |host| host.ok(&["run"]));
    is_idle(hosts);
    let all = hosts.map(|host| subjects(host, "anna@example.org")).concat();
    let times = all.iter().filter(|subject| **subject == format!("held in {list}")).count();
    assert_eq!(times, 1, "{all:?}");
}

#[test]
fn a_post_that_is_approved_on_two_hosts_pages_is_sent_once() {
    let Some((one, two, _)) = two_hosts() else { return };
    let hosts = [&one, &two];
    for host in hosts {
        host.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    }
    for list in ["web0", "web1", "web2"] {
        let id = held(&one, list);
        let shown = one.ok(&["held", "link", list, &id]);
        let at = shown.find("/mailman/held/").unwrap();
        let link = shown[at..].split_whitespace().next().unwrap();
        let pages = at_once(hosts, |host| Server::start(host).post(link, "decision=approve"));
        let done = pages.iter().filter(|page| page.starts_with("HTTP/1.1 200")).count();
        let told = pages.iter().filter(|page| page.starts_with("HTTP/1.1 410")).count();
        assert_eq!((done, told), (1, 1), "{pages:#?}");
        assert!(pages.iter().any(|page| page.contains("Already decided")), "{pages:#?}");
        is_sent_once(hosts, list);
    }
}

#[test]
fn a_post_that_is_approved_by_commands_on_two_hosts_is_sent_once() {
    let Some((one, two, _)) = two_hosts() else { return };
    let hosts = [&one, &two];
    for list in ["shell0", "shell1", "shell2"] {
        let id = held(&one, list);
        let said: [Output; 2] = at_once(hosts, |host| host.run(&["held", "approve", list, &id]));
        let done = said.iter().filter(|output| output.status.success()).count();
        let texts = said.each_ref().map(describe);
        assert_eq!(done, 1, "{texts:#?}");
        let told = |text: &&String| {
            text.contains("somebody else has already decided") || text.contains("is held for")
        };
        assert_eq!(texts.iter().filter(told).count(), 1, "{texts:#?}");
        is_sent_once(hosts, list);
    }
}
