//! Waiting things in Mailman: `request.pck` for a moderator, `pending.pck` for a confirmation
//! (docs/spec/pickles.md §5).

use crate::text;
use dormouse_clock::Timestamp;
use dormouse_pickle::Value;
use dormouse_spool::{Metadata, message_object};
use dormouse_store::Request;

/// A request that waits for a moderator.
#[derive(Debug, Clone)]
pub struct OldRequest {
    /// The number in its list.
    pub id: i64,
    /// What waits.
    pub what: WaitingRequest,
}

/// What waits for a moderator.
#[derive(Debug, Clone)]
pub enum WaitingRequest {
    /// A post.
    Post {
        /// Since when.
        at: Timestamp,
        /// The sender.
        sender: String,
        /// The subject.
        subject: String,
        /// The reason.
        reason: String,
        /// The file with it, in `data/`.
        file: String,
        /// Mailman's metadata.
        metadata: Metadata,
    },
    /// A request to join or leave, with its password in plain text.
    Membership {
        /// Since when; 0 if unknown.
        at: Timestamp,
        /// The request.
        request: Request,
    },
}

/// Requests by number, and the number of invalid records.
pub fn requests(root: Value<'_, '_>, charset: &str) -> Result<(Vec<OldRequest>, usize), String> {
    if !matches!(root.node(), dormouse_pickle::View::Dict(_)) {
        return Err(format!("it contains {} instead of requests", root.kind()));
    }
    let mut requests = Vec::new();
    let mut odd = 0;
    for (key, value) in root.entries() {
        // The other keys are words, such as the version.
        let Some(id) = key.as_int() else { continue };
        match waiting(value, charset) {
            Some(what) => requests.push(OldRequest { id, what }),
            None => odd += 1,
        }
    }
    requests.sort_by_key(|request| request.id);
    Ok((requests, odd))
}

fn waiting(value: Value<'_, '_>, charset: &str) -> Option<WaitingRequest> {
    let parts: Vec<Value<'_, '_>> = value.items().collect();
    match parts.as_slice() {
        [kind, record] => match kind.as_int()? {
            1 => post(*record, charset),
            2 => subscription(*record, charset),
            3 => {
                let address = text::address(charset, *record)?;
                let request = Request::Unsubscribe { address };
                Some(WaitingRequest::Membership { at: Timestamp::EPOCH, request })
            }
            _ => None,
        },
        // Mailman 2.1.1 to 2.1.11 could lose the kind.
        [_, _, _, _, digest, _] if matches!(digest.as_int(), Some(0 | 1)) => {
            subscription(value, charset)
        }
        [_, _, _, _, _, _] => post(value, charset),
        _ => None,
    }
}

fn post(record: Value<'_, '_>, charset: &str) -> Option<WaitingRequest> {
    let parts: Vec<Value<'_, '_>> = record.items().collect();
    let (&[at, sender, subject, reason, file], rest) = parts.split_first_chunk::<5>()?;
    let file = text::plain(file).into_owned();
    // A path could lead out of the directory.
    if file.is_empty() || file.contains('/') {
        return None;
    }
    let metadata = match rest {
        [] => Metadata::new(),
        [metadata, ..] => Metadata::copy_of(*metadata)?,
    };
    let subject = match text::decode(charset, subject) {
        Some(subject) => subject,
        None => String::from_utf8_lossy(&message_object::header_text(subject)).into_owned(),
    };
    let subject = dormouse_mail::encoded_word::decode(subject.as_bytes());
    let sender = text::decode(charset, sender).unwrap_or_default();
    Some(WaitingRequest::Post {
        at: Timestamp::from_seconds(at.as_float()?),
        // Mailman's word for none.
        sender: if sender == "<missing>" { String::new() } else { sender },
        subject,
        reason: text::decode(charset, reason).unwrap_or_default(),
        file,
        metadata,
    })
}

/// Parses a request to join. With 4 parts: time, address, password, digest; later also the language
/// at the end, and then the name after the address.
fn subscription(record: Value<'_, '_>, charset: &str) -> Option<WaitingRequest> {
    let parts: Vec<Value<'_, '_>> = record.items().collect();
    let (at, address, name, password, digest, language) = match *parts.as_slice() {
        [at, address, password, digest] => (at, address, None, password, digest, None),
        [at, address, password, digest, language] => {
            (at, address, None, password, digest, Some(language))
        }
        [at, address, name, password, digest, language] => {
            (at, address, Some(name), password, digest, Some(language))
        }
        _ => return None,
    };
    let text_of = |value: Option<Value<'_, '_>>| {
        value.and_then(|value| text::decode(charset, value)).unwrap_or_default()
    };
    let request = Request::Subscribe {
        address: text::address(charset, address)?,
        real_name: text_of(name),
        digest: digest.as_int().is_some_and(|digest| digest != 0),
        language: text_of(language),
        password: text_of(Some(password)),
        invitation: false,
    };
    Some(WaitingRequest::Membership { at: Timestamp::from_seconds(at.as_float()?), request })
}

