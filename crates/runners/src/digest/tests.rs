use super::*;
use dormouse_clock::Timestamp;
use dormouse_mail::mime;
use dormouse_store::MemberOption;
use dormouse_testkit::fixture::Fixture;

const NOW: Timestamp = Timestamp::from_seconds(1.8e9);
const DAY: f64 = 86_400.0;

/// A list with a reader of each form.
fn fixture(settings: &[(&str, &str)]) -> (Fixture, Spool) {
    let fixture = Fixture::new(settings);
    let spool = Spool::new(fixture.site.qfiles());
    spool.create().unwrap();
    for (address, options) in
        [("mime@x.example", &[][..]), ("plain@x.example", &[MemberOption::DisableMime])]
    {
        fixture.member(address, options);
        change(&fixture, address, |member| member.digest = true);
    }
    (fixture, spool)
}

fn change(fixture: &Fixture, address: &str, change: impl FnOnce(&mut dormouse_store::Member)) {
    let list = fixture.get("dev");
    let mut member = fixture.store.read().member(list.id, address).unwrap().unwrap();
    change(&mut member);
    fixture.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0)));
}

fn post(fixture: &Fixture, raw: &str) {
    let list = fixture.get("dev");
    let name = EntryName::new(Timestamp::from_seconds(1.0), raw.as_bytes(), "dev");
    fixture.write(|tx| {
        tx.add_to_digest(&list, name.as_str(), Timestamp::from_seconds(1.0), raw.as_bytes())
    });
}

fn press<'p>(fixture: &'p Fixture, spool: &'p Spool, now: Timestamp) -> Press<'p> {
    let zone = const { &TimeZone::UTC };
    Press { site: &fixture.site, spool, store: &fixture.store, now, zone }
}

fn send(fixture: &Fixture, spool: &Spool, now: Timestamp) -> Option<SentIssue> {
    press(fixture, spool, now).send(&fixture.get("dev")).unwrap()
}

