//! Posts are verified when they arrive, sealed when they leave, and changed only if necessary.
//! Authors sign with an independent program, and two others verify the result.

use dormouse_auth::{Algorithm, ArcContent, Chain, Key, Keyring, Signer};
use dormouse_clock::Timestamp;
use dormouse_mail::Message;
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_store::{NewMember, Site, Store, StoreError};
use dormouse_testkit::dns::NameServer;
use dormouse_testkit::mailman3::Mailman3;
use dormouse_testkit::servers::{Rspamd, RspamdPrograms};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, describe};
use dormouse_testkit::surroundings;
use dormouse_testkit::verifiers::{Records, Verifiers};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
/// The time of the tests' signatures, in seconds since the epoch.
const THEN: u64 = 1_700_000_000;

/// Domains with keys and policies, for name servers and verifiers.
struct World {
    server: NameServer,
    records: Records,
    keys: TempDir,
    verifiers: Verifiers,
}

impl World {
    /// Returns `None`, and the test is skipped, if the other programs are missing.
    fn new() -> Option<World> {
        let verifiers = Verifiers::find()?;
        let keys = tempfile::tempdir().unwrap();
        Some(World { server: NameServer::start(), records: Records::default(), keys, verifiers })
    }

    fn publish(&mut self, name: &str, text: &str) {
        self.server.txt(name, text, 3600);
        self.records.0.insert(name.to_owned(), text.to_owned());
    }

    /// Adds a domain with this policy and a key.
    fn domain(&mut self, domain: &str, policy: &str) -> Author {
        self.publish(&format!("_dmarc.{domain}"), &format!("v=DMARC1; {policy}"));
        self.author(domain, "s1", |record| record)
    }

    /// Adds a key of a domain, whose record may be changed before it is published.
    fn author(
        &mut self,
        domain: &str,
        selector: &str,
        change: impl Fn(String) -> String,
    ) -> Author {
        let key = Key::generate(domain, selector, Algorithm::Rsa).unwrap();
        let file = Keyring::of_site(self.keys.path()).add(&key).unwrap();
        let record = change(key.record());
        if !record.is_empty() {
            self.publish(&key.name(), &record);
        }
        Author { key, file }
    }

    /// Returns the message with the author's signature.
    fn signed(&self, author: &Author, message: &str) -> String {
        self.all_signed(author, &[message.to_owned()]).remove(0)
    }

    fn all_signed(&self, author: &Author, messages: &[String]) -> Vec<String> {
        let (domain, selector) = (author.key.domain(), author.key.selector());
        let messages: Vec<Vec<u8>> =
            messages.iter().map(|message| message.clone().into_bytes()).collect();
        let signed = self.verifiers.sign(&author.file, domain, selector, &messages);
        let text = |message| String::from_utf8(message).unwrap().replace("\r\n", "\n");
        signed.into_iter().map(text).collect()
    }

    /// Creates a site that uses these name servers, with lists at a domain that signs.
    fn site(&mut self, host: &str) -> TestSite {
        let site = TestSite::new_in(DORMOUSE, &surroundings::in_memory());
        site.ok(&["config", "set", "host", host]);
        site.ok(&["config", "set", "dmarc.lookups", "yes"]);
        site.ok(&["config", "set", "dmarc.servers", &self.server.address().to_string()]);
        let zone = site.ok(&["dkim", "create", host, "--selector", "k1", "--algorithm", "rsa"]);
        for (name, text) in Records::of_zone(&zone).0 {
            self.publish(&name, &text);
        }
        site
    }
}

/// A key of an author's domain, and its file.
struct Author {
    key: Key,
    file: PathBuf,
}

/// Creates a list with default settings to which everybody may post.
fn open_list(site: &TestSite, settings: &[&str]) {
    site.ok(&["list", "create", "dev", "--owner", "owner@example.org", "--quiet"]);
    let open = ["generic_nonmember_action=accept", "require_explicit_destination=no"];
    site.ok(&[&["list", "set", "dev"], &open[..], settings].concat());
    site.ok(&["member", "add", "dev", "reader@example.org", "--welcome", "no"]);
}

fn post(from: &str, number: usize) -> String {
    format!(
        "From: {from}\nTo: dev@lists.example.org\nSubject: hello {number}\n\
         Message-ID: <{number}@test.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n\nText.\n"
    )
}