/// What waits for a confirmation.
#[derive(Debug, Clone)]
pub struct OldPending {
    /// The cookie.
    pub cookie: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// What the cookie confirms.
    pub what: Confirms,
}

/// What a cookie confirms.
#[derive(Debug, Clone)]
pub enum Confirms {
    /// The post of that number is withdrawn by its sender, or decided on by an answer.
    Held(i64),
    /// A request, and its data. The password is in plain text.
    Asked(Request, Vec<u8>),
}

/// Returns everything that waits for a confirmation, and the number of invalid records.
pub fn pendings(root: Value<'_, '_>, charset: &str) -> Result<(Vec<OldPending>, usize), String> {
    if !matches!(root.node(), dormouse_pickle::View::Dict(_)) {
        return Err(format!("it contains {} instead of confirmations", root.kind()));
    }
    let evictions = root.get("evictions");
    let mut pendings = Vec::new();
    let mut odd = 0;
    for (key, value) in root.entries() {
        let cookie = text::plain(key);
        if matches!(cookie.as_ref(), "version" | "evictions") {
            continue;
        }
        let is_cookie = cookie.len() == 40 && cookie.bytes().all(|byte| byte.is_ascii_hexdigit());
        let expires_at = evictions.and_then(|all| all.get(&cookie)).and_then(Value::as_float);
        match confirms(value, charset).filter(|_| is_cookie) {
            Some(what) => pendings.push(OldPending {
                cookie: cookie.into_owned(),
                expires_at: expires_at.map(Timestamp::from_seconds).unwrap_or_default(),
                what,
            }),
            None => odd += 1,
        }
    }
    pendings.sort_by(|a, b| a.cookie.cmp(&b.cookie));
    Ok((pendings, odd))
}

fn confirms(value: Value<'_, '_>, charset: &str) -> Option<Confirms> {
    let parts: Vec<Value<'_, '_>> = value.items().collect();
    let address_of = |value: Value<'_, '_>| text::address(charset, value);
    let (kind, rest) = parts.split_first()?;
    let request = match (text::plain(*kind).as_ref(), rest) {
        ("H", [id, ..]) => return Some(Confirms::Held(id.as_int()?)),
        ("S", [description, ..]) => subscribe(*description, charset)?,
        ("U", [address, ..]) => Request::Unsubscribe { address: address_of(*address)? },
        ("C", [old, new, rest @ ..]) => Request::ChangeAddress {
            address: address_of(*old)?,
            new: address_of(*new)?,
            globally: rest.first().is_some_and(|globally| {
                globally.as_int().is_some_and(|flag| flag != 0)
                    || globally.as_bytes().is_some_and(|text| !text.is_empty() && text != b"0")
            }),
        },
        ("E", [_list, address, ..]) => Request::ReEnable { address: address_of(*address)? },
        ("P", [address, message, ..]) => {
            let bounce = match message.raw_bytes() {
                Some(text) => text.into_owned(),
                None => message_object::to_bytes(*message).ok()?,
            };
            return Some(Confirms::Asked(
                Request::Probe { address: address_of(*address)? },
                bounce,
            ));
        }
        _ => return None,
    };
    Some(Confirms::Asked(request, Vec::new()))
}

/// `UserDesc`, whose attributes may be absent.
fn subscribe(description: Value<'_, '_>, charset: &str) -> Option<Request> {
    let state = description.state()?;
    let text_of = |name: &str| {
        state.get(name).and_then(|value| text::decode(charset, value)).unwrap_or_default()
    };
    let address = state.get("address").and_then(|value| text::address(charset, value));
    let address = address.unwrap_or_default();
    (!address.is_empty()).then(|| Request::Subscribe {
        address,
        real_name: text_of("fullname"),
        digest: state.get("digest").and_then(Value::as_int).is_some_and(|digest| digest != 0),
        language: text_of("language"),
        password: text_of("password"),
        // It names the inviting list.
        invitation: state
            .get("invitation")
            .is_some_and(|list| list.as_bytes().is_some_and(|list| !list.is_empty())),
    })
}

