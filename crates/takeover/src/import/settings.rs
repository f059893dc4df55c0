//! The site's own settings, from `mm_cfg.py` to `dormouse.toml` (docs/spec/cli.md §7), and its
//! passwords.

mod places;

use self::places::SettingPlace::{Not, Same, Span, Within};
use self::places::{LOOKS, PATHS, PLACES};
use super::Import;
use super::runners;
use crate::mm_cfg::{Literal, MmCfg, setting_text};
use crate::report::ItemFate;
use crate::{TakeoverError, old_list, source};
use dormouse_membership::moderation::vouch;
use dormouse_membership::password;
use dormouse_store::value::SettingValue as _;
use dormouse_store::{Config, ListSettings, RemoveDkim, ScrubHtml};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

impl Import<'_> {
    /// Remarks on what Mailman has and this site's settings lack.
    fn remark_what_is_missing(&mut self) {
        if !self.target.site.config().has_pages() {
            let text = "nobody serves them here until web.listen is set: mails lead to none, and \
                        Mailman's own programs should be turned off, as they write to its lists";
            self.report.remark("web pages", text);
            if !self.old.settings.own().any(|(name, _, _)| name == "PUBLIC_ARCHIVE_URL") {
                let text = "no mail leads to them until archive_url says where a web server shows \
                            them: dormouse config set archive_url https://HOST/pipermail/";
                self.report.remark("public archives", text);
            }
        }
        if let Some(silence) = vouch::silence(self.target.site.config()) {
            self.report.remark("posts that are held, or rejected later", silence);
        }
    }

    /// Imports the site's settings and passwords.
    pub(super) fn settings(&mut self) -> Result<(), TakeoverError> {
        self.site_passwords()?;
        self.remark_what_is_missing();
        let Some(path) = self.old.mm_cfg.clone() else {
            self.report.remark("mm_cfg.py", "there is none; the site's settings stay unchanged");
            return Ok(());
        };
        let about = self.old.name_of(&path);
        self.report.unread.clone_from(&self.old.settings.unread);
        let old = &self.old.settings;
        for (name, line, _) in old.own() {
            let (fate, note) = fate(name);
            self.report.item("mm_cfg.py", name, fate, &note, &format!("line {line}"));
        }
        for (name, text) in changed_by_code(old).into_iter().chain(runners::remarks(old)) {
            self.report.remark(format!("{about}: {name}"), text);
        }
        let fingerprint = source::fingerprint(&source::read(&path)?.unwrap_or_default());
        if self.is_unchanged("mm_cfg.py", &fingerprint)? {
            self.report.unchanged("site settings", 1);
            return Ok(());
        }
        let file = self.target.site.config_file();
        let defaults = Config::default().entries();
        let wanted = wanted(old).into_iter().map(|(key, value)| (key.to_owned(), value));
        let (of_lists, problems) = list_defaults(old);
        for (name, problem) in problems {
            self.report.problem(format!("{about}: {name}"), problem);
        }
        for (key, value) in wanted.chain(runners::wanted(old)).chain(of_lists) {
            let current = defaults.iter().find(|entry| entry.key == key);
            if current.is_some_and(|entry| entry.value == value) {
                continue;
            }
            let (value, wrong) = Config::usable(&key, &value);
            for problem in &wrong {
                self.report.problem(format!("{about}: {key}"), problem);
            }
            let Some(value) = value else { continue };
            if !self.options.dry_run {
                Config::set(&file, &key, &value)?;
            }
            self.report.brought("site settings", 1);
        }
        let has_account = old.get("SMTP_AUTH").is_some_and(Literal::is_true);
        if let Some(password) = old.text("SMTP_PASSWD").filter(|_| has_account) {
            self.password_file(SMTP_PASSWORD, password)?;
        }
        if let Some(password) = old.text("NNTP_PASSWORD") {
            self.password_file(NEWS_PASSWORD, password)?;
        }
        self.write(|tx| Ok(tx.note_imported("mm_cfg.py", &fingerprint, "", self.now)?))
    }

    /// Writes a password for another server, in a file that only we can read.
    fn password_file(&self, name: &str, password: &str) -> Result<(), TakeoverError> {
        if self.options.dry_run {
            return Ok(());
        }
        let path = self.target.site.dir().join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(password.as_bytes())?;
                file.sync_all()
            })
            .map_err(TakeoverError::io("write", &path))
    }

    /// `data/adm.pw` and `data/creator.pw`: SHA-1 in hexadecimal (docs/spec/pickles.md §2), or what
    /// Mailman's fork writes.
    fn site_passwords(&mut self) -> Result<(), TakeoverError> {
        for (file, role) in [("adm.pw", "admin"), ("creator.pw", "creator")] {
            let path = self.old.data.join(file);
            let hash = match source::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes.unwrap_or_default()).trim().to_owned(),
                Err(error) => {
                    self.failed(&path, error)?;
                    continue;
                }
            };
            if !hash.is_empty() && !password::is_known(&hash) {
                let text = format!(
                    "it has a form that nobody can check here ({}): set a new one with `dormouse \
                     compat mmsitepass`",
                    old_list::hash_form(&hash)
                );
                self.report.remark(format!("data/{file}"), text);
            }
            if hash.is_empty() || self.is_unchanged(&format!("data/{file}"), &hash)? {
                continue;
            }
            self.write(|tx| {
                tx.set_site_password(role, &hash)?;
                Ok(tx.note_imported(&format!("data/{file}"), &hash, "", self.now)?)
            })?;
            self.report.brought("site passwords", 1);
        }
        Ok(())
    }
}

