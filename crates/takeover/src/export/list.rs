//! A list's `config.pck`: settings, state and members (docs/spec/pickles.md §3, §4).

use super::config::ConfigFile;
use super::{Export, is_sha1, make_dir};
use crate::attributes::{ATTRIBUTES, AttributeFate, DATA_VERSION, SettingType};
use crate::old_list::raw::{self, Raw};
use crate::old_list::{DICTIONARIES, Members, QUIET};
use crate::{TakeoverError, text};
use dormouse_clock::Timestamp;
use dormouse_membership::password;
use dormouse_pickle::{Class, Graph, Made, NodeId, Object};
use dormouse_store::value::SettingValue as _;
use dormouse_store::{BounceState, Delivery, List, ListState, Member, Read, WholeMember};
use std::os::unix::fs::symlink;
use std::path::Path;

/// The start of a generated password, for a password that Mailman cannot check. The member, to whom
/// Mailman can mail it, or the owner sets a new one.
const RESET: &str = "reset-";

impl Export<'_> {
    /// Writes everything of one list.
    pub(super) fn list(&mut self, list: &List, name: &str) -> Result<(), TakeoverError> {
        let dir = make_dir(&self.to.join("lists").join(name))?;
        let charset = self.settings.charset(&list.settings.preferred_language).to_owned();
        let old_members = self.old_members(name);
        let state = self.target.store.read().list_state(list.id)?.unwrap_or_default();
        let extras = self.target.store.read().extras(list.id)?;
        let mut config = Config {
            graph: Graph::new(),
            file: ConfigFile::create(dir.join("config.pck"))?,
            charset: &charset,
            raw: Raw::default(),
        };
        if let Some((name, bytes)) = extras.iter().find(|(name, _)| name == raw::EXTRA) {
            config.raw = Raw::of(extra(&dir, name, bytes)?.root());
        }
        self.put_settings(&mut config, list)?;
        config.put_state(&state)?;
        let Counted { members, reset, wide } =
            config.put_members(self.target.store.read(), list, old_members.as_ref())?;
        config.put_quiet_times(&self.target.store.read().quiet_times(list.id)?)?;
        for (attribute, bytes) in extras.iter().filter(|(name, _)| name != raw::EXTRA) {
            let kept = extra(&dir, attribute, bytes)?;
            config.file.put(attribute, &kept, kept.root_id())?;
        }
        config.file.end()?;
        if !wide.is_empty() {
            self.report.remark(
                format!("lists/{name}"),
                format!(
                    "addresses with letters beyond ASCII are written in UTF-8, and Mailman cannot \
                     send to them: {}",
                    raw::some(&wide)
                ),
            );
        }
        self.report.brought("lists", 1);
        self.report.brought("members", members);
        if reset > 0 {
            self.report.remark(
                format!("lists/{name}"),
                format!(
                    "{reset} members have a new password, {RESET}…, because theirs are not known \
                     in plain text; they get it with the button on their options page, or all of \
                     them by the monthly reminder"
                ),
            );
        }
        if !list.settings.archive_private {
            let link = self.to.join("archives/public").join(name);
            symlink(format!("../private/{name}"), &link)
                .map_err(TakeoverError::io("link", &link))?;
        }
        self.waiting(list, name, &charset, &dir)
    }

    fn put_settings(&mut self, config: &mut Config<'_>, list: &List) -> Result<(), TakeoverError> {
        let settings = &list.settings;
        for (setting, fate) in ATTRIBUTES {
            let AttributeFate::Setting(kind) = fate else { continue };
            let value = settings.kept(setting).unwrap_or_default();
            // Mailman's lists have these only if they are used.
            let optional = match *setting {
                "pipeline" => value.is_empty(),
                "use_dollar_strings" => !settings.use_dollar_strings,
                _ => false,
            };
            if optional {
                continue;
            }
            let original = Raw::original(&config.raw.settings, setting, &value, &mut config.graph);
            let node = match kind {
                _ if let Some(original) = original => original,
                SettingType::Flag => config.graph.bool(settings.number(setting) == Some(1)),
                SettingType::Choice => config.graph.int(settings.number(setting).unwrap_or(0)),
                SettingType::Int => config.graph.int(i64::read(&value).unwrap_or(0)),
                SettingType::Real => config
                    .real(f64::read(&value).unwrap_or(0.0), *setting == "bounce_score_threshold"),
                SettingType::Text if *setting == "web_page_url" => {
                    config.text(&list.web_page_url(self.target.site.config()))
                }
                SettingType::Text => config.text(&value),
                SettingType::Texts => {
                    let items = Vec::<String>::read(&value).unwrap_or_default();
                    let items = items.iter().map(|item| config.text(item)).collect();
                    config.graph.list(items)
                }
                SettingType::Hash => self.hash(config, list, setting, &value),
                SettingType::Table => config.table(&value),
            };
            config.put(setting, node)?;
        }
        Ok(())
    }

    /// Returns a list's password, if Mailman can check its hash.
    fn hash(&mut self, config: &mut Config<'_>, list: &List, setting: &str, hash: &str) -> NodeId {
        let digest = hash.strip_prefix(password::MD5).map(|hex| {
            let pairs = hex.as_bytes().chunks(2);
            pairs
                .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect::<Vec<u8>>()
        });
        match digest {
            Some(digest) => config.graph.bytes(digest),
            None if is_sha1(hash) || hash.len() == password::CRYPT_LENGTH => config.text(hash),
            None => {
                if !hash.is_empty() {
                    let text = format!(
                        "Mailman cannot check the hash of its {setting}; set a new one with \
                         bin/change_pw or on its pages"
                    );
                    self.report.remark(format!("lists/{}", list.name), text);
                }
                // No text has this hash, and no text equals `None`.
                if setting == "password" { config.text("") } else { config.graph.none() }
            }
        }
    }
}