/// Returns the message as sealed by a forwarder, which found this chain.
fn sealed(forwarder: &Author, message: &str, chain: Chain) -> String {
    let results = vec!["dkim=none".to_owned()];
    let found = ArcContent { authserv_id: "forwarder.example".to_owned(), results, chain };
    let seal =
        Signer::new(message.as_bytes()).seal(&forwarder.key, b"", &found, THEN).unwrap().unwrap();
    format!("{}{message}", seal.replace("\r\n", "\n"))
}

/// Posts to `dev` and returns what the reader got.
fn arrives(site: &TestSite, message: &str) -> Vec<u8> {
    let before = site.maildir("reader@example.org").len();
    site.post("dev", message.as_bytes());
    site.ok(&["run"]);
    let mut mails = site.maildir("reader@example.org").split_off(before);
    assert_eq!(mails.len(), 1, "{}", site.ok(&["queue", "ls"]));
    mails.remove(0)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_new_list_leaves_a_signed_post_as_it_is_and_an_unsigned_one_gets_its_looks() {
    let Some(mut world) = World::new() else { return };
    let key = world.domain("strict.example", "p=reject");
    let site = world.site("lists.example.org");
    open_list(&site, &[]);

    let raw = world.signed(&key, &post("Anna <anna@strict.example>", 1));
    let arrived = arrives(&site, &raw);
    let mail = Message::parse(arrived.clone());
    assert_eq!(mail.text("From").unwrap(), "Anna <anna@strict.example>");
    assert_eq!(mail.text("Subject").unwrap(), "hello 1");
    assert!(mail.has("List-Unsubscribe") && mail.has("List-Id"), "what the footer says");
    let seen = world.verifiers.examine(&world.records, &[arrived]).remove(0);
    assert_eq!(seen.chain, "pass");
    let by = |domain: &str, selector: &str| Ok((domain.to_owned(), selector.to_owned()));
    assert_eq!(
        seen.signatures,
        [by("lists.example.org", "k1"), by("strict.example", "s1")],
        "the list's and the author's"
    );
    let results = mail.text("ARC-Authentication-Results").unwrap();
    for said in ["i=1; lists.example.org;", "dkim=pass header.d=strict.example", "dmarc=pass"] {
        assert!(results.contains(said), "{said}: {results}");
    }
    let told = site.ok(&["trace", "1@test.example"]);
    assert!(told.contains("From stays") && told.contains("keep_signatures"), "{told}");
    let rehearsed = text(&site.feed(&["post", "--dry-run", "dev"], raw.as_bytes()));
    for said in [
        "From would stay as it is",
        "by keep_signatures: subject_prefix, msg_footer",
        "the signature of strict.example (s1) stays good",
    ] {
        assert!(rehearsed.contains(said), "{said}: {rehearsed}");
    }

    let mail = Message::parse(arrives(&site, &post("Anna <anna@strict.example>", 2)));
    assert_eq!(mail.text("From").unwrap(), "Anna via Dev <dev@lists.example.org>");
    assert_eq!(mail.text("Subject").unwrap(), "[Dev] hello 2");
    assert!(String::from_utf8_lossy(mail.body()).contains("Dev mailing list"));
    let results = mail.text("ARC-Authentication-Results").unwrap();
    assert!(results.contains("dkim=none") && results.contains("dmarc=fail"), "{results}");
}

#[test]
fn it_can_be_told_which_edit_broke_which_signature() {
    let Some(mut world) = World::new() else { return };
    let key = world.domain("strict.example", "p=quarantine");
    let raw = world.signed(&key, &post("anna@strict.example", 1));
    let answered = "Reply-To: anna@strict.example\nSubject";
    let answered = post("anna@strict.example", 1).replace("Subject", answered);
    let answered = world.signed(&key, &answered);
    let umlaut = post("anna@strict.example", 1).replace("hello", "grüße");
    let umlaut = world.signed(&key, &umlaut);
    let html = world.signed(
        &key,
        &post("anna@strict.example", 1).replace(
            "\n\nText.\n",
            "\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nText.\n--b\n\
             Content-Type: image/png\n\nxx\n--b--\n",
        ),
    );
    let classic = "keep_signatures=no";
    let cases: [(&[&str], &str, &[&str]); 10] = [
        (&[classic], &raw, &["subject by subject_prefix", "the body by msg_footer"]),
        (&[classic, "subject_prefix="], &raw, &["the body by msg_footer"]),
        (&[classic, "msg_footer=", "msg_header=hi"], &raw, &["the body by msg_header"]),
        (
            &["filter_content=yes", "filter_mime_types=image"],
            &html,
            &["the body by filter_content"],
        ),
        (&["scrub_nondigest=yes"], &html, &["the body by scrub_nondigest"]),
        (&["reply_goes_to_list=list"], &answered, &["reply-to by reply_goes_to_list"]),
        (&["reply_goes_to_list=list"], &raw, &[]),
        (&["subject_prefix="], &umlaut, &["subject by what smtp carries"]),
        (&["personalize=full"], &raw, &["to by personalize"]),
        (&["feedback_headers=yes", "msg_footer=", "subject_prefix="], &raw, &[]),
    ];
    for (settings, raw, expected) in cases {
        let site = world.site("lists.example.org");
        open_list(&site, settings);
        let rehearsed = text(&site.feed(&["post", "--dry-run", "dev"], raw.as_bytes()));
        let from = Message::parse(arrives(&site, raw)).text("From").unwrap();
        let told = site.ok(&["trace", "1@test.example"]);
        for said in expected {
            assert!(rehearsed.to_lowercase().contains(said), "{settings:?}: {said}: {rehearsed}");
            assert!(told.to_lowercase().contains(said), "{settings:?}: {said}: {told}");
        }
        let is_kept = from == "anna@strict.example";
        assert_eq!(is_kept, expected.is_empty(), "{settings:?}: {from}\n{rehearsed}");
        assert_eq!(
            rehearsed.contains("From would contain the list's address"),
            !is_kept,
            "{rehearsed}"
        );
        if !is_kept {
            assert!(told.contains("its domain's policy is quarantine"), "{told}");
        }
    }
}

#[test]
fn only_a_signature_of_the_authors_own_domain_keeps_from_as_it_is() {
    let Some(mut world) = World::new() else { return };
    let own = world.domain("strict.example", "p=reject; adkim=s");
    let relaxed = world.domain("relaxed.example", "p=reject");
    let other = world.domain("other.example", "p=none");
    let below = world.author("mail.strict.example", "s1", |record| record);
    let below_relaxed = world.author("mail.relaxed.example", "s1", |record| record);
    let revoked = world.author("relaxed.example", "old", |_| "v=DKIM1; p=".to_owned());
    let testing = world.author("relaxed.example", "try", |record| format!("{record}; t=y"));
    let missing = world.author("relaxed.example", "none", |_| String::new());
    let site = world.site("lists.example.org");
    open_list(&site, &[]);
    let (strict, lax) = ("anna@strict.example", "anna@relaxed.example");
    let cases = [
        (strict, Some(&own), true),
        (strict, Some(&below), false),
        (strict, Some(&other), false),
        (strict, None, false),
        (lax, Some(&relaxed), true),
        (lax, Some(&below_relaxed), true),
        (lax, Some(&own), false),
        (lax, Some(&revoked), false),
        (lax, Some(&testing), false),
        (lax, Some(&missing), false),
    ];
    for (number, (from, key, is_kept)) in cases.into_iter().enumerate() {
        let raw = post(from, number);
        let raw = key.map_or(raw.clone(), |key| world.signed(key, &raw));
        let arrived = Message::parse(arrives(&site, &raw)).text("From").unwrap();
        assert_eq!(arrived == from, is_kept, "{number}: {arrived}");
    }
    // With the list's own setting, From is always changed.
    let raw = world.signed(&relaxed, &post(lax, 20));
    for always in ["from_is_list=munge", "dmarc_moderation_addresses=^.*@relaxed"] {
        site.ok(&["list", "set", "dev", "from_is_list=no", "dmarc_moderation_addresses="]);
        site.ok(&["list", "set", "dev", always]);
        let arrived = Message::parse(arrives(&site, &raw));
        assert!(arrived.text("From").unwrap().contains("via Dev"), "{always}");
        assert!(arrived.text("Subject").unwrap().starts_with("[Dev]"), "{always}");
    }
    // Another process does no lookups as long as the answers are valid.
    site.ok(&["list", "set", "dev", "from_is_list=no", "dmarc_moderation_addresses="]);
    let asked = world.server.asked().len();
    arrives(&site, &raw);
    assert_eq!(world.server.asked().len(), asked);
}

#[test]
fn a_chain_of_two_lists_here_holds_and_a_broken_one_is_ended() {
    let Some(mut world) = World::new() else { return };
    let key = world.domain("author.example", "p=reject");
    let forwarder = world.domain("forwarder.example", "p=none");
    let (one, two) = (world.site("lists.example.org"), world.site("lists.example.net"));
    // Both change parts that the author signed.
    open_list(&one, &["keep_signatures=no"]);
    open_list(&two, &["keep_signatures=no", "subject_prefix=[two] ", "msg_footer=two"]);
    let raw = sealed(&forwarder, &world.signed(&key, &post("anna@author.example", 1)), Chain::None);
    let first = arrives(&one, &raw);
    let second = arrives(&two, &String::from_utf8(first.clone()).unwrap());
    let mail = Message::parse(second.clone());
    assert_eq!(mail.text("Subject").unwrap(), "[two] [Dev] hello 1");
    let results: Vec<String> =
        mail.fields_named("ARC-Authentication-Results").map(|field| field.text()).collect();
    assert_eq!(results.len(), 3, "{results:?}");
    assert!(results[0].contains("i=3; lists.example.net;") && results[0].contains("arc=pass"));
    assert!(results[1].contains("i=2; lists.example.org;"), "{results:?}");
    assert!(results[1].contains("dkim=pass header.d=author.example"), "{results:?}");
    let chains = world.verifiers.examine(&world.records, &[first.clone(), second]);
    assert!(chains.iter().all(|seen| seen.chain == "pass"), "{chains:?}");

    // A host in between changed the post and did not seal it.
    let changed = String::from_utf8(first).unwrap().replace("Text.", "Texts.");
    let ended = arrives(&two, &changed);
    let seals = |mail: &[u8]| -> Vec<String> {
        let mail = Message::parse(mail.to_vec());
        mail.fields_named("ARC-Seal").map(|field| field.text()).collect()
    };
    assert_eq!(seals(&ended).len(), 3);
    assert!(seals(&ended)[0].contains("cv=fail"), "{:?}", seals(&ended));
    let seen = world.verifiers.examine(&world.records, std::slice::from_ref(&ended)).remove(0);
    assert_eq!(seen.chain, "fail");
    // The list would discard a post that it has already sent.
    let again = String::from_utf8(ended).unwrap().replace("X-BeenThere", "X-Was-There");
    assert_eq!(seals(&arrives(&one, &again)).len(), 3, "nothing goes on top of the end");
}

#[test]
fn a_chain_through_a_list_here_one_of_mailman_3_and_another_here_holds() {
    let Some(three) = Mailman3::find() else { return };
    let Some(mut world) = World::new() else { return };
    let key = world.domain("author.example", "p=reject");
    let (one, two) = (world.site("lists.example.org"), world.site("lists.example.net"));
    open_list(&one, &["keep_signatures=no"]);
    open_list(&two, &["keep_signatures=no", "subject_prefix=[two] ", "msg_footer=two"]);
    let first = arrives(&one, &world.signed(&key, &post("anna@author.example", 1)));
    // Mailman 3 adds a prefix and a footer, and seals, too.
    let second = three.pass(&mut world.records, &first);
    let zone = world.records.0.clone();
    zone.iter().for_each(|(name, text)| world.server.txt(name, text, 3600));
    let third = arrives(&two, &String::from_utf8(second.clone()).unwrap());
    let all = [first, second, third];
    let chains: Vec<String> =
        world.verifiers.examine(&world.records, &all).into_iter().map(|seen| seen.chain).collect();
    assert_eq!(chains, ["pass", "pass", "pass"]);
    let last = Message::parse(all[2].clone());
    assert_eq!(last.text("Subject").unwrap(), "[two] [three] [Dev] hello 1");
    let results: Vec<String> =
        last.fields_named("ARC-Authentication-Results").map(|field| field.text()).collect();
    assert!(results[0].contains("i=3; lists.example.net;") && results[0].contains("arc=pass"));
    assert!(results[1].contains("i=2; three.example;") && results[1].contains("arc=pass"));
    assert!(
        results[2].contains("i=1;") && results[2].contains("dkim=pass header.d=author.example")
    );
}

#[test]
fn sealing_takes_a_key_and_can_be_turned_off() {
    let Some(mut world) = World::new() else { return };
    let site = world.site("lists.example.org");
    open_list(&site, &[]);
    let raw = post("anna@plain.example", 1);
    assert!(Message::parse(arrives(&site, &raw)).has("ARC-Seal"));
    // Results of a trusted MTA are in the seal, without lookups.
    site.ok(&["config", "set", "dmarc.lookups", "no"]);
    site.ok(&["config", "set", "notices.authserv_id", "mx.example,mx2.example"]);
    let told = format!(
        "Authentication-Results: mx2.example; spf=pass smtp.mailfrom=plain.example;\n dkim=pass \
         (1024 bits; good) header.d=plain.example\n{raw}"
    );
    let asked = world.server.asked().len();
    let results = Message::parse(arrives(&site, &told)).text("ARC-Authentication-Results").unwrap();
    assert!(
        results.contains("spf=pass smtp.mailfrom=plain.example")
            && results.contains("dkim=pass header.d=plain.example"),
        "{results}"
    );
    assert_eq!(world.server.asked().len(), asked);
    // Other programs verify only RSA seals.
    let create = ["dkim", "create", "lists.example.org", "--algorithm", "ed25519"];
    site.ok(&[&create[..], &["--selector", "a"]].concat());
    let seal = Message::parse(arrives(&site, &raw)).text("ARC-Seal").unwrap();
    assert!(seal.contains("a=rsa-sha256"), "{seal}");
    for off in [&["list", "set", "dev", "arc_seal=no"], &["dkim", "rm", "lists.example.org", "k1"]]
    {
        site.ok(&["list", "set", "dev", "arc_seal=yes"]);
        site.ok(off);
        assert!(!Message::parse(arrives(&site, &raw)).has("ARC-Seal"), "{off:?}");
    }
}

#[test]
fn a_site_without_an_authenticating_mta_writes_results_of_its_own_and_believes_no_others_by_its_name()
 {
    let Some(mut world) = World::new() else { return };
    let key = world.domain("author.example", "p=none");
    let site = world.site("lists.example.org");
    open_list(&site, &["archive=no"]);
    let forged = "Authentication-Results: lists.example.org; dkim=pass header.d=bank.example\n";
    let raw = format!("{forged}{}", world.signed(&key, &post("anna@author.example", 1)));
    let results = |mail: Vec<u8>| -> Vec<String> {
        let mail = Message::parse(mail);
        mail.fields_named("Authentication-Results").map(|field| field.text()).collect()
    };
    assert_eq!(results(arrives(&site, &raw)).len(), 1, "not asked for, nothing is touched");
    site.ok(&["config", "set", "auth.results", "yes"]);
    let found = results(arrives(&site, &raw));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("lists.example.org; dkim=pass header.d=author.example"),
        "{found:?}"
    );
    assert!(!found[0].contains("bank"));
}

