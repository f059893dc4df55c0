//! An entry's metadata as typed values, with an accessor for each known key.
//!
//! Custom handlers and other programs write into queues, too, and Python has no static types. A value
//! that is invalid for its key must not be ignored: the envelope is read whenever an entry is
//! claimed, and an entry with an invalid envelope waits for a person, with the key and the type
//! reported. Unknown keys stay in the [`Metadata`].

use crate::{Metadata, Queue};
use dormouse_clock::Timestamp;
use dormouse_pickle::{Node, Value};
use std::borrow::Cow;

/// An invalid value of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metadata key {key:?} is {found}; it must be {wanted}")]
pub struct WrongValue {
    /// The key.
    pub key: &'static str,
    /// The actual type, and the value if it is short.
    pub found: String,
    /// The expected types.
    pub wanted: &'static str,
}

/// Metadata with valid values for all known keys.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'m> {
    metadata: &'m Metadata,
}

/// A value read, or what is wrong with it.
type Read<T> = Result<T, Wrong>;

struct Wrong {
    found: String,
    wanted: &'static str,
}

/// Defines the accessors and the check of all of them, and for keys that this program writes, the
/// methods that write them.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident $key:literal: $type:ty = $read:ident
        $(, $value:ty => $write:ident)?;)*) => {
        impl<'m> Envelope<'m> {
            /// Reads an entry's metadata.
            ///
            /// # Errors
            /// When a known key has a value that it cannot have.
            pub fn read(metadata: &'m Metadata) -> Result<Envelope<'m>, WrongValue> {
                $(if let Some(value) = metadata.get($key)
                    && let Err(Wrong { found, wanted }) = $read(value)
                {
                    return Err(WrongValue { key: $key, found, wanted });
                })*
                Ok(Envelope { metadata })
            }

            $($(#[$doc])*
            pub fn $name(&self) -> $type {
                self.value($key, $read)
            })*
        }

        impl Edit<'_> {
            $($(#[doc = concat!("Sets `", $key, "`.")]
            pub fn $name(self, value: $value) -> Self {
                $write(self.metadata, $key, value);
                self
            })?)*
        }

        /// The names of the known keys.
        #[derive(Debug)]
        pub struct Keys {
            $($(#[$doc])*
            pub $name: &'static str,)*
        }

        /// Each known key as it is spelled in the metadata.
        pub const KEY: Keys = Keys { $($name: $key),* };

        /// Every key that is known.
        #[cfg(test)]
        const KNOWN: &[&str] = &[$($key),*];
    };
}

keys! {
    /// The list.
    listname "listname": Option<Cow<'m, str>> = text, &str => write_text;
    /// When the mail was first received.
    received_time "received_time": Option<Timestamp> = time, Timestamp => write_time;
    /// How many Mailman processes have died while they held it.
    bak_count "_bak_count": Option<i64> = int, i64 => write_int;
    /// It was sent to the list's own address.
    to_list "tolist": bool = flag, bool => write_flag;
    /// It is for the list's owners.
    to_owner "toowner": bool = flag, bool => write_flag;
    /// It was sent to `-request`.
    to_request "torequest": bool = flag, bool => write_flag;
    /// It was sent to `-join`.
    to_join "tojoin": bool = flag, bool => write_flag;
    /// It was sent to `-leave`.
    to_leave "toleave": bool = flag, bool => write_flag;
    /// It was sent to `-confirm`.
    to_confirm "toconfirm": bool = flag, bool => write_flag;
    /// The envelope sender for sending, if not the list's bounce address.
    envsender "envsender": Option<Cow<'m, str>> = address, &str => write_text;
    /// The envelope sender on arrival.
    envelope_sender "envelope_sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The envelope recipient on arrival.
    envelope_recipient "envelope_recipient": Option<Cow<'m, str>> = text, &str => write_text;
    /// The remaining handlers.
    pipeline "pipeline": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The recipients.
    recips "recips": Option<Vec<String>> = addresses, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The lists whose members are the recipients.
    recips_members_of "recips_members_of": Option<Vec<String>> = text_or_texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Addresses to exclude.
    recips_except "recips_except": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Lists whose members are excluded.
    recips_except_members_of "recips_except_members_of": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Topics in which recipients must be interested.
    recips_topics "recips_topics": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The digest that the post will be in: for members who switch to digests or back, this decides how they
    /// get it.
    recips_issue "recips_issue": Option<i64> = int, i64 => write_int;
    /// Includes members whatever their kind of delivery.
    recips_everyone "recips_everyone": bool = flag, bool => write_flag;
    /// The digest that it is.
    recips_digest "recips_digest": Option<Cow<'m, str>> = text, &str => write_text;
    /// Only recipients with this language.
    recips_language "recips_language": Option<Cow<'m, str>> = text, &str => write_text;
    /// Only recipients with none of these languages.
    recips_except_languages "recips_except_languages": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Only recipients at these domains.
    recips_at "recips_at": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Only recipients at none of these domains.
    recips_not_at "recips_not_at": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Data for completing the digest's issue.
    digest_closes "digest_closes": Option<Cow<'m, str>> = text, &str => write_text;
    /// A moderator or a password approved it.
    approved "approved": bool = flag, bool => write_flag;
    /// The same, for lists in an emergency.
    admin_approved "adminapproved": bool = flag, bool => write_flag;
    /// It is an article of a newsgroup.
    from_usenet "fromusenet": bool = flag, bool => write_flag;
    /// The list server wrote it itself.
    fast_track "_fasttrack": bool = flag, bool => write_flag;
    /// Whether a password in it approves it: 1 right, 2 wrong.
    approval "approval": Option<i64> = int, i64 => write_int;
    /// Whether a password in it makes it urgent: 1 right, 2 wrong.
    urgent_approval "urgent_approval": Option<i64> = int, i64 => write_int;
    /// A password could not be removed from it cleanly.
    password_stuck "password_stuck": bool = flag, bool => write_flag;
    /// The member who was moderated.
    sender "sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The handler that held it.
    held_by "held_by": Option<Cow<'m, str>> = text, &str => write_text;
    /// The text for the sender if it is rejected.
    rejection_notice "rejection_notice": Option<Cow<'m, str>> = text, &str => write_text;
    /// 1: the list is put into `From`; 2: into the `From` of a wrapping message.
    from_is_list "from_is_list": Option<i64> = int, i64 => write_int;
    /// The sender before the pipeline changed it.
    original_sender "original_sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The subject before the pipeline changed it.
    original_subject "origsubj": Option<Cow<'m, str>> = header, &str => write_text;
    /// The subject without the list's prefix.
    stripped_subject "stripped_subject": Option<Cow<'m, str>> = header, &str => write_text;
    /// Headers for the wrapping message.
    add_header "add_header": Vec<(String, String)> = headers, &[(String, String)] => write_headers;
    /// Recipients who also get a copy in another way.
    have_copy "add-dup-header": Vec<String> = keys_of, &[String] => write_keys;
    /// The topics it matches.
    topic_hits "topichits": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// It is a digest.
    is_digest "isdigest": bool = flag, bool => write_flag;
    /// The list's header and footer are not added.
    no_decoration "nodecorate": bool = flag, bool => write_flag;
    /// They were already added.
    decorated "decorated": bool = flag, bool => write_flag;
    /// It is a notice.
    reduced_list_headers "reduced_list_headers": bool = flag, bool => write_flag;
    /// It gets no subject prefix.
    no_prefix "noprefix": bool = flag, bool => write_flag;
    /// The results of checking its signatures, as in `Authentication-Results` (RFC 8601), without a
    /// host's name.
    auth_results "auth_results": Option<Cow<'m, str>> = text, &str => write_text;
    /// It never gets an automatic reply.
    no_ack "noack": bool = flag, bool => write_flag;
    /// Whether the envelope sender contains the recipient, if that is decided.
    verp "verp": Option<bool> = maybe, bool => write_flag;
    /// Whether each recipient may get a separate copy, if that is decided.
    personalize "personalize": Option<bool> = maybe, bool => write_flag;
    /// When it may be tried again.
    deliver_after "deliver_after": Option<Timestamp> = time, Timestamp => write_time;
    /// When it is given up.
    deliver_until "deliver_until": Option<Timestamp> = time, Timestamp => write_time;
    /// How many recipients were left last time.
    last_recip_count "last_recip_count": Option<i64> = int, i64 => write_int;
    /// When its author wants it to be sent.
    scheduled_for "scheduled_for": Option<Timestamp> = time, Timestamp => write_time;
    /// The cookie of a bounce probe.
    probe_token "probe_token": Option<Cow<'m, str>> = text, &str => write_text;
    /// How often an article has been tried.
    news_attempts "news_attempts": Option<i64> = int, i64 => write_int;
    /// The directory of the queue from which it went to `shunt`.
    which_queue "whichq": Option<Cow<'m, str>> = text, &str => write_text;
    /// Why it is in `shunt`.
    shunt_reason "shunt_reason": Option<Cow<'m, str>> = text, &str => write_text;
    /// Why it is in `retry`.
    retry_reason "retry_reason": Option<Cow<'m, str>> = text, &str => write_text;
    /// The queue to which it returns from `retry`, if not `out`.
    retry_for "retry_for": Option<Queue> = queue, Queue => write_queue;
    /// Another host has passed it on: the archive is here.
    passed_on "passed_on": bool = flag, bool => write_flag;
}

/// Writes known keys of an entry's metadata, each as the type that it has.
#[derive(Debug)]
pub struct Edit<'m> {
    metadata: &'m mut Metadata,
}

impl Metadata {
    /// The known keys, for an entry whose envelope has been [read](Envelope::read). A value that its
    /// key cannot have counts as absent.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope { metadata: self }
    }

    /// Writes known keys.
    pub fn edit(&mut self) -> Edit<'_> {
        Edit { metadata: self }
    }
}

