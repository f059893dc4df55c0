//! Transactions to a server that answers.

mod common;

use common::*;
use dormouse_delivery::{Ask, Content, RecipientOutcome, SendError, Session, Transaction};
use dormouse_testkit::sink::{Event, Sink};
use dormouse_testkit::waiting::PATIENCE;
use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

/// A server of every kind, each accepting everything.
fn servers() -> Vec<(&'static str, Sink)> {
    vec![
        ("pipelining", Sink::builder().start()),
        ("at once", Sink::builder().quick_ack(true).start()),
        ("lock step", Sink::builder().pipelining(false).start()),
        ("no extensions", Sink::builder().without_extensions().start()),
        ("a write a reply", Sink::builder().one_write_a_reply().start()),
        ("tight", Sink::builder().tight_buffers().one_write_a_reply().start()),
        ("lmtp", Sink::builder().lmtp().start()),
        ("lmtp in lock step", Sink::builder().lmtp().pipelining(false).start()),
    ]
}

#[test]
fn every_server_gets_every_message_whole_and_once() {
    for (name, sink) in servers() {
        let contents: Vec<Content> = [
            b"Subject: x\n\nhello\n.dot\n".to_vec(),
            b"".to_vec(),
            b".\n..\n\r\n.\r\nopen".to_vec(),
            [
                b"Subject: bytes\n\n".as_slice(),
                &(1..=127).filter(|byte| *byte != b'\r').collect::<Vec<u8>>(),
                b"\n",
            ]
            .concat(),
            b"0123456789012345678901234567890123456789\n".repeat(20_000),
        ]
        .map(|message| Content::new(&message))
        .into();
        let mut session = connect(&sink);
        let transactions: Vec<Transaction<'_>> = contents
            .iter()
            .enumerate()
            .map(|(number, content)| Transaction {
                head: format!("Errors-To: e{number}\n.X: y\n").into_bytes().into(),
                ..transaction(
                    &format!("t{number}"),
                    content,
                    &["anna@example.org", "bert@example.net"],
                )
            })
            .collect();
        let outcomes = send(&mut session, transactions).outcomes();
        assert_eq!(outcomes, vec![vec![RecipientOutcome::Accepted; 2]; contents.len()], "{name}");
        session.quit();
        let messages = sink.messages();
        assert_eq!(messages.len(), contents.len(), "{name}");
        for (number, (received, content)) in messages.iter().zip(&contents).enumerate() {
            assert_eq!(received.sender, "dev-bounces@lists.example.org");
            assert_eq!(received.recipients, ["anna@example.org", "bert@example.net"]);
            let as_sent = Content::new(
                &[format!("Errors-To: e{number}\n.X: y\n").as_bytes(), content.original()].concat(),
            );
            let arrived = Content::new(&received.data);
            assert!(arrived.wire() == as_sent.wire(), "{name}: message {number} changed");
        }
        assert_eq!(sink.violations(), Vec::<String>::new(), "{name}");
        assert_eq!(sink.commands().last().map(String::as_str), Some("QUIT"), "{name}");
    }
}

#[test]
fn an_empty_sender_is_said_as_such() {
    let sink = Sink::builder().start();
    let content = message();
    let bounce = Transaction { sender: "".into(), ..transaction("t", &content, &["a@b"]) };
    send(&mut connect(&sink), vec![bounce]).outcomes();
    assert_eq!(sink.messages()[0].sender, "");
    assert!(sink.commands().contains(&"MAIL FROM:<>".to_owned()), "{:?}", sink.commands());
}

#[test]
fn a_transaction_takes_one_round_trip_with_pipelining_and_one_a_command_without() {
    let count = 50;
    let content = message();
    let transactions = || {
        (0..count)
            .map(|number| transaction(&format!("t{number}"), &content, &["a@b", "c@d"]))
            .collect()
    };
    let sink = Sink::builder().start();
    let mut session = connect(&sink);
    send(&mut session, transactions()).outcomes();
    // Greeting, EHLO, the first commands, then a write each.
    assert_eq!(sink.counts().writes, 3 + count);
    let sink = Sink::builder().pipelining(false).start();
    let mut session = connect(&sink);
    send(&mut session, transactions()).outcomes();
    assert_eq!(sink.counts().writes, 2 + 5 * count);
}

