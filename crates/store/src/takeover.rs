//! Access for the import and export of a Mailman site: complete lists, complete members, and a
//! record of what was imported.

use crate::check;
use crate::db::{self, Row, params};
use crate::insert::Rows;
use crate::members::{self, COLUMNS};
use crate::settings::ListSettings;
use crate::{BounceState, Delivery, Due, List, ListId, ListName, Member, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use std::collections::{HashMap, HashSet};

/// The columns of a whole member, in the order of their values.
const COLUMNS_OF_ALL: [&str; 20] = [
    "list_id",
    "address_key",
    "domain",
    "address",
    "real_name",
    "digest",
    "options",
    "delivery",
    "delivery_changed_at",
    "language",
    "password",
    "topics",
    "one_last_digest",
    "bounce_score",
    "bounce_date",
    "bounce_notices_left",
    "bounce_last_notice",
    "bounce_cookie",
    "joined_at",
    "consent",
];

/// The state of a list apart from its settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListState {
    /// When the list was created.
    pub created_at: Timestamp,
    /// The number of the next post.
    pub post_id: i64,
    /// When the last post was sent.
    pub last_post_time: Timestamp,
    /// The volume of its digests.
    pub volume: i64,
    /// The number of the next digest in that volume.
    pub next_digest_number: i64,
    /// When the last digest was sent.
    pub digest_last_sent_at: Timestamp,
    /// Mailman's number for the next request.
    pub next_request_id: i64,
    /// The number of the last article from the newsgroup.
    pub usenet_watermark: Option<i64>,
}

/// A member with all of its data.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeMember {
    /// The commonly used part of the data.
    pub member: Member,
    /// When the delivery status last changed.
    pub delivery_changed_at: Timestamp,
    /// The stored password, or empty.
    pub password: String,
    /// The topics that the member has chosen.
    pub topics: Vec<String>,
    /// Whether the member gets one more digest although it has switched to single posts.
    pub one_last_digest: bool,
    /// The bounce state.
    pub bounces: BounceState,
    /// The evidence of consent to the membership.
    pub consent: String,
}

/// The record of an imported source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSource {
    /// A fingerprint of the source.
    pub fingerprint: String,
    /// What it was imported as.
    pub target: String,
}

/// The columns of a [`WholeMember`] after those of its [`Member`].
const REST: &str = "delivery_changed_at, password, topics, \
     digest = 0 and one_last_digest > (select digests_sent from list where id = list_id), bounce_score, bounce_date, \
     bounce_notices_left, bounce_last_notice, bounce_cookie, consent";
/// The index of the first of these columns.
const REST_AT: usize = 8;

fn read_member(row: &Row<'_>) -> db::Result<WholeMember> {
    let topics: String = row.get(REST_AT + 2)?;
    Ok(WholeMember {
        member: members::read(row)?,
        delivery_changed_at: row.get(REST_AT)?,
        password: row.get(REST_AT + 1)?,
        topics: serde_json::from_str(&topics).unwrap_or_default(),
        one_last_digest: row.get(REST_AT + 3)?,
        bounces: BounceState {
            score: row.get(REST_AT + 4)?,
            date: row.get(REST_AT + 5)?,
            notices_left: row.get(REST_AT + 6)?,
            last_notice: row.get(REST_AT + 7)?,
            cookie: row.get(REST_AT + 8)?,
        },
        consent: row.get(REST_AT + 9)?,
    })
}

impl Read {
    /// Returns the state of a list apart from its settings.
    pub fn list_state(&self, list_id: ListId) -> Result<Option<ListState>, StoreError> {
        self.first(
            "select created_at, post_id, last_post_time, volume, next_digest_number,
                 digest_last_sent_at, next_request_id, usenet_watermark, article
             from list left join news_watermark on list_id = id where id = ?1",
            params![list_id],
            |row| {
                Ok(ListState {
                    created_at: row.get(0)?,
                    post_id: row.get(1)?,
                    last_post_time: row.get(2)?,
                    volume: row.get(3)?,
                    next_digest_number: row.get(4)?,
                    digest_last_sent_at: row.get(5)?,
                    next_request_id: row.get(6)?,
                    // Our own, or the imported one.
                    usenet_watermark: row.get::<Option<i64>>(7)?.max(row.get(8)?),
                })
            },
        )
    }

