//! Separate copies for each recipient (docs/spec/pipeline.md §6, §7).

use dormouse_clock::Timestamp;
use dormouse_spool::{Entry, EntryName, Metadata, Queue, Spool};
use dormouse_store::{MemberOption, Site, Store};
use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, message};
use std::time::Duration;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const ANNA: &str = "Anna.B@example.org";
const BERT: &str = "bert@example.net";

/// A list with two members, one of whom has a name.
fn site(settings: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &[&format!("Änna <{ANNA}>"), BERT]);
    if !settings.is_empty() {
        site.ok(&[&["list", "set", "dev"], settings].concat());
    }
    site
}

fn option(site: &TestSite, address: &str, option: MemberOption, value: bool) {
    let store = Store::open(&Site::open(&site.dir()).unwrap()).unwrap();
    let list = store.read().list("dev").unwrap().unwrap();
    let mut member = store.read().member(list.id, address).unwrap().unwrap();
    member.options = member.options.with(option, value);
    store.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0))).unwrap();
}

fn mail(site: &TestSite, address: &str) -> String {
    let mails = site.maildir(address);
    assert_eq!(mails.len(), 1, "{address}");
    String::from_utf8_lossy(&mails[0]).into_owned()
}

fn send(site: &TestSite) -> (String, String) {
    site.post("dev", &message(BERT, "hello", "Hello, list.\n"));
    site.ok(&["run"]);
    (mail(site, ANNA), mail(site, BERT))
}

#[test]
fn a_footer_speaks_to_its_reader() {
    let fields =
        "user_address user_delivered_to user_language user_optionsurl real_name user_password";
    let fields: String = fields.split(' ').map(|name| format!("{name}=%({name})s\n")).collect();
    let site =
        site(&["personalize=yes", &format!("msg_footer=-- \nfor %(user_name)s, 100%%\n{fields}")]);
    let (anna, bert) = send(&site);
    assert!(anna.contains("\nTo: dev@lists.example.org\n"), "{anna}");
    let root = dormouse_mail::mime::first_text(&dormouse_mail::Message::parse(anna)).unwrap();
    assert_eq!(
        root,
        "Hello, list.\n-- \nfor Änna, 100%\nuser_address=anna.b@example.org\n\
         user_delivered_to=Anna.B@example.org\nuser_language=en\n\
         user_optionsurl=https://lists.example.org/mailman/options/dev/anna.b--at--example.org\n\
         real_name=Dev\nuser_password=\n"
    );
    assert!(bert.contains("\nfor bert@example.net, 100%\n"), "{bert}");
    assert!(!bert.contains("nna"), "{bert}");
}

#[test]
fn on_a_list_without_personal_copies_such_fields_get_a_general_value() {
    let footer = "msg_footer=%(user_name)s of %(real_name)s: %(user_unsubscribeurl)s";
    let (anna, bert) = send(&site(&[footer]));
    let end = "\nHello, list.\n of Dev: https://lists.example.org/mailman/options/dev\n";
    assert!(anna.ends_with(end), "{anna}");
    assert!(bert.ends_with(end), "{bert}");
}

