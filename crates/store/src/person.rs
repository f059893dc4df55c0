//! Everything that is stored about an address: showing and erasing it.

use crate::db::{Db, params};
use crate::{
    BounceEvent, Consent, Due, Held, HeldRequest, ListId, ListName, Member, Pending, Read, Store,
    StoreError, Tx,
};
use dormouse_mail::{AddressKey, Message};

/// Everything that is stored about an address.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonData {
    /// Its memberships: the list's name, the member, the topics.
    pub memberships: Vec<(ListName, Member, Vec<String>)>,
    /// The recorded acts of consent.
    pub consents: Vec<Consent>,
    /// Requests that wait for a confirmation.
    pub pending: Vec<Pending>,
    /// Requests that wait for a moderator.
    pub requests: Vec<HeldRequest>,
    /// Held posts.
    pub held: Vec<Held>,
    /// Bounces.
    pub bounces: Vec<BounceEvent>,
    /// The list settings that contain it: list and setting.
    pub named_in: Vec<(ListName, String)>,
}

impl PersonData {
    /// Whether nothing is stored about the address.
    pub fn is_unknown(&self) -> bool {
        self.memberships.is_empty()
            && self.consents.is_empty()
            && self.pending.is_empty()
            && self.requests.is_empty()
            && self.held.is_empty()
            && self.bounces.is_empty()
            && self.named_in.is_empty()
    }
}

/// The numbers of what was erased.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// Memberships.
    pub memberships: usize,
    /// Acts of consent.
    pub consents: usize,
    /// Waiting requests.
    pub requests: usize,
    /// Held posts.
    pub held: usize,
    /// Bounces, counters, sessions and other traces, and mentions in records about others.
    pub traces: usize,
    /// Posts for the next digest.
    pub digests: usize,
}

impl Read {
    /// Returns everything that is stored about an address, on all lists.
    pub fn person(&self, address: &str) -> Result<PersonData, StoreError> {
        let key = AddressKey::of(address);
        let mut person = PersonData {
            memberships: Vec::new(),
            consents: self.consents(&key)?,
            pending: self.pending_for(&key)?,
            requests: self.held_requests_for(&key)?,
            held: Vec::new(),
            bounces: Vec::new(),
            named_in: Vec::new(),
        };
        for list in self.iter_lists() {
            let list = list?;
            if let Some(member) = self.member(list.id, &key)? {
                let topics = self.topics(list.id, &key)?;
                person.memberships.push((list.name.clone(), member, topics));
            }
            let held = self.held_posts(list.id)?;
            person.held.extend(
                held.into_iter().filter(|held| held.post.sender.eq_ignore_ascii_case(&key)),
            );
            let bounces = self.bounce_events(list.id)?;
            person.bounces.extend(
                bounces.into_iter().filter(|event| event.address.eq_ignore_ascii_case(&key)),
            );
            for entry in list.settings.entries() {
                if entry.value.lines().any(|line| line.trim().eq_ignore_ascii_case(&key)) {
                    person.named_in.push((list.name.clone(), entry.name.to_owned()));
                }
            }
        }
        Ok(person)
    }
}

/// The text that replaces an erased address.
pub const ERASED: &str = "an erased address";

/// Returns a text with an address replaced, or `None` if it does not contain the address. Other
/// addresses that contain it as a part are kept.
fn without(text: &str, key: &AddressKey) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_@".contains(&byte) || byte > 127;
    let (mut left, mut at) = (String::new(), 0);
    for (start, _) in lower.match_indices(key.as_str()) {
        let end = start + key.len();
        let before = lower.as_bytes()[..start].last().is_some_and(|byte| belongs(*byte));
        // A full stop after it ends a sentence.
        let after =
            lower.as_bytes()[end..].first().is_some_and(|byte| belongs(*byte) && *byte != b'.');
        if !before && !after && start >= at {
            left.push_str(&text[at..start]);
            left.push_str(ERASED);
            at = end;
        }
    }
    (at > 0).then(|| left + &text[at..])
}

/// The texts that can contain the address of another person than the row is about: table and
/// column.
const NAMING: [(&str, &str); 7] = [
    ("consent", "how"),
    ("member", "consent"),
    ("held_request", "how"),
    ("decided_request", "how"),
    ("decided_member", "consent"),
    ("bounce_event", "text"),
    ("settled", "what"),
];

