//! The text of `dormouse.toml`: reading settings, and changing them while everything else is kept.

use super::{Config, KEYS, SiteSettingEntry};
use crate::StoreError;
use crate::value::SettingValue as _;
use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use toml_edit::{DocumentMut, Item, Table};

impl Config {
    /// Changes one setting in `dormouse.toml`, and keeps everything else in the file. The file is
    /// replaced atomically.
    pub fn set(path: &Path, key: &str, value: &str) -> Result<Config, StoreError> {
        Config::set_all(path, &[(key, value)])
    }

    /// As [`Config::set`], for several settings.
    pub fn set_all(path: &Path, changes: &[(&str, &str)]) -> Result<Config, StoreError> {
        let mut text = fs::read_to_string(path).map_err(StoreError::io("read", path))?;
        let wrong = |problem| StoreError::Config { path: path.to_owned(), problem };
        let mut config = Config::parse(&text).map_err(wrong)?;
        for (key, value) in changes {
            config.put(key, value).map_err(StoreError::Setting)?;
            text = changed(&text, key, value).map_err(wrong)?;
        }
        replace(path, text.as_bytes())?;
        Ok(config)
    }

    /// Returns the text of a new site's `dormouse.toml`, with the defaults of all settings as
    /// comments.
    pub(crate) fn new_file(host: &str) -> String {
        let mut text =
            "# The settings of this site. Lines after a # show the defaults; change them \
                        with\n# `dormouse config set KEY VALUE` or an editor.\n"
                .to_owned();
        let entries = Config::default().entries();
        let section_of = |entry: &SiteSettingEntry| {
            entry.key.split_once('.').map_or("", |(section, _)| section).to_owned()
        };
        let mut sections: Vec<String> = vec![String::new()];
        for entry in &entries {
            let section = section_of(entry);
            if !sections.contains(&section) {
                sections.push(section);
            }
        }
        for section in sections {
            if !section.is_empty() {
                text.push_str(&format!("\n[{section}]\n"));
            }
            for entry in entries.iter().filter(|entry| section_of(entry) == section) {
                let name = entry.key.rsplit('.').next().unwrap_or_default();
                text.push_str(&commented(&entry.doc));
                if entry.key == "host" {
                    text.push_str(&format!("host = {}\n", toml_value(host)));
                    continue;
                }
                text.push_str(&format!("#{name} = {}\n", toml_value(entry.default)));
            }
        }
        text + &commented(
            "Other defaults for new lists: any setting that `dormouse list show LIST \
             --explain` prints.",
        ) + "[list-defaults]\n#archive_private = \"yes\"\n"
    }

    /// Returns the valid part of a value, if any, and the problems with the rest. Of several items,
    /// the valid ones are kept.
    pub fn usable(key: &str, value: &str) -> (Option<String>, Vec<String>) {
        let put = |value: &str| Config::default().put(key, value);
        let Err(problem) = put(value) else { return (Some(value.to_owned()), Vec::new()) };
        // An item with a line feed is not split at commas.
        let items = || value.split_inclusive('\n').filter(|item| item.ends_with('\n'));
        let kept: String = items().filter(|item| put(item).is_ok()).collect();
        if kept.is_empty() {
            return (None, vec![problem]);
        }
        (Some(kept), items().filter_map(|item| put(item).err()).collect())
    }
}

/// Returns the text of `dormouse.toml` with another value for one setting.
fn changed(text: &str, key: &str, value: &str) -> Result<String, String> {
    let written = match (value.parse::<i64>(), bool::read(value)) {
        (Ok(number), _) => toml_edit::value(number),
        _ => toml_edit::value(value),
    };
    let written = written.into_value().map_err(|_| format!("{key} is not a value"))?;
    let mut document: DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let (section, name) = key.split_once('.').map_or(("", key), |(section, name)| (section, name));
    let table = match section {
        "" => document.as_table_mut(),
        section => document
            .as_table_mut()
            .entry(section)
            .or_insert_with(toml_edit::table)
            .as_table_mut()
            .ok_or_else(|| format!("{section} is not a table"))?,
    };
    Ok(match table.get_mut(name).and_then(Item::as_value_mut) {
        // A comment after the value is kept.
        Some(old) => {
            let decor = old.decor().clone();
            *old = written;
            *old.decor_mut() = decor;
            document.to_string()
        }
        None => match uncommented(text, section, name, &written) {
            Some(changed) => changed,
            None => {
                table.insert(name, written.into());
                document.to_string()
            }
        },
    })
}

