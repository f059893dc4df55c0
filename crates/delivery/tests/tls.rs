//! TLS and logins.

mod common;

use common::*;
use dormouse_delivery::{
    Cause, Credentials, Pin, Session, SessionOptions, TlsPolicy, TokenCommand,
};
use dormouse_testkit::sink::{Certificate, Event, Sink};
use std::path::PathBuf;
use tempfile::TempDir;

/// A CA file with the sink's certificate.
fn ca_file(certificate: &Certificate) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    (dir, path)
}

fn trusting(sink: &Sink) -> (TempDir, SessionOptions) {
    let (dir, path) = ca_file(sink.certificate().unwrap());
    (dir, SessionOptions { tls: TlsPolicy::Required, ca_file: Some(path), ..options() })
}

fn error(url: &str, options: &SessionOptions) -> dormouse_delivery::ConnectError {
    match Session::connect(&transport(url), options) {
        Ok(_) => panic!("{url} let us in"),
        Err(error) => error,
    }
}

#[test]
fn messages_go_over_starttls_and_over_smtps() {
    for sink in [
        Sink::builder().starttls().start(),
        Sink::builder().implicit_tls().start(),
        Sink::builder().starttls().pipelining(false).start(),
        Sink::builder().starttls().lmtp().start(),
    ] {
        let (_dir, options) = trusting(&sink);
        for url in [sink.url(), sink.url().replace("127.0.0.1", "localhost")] {
            let mut session = Session::connect(&transport(&url), &options).unwrap();
            assert!(!session.offers().starttls, "what is offered within TLS counts");
            let large = dormouse_delivery::Content::new(
                &b"0123456789012345678901234567890\n".repeat(50_000),
            );
            let small = message();
            let list = (0..20).map(|number| {
                let content = if number == 7 { &large } else { &small };
                transaction(&number.to_string(), content, &["a@x", "b@x"])
            });
            let outcomes = send(&mut session, list.collect()).outcomes();
            assert!(outcomes.iter().all(|outcomes| short(outcomes) == ["ok", "ok"]));
            session.quit();
        }
        let messages = sink.messages();
        assert_eq!(messages.len(), 40);
        assert!(messages.iter().all(|message| message.tls));
        assert_eq!(messages[7].data.len(), 50_000 * 33);
        assert_eq!(messages[8].data, ARRIVED);
        assert_eq!(sink.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_certificate_nobody_vouches_for_is_refused_where_tls_is_required() {
    for sink in [Sink::builder().starttls().start(), Sink::builder().implicit_tls().start()] {
        let (_dir, path) = ca_file(&Certificate::for_localhost());
        let options = SessionOptions { tls: TlsPolicy::Required, ca_file: Some(path), ..options() };
        let error = error(&sink.url(), &options);
        assert!(!error.temporary && matches!(error.cause, Cause::Tls(_)), "{error}");
        assert!(error.to_string().contains("CA file"), "{error}");
        assert!(sink.messages().is_empty());
    }
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let sink = Sink::builder().starttls().start();
    let (_dir, options) = trusting(&sink);
    // The same machine by an address the certificate does not name.
    let error = error(&sink.url().replace("127.0.0.1", "127.1"), &options);
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
}

#[test]
fn a_ca_file_without_certificates_is_said_to_be_so() {
    let sink = Sink::builder().starttls().start();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("empty.pem");
    std::fs::write(&path, "nothing here\n").unwrap();
    for path in [path, dir.path().join("none.pem")] {
        let options =
            SessionOptions { tls: TlsPolicy::Required, ca_file: Some(path.clone()), ..options() };
        let text = error(&sink.url(), &options).to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn required_is_required_and_never_is_never() {
    let plain = Sink::builder().start();
    let required = SessionOptions { tls: TlsPolicy::Required, ..options() };
    let refusal = error(&plain.url(), &required);
    assert!(!refusal.temporary && refusal.to_string().contains("STARTTLS"), "{refusal}");
    assert!(plain.messages().is_empty());
    let offering = Sink::builder().starttls().start();
    let content = message();
    for tls in [TlsPolicy::Never, TlsPolicy::Auto] {
        // This machine's own loopback needs no TLS.
        let mut session =
            Session::connect(&transport(&offering.url()), &SessionOptions { tls, ..options() })
                .unwrap();
        send(&mut session, vec![transaction("t", &content, &["a@x"])]).outcomes();
    }
    assert!(offering.messages().iter().all(|message| !message.tls));
    assert!(!offering.commands().iter().any(|line| line == "STARTTLS"));
    // The URL's word goes before the options'.
    let url = format!("{}?tls=never", offering.url());
    assert!(Session::connect(&transport(&url), &required).is_ok());
}

#[test]
fn clear_text_after_the_reply_to_starttls_ends_the_session() {
    let sink = Sink::builder()
        .starttls()
        .reply(|event| {
            (*event == Event::StartTls).then(|| "220 go ahead\r\n250 injected".to_owned())
        })
        .start();
    let (_dir, options) = trusting(&sink);
    let error = error(&sink.url(), &options);
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
}

#[test]
fn a_refused_starttls_does_not_lead_to_an_unencrypted_session() {
    let sink = Sink::builder()
        .starttls()
        .reply(|event| (*event == Event::StartTls).then(|| "454 4.7.0 no TLS today".to_owned()))
        .start();
    let (_dir, options) = trusting(&sink);
    let error = error(&sink.url(), &options);
    assert!(error.temporary && error.to_string().contains("no TLS today"), "{error}");
}

fn with_password(password: &str) -> Option<Credentials> {
    Some(Credentials { user: "anna".to_owned(), password: password.to_owned() })
}

#[test]
fn a_login_is_made_by_what_is_offered() {
    for mechanisms in ["PLAIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"] {
        let sink = Sink::builder().starttls().auth(mechanisms, "anna", "geheim ü").start();
        let (_dir, trusting) = trusting(&sink);
        let content = message();
        // On loopback also without TLS.
        for mut options in [trusting, options()] {
            options.credentials = with_password("geheim ü");
            let mut session = Session::connect(&transport(&sink.url()), &options).unwrap();
            let outcomes =
                send(&mut session, vec![transaction("t", &content, &["a@x"])]).outcomes();
            assert_eq!(short(&outcomes[0]), ["ok"], "{mechanisms}");
        }
        let url = sink.url().replace("smtp://", "smtp://anna:geheim%20%C3%BC@");
        assert!(Session::connect(&transport(&url), &options()).is_ok(), "{mechanisms}");
    }
}

/// A program that prints the lines of a file one after the other, one each time.
fn tokens(dir: &std::path::Path, tokens: &str) -> TokenCommand {
    let file = dir.join("tokens");
    std::fs::write(&file, tokens).unwrap();
    let file = file.display();
    TokenCommand::new(&format!("head -n 1 '{file}'; sed -i 1d '{file}'"))
}

#[test]
fn a_token_is_asked_for_when_it_is_wanted_and_again_when_it_is_refused() {
    let sink = Sink::builder().starttls().auth("PLAIN XOAUTH2", "anna", "ya29.new").start();
    let (dir, trusting) = trusting(&sink);
    let command = tokens(dir.path(), "ya29.old\nya29.new\nya29.never\n");
    let options = SessionOptions { token: Some(("anna".to_owned(), command)), ..trusting };
    for _ in 0..2 {
        Session::connect(&transport(&sink.url()), &options).unwrap().quit();
    }
    let left = std::fs::read_to_string(dir.path().join("tokens")).unwrap();
    assert_eq!(left, "ya29.never\n", "sessions share a token");
}

#[test]
fn a_login_by_token_that_fails_says_why_and_not_the_token() {
    let sink = Sink::builder().starttls().auth("XOAUTH2", "anna", "right").start();
    let (dir, trusting) = trusting(&sink);
    let with = |command: TokenCommand| SessionOptions {
        token: Some(("anna".to_owned(), command)),
        ..trusting.clone()
    };
    let refused = error(&sink.url(), &with(tokens(dir.path(), "ya29.one\nya29.two\n")));
    assert!(matches!(&refused.cause, Cause::Login { reply, .. } if reply.code == 535), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("ya29"), "{refused:?}");
    for (command, said) in
        [("exit 3", "exit status: 3"), ("true", "not a token"), ("echo a b", "not a token")]
    {
        let error = error(&sink.url(), &with(TokenCommand::new(command)));
        assert!(error.temporary, "its server may be away: {error}");
        let said_so = error.to_string();
        assert!(said_so.contains(said) && said_so.contains(command), "{said_so}");
    }
    // A server that offers passwords alone gets no token.
    let plain = Sink::builder().auth("PLAIN LOGIN", "anna", "right").start();
    let options = SessionOptions {
        token: Some(("anna".to_owned(), TokenCommand::new("exit 9"))),
        ..options()
    };
    let refused = error(&plain.url(), &options);
    assert!(!refused.temporary && refused.to_string().contains("XOAUTH2"), "{refused}");
}

#[test]
fn only_the_pinned_key_is_trusted_whatever_its_issuer() {
    let sink = Sink::builder().starttls().start();
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("certificate.pem");
    std::fs::write(&certificate, sink.certificate().unwrap().pem()).unwrap();
    // As docs/installing.md says how a pin is found.
    let script = "openssl x509 -in \"$0\" -pubkey -noout | openssl pkey -pubin -outform der | \
                  openssl dgst -sha256 -binary | base64";
    let output = std::process::Command::new("sh").args(["-c", script]).arg(&certificate).output();
    let printed = String::from_utf8(output.unwrap().stdout).unwrap();
    if printed.trim().len() != 44 {
        return skipped::skip("no openssl");
    }
    let pin: Pin = format!("sha256:{}", printed.trim()).parse().unwrap();
    let other: Pin = format!("sha256:{}=", "A".repeat(43)).parse().unwrap();
    // Another one may be the next key's.
    let options = SessionOptions { pins: vec![other, pin], ..options() };
    let content = message();
    let mut session = Session::connect(&transport(&sink.url()), &options).unwrap();
    let outcomes = send(&mut session, vec![transaction("t", &content, &["a@x"])]).outcomes();
    assert_eq!(short(&outcomes[0]), ["ok"]);
    assert!(sink.messages()[0].tls, "a pin asks for TLS, on this machine, too");

    let refused = error(&sink.url(), &SessionOptions { pins: vec![other], ..options.clone() });
    assert!(refused.to_string().contains(&pin.to_string()), "it names the key: {refused}");
    let clear = Sink::builder().start();
    assert!(error(&clear.url(), &options).to_string().contains("STARTTLS"));
    for wrong in ["", "sha256:", "sha256:AAAA", "md5:AAAA", &"A".repeat(44)] {
        assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
    }
}

#[test]
fn a_login_that_fails_says_so_and_not_the_password() {
    for mechanisms in ["PLAIN", "LOGIN"] {
        let sink = Sink::builder().auth(mechanisms, "anna", "geheim").start();
        let error = error(
            &sink.url(),
            &SessionOptions { credentials: with_password("hunter2"), ..options() },
        );
        assert!(!error.temporary, "{error}");
        assert!(matches!(&error.cause, Cause::Login { reply, .. } if reply.code == 535), "{error}");
        let shown = format!("{error} {error:?}");
        // Neither as it is nor as AUTH PLAIN or LOGIN write it.
        for secret in ["hunter2", "aHVudGVyMg", "AGFubmEAaHVudGVyMg"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn a_login_that_cannot_be_made_is_an_error() {
    let sink = Sink::builder().start();
    let refusal =
        error(&sink.url(), &SessionOptions { credentials: with_password("x"), ..options() });
    assert!(!refusal.temporary && refusal.to_string().contains("AUTH"), "{refusal}");
    let url = sink.url().replace("smtp://", "smtp://anna@");
    let refusal = error(&url, &options());
    assert!(!refusal.temporary && refusal.to_string().contains("password"), "{refusal}");
    assert!(!sink.commands().iter().any(|line| line.starts_with("AUTH")));
}
