//! A site's settings: `dormouse.toml`. Each is defined once, in the table below.

mod choices;
mod facts;
mod file;
#[cfg(test)]
mod tests;

use crate::arrangement::Arrangement;
use crate::check::Subject;
use crate::limits::Limits;
use crate::lists::REAL_NAME;
use crate::settings::{self, ListSettings};
use crate::units::{Size, Span};
use crate::value::{Choice, Value, nearest};
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

/// A setting's place in the table, for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its name.
    pub key: Cow<'static, str>,
    /// Its value.
    pub value: String,
    /// Its value when nothing is set.
    pub default: &'static str,
    /// What may be set.
    pub kind: &'static str,
    /// What may be chosen, where there is a closed set.
    #[serde(skip)]
    pub choices: Vec<Choice>,
    /// What it means.
    pub doc: String,
}

macro_rules! site_settings {
    ($($(#[doc = $doc:literal])+ $field:ident $key:literal: $type:ty = $default:literal $(, $check:path)?;)+) => {
        /// A site's settings.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)+
            /// What new lists have in place of the defaults: `[list-defaults]`, each setting of a list
            /// by its name.
            pub list_defaults: BTreeMap<String, String>,
        }

        const KEYS: &[&str] = &[$($key),+];

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $($field: <$type as Value>::read($default).expect("a default is valid"),)+
                    list_defaults: BTreeMap::new(),
                }
            }
        }

        impl Config {
            /// Sets one value; the error says what would be right.
            pub(crate) fn put(&mut self, key: &str, text: &str) -> Result<(), String> {
                if let Some(name) = key.strip_prefix(LIST_DEFAULTS) {
                    return self.put_list_default(name, text);
                }
                match key {
                    $($key => {
                        let value = <$type as Value>::read(text);
                        $(let value = value.and_then(|value| $check(&value).map(|()| value));)?
                        self.$field = value.map_err(|problem| format!("{key}: {problem}"))?;
                    })+
                    _ => return Err(unknown(key)),
                }
                Ok(())
            }

            /// One setting with its value; the error says what there is.
            pub fn entry(&self, key: &str) -> Result<Entry, String> {
                if let Some(name) = key.strip_prefix(LIST_DEFAULTS) {
                    return Ok(list_default(self.new_list_settings().entry(name)?));
                }
                let found = self.entries().into_iter().find(|entry| entry.key == key);
                found.ok_or_else(|| unknown(key))
            }

            /// Every setting with its value, for people, and those of `[list-defaults]` that are
            /// set.
            pub fn entries(&self) -> Vec<Entry> {
                let mut entries = vec![$(Entry {
                    key: Cow::Borrowed($key),
                    value: self.$field.write(),
                    default: $default,
                    kind: <$type as Value>::KIND,
                    choices: <$type as Value>::choices(),
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

/// With this the names of new lists' settings begin.
pub(crate) const LIST_DEFAULTS: &str = "list-defaults.";

/// What each list has of its own, and no default for all.
const OWN: [&str; 6] =
    ["real_name", "host_name", "owner", "password", "mod_password", "post_password"];

fn list_default(entry: settings::Entry) -> Entry {
    Entry {
        key: Cow::Owned(format!("{LIST_DEFAULTS}{}", entry.name)),
        value: entry.value,
        default: entry.default,
        kind: entry.kind,
        choices: entry.choices,
        doc: entry.doc,
    }
}

site_settings! {
    /// The host name in the addresses of the site's lists.
    host "host": String = "localhost", check::host;
    /// Where the web pages of the lists are, with a slash at the end; https://HOST/mailman/ when
    /// empty; `%(hostname)s` is a list's host. Posts name it, if there are pages (`web.listen`).
    web_url "web_url": String = "", check::web_place;
    /// Where a web server shows the public archives of the lists. When it is empty, and the site has no
    /// pages either (`web.listen`), no mail leads to one; with pages it is https://HOST/pipermail/.
    archive_url "archive_url": String = "", check::web_place;
    /// The list whose addresses the site itself writes from.
    site_list "site_list": String = "mailman", check::list_name;
    /// Whether `Re:` stands before the subject prefix, as in `Re: [list] subject`.
    old_style_prefixing "old_style_prefixing": bool = "yes";

    /// The PostgreSQL server with the site's lists and members, where several hosts serve one site:
    /// postgres://USER@HOST/DATABASE, as libpq writes it. When empty they are in a file of the site,
    /// dormouse.db.
    store_url "store.url": String = "", check::store;
    /// A file whose first line is the password for that server (relative to the site's directory).
    /// Without it the URL's `passfile=` is read, or the systemd credential `store-password`.
    store_password_file "store.password_file": String = "";

    /// Where mail goes: smtp://host:port, smtps://host, lmtp://host:port, or maildir:DIRECTORY,
    /// which makes a Maildir for each recipient (relative to the site's directory).
    delivery_url "delivery.url": String = "maildir:mail", check::transport;
    /// How many connections to the MTA are used at once.
    delivery_connections "delivery.connections": u64 = "4", check::positive;
    /// How many recipients one transaction has at the most (Mailman: SMTP_MAX_RCPTS).
    delivery_max_recipients "delivery.max_recipients": u64 = "500", check::positive;
    /// Every how many posts the recipients get an envelope sender of their own (VERP), by which
    /// bounces can be told apart. 0 is never, 1 is always (Mailman: VERP_DELIVERY_INTERVAL).
    delivery_verp_interval "delivery.verp_interval": i64 = "0", check::count;
    /// Whether personalised lists use VERP (Mailman: VERP_PERSONALIZED_DELIVERIES).
    delivery_verp_personalized "delivery.verp_personalized": bool = "no";
    /// Whether the MTA makes the envelope senders of VERP, if it offers XVERP.
    delivery_xverp "delivery.xverp": bool = "yes";
    /// A header that tells each recipient's address, in base64, where every recipient gets a copy of
    /// its own; none when empty (Mailman: RCPT_BASE64_HEADER_NAME).
    delivery_recipient_header "delivery.recipient_header": String = "";
    /// How long recipients that were refused for now wait (Mailman: DELIVERY_RETRY_WAIT). If their
    /// domain puts off everything, they wait twice as long each further time.
    delivery_retry_wait "delivery.retry_wait": Span = "1h", check::some_time;
    /// How long a domain that puts off everything is left alone at most.
    delivery_retry_longest "delivery.retry_longest": Span = "8h", check::some_time;
    /// How long they are tried without progress (Mailman: DELIVERY_RETRY_PERIOD).
    delivery_retry_period "delivery.retry_period": Span = "5d";
    /// What receiving domains get at most, a group of domains a line, as in `gmail.com googlemail.com:
    /// connections=2 recipients=50 rate=600/min`: how many connections carry mail for the group at once,
    /// how many of its recipients one transaction has, and how many get mail in a second (s), minute,
    /// hour (h) or day (d). *.example.net is every domain below, * any; with the word `each` a line is for
    /// each of its domains by itself. A domain goes by the first line that names it. What is too much
    /// waits in `retry`. The file may have a table, too: `[delivery.limits]` with lines such as
    /// `"*.example.net" = "rate=600/min"`.
    delivery_limits "delivery.limits": Limits = "";
    /// How long the MTA may take for an answer.
    delivery_timeout "delivery.timeout": Span = "5min", check::some_time;
    /// When the connection is encrypted.
    delivery_tls "delivery.tls": TlsPolicy = "auto";
    /// Who we are to the MTA; the site's host when empty.
    delivery_helo "delivery.helo": String = "";
    /// The user name for the MTA; none when empty.
    delivery_user "delivery.user": String = "";
    /// A file with that user's password.
    delivery_password_file "delivery.password_file": String = "";
    /// A command that prints an access token for that user, for servers that want AUTH XOAUTH2 in place
    /// of a password; `sh` runs it.
    delivery_token_command "delivery.token_command": String = "";
    /// Keys of the MTA to trust, whoever issued its certificate: `sha256:` and the base64 of the SHA-256
    /// of its public key. With any, the connection is always encrypted.
    delivery_tls_pins "delivery.tls_pins": Vec<String> = "", check::pins;

    /// Whether a member whose bounces have reached the threshold is asked by a probe first, and
    /// delivery is turned off only if that bounces, too (Mailman: VERP_PROBES).
    bounces_probes "bounces.probes": bool = "no";
    /// How long bounces are remembered for those who look at them (`member bounces`).
    bounces_keep "bounces.keep": Span = "90d";

    /// The largest message that is taken in; 0 takes any.
    intake_max_size "intake.max_size": Size = "50 MiB";
    /// So much of the disk is kept free: with less, mail is refused for now.
    intake_min_free "intake.min_free": Size = "10 MiB";

    /// How long a request waits for its confirmation (Mailman: PENDING_REQUEST_LIFE).
    members_confirm_within "members.confirm_within": Span = "3d", check::some_time;
    /// How long an invitation is good.
    members_invitation_lifetime "members.invitation_lifetime": Span = "14d";
    /// How long a link to one's own options is good, and then the page behind it.
    members_login_lifetime "members.login_lifetime": Span = "1h";
    /// How many automatic mails an address gets in a day, of all lists and all kinds together; 0 is
    /// any number. So nobody is flooded by what others ask for in their name. As often a code that
    /// waits is sent again.
    members_mails_per_address "members.mails_per_address": u64 = "5", check::at_most;
    /// How many such mails one address or one network (IPv4 /24, IPv6 /64) may cause in a day; 0 is
    /// any number.
    members_mails_per_origin "members.mails_per_origin": u64 = "20", check::at_most;
    /// After how many wrong passwords in a day the pages refuse others from that network, and never a
    /// right one; 0 is any number.
    members_passwords_per_origin "members.passwords_per_origin": u64 = "20", check::at_most;
    /// Addresses and patterns that may not subscribe to any list (Mailman: GLOBAL_BAN_LIST).
    members_ban_list "members.ban_list": Vec<String> = "", check::site_patterns;
    /// How long the form to subscribe must lie open at least (Mailman: SUBSCRIBE_FORM_MIN_TIME).
    members_form_min_time "members.form_min_time": Span = "5s";
    /// Whether confirmations are asked from L-confirm+COOKIE, so that any answer confirms (Mailman:
    /// VERP_CONFIRMATIONS). The MTA must hand such addresses over.
    members_verp_confirmations "members.verp_confirmations": bool = "no";
    /// Whether mail to -request without any command is dropped instead of answered (Mailman:
    /// DISCARD_MESSAGE_WITH_NO_COMMAND).
    commands_drop_without_command "commands.drop_without_command": bool = "yes";

    /// How long a link by which a held post is decided on is good.
    moderation_link_lifetime "moderation.link_lifetime": Span = "14d";
    /// Whether people who are not members hear that their post was refused or waits: never, when
    /// their address is authenticated, or always. An address that nobody vouches for may be forged.
    notices_to_strangers "notices.to_strangers": ToStrangers = "authenticated";
    /// By which names the MTA, or several, sign their Authentication-Results (RFC 8601). Without it no
    /// address counts as authenticated.
    notices_authserv_id "notices.authserv_id": Vec<String> = "";
    /// Whether this program adds Authentication-Results of its own to posts, by the site's host name:
    /// what it found out about their signatures, where no MTA before it does so. Those that come with
    /// that name go.
    auth_results "auth.results": bool = "no";
    /// How many answers an address gets in a day, of all lists together, to mail that the MTA says is
    /// from there; 0 is any number (Mailman: MAX_AUTORESPONSES_PER_DAY). For all other mail
    /// members.mails_per_address says it.
    notices_per_day "notices.per_day": u64 = "10", check::at_most;
    /// Headers that an anonymous list leaves in posts, as patterns at the start of the name
    /// (Mailman: ANONYMOUS_LIST_KEEP_HEADERS).
    anonymous_keep "anonymous.keep_headers": Vec<String> = "^(?!x-),^x-mailman-,^x-content-filtered-by:,^x-topics:,^x-ack:,^x-beenthere:,^x-list-administrivia:,^x-spam-", check::name_patterns;
    /// When the signatures of senders' domains are removed (Mailman: REMOVE_DKIM_HEADERS).
    remove_dkim "remove_dkim_headers": RemoveDkim = "anonymous";
    /// Headers by which mail is dropped on every list, as `Name: pattern` (Mailman:
    /// KNOWN_SPAMMERS).
    known_spammers "known_spammers": Vec<String> = "", check::spammers;
    /// Whether the DMARC policies and DKIM keys of senders' domains are looked up. Without it only
    /// `dmarc_moderation_addresses` count, and no signature counts as good.
    dmarc_lookups "dmarc.lookups": bool = "yes";
    /// Domains of receivers that are known to enforce DMARC, as example.net, or *.example.net for any below:
    /// if there are some, From names the list, because of its author's policy, only in the copies for
    /// recipients there, and all others see it as it was. When empty every receiver may.
    dmarc_enforcing_receivers "dmarc.enforcing_receivers": Vec<String> = "", check::domains;
    /// The name servers asked for policies and keys, as ADDRESS or ADDRESS:PORT; those of
    /// /etc/resolv.conf when empty.
    dmarc_servers "dmarc.servers": Vec<String> = "", check::servers;
    /// How long all lookups of a batch of posts may take together.
    dmarc_timeout "dmarc.timeout": Span = "5s", check::some_time;
    /// What is done when a policy cannot be looked up: as if it forbade (Mailman's way), or nothing.
    dmarc_on_failure "dmarc.on_failure": OnFailure = "mitigate";
    /// Whether lists may keep what their content filter takes out whole, in the queue `bad` (Mailman:
    /// OWNERS_CAN_PRESERVE_FILTERED_MESSAGES).
    preserve_filtered "preserve_filtered": bool = "yes";
    /// What becomes of HTML in archives, plain digests and scrubbed posts; its text stands there in
    /// any case (Mailman: ARCHIVE_HTML_SANITIZER).
    scrub_html "scrub.html": ScrubHtml = "clean";
    /// Whether files that are taken out of posts keep their names, as far as these are harmless
    /// (Mailman: SCRUBBER_DONT_USE_ATTACHMENT_FILENAME, the other way round).
    scrub_keep_names "scrub.keep_names": bool = "yes";
    /// Whether addresses in archives are written so that harvesters miss them, on lists whose rosters
    /// show them as they are, too (Mailman: ARCHIVER_OBSCURES_EMAILADDRS).
    archives_obscure "archives.obscure": bool = "yes";
    /// The hosts that have the archives, on a site of several hosts: `LIST=lmtp://HOST:PORT`, or `*` in
    /// place of a list for all that are not named. Other hosts pass posts on to that LMTP server. When a
    /// list is not named, each host archives what it has processed.
    archives_hosts "archives.hosts": Vec<String> = "", check::archive_hosts;
    /// The LMTP server of this host, as `archives.hosts` names it: its archives are here.
    archives_here "archives.here": String = "";
    /// How long a member who opened a login link reads private archives before another link is
    /// wanted.
    archives_login_lifetime "archives.login_lifetime": Span = "30d";
    /// The fields that posts keep in MIME digests (Mailman: MIME_DIGEST_KEEP_HEADERS), beside those of
    /// plain digests and those that describe the body.
    digest_mime_headers "digest.mime_headers": Vec<String> = "Date,From,To,Cc,Subject,Message-ID,Keywords,In-Reply-To,References,Precedence,Reply-To";
    /// The fields that posts keep in plain digests, in this order (Mailman:
    /// PLAIN_DIGEST_KEEP_HEADERS). `Message` is the post's number in the digest; the others are RFC
    /// 1153's.
    digest_plain_headers "digest.plain_headers": Vec<String> = "Message,Date,From,To,Cc,Subject,Message-ID,Keywords";
    /// Whether the steps of each message go to the journal, with the list, the Message-ID and the queue
    /// in fields of their own (`DORMOUSE_LIST`, `DORMOUSE_MESSAGE_ID`, `DORMOUSE_QUEUE`).
    log_journal "log.journal": bool = "yes";
    /// Whether Mailman's log files (`post`, `smtp-failure`, `subscribe`, `bounce`, `vette`, …) are written
    /// in `logs/`, for fail2ban and programs that count.
    log_mailman "log.mailman": bool = "no";

    /// Whether the trace names every recipient that the MTA took a message for, or counts them.
    trace_recipients "trace.recipients": bool = "yes";
    /// How long the trace of a message is kept.
    trace_keep "trace.keep": Span = "30d";

    /// How long what was set aside in `bad` and `shunt` stays there; 0s is for ever (Mailman:
    /// BAD_SHUNT_STALE_AFTER, seven days).
    shunt_stale_after "shunt.stale_after": Span = "30d";
    /// Where it goes then (relative to the site's directory). When this is empty it is removed
    /// (Mailman: BAD_SHUNT_ARCHIVE_DIRECTORY).
    shunt_archive "shunt.archive_directory": String = "shunt-archive";

    /// Where systemd listens for the web pages: HOST:PORT, or the path of a socket, for a web server
    /// in front. Without it the site has no pages: no units for them are installed, and no mail has a
    /// link to one.
    web_listen "web.listen": String = "", check::listen;
    /// The group of the web server in front: with the path of a socket in `web.listen`, nobody else on
    /// the machine may connect to it. Without it only root and the account of the lists may.
    web_group "web.group": String = "www-data";
    /// Web servers whose X-Forwarded-For is believed, by their addresses. One that comes over a
    /// Unix socket always is, as only `web.group` may.
    web_proxies "web.proxies": Vec<String> = "127.0.0.1,::1", check::ips;
    /// How long the process that serves pages waits for the next request before it ends.
    web_idle "web.idle": Span = "60s";
    /// Addresses of those who run the site: signed in on the web by mail, they may do on every list
    /// what its owners may, and create and remove lists. The site's password does the same.
    web_administrators "web.administrators": Vec<String> = "", check::plain_addresses;
    /// The colour of buttons and links on the pages, such as #1a6f45. It is darkened or lightened as far as
    /// is needed to be read by day and by night. When empty, the one that pages have.
    web_colour "web.colour": String = "", check::colour;
    /// A picture that stands at the top of the pages: the path of a PNG, JPEG, WebP or SVG file that
    /// the account of the lists may read, in the site's directory or with a slash at the beginning.
    web_logo "web.logo": String = "", check::picture;
    /// An OpenID Connect provider with which people may sign in, too: its issuer identifier, such as
    /// `https://id.example.org`. None when empty. It must verify email addresses: a person who signs in
    /// there has the address that it confirms.
    web_oidc_issuer "web.oidc_issuer": String = "", check::issuer;
    /// The client identifier that the provider has given this site. Its redirect URI is
    /// `web_url` with `oidc/callback` behind it.
    web_oidc_client "web.oidc_client": String = "";
    /// A file with the client's secret; none when the provider has given none.
    web_oidc_secret_file "web.oidc_secret_file": String = "";
    /// The provider's name on the sign-in page; its host when empty.
    web_oidc_name "web.oidc_name": String = "";

    /// Where systemd listens for mail over LMTP: HOST:PORT, or the path of a socket. Without it no
    /// units for it are installed.
    lmtp_listen "lmtp.listen": String = "", check::listen;
    /// The group of the MTA: with the path of a socket in `lmtp.listen`, nobody else on the machine may
    /// connect to it. When empty, that of the MTA that is installed here (postfix, Debian-exim, exim).
    lmtp_group "lmtp.group": String = "";
    /// How long the process that takes mail in over LMTP waits for the next connection before it ends.
    lmtp_idle "lmtp.idle": Span = "30s";
    /// How long a client may take for a command, and for each piece of a message.
    lmtp_timeout "lmtp.timeout": Span = "30s", check::some_time;
    /// How many clients are served at once. When more come, one that says nothing makes room.
    lmtp_connections "lmtp.connections": u64 = "50", check::positive;

    /// What has posts and mail for owners worked off.
    runners_in "runners.in": Arrangement = "on-demand";
    /// What has mail for `-request`, `-join`, `-leave` and `-confirm` worked off.
    runners_commands "runners.commands": Arrangement = "on-demand";
    /// What has mail for `-bounces` worked off.
    runners_bounces "runners.bounces": Arrangement = "on-demand";
    /// What has notices and digests worked off.
    runners_virgin "runners.virgin": Arrangement = "on-demand";
    /// What has posts put into the archives.
    runners_archive "runners.archive": Arrangement = "on-demand";
    /// What has posts passed on to newsgroups.
    runners_news "runners.news": Arrangement = "on-demand";
    /// What has mail sent to the MTA.
    runners_out "runners.out": Arrangement = "on-demand";
    /// What has mail that the MTA refused for now looked after.
    runners_retry "runners.retry": Arrangement = "on-demand";

    /// The user name for news servers; none when empty (Mailman: NNTP_USERNAME).
    news_user "news.user": String = "";
    /// A file with that user's password.
    news_password_file "news.password_file": String = "";
    /// Headers that articles must not have (Mailman: NNTP_REMOVE_HEADERS).
    news_remove_headers "news.remove_headers": Vec<String> = "nntp-posting-host,nntp-posting-date,x-trace,x-complaints-to,xref,date-received,posted,posting-version,relay-version,received";

    /// A file that every run writes the state of the queues into for Prometheus (node_exporter's
    /// textfile collector reads `*.prom`), relative to the site's directory; none when empty.
    metrics_file "metrics.file": String = "";

    /// How many entries are handed over together.
    run_batch "run.batch": u64 = "256", check::positive;
    /// How often resident processes look into queues on a file system that does not tell them of
    /// changes, such as NFS.
    run_interval "run.interval": Span = "5s", check::some_time;
    /// How long a run that systemd started waits for more before it ends.
    run_linger "run.linger": Span = "100ms";
}

/// The groups that MTAs run as: Postfix's, Exim's on Debian and elsewhere.
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

/// The longest wait while a server cannot be reached.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl Config {
    /// The longest that an entry waits in `retry` before it is tried again.
    pub fn longest_retry_wait(&self) -> Duration {
        let waits = [self.delivery_retry_wait, self.delivery_retry_longest];
        waits.map(Span::duration).into_iter().fold(LONGEST_WAIT, Duration::max)
    }

    /// Reads `dormouse.toml`.
    pub fn load(path: &Path) -> Result<Config, StoreError> {
        let text = fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        Config::read(path, &text)
    }

    /// What stands in that file.
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
        // Whether there is a list that it names is asked when one is created.
        let list = Subject { name: "", settings: &settings, is_list: &|_| true };
        ListSettings::check(name, list).map_err(|wrong| of(format!("{name}: {wrong}")))?;
        self.list_defaults.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    /// The settings of a new list, as far as they are the same for all.
    pub fn new_list_settings(&self) -> ListSettings {
        let mut settings = ListSettings::default();
        for (name, text) in &self.list_defaults {
            // They were checked when they were read.
            if let Err(problem) = settings.put(name, text) {
                tracing::warn!("{LIST_DEFAULTS}{problem}");
            }
        }
        settings
    }
}
