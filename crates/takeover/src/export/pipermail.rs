//! Pipermail's state of an archive: `pipermail.pck` and the indexes in `database/`
//! (docs/spec/archives.md
//! §4). With it Mailman's own archiver continues after our last number, and lists all threads.

use super::list::instance;
use super::{Export, pickle, write};
use crate::{TakeoverError, source, text};
use dormouse_archive::keys::last_name_first;
use dormouse_archive::{Archive, ArchivePlace, article};
use dormouse_mail::encoded_word;
use dormouse_pickle::{Graph, NodeId, Protocol, Value, marshal};
use dormouse_store::List;
use dormouse_store::archive_index::{ArchiveIndex, Indexed, Volume};
use dormouse_store::files::remove_if_there;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A volume's indexes, as files `VOLUME-INDEX`.
const INDEXES: [&str; 5] = ["date", "author", "subject", "article", "thread"];
/// The index that has the articles themselves.
const ARTICLES: usize = 3;
/// The lines between which Pipermail finds a page's text again when the page gets new neighbours.
const BEGIN: &[u8] = b"<!--beginarticle-->";
const END: &[u8] = b"<!--endarticle-->";
/// A line that only our pages have in their heads.
const OURS: &[u8] = b"<meta name=\"message-id\"";

impl Export<'_> {
    /// Checks that index and pages of the archives are complete before the export.
    pub(super) fn complete_archive(&mut self, list: &List) {
        let place = ArchivePlace::of(self.target.site, &list.name);
        let has_state = place.tree().join("pipermail.pck").exists();
        let is_archived = fs::metadata(place.mbox()).is_ok_and(|mbox| mbox.len() > 0);
        if !place.index().exists() && (has_state || !is_archived) {
            return;
        }
        let done = Archive::open(self.target.site, list)
            .and_then(|mut archive| archive.follow(&mut |_| {}));
        if let Err(error) = done {
            self.report.problem(
                format!("archives/private/{}", list.name),
                format!("{error}; Mailman gets it as far as it is indexed"),
            );
        }
    }

    /// Writes Pipermail's state of a list's archive next to its pages, if there is anything that
    /// Pipermail does not know.
    pub(super) fn pipermail(&mut self, list: &List, name: &str) -> Result<(), TakeoverError> {
        let dir = self.to.join("archives/private").join(name);
        let place = ArchivePlace::of(self.target.site, &list.name);
        let Some(index) = ArchiveIndex::open_read_only(&place.index())? else { return Ok(()) };
        if index.next_number()? == 0 || !dir.is_dir() {
            return Ok(());
        }
        let state_file = dir.join("pipermail.pck");
        let (mut volumes, sequence) = match known(&state_file) {
            Ok(known) => known,
            Err(error) => {
                self.report
                    .remark(self.name_of(&state_file), format!("{error}; it is created again"));
                Default::default()
            }
        };
        let charset = self.settings.charset(&list.settings.preferred_language).to_owned();
        let is_obscured = list.obscures(self.target.site.config());
        let articles = Articles { list, name, index: &index, is_obscured };
        for volume in index.volumes()? {
            let kept = self.kept(&dir, &volume.name, &index, &charset);
            let numbers = index.numbers_in_volume(volume.id)?;
            if numbers.is_empty() && kept[ARTICLES].is_empty() {
                volumes.retain(|known| *known != volume.name);
                continue;
            }
            for number in &numbers {
                make_plain(&page(&dir, &volume, *number))?;
            }
            articles.write(&dir, &volume, &numbers, kept)?;
            self.report.brought("archived posts that Pipermail lists", numbers.len() as u64);
            if !volumes.contains(&volume.name) {
                volumes.push(volume.name);
            }
        }
        let mut graph = Graph::new();
        let names = volumes.iter().map(|name| graph.bytes(name.clone().into_bytes())).collect();
        let fields = [
            ("archives", graph.list(names)),
            ("_dirty_archives", graph.list(Vec::new())),
            ("sequence", graph.int(sequence.max(index.next_number()?))),
            ("update_TOC", graph.int(0)),
        ];
        let fields = fields.map(|(field, value)| (graph.bytes(field.as_bytes()), value)).to_vec();
        let root = graph.dict(fields);
        graph.set_root(root);
        remove(&state_file)?;
        pickle(&state_file, &graph, Protocol::Zero)
    }

    fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(self.to).unwrap_or(path).display().to_string()
    }

    /// Reads the entries of Pipermail's own indexes of a volume for pages without a message here:
    /// their posts are not in the mbox, and stay listed.
    fn kept(
        &mut self,
        dir: &Path,
        volume: &str,
        index: &ArchiveIndex,
        charset: &str,
    ) -> [Vec<(Key, Vec<u8>)>; 5] {
        let path = |kind: &str| dir.join("database").join(format!("{volume}-{kind}"));
        let kept = (|| {
            let mut orphans: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            for_each(&path(INDEXES[ARTICLES]), |id, article| {
                let (Some(id), Some(bytes)) = (id.as_bytes(), article.as_bytes()) else {
                    return Ok(());
                };
                let (graph, _) = source::unpickle(&path(INDEXES[ARTICLES]), bytes)?;
                let state = graph.root().state();
                let number = state.and_then(|state| state.get("sequence")).and_then(Value::as_int);
                if let Some(number) = number
                    && index.message(number)?.is_none()
                {
                    orphans.insert(id.to_vec(), bytes.to_vec());
                }
                Ok(())
            })?;
            let mut kept: [Vec<(Key, Vec<u8>)>; 5] = Default::default();
            for (place, kind) in INDEXES.iter().enumerate().filter(|_| !orphans.is_empty()) {
                for_each(&path(kind), |key, value| {
                    let id = if place == ARTICLES { key.as_bytes() } else { value.as_bytes() };
                    let Some((id, article)) = id.and_then(|id| orphans.get_key_value(id)) else {
                        return Ok(());
                    };
                    let value = if place == ARTICLES { article } else { id };
                    kept[place].push((Key::read(key, charset), value.clone()));
                    Ok(())
                })?;
            }
            Ok(kept)
        })();
        kept.unwrap_or_else(|error: TakeoverError| {
            let about = self.name_of(&dir.join("database"));
            self.report
                .remark(about, format!("{error}; the indexes of {volume} are created again"));
            Default::default()
        })
    }
}