#[test]
fn a_message_is_never_on_the_wire_before_its_predecessor_was_reported() {
    for (name, sink) in servers() {
        let content = message();
        let mut waiting =
            (0..20).map(|number| transaction(&format!("t{number}"), &content, &["a@b"]));
        let asked = Cell::new(0);
        let mut reported = 0;
        let sent: Result<(), SendError<String>> = connect(&sink).send(
            || {
                asked.set(asked.get() + 1);
                waiting.next()
            },
            |_| true,
            |_, _| {
                reported += 1;
                // Two more may have been asked for, but nothing of them has arrived.
                assert!(asked.get() <= reported + 2, "{name}");
                std::thread::sleep(std::time::Duration::from_millis(2));
                assert_eq!(sink.counts().transactions, reported, "{name}");
                Ok(())
            },
        );
        sent.unwrap();
        assert_eq!((reported, asked.get()), (20, 21), "{name}");
    }
}

#[test]
fn a_session_is_kept_for_the_next_list_of_transactions() {
    for (name, sink) in servers() {
        let content = message();
        let mut session = connect(&sink);
        for round in 1..=3 {
            send(
                &mut session,
                vec![transaction("a", &content, &["a@b"]), transaction("b", &content, &["c@d"])],
            )
            .outcomes();
            assert_eq!(sink.counts().transactions, round * 2, "{name}");
            send(&mut session, Vec::new()).outcomes();
        }
        assert_eq!(sink.counts().connections, 1, "{name}");
    }
}

fn by_name(event: &Event<'_>) -> Option<String> {
    match event.recipient()?.split('@').next()? {
        "gone" => Some("550 5.1.1 no such user".to_owned()),
        "later" => Some("450-4.2.1 try\r\n450 4.2.1 later".to_owned()),
        "full" => Some("552 5.2.2 mailbox full".to_owned()),
        "forwarded" => Some("251 2.1.5 will forward".to_owned()),
        _ => None,
    }
}