#[test]
fn who_writes_as_a_member_shows_that_it_is_true_or_waits() {
    let Some(mut world) = World::new() else { return };
    let key = world.domain("member.example", "p=none");
    let evil = world.domain("evil.example", "p=none");
    let site = world.site("lists.example.org");
    open_list(&site, &["post_authentication=dkim", "generic_nonmember_action=hold"]);
    site.ok(&["member", "add", "dev", "anna@member.example", "--welcome", "no"]);
    site.feed(&["list", "password", "dev", "--poster", "--stdin"], b"sesame-open\n");
    let own = post("anna@member.example", 1);
    arrives(&site, &world.signed(&key, &own));
    arrives(&site, &own.replace("Subject", "Approved: sesame-open\nSubject"));
    let held = |number: usize| {
        let held = site.ok(&["held", "ls", "--json"]);
        let held: serde_json::Value = serde_json::from_str(&held).unwrap();
        assert_eq!(held.as_array().unwrap().len(), number, "{held}");
        held.to_string()
    };
    held(0);
    for (number, forged) in [
        own.clone(),
        world.signed(&evil, &own),
        world.signed(&key, &own).replace("Text.", "Send money."),
        own.replace("From: anna@member", "Reply-To: anna@member.example\nFrom: eve@evil"),
        format!("Authentication-Results: member.example; dkim=pass header.d=member.example\n{own}"),
    ]
    .into_iter()
    .enumerate()
    {
        let forged = forged.replace("<1@", &format!("<f{number}@"));
        site.post("dev", forged.as_bytes());
        site.ok(&["run"]);
        let told = held(number + 1);
        assert!(told.contains("Nothing shows that the post is really from anna@member.example"));
        let trace = site.ok(&["trace", &format!("f{number}@test.example")]);
        assert!(trace.contains("post_authentication"), "{trace}");
    }
    assert!(held(5).contains("the body was changed"));

    // Posts that are certainly forged are refused during delivery, so that nobody gets mail.
    site.ok(&["list", "set", "dev", "post_authentication_action=reject"]);
    let refused = site.feed(&["post", "dev"], own.as_bytes());
    assert_eq!(refused.status.code(), Some(77), "{}", describe(&refused));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("anna@member.example"));
    // A post whose key must be looked up is accepted, and then rejected.
    let bad = world.signed(&key, &own).replace("Text.", "Send money.").replace("<1@", "<r@");
    site.post("dev", bad.as_bytes());
    site.ok(&["run"]);
    assert!(site.ok(&["trace", "r@test.example"]).contains("rejected"));
    arrives(&site, &world.signed(&key, &own.replace("<1@", "<2@")));

    // If a name server does not reply, nobody is rejected.
    world.server.failing("s2._domainkey.member.example");
    let unknown = world.author("member.example", "s2", |_| String::new());
    site.post("dev", world.signed(&unknown, &own.replace("<1@", "<3@")).as_bytes());
    site.ok(&["run"]);
    assert!(held(6).contains("could not be looked up"));
}