fn write_text(metadata: &mut Metadata, key: &str, value: &str) {
    metadata.set_text(key, value);
}

/// As Mailman writes flags: a number.
fn write_flag(metadata: &mut Metadata, key: &str, value: bool) {
    metadata.set_int(key, i64::from(value));
}

fn write_int(metadata: &mut Metadata, key: &str, value: i64) {
    metadata.set_int(key, value);
}

fn write_time(metadata: &mut Metadata, key: &str, value: Timestamp) {
    metadata.set_time(key, value);
}

fn write_texts(
    metadata: &mut Metadata,
    key: &str,
    values: impl IntoIterator<Item = impl AsRef<str>>,
) {
    metadata.set_texts(key, values);
}

fn write_queue(metadata: &mut Metadata, key: &str, queue: Queue) {
    metadata.set_text(key, queue.name());
}

fn write_headers(metadata: &mut Metadata, key: &str, headers: &[(String, String)]) {
    metadata.set_table(key, headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
}

/// A dictionary of which only the keys count, as Mailman writes it.
fn write_keys(metadata: &mut Metadata, key: &str, keys: &[String]) {
    metadata.set_table(key, keys.iter().map(|key| (key.as_str(), "yes")));
}

impl<'m> Envelope<'m> {
    /// The value of a key, or its default. Known keys have valid values.
    fn value<T: Default>(&self, key: &str, read: impl FnOnce(Value<'m, 'static>) -> Read<T>) -> T {
        self.metadata.get(key).and_then(|value| read(value).ok()).unwrap_or_default()
    }

    /// Whether a key exists, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.metadata.has(key)
    }
}

