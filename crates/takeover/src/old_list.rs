//! Converts a list's `config.pck` to our settings, state and members. Old formats are
//! migrated and broken ones repaired, as Mailman does when it loads a list (docs/spec/pickles.md §3,
//! §4, §8).

mod members;
pub use members::{CONSENT, DICTIONARIES, Members};
mod migrate;
pub mod raw;
use dormouse_clock::Timestamp;
use raw::Raw;
mod setting;
pub use setting::{form as hash_form, of_default, typed};

use crate::attributes::{self, AttributeFate};
use crate::mm_cfg::MmCfg;
use crate::{TakeoverError, source, text};
use dormouse_pickle::{Graph, Node, NodeId, Protocol, Value};
use dormouse_store::{ListSettings, ListState};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A Mailman list.
#[derive(Debug, Clone)]
pub struct OldList {
    /// The name, which is its directory's.
    pub name: String,
    /// Its settings.
    pub settings: ListSettings,
    /// The rest of its state.
    pub state: ListState,
    /// Until when senders get no automatic reply: kind, address, time.
    pub quiet: Vec<(&'static str, String, Timestamp)>,
    /// Attributes that are kept for the way back, as pickles.
    pub extras: Vec<(String, Vec<u8>)>,
    /// The result for each attribute.
    pub fates: Vec<(String, AttributeResult)>,
    /// What was repaired or could not be imported unchanged.
    pub remarks: Vec<String>,
    /// The charset of its texts.
    pub charset: String,
}

/// The result for an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeResult {
    /// It was imported to this place.
    To(String),
    /// It was kept for the way back, for this reason.
    Kept(&'static str),
    /// It was dropped, for this reason.
    Dropped(&'static str),
    /// It is unknown; it is kept.
    Unknown,
}

/// A `config.pck` being read.
struct Old<'g, 'a> {
    graph: &'g Graph<'a>,
    attributes: HashMap<&'g str, Value<'g, 'a>>,
    version: i64,
    charset: String,
    remarks: Vec<String>,
    /// What would not be exported as the same bytes.
    raw: Raw,
}

impl<'g, 'a> Old<'g, 'a> {
    fn get(&self, name: &str) -> Option<Value<'g, 'a>> {
        self.attributes.get(name).copied()
    }

    fn int(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        value.as_int().or_else(|| value.as_float().map(|number| number as i64))
    }

    fn time(&self, name: &str) -> Timestamp {
        Timestamp::from_seconds(self.get(name).and_then(Value::as_float).unwrap_or(0.0))
    }

    fn text(&self, name: &str) -> Option<String> {
        text::decode(&self.charset, self.get(name)?)
    }

    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

/// The versions of a list's state, the best first (docs/spec/pickles.md §2).
pub const STATES: [&str; 4] = ["config.pck", "config.pck.last", "config.db", "config.db.last"];

/// The newest state of a list that can be read.
pub struct Newest {
    /// Its file.
    pub path: PathBuf,
    /// The list.
    pub list: OldList,
    /// Its members.
    pub members: Members,
    /// The problems of the versions before it.
    pub remark: Option<String>,
}

/// Finds the newest readable state in a list's directory; `None` if there is none at all.
///
/// # Errors
/// If there are states and none is readable; it is the error of the first one.
pub fn newest(name: &str, dir: &Path, site: &MmCfg) -> Result<Option<Newest>, TakeoverError> {
    let mut first = None;
    for file in STATES {
        let path = dir.join(file);
        let read = source::value(&path).and_then(|graph| {
            let Some(graph) = graph else { return Ok(None) };
            let read = read(name, graph, site);
            read.map(Some).map_err(|problem| TakeoverError::content(&path, problem))
        });
        match read {
            Ok(None) => {}
            Ok(Some((list, members))) => {
                let remark = first.map(|error: TakeoverError| {
                    format!("{error}; the version before it, {file}, is used instead")
                });
                return Ok(Some(Newest { path, list, members, remark }));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(None), Err)
}

/// Reads a list from the graph of its `config.pck`, in which its members stay.
///
/// # Errors
/// If it is not a list.
fn read(name: &str, mut graph: Graph<'static>, site: &MmCfg) -> Result<(OldList, Members), String> {
    let mut attributes = HashMap::new();
    if !matches!(graph.root().node(), dormouse_pickle::View::Dict(_)) {
        return Err(format!("it contains {} instead of a list's dictionary", graph.root().kind()));
    }
    let mut odd = 0;
    for (key, value) in graph.root().entries() {
        match key.as_bytes().map(std::str::from_utf8) {
            Some(Ok(key)) => {
                attributes.insert(key, value);
            }
            _ => odd += 1,
        }
    }
    if !attributes.contains_key("members") || !attributes.contains_key("real_name") {
        return Err("it has neither members nor a name: no mailing list was saved here".to_owned());
    }
    let mut old = Old {
        graph: &graph,
        attributes,
        version: 0,
        charset: String::new(),
        remarks: Vec::new(),
        raw: Raw::default(),
    };
    old.version = old.int("data_version").unwrap_or(0);
    old.charset = charset(&old, site);
    if odd > 0 {
        old.remark(format!("{odd} attributes have no name and are not imported"));
    }
    if old.version > attributes::DATA_VERSION {
        let version = old.version;
        old.remark(format!("its schema is {version}, newer than Mailman 2.1.39's"));
    }
    let mut settings = setting::read(&mut old, name, site);
    let rows = members::read(&mut old);
    let migration = migrate::apply(&mut old, &mut settings, &|key| rows.contains(&graph, key));
    let (fates, mut extras) = fates(&old);
    extras.extend(old.raw.to_pickle().map(|bytes| (raw::EXTRA.to_owned(), bytes)));
    let language = old.text("preferred_language").unwrap_or_default();
    let dicts = members::DICTIONARIES.iter().filter_map(|name| old.get(name));
    let dicts: Vec<NodeId> = dicts.filter(|dict| !dict.is_empty()).map(Value::id).collect();
    let list = OldList {
        name: name.to_owned(),
        state: state(&old),
        quiet: quiet(&mut old),
        settings,
        extras,
        fates,
        remarks: old.remarks,
        charset: old.charset,
    };
    // The members' texts are still used, the entries are not.
    for dict in dicts {
        *graph.node_mut(dict) = Node::None;
    }
    let charset = list.charset.clone();
    Ok((list, Members { graph, charset, language, rows, migration }))
}

/// Returns the charset of the list's texts. Mailman recoded those of two languages on the way
/// (docs/spec/pickles.md §8).
fn charset(old: &Old<'_, '_>, site: &MmCfg) -> String {
    let language = old.get("preferred_language").map(text::plain).unwrap_or_default();
    match (language.as_ref(), old.version) {
        ("ro", ..108) => "iso-8859-2".to_owned(),
        ("ru", ..108) => "koi8-r".to_owned(),
        _ => site.charset(&language).to_owned(),
    }
}

fn state(old: &Old<'_, '_>) -> ListState {
    ListState {
        created_at: old.time("created_at"),
        post_id: old.int("post_id").unwrap_or(1),
        last_post_time: old.time("last_post_time"),
        volume: old.int("volume").unwrap_or(1),
        next_digest_number: old.int("next_digest_number").unwrap_or(1),
        digest_last_sent_at: old.time("digest_last_sent_at"),
        next_request_id: old.int("next_request_id").unwrap_or(1),
        usenet_watermark: old.int("usenet_watermark"),
    }
}

/// The database's names for them, and Mailman's.
pub const QUIET: [(&str, &str); 3] = [
    ("postings", "postings_responses"),
    ("admin", "admin_responses"),
    ("requests", "request_responses"),
];

/// Reads a time or, in old lists, the day of the last reply, after which the days of the grace
/// period follow.
fn quiet(old: &mut Old<'_, '_>) -> Vec<(&'static str, String, Timestamp)> {
    let grace = old.int("autoresponse_graceperiod").unwrap_or(90).clamp(0, 36_500) as f64;
    let mut times = Vec::new();
    let mut lost = 0;
    for (kind, name) in QUIET {
        let Some(value) = old.get(name) else { continue };
        for (address, until) in value.entries() {
            let Some(address) = text::decode(&old.charset, address) else { continue };
            let day = || text::midnight(&text::day(until)?).map(|day| day + grace * 86_400.0);
            match until.as_float().map(Timestamp::from_seconds).or_else(day) {
                Some(until) => times.push((kind, address, until)),
                None => lost += 1,
            }
        }
    }
    if lost > 0 {
        old.remark(format!(
            "{lost} times of automatic replies cannot be read and are not imported"
        ));
    }
    times
}

type Fates = (Vec<(String, AttributeResult)>, Vec<(String, Vec<u8>)>);

/// Returns the result for each attribute, and the pickles of those that are kept.
fn fates(old: &Old<'_, '_>) -> Fates {
    let mut fates = Vec::new();
    let mut extras = Vec::new();
    let sorted: BTreeMap<_, _> = old.attributes.iter().collect();
    for (name, value) in sorted {
        let taken = match attributes::fate(name) {
            Some(AttributeFate::Setting(_)) => AttributeResult::To(format!("list setting {name}")),
            Some(AttributeFate::To(place)) => AttributeResult::To(place.to_owned()),
            Some(AttributeFate::Kept(why)) => AttributeResult::Kept(why),
            Some(AttributeFate::Dropped(why)) => AttributeResult::Dropped(why),
            None => AttributeResult::Unknown,
        };
        if matches!(taken, AttributeResult::Kept(_) | AttributeResult::Unknown) {
            extras.push(((*name).to_owned(), pickle(*value)));
        }
        fates.push(((*name).to_owned(), taken));
    }
    (fates, extras)
}

fn pickle(value: Value<'_, '_>) -> Vec<u8> {
    let mut graph = Graph::new();
    let root = graph.import(value);
    graph.set_root(root);
    let mut bytes = Vec::new();
    // What was read from a pickle can be written as one; strings of 2 GiB were refused.
    if let Err(error) = dormouse_pickle::dump(&graph, Protocol::One, &mut bytes) {
        tracing::warn!("an attribute cannot be kept: {error}");
    }
    bytes
}