#[test]
fn each_recipient_has_its_own_outcome() {
    for pipelining in [true, false] {
        let sink = Sink::builder().pipelining(pipelining).reply(by_name).start();
        let content = message();
        let recipients = ["gone@x", "anna@x", "later@x", "full@x", "forwarded@x"];
        let outcomes =
            send(&mut connect(&sink), vec![transaction("t", &content, &recipients)]).outcomes();
        assert_eq!(
            short(&outcomes[0]),
            ["never 550 at Rcpt", "ok", "later 450 at Rcpt", "later 552 at Rcpt", "ok"],
            "pipelining: {pipelining}"
        );
        match &outcomes[0][2] {
            RecipientOutcome::Deferred(reply) => {
                assert_eq!((reply.enhanced.as_deref(), &*reply.text), (Some("4.2.1"), "try later"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(sink.messages()[0].recipients, ["anna@x", "forwarded@x"]);
    }
}

#[test]
fn a_transaction_nobody_is_accepted_for_disturbs_neither_its_predecessor_nor_its_successor() {
    for pipelining in [true, false] {
        for data_for_nobody in [true, false] {
            let mut builder = Sink::builder().pipelining(pipelining).reply(by_name);
            if data_for_nobody {
                builder = builder.data_for_nobody();
            }
            let sink = builder.start();
            let content = message();
            let list = ["a@x", "gone@x", "gone@x", "b@x", "gone@x"]
                .iter()
                .map(|recipient| transaction(recipient, &content, &[recipient]))
                .collect();
            let mut session = connect(&sink);
            let mut outcomes = send(&mut session, list).outcomes();
            // And the next list begins with a clean server.
            outcomes
                .extend(send(&mut session, vec![transaction("t", &content, &["c@x"])]).outcomes());
            let never = "never 550 at Rcpt";
            let got: Vec<String> = outcomes.iter().flat_map(|outcomes| short(outcomes)).collect();
            assert_eq!(
                got,
                ["ok", never, never, "ok", never, "ok"],
                "{pipelining} {data_for_nobody}"
            );
            assert_eq!(sink.violations(), Vec::<String>::new(), "{pipelining} {data_for_nobody}");
            let taken: Vec<_> = sink
                .messages()
                .into_iter()
                .map(|message| (message.recipients, message.data))
                .collect();
            assert_eq!(
                taken,
                ["a@x", "b@x", "c@x"]
                    .map(|recipient| (vec![recipient.to_owned()], ARRIVED.to_vec()))
            );
        }
    }
}

/// A server that replies `reply` to the command `at`.
fn refusing(pipelining: bool, at: &'static str, reply: &'static str) -> Sink {
    Sink::builder()
        .pipelining(pipelining)
        .reply(move |event| {
            let name = match event {
                Event::Mail { .. } => "mail",
                Event::Data => "data",
                Event::Dot { .. } => "dot",
                _ => return by_name(event),
            };
            (name == at).then(|| reply.to_owned())
        })
        .start()
}

#[test]
fn a_refusal_of_the_whole_transaction_is_every_remaining_recipients_with_its_stage() {
    for pipelining in [true, false] {
        for (at, reply, expected) in [
            ("mail", "451 4.3.0 not now", "later 451 at Mail"),
            ("mail", "550 5.7.1 not you", "never 550 at Mail"),
            ("data", "451 4.3.0 not now", "later 451 at Data"),
            ("data", "554 5.7.1 not this", "never 554 at Data"),
            ("dot", "450 4.7.1 greylisted", "later 450 at Dot"),
            ("dot", "552 5.2.2 too much", "later 552 at Dot"),
            ("dot", "554 5.7.1 spam", "never 554 at Dot"),
        ] {
            let sink = refusing(pipelining, at, reply);
            let content = message();
            let list = vec![
                transaction("1", &content, &["a@x", "gone@x", "b@x"]),
                transaction("2", &content, &["c@x"]),
            ];
            let outcomes = send(&mut connect(&sink), list).outcomes();
            let of_gone = if at == "mail" { expected } else { "never 550 at Rcpt" };
            assert_eq!(
                short(&outcomes[0]),
                [expected, of_gone, expected],
                "{at} {reply} {pipelining}"
            );
            assert_eq!(short(&outcomes[1]), [expected], "{at} {reply} {pipelining}");
            assert!(sink.messages().is_empty());
            assert_eq!(sink.violations(), Vec::<String>::new(), "{at} {reply} {pipelining}");
        }
    }
}

#[test]
fn without_pipelining_nothing_pointless_is_said() {
    let sink = refusing(false, "mail", "550 5.7.1 not you");
    let content = message();
    send(&mut connect(&sink), vec![transaction("t", &content, &["a@x", "b@x"])]).outcomes();
    assert!(
        !sink.commands().iter().any(|line| line.starts_with("RCPT") || line.starts_with("DATA"))
    );
    let sink = Sink::builder().pipelining(false).reply(by_name).start();
    send(&mut connect(&sink), vec![transaction("t", &content, &["gone@x"])]).outcomes();
    assert!(!sink.commands().iter().any(|line| line.starts_with("DATA")), "{:?}", sink.commands());
}

#[test]
fn a_very_long_list_of_recipients_goes_through_a_server_that_blocks_on_its_answers() {
    let sink = Sink::builder().tight_buffers().one_write_a_reply().start();
    let content = message();
    // More than the sockets on both sides can hold, in either direction.
    let names: Vec<String> =
        (0..30_000).map(|number| format!("{number:0>200}@example.org")).collect();
    let recipients: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcomes =
        send(&mut connect(&sink), vec![transaction("t", &content, &recipients)]).outcomes();
    assert!(outcomes[0].iter().all(|outcome| *outcome == RecipientOutcome::Accepted));
    assert_eq!(sink.messages()[0].recipients, names);
}

#[test]
fn size_is_declared_and_larger_messages_are_not_sent() {
    let sink = Sink::builder().size(1000).start();
    let content = message();
    let large = Content::new(&b"0123456789\n".repeat(100));
    let list = vec![
        transaction("1", &content, &["a@x"]),
        transaction("2", &large, &["b@x", "c@x"]),
        transaction("3", &content, &["d@x"]),
    ];
    let outcomes = send(&mut connect(&sink), list).outcomes();
    assert_eq!(short(&outcomes[1]), ["never 0 at Mail"; 2]);
    match &outcomes[1][0] {
        RecipientOutcome::Refused(reply) => {
            assert!(reply.text.contains("1200") && reply.text.contains("1000"), "{reply}");
        }
        other => panic!("{other:?}"),
    }
    let messages = sink.messages();
    assert_eq!(
        messages.iter().map(|message| &*message.recipients[0]).collect::<Vec<_>>(),
        ["a@x", "d@x"]
    );
    assert_eq!(messages[0].parameters, format!("SIZE={}", messages[0].data.len()));
}

#[test]
fn eight_bits_go_only_where_they_are_offered_to_be_taken() {
    let content = Content::new("Subject: x\n\nGrüße\n".as_bytes());
    let sink = Sink::builder().start();
    send(&mut connect(&sink), vec![transaction("t", &content, &["a@x"])]).outcomes();
    assert_eq!(sink.messages()[0].parameters, "BODY=8BITMIME");
    assert_eq!(sink.messages()[0].data, "Subject: x\r\n\r\nGrüße\r\n".as_bytes());
    for builder in [Sink::builder(), Sink::builder().lmtp()] {
        let sink = builder.eight_bit_mime(false).start();
        let outcomes =
            send(&mut connect(&sink), vec![transaction("t", &content, &["a@x"])]).outcomes();
        assert_eq!(short(&outcomes[0]), ["never 0 at Mail"]);
        assert!(sink.messages().is_empty());
    }
}

#[test]
fn an_address_beyond_ascii_needs_smtputf8() {
    let content = message();
    let recipients = ["grün@x", "plain@x"];
    let sink = Sink::builder().start();
    let outcomes =
        send(&mut connect(&sink), vec![transaction("t", &content, &recipients)]).outcomes();
    assert_eq!(short(&outcomes[0]), ["ok", "ok"]);
    assert_eq!(sink.messages()[0].parameters, "SMTPUTF8");
    assert_eq!(sink.messages()[0].recipients, recipients);
    let sink = Sink::builder().smtputf8(false).start();
    let outcomes =
        send(&mut connect(&sink), vec![transaction("t", &content, &recipients)]).outcomes();
    assert_eq!(short(&outcomes[0]), ["never 0 at Rcpt", "ok"]);
    assert_eq!(sink.messages()[0].recipients, ["plain@x"]);
}

#[test]
fn no_address_smuggles_a_command() {
    let sink = Sink::builder().start();
    let content = message();
    let evil = ["a@x>\r\nRCPT TO:<victim@x", "b@x\nDATA", "c d@x", "<e@x>", ""];
    let outcomes = send(
        &mut connect(&sink),
        vec![transaction("t", &content, &[evil.as_slice(), &["good@x"]].concat())],
    )
    .outcomes();
    assert_eq!(short(&outcomes[0][..5]), ["never 0 at Rcpt"; 5]);
    let bad_sender = Transaction {
        sender: "x@y>\r\nRCPT TO:<victim@x".into(),
        ..transaction("t", &content, &["a@x"])
    };
    let outcomes = send(&mut connect(&sink), vec![bad_sender]).outcomes();
    assert_eq!(short(&outcomes[0]), ["never 0 at Mail"]);
    assert_eq!(sink.messages().len(), 1);
    assert_eq!(sink.messages()[0].recipients, ["good@x"]);
    assert!(!sink.commands().iter().any(|line| line.contains("victim")), "{:?}", sink.commands());
}

#[test]
fn verp_is_asked_of_a_server_that_offers_it_if_the_options_allow() {
    let content = message();
    for (offered, allowed, parameters) in
        [(true, true, "XVERP"), (false, true, ""), (true, false, "")]
    {
        let sink = Sink::builder().xverp(offered).start();
        let options = dormouse_delivery::SessionOptions { xverp: allowed, ..options() };
        let mut session = Session::connect(&transport(&sink.url()), &options).unwrap();
        assert_eq!(session.offers().xverp, offered);
        let with_verp = Transaction { verp: true, ..transaction("1", &content, &["a@x", "b@x"]) };
        send(&mut session, vec![with_verp, transaction("2", &content, &["c@x"])]).outcomes();
        let said: Vec<String> =
            sink.messages().into_iter().map(|message| message.parameters).collect();
        assert_eq!(said, [parameters, ""]);
    }
}

/// The server does not reply before `next` was called again: to the commands of the first
/// transaction, and to a message that is followed by the commands of another one.
#[test]
fn the_next_transaction_is_made_while_the_server_is_at_work() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (was_asked, asked) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let mut say = |reply: &str| stream.write_all(reply.as_bytes()).unwrap();
        say("220 x\r\n");
        lines.find(|line| line.starts_with("EHLO")).unwrap();
        say("250-x\r\n250 PIPELINING\r\n");
        let was_asked = || asked.recv_timeout(PATIENCE).unwrap();
        was_asked();
        for number in 0..3 {
            lines.find(|line| line == "DATA").unwrap();
            if number == 0 {
                was_asked();
            }
            say("250 ok\r\n250 ok\r\n354 go on\r\n");
            lines.find(|line| line == ".").unwrap();
            if number < 2 {
                // For the last one, or for the end.
                was_asked();
            }
            say("250 ok\r\n");
        }
    });
    let content = message();
    let mut waiting = (0..3).map(|number| transaction(&format!("t{number}"), &content, &["a@b"]));
    let mut session = Session::connect(&transport(&url), &options()).unwrap();
    let mut reported = 0;
    let sent: Result<(), SendError<String>> = session.send(
        || {
            was_asked.send(()).unwrap();
            waiting.next()
        },
        |_| true,
        |_, _| {
            reported += 1;
            Ok(())
        },
    );
    sent.unwrap();
    assert_eq!(reported, 3);
    server.join().unwrap();
}

#[test]
fn what_has_been_made_is_not_sent_once_it_is_not_to_go_on() {
    for (name, sink) in servers() {
        let content = message();
        let mut waiting =
            (0..20).map(|number| transaction(&format!("t{number}"), &content, &["a@b"]));
        let (asked, reported) = (Cell::new(0), Cell::new(0));
        let mut session = connect(&sink);
        let sent: Result<(), SendError<String>> = session.send(
            || {
                asked.set(asked.get() + 1);
                waiting.next()
            },
            |ask| ask != Ask::GoOn || reported.get() < 2,
            |_, _| {
                reported.set(reported.get() + 1);
                Ok(())
            },
        );
        sent.unwrap();
        assert_eq!((asked.get(), reported.get()), (4, 3), "{name}");
        // The session is as good as new.
        let more = send(&mut session, vec![transaction("more", &content, &["a@b"])]).outcomes();
        assert_eq!(more, [[RecipientOutcome::Accepted]], "{name}");
        session.quit();
        assert_eq!(sink.counts().transactions, 4, "{name}");
    }
}

#[test]
fn what_was_made_early_and_is_no_longer_right_is_replaced() {
    let sink = Sink::builder().start();
    let content = message();
    // The answers to whether the second, third … transaction is still right; then it is.
    for (answers, expected) in [
        (&[][..], &["t0", "t1", "t2", "t3"][..]),
        (&[true, false], &["t0", "t1", "t3"]),
        (&[false, true, false], &["t0", "t2", "t3"]),
        (&[false, false, false, false], &["t0", "t2"]),
    ] {
        let mut waiting =
            (0..4).map(|number| transaction(&format!("t{number}"), &content, &["a@b"]));
        let mut answers = answers.iter();
        let mut reported = Vec::new();
        let mut session = connect(&sink);
        let sent: Result<(), SendError<String>> = session.send(
            || waiting.next(),
            |ask| ask != Ask::Still || answers.next().copied().unwrap_or(true),
            |transaction, _| {
                reported.push(transaction.unique.clone());
                Ok(())
            },
        );
        sent.unwrap();
        session.quit();
        assert_eq!(reported, expected);
    }
    assert_eq!(sink.counts().transactions, 4 + 3 + 3 + 2);
    assert_eq!(sink.violations(), Vec::<String>::new());
}

#[test]
fn when_the_caller_cannot_take_note_nothing_more_is_sent() {
    let sink = Sink::builder().start();
    let content = message();
    let mut session = connect(&sink);
    let mut waiting = (0..5).map(|number| transaction(&format!("t{number}"), &content, &["a@b"]));
    let noted = RefCell::new(Vec::new());
    let sent = session.send(
        || waiting.next(),
        |_| true,
        |transaction, _| {
            noted.borrow_mut().push(transaction.unique.clone());
            if noted.borrow().len() == 2 { Err("disk full") } else { Ok(()) }
        },
    );
    assert!(matches!(sent, Err(SendError::Done("disk full"))), "{sent:?}");
    // The session will not mistake old answers for new ones.
    let again = send(&mut session, vec![transaction("x", &content, &["a@b"])]);
    assert_eq!(again.in_doubt(), None);
    assert!(again.reports.is_empty());
    drop(session);
    assert_eq!(sink.counts().transactions, 2);
}

#[test]
fn helo_sends_the_configured_name_or_the_own_address() {
    let sink = Sink::builder().start();
    let mut named = options();
    named.helo = Some("lists.example.org".to_owned());
    let sessions = [Session::connect(&transport(&sink.url()), &named).unwrap(), connect(&sink)];
    sessions.into_iter().for_each(Session::quit);
    let said: Vec<String> = sink.commands().into_iter().filter(|line| line != "QUIT").collect();
    assert_eq!(said, ["EHLO lists.example.org", "EHLO [127.0.0.1]"]);
    named.helo = Some("evil\r\nQUIT".to_owned());
    let error =
        Session::connect(&transport(&sink.url()), &named).err().expect("a name that is refused");
    assert!(!error.temporary, "{error}");
}