/// Returns the place of a default for new lists, `DEFAULT_…`, in the site's settings.
fn list_default_key(name: &str) -> Option<String> {
    let setting = old_list::of_default(name)?;
    // Settings that each list has by itself have no default.
    let key = format!("list-defaults.{setting}");
    let value = ListSettings::default().get(setting)?;
    Config::usable(&key, &value).0.map(|_| key)
}

type Defaults = (Vec<(String, String)>, Vec<(String, String)>);

/// Returns the site's own defaults for new lists, and invalid ones.
fn list_defaults(old: &MmCfg) -> Defaults {
    let built_in = ListSettings::default();
    let (mut wanted, mut problems) = Defaults::default();
    for (name, _, value) in old.own() {
        let Some(key) = list_default_key(name) else { continue };
        let Some(setting) = old_list::of_default(name) else { continue };
        match old_list::typed(setting, value) {
            Ok(text) if built_in.get(setting).as_ref() == Some(&text) => {}
            Ok(text) => wanted.push((key, text)),
            Err(problem) => problems.push((name.to_owned(), problem)),
        }
    }
    (wanted, problems)
}

fn fate(name: &str) -> (ItemFate, String) {
    if let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name) {
        return match place {
            Same(key) | Span(key) | Within(key) => (ItemFate::Taken, (*key).to_owned()),
            Not(why) => (ItemFate::Dropped, (*why).to_owned()),
        };
    }
    let is_path = ["_DIR", "_FILE", "_URL_PATTERN"].iter().any(|ending| name.ends_with(ending));
    if let Some(key) = list_default_key(name) {
        (ItemFate::Taken, key)
    } else if name.starts_with("DEFAULT_") {
        (ItemFate::Dropped, "a default for new lists; set it when you create one".to_owned())
    } else if name.starts_with("WEB_") {
        (ItemFate::Dropped, LOOKS.to_owned())
    } else if is_path {
        (ItemFate::Dropped, PATHS.to_owned())
    } else {
        (
            ItemFate::Unknown,
            "not a setting of Mailman 2.1.39; perhaps one of the site's own programs".to_owned(),
        )
    }
}

/// The files with our passwords for the MTA and the news server.
const SMTP_PASSWORD: &str = "smtp-password";
const NEWS_PASSWORD: &str = "news-password";

/// What happens to HTML: a number like ours, or a command.
const SANITIZER: &str = "ARCHIVE_HTML_SANITIZER";

/// More recipients than any MTA accepts at once.
const ANY_NUMBER: &str = "100000";