#[test]
fn rspamd_finds_nothing_to_blame_a_list_for() {
    let Some(programs) = RspamdPrograms::find() else { return };
    let Some(mut world) = World::new() else { return };
    let key = world.domain("author.example", "p=reject");
    world.publish("author.example", "v=spf1 ip4:192.0.2.1 -all");
    let site = world.site("lists.example.org");
    world.publish("lists.example.org", "v=spf1 ip4:192.0.2.9 -all");
    world.publish("_dmarc.lists.example.org", "v=DMARC1; p=reject");
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    open_list(&site, &[]);
    let raw = post("Anna Author <anna@author.example>", 1).replace(
        "Text.",
        "Hello everybody,\n\nthe meeting is on Monday at ten. Who brings the minutes?\n\nAnna",
    );
    let received = "Received: from mail.author.example (mail.author.example [192.0.2.1])\n\tby \
                    lists.example.org (Postfix) with ESMTPS id 1;\n\tMon, 23 Nov 2026 10:00:01 +0000\n";
    let rspamd = Rspamd::start(&programs, world.server.address());
    let direct = |raw: &str| {
        rspamd.opinion(raw.as_bytes(), "anna@author.example", "mail.author.example", "192.0.2.1")
    };
    let through = |raw: &str| {
        let arrived = arrives(&site, &format!("{received}{raw}"));
        rspamd.opinion(&arrived, "dev-bounces@lists.example.org", "lists.example.org", "192.0.2.9")
    };
    // A signed post keeps its author in From; an unsigned one gets the list.
    for (raw, allowed) in [
        (
            world.signed(&key, &raw),
            ["R_DKIM_ALLOW", "DMARC_POLICY_ALLOW", "ARC_ALLOW", "R_SPF_ALLOW"],
        ),
        (raw.clone(), ["R_DKIM_ALLOW", "DMARC_POLICY_ALLOW", "ARC_ALLOW", "R_SPF_ALLOW"]),
    ] {
        let (before, after) = (direct(&raw), through(&raw));
        for symbol in allowed.iter().chain(&["MAILLIST", "HAS_LIST_UNSUB"]) {
            assert!(after.symbols.contains_key(*symbol), "{symbol}: {after:?}");
        }
        for (symbol, score) in after.symbols.iter().filter(|(_, score)| **score > 0.0) {
            let known = before.symbols.get(symbol).copied().unwrap_or_default();
            assert!(*score <= known, "{symbol}: {score} after {known}\n{before:?}\n{after:?}");
        }
        assert!(after.score <= before.score, "{before:?}\n{after:?}");
    }
}

