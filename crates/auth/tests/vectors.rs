//! Signatures and ARC chains from other programs, and altered ones with the results that the
//! standards require.

use dormouse_auth::{
    Algorithm, ArcContent, Chain, Key, Mail, Published, SignatureOutcome, SignatureVerdict,
    SignedPart, Signer,
};
use proptest::prelude::*;

/// The message of RFC 8463 appendix A.3, signed with both algorithms.
const RFC8463: &str = include_str!("data/rfc8463.eml");
/// The records of RFC 8463 appendix A.2.
const RECORDS: [(&str, &str); 2] = [
    (
        "brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh\
         dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst\
         T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ),
];
const NOW: u64 = 1_700_000_000;

fn published(name: &str) -> Published {
    let found = RECORDS.iter().filter(|(known, _)| *known == name);
    Published::Records(found.map(|(_, record)| (*record).to_owned()).collect())
}

fn verdicts(message: &str) -> Vec<SignatureVerdict> {
    Mail::read(message.as_bytes()).signatures(&published, NOW)
}

fn names(message: &str) -> Vec<&'static str> {
    verdicts(message).iter().map(|verdict| verdict.outcome.name()).collect()
}

#[test]
fn the_vectors_of_rfc_8463_are_good_with_line_ends_of_either_kind() {
    let found = verdicts(RFC8463);
    assert_eq!(found.len(), 2);
    for verdict in &found {
        assert_eq!(verdict.outcome, SignatureOutcome::Pass, "{verdict:?}");
        assert_eq!(verdict.domain, "football.example.com");
        assert!(verdict.is_proof());
    }
    assert_eq!(names(&RFC8463.replace('\n', "\r\n")), ["pass", "pass"]);
    assert_eq!(Mail::read(RFC8463.as_bytes()).key_names(), [RECORDS[0].0, RECORDS[1].0]);
}

#[test]
fn what_was_changed_fails_and_what_does_not_count_passes() {
    for (from, to, expected) in [
        ("We lost", "We won", "fail"),
        ("Is dinner", "[Team] Is dinner", "fail"),
        ("Joe SixPack", "Jim", "fail"),
        ("Joe.\n", "Joe.\n-- \nfooter\n", "fail"),
        ("Joe.\n", "Joe.  \n\n\n", "pass"),
        ("Subject: Is", "SUBJECT:   Is", "pass"),
        ("From: Joe", "List-Id: <x>\nFrom: Joe", "pass"),
        // `h=` lists From twice, so that no second one can be added.
        ("From: Joe", "From: eve@example.net\nFrom: Joe", "fail"),
        ("v=1;", "v=2;", "permerror"),
        ("v=1;", "v=1; x=1528637910;", "fail"),
        ("v=1;", "v=1; t=1;", "permerror"),
        ("t=1528637909", "t=9928637909", "fail"),
        ("i=@football", "i=@other", "permerror"),
        ("from", "rcpt", "permerror"),
        ("c=relaxed/relaxed", "c=relaxed/loose", "permerror"),
        ("q=dns/txt", "q=pigeon", "permerror"),
        ("football.example.com; i", "unknown.example.com; x", "permerror"),
    ] {
        let changed = RFC8463.replace(from, to);
        assert_ne!(changed, RFC8463, "{from}");
        assert_eq!(names(&changed), [expected; 2], "{from} -> {to}");
    }
    assert_eq!(names(&RFC8463.replace("rsa-sha256", "rsa-sha1")), ["pass", "permerror"]);
    let silent = |_: &str| Published::Unknown("no answer".to_owned());
    let found = Mail::read(RFC8463.as_bytes()).signatures(&silent, NOW);
    assert!(found.iter().all(|verdict| verdict.outcome.name() == "temperror"));
}

