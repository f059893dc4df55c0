//! Signed posts reach the far end with their signatures good, if the list leaves them as they are;
//! mail of domains with keys is signed by us.

use dormouse_mail::Message;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::TestSite;
use std::collections::HashMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Signed by dkimpy with the key below, in both canonical forms (RFC 6376 §3.4).
const SIGNED: [(&str, &[u8]); 2] = [
    ("relaxed", include_bytes!("data/dkim-relaxed.eml")),
    ("simple", include_bytes!("data/dkim-simple.eml")),
];

/// What sel._domainkey.sender.example says.
const KEY: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvmWcsiOemxFBNKtLwzu7ymb20x2as2/6LheUXeni+NlnPolPcCKS4UEhhtj0d+YsNgLrBm5h2mQdM5Eb5OaZY474Xon029pEECJuuhv/xIjn5R3HpEkuEt4mXPrP+rdwra7VE1uSSVqeM2EMQH9voCN9W2aMj3UAPdUA4P/+dDgyZ9XNRQEWv7q+ZzTVYRSU+pL5BRn8FPVcAy6ojazhzjmOshkfV1hHeRUa+hCtSnmrvnuoqNXVSKbFKQ9o34yOSJyIdIWUcaAYPktfLSYKUWQNRtMerW8xbE8lfdl1FQ3W8FgbPdKG3EAuypyVhO8xH04wu/pBvOiX/4Vtmh6iiQIDAQAB";

/// Names with their texts.
struct Records(HashMap<String, String>);

/// What a verifier says of a signature: its domain and selector, or what is wrong.
type Verdict = Result<(String, String), String>;

/// Two verifiers that share no code with each other or with us: dkimpy, and Mail::DKIM, which knows
/// RSA only. Each gets the records as its argument and the message as its input, and prints a line for
/// each signature: its algorithm, then `good` with domain and selector, or `bad` with the reason.
struct Verifiers;

const DKIMPY: [&str; 3] = [
    "python3",
    "-c",
    r#"
import sys, dkim, nacl
records = dict(line.split("\t", 1) for line in sys.argv[1].splitlines())
def text_of(name, timeout=5):
    name = name.decode()
    return records[name].encode() if name in records else sys.exit(name + " is asked for")
message = sys.stdin.buffer.read()
count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(message).headers)
for index in range(count):
    one = dkim.DKIM(message)
    try:
        good, why = one.verify(idx=index, dnsfunc=text_of), "it does not fit"
    except dkim.DKIMException as error:
        good, why = False, str(error)
    algorithm = one.signature_fields[b"a"].decode()
    if good:
        print(algorithm, "good", one.domain.decode(), one.selector.decode(), sep="\t")
    else:
        print(algorithm, "bad", why.replace("\n", " "), sep="\t")
"#,
];

const MAIL_DKIM: [&str; 3] = [
    "perl",
    "-e",
    r#"
use strict; use warnings; no warnings "redefine";
use Mail::DKIM::Verifier; use Net::DNS;
my %records = map { split /\t/, $_, 2 } split /\n/, $ARGV[0];
*Mail::DKIM::DNS::query = sub {
    my $text = $records{"$_[0]."} // do { print STDERR "$_[0] is asked for\n"; exit 1 };
    return Net::DNS::RR->new(name => $_[0], type => "TXT", txtdata => [$text =~ /(.{1,255})/g]);
};
binmode STDIN;
my $one = Mail::DKIM::Verifier->new;
{ local $/; $one->PRINT(<STDIN>); }
$one->CLOSE;
for my $signature ($one->signatures) {
    my $verdict = $signature->result eq "pass"
        ? join("\t", "good", $signature->domain, $signature->selector)
        : "bad\t" . $signature->result_detail;
    print $signature->algorithm, "\t$verdict\n";
}
"#,
];

impl Verifiers {
    /// Both; `None`, and the test is skipped, when one is missing.
    fn find() -> Option<Verifiers> {
        let needed = [
            (["python3", "-c", "import dkim, nacl"], "dkimpy[ed25519] from PyPI"),
            (["perl", "-e", "use Mail::DKIM::Verifier"], "libmail-dkim-perl"),
        ];
        for ([program, flag, script], package) in needed {
            let found = Command::new(program).args([flag, script]).output();
            if !found.is_ok_and(|output| output.status.success()) {
                skipped::skip(format!("{package} is not installed"));
                return None;
            }
        }
        Some(Verifiers)
    }

    /// Whether the message has one signature, and it is good.
    fn verify(&self, message: &[u8]) -> bool {
        let name = "sel._domainkey.sender.example.".to_owned();
        let results = self.verdicts(&Records(HashMap::from([(name, KEY.to_owned())])), message);
        assert_eq!(results.len(), 1, "{}", String::from_utf8_lossy(message));
        results[0].is_ok()
    }