    /// Calls `each` with every member of a list with all of its data, sorted by address.
    pub fn whole_members<E: From<StoreError>>(
        &self,
        list_id: ListId,
        each: impl FnMut(WholeMember) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql =
            format!("select {COLUMNS}, {REST} from member where list_id = ?1 order by address_key");
        self.stream(&sql, params![list_id], read_member, each)
    }

    /// Returns the stored passwords of the members from the first to the last of these addresses.
    pub fn member_passwords(
        &self,
        list_id: ListId,
        first: &AddressKey,
        last: &AddressKey,
    ) -> Result<HashMap<AddressKey, String>, StoreError> {
        let sql = "select address_key, password from member
             where list_id = ?1 and address_key >= ?2 and address_key <= ?3";
        let values = params![list_id, first, last];
        let rows = self.rows(sql, values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Returns the attributes of a Mailman list that have no equivalent here, as pickles.
    pub fn extras(&self, list_id: ListId) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let sql = "select name, value from list_extra where list_id = ?1 order by name";
        self.rows(sql, params![list_id], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Returns until when senders get no automatic reply: kind, address, time.
    pub fn quiet_times(
        &self,
        list_id: ListId,
    ) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        let sql = "select kind, address, until from autoresponse where list_id = ?1
                   order by kind, address";
        self.rows(sql, params![list_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    /// Returns the record of a source, if it was imported.
    pub fn imported(&self, source: &str) -> Result<Option<ImportedSource>, StoreError> {
        let sql = "select fingerprint, target from imported where source = ?1";
        self.first(sql, params![source], |row| {
            Ok(ImportedSource { fingerprint: row.get(0)?, target: row.get(1)? })
        })
    }

    /// Returns the imported parts of a source: its name with `#part`, and what it was imported as.
    pub fn imported_parts(&self, source: &str) -> Result<Vec<(String, String)>, StoreError> {
        // `$` follows `#` in ASCII.
        let (low, high) = (format!("{source}#"), format!("{source}$"));
        let sql = "select source, target from imported where source >= ?1 and source < ?2";
        self.rows(sql, params![&low, &high], |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

/// The fields of a list's state that are numbers, by Mailman's names.
pub const STATE_NUMBERS: [&str; 7] = [
    "created_at",
    "digest_last_sent_at",
    "last_post_time",
    "next_digest_number",
    "next_request_id",
    "post_id",
    "volume",
];

impl ListState {
    /// Returns the number with this name.
    pub fn number(&self, name: &str) -> Option<f64> {
        Some(match name {
            "created_at" => self.created_at.seconds(),
            "digest_last_sent_at" => self.digest_last_sent_at.seconds(),
            "last_post_time" => self.last_post_time.seconds(),
            "next_digest_number" => self.next_digest_number as f64,
            "next_request_id" => self.next_request_id as f64,
            "post_id" => self.post_id as f64,
            "volume" => self.volume as f64,
            _ => return None,
        })
    }
}

impl Tx<'_> {
    /// Sets one of [`STATE_NUMBERS`].
    pub fn set_state_number(
        &self,
        list_id: ListId,
        name: &str,
        number: f64,
    ) -> Result<(), StoreError> {
        let name = STATE_NUMBERS.iter().find(|known| **known == name);
        let name = name.ok_or_else(|| StoreError::Setting("not a number of a list".to_owned()))?;
        // Times can have fractions, counts cannot.
        let is_time = matches!(*name, "created_at" | "digest_last_sent_at" | "last_post_time");
        let set = if is_time { "?2" } else { "cast(?2 as bigint)" };
        let sql = format!("update list set {name} = {set} where id = ?1");
        self.execute(&sql, params![list_id, number])?;
        Ok(())
    }

    /// Creates a list, or replaces the settings and state of the one with this name.
    pub fn put_list(
        &self,
        name: &ListName,
        settings: &ListSettings,
        state: &ListState,
    ) -> Result<List, StoreError> {
        check::acceptable_name(name).map_err(StoreError::Setting)?;
        let defaults = ListSettings::default();
        self.note_lists();
        let values = [
            ("name", "?1"),
            ("created_at", "?2"),
            ("post_id", "?3"),
            ("last_post_time", "?4"),
            ("volume", "?5"),
            ("next_digest_number", "?6"),
            ("digest_last_sent_at", "?7"),
            ("next_request_id", "?8"),
            ("usenet_watermark", "?9"),
        ];
        self.execute(
            &Rows { table: "list", values: &values, from: None, key: "name" }.put(&[]),
            params![
                name,
                state.created_at,
                state.post_id,
                state.last_post_time,
                state.volume,
                state.next_digest_number,
                state.digest_last_sent_at,
                state.next_request_id,
                state.usenet_watermark
            ],
        )?;
        self.execute(
            "delete from list_setting where list_id = (select id from list where name = ?1)",
            params![name],
        )?;
        self.note_archive(name);
        let id = self
            .read()
            .one("select id from list where name = ?1", params![name], |row| row.get(0))?;
        for setting in ListSettings::names() {
            let value = settings.kept(setting);
            if value != defaults.kept(setting) {
                self.keep_setting(id, setting, value)?;
            }
        }
        let made = self.read().list(name)?;
        let made =
            made.ok_or_else(|| StoreError::Setting(format!("the list {name} was not created")))?;
        if made.gates_news() {
            self.note_due(Due::GateNews);
        }
        Ok(made)
    }

    /// Adds members, or updates the ones with their addresses. How and when a membership began stays
    /// as it was.
    ///
    /// # Errors
    /// Those of the database, and the first error among the members.
    pub fn put_members<E: From<StoreError>>(
        &self,
        list_id: ListId,
        members: impl IntoIterator<Item = Result<WholeMember, E>>,
    ) -> Result<(), E> {
        let sql = "select digests_sent from list where id = ?1";
        let sent: i64 = self.read().one(sql, params![list_id], |row| row.get(0))?;
        let mut members = members.into_iter();
        loop {
            let next = members.by_ref().take(self.rows_together());
            let next: Vec<WholeMember> = next.collect::<Result<_, E>>()?;
            if next.is_empty() {
                return Ok(self.recount_members(list_id)?);
            }
            let mut left = next.as_slice();
            while !left.is_empty() {
                // One statement cannot change a row twice.
                let mut keys = HashSet::new();
                let together =
                    left.iter().take_while(|whole| keys.insert(&whole.member.key)).count();
                let (some, later) = left.split_at(together);
                self.put_together(list_id, some, sent)?;
                left = later;
            }
        }
    }

    /// Adds or updates members with one statement.
    fn put_together(
        &self,
        list_id: ListId,
        members: &[WholeMember],
        digests_sent: i64,
    ) -> Result<(), StoreError> {
        let does_not_get = |whole: &WholeMember| {
            whole.member.delivery != Delivery::Enabled || !whole.bounces.is_empty()
        };
        if members.iter().any(does_not_get) {
            self.note_due(Due::Disabled);
        }
        let values = COLUMNS_OF_ALL.map(|column| (column, ""));
        let sql = members::rows(&values, None)
            .put_many(&["domain", "joined_at", "consent"], members.len());
        let topics: Vec<String> = members
            .iter()
            .map(|whole| serde_json::Value::from(whole.topics.as_slice()).to_string())
            .collect();
        let domains: Vec<&str> = members.iter().map(|whole| whole.member.key.domain()).collect();
        let last_digest = |whole: &WholeMember| match whole.one_last_digest && !whole.member.digest
        {
            true => digests_sent + 1,
            false => 0,
        };
        let last_digests: Vec<i64> = members.iter().map(last_digest).collect();
        let bits: Vec<i64> = members.iter().map(|whole| whole.member.options.bits()).collect();
        let deliveries: Vec<i64> =
            members.iter().map(|whole| whole.member.delivery.number()).collect();
        let mut all = params![list_id].to_vec();
        for (at, whole) in members.iter().enumerate() {
            let WholeMember { member, bounces, .. } = whole;
            all.extend_from_slice(params![
                member.key,
                domains[at],
                member.address,
                member.real_name,
                member.digest,
                bits[at],
                deliveries[at],
                whole.delivery_changed_at,
                member.language,
                whole.password,
                topics[at],
                last_digests[at],
                bounces.score,
                bounces.date,
                bounces.notices_left,
                bounces.last_notice,
                bounces.cookie,
                member.joined_at,
                whole.consent
            ]);
        }
        self.execute(&sql, &all).map(drop)
    }

    /// Removes the members with this evidence of consent for which `keep` returns false, and
    /// returns how many there were. `how` says why, and `at` when.
    pub fn remove_members_by_consent(
        &self,
        list_id: ListId,
        consent: &str,
        keep: impl Fn(&str) -> bool,
        how: &str,
        at: Timestamp,
    ) -> Result<usize, StoreError> {
        let sql = "select address_key from member where list_id = ?1 and consent = ?2";
        let mut gone: Vec<AddressKey> = Vec::new();
        self.read().stream(
            sql,
            params![list_id, consent],
            |row| row.get(0),
            |key: AddressKey| {
                gone.extend(Some(key).filter(|key| !keep(key)));
                Ok::<(), StoreError>(())
            },
        )?;
        self.remove_members(list_id, &gone, how, at).map(|gone| gone.len())
    }

    /// Replaces the attributes of a Mailman list that have no equivalent here.
    pub fn put_extras(
        &self,
        list_id: ListId,
        extras: &[(String, Vec<u8>)],
    ) -> Result<(), StoreError> {
        self.execute("delete from list_extra where list_id = ?1", params![list_id])?;
        for (name, value) in extras {
            self.execute(
                "insert into list_extra (list_id, name, value) values (?1, ?2, ?3)",
                params![list_id, name, value],
            )?;
        }
        Ok(())
    }

    /// Records that a source was imported.
    pub fn note_imported(
        &self,
        source: &str,
        fingerprint: &str,
        target: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "insert into imported (source, fingerprint, target, at) values (?1, ?2, ?3, ?4)
             on conflict (source) do update set fingerprint = excluded.fingerprint,
                 target = excluded.target, at = excluded.at",
            params![source, fingerprint, target, now],
        )?;
        Ok(())
    }

    /// Deletes the records of a source and its parts.
    pub fn forget_imported(&self, source: &str) -> Result<(), StoreError> {
        let (low, high) = (format!("{source}#"), format!("{source}$"));
        let sql = "delete from imported where source = ?1 or (source >= ?2 and source < ?3)";
        self.execute(sql, params![source, &low, &high])?;
        Ok(())
    }

    /// Deletes the held post with this entry name. Returns false if there is none.
    pub fn release_held_entry(&self, entry: &str) -> Result<bool, StoreError> {
        let sql = "delete from held_post where entry = ?1";
        self.execute(sql, params![entry]).map(|released| released > 0)
    }

    /// Deletes the post for the next digest with this entry name. Returns false if there is none.
    pub fn remove_from_digest(&self, entry: &str) -> Result<bool, StoreError> {
        let sql = "delete from digest_post where entry = ?1";
        self.execute(sql, params![entry]).map(|removed| removed > 0)
    }

    /// Deletes the request with this cookie that waits for a confirmation or a moderator. Returns
    /// false if there is none.
    pub fn remove_request(&self, cookie: &str) -> Result<bool, StoreError> {
        let asked = self.execute("delete from pending where cookie = ?1", params![cookie])?;
        let sql = "delete from held_request where cookie = ?1";
        Ok(asked + self.execute(sql, params![cookie])? > 0)
    }
}