/// Reads the volumes and the next number known to Pipermail.
fn known(path: &Path) -> Result<(Vec<String>, i64), TakeoverError> {
    let Some(bytes) = source::read(path)? else { return Ok(Default::default()) };
    let (graph, _) = source::unpickle(path, &bytes)?;
    let volumes = graph.root().get("archives").map(|volumes| volumes.items());
    let volumes = volumes.into_iter().flatten().map(|name| text::plain(name).into_owned());
    let sequence = graph.root().get("sequence").and_then(Value::as_int);
    Ok((volumes.collect(), sequence.unwrap_or(0)))
}

/// Reads one of Pipermail's indexes; empty if there is none.
fn for_each(
    path: &Path,
    mut take: impl FnMut(Value<'_, '_>, Value<'_, '_>) -> Result<(), TakeoverError>,
) -> Result<(), TakeoverError> {
    let Some(bytes) = source::read(path)? else { return Ok(()) };
    let (graph, _) =
        marshal::load(&bytes).map_err(|problem| TakeoverError::content(path, problem))?;
    graph.root().entries().try_for_each(|(key, value)| take(key, value))
}

/// A key of an index: strings that are bytes in Python, or texts.
enum Key {
    One(Vec<u8>),
    Several(Vec<Part>),
}

enum Part {
    Bytes(Vec<u8>),
    Text(String),
}

impl Key {
    /// Reads a key. Python cannot compare bytes beyond ASCII with texts, which ours are.
    fn read(key: Value<'_, '_>, charset: &str) -> Key {
        if let Some(bytes) = key.as_bytes() {
            return Key::One(bytes.to_vec());
        }
        let part = |part: Value<'_, '_>| match part.raw_bytes() {
            Some(bytes) if bytes.is_ascii() => Part::Bytes(bytes.into_owned()),
            _ => Part::Text(text::decode(charset, part).unwrap_or_default()),
        };
        Key::Several(key.items().map(part).collect())
    }