/// The type, and the value if it is helpful.
fn describe(value: Value<'_, '_>) -> String {
    const LONGEST: usize = 60;
    let kind = value.kind();
    match value.node() {
        Node::None => "None".to_owned(),
        Node::Bool(_) | Node::Int(_) | Node::Long(_) | Node::Float(_) => {
            format!("{kind} ({})", value.to_text_lossy())
        }
        Node::Bytes(_) | Node::Text(_) | Node::ByteArray(_) => {
            let text: String = value.to_text_lossy().chars().take(LONGEST).collect();
            format!("{kind} ({text:?})")
        }
        Node::Object(_) | Node::Global(_) => match value.class() {
            Some((module, name)) => format!("{kind} of the class {module}.{name}"),
            None => kind.to_owned(),
        },
        _ => kind.to_owned(),
    }
}

fn wrong<T>(value: Value<'_, '_>, wanted: &'static str) -> Read<T> {
    Err(Wrong { found: describe(value), wanted })
}

fn text<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match value.as_bytes() {
        Some(bytes) => Ok(Some(String::from_utf8_lossy(bytes))),
        None if value.is_none() => Ok(None),
        None => wrong(value, "a text"),
    }
}

/// A text for an SMTP envelope, which must not be guessed.
fn address<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match value.as_bytes().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(Some(Cow::Borrowed(text))),
        None if value.is_none() => Ok(None),
        _ => wrong(value, "an address"),
    }
}

