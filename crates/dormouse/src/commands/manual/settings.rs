//! The pages about settings, generated from their tables.

use super::page::{Page, escape, folded, head, marked};
use dormouse_store::{Config, ListSettings};

/// A setting as the pages show it.
struct Setting {
    name: String,
    kind: String,
    default: String,
    doc: String,
}

/// `dormouse.toml(5)`.
pub fn of_site() -> Page {
    let config = Config::default();
    let settings = config.entries().into_iter().map(|entry| Setting {
        name: entry.key.into_owned(),
        kind: entry.kind.to_owned(),
        default: entry.default.to_string(),
        doc: entry.doc,
    });
    let about = "The settings of a site are in the TOML file dormouse.toml in its directory. A name \
                 such as web.listen is the key listen of the table [web]. `dormouse config show \
                 --explain` prints all with their values, `dormouse config set KEY VALUE` checks and \
                 writes one.";
    page("dormouse.toml", "settings of a site", about, settings)
}

/// `dormouse-list-settings(5)`.
pub fn of_lists() -> Page {
    let settings = ListSettings::default().entries().into_iter().map(|entry| Setting {
        name: entry.name.to_owned(),
        kind: entry.kind.to_owned(),
        default: entry.value.to_string(),
        doc: entry.doc,
    });
    let about = "The settings of a list have Mailman's names. `dormouse list show LIST --explain` \
                 prints all with their values, `dormouse list set LIST KEY=VALUE` checks and writes some.";
    page("dormouse-list-settings", "settings of a list", about, settings)
}

fn page(name: &str, summary: &str, about: &str, settings: impl Iterator<Item = Setting>) -> Page {
    let mut roff = head(name, 5, summary);
    let mut text = format!("{name} - {summary}\n\n{about}\n");
    roff.push_str(&format!(".SH DESCRIPTION\n{}\n.SH SETTINGS\n", marked(about)));
    for Setting { name, kind, default, doc } in settings {
        let default = if default.is_empty() { "empty".to_owned() } else { default };
        let default = default.trim_end().replace('\n', " ⏎ ");
        roff.push_str(&format!(
            ".TP\n\\fB{}\\fR ({})\n{}\n.br\nDefault: {}\n",
            escape(&name),
            escape(&kind),
            marked(&doc),
            escape(&default)
        ));
        text.push_str(&format!("\n{name} ({kind})\n    {doc}\n    Default: {default}\n"));
    }
    Page {
        name: name.to_owned(),
        section: 5,
        summary: summary.to_owned(),
        roff: folded(&roff),
        text,
    }
}