/// Formats a value for `dormouse.toml`.
fn toml_value(text: &str) -> String {
    match text.parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => toml_edit::Value::from(text).to_string(),
    }
}

/// Formats a sentence as lines of a comment, after an empty line.
fn commented(sentence: &str) -> String {
    const WIDTH: usize = 98;
    let (mut text, mut line) = ("\n".to_owned(), "#".to_owned());
    for word in sentence.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = "#".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    text + &line + "\n"
}

/// Returns the file with a setting in place of the comment that shows its default; `None` if there
/// is no such comment.
fn uncommented(text: &str, section: &str, name: &str, value: &toml_edit::Value) -> Option<String> {
    let shown = format!("#{name} = ");
    let (mut inside, mut changed) = ("", None);
    for (at, line) in text.split('\n').enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            inside = header.split(']').next().unwrap_or_default();
        } else if inside == section && line.starts_with(&shown) {
            changed = Some(at);
            break;
        }
    }
    let changed = changed?;
    let line_of = |(at, line): (usize, &str)| match at == changed {
        true => format!("{name} = {}", value.to_string().trim()),
        false => line.to_owned(),
    };
    let text = text.split('\n').enumerate().map(line_of).collect::<Vec<_>>().join("\n");
    // A line in a multi-line string may only look like a comment.
    let document: DocumentMut = text.parse().ok()?;
    let table = if section.is_empty() {
        Some(document.as_table())
    } else {
        document.get(section)?.as_table()
    };
    table?.get(name).and_then(Item::as_value).map(|_| text)
}

/// Returns the text without comment lines, which are most of a settings file, so that parsing at
/// each start is faster. Other lines keep their numbers.
pub(super) fn without_comments(text: &str) -> Cow<'_, str> {
    let mut kept = String::with_capacity(text.len() / 4);
    for line in text.split_inclusive('\n') {
        if line.trim_start_matches([' ', '\t']).starts_with('#') {
            kept.push_str(if line.ends_with('\n') { "\n" } else { line });
        } else if line.contains("\"\"\"") || line.contains("'''") {
            // In a multi-line string, which begins here, such lines are not comments.
            return Cow::Borrowed(text);
        } else {
            kept.push_str(line);
        }
    }
    Cow::Owned(kept)
}

/// Returns the dotted keys with their values as text.
pub(super) fn flatten(prefix: &str, table: &Table) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    for (key, item) in table {
        let key = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match item {
            Item::Table(inner) if KEYS.contains(&&*key) => {
                flat.push((key, inner.iter().map(|(name, item)| line(name, item)).collect()));
            }
            Item::Table(inner) => flat.extend(flatten(&key, inner)),
            Item::Value(value) => {
                flat.push((key, plain(value)));
            }
            _ => flat.push((key, String::new())),
        }
    }
    flat
}

/// Returns one line of a multi-line setting, written as a key of a table.
fn line(name: &str, item: &Item) -> String {
    let value = match (item.as_value(), item.as_table_like()) {
        (Some(value), None) => plain(value),
        (_, Some(table)) => {
            let word = |(name, item): (&str, &Item)| {
                format!("{name}={} ", item.as_value().map(plain).unwrap_or_default())
            };
            table.iter().map(word).collect()
        }
        (None, None) => String::new(),
    };
    format!("{name}: {}\n", value.trim())
}

/// Returns a value as text, with one line for each item of an array.
fn plain(value: &toml_edit::Value) -> String {
    if let Some(table) = value.as_inline_table() {
        let value =
            |(name, value): (&str, &toml_edit::Value)| line(name, &Item::Value(value.clone()));
        return table.iter().map(value).collect();
    }
    match (value.as_str(), value.as_array()) {
        (Some(text), _) => text.to_owned(),
        (_, Some(items)) => items.iter().flat_map(|item| [plain(item), "\n".to_owned()]).collect(),
        _ => value.to_string().trim().to_owned(),
    }
}

/// Replaces a file atomically and durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("toml.new");
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o660).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(StoreError::io("write", path))
}
