//! One list: its settings and members, and the other files about it.

use super::{Import, waiting};
use crate::old_list::{self, AttributeResult, Members, Newest, OldList};
use crate::report::ItemFate;
use crate::requests::{self, OldPending, OldRequest, WaitingRequest};
use crate::{TakeoverError, mbox, source, text};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;
use dormouse_membership::password;
use dormouse_pickle::Value;
use dormouse_spool::{EntryName, message_object};
use dormouse_store::{ListId, ListName, Request, StoreError, Tx, WholeMember};
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

/// Where requests are, in Mailman's order: the second is from before 2.1.5.
const REQUESTS: [&str; 2] = ["request.pck", "request.db"];

/// How long requests wait for a confirmation, unless the site sets it.
const PENDING_LIFE: f64 = 3.0 * 86_400.0;

/// Everything about a list that is to be written.
pub(super) struct Bringing<'o> {
    pub list: &'o OldList,
    /// The source's name of the list's state, and what it was like.
    pub state: (String, String),
    /// The members, if the state is new.
    pub members: Option<Members>,
    pub requests: Vec<(OldRequest, Option<Vec<u8>>)>,
    pub requests_source: String,
    pub pendings: Vec<OldPending>,
    pub pendings_source: String,
    pub digest: Vec<Vec<u8>>,
    pub digest_source: String,
    pub pending_life: f64,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub held: u64,
    pub requests: u64,
    pub pendings: u64,
    pub digest_posts: u64,
    pub removed: u64,
}

