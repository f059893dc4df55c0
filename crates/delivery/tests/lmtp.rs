//! LMTP: an answer for each recipient.

mod common;

use common::*;
use dormouse_delivery::RecipientOutcome;
use dormouse_testkit::sink::{Cut, Event, Sink};

fn at_the_dot(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Rcpt { recipient } if recipient.starts_with("gone") => {
            Some("550 5.1.1 no such user".to_owned())
        }
        Event::Dot { recipient: Some(recipient) } => match recipient.split('@').next()? {
            "full" => Some("452 4.2.2 over quota".to_owned()),
            "sieve" => Some("554 5.7.1 filtered".to_owned()),
            "closing" => Some("421 4.3.2 shutting down".to_owned()),
            "broken" => Some(String::new()),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn each_accepted_recipient_has_its_answer_to_the_message() {
    for pipelining in [true, false] {
        let sink = Sink::builder().lmtp().pipelining(pipelining).reply(at_the_dot).start();
        let content = message();
        let list = vec![
            transaction("1", &content, &["a@x", "gone@x", "full@x", "sieve@x", "b@x"]),
            transaction("2", &content, &["gone@x"]),
            transaction("3", &content, &["full@x", "c@x"]),
        ];
        let outcomes = send(&mut connect(&sink), list).outcomes();
        assert_eq!(
            short(&outcomes[0]),
            ["ok", "never 550 at Rcpt", "later 452 at Dot", "never 554 at Dot", "ok"],
            "pipelining: {pipelining}"
        );
        assert_eq!(short(&outcomes[1]), ["never 550 at Rcpt"]);
        assert_eq!(short(&outcomes[2]), ["later 452 at Dot", "ok"]);
        assert_eq!(sink.violations(), Vec::<String>::new());
        assert!(sink.commands()[0].starts_with("LHLO "), "{:?}", sink.commands());
    }
}

#[test]
fn lost_between_two_answers_those_without_one_are_deferred_and_the_others_not_repeated() {
    for (recipient, expected) in [("broken@x", "later 0 at Dot"), ("closing@x", "later 421 at Dot")]
    {
        let sink = Sink::builder().lmtp().reply(at_the_dot).start();
        let content = message();
        let list = vec![
            transaction("1", &content, &["a@x", recipient, "b@x"]),
            transaction("2", &content, &["c@x"]),
        ];
        let sent = send(&mut connect(&sink), list);
        assert_eq!(sent.reported(), ["1"]);
        assert_eq!(short(&sent.reports[0].1.outcomes), ["ok", expected, "later 0 at Dot"]);
        assert_eq!(sent.in_doubt(), None);
    }
}

#[test]
fn lost_before_any_answer_the_transaction_is_in_doubt() {
    let sink = Sink::builder().lmtp().cut(Cut::InsteadOfAnswer(1)).start();
    let content = message();
    let sent = send(&mut connect(&sink), vec![transaction("1", &content, &["a@x", "b@x"])]);
    assert!(sent.reports.is_empty());
    assert_eq!(sent.in_doubt(), Some("1"));
}

#[test]
fn a_server_that_wants_a_message_for_nobody_is_not_trusted_further() {
    let sink = Sink::builder().lmtp().data_for_nobody().reply(at_the_dot).start();
    let content = message();
    let sent = send(
        &mut connect(&sink),
        vec![transaction("1", &content, &["gone@x"]), transaction("2", &content, &["a@x"])],
    );
    assert_eq!(sent.reported(), ["1"]);
    assert_eq!(short(&sent.reports[0].1.outcomes), ["never 550 at Rcpt"]);
    assert_eq!(sent.in_doubt(), None);
    assert!(sink.messages().is_empty());
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::builder().lmtp().unix_socket(&dir.path().join("lmtp")).start();
    let content = message();
    let mut session = connect(&sink);
    let outcomes = send(
        &mut session,
        vec![transaction("1", &content, &["a@x"]), transaction("2", &content, &["b@x"])],
    )
    .outcomes();
    assert_eq!(outcomes, [[RecipientOutcome::Accepted], [RecipientOutcome::Accepted]]);
    session.quit();
    assert_eq!(sink.messages()[1].data, ARRIVED);
    assert_eq!(sink.commands()[0], "LHLO localhost");
}