fn any<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("a value").current()
}

/// The edits of lists.
const EDITS: &[(&str, &[&str])] = &[
    ("subject_prefix", &["", "[L] ", "[L %05d] ", "[Ü] "]),
    ("msg_header", &["", "", "head\n"]),
    ("msg_footer", &["", "foot", "-- \nfür %(user_name)s in %(real_name)s"]),
    ("personalize", &["no", "no", "yes", "full"]),
    ("reply_goes_to_list", &["poster", "poster", "list"]),
    ("first_strip_reply_to", &["no", "no", "yes"]),
    ("filter_content", &["no", "no", "no", "yes"]),
    ("convert_html_to_plaintext", &["no", "yes"]),
    ("scrub_nondigest", &["no", "no", "no", "no", "yes"]),
    ("include_rfc2369_headers", &["yes", "no"]),
    ("include_sender_header", &["yes", "no"]),
    ("feedback_headers", &["yes", "no"]),
    ("keep_signatures", &["yes", "yes", "no"]),
    ("from_is_list", &["no", "no", "no", "no", "no", "munge", "wrap"]),
    ("dmarc_moderation_action", &["munge", "munge", "wrap"]),
    ("anonymous_list", &["no", "no", "no", "no", "no", "no", "no", "yes"]),
    ("one_click_unsubscribe", &["every", "personal"]),
];
const LISTS: usize = 50;
const POSTS: usize = 500;