/// Returns the settings here, with their values.
fn wanted(old: &MmCfg) -> Vec<(&'static str, String)> {
    let mut wanted = Vec::new();
    let own: Vec<&str> = old.own().map(|(name, _, _)| name).collect();
    for (name, place) in PLACES {
        let Some(value) = old.get(name).filter(|_| own.contains(name)) else { continue };
        match place {
            // In Mailman 0 is any number.
            Same(key @ "delivery.max_recipients") if !value.is_true() => {
                wanted.push((*key, ANY_NUMBER.to_owned()));
            }
            Same(key) => wanted.push((*key, setting_text(value))),
            Span(key) => {
                let seconds = value.as_float().unwrap_or(0.0).max(0.0).round();
                wanted.push((*key, format!("{seconds:.0}s")));
            }
            Within(_) | Not(_) => {}
        }
    }
    wanted.retain(|(_, value)| !value.is_empty());
    let is_own = |name: &str| own.contains(&name);
    if let Some(host) = old.text("DEFAULT_HOST_NAME") {
        wanted.push(("host", host.to_owned()));
    }
    if is_own("DEFAULT_URL") || is_own("DEFAULT_URL_HOST") || is_own("DEFAULT_URL_PATTERN") {
        wanted.extend(web_url(old).map(|url| ("web_url", url)));
    }
    if let Some(url) = old.text("PUBLIC_ARCHIVE_URL").filter(|_| is_own("PUBLIC_ARCHIVE_URL"))
        && let Some(url) = archive_url(old, url)
    {
        wanted.push(("archive_url", url));
    }
    wanted.extend(wanted_of_servers(old, &own));
    wanted.extend(wanted_of_contents(old, &own));
    wanted
}

/// The settings about other servers.
fn wanted_of_servers(old: &MmCfg, own: &[&str]) -> Vec<(&'static str, String)> {
    let mut wanted = Vec::new();
    if own.contains(&"SMTPHOST") || own.contains(&"SMTPPORT") {
        let host = old.text("SMTPHOST").unwrap_or("localhost");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = old.get("SMTPPORT").and_then(Literal::as_whole).filter(|port| *port > 0);
        let url = format!("smtp://{host}:{}", port.unwrap_or(25));
        wanted.push(("delivery.url", url));
    } else {
        wanted.push(("delivery.url", "smtp://localhost:25".to_owned()));
    }
    let is_on = |name: &str| old.get(name).is_some_and(Literal::is_true);
    if is_on("SMTP_USE_TLS") {
        wanted.push(("delivery.tls", "required".to_owned()));
    }
    if is_on("SMTP_AUTH") {
        wanted.extend(old.text("SMTP_USER").map(|user| ("delivery.user", user.to_owned())));
        wanted.push(("delivery.password_file", SMTP_PASSWORD.to_owned()));
    }
    if old.text("NNTP_PASSWORD").is_some() {
        wanted.push(("news.password_file", NEWS_PASSWORD.to_owned()));
    }
    wanted
}

/// The settings about what posts may contain.
fn wanted_of_contents(old: &MmCfg, own: &[&str]) -> Vec<(&'static str, String)> {
    let mut wanted = Vec::new();
    // Set explicitly: file names are part of addresses that must stay the same.
    let drops_names = old.get("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME").is_none_or(Literal::is_true);
    wanted.push(("scrub.keep_names", (!drops_names).write()));
    if own.contains(&SANITIZER)
        && let Some(number) = old.get(SANITIZER).and_then(Literal::as_whole)
        && let Ok(html) = ScrubHtml::read(&number.to_string())
    {
        wanted.push(("scrub.html", html.write()));
    }
    if let Some(number) = old.get("REMOVE_DKIM_HEADERS").and_then(Literal::as_whole)
        && let Ok(when) = RemoveDkim::read(&number.to_string())
    {
        wanted.push(("remove_dkim_headers", when.write()));
    }
    let spammers: Vec<String> = old
        .get("KNOWN_SPAMMERS")
        .into_iter()
        .filter_map(Literal::items)
        .flatten()
        .filter_map(|rule| match rule.items()? {
            [header, pattern] => Some(format!("{}: {}", header.as_str()?, pattern.as_str()?)),
            _ => None,
        })
        .collect();
    if !spammers.is_empty() {
        wanted.push(("known_spammers", spammers.write()));
    }
    wanted
}

fn web_url(old: &MmCfg) -> Option<String> {
    if let Some(url) = old.text("DEFAULT_URL") {
        return Some(url.to_owned());
    }
    let (before, after) = old.text("DEFAULT_URL_PATTERN")?.split_once("%s")?;
    Some(format!("{before}{}{after}", old.text("DEFAULT_URL_HOST")?))
}