    /// What is said of each signature, on which both agree.
    fn verdicts(&self, records: &Records, message: &[u8]) -> Vec<Verdict> {
        let first = said(DKIMPY, records, message);
        let second = said(MAIL_DKIM, records, message);
        let by_rsa = |said: &[(String, Verdict)]| -> Vec<Option<(String, String)>> {
            let rsa = said.iter().filter(|(algorithm, _)| algorithm.starts_with("rsa"));
            rsa.map(|(_, verdict)| verdict.clone().ok()).collect()
        };
        assert_eq!(by_rsa(&first), by_rsa(&second), "{first:?}, but {second:?}");
        first.into_iter().map(|(_, verdict)| verdict).collect()
    }
}

/// What one verifier says, with the algorithm of each signature.
fn said(
    [program, flag, script]: [&str; 3],
    records: &Records,
    raw: &[u8],
) -> Vec<(String, Verdict)> {
    let lines: Vec<String> =
        records.0.iter().map(|(name, text)| format!("{name}\t{text}")).collect();
    let mut child = Command::new(program)
        .args([flag, script, &lines.join("\n")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = Vec::with_capacity(raw.len() + 64);
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                message.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                message.extend_from_slice(b"\r\n");
            }
            None => message.extend_from_slice(line),
        }
    }
    child.stdin.take().unwrap().write_all(&message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    let words = |line: &str| -> Vec<String> { line.split('\t').map(str::to_owned).collect() };
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| match words(line).as_slice() {
            [algorithm, good, domain, selector] if good == "good" => {
                (algorithm.clone(), Ok((domain.clone(), selector.clone())))
            }
            [algorithm, _, why @ ..] => (algorithm.clone(), Err(why.join(" "))),
            _ => panic!("{program} says {line:?}"),
        })
        .collect()
}

/// A list that leaves posts as they are, but for these settings, and what arrives of a post.
fn arrives(settings: &[&str], raw: &[u8]) -> Vec<u8> {
    arrives_at("anonymous", settings, raw)
}

/// The same at a site that removes signatures so.
fn arrives_at(remove: &str, settings: &[&str], raw: &[u8]) -> Vec<u8> {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.ok(&["config", "set", "remove_dkim_headers", remove]);
    site.plain_list("dev", &["reader@example.org"]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "dev"], settings].concat());
    }
    site.post("dev", raw);
    site.ok(&["run"]);
    let mut messages = sink.messages();
    assert_eq!(messages.len(), 1);
    messages.remove(0).data
}

#[test]
fn a_list_without_prefix_and_footer_keeps_signatures_good() {
    let Some(verifiers) = Verifiers::find() else { return };
    for (form, raw) in SIGNED {
        let arrived = arrives(&[], raw);
        assert!(arrived.starts_with(b"Errors-To: "), "it went through the list");
        assert!(verifiers.verify(&arrived), "{form}: {}", String::from_utf8_lossy(&arrived));
        // The same as LMTP brings it.
        let crlf = String::from_utf8_lossy(raw).replace('\n', "\r\n");
        assert!(verifiers.verify(&arrives(&[], crlf.as_bytes())), "{form}, CRLF");
    }
}

#[test]
fn what_the_list_changes_shows() {
    let Some(verifiers) = Verifiers::find() else { return };
    for settings in ["msg_footer=foot", "subject_prefix=[dev] "] {
        assert!(!verifiers.verify(&arrives(&[settings], SIGNED[0].1)), "{settings}");
    }
}

