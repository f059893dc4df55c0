//! Servers that fail, and when.

mod common;

use common::*;
use dormouse_delivery::{Cause, ConnectError, SendError, Session, SessionOptions, Transaction};
use dormouse_testkit::sink::{Cut, Event, Sink};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

fn refused(url: &str, options: &SessionOptions) -> ConnectError {
    match Session::connect(&transport(url), options) {
        Ok(_) => panic!("{url} let us in"),
        Err(error) => error,
    }
}

#[test]
fn a_server_that_is_down_is_a_temporary_error_with_its_address() {
    let sink = Sink::builder().start();
    let url = sink.url();
    drop(sink);
    let error = refused(&url, &options());
    assert!(error.temporary);
    assert_eq!(format!("smtp://{}", error.address), url);
    assert!(
        matches!(&error.cause, Cause::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused),
        "{error}"
    );
    assert!(error.to_string().contains(&error.address), "{error}");
    for url in ["smtp://no-such-host.invalid:25", "lmtp:/no/such/socket"] {
        assert!(refused(url, &options()).temporary, "{url}");
    }
}

#[test]
fn a_greeting_says_whether_to_come_again() {
    for (line, temporary) in
        [("421 4.3.2 closing", true), ("450 busy", true), ("554 5.7.1 not you", false)]
    {
        let sink = Sink::builder().greeting(line).start();
        let error = refused(&sink.url(), &options());
        assert_eq!(error.temporary, temporary, "{error}");
        assert!(
            matches!(&error.cause, Cause::Reply(reply) if line.starts_with(&reply.code.to_string())),
            "{error}"
        );
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_forever() {
    let sink = Sink::builder().silent().start();
    let impatient = SessionOptions { timeout: Duration::from_millis(200), ..options() };
    let error = refused(&sink.url(), &impatient);
    assert!(error.temporary && matches!(error.cause, Cause::Timeout { .. }), "{error}");
}

#[test]
fn a_server_that_does_not_speak_smtp_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    });
    let error = refused(&url, &options());
    assert!(!error.temporary && error.to_string().contains("HTTP/1.1 400"), "{error}");
    server.join().unwrap();
}

/// Ten transactions, each to two recipients, to a new session.
fn send_ten(sink: &Sink) -> Sent {
    let content = message();
    let list = (1..=10)
        .map(|number| transaction(&number.to_string(), &content, &["a@x", "b@x"]))
        .collect();
    send(&mut connect(sink), list)
}

#[test]
fn nothing_is_in_doubt_if_the_connection_is_lost_after_a_reply() {
    for pipelining in [true, false] {
        let sink = Sink::builder().pipelining(pipelining).cut(Cut::After(3)).start();
        let sent = send_ten(&sink);
        assert_eq!(sent.reported(), ["1", "2", "3"]);
        assert_eq!(sent.in_doubt(), None);
        assert_eq!(sink.counts().transactions, 3);
    }
}

#[test]
fn a_message_is_in_doubt_if_the_connection_is_lost_in_or_after_it() {
    for pipelining in [true, false] {
        for (cut, taken) in [(Cut::InBody(3), 2), (Cut::InsteadOfAnswer(3), 3)] {
            let sink = Sink::builder().pipelining(pipelining).cut(cut).start();
            let sent = send_ten(&sink);
            assert_eq!(sent.reported(), ["1", "2"], "{cut:?}");
            assert_eq!(sent.in_doubt(), Some("3"), "{cut:?}");
            assert_eq!(sink.counts().transactions, taken, "{cut:?}");
            let text = sent.end.unwrap_err().to_string();
            assert!(
                text.contains(sink.url().trim_start_matches("smtp://")) && text.contains('3'),
                "{text}"
            );
        }
    }
}

#[test]
fn what_was_not_reported_sent_again_reaches_everybody() {
    for pipelining in [true, false] {
        for cut in [Cut::After(4), Cut::InBody(4), Cut::InsteadOfAnswer(4)] {
            let sink = Sink::builder().pipelining(pipelining).cut(cut).start();
            let content = message();
            let mut left: Vec<Transaction<'_>> = (1..=10)
                .map(|number| transaction(&number.to_string(), &content, &["a@x"]))
                .collect();
            let mut sessions = 0;
            while !left.is_empty() {
                let sent = send(&mut connect(&sink), left.clone());
                sessions += 1;
                left.drain(..sent.reports.len());
            }
            assert_eq!(sessions, 2, "{cut:?}");
            let repeated = u64::from(matches!(cut, Cut::InsteadOfAnswer(_)));
            assert_eq!(sink.counts().transactions, 10 + repeated, "{cut:?}");
        }
    }
}

