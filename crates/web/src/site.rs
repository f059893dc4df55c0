//! The site, for its administrators: all lists, the people who run them, and the settings.

use crate::desk::{Fields, PageProblem, Sent};
use crate::held::since;
use crate::page::{self, Frame};
use crate::seat::{Room, RunsSite, room_page};
use crate::server::App;
use crate::settings::{
    self, ChangesPage, DiffPage, FormPage, MOST_CHANGES, SettingField, ShownChange,
};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_archive::percent;
use dormouse_clock::Timestamp;
use dormouse_store::config::SiteSettingEntry;
use dormouse_store::overview::{Glance, Glances};
use dormouse_store::{Config, SettingChange, StoreError, site_changes};
use dormouse_words::say;
use std::sync::Arc;

/// The number of lists, or people, on a page.
const SHOWN: usize = 50;
/// The name of the page with search results.
const SEARCH: &str = "search";

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .merge(room_page("/site", overview, None))
        .merge(room_page("/site/people", people, None))
        .merge(room_page("/site/settings", sections, None))
        .merge(room_page("/site/settings/{page}", show, Some(change)))
        .merge(room_page("/site/changes", changes, Some(revert)))
}

#[derive(Template)]
#[template(path = "site.html")]
struct OverviewPage {
    frame: Frame,
    action: String,
    query: String,
    host: String,
    hosts: Vec<(String, u64, String)>,
    lists: Vec<Line>,
    next: Option<String>,
}

/// A list in the overview.
struct Line {
    glance: Glance,
    url: String,
    last_post: String,
}

#[derive(Template)]
#[template(path = "site_people.html")]
struct PeoplePage {
    frame: Frame,
    action: String,
    query: String,
    people: Vec<Person>,
    next: Option<String>,
}

/// A person who runs lists.
struct Person {
    address: String,
    /// The lists' names and addresses.
    owns: Vec<(String, String)>,
    moderates: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "site_settings.html")]
struct SectionsPage {
    frame: Frame,
    search: String,
    changes: String,
    sections: Vec<(String, String, usize)>,
}

fn overview(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let query = &room.asked.query;
    let (word, host, after) = (query.get("q"), query.get("host"), query.get("after"));
    let most = SHOWN as u32 + 1;
    let mut found = room.store.read().glances(Glances { word, host, after, most })?;
    let more = found.len() > SHOWN;
    found.truncate(SHOWN);
    let last = found.last().filter(|_| more).map(|list| list.name.clone());
    let next = last.map(|last| {
        let (word, host) = (percent(word), percent(host));
        format!("{}?q={word}&host={host}&after={}", room.place("site"), percent(&last))
    });
    let hosts = room.store.read().hosts()?.into_iter().map(|(host, lists)| {
        let place = format!("{}?host={}", room.place("site"), percent(&host));
        (host, lists, place)
    });
    let frame = room.frame();
    let line = |glance: Glance| Line {
        url: room.place(&format!("admin/{}", percent(&glance.name))),
        last_post: match glance.last_post_time {
            at if at > Timestamp::EPOCH => since(&frame, at),
            _ => String::new(),
        },
        glance,
    };
    let page = OverviewPage {
        frame: room.frame(),
        action: room.place("site"),
        query: word.to_owned(),
        host: host.to_owned(),
        hosts: hosts.collect(),
        lists: found.into_iter().map(line).collect(),
        next,
    };
    Ok(page::page(StatusCode::OK, &page))
}