/// Takes the waiting entries out of the queue, each with its recipients.
fn taken(spool: &Spool) -> Vec<(Vec<String>, dormouse_mail::Message)> {
    let mut found: Vec<_> = spool
        .ready(Queue::Virgin)
        .unwrap()
        .iter()
        .map(|name| {
            let entry = spool.peek(Queue::Virgin, name).unwrap().unwrap();
            spool.remove(Queue::Virgin, name).unwrap();
            assert!(entry.metadata.flag("isdigest"));
            let recipients = entry.metadata.texts("recips").unwrap();
            (recipients, dormouse_mail::Message::parse(entry.message))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn an_issue_has_both_forms_and_is_closed() {
    let (fixture, spool) = fixture(&[("digest_header", "Above"), ("digest_footer", "Below")]);
    assert_eq!(send(&fixture, &spool, NOW), None, "no posts, no digest");
    post(&fixture, "From: Anna <a@x.example>\nSubject: [Dev] one\n\nfirst\n");
    post(&fixture, "From: b@x.example\nSubject: two\n\nsec\u{f6}nd\n");
    let report = send(&fixture, &spool, NOW).unwrap();
    assert_eq!((report.volume, report.issue, report.posts, report.left_out), (1, 1, 2, 0));
    let [(mime_to, mime), (plain_to, plain)] = &taken(&spool)[..] else { panic!() };
    assert_eq!(
        (mime_to.join(","), plain_to.join(",")),
        ("mime@x.example".into(), "plain@x.example".into())
    );
    for message in [mime, plain] {
        let field = |name: &str| message.text(name).unwrap();
        assert_eq!(field("From"), "dev-request@lists.example");
        assert_eq!(field("To"), "dev@lists.example");
        assert_eq!(field("Reply-To"), "dev@lists.example");
        assert_eq!(field("Subject"), "Dev Digest, Vol 1, Issue 1");
        assert_eq!(field("Date"), dormouse_mail::date::rfc5322(NOW));
    }
    let root = mime::structure(mime);
    let kinds: Vec<_> = root.parts.iter().map(|part| part.content_type.value.as_str()).collect();
    assert_eq!(
        kinds,
        ["text/plain", "text/plain", "text/plain", "multipart/digest", "text/plain", "text/plain"]
    );
    assert_eq!(root.parts[3].parts.len(), 2);
    let text = mime::first_text(plain).unwrap();
    let rest = text.split_once("\nAbove\n").unwrap().1;
    let rule = "-".repeat(70);
    let line = "-".repeat(30);
    assert_eq!(
        rest,
        format!(
            "\nToday's Topics:\n\n   1. one (Anna)\n   2. two (b@x.example)\n\n{rule}\n\n\
             Message: 1\nFrom: Anna <a@x.example>\nSubject: [Dev] one\n\nfirst\n\n{line}\n\n\
             Message: 2\nFrom: b@x.example\nSubject: two\n\nsec\u{f6}nd\n\n{line}\n\n\
             Subject: Digest Footer\n\nBelow\n\n{line}\n\n\
             End of Dev Digest, Vol 1, Issue 1\n*********************************\n"
        )
    );
    assert_eq!(send(&fixture, &spool, NOW), None, "each post is in one digest");
}

#[test]
fn numbers_go_on_and_volumes_change_with_the_calendar() {
    let (fixture, spool) = fixture(&[("digest_volume_frequency", "month")]);
    let issue = |at: Timestamp| {
        post(&fixture, "\nx\n");
        let report = send(&fixture, &spool, at).unwrap();
        taken(&spool);
        (report.volume, report.issue)
    };
    assert_eq!(issue(NOW), (1, 1));
    assert_eq!(issue(NOW), (1, 2));
    assert_eq!(issue(NOW + 32.0 * DAY), (2, 1));
    let list = fixture.get("dev");
    fixture.write(|tx| tx.bump_digest(list.id));
    let issue = |at: Timestamp| {
        post(&fixture, "\nx\n");
        let report = send(&fixture, &spool, at).unwrap();
        (report.volume, report.issue)
    };
    assert_eq!(issue(NOW + 32.0 * DAY), (3, 1));
}

#[test]
fn who_leaves_the_digests_gets_the_one_that_is_collected_still() {
    let (fixture, spool) = fixture(&[]);
    post(&fixture, "\nx\n");
    change(&fixture, "plain@x.example", |member| member.digest = false);
    change(&fixture, "mime@x.example", |member| member.delivery = dormouse_store::Delivery::ByUser);
    let readers = || {
        send(&fixture, &spool, NOW).unwrap();
        taken(&spool).into_iter().flat_map(|(recipients, _)| recipients).collect::<Vec<_>>()
    };
    assert_eq!(readers(), ["plain@x.example"]);
    post(&fixture, "\nx\n");
    assert_eq!(readers(), Vec::<String>::new());
    assert_eq!(
        fixture.store.read().digest_size(fixture.get("dev").id).unwrap().0,
        0,
        "unread, but closed"
    );
}

#[test]
fn a_large_membership_is_stored_in_the_entry_as_a_rule() {
    let (fixture, spool) = fixture(&[]);
    let list = fixture.get("dev");
    fixture.write(|tx| {
        for number in 0..dormouse_pipeline::recipients::WRITTEN_OUT + 2 {
            let address = format!("m{number}@many.example");
            let new = dormouse_store::NewMember { address, real_name: String::new(), digest: true };
            tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "")?;
        }
        Ok(())
    });
    post(&fixture, "\nx\n");
    send(&fixture, &spool, NOW).unwrap();
    let rules: Vec<_> = spool
        .ready(Queue::Virgin)
        .unwrap()
        .iter()
        .filter_map(|name| {
            let entry = spool.peek(Queue::Virgin, name).unwrap().unwrap();
            let recipients = Recipients::read(&entry.metadata).unwrap().unwrap();
            matches!(recipients, Recipients::Those(_)).then_some(recipients)
        })
        .collect();
    assert_eq!(rules.len(), 1, "only one form has so many readers");
    let mut stream = rules[0].clone().stream(fixture.store.read(), &Default::default()).unwrap();
    let mut readers = 0;
    while stream.pull().unwrap().is_some() {
        readers += 1;
    }
    assert_eq!(readers, dormouse_pipeline::recipients::WRITTEN_OUT + 3);
}

#[test]
fn an_issue_that_is_on_its_way_is_not_made_again_and_its_runner_closes_it() {
    let (fixture, spool) = fixture(&[]);
    let list = fixture.get("dev");
    post(&fixture, "\nx\n");
    // The process dies before the store has committed.
    let gone: Result<(), RunError> = fixture.store.rehearse(|tx| {
        press(&fixture, &spool, NOW).issue(tx, &list).map(|report| assert!(report.is_some()))
    });
    gone.unwrap();
    post(&fixture, "\ny\n");
    assert_eq!(send(&fixture, &spool, NOW), None);
    let name = &spool.ready(Queue::Virgin).unwrap()[0];
    let entry = spool.peek(Queue::Virgin, name).unwrap().unwrap();
    let closing = closing(&entry.metadata).unwrap().unwrap();
    for _ in 0..2 {
        fixture.write(|tx| {
            let is_ours = tx.close_digest(list.id, &closing)?;
            assert!(is_ours);
            Ok(())
        });
    }
    taken(&spool);
    let report = send(&fixture, &spool, NOW).unwrap();
    assert_eq!((report.issue, report.posts), (2, 1));
}

/// The database fails when the first host closes the issue.
#[test]
fn an_issue_that_two_hosts_created_is_sent_by_one() {
    let (fixture, spool) = fixture(&[]);
    let other = Spool::new(fixture.site.dir().join("other"));
    other.create().unwrap();
    let list = fixture.get("dev");
    post(&fixture, "\nx\n");
    let gone: Result<(), RunError> =
        fixture.store.rehearse(|tx| press(&fixture, &spool, NOW).issue(tx, &list).map(drop));
    gone.unwrap();
    post(&fixture, "\ny\n");
    let report = send(&fixture, &other, NOW + 1.0).unwrap();
    assert_eq!((report.issue, report.posts), (1, 2));
    for (spool, is_sent) in [(&spool, false), (&other, true)] {
        let name = &spool.ready(Queue::Virgin).unwrap()[0];
        let entry = spool.peek(Queue::Virgin, name).unwrap().unwrap();
        let closing = closing(&entry.metadata).unwrap().unwrap();
        fixture.write(|tx| {
            assert_eq!(tx.close_digest(list.id, &closing)?, is_sent);
            Ok(())
        });
    }
}

#[test]
fn readers_get_it_in_their_language_if_there_are_texts_in_it() {
    let (fixture, spool) = fixture(&[("available_languages", "en,de,fr")]);
    for (name, language) in [("d", "de"), ("f", "fr"), ("e", "en")] {
        let address = format!("{name}@x.example");
        fixture.member(&address, &[]);
        change(&fixture, &address, |member| {
            member.digest = true;
            member.language = language.to_owned();
        });
    }
    let dir = fixture.site.dir().join("templates/site/de");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("digest.txt"), "title: Sammelmail %(issue)s\n").unwrap();
    post(&fixture, "Subject: x\n\nx\n");
    send(&fixture, &spool, NOW).unwrap();
    let sent: Vec<(String, String)> = taken(&spool)
        .into_iter()
        .map(|(readers, message)| (readers.join(","), message.text("Subject").unwrap()))
        .collect();
    let english = "Dev Digest, Vol 1, Issue 1".to_owned();
    assert_eq!(
        sent,
        [
            ("d@x.example".to_owned(), "Sammelmail 1".to_owned()),
            ("e@x.example,mime@x.example".to_owned(), english.clone()),
            ("f@x.example".to_owned(), "Lot Dev, vol. 1, n° 1".to_owned()),
            ("plain@x.example".to_owned(), english),
        ]
    );
}

#[test]
fn a_site_may_word_it_in_its_own_way() {
    let (fixture, spool) = fixture(&[]);
    let dir = fixture.site.dir().join("lists/dev/en");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("digest.txt"), "topics: Themen\nend: Ende von %(title)s\n").unwrap();
    std::fs::write(dir.join("masthead.txt"), "Hallo %(got_list_email)s\n").unwrap();
    post(&fixture, "Subject: x\n\nx\n");
    send(&fixture, &spool, NOW).unwrap();
    let text = mime::first_text(&taken(&spool)[1].1).unwrap();
    assert!(text.starts_with("Hallo dev@lists.example\n\nThemen:\n"), "{text}");
    assert!(text.contains("\nEnde von Dev Digest, Vol 1, Issue 1\n****"), "{text}");
}

