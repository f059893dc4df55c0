use super::*;
use dormouse_spool::{Queue, Spool};
use proptest::prelude::*;
use std::cell::Cell;
use tempfile::TempDir;

struct Hall {
    _home: TempDir,
    site: Site,
    spool: Spool,
}

impl Hall {
    fn new() -> Hall {
        let home = TempDir::new().unwrap();
        let site = Site::init(&home.path().join("site"), "lists.example.org").unwrap();
        Store::open(&site)
            .unwrap()
            .write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example.org", &[]).map(drop))
            .unwrap();
        let spool = Spool::new(site.qfiles());
        spool.create().unwrap();
        Hall { _home: home, site, spool }
    }

    fn live(&self) -> LiveSite {
        LiveSite::open(self.site.dir(), |_site| Ok(())).unwrap()
    }

    /// Returns the lines of the replies, and how often a message was accepted.
    fn say(&self, said: &[u8]) -> (Vec<String>, u32) {
        let accepted = Cell::new(0);
        let (stop, state) = (AtomicBool::new(false), State::new());
        let surroundings = Surroundings {
            live: &self.live(),
            index: &LiveIndex::of(self.site.dir()),
            spool: &self.spool,
            stop: &stop,
            state: &state,
            accepted: &|| accepted.set(accepted.get() + 1),
        };
        let mut output = Vec::new();
        talk(&surroundings, said, &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        (text.split_terminator("\r\n").map(str::to_owned).collect(), accepted.get())
    }

    /// Returns the codes of the replies after the greeting.
    fn codes(&self, said: &str) -> Vec<String> {
        let said = said.replace('\n', "\r\n");
        let (lines, _) = self.say(format!("LHLO test\r\n{said}").as_bytes());
        lines[7..]
            .iter()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    }

    fn waiting(&self, queue: Queue) -> usize {
        self.spool.ready(queue).unwrap().len()
    }
}

#[test]
fn a_transaction_is_answered_for_each_recipient_and_kept_for_each_list_address() {
    let hall = Hall::new();
    let codes = hall.codes(
        "MAIL FROM:<a@example.com> SIZE=20 BODY=8BITMIME\nRCPT TO:<dev@lists.example.org>\n\
         RCPT TO:<nobody@lists.example.org>\nRCPT TO:<dev-request@lists.example.org>\n\
         RCPT TO:<DEV@lists.example.org>\nDATA\nSubject: x\n\nx\n.\nQUIT\n",
    );
    assert_eq!(
        codes,
        [
            "250 2.1.0",
            "250 2.1.5",
            "550 5.1.1",
            "250 2.1.5",
            "250 2.1.5",
            "354 send",
            "250 2.0.0",
            "250 2.0.0",
            "250 2.0.0",
            "221 2.0.0"
        ]
    );
    assert_eq!(hall.waiting(Queue::In), 1, "the address that was named twice is kept once");
    assert_eq!(hall.waiting(Queue::Commands), 1);
    let name = hall.spool.ready(Queue::In).unwrap().remove(0);
    let entry = hall.spool.peek(Queue::In, &name).unwrap().unwrap();
    assert_eq!(entry.message, b"Subject: x\n\nx\n");
    assert_eq!(entry.metadata.text("envelope_sender").unwrap(), "a@example.com");
    assert_eq!(entry.metadata.text("envelope_recipient").unwrap(), "dev@lists.example.org");
}

#[test]
fn the_greeting_says_what_is_offered() {
    let hall = Hall::new();
    let (lines, _) = hall.say(b"LHLO test\r\n");
    assert!(lines[0].starts_with("220 lists.example.org"), "{lines:?}");
    for offer in ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "SIZE 52428800"] {
        assert!(lines.iter().any(|line| line.ends_with(offer)), "{offer}: {lines:?}");
    }
}

#[test]
fn commands_out_of_order_are_refused_and_change_nothing() {
    let hall = Hall::new();
    assert!(hall.say(b"MAIL FROM:<a@b>\r\n").0[1].starts_with("503 5.5.1"));
    let codes = hall.codes(
        "RCPT TO:<dev@lists.example.org>\nDATA\nMAIL FROM:<>\nMAIL FROM:<b@c>\nDATA\n\
         RCPT TO:<nobody@lists.example.org>\nDATA\nRSET\nRCPT TO:<dev@lists.example.org>\n\
         NOOP\nVRFY dev\nNONSENSE\n",
    );
    let expected =
        ["503", "503", "250", "503", "503", "550", "503", "250", "503", "250", "252", "500"];
    assert_eq!(codes.iter().map(|code| &code[..3]).collect::<Vec<_>>(), expected);
    assert_eq!(hall.waiting(Queue::In), 0);
}

#[test]
fn a_message_that_is_cut_short_is_not_kept() {
    let hall = Hall::new();
    let (lines, accepted) = hall.say(
        b"LHLO t\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n",
    );
    assert!(lines.last().unwrap().starts_with("354"), "{lines:?}");
    assert_eq!((accepted, hall.waiting(Queue::In)), (0, 0));
}