fn flag(value: Value<'_, 'static>) -> Read<bool> {
    Metadata::truth(value).map_or_else(|| wrong(value, "true or false"), Ok)
}

/// A flag that may be absent.
fn maybe(value: Value<'_, 'static>) -> Read<Option<bool>> {
    flag(value).map(Some)
}

fn int(value: Value<'_, 'static>) -> Read<Option<i64>> {
    match value.as_int() {
        None if value.is_none() => Ok(None),
        None => wrong(value, "a whole number"),
        number => Ok(number),
    }
}

fn time(value: Value<'_, 'static>) -> Read<Option<Timestamp>> {
    match value.as_float() {
        None if value.is_none() => Ok(None),
        Some(number) if number.is_finite() => Ok(Some(Timestamp::from_seconds(number))),
        _ => wrong(value, "a number"),
    }
}

/// A list or tuple of texts.
fn texts(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    const WANTED: &str = "a list of texts";
    if value.is_none() {
        return Ok(None);
    }
    if !value.is_sequence() {
        return wrong(value, WANTED);
    }
    let text = |item: Value<'_, 'static>| match item.as_bytes() {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(of_item(value, item, WANTED)),
    };
    value.items().map(text).collect::<Read<Vec<String>>>().map(Some)
}

fn text_or_texts(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    match value.as_bytes() {
        Some(bytes) => Ok(Some(vec![String::from_utf8_lossy(bytes).into_owned()])),
        None => texts(value),
    }
}

/// Addresses in any form in which Mailman delivers to them: a list, tuple or set of them, or a
/// dictionary with them as its keys. Not a text, which Mailman treats as a list of letters.
fn addresses(value: Value<'_, 'static>) -> Read<Option<Vec<String>>> {
    const WANTED: &str = "a list, tuple, set or dictionary of addresses";
    let address = |item: Value<'_, 'static>| match item.as_bytes().map(std::str::from_utf8) {
        Some(Ok(text)) => Ok(text.to_owned()),
        _ => Err(of_item(value, item, WANTED)),
    };
    let addresses: Read<Vec<String>> = match value.node() {
        Node::List(_) | Node::Tuple(_) | Node::Set(_) | Node::FrozenSet(_) => {
            value.items().map(address).collect()
        }
        Node::Dict(_) => value.entries().map(|(key, _)| address(key)).collect(),
        _ => return wrong(value, WANTED),
    };
    addresses.map(Some)
}

fn of_item(holder: Value<'_, '_>, item: Value<'_, '_>, wanted: &'static str) -> Wrong {
    Wrong { found: format!("{} with {} in it", holder.kind(), describe(item)), wanted }
}

/// A header's value: a text, or an `email.header.Header`.
fn header<'m>(value: Value<'m, 'static>) -> Read<Option<Cow<'m, str>>> {
    match Metadata::header_text(value) {
        None if value.is_none() => Ok(None),
        None => wrong(value, "a text or a Header"),
        text => Ok(text),
    }
}

