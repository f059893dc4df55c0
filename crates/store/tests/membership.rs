//! Requests to join, leave or change something, and records about people.

use dormouse_clock::Timestamp;
use dormouse_store::{
    Act, Delivery, Due, List, NewMember, Pending, Request, RequestId, Site, Store, StoreError,
};
use tempfile::TempDir;

fn time(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn store() -> (TempDir, Store, List) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("site");
    let site = match throwaway_postgres::wanted() {
        Some(server) => Site::init_on(&dir, "lists.example", &server).unwrap().0,
        None => Site::init(&dir, "lists.example").unwrap(),
    };
    let store = Store::open(&site).unwrap();
    let owner = ["o@x.example".to_owned()];
    let list =
        store.write(|tx| tx.create_list(&"dev".parse().unwrap(), "lists.example", &owner)).unwrap();
    (home, store, list)
}

fn joins(address: &str) -> Request {
    Request::Subscribe {
        address: address.to_owned(),
        real_name: "Anna Ä.".to_owned(),
        digest: true,
        language: String::new(),
        password: String::new(),
        invitation: false,
    }
}

fn pending(list: &List, cookie: &str, request: Request, at: Timestamp) -> Pending {
    Pending {
        cookie: cookie.to_owned(),
        list_id: list.id,
        request,
        content: b"\x00\xff".to_vec(),
        created_at: at,
        expires_at: at + 10.0,
    }
}

fn member(store: &Store, list: &List, address: &str) {
    let new = NewMember { address: address.to_owned(), real_name: "A".to_owned(), digest: true };
    store.write(|tx| tx.add_member(list, &new, time(5.0), "by mail")).unwrap();
}

#[test]
fn every_kind_of_request_is_kept_as_it_was() {
    let (_home, store, list) = store();
    let a = || "A@x.example".to_owned();
    let requests = [
        joins("A@x.example"),
        Request::Unsubscribe { address: a() },
        Request::ChangeAddress { address: a(), new: "b@x.example".to_owned(), globally: true },
        Request::ReEnable { address: a() },
        Request::SetOptions { address: a(), changes: vec!["ack on".to_owned()] },
        Request::LogIn { address: a() },
        Request::Probe { address: a() },
    ];
    for (number, request) in requests.iter().enumerate() {
        let kept = pending(&list, &format!("c{number}"), request.clone(), time(1.0));
        store.write(|tx| tx.pend(&kept)).unwrap();
        assert_eq!(store.read().pending(&kept.cookie, time(2.0)).unwrap(), Some(kept.clone()));
        let about =
            store.read().pending_about(list.id, request.kind(), "a@X.example", time(2.0)).unwrap();
        assert_eq!(about, Some(kept));
    }
    assert_eq!(store.read().pending_of(list.id).unwrap().len(), requests.len());
    assert_eq!(store.read().pending_for("a@x.example").unwrap().len(), requests.len());
}

#[test]
fn a_cookie_is_good_once_and_until_it_expires() {
    let (_home, store, list) = store();
    let first = pending(&list, "c", joins("a@x.example"), time(1.0));
    let again = Pending { request: joins("other@x.example"), ..first.clone() };
    store.write(|tx| tx.pend(&first).and_then(|()| tx.pend(&again))).unwrap();
    assert_eq!(
        store.read().pending("c", time(2.0)).unwrap(),
        Some(first.clone()),
        "the first one stays"
    );
    assert_eq!(store.read().pending("c", time(11.0)).unwrap(), None);
    let take = |now: Timestamp| store.write(|tx| tx.take_pending("c", now)).unwrap();
    assert_eq!(
        [take(time(11.0)), take(time(10.9)), take(time(10.9))],
        [None, Some(first.clone()), None]
    );
    store.write(|tx| tx.pend(&first)).unwrap();
    let expire = |now: Timestamp| store.write(|tx| tx.expire_pending(now)).unwrap();
    assert_eq!([expire(time(10.9)), expire(time(11.0)), expire(time(11.0))], [0, 1, 0]);
}

#[test]
fn a_second_request_for_a_moderator_takes_the_place_of_the_first_and_numbers_are_not_reused() {
    let (_home, store, list) = store();
    let hold = |request: &Request, cookie: &str, how: &str| {
        store.write(|tx| tx.hold_request(list.id, request, cookie, how, time(1.0))).unwrap()
    };
    let (first, is_new) = hold(&joins("A@x.example"), "c1", "one");
    assert!(is_new);
    let (second, is_new) = hold(&joins("a@X.example"), "c2", "two");
    assert!(!is_new);
    assert_eq!((second.id, second.cookie.as_str(), second.how.as_str()), (first.id, "c1", "two"));
    let leave = Request::Unsubscribe { address: "a@x.example".to_owned() };
    let (leaving, is_new) = hold(&leave, "c3", "three");
    assert!(is_new && leaving.id != first.id);
    assert_eq!(store.read().held_requests(list.id).unwrap().len(), 2);
    let release = |id: RequestId| store.write(|tx| tx.release_request(id)).unwrap();
    assert_eq!([release(leaving.id), release(leaving.id)], [true, false]);
    assert!(hold(&leave, "c4", "four").0.id > leaving.id);
}