#[test]
fn too_large_a_message_is_refused_by_its_size_or_at_its_end() {
    let mut hall = Hall::new();
    dormouse_store::Config::set(&hall.site.config_file(), "intake.max_size", "100").unwrap();
    hall.site = Site::open(hall.site.dir()).unwrap();
    let body = "x".repeat(120);
    let codes = hall.codes(&format!(
        "MAIL FROM:<> SIZE=101\nMAIL FROM:<>\nRCPT TO:<dev@lists.example.org>\nDATA\n{body}\n.\n\
         MAIL FROM:<>\nRCPT TO:<dev@lists.example.org>\nDATA\nx\n.\n"
    ));
    let expected = ["552 5.3.4", "250 2.1.0", "250 2.1.5", "354 send", "552 5.3.4"];
    assert_eq!(codes[..5], expected);
    assert_eq!(codes[8], "250 2.0.0");
    assert_eq!(hall.waiting(Queue::In), 1);
}

#[test]
fn a_full_disk_is_a_reason_to_try_again() {
    let mut hall = Hall::new();
    dormouse_store::Config::set(&hall.site.config_file(), "intake.min_free", "99999 GiB").unwrap();
    hall.site = Site::open(hall.site.dir()).unwrap();
    let codes = hall.codes("MAIL FROM:<>\nRCPT TO:<dev@lists.example.org>\nDATA\nx\n.\n");
    assert_eq!(codes.last().unwrap(), "452 4.3.1");
}

#[test]
fn a_client_of_another_protocol_is_disconnected() {
    let hall = Hall::new();
    let (lines, _) = hall.say("GET / HTTP/1.1\r\n".repeat(100).as_bytes());
    assert!(lines.last().unwrap().starts_with("421 4.7.0"), "{lines:?}");
    assert!(lines.len() < 30);
}

#[test]
fn a_session_that_is_to_stop_says_so_between_transactions() {
    let hall = Hall::new();
    let stop = AtomicBool::new(true);
    let surroundings = Surroundings {
        live: &hall.live(),
        index: &LiveIndex::of(hall.site.dir()),
        spool: &hall.spool,
        stop: &stop,
        state: &State::new(),
        accepted: &|| {},
    };
    let mut output = Vec::new();
    talk(&surroundings, &b"LHLO x\r\n"[..], &mut output).unwrap();
    assert!(
        String::from_utf8(output)
            .unwrap()
            .ends_with("421 4.3.2 shutting down, reconnect immediately\r\n")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// For any commands in any order: every accepted message is an entry, and there are no others.
    #[test]
    fn what_is_accepted_is_what_is_kept(steps in prop::collection::vec(0usize..9, 0..24)) {
        const SAID: [&str; 9] = [
            "LHLO x\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<dev@lists.example.org>\r\n",
            "RCPT TO:<no@lists.example.org>\r\n", "DATA\r\n", "x\r\n.\r\n", "RSET\r\n", "NOOP\r\n",
            "MAIL FROM:<>\r\nRCPT TO:<dev-owner@lists.example.org>\r\nDATA\r\n..\r\n.\r\n",
        ];
        let hall = Hall::new();
        let said: String = steps.iter().map(|&step| SAID[step]).collect();
        let (lines, accepted) = hall.say(said.as_bytes());
        let transactions = lines.windows(2).filter(|pair| pair[0].starts_with("354") && pair[1].starts_with("250")).count();
        prop_assert_eq!(accepted as usize, transactions);
        let kept = hall.waiting(Queue::In);
        prop_assert!(kept >= transactions && (transactions > 0 || kept == 0));
    }
}

#[test]
fn however_an_address_is_written_it_is_one_post_and_what_tells_bounces_apart_keeps_them_apart() {
    let hall = Hall::new();
    let rcpt = |local: &str| format!("RCPT TO:<{local}@lists.example.org>\n");
    let posts = ["dev", "DEV", "dev", "Dev+detail"].map(rcpt).concat();
    let codes = hall.codes(&format!("MAIL FROM:<a@b.example>\n{posts}DATA\nSubject: x\n\nx\n.\n"));
    assert_eq!(codes.iter().filter(|code| code.starts_with("250 2.0.0")).count(), 4, "{codes:?}");
    assert_eq!(hall.waiting(Queue::In), 1);
    let others = ["dev-owner", "dev-OWNER", "dev-join", "dev-subscribe", "dev-request"];
    let bounces = ["dev-bounces+a=x", "dev-admin+A=x", "dev-bounces+b=x", "dev-bounces"];
    let all = [&others[..], &bounces[..]].concat().into_iter().map(rcpt).collect::<String>();
    hall.codes(&format!("MAIL FROM:<>\n{all}DATA\nSubject: x\n\nx\n.\n"));
    assert_eq!(hall.waiting(Queue::In), 2, "one for the owners");
    assert_eq!(hall.waiting(Queue::Commands), 2, "one to join, one request");
    assert_eq!(hall.waiting(Queue::Bounces), 3);
}

#[test]
fn a_host_that_is_not_ours_is_refused() {
    let hall = Hall::new();
    Store::open(&hall.site)
        .unwrap()
        .write(|tx| tx.create_list(&"talk".parse().unwrap(), "other.example.net", &[]).map(drop))
        .unwrap();
    let codes = hall.codes(
        "MAIL FROM:<>\nRCPT TO:<dev@elsewhere.example>\nRCPT TO:<mailman-owner@elsewhere.example>\n\
         RCPT TO:<dev@Lists.Example.ORG>\nRCPT TO:<dev@other.example.net>\n\
         RCPT TO:<talk@other.example.net>\nRCPT TO:<dev-owner@lists.example.org.evil.example>\n",
    );
    let expected =
        ["250 2.1.0", "550 5.1.2", "550 5.1.2", "250 2.1.5", "250 2.1.5", "250 2.1.5", "550 5.1.2"];
    assert_eq!(codes, expected);
}
