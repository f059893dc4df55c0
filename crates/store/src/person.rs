//! All that is known about an address, to be shown, handed out and forgotten.

use crate::{
    BounceEvent, Consent, Due, Held, HeldRequest, Member, Pending, Store, StoreError, Tx, sql,
};

/// What is known about an address.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Its memberships: the list's name, the member, the topics.
    pub memberships: Vec<(String, Member, Vec<String>)>,
    /// What was agreed to.
    pub consents: Vec<Consent>,
    /// What waits for a confirmation.
    pub pending: Vec<Pending>,
    /// What waits for a moderator.
    pub requests: Vec<HeldRequest>,
    /// Posts that wait for a moderator.
    pub held: Vec<Held>,
    /// Refusals of the MTA.
    pub bounces: Vec<BounceEvent>,
    /// List settings that name it: list and setting.
    pub named_in: Vec<(String, String)>,
}

impl Person {
    /// Whether nothing is known.
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

/// How much was forgotten.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// Memberships.
    pub memberships: usize,
    /// Acts of consent.
    pub consents: usize,
    /// Requests that waited.
    pub requests: usize,
    /// Held posts.
    pub held: usize,
    /// Refusals, counters and the like.
    pub traces: usize,
}

impl Store {
    /// What is known about an address, on all lists.
    pub fn person(&self, address: &str) -> Result<Person, StoreError> {
        let key = address.to_lowercase();
        let lists = self.lists()?;
        let mut person = Person {
            memberships: Vec::new(),
            consents: self.consents(&key)?,
            pending: self.pending_for(&key)?,
            requests: self.held_requests_for(&key)?,
            held: Vec::new(),
            bounces: Vec::new(),
            named_in: Vec::new(),
        };
        for list in &lists {
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

impl Tx<'_> {
    /// Forgets an address: its memberships and everything that was noted about it. Settings that
    /// name it (a ban, an owner) stay; they are the owners' to change.
    pub fn erase_person(&self, address: &str) -> Result<Erased, StoreError> {
        let key = address.to_lowercase();
        Due::ALL.into_iter().for_each(|job| self.note_done(job));
        let remove = |sql: &str| self.run(|connection| sql::execute(connection, sql, [&key]));
        Ok(Erased {
            memberships: remove("delete from member where address_key = $1")?,
            consents: remove("delete from consent where address = $1")?,
            requests: remove("delete from pending where address = $1")?
                + remove("delete from held_request where address = $1")?,
            held: remove("delete from held_post where lower(sender) = $1")?,
            traces: remove("delete from bounce_event where lower(address) = $1")?
                + remove("delete from autoresponse where address = $1")?
                + remove("delete from answered where address = $1")?
                + remove("delete from recent_post where address = $1")?
                + remove("delete from asked where subject = $1")?
                + self.forget_sessions(&key)?,
        })
    }
}