/// Generates posts of any kind, by an author with a policy and a key.
fn any_post() -> impl Strategy<Value = (String, bool, u8)> {
    let field = prop_oneof![
        "Cc: [a-z]{1,9}@x\\.example",
        "Reply-To: [a-z]{1,9}@reject\\.example",
        "X-[a-z]{1,9}: [ -~]{0,60}(\n [a-z]{1,9})?",
        "References: (<[a-z0-9]{1,9}@x>\n ){0,3}<z@x>",
        Just("Sender: boss@reject.example".to_owned()),
    ];
    let subject = "([ -~]{1,40}|=\\?utf-8\\?q\\?=C3=A4[a-z]{1,9}\\?=|[a-zäöü☃ ]{1,20})";
    let plain = "([ -~\t]{0,60}\n|\n|\\.[ -~]{0,9}\n|From [a-z ]{1,9}\n){1,9}";
    let body = prop_oneof![
        plain.prop_map(|text| format!("\n{text}")),
        (plain, "<p>[a-z ]{1,40}</p>").prop_map(|(text, html)| format!(
            "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\n{text}\
             --bb\nContent-Type: text/html\n\n{html}\n--bb--\n"
        )),
        plain.prop_map(|text| format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\n{text}--bb\n\
             Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--bb--\n"
        )),
        "[a-zäöü ]{1,30}".prop_map(|text| format!(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: 8bit\n\n{text}\n"
        )),
    ];
    let fields = proptest::collection::vec(field, 0..4);
    let from = select(&["anna@reject.example", "bob@news.reject.example", "eve@none.example"][..]);
    (from, subject, fields, body, proptest::bool::ANY, 0..4u8).prop_map(
        |(from, subject, fields, body, is_signed, chain)| {
            let fields: String = fields.iter().map(|field| format!("{field}\n")).collect();
            (format!("From: {from}\nSubject: {subject}\n{fields}{body}"), is_signed, chain)
        },
    )
}

