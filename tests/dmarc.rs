//! What senders' domains ask of lists, looked up and kept (docs/spec/pipeline.md §2.1).

use dormouse_testkit::dns::NameServer;
use dormouse_testkit::site::{TestSite, describe, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const READER: &str = "reader@example.org";

/// A list as it is made, but for its prefix and footer, on a site that asks this name server.
fn site(server: &NameServer) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[READER]);
    site.ok(&["list", "set", "dev", "dmarc_moderation_action=munge"]);
    site.ok(&["config", "set", "dmarc.lookups", "yes"]);
    site.ok(&["config", "set", "dmarc.servers", &server.address().to_string()]);
    site
}

/// Posts from each address; the From headers that the reader sees, by subject.
fn froms(site: &TestSite, senders: &[&str]) -> Vec<String> {
    let before = site.maildir(READER).len();
    for (number, sender) in senders.iter().enumerate() {
        site.post("dev", &message(sender, &format!("n{number}"), "x\n"));
    }
    site.ok(&["run"]);
    let mut mails: Vec<(String, String)> = site.maildir(READER)[before..]
        .iter()
        .map(|mail| {
            let mail = dormouse_mail::Message::parse(mail.clone());
            (mail.text("Subject").unwrap(), mail.text("From").unwrap())
        })
        .collect();
    mails.sort();
    mails.into_iter().map(|(_, from)| from).collect()
}

#[test]
fn a_new_list_changes_from_only_where_the_senders_domain_asks_for_it() {
    let server = NameServer::start();
    server.txt("_dmarc.reject.example", "v=DMARC1; p=reject; sp=none", 3600);
    server.txt("_dmarc.below.example", "v=DMARC1; p=none; sp=quarantine", 3600);
    server.txt("_dmarc.monitor.example", "v=DMARC1; p=none", 3600);
    server.txt("_dmarc.two.example", "v=DMARC1; p=reject", 3600);
    server.txt("_dmarc.two.example", "v=DMARC1; p=reject", 3600);
    server.txt("_dmarc.strange.example", "V=DMARC1; p=reject", 3600);
    server.alias("_dmarc.alias.example", "_dmarc.reject.example");
    server.failing("_dmarc.broken.example");
    let site = site(&server);
    let cases = [
        ("a@reject.example", true),
        ("a@Sub.REJECT.example", false),
        ("a@below.example", false),
        ("a@x.y.below.example", true),
        ("a@monitor.example", false),
        ("a@two.example", false),
        ("a@strange.example", false),
        ("a@alias.example", true),
        ("a@nothing.example", false),
        // Not known: mitigated, as dmarc.on_failure says.
        ("a@broken.example", true),
    ];
    let senders: Vec<&str> = cases.iter().map(|(sender, _)| *sender).collect();
    let seen = froms(&site, &senders);
    for ((sender, munged), from) in cases.iter().zip(&seen) {
        let expected = match munged {
            true => format!(
                "\"{} via Dev\" <dev@lists.example.org>",
                sender.replace(&sender[sender.find('@').unwrap()..], "---")
            ),
            false => (*sender).to_owned(),
        };
        assert_eq!(from.replace('"', ""), expected.replace('"', ""), "{sender}");
    }

    // What would happen can be asked before.
    let rehearsal =
        site.feed(&["post", "--dry-run", "dev"], &message("a@reject.example", "n", "x\n"));
    let said = String::from_utf8_lossy(&rehearsal.stdout).into_owned();
    let expected = "From would contain the list's address, by dmarc_moderation_action = munge, because the DMARC policy of its domain is reject\n";
    assert!(said.contains(expected), "{said}");

    // Another process asks nobody as long as the answers are good.
    let asked = server.asked().len();
    assert_eq!(froms(&site, &senders), seen);
    assert_eq!(server.asked().len(), asked);

    // New answers when the old ones are not good any more.
    site.post("dev", &message("a@reject.example", "later", "x\n"));
    let later = site.command(&["run"]).env("DORMOUSE_CLOCK", "+3700").output().unwrap();
    assert!(later.status.success(), "{}", describe(&later));
    assert!(server.asked()[asked..].contains(&"_dmarc.reject.example".to_owned()));
}

#[test]
fn a_name_server_that_does_not_answer_holds_nothing_up_and_its_silence_is_reported() {
    let server = NameServer::silent();
    let site = site(&server);
    site.ok(&["config", "set", "dmarc.timeout", "200ms"]);
    site.ok(&["config", "set", "dmarc.on_failure", "accept"]);
    site.post("dev", &message("a@slow.example", "n", "x\n"));
    let run = site.run(&["run"]);
    let log = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success() && log.contains("DMARC policy for a@slow.example is not known"),
        "{log}"
    );
    assert!(site.maildir(READER)[0].windows(22).any(|text| text == b"\nFrom: a@slow.example\n"));
    // Neither the owners' mail nor lists that do not care ask anybody.
    let asked = server.asked().len();
    site.ok(&["list", "set", "dev", "dmarc_moderation_action=accept"]);
    site.post("dev", &message("a@other.example", "n", "x\n"));
    site.feed(&["deliver", "dev-owner@lists.example.org"], &message("a@third.example", "n", "x\n"));
    site.ok(&["run"]);
    assert_eq!(server.asked().len(), asked);
}
