//! Signed posts reach the far end with their signatures good, if the list leaves them as they are.

use dormouse_mail::Message;
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::TestSite;
use std::future::{Ready, ready};
use std::io;
use viadkim::header::HeaderFields;
use viadkim::verifier::{self, Config, LookupTxt, VerificationStatus};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Signed by dkimpy with the key below, in both canonical forms (RFC 6376 §3.4).
const SIGNED: [(&str, &[u8]); 2] = [
    ("relaxed", include_bytes!("data/dkim-relaxed.eml")),
    ("simple", include_bytes!("data/dkim-simple.eml")),
];

/// What sel._domainkey.sender.example says.
const KEY: &str = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvmWcsiOemxFBNKtLwzu7ymb20x2as2/6LheUXeni+NlnPolPcCKS4UEhhtj0d+YsNgLrBm5h2mQdM5Eb5OaZY474Xon029pEECJuuhv/xIjn5R3HpEkuEt4mXPrP+rdwra7VE1uSSVqeM2EMQH9voCN9W2aMj3UAPdUA4P/+dDgyZ9XNRQEWv7q+ZzTVYRSU+pL5BRn8FPVcAy6ojazhzjmOshkfV1hHeRUa+hCtSnmrvnuoqNXVSKbFKQ9o34yOSJyIdIWUcaAYPktfLSYKUWQNRtMerW8xbE8lfdl1FQ3W8FgbPdKG3EAuypyVhO8xH04wu/pBvOiX/4Vtmh6iiQIDAQAB";

/// The name server of the sender's domain.
#[derive(Clone)]
struct Sender;

impl LookupTxt for Sender {
    type Answer = Vec<io::Result<Vec<u8>>>;
    type Query<'a> = Ready<io::Result<Self::Answer>>;

    fn lookup_txt(&self, domain: &str) -> Self::Query<'_> {
        assert_eq!(domain, "sel._domainkey.sender.example.");
        ready(Ok(vec![Ok(KEY.as_bytes().to_vec())]))
    }
}

/// Whether the message has one signature, and it is good.
fn verify(message: &[u8]) -> bool {
    let message = String::from_utf8(message.to_vec()).unwrap();
    let message = message.replace("\r\n", "\n").replace('\n', "\r\n");
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    let header: HeaderFields = header.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config::default();
    let checked = runtime.block_on(verifier::verify(&Sender, &header, body.as_bytes(), &config));
    assert_eq!(checked.len(), 1, "{message}");
    checked[0].status == VerificationStatus::Success
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
    for (form, raw) in SIGNED {
        let arrived = arrives(&[], raw);
        assert!(arrived.starts_with(b"Errors-To: "), "it went through the list");
        assert!(verify(&arrived), "{form}: {}", String::from_utf8_lossy(&arrived));
        // The same as LMTP brings it.
        let crlf = String::from_utf8_lossy(raw).replace('\n', "\r\n");
        assert!(verify(&arrives(&[], crlf.as_bytes())), "{form}, CRLF");
    }
}

#[test]
fn what_the_list_changes_shows() {
    for settings in ["msg_footer=foot", "subject_prefix=[dev] "] {
        assert!(!verify(&arrives(&[settings], SIGNED[0].1)), "{settings}");
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
    for (form, raw) in SIGNED {
        let settings = ["from_is_list=wrap", "subject_prefix=[dev] "];
        let outer = Message::parse(arrives(&settings, raw));
        assert_eq!(outer.text("From").unwrap(), "Änne via Dev <dev@lists.example.org>");
        assert!(outer.text("Subject").unwrap().starts_with("[dev] "));
        assert!(verify(outer.body()), "{form}: {}", String::from_utf8_lossy(outer.body()));
    }
}
