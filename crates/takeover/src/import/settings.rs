//! The site's own settings, `mm_cfg.py` into `dormouse.toml` (docs/spec/cli.md §7), and its passwords.

use super::Import;
use super::runners;
use crate::mm_cfg::{MmCfg, PyValue, setting_text};
use crate::report::Fate;
use crate::{TakeoverError, old_list, source};
use dormouse_membership::moderation::vouch;
use dormouse_membership::password;
use dormouse_store::value::Value as _;
use dormouse_store::{Config, ListSettings, RemoveDkim, ScrubHtml};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// What becomes of a setting of the site.
enum Place {
    /// A setting here, as its value is.
    Same(&'static str),
    /// A setting here that is a span of time; there it is in seconds.
    Span(&'static str),
    /// Several make one setting here.
    Within(&'static str),
    /// Not taken, for this reason.
    Not(&'static str),
}

use Place::{Not, Same, Span, Within};

const LOOKS: &str = "looks of Mailman's pages";
const ARCHIVE: &str = "how Mailman writes its archive";
const RUNNERS: &str = "how Mailman runs its processes";
const PATHS: &str = "where Mailman keeps its files";
const LOGS: &str = "what Mailman logs; `dormouse trace` tells what became of a message";

/// Every setting of Mailman 2.1.39's `Defaults.py` but the defaults of lists.
const PLACES: &[(&str, Place)] = &[
    ("DEFAULT_EMAIL_HOST", Same("host")),
    ("DEFAULT_HOST_NAME", Within("host")),
    ("DEFAULT_URL_HOST", Within("web_url")),
    ("DEFAULT_URL_PATTERN", Within("web_url")),
    ("DEFAULT_URL", Within("web_url")),
    ("PUBLIC_ARCHIVE_URL", Within("archive_url")),
    ("MAILMAN_SITE_LIST", Same("site_list")),
    ("OLD_STYLE_PREFIXING", Same("old_style_prefixing")),
    ("SMTPHOST", Within("delivery.url")),
    ("SMTPPORT", Within("delivery.url")),
    ("SMTP_USE_TLS", Within("delivery.tls")),
    ("SMTP_AUTH", Within("delivery.user")),
    ("SMTP_USER", Within("delivery.user")),
    ("SMTP_PASSWD", Within("delivery.password_file")),
    ("SMTP_HELO_HOST", Same("delivery.helo")),
    ("SMTP_MAX_RCPTS", Same("delivery.max_recipients")),
    ("VERP_DELIVERY_INTERVAL", Same("delivery.verp_interval")),
    ("VERP_PERSONALIZED_DELIVERIES", Same("delivery.verp_personalized")),
    ("DELIVERY_RETRY_WAIT", Span("delivery.retry_wait")),
    ("DELIVERY_RETRY_PERIOD", Span("delivery.retry_period")),
    ("MAX_AUTORESPONSES_PER_DAY", Same("notices.per_day")),
    ("ANONYMOUS_LIST_KEEP_HEADERS", Same("anonymous.keep_headers")),
    ("REMOVE_DKIM_HEADERS", Within("remove_dkim_headers")),
    ("KNOWN_SPAMMERS", Within("known_spammers")),
    ("OWNERS_CAN_PRESERVE_FILTERED_MESSAGES", Same("preserve_filtered")),
    ("DMARC_RESOLVER_LIFETIME", Span("dmarc.timeout")),
    ("DMARC_RESOLVER_TIMEOUT", Not("dmarc.timeout is for all lookups together")),
    ("DMARC_ORGANIZATIONAL_DOMAIN_DATA_URL", Not("the list of public suffixes is built in")),
    ("PENDING_REQUEST_LIFE", Span("members.confirm_within")),
    ("GLOBAL_PIPELINE", Within("nothing unless it was changed")),
    ("OWNER_PIPELINE", Within("nothing unless it was changed")),
    ("VIRTUAL_HOSTS", Not("lists carry their host with them")),
    ("VIRTUAL_HOST_OVERVIEW", Not(LOOKS)),
    ("MTA", Not("`dormouse aliases --mta` asks for it")),
    ("POSTFIX_STYLE_VIRTUAL_DOMAINS", Not("`dormouse aliases --virtual` asks for them")),
    ("VIRTUAL_MAILMAN_LOCAL_DOMAIN", Not("`dormouse aliases` writes the site's host")),
    ("POSTFIX_ALIAS_CMD", Not("`dormouse aliases --install` finds it")),
    ("POSTFIX_MAP_CMD", Not("`dormouse aliases --install` finds it")),
    ("DELIVERY_MODULE", Not("mail leaves by SMTP or LMTP")),
    ("SENDMAIL_CMD", Not("mail leaves by SMTP or LMTP")),
    ("SMTPLIB_DEBUG_LEVEL", Not(LOGS)),
    ("MAX_DELIVERY_THREADS", Not("delivery.connections says how many")),
    ("SMTP_MAX_SESSIONS_PER_CONNECTION", Not("connections are kept as long as the MTA likes")),
    ("SMTP_LOG_EVERY_MESSAGE", Not(LOGS)),
    ("SMTP_LOG_SUCCESS", Not(LOGS)),
    ("SMTP_LOG_REFUSED", Not(LOGS)),
    ("SMTP_LOG_EACH_FAILURE", Not(LOGS)),
    ("QRUNNERS", Within("runners")),
    ("QRUNNER_SLEEP_TIME", Not(RUNNERS)),
    ("QRUNNER_SAVE_BAD_MESSAGES", Not("they are always kept")),
    ("QUEUE_DISTRIBUTION_METHOD", Not(RUNNERS)),
    ("MASTER_LOCK_FILE", Not(RUNNERS)),
    ("LIST_LOCK_LIFETIME", Not(RUNNERS)),
    ("LIST_LOCK_TIMEOUT", Not(RUNNERS)),
    ("LIST_LOCK_DEBUGGING", Not(RUNNERS)),
    ("PENDINGDB_LOCK_DEBUGGING", Not(RUNNERS)),
    ("SYNC_AFTER_WRITE", Not("everything is synced")),
    ("REGISTER_BOUNCES_EVERY", Not("bounces count at once")),
    ("HOLD_MESSAGES_AS_PICKLES", Not("they are in the database")),
    ("USE_MAILDIR", Not("mail comes by pipe or LMTP")),
    ("ARCHIVE_TO_MBOX", Within("each list's archive, if it is -1")),
    ("PUBLIC_EXTERNAL_ARCHIVER", Not("no other program is called for the archive")),
    ("PRIVATE_EXTERNAL_ARCHIVER", Not("no other program is called for the archive")),
    ("ARCHIVE_SCRUBBER", Not(ARCHIVE)),
    ("ARCHIVE_HTML_SANITIZER", Within("scrub.html")),
    ("GZIP_ARCHIVE_TXT_FILES", Not(ARCHIVE)),
    ("ARCHIVER_CLOBBER_DATE_POLICY", Not("a post stands where its Date says, or when it came")),
    ("ARCHIVER_ALLOWABLE_SANE_DATE_SKEW", Not(ARCHIVE)),
    ("ARCHIVER_OBSCURES_EMAILADDRS", Same("archives.obscure")),
    ("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME", Within("scrub.keep_names")),
    ("SCRUBBER_USE_ATTACHMENT_FILENAME_EXTENSION", Not(ARCHIVE)),
    ("PUBLIC_MBOX", Not("the file of all posts is not among the pages")),
    ("DEFAULT_CHARSET", Not("texts are Unicode")),
    ("VERBATIM_ENCODING", Not(ARCHIVE)),
    ("NNTP_USERNAME", Same("news.user")),
    ("NNTP_PASSWORD", Within("news.password_file")),
    ("NNTP_REMOVE_HEADERS", Same("news.remove_headers")),
    ("NNTP_REWRITE_DUPLICATE_HEADERS", Not("they are renamed as by default")),
    ("DEFAULT_NNTP_HOST", Not("new lists have none")),
    ("RCPT_BASE64_HEADER_NAME", Same("delivery.recipient_header")),
    ("VERP_FORMAT", Within("nothing unless it was changed")),
    ("VERP_REGEXP", Within("nothing unless it was changed")),
    ("VERP_PROBE_FORMAT", Within("nothing unless it was changed")),
    ("VERP_PROBE_REGEXP", Within("nothing unless it was changed")),
    ("VERP_CONFIRM_FORMAT", Within("nothing unless it was changed")),
    ("VERP_CONFIRM_REGEXP", Within("nothing unless it was changed")),
    ("VERP_CONFIRMATIONS", Same("members.verp_confirmations")),
    ("VERP_PROBES", Same("bounces.probes")),
    ("VERP_PASSWORD_REMINDERS", Not("no passwords are sent")),
    ("BOUNCE_PROCESS_REMINDER_BOUNCES", Not("no passwords are sent")),
    ("DISCARD_MESSAGE_WITH_NO_COMMAND", Same("commands.drop_without_command")),
    ("RESPONSE_INCLUDE_LEVEL", Not("answers name what they answer")),
    ("DEFAULT_MAIL_COMMANDS_MAX_LINES", Not("how many lines are read is fixed")),
    ("BAD_SHUNT_STALE_AFTER", Span("shunt.stale_after")),
    ("BAD_SHUNT_ARCHIVE_DIRECTORY", Same("shunt.archive_directory")),
    ("DEFAULT_SERVER_LANGUAGE", Not("every list has its own")),
    ("USE_ENVELOPE_SENDER", Not("From counts, then the others")),
    ("SENDER_HEADERS", Not("From counts, then the others")),
    ("NORMALIZE_FORM", Not("NFKC, as by default")),
    ("GLOBAL_BAN_LIST", Same("members.ban_list")),
    ("BLOCK_SPAMHAUS_LISTED_IP_SUBSCRIBE", Not("no other service is asked")),
    ("BLOCK_SPAMHAUS_LISTED_DBL_SUBSCRIBE", Not("no other service is asked")),
    ("HTML_TO_PLAIN_TEXT_COMMAND", Not("no other program is called")),
    ("ACCEPTABLE_LISTNAME_CHARACTERS", Not("the usual ones are allowed")),
    ("MAX_LISTNAME_LENGTH", Not("names may be as long as addresses")),
    ("VERBOSE_CLEAN_LIMIT", Not("the count is in the database")),
    ("REFUSE_SECOND_PENDING", Not("a second request replaces the first")),
    ("WARN_MEMBER_OF_SUBSCRIBE", Not("they are told")),
    ("USER_FRIENDLY_PASSWORDS", Not("no passwords are made up")),
    ("MEMBER_PASSWORD_LENGTH", Not("no passwords are made up")),
    ("ADMIN_PASSWORD_LENGTH", Not("no passwords are made up")),
    ("ALLOW_OPEN_SUBSCRIBE", Not("a list's subscribe_policy counts")),
    ("ALLOW_RFC2369_OVERRIDES", Not("the list's setting counts")),
    ("ALLOW_SENDER_OVERRIDES", Not("the list's setting counts")),
    ("ALLOW_CROSS_DOMAIN_SIBLING", Not("sibling lists are named with their host")),
    ("MIME_DIGEST_KEEP_HEADERS", Same("digest.mime_headers")),
    ("PLAIN_DIGEST_KEEP_HEADERS", Same("digest.plain_headers")),
    ("OWNERS_CAN_DELETE_THEIR_OWN_LISTS", Not(LOOKS)),
    ("OWNERS_CAN_ENABLE_PERSONALIZATION", Not("every owner can")),
    ("OWNERS_CAN_CHANGE_MEMBER_PASSWORDS", Not(LOOKS)),
    ("ALLOW_SITE_ADMIN_COOKIES", Not(LOOKS)),
    ("AUTHENTICATION_COOKIE_LIFETIME", Not(LOOKS)),
    ("FORM_LIFETIME", Not(LOOKS)),
    ("SUBSCRIBE_FORM_SECRET", Not(LOOKS)),
    ("SUBSCRIBE_FORM_MIN_TIME", Span("members.form_min_time")),
    ("CAPTCHAS", Not(LOOKS)),
    ("RECAPTCHA_SITE_KEY", Not(LOOKS)),
    ("RECAPTCHA_SECRET_KEY", Not(LOOKS)),
    ("ROSTER_DISPLAY_REALNAME", Not(LOOKS)),
    ("DISPLAY_HELD_SUMMARY_SORT_BUTTONS", Not(LOOKS)),
    ("DEFAULT_SUBSCRIBE_OR_INVITE", Not(LOOKS)),
    ("ADMINDB_PAGE_TEXT_LIMIT", Not(LOOKS)),
    ("ADMIN_CATEGORIES", Not(LOOKS)),
    ("IMAGE_LOGOS", Not(LOOKS)),
    ("SHORTCUT_ICON", Not(LOOKS)),
    ("HOME_PAGE", Not(LOOKS)),
    ("MAILMAN_URL", Not(LOOKS)),
    ("BROKEN_BROWSER_WORKAROUND", Not(LOOKS)),
    ("BROKEN_BROWSER_REPLACEMENTS", Not(LOOKS)),
    ("DISABLE_COMMAND_LOCALE_CSET", Not("commands print UTF-8")),
    ("PREFIX", Not(PATHS)),
    ("EXEC_PREFIX", Not(PATHS)),
    ("VAR_PREFIX", Not(PATHS)),
    ("PYTHON", Not(PATHS)),
    ("CGIEXT", Not(PATHS)),
    ("PIDFILE", Not(PATHS)),
    ("SITE_PW_FILE", Not(PATHS)),
    ("LISTCREATOR_PW_FILE", Not(PATHS)),
    ("MAILMAN_USER", Not("the units and the MTA say who runs what")),
    ("MAILMAN_GROUP", Not("the units and the MTA say who runs what")),
];

impl Import<'_> {
    /// Brings the site's settings and passwords over.
    pub(super) fn settings(&mut self) -> Result<(), TakeoverError> {
        self.site_passwords()?;
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
            self.report.remark("posts that wait or are refused late", silence);
        }
        let Some(path) = self.old.mm_cfg.clone() else {
            self.report.remark("mm_cfg.py", "there is none; the site's settings stay as they are");
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
        let has_account = old.get("SMTP_AUTH").is_some_and(PyValue::is_true);
        if let Some(password) = old.text("SMTP_PASSWD").filter(|_| has_account) {
            self.password_file(SMTP_PASSWORD, password)?;
        }
        if let Some(password) = old.text("NNTP_PASSWORD") {
            self.password_file(NEWS_PASSWORD, password)?;
        }
        self.write(|tx| Ok(tx.note_imported("mm_cfg.py", &fingerprint, "", self.now)?))
    }

    /// A password for another server, in a file that only we can read.
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

/// The place of a default of new lists, `DEFAULT_…`, in the site's settings.
fn list_default_key(name: &str) -> Option<String> {
    let setting = old_list::of_default(name)?;
    // What each list has of its own has no default.
    let key = format!("list-defaults.{setting}");
    let value = ListSettings::default().get(setting)?;
    Config::usable(&key, &value).0.map(|_| key)
}

type Defaults = (Vec<(String, String)>, Vec<(String, String)>);

/// The site's own defaults of new lists, and those that cannot be.
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

fn fate(name: &str) -> (Fate, String) {
    if let Some((_, place)) = PLACES.iter().find(|(known, _)| *known == name) {
        return match place {
            Same(key) | Span(key) | Within(key) => (Fate::Taken, (*key).to_owned()),
            Not(why) => (Fate::Dropped, (*why).to_owned()),
        };
    }
    let is_path = ["_DIR", "_FILE", "_URL_PATTERN"].iter().any(|ending| name.ends_with(ending));
    if let Some(key) = list_default_key(name) {
        (Fate::Taken, key)
    } else if name.starts_with("DEFAULT_") {
        (Fate::Dropped, "a default of new lists; set it when you make one".to_owned())
    } else if name.starts_with("WEB_") {
        (Fate::Dropped, LOOKS.to_owned())
    } else if is_path {
        (Fate::Dropped, PATHS.to_owned())
    } else {
        (
            Fate::Unknown,
            "no setting of Mailman 2.1.39; perhaps of a program of the site's".to_owned(),
        )
    }
}

/// The files with our passwords at the MTA and at the news server.
const SMTP_PASSWORD: &str = "smtp-password";
const NEWS_PASSWORD: &str = "news-password";

/// What becomes of HTML: a number as ours, or a command.
const SANITIZER: &str = "ARCHIVE_HTML_SANITIZER";

/// More recipients than any MTA takes at once.
const ANY_NUMBER: &str = "100000";

/// The settings here, with their values.
fn wanted(old: &MmCfg) -> Vec<(&'static str, String)> {
    let mut wanted = Vec::new();
    let own: Vec<&str> = old.own().map(|(name, _, _)| name).collect();
    for (name, place) in PLACES {
        let Some(value) = old.get(name).filter(|_| own.contains(name)) else { continue };
        match place {
            // There 0 is any number.
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
    if is_own("SMTPHOST") || is_own("SMTPPORT") {
        let host = old.text("SMTPHOST").unwrap_or("localhost");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = old.get("SMTPPORT").and_then(PyValue::as_whole).filter(|port| *port > 0);
        let url = format!("smtp://{host}:{}", port.unwrap_or(25));
        wanted.push(("delivery.url", url));
    } else {
        wanted.push(("delivery.url", "smtp://localhost:25".to_owned()));
    }
    let is_on = |name: &str| old.get(name).is_some_and(PyValue::is_true);
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
    // Said or not: names of files are in addresses that must stay.
    let drops_names = old.get("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME").is_none_or(PyValue::is_true);
    wanted.push(("scrub.keep_names", (!drops_names).write()));
    if is_own(SANITIZER)
        && let Some(number) = old.get(SANITIZER).and_then(PyValue::as_whole)
        && let Ok(html) = ScrubHtml::read(&number.to_string())
    {
        wanted.push(("scrub.html", html.write()));
    }
    if let Some(number) = old.get("REMOVE_DKIM_HEADERS").and_then(PyValue::as_whole)
        && let Ok(when) = RemoveDkim::read(&number.to_string())
    {
        wanted.push(("remove_dkim_headers", when.write()));
    }
    let spammers: Vec<String> = old
        .get("KNOWN_SPAMMERS")
        .into_iter()
        .filter_map(PyValue::items)
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

/// The part before the list's name. One that starts with a slash is on the host of the pages.
fn archive_url(old: &MmCfg, url: &str) -> Option<String> {
    let base = url.strip_suffix('/').unwrap_or(url).strip_suffix("%(listname)s")?;
    let host = old.text("DEFAULT_URL_HOST").or(old.text("DEFAULT_EMAIL_HOST"))?;
    let base = base.replace("%(hostname)s", host);
    if base.contains('%') {
        return None;
    }
    Some(if base.starts_with('/') { format!("http://{host}{base}") } else { base })
}

/// What is more than a value: code of the site's own, formats of addresses.
fn changed_by_code(old: &MmCfg) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    let usual = MmCfg::built_in();
    for name in ["GLOBAL_PIPELINE", "OWNER_PIPELINE"] {
        let (Some(theirs), Some(usual)) = (old.get(name), usual.get(name)) else { continue };
        let has = |items: &[PyValue], item: &PyValue| items.contains(item);
        let items = |value: &PyValue| value.items().unwrap_or_default().to_vec();
        let (theirs, usual) = (items(theirs), items(usual));
        let more = theirs.iter().filter(|item| !has(&usual, item));
        let less = usual.iter().filter(|item| !has(&theirs, item));
        let more: Vec<String> = more.map(PyValue::to_text).collect();
        let less: Vec<String> = less.map(PyValue::to_text).collect();
        if !more.is_empty() {
            let text = format!("handlers of the site's own are not run here: {}", more.join(", "));
            remarks.push((name, text));
        }
        if !less.is_empty() {
            remarks.push((
                name,
                format!(
                    "these handlers were taken out there and are run here: {}",
                    less.join(", ")
                ),
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

/// What becomes of archives in another way than there.
fn archiving(old: &MmCfg) -> Vec<(&'static str, &'static str)> {
    let own =
        |name: &str| old.own().any(|(own, _, _)| own == name).then(|| old.get(name)).flatten();
    let is_on = |name: &str| own(name).is_some_and(PyValue::is_true);
    let mut remarks = Vec::new();
    match own(TO_MBOX).and_then(PyValue::as_whole) {
        Some(-1) => remarks.push((
            TO_MBOX,
            "nothing was archived there, so every list has archive=no here; \
             `dormouse list set LIST archive=yes` turns it on",
        )),
        Some(0) => remarks.push((
            TO_MBOX,
            "no mailbox of all posts was kept there; here there is one beside the pages",
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
        let text =
            "the mailbox of all posts could be fetched there; here it is not among the pages";
        remarks.push(("PUBLIC_MBOX", text));
    }
    if own("ARCHIVER_CLOBBER_DATE_POLICY").is_some() {
        let text = "here a post stands where its Date says, unless that is out of reason: then when it \
                    came";
        remarks.push(("ARCHIVER_CLOBBER_DATE_POLICY", text));
    }
    if own(SANITIZER).is_some_and(|value| value.as_text().is_some()) {
        remarks
            .push((SANITIZER, "no other program is called; scrub.html says what becomes of HTML"));
    }
    remarks
}

/// Whether posts are archived at all, for all lists: -1 is no.
pub(crate) const TO_MBOX: &str = "ARCHIVE_TO_MBOX";

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of a setting says of Mailman's name for it is what the import does.
    #[test]
    fn every_setting_that_is_mailmans_under_another_name_is_taken() {
        let mut named = 0;
        for entry in Config::default().entries() {
            let Some((_, rest)) = entry.doc.split_once("(Mailman: ") else { continue };
            let name = rest.split([',', ')']).next().unwrap_or_default();
            named += 1;
            let place = PLACES.iter().find(|(known, _)| *known == name).map(|(_, place)| place);
            let taken = match place {
                Some(Same(key) | Span(key) | Within(key)) => *key == entry.key,
                Some(Not(_)) | None => false,
            };
            assert!(taken, "{}: {name}", entry.key);
        }
        assert!(named > 20, "{named}");
    }

    #[test]
    fn what_was_set_there_is_set_here() {
        let mut old = MmCfg::built_in();
        old.run(
            "GLOBAL_BAN_LIST = ['spam@x.example', '^.*@bad\\\\.example$']\nVERP_PROBES = Yes\n\
             VERP_CONFIRMATIONS = 1\nPENDING_REQUEST_LIFE = days(5)\n\
             DISCARD_MESSAGE_WITH_NO_COMMAND = No\nARCHIVE_HTML_SANITIZER = 0\n\
             MIME_DIGEST_KEEP_HEADERS = ['Date', 'From']\nPLAIN_DIGEST_KEEP_HEADERS = ['Message']\n\
             SUBSCRIBE_FORM_MIN_TIME = seconds(9)\nRCPT_BASE64_HEADER_NAME = 'X-To'\n",
        );
        let wanted = wanted(&old);
        for (key, value) in [
            ("members.ban_list", "spam@x.example\n^.*@bad\\.example$\n"),
            ("bounces.probes", "yes"),
            ("members.verp_confirmations", "1"),
            ("members.confirm_within", "432000s"),
            ("commands.drop_without_command", "no"),
            ("scrub.html", "remove"),
            ("digest.mime_headers", "Date\nFrom\n"),
            ("digest.plain_headers", "Message\n"),
            ("members.form_min_time", "9s"),
            ("delivery.recipient_header", "X-To"),
        ] {
            assert!(wanted.contains(&(key, value.to_owned())), "{key}: {wanted:?}");
            assert_eq!(Config::usable(key, value), (Some(value.to_owned()), vec![]));
        }
    }

    #[test]
    fn archives_that_were_made_in_another_way_are_named() {
        for (own, named) in [
            ("", ""),
            ("ARCHIVE_TO_MBOX = -1", "archive=no"),
            ("ARCHIVE_TO_MBOX = 1", "archive_private"),
            ("ARCHIVE_TO_MBOX = 2", ""),
            ("PUBLIC_EXTERNAL_ARCHIVER = '/bin/mhonarc'", "not called"),
            ("PUBLIC_MBOX = Yes", "could be fetched"),
            ("ARCHIVER_CLOBBER_DATE_POLICY = 0", "Date"),
        ] {
            let mut old = MmCfg::built_in();
            old.run(own);
            let said: Vec<_> = changed_by_code(&old).into_iter().map(|(_, text)| text).collect();
            assert_eq!(said.is_empty(), named.is_empty(), "{own}: {said:?}");
            assert!(said.iter().all(|text| text.contains(named)), "{own}: {said:?}");
        }
    }

    #[test]
    fn attachments_keep_the_names_that_their_addresses_have() {
        for (own, keeps) in [
            ("", "no"),
            ("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME = True", "no"),
            ("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME = False", "yes"),
        ] {
            let mut old = MmCfg::built_in();
            old.run(own);
            let wanted = wanted(&old);
            assert!(wanted.contains(&("scrub.keep_names", keeps.to_owned())), "{own}");
        }
    }
}