#[test]
fn a_good_signature_says_later_which_parts_broke_it() {
    let found = verdicts(RFC8463);
    let field = |name: &str| SignedPart::Field(name.to_owned());
    for (from, to, expected) in [
        ("x", "x", vec![]),
        ("Is dinner", "[Team] Is dinner", vec![field("subject")]),
        ("Joe.\n", "Joe.\n_____\nfooter\n", vec![SignedPart::Body]),
        ("Date: Fri", "Date: Sat", vec![field("date")]),
        ("From: Joe", "Reply-To: list@example.org\nFrom: Joe", vec![]),
        ("From: Joe", "Subject: a\nSubject: b\nFrom: Joe", vec![field("subject")]),
        ("DKIM-Signature", "X-Old-Signature", vec![SignedPart::Signature]),
    ] {
        let changed = RFC8463.replace(from, to);
        let mail = Mail::read(changed.as_bytes());
        for verdict in &found {
            assert_eq!(verdict.broken_in(&mail), expected, "{from}");
        }
    }
}

/// Sealed by dkimpy, then with another subject, and sealed again by Perl's Mail::DKIM.
const CHAIN: &str = include_str!("data/arc-chain.eml");
/// A name and its text on each line.
const CHAIN_RECORDS: &str = include_str!("data/arc-chain.records");

#[test]
fn a_chain_that_two_other_programs_made_is_whole_until_it_is_changed() {
    let records = |name: &str| {
        let lines = CHAIN_RECORDS.lines().filter_map(|line| line.split_once('\t'));
        let found = lines.filter(|(known, _)| *known == name);
        Published::Records(found.map(|(_, record)| record.to_owned()).collect())
    };
    let chain = |message: &str| Mail::read(message.as_bytes()).chain(&records, NOW);
    let whole = Chain::Pass("two.example".to_owned());
    assert_eq!(chain(CHAIN), whole);
    assert_eq!(chain(&CHAIN.replace('\n', "\r\n")), whole);
    assert_eq!(chain(&CHAIN.replace("Joe.\n", "Joe. \n\n")), whole);
    for (from, to) in [
        ("[Team] Is", "Is"),
        ("i=1; one.example;", "i=1; bank.example;"),
        ("i=2; two.example; arc=pass", "i=2; two.example; arc=none"),
        ("d=one.example", "d=two.example"),
        ("Joe.\n", "Joe.\nBuy!\n"),
    ] {
        let changed = CHAIN.replacen(from, to, 1);
        assert_ne!(changed, CHAIN);
        assert!(matches!(chain(&changed), Chain::Fail(_)), "{from} -> {to}");
    }
    let silent = |name: &str| match name.contains("one") {
        true => Published::Unknown("no answer".to_owned()),
        false => records(name),
    };
    let found = Mail::read(CHAIN.as_bytes()).chain(&silent, NOW);
    assert!(matches!(found, Chain::Unknown(_)), "{found:?}");
}

/// Looks up names among our keys.
fn of<'k>(keys: &'k [&Key]) -> impl Fn(&str) -> Published + 'k {
    |name| {
        let found = keys.iter().filter(|key| key.name() == name);
        Published::Records(found.map(|key| key.record()).collect())
    }
}

fn found(chain: Chain) -> ArcContent {
    let results = vec!["dkim=pass header.d=a.example".to_owned(), "arc=none".to_owned()];
    ArcContent { authserv_id: "lists.example".to_owned(), results, chain }
}

/// Returns a message as a host passes it on after it found this chain.
fn passed_on(message: &str, key: &Key, chain: Chain) -> Option<String> {
    let seal = Signer::new(message.as_bytes()).seal(key, b"", &found(chain), NOW).unwrap();
    seal.map(|seal| format!("{seal}{}", message.replace("\r\n", "\n").replace('\n', "\r\n")))
}

