//! Policies of senders' domains are looked up and cached (docs/spec/pipeline.md §2.1).

use dormouse_testkit::dns::NameServer;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const READER: &str = "reader@example.org";

/// Creates a list with default settings, except for prefix and footer, on a site that uses this
/// name server.
fn site(server: &NameServer) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[READER]);
    site.ok(&["list", "set", "dev", "dmarc_moderation_action=munge"]);
    site.ok(&["config", "set", "dmarc.lookups", "yes"]);
    site.ok(&["config", "set", "dmarc.servers", &server.address().to_string()]);
    site
}

/// Posts from each address, and returns the From headers that the reader sees, by subject.
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
        // Unknown: mitigated, as dmarc.on_failure says.
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

    // `post --dry-run` shows what would happen.
    let rehearsal =
        site.feed(&["post", "--dry-run", "dev"], &message("a@reject.example", "n", "x\n"));
    let said = String::from_utf8_lossy(&rehearsal.stdout).into_owned();
    let expected = "From would contain the list's address, by dmarc_moderation_action = munge, because the DMARC policy of its domain is reject\n";
    assert!(said.contains(expected), "{said}");

    // Another process does no lookups as long as the answers are valid.
    let asked = server.asked().len();
    assert_eq!(froms(&site, &senders), seen);
    assert_eq!(server.asked().len(), asked);

    // New lookups are done when the old answers have expired.
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
    // Owners' mail and lists that do not need policies cause no lookups.
    let asked = server.asked().len();
    site.ok(&["list", "set", "dev", "dmarc_moderation_action=accept"]);
    site.post("dev", &message("a@other.example", "n", "x\n"));
    site.feed(&["deliver", "dev-owner@lists.example.org"], &message("a@third.example", "n", "x\n"));
    site.ok(&["run"]);
    assert_eq!(server.asked().len(), asked);
}

/// Returns From as each recipient sees it, by address.
fn seen_by(sink: &Sink) -> Vec<(String, String)> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for message in sink.messages() {
        let from = dormouse_mail::Message::parse(message.data).text("From").unwrap();
        seen.extend(message.recipients.into_iter().map(|recipient| (recipient, from.clone())));
    }
    seen.sort();
    seen
}

/// Creates a list with members at four domains, two of which enforce policies.
fn two_kinds_of_receivers(server: &NameServer, members: usize) -> (TestSite, Sink) {
    let sink = Sink::builder().start();
    let site = site(server);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "dmarc.enforcing_receivers", "Strict.example, *.strict.example"]);
    site.ok(&["member", "rm", "dev", READER, "--goodbye", "no"]);
    let at = ["strict.example", "mx.strict.example", "lax.example", "notstrict.example"];
    let members: Vec<String> =
        (0..members).map(|number| format!("m{number}@{}", at[number % at.len()])).collect();
    let add = ["member", "add", "dev", "--welcome", "no", "--file", "-"];
    assert!(site.feed(&add, members.join("\n").as_bytes()).status.success());
    (site, sink)
}

#[test]
fn from_names_the_list_only_where_receivers_enforce_policies_and_in_two_versions() {
    let server = NameServer::start();
    server.txt("_dmarc.reject.example", "v=DMARC1; p=reject", 3600);
    // A few recipients are in the entry; many are a rule for the database.
    for members in [8, 1_200] {
        for settings in [
            &["subject_prefix=[dev] "][..],
            &["dmarc_moderation_action=wrap"],
            &["reply_goes_to_list=1"],
        ] {
            let (site, sink) = two_kinds_of_receivers(&server, members);
            site.ok(&[&["list", "set", "dev"], settings].concat());
            site.post("dev", &message("anna@reject.example", "n", "x\n"));
            site.ok(&["run"]);
            let seen = seen_by(&sink);
            assert_eq!(seen.len(), members, "each gets one");
            for (recipient, from) in &seen {
                let is_munged = from.contains("<dev@lists.example.org>");
                let is_there = recipient.ends_with("@strict.example")
                    || recipient.ends_with(".strict.example");
                assert_eq!(is_munged, is_there, "{recipient}: {from}");
                assert!(is_munged || from == "anna@reject.example");
            }
            let most = if members == 8 { 2 } else { 4 };
            assert!(sink.messages().len() <= most, "{} transactions", sink.messages().len());
            let kept =
                sink.messages().into_iter().find(|one| one.recipients[0].ends_with("lax.example"));
            let kept = dormouse_mail::Message::parse(kept.unwrap().data);
            assert!(kept.has("List-Id") && !kept.has("X-Mailman-Copy"));
            assert!(
                !kept.text("Reply-To").unwrap_or_default().contains("anna@reject.example"),
                "nothing hides the author"
            );
            assert_eq!(
                kept.text("Subject").unwrap(),
                if settings[0].starts_with("subject") { "[dev] n" } else { "n" }
            );
        }
    }
}

#[test]
fn what_the_list_asks_for_and_what_no_policy_forbids_is_one_version() {
    let server = NameServer::start();
    server.txt("_dmarc.reject.example", "v=DMARC1; p=reject", 3600);
    for (settings, sender, is_munged) in [
        (&["from_is_list=munge"][..], "anna@reject.example", true),
        (&["dmarc_moderation_addresses=anna@reject.example"], "anna@reject.example", true),
        (&[], "anna@nothing.example", false),
    ] {
        let (site, sink) = two_kinds_of_receivers(&server, 8);
        if !settings.is_empty() {
            site.ok(&[&["list", "set", "dev"], settings].concat());
        }
        site.post("dev", &message(sender, "n", "x\n"));
        site.ok(&["run"]);
        assert_eq!((sink.messages().len(), seen_by(&sink).len()), (1, 8));
        assert!(
            seen_by(&sink).iter().all(|(_, from)| from.contains("lists.example.org") == is_munged)
        );
    }
    // No member is at such a receiver; `post --dry-run` shows it, too.
    let (site, sink) = two_kinds_of_receivers(&server, 8);
    let said =
        site.feed(&["post", "--dry-run", "dev"], &message("anna@reject.example", "n", "x\n"));
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("only for recipients at dmarc.enforcing_receivers")
            && said.contains("8 recipients"),
        "{said}"
    );
    site.ok(&["config", "set", "dmarc.enforcing_receivers", "elsewhere.example"]);
    site.post("dev", &message("anna@reject.example", "n", "x\n"));
    site.ok(&["run"]);
    assert_eq!(sink.messages().len(), 1);
    assert!(seen_by(&sink).iter().all(|(_, from)| from == "anna@reject.example"));
}
