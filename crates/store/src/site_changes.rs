//! Changing a site's settings, with a record of who did it.

use crate::config::LIST_DEFAULTS;
use crate::db::params;
use crate::{Author, Config, Read, SettingChange, Site, Store, StoreError, Tx, audit};
use dormouse_clock::Timestamp;

/// The settings that can be changed on the web. All others could lock people out, redirect mail or
/// pages, or name files and programs; they and all new settings require a shell, unless they are
/// listed here.
const ON_PAGES: [&str; 52] = [
    "old_style_prefixing",
    "delivery.connections",
    "delivery.max_recipients",
    "delivery.verp_interval",
    "delivery.verp_personalized",
    "delivery.xverp",
    "delivery.retry_wait",
    "delivery.retry_period",
    "delivery.retry_longest",
    "delivery.limits",
    "delivery.timeout",
    "bounces.probes",
    "bounces.keep",
    "intake.max_size",
    "members.confirm_within",
    "members.invitation_lifetime",
    "members.login_lifetime",
    "members.mails_per_address",
    "members.mails_per_origin",
    "members.passwords_per_origin",
    "members.ban_list",
    "members.form_min_time",
    "members.verp_confirmations",
    "commands.drop_without_command",
    "moderation.link_lifetime",
    "notices.to_strangers",
    "notices.per_day",
    "anonymous.keep_headers",
    "remove_dkim_headers",
    "known_spammers",
    "dmarc.lookups",
    "dmarc.timeout",
    "dmarc.on_failure",
    "dmarc.enforcing_receivers",
    "preserve_filtered",
    "scrub.keep_names",
    "archives.obscure",
    "archives.login_lifetime",
    "digest.mime_headers",
    "digest.plain_headers",
    "trace.recipients",
    "trace.keep",
    "shunt.stale_after",
    "web.idle",
    "news.remove_headers",
    "list-defaults.archive",
    "list-defaults.archive_private",
    "list-defaults.description",
    "list-defaults.max_message_size",
    "list-defaults.preferred_language",
    "list-defaults.subject_prefix",
    "list-defaults.subscribe_policy",
];

/// Whether a setting of the site can be changed on the web.
pub fn is_for_pages(key: &str) -> bool {
    ON_PAGES.contains(&key)
}

/// Returns the settings of `[list-defaults]` that can be changed on the web, even if they are not
/// set.
pub fn defaults_for_pages() -> impl Iterator<Item = &'static str> {
    ON_PAGES.into_iter().filter(|key| key.starts_with(LIST_DEFAULTS))
}

impl Config {
    /// Returns the settings after some changes. The error says which values are allowed.
    pub fn with(&self, changes: &[(&str, &str)]) -> Result<Config, String> {
        let mut config = self.clone();
        changes.iter().try_for_each(|(key, value)| config.put(key, value))?;
        Ok(config)
    }
}

impl Site {
    /// Changes settings in `dormouse.toml`, all or none, and records who did it. The file is read
    /// again first, so that no concurrent change is lost.
    ///
    /// # Errors
    /// [`StoreError::Setting`] if a value is not allowed; it says which ones are.
    pub fn change(&self, store: &Store, changes: &[(&str, &str)]) -> Result<Config, StoreError> {
        store.write(|tx| {
            let path = self.config_file();
            let before = Config::load(&path)?;
            let after = before.with(changes).map_err(StoreError::Setting)?;
            let value = |config: &Config, key: &str| {
                config.entry(key).map(|entry| entry.value).unwrap_or_default()
            };
            for (key, _) in changes {
                tx.note_site_change(key, &value(&before, key), &value(&after, key))?;
            }
            Config::set_all(&path, changes)
        })
    }
}

const COLUMNS: &str = "id, name, old_value, new_value, who, via, changed_at";

impl Read {
    /// Returns at most `most` changes of the site's settings, the latest first; with `before` only
    /// those with a smaller number.
    pub fn site_changes(
        &self,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<SettingChange>, StoreError> {
        let statement =
            format!("select {COLUMNS} from site_change where id < ?1 order by id desc limit ?2");
        let before = before.unwrap_or(i64::MAX);
        self.rows(&statement, params![before, most], audit::read)
    }

    /// Returns one change of the site's settings.
    pub fn site_change(&self, id: i64) -> Result<Option<SettingChange>, StoreError> {
        let statement = format!("select {COLUMNS} from site_change where id = ?1");
        self.first(&statement, params![id], audit::read)
    }
}

impl Tx<'_> {
    fn note_site_change(&self, name: &str, old: &str, new: &str) -> Result<(), StoreError> {
        if old == new {
            return Ok(());
        }
        let Author { who, via } = self.author();
        let now = Timestamp::now();
        self.execute(
            "insert into site_change (name, old_value, new_value, who, via, changed_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![name, old, new, who, via, now],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_pages_can_change_is_a_setting() {
        for key in ON_PAGES {
            assert!(Config::default().entry(key).is_ok(), "{key}");
        }
        for key in ["host", "delivery.url", "web.listen", "web.administrators", "web.proxies"] {
            assert!(!is_for_pages(key), "{key}");
        }
    }

    #[test]
    fn several_settings_change_together_or_not_at_all_and_their_author_is_known() {
        let home = tempfile::tempdir().unwrap();
        let site = crate::testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        store.act_as(Author { who: "anna".to_owned(), via: "web" });
        let text = || std::fs::read_to_string(site.config_file()).unwrap();
        let before = text();
        let wrong = [("trace.keep", "7d"), ("delivery.connections", "0")];
        assert!(matches!(site.change(&store, &wrong), Err(StoreError::Setting(_))));
        assert_eq!(text(), before);
        let right = [("trace.keep", "7d"), ("known_spammers", "From: a\nFrom: b\n")];
        let config = site.change(&store, &right).unwrap();
        assert_eq!(config.known_spammers.len(), 2);
        assert_eq!(
            Config::load(&site.config_file()).unwrap().known_spammers,
            ["From: a", "From: b"]
        );
        let changes = store.read().site_changes(None, 10).unwrap();
        assert_eq!(changes.len(), 2);
        assert!(changes.iter().all(|change| change.who == "anna" && change.via == "web"));
        let keep = changes.iter().find(|change| change.name == "trace.keep").unwrap();
        assert_eq!((keep.old_value.as_str(), keep.new_value.as_str()), ("30d", "7d"));
        site.change(&store, &right).unwrap();
        assert_eq!(store.read().site_changes(None, 10).unwrap().len(), 2, "nothing has changed");
        assert!(text().contains("# How long the trace"), "comments stay");
    }
}