impl Tx<'_> {
    /// Erases an address on one list or on all: its memberships, everything recorded about it, and
    /// its mentions in records about others. Settings that contain it (a ban, an owner) are not
    /// changed, because they are the owners'. [`Store::purge`] then removes the deleted bytes from
    /// the file.
    pub fn erase_person(&self, address: &str, list: Option<ListId>) -> Result<Erased, StoreError> {
        let key = AddressKey::of(address);
        Due::ALL.into_iter().for_each(|job| self.note_done(job));
        let within = list.map(|id| format!(" and list_id = {id}")).unwrap_or_default();
        let remove = |table: &str, whose: &str| {
            let sql = format!("delete from {table} where ({whose}){within}");
            self.execute(&sql, params![&key])
        };
        // The quotation marks of JSON ensure that only the whole address matches.
        let quoted = serde_json::Value::from(key.as_str()).to_string();
        let named = |table: &str| {
            let sql = format!("delete from {table} where instr(lower(request), ?1) > 0{within}");
            self.execute(&sql, params![&quoted])
        };
        let mut erased = Erased {
            memberships: remove("member", "address_key = ?1")?,
            consents: remove("consent", "address = ?1")?,
            requests: remove("pending", "address = ?1")?
                + named("pending")?
                + remove("held_request", "address = ?1")?
                + named("held_request")?
                + remove("decided_request", "address = ?1")?
                + named("decided_request")?,
            held: remove("held_post", "lower(sender) = ?1")?
                + remove("decided_post", "lower(sender) = ?1")?,
            traces: remove("bounce_event", "lower(address) = ?1")?
                + remove("autoresponse", "address = ?1")?
                + remove("recent_post", "address = ?1")?
                + remove("settled", "address = ?1")?
                + remove("moved", "old_key = ?1 or new_key = ?1")?,
            digests: 0,
        };
        if list.is_none() {
            let asked = "delete from asked where subject = ?1 or subject like '% ' || ?1";
            erased.traces += self.execute(asked, params![&key])? + self.forget_sessions(&key)?;
            // Receiving domains do not belong to a list.
            erased.traces += self.unname("slow_domain", "reply", &key, "")?;
        }
        for (table, column) in NAMING {
            erased.traces += self.unname(table, column, &key, &within)?;
        }
        for found in self.read().iter_lists() {
            let found = found?;
            if list.is_some_and(|id| id != found.id) {
                continue;
            }
            erased.digests += self.drop_from_digest(found.id, |content| {
                let message = Message::parse_header_of(content);
                message.senders().iter().any(|sender| sender.eq_ignore_ascii_case(&key))
            })?;
        }
        Ok(erased)
    }

    /// Replaces an address in the texts of a column, and returns how many rows changed.
    fn unname(
        &self,
        table: &str,
        column: &str,
        key: &AddressKey,
        within: &str,
    ) -> Result<usize, StoreError> {
        let found = format!(
            "select distinct {column} from {table} where instr(lower({column}), ?1) > 0{within}"
        );
        let texts: Vec<String> = self.read().rows(&found, params![key], |row| row.get(0))?;
        let change = format!("update {table} set {column} = ?2 where {column} = ?1{within}");
        let mut changed = 0;
        for text in texts {
            if let Some(without) = without(&text, key) {
                changed += self.execute(&change, params![text, without])?;
            }
        }
        Ok(changed)
    }
}

impl Store {
    /// Rewrites the database, so that no deleted data is left in its files.
    pub fn purge(&self) -> Result<(), StoreError> {
        self.read().run(Db::purge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_out_of_texts_and_its_neighbours_stay() {
        let of = |text| without(text, &AddressKey::of("bert@x.example"));
        assert_eq!(
            of("by mail from Bert@x.example, then"),
            Some(format!("by mail from {ERASED}, then"))
        );
        assert_eq!(of("bert@x.example."), Some(format!("{ERASED}.")));
        for other in ["albert@x.example", "bert@x.example-org", "a.bert@x.example", "bert"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(
            of("albert@x.example bert@x.example"),
            Some(format!("albert@x.example {ERASED}"))
        );
    }
}