/// The content of a file of bounce events: tuples of list, address, day and message, one after the
/// other (docs/spec/queue.md §8).
#[derive(Debug, Clone, PartialEq)]
pub struct OldBounce {
    /// The list.
    pub list: String,
    /// The address that failed.
    pub address: String,
    /// The day, as `2026-11-23`.
    pub day: String,
}

/// Parses one event.
pub fn bounce(value: Value<'_, '_>) -> Option<OldBounce> {
    let parts: Vec<Value<'_, '_>> = value.items().take(3).collect();
    let [list, address, day] = *parts.as_slice() else { return None };
    Some(OldBounce {
        list: text::plain(list).to_lowercase(),
        address: text::decode("utf-8", address)?,
        day: text::day(day)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_pickle::{Limits, load};
    use proptest::prelude::*;

    fn read(pickle: &str) -> (Vec<OldRequest>, usize) {
        let (graph, _) = load(pickle.as_bytes(), &Limits::default()).unwrap();
        requests(graph.root(), "us-ascii").unwrap()
    }

    /// A dictionary of protocol 0 with one record.
    fn one(record: &str) -> (Option<WaitingRequest>, usize) {
        let (mut requests, odd) = read(&format!("(dI7\n{record}sS'version'\n(I0\nI1\nts."));
        assert!(requests.iter().all(|request| request.id == 7));
        (requests.pop().map(|request| request.what), odd)
    }

    #[test]
    fn requests_to_join_of_every_age_are_understood() {
        for (record, name, language) in [
            ("(I2\n(F5.0\nS'a@b.c'\nS'pw'\nI1\ntt", "", ""),
            ("(I2\n(F5.0\nS'a@b.c'\nS'pw'\nI1\nS'de'\ntt", "", "de"),
            ("(I2\n(F5.0\nS'a@b.c'\nS'Anna'\nS'pw'\nI1\nS'de'\ntt", "Anna", "de"),
            // Without its kind.
            ("(F5.0\nS'a@b.c'\nS'Anna'\nS'pw'\nI1\nS'de'\nt", "Anna", "de"),
        ] {
            let (Some(WaitingRequest::Membership { at, request }), 0) = one(record) else {
                panic!("{record}")
            };
            let expected = Request::Subscribe {
                address: "a@b.c".to_owned(),
                real_name: name.to_owned(),
                digest: true,
                language: language.to_owned(),
                password: "pw".to_owned(),
                invitation: false,
            };
            assert_eq!((at.seconds(), request), (5.0, expected), "{record}");
        }
    }

    #[test]
    fn held_posts_of_every_age_are_understood_and_none_leads_out_of_the_directory() {
        for record in [
            "(I1\n(F5.0\nS'a@b.c'\nS'=?utf-8?q?=C3=A4?='\nS'why'\nS'heldmsg-l-7.pck'\ntt",
            "(I1\n(F5.0\nS'a@b.c'\nS'=?utf-8?q?=C3=A4?='\nS'why'\nS'heldmsg-l-7.pck'\n(dtt",
            "(F5.0\nS'a@b.c'\nS'=?utf-8?q?=C3=A4?='\nS'why'\nS'heldmsg-l-7.pck'\n(dt",
        ] {
            let (Some(WaitingRequest::Post { subject, file, reason, .. }), 0) = one(record) else {
                panic!("{record}")
            };
            assert_eq!(
                (subject.as_str(), file.as_str(), reason.as_str()),
                ("ä", "heldmsg-l-7.pck", "why")
            );
        }
        let (none, odd) = one("(I1\n(F5.0\nS'a'\nS'b'\nS'c'\nS'../../etc/passwd'\n(dtt");
        assert!(none.is_none() && odd == 1);
    }

    #[test]
    fn what_is_no_record_is_counted() {
        for record in ["(I9\n(tt", "I5\n", "(I2\n(F5.0\nS'a'\ntt", "(I3\nI4\nt", "N"] {
            assert!(matches!(one(record), (None, 1)), "{record}");
        }
    }

    proptest! {
        #[test]
        fn any_pickle_is_read_without_a_panic(bytes: Vec<u8>) {
            if let Ok((graph, _)) = load(&bytes, &Limits::default()) {
                let _either = (requests(graph.root(), "utf-8"), pendings(graph.root(), "utf-8"));
                bounce(graph.root());
            }
        }
    }
}
