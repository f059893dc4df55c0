//! Shared by the tests of mail servers: a site, and what must happen to mail.

use dormouse_testkit::servers::{Account, Mta};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};

/// The page with the configuration of mail servers.
pub const PAGE: &str = "installing.md";

const SENDER: &str = "anna@example.org";

/// A site with the list `dev`, which belongs to the user `list`, as on Debian.
pub fn site(owner: &Account) -> TestSite {
    let mut site = TestSite::new(env!("CARGO_BIN_EXE_dormouse"));
    site.plain_list("dev", &[SENDER, "bert@example.net", "gone@example.net"]);
    site.ok(&["config", "set", "delivery.verp_interval", "1"]);
    site.give_to(owner);
    site
}

/// A sink for all other hosts, which refuses one recipient.
pub fn sink() -> Sink {
    Sink::builder()
        .reply(|event| {
            let refused = event.recipient()? == "gone@example.net";
            refused.then(|| "550 5.1.1 no such user".to_owned())
        })
        .start()
}

/// Delivers a mail through the MTA, and returns its queue entry with the metadata.
fn entry(site: &TestSite, mta: &dyn Mta, sender: &str, address: &str, queue: &str) -> String {
    let before = site.files(queue, "pck");
    let answer = mta.bring(sender, address, &message(SENDER, "x", "x\n"));
    assert!(answer.starts_with("250"), "{address}: {answer}\n{}", mta.log());
    let new = || site.files(queue, "pck").into_iter().find(|file| !before.contains(file));
    mta.eventually(address, &|| new().is_some());
    let name = new().unwrap();
    site.ok(&["queue", "show", &format!("{queue}/{}", name.trim_end_matches(".pck"))])
}

/// Each address of the list leads to its queue, and the part after a plus is not lost.
pub fn each_address_leads_to_its_queue(site: &TestSite, mta: &dyn Mta, host: &str) {
    for (suffix, queue) in [
        ("", "in"),
        ("-owner", "in"),
        ("-request", "commands"),
        ("-join", "commands"),
        ("-subscribe", "commands"),
        ("-leave", "commands"),
        ("-unsubscribe", "commands"),
        ("-confirm", "commands"),
        ("-confirm+0123abcd", "commands"),
        ("-admin", "bounces"),
        ("-bounces", "bounces"),
        ("-bounces+bert=example.net", "bounces"),
    ] {
        let address = format!("dev{suffix}@{host}");
        let entry = entry(site, mta, SENDER, &address, queue);
        let recipient = line(&entry, "envelope_recipient");
        let local = recipient.split('@').next().unwrap();
        // Commands for single addresses get only the part after a plus.
        assert!(local == "dev" || local == format!("dev{suffix}"), "{address}: {entry}");
        assert!(!suffix.contains('+') || recipient.contains(suffix), "{address}: {entry}");
        assert_eq!(line(&entry, "envelope_sender"), SENDER, "{address}");
    }
}

/// The null sender is passed, so that bounces get no reply.
pub fn a_null_sender_is_told(site: &TestSite, mta: &dyn Mta) {
    let entry = entry(site, mta, "", "dev-request@lists.example.org", "commands");
    assert_eq!(line(&entry, "envelope_sender"), "", "{entry}");
}

fn line<'e>(entry: &'e str, key: &str) -> &'e str {
    let start = format!("# {key}: ");
    let found = entry.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_else(|| panic!("no {key} in {entry}"))
}

/// An address is refused before its mail is accepted.
pub fn is_refused(mta: &dyn Mta, address: &str) {
    let answer = mta.bring(SENDER, address, b"x");
    assert!(answer.starts_with("550"), "{address}: {answer}");
}

/// A post reaches the members, and the bounce of one of them comes back to its VERP address.
pub fn a_post_goes_round(site: &TestSite, sink: &Sink, mta: &dyn Mta) {
    site.ok(&["config", "set", "delivery.url", &mta.url()]);
    let answer = mta.bring(SENDER, "dev@lists.example.org", &message(SENDER, "round", "x\n"));
    assert!(answer.starts_with("250"), "{answer}");
    let senders = || {
        let mut senders: Vec<String> = sink
            .messages()
            .into_iter()
            .filter(|mail| String::from_utf8_lossy(&mail.data).contains("Subject: round\r\n"))
            .map(|mail| mail.sender)
            .collect();
        senders.sort();
        senders
    };
    mta.eventually("both members", &|| {
        site.run(&["run"]);
        senders().len() >= 2
    });
    mta.eventually("the bounce", &|| {
        site.run(&["run"]);
        let bounces = site.ok(&["member", "bounces", "dev", "--json"]);
        bounces.contains("gone@example.net") && bounces.contains("5.1.1")
    });
    assert_eq!(
        senders(),
        [
            "dev-bounces+anna=example.org@lists.example.org",
            "dev-bounces+bert=example.net@lists.example.org"
        ]
    );
}