fn closing_at(pipelining: bool, at: fn(&Event<'_>) -> bool) -> Sink {
    Sink::builder()
        .pipelining(pipelining)
        .reply(move |event| at(event).then(|| "421 4.3.2 shutting down".to_owned()))
        .start()
}

#[test]
fn a_421_within_the_commands_loses_the_session_and_leaves_no_doubt() {
    let places: [fn(&Event<'_>) -> bool; 3] = [
        |event| matches!(event, Event::Mail { .. }),
        |event| event.recipient() == Some("b@x"),
        |event| matches!(event, Event::Data),
    ];
    for pipelining in [true, false] {
        for at in places {
            let sink = closing_at(pipelining, at);
            let sent = send_ten(&sink);
            assert!(sent.reports.is_empty());
            assert_eq!(sent.in_doubt(), None);
            match sent.end {
                Err(SendError::Lost { cause: Cause::Reply(reply), .. }) => {
                    assert_eq!(reply.code, 421);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_421_to_a_message_defers_it_and_is_the_last_that_is_heard() {
    for pipelining in [true, false] {
        let sink = closing_at(pipelining, |event| matches!(event, Event::Dot { .. }));
        let content = message();
        let mut session = connect(&sink);
        let sent = send(
            &mut session,
            vec![transaction("1", &content, &["a@x"]), transaction("2", &content, &["b@x"])],
        );
        assert_eq!(sent.reported(), ["1"]);
        assert_eq!(short(&sent.reports[0].1.outcomes), ["later 421 at Dot"]);
        assert_eq!(sent.in_doubt(), None);
        // If nothing follows, it is not an error until the session is used again.
        let mut session = connect(&sink);
        let outcomes = send(&mut session, vec![transaction("1", &content, &["a@x"])]).outcomes();
        assert_eq!(short(&outcomes[0]), ["later 421 at Dot"]);
        assert_eq!(send(&mut session, vec![transaction("2", &content, &["a@x"])]).in_doubt(), None);
    }
}

#[test]
fn a_server_that_never_answers_a_message_leaves_it_in_doubt() {
    let sink = Sink::builder()
        .reply(|event| {
            if let Event::Dot { .. } = event {
                std::thread::sleep(Duration::from_millis(1500));
            }
            None
        })
        .start();
    let impatient = SessionOptions { timeout: Duration::from_millis(300), ..options() };
    let content = message();
    let mut session = Session::connect(&transport(&sink.url()), &impatient).unwrap();
    let sent = send(&mut session, vec![transaction("1", &content, &["a@x"])]);
    assert_eq!(sent.in_doubt(), Some("1"));
    match sent.end {
        Err(SendError::Lost { cause: Cause::Timeout { after, .. }, .. }) => {
            assert_eq!(after, Duration::from_millis(600));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_stops_reading_is_not_waited_for_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (gone, until_gone) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1000];
        stream.write_all(b"220 hello\r\n").unwrap();
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(b"250-me\r\n250 PIPELINING\r\n").unwrap();
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").unwrap();
        // Held open, unread, until the client has given up.
        assert!(until_gone.recv().is_err());
    });
    let impatient = SessionOptions { timeout: Duration::from_millis(300), ..options() };
    let content = dormouse_delivery::Content::new(&b"0123456789\n".repeat(3_000_000));
    let mut session = Session::connect(&transport(&url), &impatient).unwrap();
    let sent = send(&mut session, vec![transaction("1", &content, &["a@x"])]);
    assert_eq!(sent.in_doubt(), Some("1"));
    assert!(matches!(sent.end, Err(SendError::Lost { cause: Cause::Timeout { .. }, .. })));
    drop(gone);
    server.join().unwrap();
}

#[test]
fn a_server_gone_between_two_lists_is_found_out_without_doubt() {
    let sink = Sink::builder().start();
    let content = message();
    let mut session = connect(&sink);
    send(&mut session, vec![transaction("1", &content, &["a@x"])]).outcomes();
    drop(sink);
    let sent = send(&mut session, vec![transaction("2", &content, &["a@x"])]);
    assert!(sent.reports.is_empty());
    assert_eq!(sent.in_doubt(), None);
    session.quit();
}