impl Import<'_> {
    /// Imports one list, completely or not at all.
    pub(super) fn list(&mut self, name: &str) -> Result<(), TakeoverError> {
        let dir = self.old.lists.join(name);
        let source = format!("lists/{name}");
        let files = Fingerprints::of(&dir);
        let whole = files.whole();
        let existing = self.target.store.read().list(name)?;
        let known = self.target.store.read().imported(&source)?;
        if existing.is_some() && known.is_none() {
            return Err(TakeoverError::Refused(format!(
                "there is a list {name} here already that did not come from Mailman; remove it \
                 with `dormouse list rm {name}`, or rename one of the two"
            )));
        }
        let is_known = existing.is_some();
        if is_known && known.is_some_and(|known| known.fingerprint == whole) {
            self.report.unchanged("lists", 1);
            return self.list_files(name);
        }
        let Some(newest) = old_list::newest(name, &dir, &self.old.settings)? else {
            return self.no_list(name, &dir);
        };
        let Newest { path, list, members, remark } = newest;
        if let Some(remark) = remark {
            self.report.problem(self.old.name_of(&dir), remark);
        }
        let state = (format!("{source}/state"), files.one(&path).to_owned());
        let state_is_new = !is_known || !self.is_unchanged(&state.0, &state.1)?;
        let members = Some(members).filter(|_| state_is_new);
        let bringing = self.bringing(&dir, &list, state, members);
        let written = self.write(|tx| {
            if !is_known {
                // It was removed here since, or never existed: nothing of it has been imported.
                for part in ["request.pck", "pending.pck", "digest.mbox"] {
                    tx.forget_imported(&format!("{source}/{part}"))?;
                }
            }
            let written = write_list(tx, &bringing, is_known, self.now)?;
            tx.note_imported(&source, &whole, name, self.now)?;
            Ok(written)
        })?;
        let members = bringing.members.as_ref().map(Members::len);
        self.report_list(&path, &list, members, &written);
        self.list_files(name)
    }

    /// Reports a directory without any state, which is not a list, in Mailman either.
    fn no_list(&mut self, name: &str, dir: &Path) -> Result<(), TakeoverError> {
        let files = source::names(dir)?.len();
        let text = match files {
            0 => "an empty directory; there is no list in it".to_owned(),
            _ => "there is no config.pck in it, so it is not a list; its files stay where they are"
                .to_owned(),
        };
        self.report.remark(format!("lists/{name}"), text);
        Ok(())
    }

    /// Reads a list's other files. Broken ones are reported and left out.
    fn bringing<'o>(
        &mut self,
        dir: &Path,
        list: &'o OldList,
        state: (String, String),
        members: Option<Members>,
    ) -> Bringing<'o> {
        let charset = list.charset.clone();
        let file = REQUESTS.iter().find(|file| dir.join(file).exists()).unwrap_or(&REQUESTS[0]);
        let requests =
            self.records(&dir.join(file), &charset, |root| requests::requests(root, &charset));
        let pendings = self
            .records(&dir.join("pending.pck"), &charset, |root| requests::pendings(root, &charset));
        let requests =
            requests.into_iter().filter_map(|request| self.with_message(dir, request)).collect();
        let digest = match source::read(&dir.join("digest.mbox")) {
            Ok(mailbox) => mbox::split(&mailbox.unwrap_or_default()),
            Err(error) => {
                self.report.problem(self.old.name_of(dir), error);
                Vec::new()
            }
        };
        let source = format!("lists/{}", list.name);
        let life = self.old.settings.get("PENDING_REQUEST_LIFE").and_then(|life| life.as_float());
        Bringing {
            list,
            state,
            members,
            requests,
            requests_source: format!("{source}/request.pck"),
            pendings,
            pendings_source: format!("{source}/pending.pck"),
            digest,
            digest_source: format!("{source}/digest.mbox"),
            pending_life: life.unwrap_or(PENDING_LIFE),
        }
    }

    /// Reads the records of a file, and a remark on invalid ones.
    fn records<T>(
        &mut self,
        path: &Path,
        charset: &str,
        read: impl FnOnce(Value<'_, '_>) -> Result<(Vec<T>, usize), String>,
    ) -> Vec<T> {
        let mut doubtful = 0;
        let records = source::value(path).and_then(|graph| {
            let Some(graph) = graph else { return Ok((Vec::new(), 0)) };
            let surveys = graph.root().entries().map(|(_, value)| text::survey(charset, value));
            doubtful = surveys.filter(|found| !found.is_sure).count();
            read(graph.root()).map_err(|problem| TakeoverError::content(path, problem))
        });
        match records {
            Ok((records, odd)) => {
                if odd > 0 {
                    let text =
                        format!("{odd} of its records have an unknown format and are left out");
                    self.report.problem(self.old.name_of(path), text);
                }
                if doubtful > 0 {
                    let text = format!(
                        "{doubtful} of its records have texts that are not in the list's charset \
                         ({charset}); they are read as what they seem to be"
                    );
                    self.report.remark(self.old.name_of(path), text);
                }
                records
            }
            Err(error) => {
                self.report.problem(self.old.name_of(path), error);
                Vec::new()
            }
        }
    }

    /// Reads a held post with its message; if its file is gone it is lost, as in Mailman.
    fn with_message(
        &mut self,
        dir: &Path,
        request: OldRequest,
    ) -> Option<(OldRequest, Option<Vec<u8>>)> {
        let WaitingRequest::Post { file, .. } = &request.what else { return Some((request, None)) };
        let path = self.old.data.join(file);
        match held_message(&path) {
            Ok(Some(message)) => Some((request, Some(message))),
            Ok(None) => {
                let text = format!(
                    "request {}: its message is missing; Mailman discards it, too",
                    request.id
                );
                self.report.remark(self.old.name_of(&dir.join("request.pck")), text);
                None
            }
            Err(error) => {
                self.report.problem(self.old.name_of(&path), error);
                None
            }
        }
    }

    fn report_list(
        &mut self,
        path: &Path,
        list: &OldList,
        members: Option<usize>,
        written: &Written,
    ) {
        let name = list.name.as_str();
        self.report.brought("lists", 1);
        self.report.brought("members", members.unwrap_or(0) as u64);
        self.report.brought("held posts", written.held);
        self.report.brought("requests to join or leave", written.requests);
        self.report.brought("confirmations", written.pendings);
        self.report.brought("posts for the next digest", written.digest_posts);
        self.report.brought("removed because Mailman no longer has them", written.removed);
        if members.is_none() {
            return;
        }
        for (attribute, taken) in &list.fates {
            let (fate, note) = match taken {
                AttributeResult::To(place) => (ItemFate::Taken, place.as_str()),
                AttributeResult::Kept(why) => (ItemFate::Kept, *why),
                AttributeResult::Dropped(why) => (ItemFate::Dropped, *why),
                AttributeResult::Unknown => (ItemFate::Unknown, "kept for the way back"),
            };
            self.report.item("config.pck", attribute, fate, note, name);
        }
        let about = self.old.name_of(path);
        for remark in &list.remarks {
            self.report.remark(&about, remark);
        }
        if path.with_file_name("extend.py").exists() {
            self.report.remark(
                format!("lists/{name}/extend.py"),
                "this program of the list's own is not run here",
            );
        }
    }
}

/// Reads the text of a held message: a pickle, or a text with a `From ` line. `None` if it is gone.
fn held_message(path: &Path) -> Result<Option<Vec<u8>>, TakeoverError> {
    let Some(bytes) = source::read(path)? else { return Ok(None) };
    if path.extension().is_some_and(|ending| ending == "txt") {
        return Ok(Some(bytes));
    }
    let (graph, _) = source::unpickle(path, &bytes)?;
    if let Some(text) = graph.root().raw_bytes() {
        return Ok(Some(text.into_owned()));
    }
    let text = message_object::to_bytes(graph.root())
        .map_err(|problem| TakeoverError::content(path, problem))?;
    Ok(Some(text))
}