mod any_posts {
    use super::*;
    use dormouse_store::WaitingPost;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn stand_in_both_forms_one_by_one(
            posts in prop::collection::vec(
                "((Subject|Content-Type|X): (multipart/digest; boundary=b|message/rfc822|text/html|[a-zä\0]{0,12})\r?\n){0,3}\n(--b\n|--b--\n|-{30}\n|-{70}\n|Content-Type: multipart/mixed; boundary=c\n|--c|[a-zä\0]{0,20}\r?\n|\n){0,8}",
                1..5,
            ),
        ) {
            thread_local! {
                static FIXTURE: &'static Fixture = Box::leak(Box::new(Fixture::new(&[])));
            }
            let fixture = FIXTURE.with(|fixture| *fixture);
            let list = fixture.get("dev");
            let words = Words::of(&fixture.site, &list, "");
            let maker =
                Maker { site: &fixture.site, list: &list, words: &words, is_plain_wanted: true };
            let waiting = |(index, raw): (usize, &String)| {
                let content = raw.clone().into_bytes();
                maker.make(&WaitingPost { id: 1, posted_at: Timestamp::from_seconds(1e9), content }, index + 1)
            };
            let articles: Vec<_> = posts.iter().enumerate().map(waiting).collect();
            let enclosed: Vec<Vec<u8>> =
                articles.iter().map(|article| article.enclosed.to_bytes()).collect();
            let issue = Issue {
                list: &list,
                site: &fixture.site,
                language: "",
                words: &words,
                title: "Dev Digest, Vol 1, Issue 1".to_owned(),
                now: Timestamp::EPOCH,
                articles: &articles,
            };
            let mime = issue.mime();
            let root = mime::structure(&mime);
            let digest =
                root.parts.iter().find(|part| part.content_type.value == "multipart/digest");
            let found: Vec<Vec<u8>> = digest
                .into_iter()
                .flat_map(|digest| &digest.parts)
                .map(|part| mime.body()[part.content.clone()].to_vec())
                .collect();
            prop_assert_eq!(found, enclosed);
            let plain = issue.plain();
            let text = mime::first_text(&plain).unwrap_or_default();
            let separators = text.lines().filter(|line| *line == layout::SEPARATOR).count();
            // One after each post, and one after the footer.
            prop_assert_eq!(separators, posts.len() + 1);
        }
    }
}
