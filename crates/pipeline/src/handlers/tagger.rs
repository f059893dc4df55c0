//! Finds the list's topics that a post is about (docs/spec/pipeline.md §2.9).

use super::{Flow, HandlerError, Post};
use dormouse_mail::{Message, encoded_word, mime};
use dormouse_membership::patterns;

/// Stores the topics of a post in its metadata, for members who chose topics.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    let settings = &post.list.settings;
    if !settings.topics_enabled {
        return Ok(Flow::Next);
    }
    let lines = subject_lines(&post.message, settings.topics_bodylines_limit);
    let mut hits: Vec<String> = Vec::new();
    for (name, pattern) in topics(&settings.topics.0) {
        let hit = lines.iter().any(|line| patterns::search(&*post, "topics", &pattern, line));
        if hit && !hits.contains(&name) {
            hits.push(name);
        }
    }
    if !hits.is_empty() {
        post.metadata.edit().topic_hits(&hits);
        post.message.append_raw("X-Topics", hits.join("\n\t").as_bytes());
    }
    Ok(Flow::Next)
}

/// Returns the names of topics with their patterns. The lines of a pattern are alternatives.
fn topics(setting: &serde_json::Value) -> Vec<(String, String)> {
    let entries = setting.as_array().map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            let name = entry.get(0)?.as_str()?.to_owned();
            let lines = entry.get(1)?.as_str()?.lines().map(str::trim);
            let pattern: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
            (!pattern.is_empty()).then(|| (name, pattern.join("|")))
        })
        .collect()
}

/// Returns the subjects and keywords in the header, and in lines like headers at the top of the
/// text.
fn subject_lines(message: &Message, limit: i64) -> Vec<String> {
    const NAMES: [&str; 2] = ["Subject", "Keywords"];
    let mut lines: Vec<String> = NAMES
        .iter()
        .flat_map(|name| message.fields_named(name))
        .map(|field| field.text())
        .collect();
    if limit == 0 {
        return lines;
    }
    let Some(text) = plain_text(message) else { return lines };
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let top = text.lines().filter(|line| !line.trim().is_empty()).take(most);
    for line in top {
        let Some((name, value)) = line.split_once(':') else { break };
        if name.is_empty() || name.contains(char::is_whitespace) {
            break;
        }
        if NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            lines.push(encoded_word::decode(value.trim().as_bytes()));
        }
    }
    lines
}

/// Returns the plain text of a message, also from a multipart/alternative.
fn plain_text(message: &Message) -> Option<String> {
    let root = mime::structure(message);
    let plain = match root.content_type.value.as_str() {
        "text/plain" => Some(&root),
        "multipart/alternative" => {
            root.parts.iter().find(|part| part.content_type.value == "text/plain")
        }
        _ => None,
    };
    plain.map(|part| part.text(message.body()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const TOPICS: &str =
        r#"[["rust", "rust\ncargo", "", 0], ["umlaut", "grüße", "", 0], ["none", "", "", 0]]"#;

    fn hits(limit: &str, raw: &str) -> Vec<String> {
        let fixture = Fixture::new(&[
            ("topics_enabled", "yes"),
            ("topics", TOPICS),
            ("topics_bodylines_limit", limit),
        ]);
        let outcome = fixture.run(run, raw, |_| {});
        let hits = outcome.metadata.texts("topichits").unwrap_or_default();
        let header: Vec<String> = outcome
            .message
            .fields_named("X-Topics")
            .flat_map(|field| field.text().split('\t').map(str::to_owned).collect::<Vec<_>>())
            .filter(|name| !name.is_empty())
            .collect();
        assert_eq!(header, hits);
        hits
    }

    #[test]
    fn topics_are_looked_for_where_the_list_says() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("5", "Subject: I use RUST\n\nx\n", &["rust"]),
            (
                "5",
                "Keywords: cargo\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nx\n",
                &["rust", "umlaut"],
            ),
            ("5", "Subject: x\n\nKeywords: rust\n\ntext\n", &["rust"]),
            ("5", "Subject: x\n\ntext\nKeywords: rust\n", &[]),
            ("1", "Subject: x\n\nSubject: y\nKeywords: rust\n", &[]),
            ("0", "Subject: x\n\nKeywords: rust\n", &[]),
            ("-1", "Subject: x\n\nA: b\nC: d\nE: f\nG: h\nI: j\nK: l\nKeywords: rust\n", &["rust"]),
            ("5", "Subject: x\nContent-Type: text/html\n\nKeywords: rust\n", &[]),
            (
                "5",
                "Subject: x\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nKeywords: rust\n--b--\n",
                &["rust"],
            ),
            (
                "5",
                "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nKeywords: rust\n--b--\n",
                &[],
            ),
        ];
        for (limit, raw, expected) in cases {
            assert_eq!(hits(limit, raw), *expected, "{limit} {raw}");
        }
    }

    #[test]
    fn without_topics_nothing_is_noted() {
        let fixture = Fixture::new(&[("topics", TOPICS)]);
        let outcome = fixture.run(run, "Subject: rust\n\nx\n", |_| {});
        assert!(!outcome.metadata.has("topichits") && !outcome.message.has("X-Topics"));
    }
}