/// Reads an attribute that was kept.
fn extra<'b>(dir: &Path, name: &str, bytes: &'b [u8]) -> Result<Graph<'b>, TakeoverError> {
    let loaded = dormouse_pickle::load(bytes, &dormouse_pickle::Limits::default());
    let (graph, _) =
        loaded.map_err(|source| TakeoverError::Pickle { path: dir.join(name), source })?;
    Ok(graph)
}

/// A `config.pck` being built.
struct Config<'c> {
    /// The nodes of the value that is being put.
    graph: Graph<'static>,
    file: ConfigFile,
    charset: &'c str,
    /// Values that are written with their original bytes.
    raw: Raw,
}

/// What there is to say about a list's members.
#[derive(Default)]
struct Counted {
    members: u64,
    /// Those who get a new password.
    reset: u64,
    /// Addresses with letters beyond ASCII.
    wide: Vec<String>,
}

impl Config<'_> {
    fn put(&mut self, attribute: &str, value: NodeId) -> Result<(), TakeoverError> {
        self.file.put(attribute, &std::mem::take(&mut self.graph), value)
    }

    fn text(&mut self, text: &str) -> NodeId {
        let bytes = text::encode(self.charset, text);
        self.graph.bytes(bytes)
    }

    /// Adds a number. A whole number is an int, as in Mailman's own files.
    fn real(&mut self, number: f64, is_float: bool) -> NodeId {
        if number.fract() == 0.0 && number.abs() < 1e15 && !is_float {
            self.graph.int(number as i64)
        } else {
            self.graph.float(number)
        }
    }

    /// Rows of texts and numbers as a list of tuples.
    fn table(&mut self, json: &str) -> NodeId {
        let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(json).unwrap_or_default();
        let mut tuples = Vec::new();
        for row in rows {
            let cells = row
                .iter()
                .map(|cell| match (cell.as_str(), cell.as_i64()) {
                    (Some(text), _) => self.text(text),
                    (None, Some(number)) => self.graph.int(number),
                    (None, None) => match cell.as_bool() {
                        Some(flag) => self.graph.int(i64::from(flag)),
                        None => self.graph.none(),
                    },
                })
                .collect();
            tuples.push(self.graph.tuple(cells));
        }
        self.graph.list(tuples)
    }

    fn put_state(&mut self, state: &ListState) -> Result<(), TakeoverError> {
        let ints = [
            ("data_version", DATA_VERSION),
            ("volume", state.volume),
            ("next_digest_number", state.next_digest_number),
            ("next_request_id", state.next_request_id),
        ];
        for (attribute, number) in ints {
            let node = self.graph.int(number);
            self.put(attribute, node)?;
        }
        let floats = [
            ("created_at", state.created_at.seconds()),
            ("last_post_time", state.last_post_time.seconds()),
            ("digest_last_sent_at", state.digest_last_sent_at.seconds()),
            ("post_id", state.post_id as f64),
        ];
        for (attribute, number) in floats {
            let node = self.graph.float(number);
            self.put(attribute, node)?;
        }
        let node = match state.usenet_watermark {
            Some(article) => self.graph.int(article),
            None => self.graph.none(),
        };
        self.put("usenet_watermark", node)
    }

    /// A member's key in the dictionaries, as Mailman had it.
    fn key(&mut self, member: &Member) -> NodeId {
        let original =
            Raw::original(&self.raw.addresses, &member.key, &member.key, &mut self.graph);
        // References are not resolved in addresses: that would change them.
        original.unwrap_or_else(|| self.graph.bytes(member.key.as_bytes().to_vec()))
    }

    /// The address in the member's own spelling, if it differs from the key.
    fn spelling(&mut self, member: &Member) -> NodeId {
        if member.address == *member.key {
            self.graph.int(0)
        } else {
            self.graph.bytes(member.address.clone().into_bytes())
        }
    }

    /// A member's name, as Mailman had it if it is still the same.
    fn name(&mut self, member: &Member) -> NodeId {
        let name = &member.real_name;
        match Raw::original(&self.raw.names, &member.key, name, &mut self.graph) {
            Some(original) => original,
            None if name.is_ascii() => self.text(name),
            None => self.graph.text(name.clone()),
        }
    }

    /// Writes who gets no automatic reply again, and until when.
    fn put_quiet_times(
        &mut self,
        times: &[(String, String, Timestamp)],
    ) -> Result<(), TakeoverError> {
        for (kind, attribute) in QUIET {
            let mut entries = Vec::new();
            for (_, address, until) in times.iter().filter(|(found, _, _)| found == kind) {
                entries.push((self.text(address), self.graph.float(until.seconds())));
            }
            let dict = self.graph.dict(entries);
            self.put(attribute, dict)?;
        }
        Ok(())
    }

    /// Writes all members, of which some are in memory at a time.
    fn put_members(
        &mut self,
        store: &Read,
        list: &List,
        old_members: Option<&Members>,
    ) -> Result<Counted, TakeoverError> {
        let mut dicts = self.file.dicts();
        let mut counted = Counted::default();
        store.whole_members(list.id, |whole| {
            counted.members += 1;
            let member = &whole.member;
            if !member.key.is_ascii() && !self.raw.addresses.contains_key(&*member.key) {
                counted.wide.push(member.address.clone());
            }
            let (key, values) = self.member(list, &whole, old_members, &mut counted.reset)?;
            let graph = std::mem::take(&mut self.graph);
            self.file.put_member(&mut dicts, &graph, key, &values)
        })?;
        self.file.put_dicts(DICTIONARIES, dicts)?;
        Ok(counted)
    }

    /// Adds a member's key, and its values in [`DICTIONARIES`].
    fn member(
        &mut self,
        list: &List,
        whole: &WholeMember,
        old_members: Option<&Members>,
        reset: &mut u64,
    ) -> Result<(NodeId, Vec<(usize, NodeId)>), TakeoverError> {
        let member = &whole.member;
        let key = self.key(member);
        let address = self.spelling(member);
        let mut values = vec![(usize::from(member.digest), address)];
        if !whole.password.is_empty() {
            let known = old_members.and_then(|old| old.password(&member.key));
            let known = known.filter(|clear| password::verify(&whole.password, clear));
            let password = match known {
                Some(clear) => clear,
                None => {
                    *reset += 1;
                    new_password()?
                }
            };
            values.push((2, self.text(&password)));
        }
        let language = &member.language;
        let language =
            if language.is_empty() { &list.settings.preferred_language } else { language };
        values.push((3, self.text(language)));
        if !member.real_name.is_empty() {
            values.push((4, self.name(member)));
        }
        if member.options.bits() != 0 {
            values.push((5, self.graph.int(member.options.bits())));
        }
        if member.delivery != Delivery::Enabled {
            let status = self.graph.int(member.delivery.number());
            let since = self.graph.float(whole.delivery_changed_at.seconds());
            values.push((6, self.graph.tuple(vec![status, since])));
        }
        if !whole.bounces.is_empty() {
            values.push((7, self.bounce_info(key, &whole.bounces)));
        }
        if !whole.topics.is_empty() {
            let topics = whole.topics.iter().map(|topic| self.text(topic)).collect();
            values.push((8, self.graph.list(topics)));
        }
        if whole.one_last_digest {
            values.push((9, address));
        }
        Ok((key, values))
    }

    fn bounce_info(&mut self, member: NodeId, bounces: &BounceState) -> NodeId {
        let cookie = if bounces.cookie.is_empty() {
            self.graph.none()
        } else {
            self.graph.bytes(bounces.cookie.clone().into_bytes())
        };
        let score = self.graph.float(bounces.score);
        let left = self.graph.int(bounces.notices_left);
        let date = day(&mut self.graph, &bounces.date);
        let notice = day(&mut self.graph, &bounces.last_notice);
        let state = [
            ("member", member),
            ("cookie", cookie),
            ("score", score),
            ("date", date),
            ("noticesleft", left),
            ("lastnotice", notice),
        ];
        instance(&mut self.graph, "Mailman.Bouncer", "_BounceInfo", &state)
    }
}

/// Adds a day as Python's `(year, month, day)`; an invalid one becomes the first.
fn day(graph: &mut Graph<'static>, day: &str) -> NodeId {
    let numbers = text::day_numbers(day).unwrap_or([1970, 1, 2]);
    let numbers = numbers.map(|number| graph.int(number)).to_vec();
    graph.tuple(numbers)
}

/// Adds an instance of an old-style class with this state.
pub(super) fn instance(
    graph: &mut Graph<'static>,
    module: &'static str,
    name: &'static str,
    state: &[(&str, NodeId)],
) -> NodeId {
    let entries = state
        .iter()
        .map(|(attribute, value)| (graph.bytes(attribute.as_bytes().to_vec()), *value))
        .collect();
    let state = graph.dict(entries);
    let args = graph.tuple(Vec::new());
    let mut object = Object::new(Class::new(module, name), Made::OldStyle { args });
    object.state = Some(state);
    graph.object(object)
}

pub(super) fn new_password() -> Result<String, TakeoverError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| TakeoverError::Refused(format!("no random numbers: {error}")))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{RESET}{digits}"))
}
