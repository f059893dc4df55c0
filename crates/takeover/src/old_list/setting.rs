//! A list's settings.

use super::{Old, pickle};
use crate::attributes::{ATTRIBUTES, AttributeFate, SettingType};
use crate::import::TO_MBOX;
use crate::mm_cfg::{Literal, MmCfg, setting_text};
use crate::text;
use dormouse_membership::password;
use dormouse_pickle::Value;
use dormouse_store::ListSettings;
use dormouse_store::check::Subject;
use dormouse_store::value::SettingValue as _;
use serde_json::json;

/// Parses every setting. A setting missing in a list saved by an older Mailman has the site's default,
/// as when Mailman loads it.
pub fn read(old: &mut Old<'_, '_>, name: &str, site: &MmCfg) -> ListSettings {
    let mut settings = ListSettings::default();
    let mut absent = Vec::new();
    let mut doubtful = Vec::new();
    for (setting, fate) in ATTRIBUTES {
        let AttributeFate::Setting(kind) = fate else { continue };
        let Some(value) = old.get(setting) else {
            if default(&mut settings, setting, site) {
                absent.push(*setting);
            }
            continue;
        };
        match written(old, *kind, value) {
            Ok(written) => {
                if *kind == SettingType::Hash
                    && !written.is_empty()
                    && !password::is_known(&written)
                {
                    old.remark(format!(
                        "{setting} has a form that nobody can check here ({}): set a new one with \
                         `dormouse list password {name}`",
                        form(&written)
                    ));
                }
                match settings.put_kept(setting, &written) {
                    Err(problem) => old.remark(format!("{problem}; the default is used")),
                    Ok(()) if kind.is_text() => {
                        let found = text::survey(&old.charset, value);
                        if !found.is_sure {
                            doubtful.push((*setting).to_owned());
                        }
                        if !found.comes_back {
                            let taken = settings.get(setting).unwrap_or_default();
                            old.raw.settings.insert((*setting).to_owned(), (taken, pickle(value)));
                        }
                    }
                    Ok(()) => {}
                }
            }
            Err(problem) => old.remark(format!("{setting} is {problem}; the default is used")),
        }
    }
    if !doubtful.is_empty() {
        old.remark(format!(
            "{}: not in the list's charset ({}); read as what it seems to be, and kept as it came \
             for the way back",
            doubtful.join(", "),
            old.charset
        ));
    }
    if !absent.is_empty() {
        old.remark(format!("{} are missing and get the defaults", absent.join(", ")));
    }
    repair(old, &mut settings, site);
    judge(old, &settings, name);
    settings
}

/// Converts a value to the format of the database; the error describes a value that does not fit.
fn written(old: &Old<'_, '_>, kind: SettingType, value: Value<'_, '_>) -> Result<String, String> {
    let charset = &old.charset;
    let wrong = || value.kind().to_owned();
    let whole = || {
        let real = value.as_float().filter(|real| real.abs() < 1e15);
        value.as_int().or_else(|| real.map(|real| real.trunc() as i64))
    };
    match kind {
        SettingType::Flag => {
            let text = value.as_bytes().map(|text| !text.is_empty());
            let on = value.as_float().map(|number| number != 0.0).or(text);
            let on = on.or_else(|| value.is_none().then_some(false)).ok_or_else(wrong)?;
            Ok(on.write())
        }
        // Old lists have '' for 0.
        SettingType::Choice if value.as_bytes().is_some_and(<[u8]>::is_empty) => Ok("0".to_owned()),
        SettingType::Choice | SettingType::Int => Ok(whole().ok_or_else(wrong)?.to_string()),
        SettingType::Real => Ok(value.as_float().ok_or_else(wrong)?.to_string()),
        SettingType::Text if value.is_none() => Ok(String::new()),
        SettingType::Text => text::decode(charset, value).ok_or_else(wrong),
        SettingType::Hash => hash(value).ok_or_else(wrong),
        SettingType::Texts => {
            if !value.is_sequence() {
                return Err(wrong());
            }
            let items: Vec<String> =
                value.items().filter_map(|item| text::decode(charset, item)).collect();
            Ok(items.write())
        }
        SettingType::Table => {
            let rows = value.is_sequence().then(|| value.items()).ok_or_else(wrong)?;
            let rows: Vec<serde_json::Value> = rows.map(|row| table_row(charset, row)).collect();
            Ok(serde_json::Value::Array(rows).to_string())
        }
    }
}

fn table_row(charset: &str, row: Value<'_, '_>) -> serde_json::Value {
    row.items()
        .map(|cell| match (text::decode(charset, cell), cell.as_int()) {
            (Some(text), _) => json!(text),
            (None, Some(number)) => json!(number),
            (None, None) => serde_json::Value::Null,
        })
        .collect()
}

/// Reads a list's password: SHA-1 in hexadecimal, or in old lists a raw MD5 digest or crypt's 13
/// characters (docs/spec/pickles.md §7).
fn hash(value: Value<'_, '_>) -> Option<String> {
    if value.is_none() {
        return Some(String::new());
    }
    let bytes = value.as_bytes()?;
    if bytes.len() == 16 && !bytes.iter().all(u8::is_ascii_graphic) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        return Some(format!("{}{hex}", password::MD5));
    }
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Returns the beginning of a hash, without its secret part.
pub fn form(hash: &str) -> String {
    let marked = ['$', '}'].into_iter().find_map(|end| {
        let at = hash.get(1..)?.find(end)? + 1;
        hash.starts_with(['$', '{']).then(|| format!("{}…", &hash[..=at]))
    });
    marked.unwrap_or_else(|| format!("{} bytes", hash.len()))
}