#[test]
fn five_hundred_posts_through_lists_of_any_kind_arrive_with_good_signatures_and_whole_chains() {
    let Some(mut world) = World::new() else { return };
    let mut runner = TestRunner::deterministic();
    let authors =
        [world.domain("reject.example", "p=reject"), world.domain("none.example", "p=none")];
    let forwarder = world.domain("forwarder.example", "p=none");
    let site = world.site("lists.example.org");
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let made = store.write(|tx| -> Result<(), StoreError> {
        for number in 0..LISTS {
            let name = format!("list{number}");
            tx.create_list(
                &name.parse().unwrap(),
                "lists.example.org",
                &["owner@x.example".to_owned()],
            )?;
            let open = [
                ("generic_nonmember_action", "accept"),
                ("require_explicit_destination", "no"),
                ("administrivia", "no"),
                ("bounce_matching_headers", ""),
            ];
            open.iter().try_for_each(|(key, value)| tx.set_setting(&name, key, value))?;
            for (key, values) in EDITS {
                tx.set_setting(&name, key, any(&mut runner, &select(*values)))?;
            }
            let list = tx.read().list(&name)?.expect("the list");
            let address = "reader@y.example".to_owned();
            let new = NewMember { address, real_name: "Rea Der".to_owned(), digest: false };
            tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "test")?;
        }
        Ok(())
    });
    made.unwrap();
    let spool = Spool::new(site.queue(""));
    let mut batch = spool.batch();
    let mut posts: Vec<(String, bool, u8)> = (0..POSTS)
        .map(|number| {
            let (raw, is_signed, chain) = any(&mut runner, &any_post());
            let raw = format!("Message-ID: <{number}@test.example>\nX-Number: {number}\n{raw}");
            (raw, is_signed, chain)
        })
        .collect();
    for author in &authors {
        let domain = format!("{}\n", author.key.domain());
        let mut own: Vec<&mut String> = posts
            .iter_mut()
            .filter(|(raw, is_signed, _)| *is_signed && raw.contains(&domain))
            .map(|(raw, ..)| raw)
            .collect();
        let raws: Vec<String> = own.iter().map(|raw| (*raw).clone()).collect();
        let signed = world.all_signed(author, &raws);
        own.iter_mut().zip(signed).for_each(|(raw, signed)| **raw = signed);
    }
    for (number, (raw, _, chain)) in posts.into_iter().enumerate() {
        let raw = match chain {
            0 => sealed(&forwarder, &raw, Chain::None),
            // A host in between changed the sealed post.
            1 => sealed(&forwarder, &raw, Chain::None)
                .replace("X-Number: ", "X-Broken: 1\nX-Number: ")
                .replace("\nMessage-ID: <", "\nMessage-ID: <x"),
            _ => raw,
        };
        let list = format!("list{}", number % LISTS);
        let mut metadata = Metadata::new();
        metadata.set_text("listname", &list);
        metadata.set_int("tolist", 1);
        let name =
            EntryName::new(Timestamp::from_seconds(1e9 + number as f64), raw.as_bytes(), &list);
        batch.enqueue(Queue::In, &name, &Entry::new(raw.into_bytes(), metadata)).unwrap();
    }
    batch.commit().unwrap();
    let run = site.run(&["run"]);
    assert!(run.status.success(), "{}", describe(&run));
    let arrived: Vec<Vec<u8>> = sink.messages().into_iter().map(|message| message.data).collect();
    assert!(arrived.len() > POSTS * 9 / 10, "{} of {POSTS}: {}", arrived.len(), describe(&run));

    let seen = world.verifiers.examine(&world.records, &arrived);
    let (mut kept, mut named, mut chains) = (0, 0, 0);
    for (raw, seen) in arrived.iter().zip(seen) {
        let mail = Message::parse(raw.clone());
        let whole = String::from_utf8_lossy(raw);
        let good: Vec<&str> =
            seen.signatures.iter().flatten().map(|(domain, _)| domain.as_str()).collect();
        assert!(good.contains(&"lists.example.org"), "{seen:?}\n{whole}");
        let from = mail.mailboxes("From").remove(0).address;
        if from.ends_with("reject.example") {
            kept += 1;
            assert!(good.contains(&"reject.example"), "{seen:?}\n{whole}");
        } else {
            named += usize::from(from.ends_with("@lists.example.org"));
        }
        let is_broken = mail.has("X-Broken");
        match seen.chain.as_str() {
            "pass" => assert!(!is_broken, "{whole}"),
            "none" => assert!(from.ends_with("@lists.example.org"), "{whole}"),
            _ => assert!(is_broken, "{seen:?}\n{whole}"),
        }
        chains += usize::from(seen.chain == "pass");
    }
    assert!(kept > 20 && named > 100 && chains > 200, "{kept} {named} {chains}");
}
