//! A site's settings: `dormouse.toml`. Each is defined once, in the table below.

mod choices;
mod facts;
mod file;
#[cfg(test)]
mod tests;

use crate::arrangement::Arrangement;
use crate::check::Subject;
use crate::limits::DeliveryLimits;
use crate::lists::REAL_NAME;
use crate::settings::{self, ListSettings};
use crate::units::{Size, Span};
use crate::value::{Choice, SettingValue, nearest};
use crate::{StoreError, check};
pub use choices::*;
pub(crate) use file::replace;
use file::{flatten, without_comments};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use toml_edit::DocumentMut;

/// A setting as it is shown to people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SiteSettingEntry {
    /// The setting's name.
    pub key: Cow<'static, str>,
    /// The current value.
    pub value: String,
    /// The value if nothing is set.
    pub default: &'static str,
    /// A description of the allowed values.
    pub kind: &'static str,
    /// The allowed values, if there is a closed set.
    #[serde(skip)]
    pub choices: Vec<Choice>,
    /// The setting's meaning.
    pub doc: String,
}

macro_rules! site_settings {
    ($($(#[doc = $doc:literal])+ $field:ident $key:literal: $type:ty = $default:literal $(, $check:path)?;)+) => {
        /// A site's settings.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)+
            /// Defaults for new lists (`[list-defaults]`), by the name of the list's setting.
            pub list_defaults: BTreeMap<String, String>,
        }

        const KEYS: &[&str] = &[$($key),+];

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $($field: <$type as SettingValue>::read($default).expect("a default is valid"),)+
                    list_defaults: BTreeMap::new(),
                }
            }
        }

        impl Config {
            /// Sets one value. The error says which values are allowed.
            pub(crate) fn put(&mut self, key: &str, text: &str) -> Result<(), String> {
                if let Some(name) = key.strip_prefix(LIST_DEFAULTS) {
                    return self.put_list_default(name, text);
                }
                match key {
                    $($key => {
                        let value = <$type as SettingValue>::read(text);
                        $(let value = value.and_then(|value| $check(&value).map(|()| value));)?
                        self.$field = value.map_err(|problem| format!("{key}: {problem}"))?;
                    })+
                    _ => return Err(unknown(key)),
                }
                Ok(())
            }

            /// Returns one setting with its value. The error names a similar setting.
            pub fn entry(&self, key: &str) -> Result<SiteSettingEntry, String> {
                if let Some(name) = key.strip_prefix(LIST_DEFAULTS) {
                    return Ok(list_default(self.new_list_settings().entry(name)?));
                }
                let found = self.entries().into_iter().find(|entry| entry.key == key);
                found.ok_or_else(|| unknown(key))
            }

            /// Returns every setting with its value, and those of `[list-defaults]` that are set.
            pub fn entries(&self) -> Vec<SiteSettingEntry> {
                let mut entries = vec![$(SiteSettingEntry {
                    key: Cow::Borrowed($key),
                    value: self.$field.write(),
                    default: $default,
                    kind: <$type as SettingValue>::KIND,
                    choices: <$type as SettingValue>::choices(),
                    doc: [$($doc),+].map(str::trim).join(" "),
                }),+];
                let of_lists = self.new_list_settings().entries().into_iter();
                let of_lists = of_lists.filter(|entry| self.list_defaults.contains_key(entry.name));
                entries.extend(of_lists.map(list_default));
                entries
            }
        }
    };
}

/// The prefix of the names of new lists' settings.
pub(crate) const LIST_DEFAULTS: &str = "list-defaults.";

/// Settings that have no default, because each list has its own.
const OWN: [&str; 6] =
    ["real_name", "host_name", "owner", "password", "mod_password", "post_password"];

fn list_default(entry: settings::ListSettingEntry) -> SiteSettingEntry {
    SiteSettingEntry {
        key: Cow::Owned(format!("{LIST_DEFAULTS}{}", entry.name)),
        value: entry.value,
        default: entry.default,
        kind: entry.kind,
        choices: entry.choices,
        doc: entry.doc,
    }
}