#[test]
fn a_member_with_another_address_keeps_everything_but_what_bounced() {
    let (_home, store, list) = store();
    member(&store, &list, "Old@x.example");
    let mut before = store.read().member(list.id, "old@x.example").unwrap().unwrap();
    before.delivery = Delivery::ByUser;
    let change = |address: &str| {
        store.write(|tx| tx.move_member(list.id, "OLD@x.example", address, "by me", time(8.0)))
    };
    store
        .write(|tx| -> Result<(), StoreError> {
            tx.update_member(list.id, &before, time(7.0))?;
            tx.set_topics(list.id, "old@x.example", &["bugs".to_owned()])?;
            tx.set_member_password(list.id, "old@x.example", "hash")
        })
        .unwrap();
    assert!(change("New@y.example").unwrap());
    let after = store.read().member(list.id, "new@y.example").unwrap().unwrap();
    assert_eq!(after.address, "New@y.example");
    assert_eq!(
        (after.digest, after.options, after.delivery),
        (true, before.options, Delivery::ByUser)
    );
    assert_eq!(store.read().topics(list.id, "new@y.example").unwrap(), ["bugs"]);
    assert_eq!(store.read().member_password(list.id, "new@y.example").unwrap(), "hash");
    assert!(!store.read().is_member(list.id, "old@x.example").unwrap());
    assert!(!change("z@y.example").unwrap(), "nobody is left to move");
    member(&store, &list, "old@x.example");
    assert!(!change("new@y.example").unwrap(), "another member keeps its place");
    assert_eq!(store.read().lists_of("NEW@y.example").unwrap(), [list.id]);
    store.write(|tx| tx.re_enable(list.id, "new@y.example", time(9.0))).unwrap();
    let enabled = store.read().member(list.id, "new@y.example").unwrap().unwrap();
    assert_eq!(enabled.delivery, Delivery::Enabled);
}

#[test]
fn requests_are_counted_by_day_kind_and_subject() {
    let (_home, store, _) = store();
    let ask = |kind: &str, subject: &str, day: &str, most| {
        store.write(|tx| tx.count_asked(kind, subject, day, most)).unwrap()
    };
    assert!(ask("to", "A@x", "d1", 2) && ask("to", "a@x", "d1", 2) && !ask("to", "a@X", "d1", 2));
    assert!(ask("by", "a@x", "d1", 2) && ask("to", "b@x", "d1", 2));
    assert!(ask("to", "a@x", "d2", 2), "the next day is another");
    assert!(ask("to", "a@x", "d2", 0), "no limit");
    assert_eq!(["d1", "d3"].map(|day| store.read().asked("to", "B@x", day).unwrap()), [0, 0]);
    assert_eq!(store.read().asked("to", "A@x", "d2").unwrap(), 1);
}

#[test]
fn an_outcome_is_kept_once_and_for_a_while() {
    let (_home, store, _) = store();
    for content in [b"first", b"other"] {
        store.write(|tx| tx.keep_outcome("1.0+a", content, time(10.0))).unwrap();
    }
    assert_eq!(store.read().outcome("1.0+a").unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(store.write(|tx| tx.forget_outcomes(time(10.0))).unwrap(), 0);
    assert_eq!(store.write(|tx| tx.forget_outcomes(time(10.5))).unwrap(), 1);
    assert_eq!(store.read().outcome("1.0+a").unwrap(), None);
}

#[test]
fn a_persons_data_is_shown_and_then_erased() {
    let (_home, store, list) = store();
    assert!(store.read().person("a@x.example").unwrap().is_unknown());
    member(&store, &list, "A@x.example");
    member(&store, &list, "b@x.example");
    store
        .write(|tx| -> Result<(), StoreError> {
            tx.add_consent(list.id, "A@x.example", Act::Confirmed, "on the web", time(4.0))?;
            tx.pend(&pending(&list, "c", joins("a@x.example"), time(1.0)))?;
            tx.set_setting("dev", "ban_list", "a@x.example\n")
        })
        .unwrap();
    let person = store.read().person("A@X.example").unwrap();
    assert_eq!(person.memberships[0].1.address, "A@x.example");
    let acts: Vec<&str> = person.consents.iter().map(|consent| consent.act.as_str()).collect();
    assert_eq!(acts, ["confirmed", "joined"], "by time");
    assert_eq!(person.named_in, [("dev".parse().unwrap(), "ban_list".to_owned())]);
    let erased = store.write(|tx| tx.erase_person("A@x.example", None)).unwrap();
    assert_eq!((erased.memberships, erased.consents, erased.requests), (1, 2, 1));
    let left = store.read().person("a@x.example").unwrap();
    assert!(left.memberships.is_empty() && left.consents.is_empty() && left.pending.is_empty());
    assert!(store.read().is_member(list.id, "b@x.example").unwrap());
}

#[test]
fn the_clock_job_is_due_while_requests_wait() {
    let (home, store, list) = store();
    let site = Site::open(&home.path().join("site")).unwrap();
    assert_eq!(site.is_due(Due::Checkdbs), site.is_shared());
    let wish = joins("a@x.example");
    let (held, _) =
        store.write(|tx| tx.hold_request(list.id, &wish, "c", "by mail", time(1.0))).unwrap();
    assert!(site.is_due(Due::Checkdbs));
    store.settle_due(Due::Checkdbs).unwrap();
    assert!(site.is_due(Due::Checkdbs));
    store.write(|tx| tx.release_request(held.id)).unwrap();
    assert_eq!(site.is_due(Due::Checkdbs), site.is_shared());
}

#[test]
fn expired_requests_are_deleted_when_the_next_one_arrives() {
    let (_home, store, list) = store();
    store.write(|tx| tx.pend(&pending(&list, "c1", joins("a@x.example"), time(1.0)))).unwrap();
    store.write(|tx| tx.pend(&pending(&list, "c2", joins("b@x.example"), time(11.0)))).unwrap();
    let waiting = store.read().pending_of(list.id).unwrap();
    assert_eq!(waiting.iter().map(|it| it.cookie.as_str()).collect::<Vec<_>>(), ["c2"]);
}