    fn put(self, graph: &mut Graph<'static>) -> NodeId {
        let parts = match self {
            Key::One(bytes) => return graph.bytes(bytes),
            Key::Several(parts) => parts,
        };
        let parts = parts.into_iter().map(|part| match part {
            Part::Bytes(bytes) => graph.bytes(bytes),
            Part::Text(text) => graph.text(text),
        });
        let parts = parts.collect();
        graph.tuple(parts)
    }
}

/// The articles of an archive, as Pipermail keeps them.
struct Articles<'a> {
    list: &'a List,
    /// The list's name in Mailman.
    name: &'a str,
    index: &'a ArchiveIndex,
    is_obscured: bool,
}

/// Returns the keys of a message in the [`INDEXES`], in their order.
fn keys_of(message: &Indexed, id: &[u8]) -> [Key; 5] {
    let bytes = |text: &str| Part::Bytes(text.as_bytes().to_vec());
    let date = format!("{:011}", message.date);
    [
        Key::Several(vec![bytes(&date), Part::Bytes(id.to_vec())]),
        Key::Several(vec![
            Part::Text(last_name_first(&message.author)),
            bytes(&date),
            Part::Bytes(id.to_vec()),
        ]),
        Key::Several(vec![
            Part::Text(stripped(message).to_owned()),
            bytes(&date),
            Part::Bytes(id.to_vec()),
        ]),
        Key::One(id.to_vec()),
        Key::Several(vec![bytes(&message.thread_key), Part::Bytes(id.to_vec())]),
    ]
}

/// Writes an index, a dictionary of bytes.
fn write_index(path: &Path, entries: Vec<(Key, Vec<u8>)>) -> Result<(), TakeoverError> {
    let mut graph = Graph::new();
    let pairs = entries.into_iter().map(|(key, value)| {
        let key = key.put(&mut graph);
        (key, graph.bytes(value))
    });
    let pairs = pairs.collect();
    let root = graph.dict(pairs);
    graph.set_root(root);
    let bytes = marshal::dump(&graph).map_err(|problem| TakeoverError::content(path, problem))?;
    remove(path)?;
    write(path, &bytes)
}