site_settings! {
    /// The host name in the addresses of the site's lists, unless a list has its own.
    host "host": String = "localhost", check::host;
    /// The URL of the lists' web pages, with a slash at the end; https://HOST/mailman/ if empty;
    /// `%(hostname)s` is a list's host. Posts contain it if there are pages (`web.listen`).
    web_url "web_url": String = "", check::web_place;
    /// The URL at which a web server shows the public archives of the lists. If empty, it is
    /// https://HOST/pipermail/ for a site with pages (`web.listen`); without pages no mail links to
    /// an archive.
    archive_url "archive_url": String = "", check::web_place;
    /// The list from whose addresses the site itself sends mail.
    site_list "site_list": String = "mailman", check::list_name;
    /// Whether `Re:` is placed before the subject prefix, as in `Re: [list] subject`.
    old_style_prefixing "old_style_prefixing": bool = "yes";

    /// The PostgreSQL database with the site's lists and members, needed if several hosts serve one
    /// site: postgres://USER@HOST/DATABASE, as libpq writes it. If empty, they are in a file of the
    /// site, dormouse.db.
    store_url "store.url": String = "", check::store;
    /// A file whose first line is the password for that server (relative to the site's directory).
    /// If empty, the URL's `passfile=` is read, or the systemd credential `store-password`.
    store_password_file "store.password_file": String = "";

    /// Where mail is sent: smtp://host:port, smtps://host, lmtp://host:port, or maildir:DIRECTORY,
    /// which creates a Maildir for each recipient (relative to the site's directory).
    delivery_url "delivery.url": String = "maildir:mail", check::transport;
    /// The maximum number of simultaneous connections to the MTA.
    delivery_connections "delivery.connections": u64 = "4", check::positive;
    /// The maximum number of recipients in one transaction (Mailman: SMTP_MAX_RCPTS).
    delivery_max_recipients "delivery.max_recipients": u64 = "500", check::positive;
    /// Every nth post has an envelope sender of its own for each recipient (VERP), which identifies
    /// the recipient of a bounce. 0 is never, 1 is always (Mailman: VERP_DELIVERY_INTERVAL).
    delivery_verp_interval "delivery.verp_interval": i64 = "0", check::count;
    /// Whether personalized lists use VERP (Mailman: VERP_PERSONALIZED_DELIVERIES).
    delivery_verp_personalized "delivery.verp_personalized": bool = "no";
    /// Whether the MTA creates the envelope senders of VERP, if it offers XVERP.
    delivery_xverp "delivery.xverp": bool = "yes";
    /// The name of a header that contains the recipient's address in base64, in mail that each
    /// recipient gets a separate copy of; none if empty (Mailman: RCPT_BASE64_HEADER_NAME).
    delivery_recipient_header "delivery.recipient_header": String = "";
    /// How long to wait before temporarily refused recipients are tried again (Mailman:
    /// DELIVERY_RETRY_WAIT). If their domain defers all mail, the wait doubles each time.
    delivery_retry_wait "delivery.retry_wait": Span = "1h", check::some_time;
    /// The longest wait before a domain that defers all mail is tried again.
    delivery_retry_longest "delivery.retry_longest": Span = "8h", check::some_time;
    /// How long recipients are tried without progress before they count as bounced (Mailman:
    /// DELIVERY_RETRY_PERIOD).
    delivery_retry_period "delivery.retry_period": Span = "5d";
    /// Limits for receiving domains, one group of domains on each line, as in `gmail.com
    /// googlemail.com: connections=2 recipients=50 rate=600/min`: the number of simultaneous
    /// connections with mail for the group, of its recipients in one transaction, and of its
    /// recipients in a second (s), minute, hour (h) or day (d). *.example.net is every domain
    /// below, * is any; with the word `each` the limits apply to each domain separately. The first
    /// line that matches a domain applies. Mail beyond a limit waits in `retry`. The file may
    /// instead have a table `[delivery.limits]` with lines such as `"*.example.net" =
    /// "rate=600/min"`.
    delivery_limits "delivery.limits": DeliveryLimits = "";
    /// How long to wait for a reply of the MTA.
    delivery_timeout "delivery.timeout": Span = "5min", check::some_time;
    /// When the connection is encrypted.
    delivery_tls "delivery.tls": TlsPolicy = "auto";
    /// The host name in EHLO or LHLO; the site's host if empty.
    delivery_helo "delivery.helo": String = "";
    /// The user name for authentication at the MTA; none if empty.
    delivery_user "delivery.user": String = "";
    /// A file with that user's password.
    delivery_password_file "delivery.password_file": String = "";
    /// A command that prints an access token for that user, for servers that require AUTH XOAUTH2
    /// instead of a password; `sh` runs it.
    delivery_token_command "delivery.token_command": String = "";
    /// Keys of the MTA to trust, whichever authority issued its certificate: `sha256:` and the
    /// base64 of the SHA-256 of its public key. If there are any, the connection is always
    /// encrypted.
    delivery_tls_pins "delivery.tls_pins": Vec<String> = "", check::pins;

    /// Whether a member whose bounces have reached the threshold first gets a probe, and delivery
    /// is turned off only if that bounces, too (Mailman: VERP_PROBES).
    bounces_probes "bounces.probes": bool = "no";
    /// How long bounces are kept for `dormouse member bounces`.
    bounces_keep "bounces.keep": Span = "90d";

    /// The maximum size of an accepted message; 0 means no limit.
    intake_max_size "intake.max_size": Size = "50 MiB";
    /// The minimum free space on the disk: with less, mail is temporarily refused.
    intake_min_free "intake.min_free": Size = "10 MiB";

    /// How long a request waits for its confirmation (Mailman: PENDING_REQUEST_LIFE).
    members_confirm_within "members.confirm_within": Span = "3d", check::some_time;
    /// How long an invitation is valid.
    members_invitation_lifetime "members.invitation_lifetime": Span = "14d";
    /// How long a link to a person's options is valid, and after it is opened, the page.
    members_login_lifetime "members.login_lifetime": Span = "1h";
    /// The maximum number of automatic mails to an address in a day, from all lists and of all
    /// kinds together; 0 means no limit. It protects people from floods of mail that others request
    /// in their name. A pending confirmation code is sent again this often.
    members_mails_per_address "members.mails_per_address": u64 = "5", check::at_most;
    /// The maximum number of such mails that one address or one network (IPv4 /24, IPv6 /64) can
    /// cause in a day; 0 means no limit.
    members_mails_per_origin "members.mails_per_origin": u64 = "20", check::at_most;
    /// The number of wrong passwords in a day after which the pages refuse further wrong ones from
    /// the same network; a correct one is always accepted. 0 means no limit.
    members_passwords_per_origin "members.passwords_per_origin": u64 = "20", check::at_most;
    /// Addresses and patterns that may not subscribe to any list (Mailman: GLOBAL_BAN_LIST).
    members_ban_list "members.ban_list": Vec<String> = "", check::site_patterns;
    /// The minimum time between opening and sending the form to subscribe (Mailman:
    /// SUBSCRIBE_FORM_MIN_TIME).
    members_form_min_time "members.form_min_time": Span = "5s";
    /// Whether requests for confirmation come from LIST-confirm+COOKIE, so that any reply confirms
    /// (Mailman: VERP_CONFIRMATIONS). The MTA must pass on mail to such addresses.
    members_verp_confirmations "members.verp_confirmations": bool = "no";
    /// Whether mail to -request without any command is discarded instead of answered (Mailman:
    /// DISCARD_MESSAGE_WITH_NO_COMMAND).
    commands_drop_without_command "commands.drop_without_command": bool = "yes";

    /// How long a link to decide on a held post is valid.
    moderation_link_lifetime "moderation.link_lifetime": Span = "14d";
    /// When non-members are notified that their post was rejected or held: never, if their address
    /// is authenticated, or always. An address that is not authenticated may be forged.
    notices_to_strangers "notices.to_strangers": ToStrangers = "authenticated";
    /// The names of the MTAs whose Authentication-Results (RFC 8601) are trusted. If empty, no
    /// address counts as authenticated.
    notices_authserv_id "notices.authserv_id": Vec<String> = "";
    /// Whether Authentication-Results with the site's host name and the results for DKIM and ARC
    /// signatures are added to posts, for sites whose MTA does not do it. Existing ones with that
    /// name are removed.
    auth_results "auth.results": bool = "no";
    /// The maximum number of automatic replies in a day, from all lists together, to an address
    /// that the MTA has authenticated; 0 means no limit (Mailman: MAX_AUTORESPONSES_PER_DAY). For
    /// other addresses members.mails_per_address applies.
    notices_per_day "notices.per_day": u64 = "10", check::at_most;
    /// Headers that an anonymous list keeps in posts, as patterns for the start of the name
    /// (Mailman: ANONYMOUS_LIST_KEEP_HEADERS).
    anonymous_keep "anonymous.keep_headers": Vec<String> = "^(?!x-),^x-mailman-,^x-content-filtered-by:,^x-topics:,^x-ack:,^x-beenthere:,^x-list-administrivia:,^x-spam-", check::name_patterns;
    /// When the DKIM signatures of incoming posts are removed (Mailman: REMOVE_DKIM_HEADERS).
    remove_dkim "remove_dkim_headers": RemoveDkim = "anonymous";
    /// Headers that cause mail to be discarded on every list, as `Name: pattern` (Mailman:
    /// KNOWN_SPAMMERS).
    known_spammers "known_spammers": Vec<String> = "", check::spammers;
    /// Whether the DMARC policies and DKIM keys of senders' domains are looked up. If not, only
    /// `dmarc_moderation_addresses` takes effect, and no signature counts as valid.
    dmarc_lookups "dmarc.lookups": bool = "yes";
    /// Domains of receivers that are known to enforce DMARC, as example.net, or *.example.net for
    /// any below. If there are any, From is replaced because of its author's policy only in copies
    /// for recipients there, and all others get it unchanged. If empty, every receiver may enforce
    /// it.
    dmarc_enforcing_receivers "dmarc.enforcing_receivers": Vec<String> = "", check::domains;
    /// The name servers for policies and keys, as ADDRESS or ADDRESS:PORT; those of
    /// /etc/resolv.conf if empty.
    dmarc_servers "dmarc.servers": Vec<String> = "", check::servers;
    /// The time limit for all lookups of a batch of posts together.
    dmarc_timeout "dmarc.timeout": Span = "5s", check::some_time;
    /// What to do if a policy cannot be looked up: act as if it forbade the post (as Mailman does),
    /// or nothing.
    dmarc_on_failure "dmarc.on_failure": OnFailure = "mitigate";
    /// Whether lists may keep messages that their content filter discards, in the queue `bad`
    /// (Mailman: OWNERS_CAN_PRESERVE_FILTERED_MESSAGES).
    preserve_filtered "preserve_filtered": bool = "yes";
    /// What happens to HTML in archives, plain digests and scrubbed posts; they contain its text in
    /// any case (Mailman: ARCHIVE_HTML_SANITIZER).
    scrub_html "scrub.html": ScrubHtml = "clean";
    /// Whether attachments that are removed from posts keep their file names, as far as these are
    /// harmless (Mailman: SCRUBBER_DONT_USE_ATTACHMENT_FILENAME, inverted).
    scrub_keep_names "scrub.keep_names": bool = "yes";
    /// Whether addresses in archives are obscured against harvesters, even on lists that do not
    /// obscure their rosters (Mailman: ARCHIVER_OBSCURES_EMAILADDRS).
    archives_obscure "archives.obscure": bool = "yes";
    /// The hosts with the archives, on a site with several hosts: `LIST=lmtp://HOST:PORT`, or `*`
    /// instead of a list for all lists that are not named. Other hosts pass posts on to that LMTP
    /// server. If a list is not named, each host archives the posts that it has processed.
    archives_hosts "archives.hosts": Vec<String> = "", check::archive_hosts;
    /// The LMTP server of this host, exactly as in `archives.hosts`: the archives of those lists
    /// are on this host.
    archives_here "archives.here": String = "";
    /// How long a member can read private archives after opening a login link.
    archives_login_lifetime "archives.login_lifetime": Span = "30d";
    /// The fields that posts keep in MIME digests (Mailman: MIME_DIGEST_KEEP_HEADERS), in addition
    /// to those of plain digests and those that describe the body.
    digest_mime_headers "digest.mime_headers": Vec<String> = "Date,From,To,Cc,Subject,Message-ID,Keywords,In-Reply-To,References,Precedence,Reply-To";
    /// The fields that posts keep in plain digests, in this order (Mailman:
    /// PLAIN_DIGEST_KEEP_HEADERS). `Message` is the post's number in the digest; the others are RFC
    /// 1153's.
    digest_plain_headers "digest.plain_headers": Vec<String> = "Message,Date,From,To,Cc,Subject,Message-ID,Keywords";
    /// Whether the steps of each message are logged in the journal, with the list, the Message-ID
    /// and the queue as fields (`DORMOUSE_LIST`, `DORMOUSE_MESSAGE_ID`, `DORMOUSE_QUEUE`).
    log_journal "log.journal": bool = "yes";
    /// Whether Mailman's log files (`post`, `smtp-failure`, `subscribe`, `bounce`, `vette`, …) are
    /// written in `logs/`, for fail2ban and statistics.
    log_mailman "log.mailman": bool = "no";

    /// Whether the trace names every recipient for whom the MTA accepted a message, or only counts
    /// them.
    trace_recipients "trace.recipients": bool = "yes";
    /// How long the trace of a message is kept.
    trace_keep "trace.keep": Span = "30d";

    /// How long entries stay in `bad` and `shunt`; 0s means indefinitely (Mailman:
    /// BAD_SHUNT_STALE_AFTER, seven days).
    shunt_stale_after "shunt.stale_after": Span = "30d";
    /// The directory to which old entries are then moved (relative to the site's directory). If
    /// empty, they are deleted (Mailman: BAD_SHUNT_ARCHIVE_DIRECTORY).
    shunt_archive "shunt.archive_directory": String = "shunt-archive";

    /// Where systemd listens for the web pages, behind a web server: HOST:PORT, or the path of a
    /// socket. If empty, the site has no pages: no units for them are installed, and no mail links
    /// to them.
    web_listen "web.listen": String = "", check::listen;
    /// The group of the web server. If `web.listen` is the path of a socket, nobody else on the
    /// machine may connect to it. If empty, only root and the account of the lists may.
    web_group "web.group": String = "www-data";
    /// The addresses of web servers whose X-Forwarded-For is trusted. Over a Unix socket it always
    /// is, because only `web.group` may connect.
    web_proxies "web.proxies": Vec<String> = "127.0.0.1,::1", check::ips;
    /// How long the process that serves pages waits for another request before it exits.
    web_idle "web.idle": Span = "60s";
    /// The addresses of the site's administrators: signed in on the web by mail, they may do on
    /// every list what its owners may, and create and remove lists. The site's password gives the
    /// same rights.
    web_administrators "web.administrators": Vec<String> = "", check::plain_addresses;
    /// The colour of buttons and links on the pages, such as #1a6f45. It is darkened or lightened
    /// as needed to be readable in light and dark mode. If empty, the default colour.
    web_colour "web.colour": String = "", check::colour;
    /// A picture at the top of the pages: the path of a PNG, JPEG, WebP or SVG file that the
    /// account of the lists can read, relative to the site's directory or absolute.
    web_logo "web.logo": String = "", check::picture;
    /// An additional OpenID Connect provider for signing in: its issuer identifier, such as
    /// `https://id.example.org`; none if empty. It must verify email addresses: a person who signs
    /// in there is trusted to own the address that it confirms.
    web_oidc_issuer "web.oidc_issuer": String = "", check::issuer;
    /// The client identifier that the provider has given this site. Its redirect URI is `web_url`
    /// followed by `oidc/callback`.
    web_oidc_client "web.oidc_client": String = "";
    /// A file with the client's secret; none if the provider has not given one.
    web_oidc_secret_file "web.oidc_secret_file": String = "";
    /// The provider's name on the sign-in page; its host if empty.
    web_oidc_name "web.oidc_name": String = "";

    /// Where systemd listens for mail over LMTP: HOST:PORT, or the path of a socket. If empty, no
    /// units for it are installed.
    lmtp_listen "lmtp.listen": String = "", check::listen;
    /// The group of the MTA. If `lmtp.listen` is the path of a socket, nobody else on the machine
    /// may connect to it. If empty, the group of the installed MTA (postfix, Debian-exim, exim).
    lmtp_group "lmtp.group": String = "";
    /// How long the process that accepts mail over LMTP waits for another connection before it
    /// exits.
    lmtp_idle "lmtp.idle": Span = "30s";
    /// How long a client may take for a command, and for each piece of a message.
    lmtp_timeout "lmtp.timeout": Span = "30s", check::some_time;
    /// The maximum number of simultaneous clients. If more connect, an idle one is disconnected.
    lmtp_connections "lmtp.connections": u64 = "50", check::positive;

    /// What starts the processing of posts and mail for owners.
    runners_in "runners.in": Arrangement = "on-demand";
    /// What starts the processing of mail for `-request`, `-join`, `-leave` and `-confirm`.
    runners_commands "runners.commands": Arrangement = "on-demand";
    /// What starts the processing of mail for `-bounces`.
    runners_bounces "runners.bounces": Arrangement = "on-demand";
    /// What starts the processing of notices and digests.
    runners_virgin "runners.virgin": Arrangement = "on-demand";
    /// What starts archiving.
    runners_archive "runners.archive": Arrangement = "on-demand";
    /// What starts passing posts on to newsgroups.
    runners_news "runners.news": Arrangement = "on-demand";
    /// What starts sending mail to the MTA.
    runners_out "runners.out": Arrangement = "on-demand";
    /// What starts retrying mail that the MTA has temporarily refused.
    runners_retry "runners.retry": Arrangement = "on-demand";

    /// The user name for news servers; none if empty (Mailman: NNTP_USERNAME).
    news_user "news.user": String = "";
    /// A file with that user's password.
    news_password_file "news.password_file": String = "";
    /// Headers that articles must not have (Mailman: NNTP_REMOVE_HEADERS).
    news_remove_headers "news.remove_headers": Vec<String> = "nntp-posting-host,nntp-posting-date,x-trace,x-complaints-to,xref,date-received,posted,posting-version,relay-version,received";

    /// A file to which every run writes the state of the queues for Prometheus (node_exporter's
    /// textfile collector reads `*.prom`), relative to the site's directory; none if empty.
    metrics_file "metrics.file": String = "";

    /// The maximum number of entries that are processed together.
    run_batch "run.batch": u64 = "256", check::positive;
    /// How often resident processes look into queues on a file system that does not report changes,
    /// such as NFS.
    run_interval "run.interval": Span = "5s", check::some_time;
    /// How long a run that systemd started waits for further entries before it exits.
    run_linger "run.linger": Span = "100ms";
}