fn people(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let query = &room.asked.query;
    let (word, after) = (query.get("q").to_lowercase(), query.get("after"));
    let linked = |names: Vec<String>| {
        let place = |name: String| {
            let url = room.place(&format!("admin/{}", percent(&name)));
            (name, url)
        };
        names.into_iter().map(place).collect()
    };
    let found = room.store.read().who_runs_lists()?.into_iter();
    let found = found.filter(|(address, _)| address.as_str() > after && address.contains(&word));
    let mut people: Vec<Person> = found
        .take(SHOWN + 1)
        .map(|(address, charge)| Person {
            address: address.into(),
            owns: linked(charge.owns),
            moderates: linked(charge.moderates),
        })
        .collect();
    let more = people.len() > SHOWN;
    people.truncate(SHOWN);
    let last = people.last().filter(|_| more);
    let page = PeoplePage {
        frame: room.frame(),
        action: room.place("site/people"),
        next: last.map(|last| {
            let (word, after) = (percent(&word), percent(&last.address));
            format!("{}?q={word}&after={after}", room.place("site/people"))
        }),
        query: query.get("q").to_owned(),
        people,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// The settings that pages show: no secrets.
fn entries(config: &Config) -> Vec<SiteSettingEntry> {
    let mut entries = config.entries();
    for key in site_changes::defaults_for_pages() {
        if entries.iter().all(|entry| entry.key != key) {
            entries.extend(config.entry(key).ok());
        }
    }
    entries.retain(|entry| !is_secret(&entry.key));
    entries
}

/// Whether a setting's name says that its value is a secret.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or_default();
    name.ends_with("password") || name.ends_with("secret")
}

/// The section of a setting.
fn section(entry: &SiteSettingEntry) -> &str {
    entry.key.split_once('.').map_or("general", |(section, _)| section)
}

fn is_changed(config: &Config, entry: &SiteSettingEntry) -> bool {
    match entry.key.strip_prefix("list-defaults.") {
        Some(name) => config.list_defaults.contains_key(name),
        None => Config::default().entry(&entry.key).is_ok_and(|new| new.value != entry.value),
    }
}

/// The settings in the file now, which may be newer than the process's.
fn config(room: &Room<RunsSite>) -> Result<Config, PageProblem> {
    Ok(Config::load(&room.app.site.config_file())?)
}

fn sections(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let config = config(room)?;
    let mut sections: Vec<(String, String, usize)> = Vec::new();
    for entry in entries(&config) {
        let name = section(&entry);
        if sections.iter().all(|(known, ..)| known != name) {
            let place = room.place(&format!("site/settings/{name}"));
            sections.push((name.to_owned(), place, 0));
        }
        if is_changed(&config, &entry)
            && let Some(known) = sections.iter_mut().find(|(known, ..)| known == name)
        {
            known.2 += 1;
        }
    }
    let page = SectionsPage {
        frame: room.frame(),
        search: room.place(&format!("site/settings/{SEARCH}")),
        changes: room.place("site/changes"),
        sections,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// The settings of a page: those of a section, or the search results.
fn of_page(config: &Config, page: &str, query: &str) -> Vec<SiteSettingEntry> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let has_words = |entry: &SiteSettingEntry| {
        let text = format!("{} {}", entry.key, entry.doc).to_lowercase();
        !words.is_empty() && words.iter().all(|word| text.contains(word))
    };
    let is_meant = |entry: &SiteSettingEntry| {
        if page == SEARCH { has_words(entry) } else { section(entry) == page }
    };
    entries(config).into_iter().filter(is_meant).collect()
}

fn show(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let query = room.asked.query.get("q").to_owned();
    let saved: usize = room.asked.query.get("saved").parse().unwrap_or(0);
    let said = settings::said_saved(&room.frame(), saved);
    form(room, room.asked.part("page"), query, &Fields::default(), said, String::new())
}

/// The form of a page, with the refused input.
fn form(
    room: &Room<RunsSite>,
    page: &str,
    query: String,
    typed: &Fields,
    said: String,
    problem: String,
) -> Result<Response, PageProblem> {
    let config = config(room)?;
    let found = of_page(&config, page, &query);
    if found.is_empty() && page != SEARCH {
        return Ok(page::not_found());
    }
    let frame = room.frame();
    let template = FormPage {
        title: match page {
            SEARCH => frame.say("Search").to_string(),
            page => frame.say("Settings of the site: {section}").with("section", page).to_string(),
        },
        action: room.place(&format!("site/settings/{page}")),
        back: room.place("site/settings"),
        query,
        is_search: page == SEARCH,
        settings: found.into_iter().map(|entry| field(&frame, &config, entry, typed)).collect(),
        frame,
        said,
        problem,
    };
    let status =
        if template.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page::page(status, &template))
}

fn field(frame: &Frame, config: &Config, entry: SiteSettingEntry, typed: &Fields) -> SettingField {
    let command = match site_changes::is_for_pages(&entry.key) {
        true => String::new(),
        false => format!("dormouse config set {} VALUE", entry.key),
    };
    let sent = typed.all(&format!("set-{}", entry.key)).next().map(settings::as_sent);
    SettingField {
        is_changed: is_changed(config, &entry),
        value: sent.unwrap_or(entry.value),
        name: entry.key.into_owned(),
        doc: frame.doc(entry.doc),
        kind: frame.doc(entry.kind.to_owned()),
        default: match entry.default {
            "" => frame.say("empty").to_string(),
            default => default.to_owned(),
        },
        choices: entry.choices,
        command,
    }
}

/// The changes in a form. Settings that pages may not change are ignored.
fn differences(config: &Config, sent: &Fields) -> Result<Vec<ShownChange>, String> {
    let mut changes = Vec::new();
    for entry in entries(config) {
        let Some(text) = sent.all(&format!("set-{}", entry.key)).next().map(settings::as_sent)
        else {
            continue;
        };
        if !site_changes::is_for_pages(&entry.key) {
            continue;
        }
        let new = config.with(&[(&entry.key, &text)])?;
        if new.entry(&entry.key).is_ok_and(|new| new.value != entry.value) {
            changes.push(ShownChange { name: entry.key.into_owned(), old: entry.value, new: text });
        }
    }
    Ok(changes)
}

fn change(room: &Room<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let page = room.asked.part("page");
    let query = sent.get("q").to_owned();
    let config = config(room)?;
    let refused = |problem: String| form(room, page, query.clone(), sent, String::new(), problem);
    let mut fields = Fields::clone(sent);
    if let Some(key) = sent.get("do").strip_prefix("default:") {
        let Some(entry) = entries(&config).into_iter().find(|entry| entry.key == key) else {
            return Ok(page::not_found());
        };
        fields = Fields(vec![(format!("set-{key}"), entry.default.to_owned())]);
    }
    let changes = match differences(&config, &fields) {
        Ok(changes) => changes,
        Err(problem) => return refused(problem),
    };
    if changes.is_empty() {
        let said = room.frame().say("Nothing was changed.").to_string();
        return form(room, page, query, &Fields::default(), said, String::new());
    }
    if sent.get("do") != "save" {
        let template = DiffPage {
            frame: room.frame(),
            action: room.place(&format!("site/settings/{page}")),
            back: room.place(&format!("site/settings/{page}")),
            query,
            changes,
            example: None,
        };
        return Ok(page::page(StatusCode::OK, &template));
    }
    match put(room, &changes) {
        Err(StoreError::Setting(problem)) => refused(problem),
        Err(error) => Err(error.into()),
        Ok(()) => {
            let place = room.place(&format!("site/settings/{page}"));
            let query = percent(&query);
            Ok(page::see_other(&format!("{place}?saved={}&q={query}", changes.len())))
        }
    }
}

fn put(room: &Room<RunsSite>, changes: &[ShownChange]) -> Result<(), StoreError> {
    let pairs: Vec<(&str, &str)> =
        changes.iter().map(|change| (change.name.as_str(), change.new.as_str())).collect();
    room.app.site.change(&room.store, &pairs)?;
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    tracing::info!("{} changed on the web by {}", names.join(", "), room.account.name());
    Ok(())
}

fn changes(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let before = room.asked.query.get("before").parse().ok();
    let mut found = room.store.read().site_changes(before, MOST_CHANGES)?;
    let last =
        found.last().map(|change| change.id).filter(|_| found.len() == MOST_CHANGES as usize);
    found.retain(|change| !is_secret(&change.name));
    let frame = room.frame();
    let said = room.asked.query.has("reverted");
    let said = if said { frame.say("The change was reverted.").to_string() } else { String::new() };
    let page = ChangesPage {
        list: frame.say("The site").to_string(),
        action: room.place("site/changes"),
        back: room.place("site/settings"),
        said,
        changes: found
            .into_iter()
            .map(|change| {
                let is_for_pages = site_changes::is_for_pages(&change.name);
                settings::line(&frame, change).if_revertible(is_for_pages)
            })
            .collect(),
        frame: room.frame(),
        older: last.map(|id| format!("{}?before={id}", room.place("site/changes"))),
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Restores the value that a setting had before a change.
fn revert(room: &Room<RunsSite>, sent: &Sent) -> Result<Response, PageProblem> {
    let id = sent.get("revert").parse().unwrap_or(0);
    let is_mine = |change: &SettingChange| site_changes::is_for_pages(&change.name);
    let Some(found) = room.store.read().site_change(id)?.filter(is_mine) else {
        return Ok(page::not_found());
    };
    let change = ShownChange { name: found.name, old: found.new_value, new: found.old_value };
    match put(room, &[change]) {
        Ok(()) => Ok(page::see_other(&format!("{}?reverted", room.place("site/changes")))),
        Err(StoreError::Setting(problem)) => Ok(page::message(
            StatusCode::UNPROCESSABLE_ENTITY,
            say("This cannot be reverted"),
            &problem,
        )),
        Err(error) => Err(error.into()),
    }
}