/// The digests of a list's files, in a fixed order.
struct Fingerprints(Vec<(&'static str, String)>);

impl Fingerprints {
    fn of(dir: &Path) -> Fingerprints {
        let files = old_list::STATES.iter().chain(&REQUESTS).chain(&["pending.pck", "digest.mbox"]);
        // Unreadable files are reported where they are needed.
        let one = |file: &&'static str| {
            let found = source::fingerprint_of(&dir.join(file)).ok().flatten();
            (*file, found.unwrap_or_default())
        };
        Fingerprints(files.map(one).collect())
    }

    /// Returns the digest of one of the files.
    fn one(&self, path: &Path) -> &str {
        let found = self.0.iter().find(|(file, _)| path.file_name() == Some(OsStr::new(file)));
        found.map_or("", |(_, fingerprint)| fingerprint)
    }

    /// Returns a digest of all of them.
    fn whole(&self) -> String {
        let lines = self.0.iter().map(|(file, fingerprint)| format!("{file} {fingerprint}\n"));
        source::fingerprint(lines.collect::<String>().as_bytes())
    }
}

/// The number of members that are in memory during an import.
const TOGETHER: usize = 1000;

/// Returns the members with hashed passwords, in the order of their keys. The passwords of those who
/// are members here already are compared if `is_known`.
fn hashed<'m>(
    tx: &'m Tx<'_>,
    list_id: ListId,
    members: &'m Members,
    is_known: bool,
) -> impl Iterator<Item = Result<WholeMember, TakeoverError>> + 'm {
    let mut left = members.iter();
    let mut some = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if let Some(member) = some.next() {
            return Some(Ok(member));
        }
        let mut next: Vec<WholeMember> = left.by_ref().take(TOGETHER).collect();
        let (first, last) = (&next.first()?.member.key, &next.last()?.member.key);
        let known = match is_known {
            true => tx.read().member_passwords(list_id, first, last).map_err(Into::into),
            false => Ok(HashMap::new()),
        };
        if let Err(error) = known.and_then(|known| hash_passwords(&mut next, &known)) {
            return Some(Err(error));
        }
        some = next.into_iter();
        some.next().map(Ok)
    })
}

/// Hashes members' passwords. A better hash stored here stays; one that is still valid is not
/// hashed again.
fn hash_passwords(
    members: &mut [WholeMember],
    known: &HashMap<AddressKey, String>,
) -> Result<(), TakeoverError> {
    for member in members {
        member.password = match known.get(&member.member.key) {
            Some(hash)
                if !hash.is_empty()
                    && (!password::is_outdated(hash)
                        || password::verify(hash, &member.password)) =>
            {
                hash.clone()
            }
            _ => hash(&member.password)?,
        };
    }
    Ok(())
}

fn hash(clear: &str) -> Result<String, TakeoverError> {
    if clear.is_empty() {
        return Ok(String::new());
    }
    if password::is_pbkdf2(clear) {
        return Ok(clear.to_owned());
    }
    password::hash_quickly(clear).map_err(TakeoverError::Refused)
}

fn write_list(
    tx: &Tx<'_>,
    bringing: &Bringing<'_>,
    is_known: bool,
    now: Timestamp,
) -> Result<Written, TakeoverError> {
    let old = bringing.list;
    let list = if let Some(members) = &bringing.members {
        let name = ListName::existing(&old.name).map_err(StoreError::Setting)?;
        let list = tx.put_list(&name, &old.settings, &old.state)?;
        let is_still = |key: &str| members.contains(key);
        let how = "no longer a member in Mailman";
        tx.remove_members_by_consent(list.id, old_list::CONSENT, is_still, how, now)?;
        tx.put_members(list.id, hashed(tx, list.id, members, is_known))?;
        tx.put_extras(list.id, &old.extras)?;
        for (kind, address, until) in &old.quiet {
            tx.keep_quiet(list.id, kind, address, *until)?;
        }
        tx.note_imported(&bringing.state.0, &bringing.state.1, "", now)?;
        list
    } else {
        tx.read()
            .list(&old.name)?
            .ok_or_else(|| StoreError::Setting(format!("{} is gone", old.name)))?
    };
    let mut written = Written::default();
    waiting::requests(tx, bringing, &list, now, &mut written)?;
    waiting::pendings(tx, bringing, &list, now, &mut written)?;
    waiting::digest(tx, bringing, &list, now, &mut written)?;
    Ok(written)
}

/// Converts a request to the form of the database.
pub(super) fn with_hash(request: &Request) -> Result<Request, TakeoverError> {
    let mut request = request.clone();
    if let Request::Subscribe { password, .. } = &mut request {
        *password = hash(password)?;
    }
    Ok(request)
}

/// Returns the name of a new entry: the same each time.
pub(super) fn named(received: Timestamp, parts: &[&str]) -> EntryName {
    let mut sha1 = Sha1::new_with_prefix("mailman");
    for part in parts {
        sha1.update([0]);
        sha1.update(part.as_bytes());
    }
    let digest: String = sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    EntryName::from_base(&format!("{:?}+{digest}", received.seconds()))
}

pub(super) fn random_cookie() -> Result<String, TakeoverError> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(|error| TakeoverError::Refused(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