fn headers(value: Value<'_, 'static>) -> Read<Vec<(String, String)>> {
    const WANTED: &str = "a dictionary of headers";
    if value.is_none() {
        return Ok(Vec::new());
    }
    if !matches!(value.node(), Node::Dict(_)) {
        return wrong(value, WANTED);
    }
    let pair = |(name, item): (Value<'_, 'static>, Value<'_, 'static>)| {
        let name_text = name.as_bytes().map(|name| String::from_utf8_lossy(name).into_owned());
        match (name_text, Metadata::header_text(item)) {
            (Some(name), Some(text)) => Ok((name, text.into_owned())),
            (None, _) => Err(of_item(value, name, WANTED)),
            (_, None) => Err(of_item(value, item, WANTED)),
        }
    };
    value.entries().map(pair).collect()
}

/// The keys of a dictionary of anything.
fn keys_of(value: Value<'_, 'static>) -> Read<Vec<String>> {
    const WANTED: &str = "a dictionary with addresses as its keys";
    if value.is_none() {
        return Ok(Vec::new());
    }
    if !matches!(value.node(), Node::Dict(_)) {
        return wrong(value, WANTED);
    }
    let text = |(key, _): (Value<'_, 'static>, _)| match key.as_bytes() {
        Some(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        None => Err(of_item(value, key, WANTED)),
    };
    value.entries().map(text).collect()
}

fn queue(value: Value<'_, 'static>) -> Read<Option<Queue>> {
    match text(value)? {
        None => Ok(None),
        Some(name) => name
            .parse()
            .map_or_else(|_| wrong(value, "the name of a queue"), |queue| Ok(Some(queue))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_pickle::Limits;

    /// Metadata as Python pickles it with protocol 0, from its opcodes.
    fn metadata(key: &str, value: &str) -> Metadata {
        let pickle = format!("(dS'{key}'\n{value}s.");
        let (graph, _) = dormouse_pickle::load(pickle.as_bytes(), &Limits::default())
            .unwrap_or_else(|error| panic!("{pickle}: {error}"));
        Metadata::from_graph(graph.into_owned()).unwrap()
    }

    const SET: &str = "c__builtin__\nset\n((lS'a@x.example'\naVb@x.example\natR";
    const FROZENSET: &str = "c__builtin__\nfrozenset\n((lS'a@x.example'\naVb@x.example\natR";
    const DICT: &str = "(dS'a@x.example'\nI0\nsVb@x.example\nNs";
    const TUPLE: &str = "(S'a@x.example'\nVb@x.example\nt";
    const LIST: &str = "(lS'a@x.example'\naVb@x.example\na";

    #[test]
    fn recipients_are_read_out_of_everything_that_mailman_delivers_to() {
        for value in [SET, FROZENSET, DICT, TUPLE, LIST] {
            let metadata = metadata("recips", value);
            let mut recips = Envelope::read(&metadata).unwrap().recips().unwrap();
            recips.sort();
            assert_eq!(recips, ["a@x.example", "b@x.example"], "{value}");
            assert_eq!(metadata.texts("recips").unwrap().len(), 2, "{value}");
        }
        let empty = metadata("recips", "(l");
        assert_eq!(Envelope::read(&empty).unwrap().recips().unwrap(), Vec::<String>::new());
        let quoted = metadata("recips", "(lS'\"q q\"@c.example'\na");
        assert_eq!(Envelope::read(&quoted).unwrap().recips().unwrap(), ["\"q q\"@c.example"]);
    }

    #[test]
    fn every_other_value_of_recips_is_named_with_its_type() {
        for (value, named) in [
            ("S'a@x.example'\n", "a byte string (\"a@x.example\")"),
            ("Va@x.example\n", "a text (\"a@x.example\")"),
            ("N", "None"),
            ("I42\n", "an int (42)"),
            ("I01\n", "a bool (True)"),
            ("F1.5\n", "a float (1.5)"),
            ("(lI7\na", "a list with an int (7) in it"),
            ("(lNa", "a list with None in it"),
            ("(l(lS'a@x.example'\naa", "a list with a list in it"),
            ("(dI1\nS'a@x.example'\ns", "a dictionary with an int (1) in it"),
            ("(lS'\\xfc@x.example'\na", "a list with a byte string"),
            ("ccollections\ndeque\n((lS'a@x.example'\natR", "collections.deque"),
        ] {
            let metadata = metadata("recips", value);
            let error = Envelope::read(&metadata).unwrap_err();
            assert_eq!(error.key, "recips", "{value}");
            assert!(error.found.contains(named), "{value}: {error}");
            assert!(error.to_string().contains("\"recips\""), "{error}");
        }
    }

    #[test]
    fn no_known_key_takes_an_object_in_silence() {
        let object = "ccollections\ndeque\n((lS'a'\natR";
        for key in KNOWN {
            let metadata = metadata(key, object);
            let error = Envelope::read(&metadata).unwrap_err();
            assert_eq!(error.key, *key);
            assert!(error.found.contains("collections.deque"), "{key}: {error}");
        }
    }

    #[test]
    fn each_kind_refuses_what_it_cannot_mean() {
        for (key, value) in [
            ("listname", "I7\n"),
            ("envsender", "(lS'a@x.example'\na"),
            ("envsender", "S'\\xfc@x.example'\n"),
            ("deliver_after", "S'1795731560.7'\n"),
            ("deliver_after", "Fnan\n"),
            ("received_time", "(l"),
            ("last_recip_count", "F1.5\n"),
            ("pipeline", SET),
            ("pipeline", "S'Hold'\n"),
            ("topichits", "(lI1\na"),
            ("add-dup-header", "(lS'a@x.example'\na"),
            ("add_header", "(lS'a'\na"),
            ("add_header", "(dS'Subject'\nI1\ns"),
            ("retry_for", "S'nowhere'\n"),
            ("probe_token", "(t"),
            ("origsubj", "I1\n"),
        ] {
            let metadata = metadata(key, value);
            assert_eq!(Envelope::read(&metadata).unwrap_err().key, key, "{value}");
        }
    }

    #[test]
    fn what_python_takes_for_true_is_true_and_none_is_nothing() {
        for (value, expected) in [
            ("I01\n", true),
            ("I1\n", true),
            ("F0.5\n", true),
            ("S'yes'\n", true),
            ("(lNa", true),
            ("I00\n", false),
            ("I0\n", false),
            ("S''\n", false),
            ("N", false),
            ("(t", false),
        ] {
            let metadata = metadata("isdigest", value);
            assert_eq!(Envelope::read(&metadata).unwrap().is_digest(), expected, "{value}");
            assert_eq!(metadata.flag("isdigest"), expected, "{value}");
        }
        for key in ["listname", "envsender", "deliver_after", "pipeline", "add_header", "retry_for"]
        {
            assert!(Envelope::read(&metadata(key, "N")).is_ok(), "{key}");
        }
        let one = metadata("deliver_after", "I01\n");
        assert_eq!(
            Envelope::read(&one).unwrap().deliver_after(),
            Some(Timestamp::from_seconds(1.0))
        );
    }

    #[test]
    fn a_header_object_is_its_text() {
        let charset =
            |name: &str| format!("(iemail.charset\nCharset\n(dS'input_charset'\nS'{name}'\nsb");
        let header = format!(
            "(iemail.header\nHeader\n(dS'_chunks'\n(l(S'hello'\n{}ta(S'\\xfcber'\n{}tasb",
            charset("us-ascii"),
            charset("iso-8859-1")
        );
        let metadata = metadata("origsubj", &header);
        let subject = Envelope::read(&metadata).unwrap().original_subject().unwrap();
        assert_eq!(subject, "hello über");
        let other = header.replace("iso-8859-1", "koi8-r");
        let metadata = self::metadata("stripped_subject", &other);
        let subject = Envelope::read(&metadata).unwrap().stripped_subject().unwrap();
        assert_eq!(subject, "hello =?koi8-r?q?=FC=62=65=72?=");
    }
}