#[test]
fn an_arc_chain_continues_across_hosts_that_change_the_message() {
    let first = Key::generate("one.example", "s", Algorithm::Rsa).unwrap();
    let second = Key::generate("two.example", "t", Algorithm::Ed25519).unwrap();
    let keys = [&first, &second];
    let keys = of(&keys);
    let chain = |message: &str| Mail::read(message.as_bytes()).chain(&keys, NOW);
    assert_eq!(chain(RFC8463), Chain::None);
    let one = passed_on(RFC8463, &first, Chain::None).unwrap();
    assert_eq!(chain(&one), Chain::Pass("one.example".to_owned()));
    let changed = one.replace("Is dinner", "[Team] Is dinner");
    assert!(matches!(chain(&changed), Chain::Fail(_)));
    let two = passed_on(&changed, &second, chain(&one)).unwrap();
    assert_eq!(chain(&two), Chain::Pass("two.example".to_owned()), "{two}");
    // Seals cover the earlier links.
    for (from, to) in [
        ("i=1; lists.example", "i=1; other.example"),
        ("cv=none", "cv=pass"),
        ("cv=pass", "cv=none"),
        ("ARC-Message-Signature: i=1", "X-Gone: i=1"),
        ("ARC-Message-Signature: i=1", "ARC-Message-Signature: i=2"),
        ("ARC-Seal: i=2", "ARC-Seal: i=3"),
        ("ARC-Seal: i=1", "ARC-Seal: i=51"),
        ("ARC-Seal: i=1; a=", "ARC-Seal: i=1; h=from; a="),
    ] {
        let broken = two.replace(from, to);
        assert_ne!(broken, two, "{from}");
        assert!(matches!(chain(&broken), Chain::Fail(_)), "{from} -> {to}: {:?}", chain(&broken));
    }
    // A broken chain ends with a seal that marks it, and is not continued.
    let end = passed_on(&changed, &second, Chain::Fail("changed".to_owned())).unwrap();
    assert!(end.contains("cv=fail"));
    assert!(matches!(chain(&end), Chain::Fail(_)));
    assert_eq!(passed_on(&end, &first, chain(&end)), None);
    let unknown = Chain::Unknown("no answer".to_owned());
    assert_eq!(passed_on(&one, &second, unknown), None, "nobody can say how it goes on");
}

#[test]
fn copies_share_a_link_and_a_copy_of_its_own_gets_its_own() {
    let key = Key::generate("one.example", "s", Algorithm::Ed25519).unwrap();
    let signer = Signer::new(RFC8463.as_bytes());
    let seal = |head: &str, now| {
        signer.seal(&key, head.as_bytes(), &found(Chain::None), now).unwrap().unwrap()
    };
    let first = seal("List-Unsubscribe: <https://a/1>\r\nDKIM-Signature: v=1\r\n", NOW);
    assert_eq!(first, seal("List-Unsubscribe: <https://a/2>\r\nSender: x\r\n", NOW + 5));
    let own = seal("To: anna@example.org\r\n", NOW + 5);
    assert_ne!(first, own);
    let keys = [&key];
    let whole = format!("{own}To: anna@example.org\r\n{}", RFC8463.replace('\n', "\r\n"));
    assert!(matches!(Mail::read(whole.as_bytes()).chain(&of(&keys), NOW), Chain::Pass(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_we_sign_and_seal_we_find_good(
        header in "(X-[a-z]{1,5}: [ -~]{0,40}(\r?\n [a-z \t]{1,9})?\r?\n){0,5}",
        subject in "[ -~]{0,60}",
        body in "([ -~\t]{0,30}\r?\n){0,8}[ -~]{0,9}",
    ) {
        let key = Key::generate("one.example", "s", Algorithm::Ed25519).unwrap();
        let keys = [&key];
        let message = format!("From: a@one.example\nSubject: {subject}\n{header}\n{body}");
        let signer = Signer::new(message.as_bytes());
        let head = "List-Id: <x>\r\n";
        let signature = signer.sign(std::slice::from_ref(&key), head.as_bytes(), NOW).unwrap();
        let head = format!("{signature}{head}");
        let seal = signer.seal(&key, head.as_bytes(), &found(Chain::None), NOW).unwrap().unwrap();
        let whole = format!("{seal}{head}{message}");
        let mail = Mail::read(whole.as_bytes());
        let verdicts = mail.signatures(&of(&keys), NOW);
        prop_assert_eq!(&verdicts[0].outcome, &SignatureOutcome::Pass);
        prop_assert!(verdicts[0].broken_in(&mail).is_empty());
        prop_assert_eq!(mail.chain(&of(&keys), NOW), Chain::Pass("one.example".to_owned()));
    }

    #[test]
    fn any_bytes_can_be_looked_at(bytes: Vec<u8>, tags in "(DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results): ([a-z]{1,2}=[ -~]{0,9};){0,9}\n") {
        let mut message = tags.into_bytes();
        message.extend(bytes);
        let mail = Mail::read(&message);
        mail.key_names();
        mail.signatures(&published, NOW);
        mail.chain(&published, NOW);
    }
}