impl Articles<'_> {
    /// Writes the indexes of a volume.
    fn write(
        &self,
        dir: &Path,
        volume: &Volume,
        numbers: &[i64],
        kept: [Vec<(Key, Vec<u8>)>; 5],
    ) -> Result<(), TakeoverError> {
        let mut entries = kept;
        let mut taken: HashSet<Vec<u8>> = HashSet::new();
        taken.extend(entries[ARTICLES].iter().filter_map(|(key, _)| match key {
            Key::One(id) => Some(id.clone()),
            Key::Several(_) => None,
        }));
        let mut ids: HashMap<i64, Vec<u8>> = HashMap::new();
        let mut messages = Vec::new();
        for number in numbers {
            let Some(message) = self.index.message(*number)? else { continue };
            // Pipermail lists one message for each id; the others are identified by their numbers,
            // as are those without an id.
            let id = message.message_id.clone().into_bytes();
            let id = if taken.contains(&id) { number.to_string().into_bytes() } else { id };
            taken.insert(id.clone());
            ids.insert(*number, id);
            messages.push(message);
        }
        for message in &messages {
            let Some(id) = ids.get(&message.number) else { continue };
            let parent = message.parent.and_then(|parent| ids.get(&parent));
            for (place, key) in keys_of(message, id).into_iter().enumerate() {
                let value =
                    if place == ARTICLES { self.article(message, id, parent)? } else { id.clone() };
                entries[place].push((key, value));
            }
        }
        let database = dir.join("database");
        super::make_dir(&database)?;
        super::set_mode(&database, 0o2770)?;
        for (kind, entries) in INDEXES.iter().zip(entries) {
            write_index(&database.join(format!("{}-{kind}", volume.name)), entries)?;
        }
        Ok(())
    }

    /// Creates the pickle of an article. Its text stays in its page.
    // Why this is one function: it is the table of a pickled article's attributes.
    fn article(
        &self,
        message: &Indexed,
        id: &[u8],
        parent: Option<&Vec<u8>>,
    ) -> Result<Vec<u8>, TakeoverError> {
        let mut graph = Graph::new();
        let shown = |address: &str| match self.is_obscured {
            true => address.replace('@', " at "),
            false => address.to_owned(),
        };
        let email = shown(&message.email);
        let author = if message.author == message.email { &email } else { &message.author };
        let subject =
            if self.is_obscured { shown(&message.subject) } else { message.subject.clone() };
        let number = message.number;
        let message_id = if message.message_id == number.to_string() {
            String::new()
        } else {
            format!("<{}>", message.message_id)
        };
        let written = article::from_line_date(message.date);
        let mut bytes = |text: String| graph.bytes(text.into_bytes());
        let mut state = vec![
            ("subject", bytes(in_a_header(&message.subject))),
            ("author", bytes(in_a_header(author))),
            ("email", bytes(in_a_header(&email))),
            ("datestr", bytes(written.clone())),
            ("fromdate", bytes(written)),
            ("date", bytes(format!("{:011}", message.date))),
            ("threadKey", bytes(message.thread_key.clone())),
            ("filename", bytes(format!("{number:06}.html"))),
            ("_message_id", bytes(message_id)),
            ("in_reply_to", bytes(String::new())),
            ("ctype", bytes("text/plain".to_owned())),
            ("cenc", bytes(String::new())),
            ("_lang", bytes(self.list.settings.preferred_language.clone())),
            ("__listname", bytes(self.name.to_owned())),
        ];
        let decoded = [
            ("author", author.as_str()),
            ("email", &email),
            ("subject", &subject),
            ("stripped", stripped(message)),
        ];
        let decoded =
            decoded.map(|(name, text)| (graph.bytes(name.as_bytes()), graph.text(text.to_owned())));
        let id = graph.bytes(id.to_vec());
        let parent = match parent {
            Some(parent) => graph.bytes(parent.clone()),
            None => graph.none(),
        };
        state.extend([
            ("sequence", graph.int(number)),
            ("msgid", id),
            ("parentID", parent),
            ("decoded", graph.dict(decoded.to_vec())),
            ("headers", graph.dict(Vec::new())),
            ("references", graph.list(Vec::new())),
            ("body", graph.list(Vec::new())),
            ("_in_reply_to", graph.none()),
            ("_references", graph.none()),
        ]);
        let root = instance(&mut graph, "Mailman.Archiver.HyperArch", "Article", &state);
        graph.set_root(root);
        let mut out = Vec::new();
        dormouse_pickle::dump(&graph, Protocol::Zero, &mut out)
            .map_err(|error| TakeoverError::Refused(error.to_string()))?;
        Ok(out)
    }
}

/// Returns the text that Pipermail searches among subjects: without blanks and reply marks.
fn stripped(message: &Indexed) -> &str {
    if message.stripped.is_empty() { "nosubject" } else { &message.stripped }
}

/// Formats a text as in a header, on one line.
fn in_a_header(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    encoded_word::encode(text, usize::MAX).replace(['\r', '\n'], "")
}

fn page(dir: &Path, volume: &Volume, number: i64) -> PathBuf {
    dir.join(&volume.name).join(format!("{number:06}.html"))
}

/// Writes letters beyond ASCII in a page's text as references. Pipermail puts the text into a
/// page in the charset of the list, whatever the charset of the previous page.
fn make_plain(path: &Path) -> Result<(), TakeoverError> {
    let Some(page) = source::read(path)? else { return Ok(()) };
    let find = |what: &[u8], from: usize| {
        let found = page[from..].windows(what.len()).position(|window| window == what);
        found.map(|at| at + from)
    };
    let (Some(_), Some(begin)) = (find(OURS, 0), find(BEGIN, 0)) else { return Ok(()) };
    let Some(end) = find(END, begin) else { return Ok(()) };
    if page[begin..end].is_ascii() {
        return Ok(());
    }
    let mut out = page[..begin].to_vec();
    for letter in String::from_utf8_lossy(&page[begin..end]).chars() {
        if letter.is_ascii() {
            out.push(letter as u8);
        } else {
            out.extend(format!("&#{};", u32::from(letter)).into_bytes());
        }
    }
    out.extend_from_slice(&page[end..]);
    fs::write(path, out).map_err(TakeoverError::io("write", path))
}

fn remove(path: &Path) -> Result<(), TakeoverError> {
    remove_if_there(path).map_err(TakeoverError::io("remove", path))
}