#[test]
fn with_from_munged_the_lists_domain_answers_for_it_and_the_poster_gets_the_answers() {
    let arrived = Message::parse(arrives_at("munged", &["from_is_list=munge"], SIGNED[0].1));
    assert_eq!(arrived.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
    assert_eq!(arrived.text("Reply-To").unwrap(), "Änne <anna@sender.example>");
    assert!(!arrived.has("DKIM-Signature"));
    let mut body = arrived.body().to_vec();
    body.retain(|&byte| byte != b'\r');
    assert_eq!(body, Message::parse(SIGNED[0].1).body(), "the body stays");
}

#[test]
fn a_wrapped_post_keeps_its_good_signature_inside() {
    let Some(verifiers) = Verifiers::find() else { return };
    for (form, raw) in SIGNED {
        let settings = ["from_is_list=wrap", "subject_prefix=[dev] "];
        let outer = Message::parse(arrives(&settings, raw));
        assert_eq!(outer.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
        assert!(outer.text("Subject").unwrap().starts_with("[dev] "));
        assert!(
            verifiers.verify(outer.body()),
            "{form}: {}",
            String::from_utf8_lossy(outer.body())
        );
    }
}

/// The records of the site's keys, read as a name server reads lines of a zone file.
fn published(site: &TestSite) -> Records {
    let zone = site.ok(&["dkim", "dns"]);
    let record = |line: &str| {
        let (name, rest) = line.split_once(" IN TXT ").unwrap();
        (name.to_owned(), rest.split('"').skip(1).step_by(2).collect::<String>())
    };
    Records(zone.lines().map(record).collect())
}

/// Posts to a list at lists.example.org with these settings, whose mail is signed, and returns what
/// arrives.
fn signed(site: &TestSite, sink: &Sink, settings: &[&str], raw: &[u8]) -> Vec<Vec<u8>> {
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", &["reader@example.org", "other@example.net"]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "dev"], settings].concat());
    }
    site.post("dev", raw);
    site.ok(&["run"]);
    sink.messages().into_iter().map(|message| message.data).collect()
}

#[test]
fn mail_of_a_domain_with_keys_is_signed_with_each_of_them() {
    let Some(verifiers) = Verifiers::find() else { return };
    let awkward: [&[u8]; 3] = [
        b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nText \t here\n\n\n",
        b"From: anna@example.net\nSubject: a\n very\n\tlong one\n\n.\n..\n no end",
        b"From: anna@example.net\nSubject: =?utf-8?q?=C3=A4?=\nX: y\n\n",
    ];
    for raw in awkward {
        let site = TestSite::new(DORMOUSE);
        let sink = Sink::builder().start();
        site.ok(&[
            "dkim",
            "create",
            "lists.example.org",
            "--selector",
            "s1",
            "--algorithm",
            "both",
        ]);
        let settings = ["subject_prefix=[dev] ", "msg_footer=foot", "from_is_list=munge"];
        let arrived = signed(&site, &sink, &settings, raw);
        assert_eq!(arrived.len(), 1);
        let ours = |selector: &str| Ok(("lists.example.org".to_owned(), selector.to_owned()));
        let found = verifiers.verdicts(&published(&site), &arrived[0]);
        assert_eq!(
            found,
            [ours("s1"), ours("s1-ed25519")],
            "{}",
            String::from_utf8_lossy(&arrived[0])
        );
    }
}

#[test]
fn one_click_fields_are_signed_for_each_reader() {
    let Some(verifiers) = Verifiers::find() else { return };
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["dkim", "create", "example.org", "--selector", "up", "--algorithm", "ed25519"]);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    let arrived = signed(&site, &sink, &["include_rfc2369_headers=yes"], raw);
    assert_eq!(arrived.len(), 2, "one copy a reader");
    let records = published(&site);
    for raw in &arrived {
        let message = Message::parse(raw.clone());
        assert_eq!(message.text("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
        assert_eq!(
            verifiers.verdicts(&records, raw),
            [Ok(("example.org".to_owned(), "up".to_owned()))]
        );
        let changed = String::from_utf8_lossy(raw).replace("/unsubscribe/", "/unsubscribe/x");
        assert!(
            verifiers.verdicts(&records, changed.as_bytes())[0].is_err(),
            "the link is covered"
        );
    }
    let links: Vec<_> =
        arrived.iter().map(|raw| Message::parse(raw.clone()).text("List-Unsubscribe")).collect();
    assert_ne!(links[0], links[1]);
}

#[test]
fn readers_share_a_copy_where_only_personal_mail_has_the_link() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8080"]);
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    let settings = ["include_rfc2369_headers=yes", "one_click_unsubscribe=personal"];
    let arrived = signed(&site, &sink, &settings, raw);
    assert_eq!(arrived.len(), 1);
    assert!(!Message::parse(arrived[0].clone()).has("List-Unsubscribe-Post"));
}

#[test]
fn a_key_that_cannot_be_used_keeps_mail_from_leaving_unsigned() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["dkim", "create", "lists.example.org", "--selector", "s1", "--algorithm", "ed25519"]);
    let key = site.dir().join("dkim/lists.example.org/s1.pem");
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "garbage").unwrap();
    let raw = b"From: anna@example.net\nTo: dev@lists.example.org\nSubject: hi\n\nx\n";
    assert!(signed(&site, &sink, &[], raw).is_empty());
    assert!(site.ok(&["queue", "ls", "shunt"]).contains("s1.pem"));
    std::fs::write(&key, good).unwrap();
    site.ok(&["queue", "retry", "--all", "shunt"]);
    site.ok(&["run"]);
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn keys_are_created_listed_and_removed_by_name() {
    let site = TestSite::new(DORMOUSE);
    let record = site.ok(&["dkim", "create", "Example.org", "--selector", "A"]);
    assert!(
        record.starts_with("a._domainkey.example.org. IN TXT ( \"v=DKIM1; k=rsa; p="),
        "{record}"
    );
    assert_eq!(record, site.ok(&["dkim", "dns", "example.org"]));
    assert!(site.ok(&["dkim", "ls"]).contains("a._domainkey.example.org"));
    let again = site.run(&["dkim", "create", "example.org", "--selector", "a"]);
    assert_eq!(again.status.code(), Some(73));
    assert_eq!(site.run(&["dkim", "create", "nodot"]).status.code(), Some(64));
    assert_eq!(
        site.run(&["dkim", "create", "example.org", "--selector", "../x"]).status.code(),
        Some(64)
    );
    site.ok(&["dkim", "rm", "example.org", "a"]);
    assert_eq!(site.run(&["dkim", "rm", "example.org", "a"]).status.code(), Some(69));
    assert_eq!(site.ok(&["dkim", "dns"]), "");
}