#[test]
fn a_fully_personal_list_writes_to_each_by_name_but_digests_and_notices_stay_as_they_are() {
    let site = site(&["personalize=full", "msg_footer=from %(real_name)s"]);
    option(&site, BERT, MemberOption::AcknowledgePosts, true);
    site.post("dev", &message(BERT, "hello", "Hello, list.\n"));
    site.ok(&["run"]);
    let anna = mail(&site, ANNA);
    assert!(anna.contains("\nTo: =?utf-8?b?w4RubmE=?= <Anna.B@example.org>\n"), "{anna}");
    assert_eq!(anna.matches("\nTo: ").count(), 1, "{anna}");
    assert!(anna.contains("\nCc: dev@lists.example.org\n"), "{anna}");
    assert!(anna.ends_with("\nHello, list.\nfrom Dev\n"), "{anna}");
    let both = site.maildir(BERT);
    let both: Vec<_> = both.iter().map(|mail| String::from_utf8_lossy(mail)).collect();
    assert_eq!(both.iter().filter(|mail| mail.contains("\nTo: bert@example.net\n")).count(), 2);
    assert!(both.iter().any(|mail| mail.contains("post acknowledgement")), "{both:?}");

    // A digest, as the digest job queues it.
    let mut metadata = Metadata::new();
    metadata.set_text("listname", "dev");
    metadata.set_int("isdigest", 1);
    metadata.set_texts("recips", [ANNA]);
    enqueue(&site, metadata, "To: dev@lists.example.org\nSubject: digest\n\nx\n");
    site.ok(&["run"]);
    let mails = site.maildir(ANNA);
    let digest = mails.iter().map(|mail| String::from_utf8_lossy(mail));
    let digest = digest.filter(|mail| mail.contains("Subject: digest")).collect::<String>();
    assert!(digest.contains("\nTo: dev@lists.example.org\n"), "{digest}");
    assert!(digest.ends_with("\nx\n"), "{digest}");
}

/// Puts an entry into `out`.
fn enqueue(site: &TestSite, metadata: Metadata, raw: &str) {
    let spool = Spool::new(site.queue(""));
    let mut batch = spool.batch();
    let name = EntryName::new(Timestamp::from_seconds(1e9), raw.as_bytes(), "dev");
    batch.enqueue(Queue::Out, &name, &Entry::new(raw.as_bytes().to_vec(), metadata)).unwrap();
    batch.commit().unwrap();
}

#[test]
fn copies_for_many_are_sent_over_several_connections_and_each_member_gets_one() {
    let sink = Sink::builder().latency(Duration::from_millis(1)).start();
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    let members: Vec<String> = (0..600).map(|number| format!("m{number:03}@example.org")).collect();
    site.plain_list("dev", &members.iter().map(String::as_str).collect::<Vec<_>>());
    site.ok(&["list", "set", "dev", "personalize=yes"]);
    site.post("dev", &message(BERT, "hello", "Hello, list.\n"));
    site.ok(&["run"]);
    let mut reached: Vec<String> =
        sink.messages().into_iter().flat_map(|mail| mail.recipients).collect();
    reached.sort();
    assert_eq!(reached, members);
    assert_eq!(sink.counts().connections, 3, "of four, one is kept for mail to few");
}

#[test]
fn whoever_gets_another_copy_can_tell() {
    let site = site(&[]);
    site.ok(&["config", "set", "delivery.verp_interval", "1"]);
    site.ok(&["config", "set", "delivery.recipient_header", "X-Recipient"]);
    option(&site, ANNA, MemberOption::DontReceiveDuplicates, false);
    let raw = message(BERT, "hello", "Hello, list.\n");
    let raw = [format!("Cc: {ANNA}\nX-Mailman-Copy: forged\n").as_bytes(), &raw].concat();
    site.post("dev", &raw);
    site.ok(&["run"]);
    let (anna, bert) = (mail(&site, ANNA), mail(&site, BERT));
    assert!(anna.contains("\nX-Mailman-Copy: yes\n") && !bert.contains("X-Mailman-Copy"), "{bert}");
    assert!(anna.contains("\nX-Recipient: QW5uYS5CQGV4YW1wbGUub3Jn\n"), "{anna}");
    assert!(anna.contains("Errors-To: dev-bounces+anna.b=example.org@"), "{anna}");
}

#[test]
fn an_entry_that_mailman_left_in_out_gets_the_footer_once() {
    let site = site(&["msg_footer=foot"]);
    let raw = "From: a@example.org\nSubject: old\n\nhello\n";
    for decorated in [0, 1] {
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        metadata.set_int("decorated", decorated);
        metadata.set_texts("recips", [ANNA]);
        enqueue(&site, metadata, raw);
        site.ok(&["run"]);
    }
    let mut ends: Vec<bool> =
        site.maildir(ANNA).iter().map(|mail| mail.ends_with(b"\nhello\nfoot\n")).collect();
    ends.sort();
    assert_eq!(ends, [false, true]);
}