/// The groups of MTAs: Postfix's, and Exim's on Debian and elsewhere.
const MTA_GROUPS: [&str; 3] = ["postfix", "Debian-exim", "exim"];

fn unknown(key: &str) -> String {
    if !key.contains('.') && ListSettings::is_known(key) {
        return format!(
            "{key} is a setting of lists: `dormouse list set LIST {key}=…` for one, \
             `dormouse config set {LIST_DEFAULTS}{key} …` for all that are created from now on"
        );
    }
    match nearest(key, KEYS.iter().copied()) {
        Some(near) => format!("there is no setting {key}; did you mean {near}?"),
        None => format!("there is no setting {key}; `dormouse config show` lists them"),
    }
}

/// The longest wait before a server that cannot be reached is tried again.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl Config {
    /// Returns the longest wait in `retry` before an entry is tried again.
    pub fn longest_retry_wait(&self) -> Duration {
        let waits = [self.delivery_retry_wait, self.delivery_retry_longest];
        waits.map(Span::duration).into_iter().fold(LONGEST_WAIT, Duration::max)
    }

    /// Reads `dormouse.toml`.
    pub fn load(path: &Path) -> Result<Config, StoreError> {
        let text = fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        Config::read(path, &text)
    }

    /// Parses the text of `dormouse.toml`.
    pub(crate) fn read(path: &Path, text: &str) -> Result<Config, StoreError> {
        Config::parse(text).map_err(|problem| StoreError::Config { path: path.to_owned(), problem })
    }

    fn parse(text: &str) -> Result<Config, String> {
        let text = without_comments(text);
        let document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
        let mut config = Config::default();
        for (key, value) in flatten("", document.as_table()) {
            config.put(&key, &value)?;
        }
        Ok(config)
    }

    fn put_list_default(&mut self, name: &str, text: &str) -> Result<(), String> {
        let of = |problem: String| format!("{LIST_DEFAULTS}{problem}");
        if OWN.contains(&name) {
            return Err(of(format!("{name}: each list has its own")));
        }
        let mut settings = self.new_list_settings();
        let checked = match name {
            "subject_prefix" => Cow::Owned(text.replace(REAL_NAME, "")),
            _ => Cow::Borrowed(text),
        };
        settings.put(name, &checked).map_err(of)?;
        // Lists that the value names need not exist until a list is created.
        let list = Subject { name: "", settings: &settings, is_list: &|_| true };
        ListSettings::check(name, list).map_err(|wrong| of(format!("{name}: {wrong}")))?;
        self.list_defaults.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    /// Returns the settings that all new lists have in common.
    pub fn new_list_settings(&self) -> ListSettings {
        let mut settings = ListSettings::default();
        for (name, text) in &self.list_defaults {
            // They were checked when the file was read.
            if let Err(problem) = settings.put(name, text) {
                tracing::warn!("{LIST_DEFAULTS}{problem}");
            }
        }
        settings
    }
}