/// Settings whose site default has a different name.
const DEFAULTS: [(&str, &str); 2] = [
    ("advertised", "DEFAULT_LIST_ADVERTISED"),
    ("umbrella_member_suffix", "DEFAULT_UMBRELLA_MEMBER_ADMIN_SUFFIX"),
];

/// Mailman's defaults that differ from ours.
const MAILMANS: [(&str, &str); 3] = [
    ("include_sender_header", "yes"),
    ("dmarc_moderation_action", "accept"),
    ("bounce_matching_headers", ""),
];

/// Returns the list setting whose default is a `DEFAULT_…` of the site.
pub fn of_default(name: &str) -> Option<&'static str> {
    if let Some((setting, _)) = DEFAULTS.iter().find(|(_, default)| *default == name) {
        return Some(setting);
    }
    let setting = name.strip_prefix("DEFAULT_")?.to_lowercase();
    let known = ATTRIBUTES.iter().find(|(known, _)| *known == setting);
    known.filter(|(_, fate)| matches!(fate, AttributeFate::Setting(_))).map(|(known, _)| *known)
}

/// Converts a site's default to the syntax of the setting here: times in Mailman are in seconds.
///
/// # Errors
/// If the setting cannot have that value.
pub fn typed(setting: &str, value: &Literal) -> Result<String, String> {
    let text = setting_text(value);
    // The list's name is inserted when a list is created.
    if setting == "subject_prefix" {
        return Ok(text);
    }
    let mut settings = ListSettings::default();
    settings.put_kept(setting, &text)?;
    Ok(settings.get(setting).unwrap_or(text))
}

/// Sets a setting to its site's default. False if lists need not have it.
fn default(settings: &mut ListSettings, setting: &str, site: &MmCfg) -> bool {
    let optional = ["pipeline", "use_dollar_strings", "mod_password", "post_password"];
    let known = DEFAULTS.iter().find(|(name, _)| *name == setting).map(|(_, default)| *default);
    let upper = format!("DEFAULT_{}", setting.to_uppercase());
    let value = site.get(known.unwrap_or(&upper)).map(setting_text);
    let mailmans = MAILMANS.iter().find(|(name, _)| *name == setting);
    let value = value.or_else(|| mailmans.map(|(_, value)| (*value).to_owned()));
    if let Some(value) = value
        && let Err(problem) = settings.put_kept(setting, &value)
    {
        tracing::warn!("the site's default does not fit: {problem}");
    }
    !optional.contains(&setting)
}

/// Repairs what Mailman repairs when it loads a list (docs/spec/pickles.md §3, at its end).
fn repair(old: &mut Old<'_, '_>, settings: &mut ListSettings, site: &MmCfg) {
    if settings.host_name.trim().is_empty() {
        let host = site.text("DEFAULT_HOST_NAME").or(site.text("DEFAULT_EMAIL_HOST"));
        settings.host_name = host.unwrap_or("localhost").to_owned();
        old.remark(format!("it has no host name; {} is used", settings.host_name));
    }
    settings.host_name = settings.host_name.trim().to_lowercase();
    if settings.archive && site.get(TO_MBOX).and_then(Literal::as_whole) == Some(-1) {
        settings.archive = false;
    }
    let url = settings.web_page_url.trim();
    let is_page = url.starts_with("http://") || url.starts_with("https://");
    if !url.is_empty() && !is_page {
        old.remark(format!(
            "web_page_url {url:?} is not the address of a page; the site's is used"
        ));
        settings.web_page_url.clear();
    } else if !url.is_empty() && !url.ends_with('/') {
        settings.web_page_url = format!("{url}/");
    }
    let rows = settings.topics.0.as_array_mut();
    let mut lost = 0;
    if let Some(rows) = rows {
        let before = rows.len();
        rows.retain(|row| {
            let row = row.as_array().map(Vec::as_slice);
            matches!(row, Some([serde_json::Value::String(name), pattern, _, _])
                if !name.is_empty() && pattern.is_string())
        });
        lost = before - rows.len();
    }
    if lost > 0 {
        old.remark(format!("{lost} topics are invalid and are discarded, as in Mailman"));
    }
    if old.version < 106
        && let Some(rows) = settings.topics.0.as_array_mut()
    {
        for row in rows {
            if let Some(pattern) = row.get_mut(1) {
                *pattern = json!(without_comments(pattern.as_str().unwrap_or_default()));
            }
        }
    }
}

/// Reports values that an administrator could not set here. They are kept for the way back, and
/// because parts of them are usable.
fn judge(old: &mut Old<'_, '_>, settings: &ListSettings, name: &str) {
    // A list that is named may be imported later.
    let list = Subject { name, settings, is_list: &|_| true };
    // Hashes in old formats are accepted, too.
    let names = ListSettings::names().iter().filter(|name| !name.ends_with("password"));
    for setting in names {
        if let Err(wrong) = ListSettings::check(setting, list) {
            old.remark(format!("{setting}: {wrong}; it is kept unchanged"));
        }
    }
}

/// Removes blanks and comments from a topic's pattern: before schema 106 these were "verbose"
/// patterns.
fn without_comments(pattern: &str) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                out.push(letter);
                out.extend(letters.next());
            }
            '#' if !in_class => {
                // The line end itself is a blank.
                let _comment = letters.by_ref().find(|letter| *letter == '\n');
            }
            letter if letter.is_whitespace() && !in_class => {}
            letter => {
                in_class = letter == '[' || (in_class && letter != ']');
                out.push(letter);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_comments_of_verbose_patterns_go() {
        assert_eq!(without_comments("tea | [ #] \\  # green\n \\#x"), "tea|[ #]\\ \\#x");
    }
}