/// Returns the part before the list's name. One that starts with a slash is on the pages' host.
fn archive_url(old: &MmCfg, url: &str) -> Option<String> {
    let base = url.strip_suffix('/').unwrap_or(url).strip_suffix("%(listname)s")?;
    let host = old.text("DEFAULT_URL_HOST").or(old.text("DEFAULT_EMAIL_HOST"))?;
    let base = base.replace("%(hostname)s", host);
    if base.contains('%') {
        return None;
    }
    Some(if base.starts_with('/') { format!("http://{host}{base}") } else { base })
}

/// Settings that are more than values: custom code, formats of addresses.
fn changed_by_code(old: &MmCfg) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    let usual = MmCfg::built_in();
    for name in ["GLOBAL_PIPELINE", "OWNER_PIPELINE"] {
        let (Some(theirs), Some(usual)) = (old.get(name), usual.get(name)) else { continue };
        let has = |items: &[Literal], item: &Literal| items.contains(item);
        let items = |value: &Literal| value.items().unwrap_or_default().to_vec();
        let (theirs, usual) = (items(theirs), items(usual));
        let more = theirs.iter().filter(|item| !has(&usual, item));
        let less = usual.iter().filter(|item| !has(&theirs, item));
        let more: Vec<String> = more.map(Literal::to_text).collect();
        let less: Vec<String> = less.map(Literal::to_text).collect();
        if !more.is_empty() {
            let text = format!("the site's own handlers are not run here: {}", more.join(", "));
            remarks.push((name, text));
        }
        if !less.is_empty() {
            remarks.push((
                name,
                format!("these handlers were removed there and are run here: {}", less.join(", ")),
            ));
        }
    }
    for name in ["VERP_FORMAT", "VERP_CONFIRM_FORMAT", "VERP_PROBE_FORMAT"] {
        if let (Some(theirs), Some(usual)) = (old.get(name), usual.get(name))
            && theirs != usual
        {
            let text = format!(
                "addresses were made as {theirs}; answers to mail that is under way come back to \
                 addresses of that form and are not understood"
            );
            remarks.push((name, text));
        }
    }
    remarks.extend(archiving(old).into_iter().map(|(name, text)| (name, text.to_owned())));
    remarks
}

/// Returns what happens to archives differently here.
fn archiving(old: &MmCfg) -> Vec<(&'static str, &'static str)> {
    let own =
        |name: &str| old.own().any(|(own, _, _)| own == name).then(|| old.get(name)).flatten();
    let is_on = |name: &str| own(name).is_some_and(Literal::is_true);
    let mut remarks = Vec::new();
    match own(TO_MBOX).and_then(Literal::as_whole) {
        Some(-1) => remarks.push((
            TO_MBOX,
            "nothing was archived there, so every list has archive=no here; \
             `dormouse list set LIST archive=yes` turns it on",
        )),
        Some(0) => remarks.push((
            TO_MBOX,
            "there was no mbox of all posts; here there is one next to the pages",
        )),
        Some(1) => remarks.push((
            TO_MBOX,
            "only a mailbox of all posts was kept there; here posts get pages, too, which anybody may \
             read unless archive_private is set",
        )),
        _ => {}
    }
    for name in ["PUBLIC_EXTERNAL_ARCHIVER", "PRIVATE_EXTERNAL_ARCHIVER"] {
        if is_on(name) {
            let text = "another program made the archive there; here posts go into our own, and that \
                        program is not called";
            remarks.push((name, text));
        }
    }
    if is_on("PUBLIC_MBOX") {
        let text = "the mbox of all posts was public there; here it is not among the pages";
        remarks.push(("PUBLIC_MBOX", text));
    }
    if own("ARCHIVER_CLOBBER_DATE_POLICY").is_some() {
        let text = "here a post stands where its Date says, unless that is out of reason: then when it \
                    came";
        remarks.push(("ARCHIVER_CLOBBER_DATE_POLICY", text));
    }
    if own(SANITIZER).is_some_and(|value| value.as_text().is_some()) {
        remarks
            .push((SANITIZER, "no other program is called; scrub.html sets what happens to HTML"));
    }
    remarks
}

/// Whether posts are archived at all, for all lists: -1 means no.
pub(crate) const TO_MBOX: &str = "ARCHIVE_TO_MBOX";

#[cfg(test)]
mod tests;
