//! Posts are archived at permanent addresses, on harmless pages, whichever process dies in between.

#[path = "mailman21/unpack.rs"]
mod mailman21;

use dormouse_testkit::corpus::Corpus;
use dormouse_testkit::site::{TestSite, describe, files_in, message};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Every point of `fault::point` on the way into an archive.
const POINTS: [&str; 7] = [
    "archive.written",
    "archive.synced",
    "archive.appended",
    "archive.indexed",
    "archive.page",
    "archive.listing",
    "archive.committed",
];

fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site
}

fn tree(site: &TestSite, list: &str) -> PathBuf {
    site.dir().join("archives/private").join(list)
}

fn mbox(site: &TestSite, list: &str) -> PathBuf {
    site.dir().join(format!("archives/private/{list}.mbox/{list}.mbox"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes the first messages of a corpus to an mbox.
fn corpus(site: &TestSite, count: usize, pace: i64) -> String {
    let path = site.dir().join("corpus.mbox");
    let mut bytes = Vec::new();
    Corpus::new(7, pace).write_mbox(count, &mut bytes).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Returns every file below a directory by its path; for a link, its target.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, target.to_str().unwrap().as_bytes().to_vec());
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn is_article(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap();
    let digits = file.strip_suffix(".html").unwrap_or_default();
    digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the pages of messages, by their addresses.
fn articles(root: &Path) -> BTreeMap<String, String> {
    files(root)
        .into_iter()
        .filter(|(name, _)| is_article(name))
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .collect()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Vec<&'t str> {
    text.split(start).skip(1).map(|rest| rest.split(end).next().unwrap()).collect()
}

/// Checks that every link of every page leads somewhere, and that nothing is loaded from elsewhere.
fn check_links(root: &Path) {
    let pages = files(root);
    let ids: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .filter(|(name, _)| name.ends_with(".html"))
        .filter_map(|(name, bytes)| Some((name.as_str(), std::str::from_utf8(bytes).ok()?)))
        .map(|(name, text)| (name, between(text, " id=\"", "\"").into_iter().collect()))
        .collect();
    for (name, text) in &pages {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        if !name.ends_with(".html") || name.starts_with("id/") || name.starts_with("attachments/") {
            continue;
        }
        for load in between(text, " src=\"", "\"") {
            assert!(!load.contains(':'), "{name} loads {load}");
        }
        let base = Path::new(name).parent().unwrap();
        for link in
            between(text, " href=\"", "\"").into_iter().chain(between(text, " src=\"", "\""))
        {
            if link.contains(':') {
                let known = ["https:", "http:", "mailto:", "ftp:"];
                assert!(known.iter().any(|scheme| link.starts_with(scheme)), "{name}: {link}");
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = path.split('?').next().unwrap();
            let mut target = PathBuf::new();
            for piece in base.join(path).components() {
                match piece {
                    std::path::Component::ParentDir => assert!(target.pop(), "{name}: {link}"),
                    piece => target.push(piece),
                }
            }
            let target = target.to_str().unwrap();
            assert!(pages.contains_key(target), "{name} links to {link}, which is not there");
            // Indexes have several pages, and only those of threads are updated immediately.
            if !fragment.is_empty() && target.contains("/thread") {
                assert!(ids[target].contains(fragment), "{name}: no #{fragment} in {target}");
            }
        }
    }
}

/// Checks that a rebuild changes nothing: mbox, index and pages agree.
fn check_agreement(site: &TestSite, list: &str, messages: usize) {
    let text = String::from_utf8_lossy(&fs::read(mbox(site, list)).unwrap()).into_owned();
    let in_mbox = text.matches("\nX-List-Received-Date:").count();
    assert_eq!(in_mbox, messages, "messages in the mbox");
    assert_eq!(articles(&tree(site, list)).len(), messages, "pages");
    let before = files(&tree(site, list));
    check_links(&tree(site, list));
    let rebuilt = site.ok(&["archive", "rebuild", list]);
    assert!(rebuilt.contains(&format!("{messages} message")), "{rebuilt}");
    let after = files(&tree(site, list));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for (name, bytes) in &before {
        assert!(after[name] == *bytes, "{name} differs after a rebuild");
    }
}

#[test]
fn a_post_is_archived_where_its_archived_at_header_says() {
    let site = site();
    site.post("dev", &message("bert@example.com", "first", "Hello <b>all</b>\n"));
    site.post("dev", b"From: Carla <carla@example.com>\nSubject: Re: first\nMessage-ID: <second@test.example>\nIn-Reply-To: <first@test.example>\nDate: Mon, 23 Nov 2026 11:00:00 +0000\n\n> Hello\nHello Bert, write to bert@example.com\n");
    site.post("dev", b"From: d@example.com\nX-No-Archive: yes\nSubject: off the record\nMessage-ID: <third@test.example>\n\nx\n");
    let summary = site.ok(&["run", "--json"]);
    assert!(summary.contains("\"archived\""), "{summary}");
    assert!(files_in(&site.queue("archive")).is_empty());
    let root = tree(&site, "dev");
    let pages = articles(&root);
    let names: Vec<&str> = pages.keys().map(String::as_str).collect();
    assert_eq!(names, ["2026-November/000000.html", "2026-November/000001.html"]);
    let first = &pages["2026-November/000000.html"];
    assert!(first.contains("Hello &lt;b&gt;all&lt;/b&gt;"), "{first}");
    assert!(first.contains("bert at example.com") && !first.contains("bert@example.com"));
    let second = &pages["2026-November/000001.html"];
    assert!(second.contains("In reply to <a href=\"../2026-November/000000.html\">"), "{second}");
    let threads = read(root.join("2026-November/index.html"));
    assert!(threads.contains("<li id=\"1\"><a href=\"000001.html\">Carla</a>"), "{threads}");
    for mail in site.maildir("anna@example.org") {
        let mail = String::from_utf8(mail).unwrap();
        let Some(url) = between(&mail, "Archived-At: <", ">").first().copied() else {
            assert!(mail.contains("X-No-Archive"), "{mail}");
            continue;
        };
        let path = url.strip_prefix("https://lists.example.org/pipermail/dev/").unwrap();
        let subject = between(&mail, "\nSubject: ", "\n")[0].trim_start_matches("Re: ");
        assert!(read(root.join(path)).contains(&format!("<h1>{subject}</h1>")), "{url}");
    }
    let text = read(root.join("2026-November.txt"));
    assert!(text.contains("From: bert at example.com (bert at example.com)"), "{text}");
    let feed = read(root.join("atom.xml"));
    assert!(feed.contains(
        "<link href=\"https://lists.example.org/pipermail/dev/2026-November/000001.html\"/>"
    ));
    check_agreement(&site, "dev", 2);
    let packed = site.ok(&["cron", "nightly_gzip"]);
    assert!(packed.contains("1 volume compressed"), "{packed}");
    assert!(read(root.join("index.html")).contains("2026-November.txt.gz"));
    check_links(&root);
    assert!(site.ok(&["cron", "nightly_gzip"]).contains("0 volumes compressed"));
    let trace = site.ok(&["trace", "<first@test.example>"]);
    assert!(trace.contains("archived"), "{trace}");
}

#[test]
fn a_private_archive_is_never_in_the_public_tree() {
    let site = site();
    let public = site.dir().join("archives/public");
    site.ok(&["list", "set", "dev", "archive_private=yes"]);
    site.post("dev", &message("bert@example.com", "secret", "x\n"));
    site.ok(&["run"]);
    assert_eq!(articles(&tree(&site, "dev")).len(), 1);
    assert!(files_in(&public).is_empty());
    site.ok(&["list", "set", "dev", "archive_private=no"]);
    assert!(public.join("dev/2026-November/000000.html").is_file());
    site.ok(&["list", "set", "dev", "archive_private=yes"]);
    assert!(files_in(&public).is_empty());
    // Whoever says so.
    for (value, shown) in [("0", 1), ("1", 0)] {
        let input = format!("archive_private = {value}\n");
        site.feed(&["compat", "config_list", "-i", "-", "dev"], input.as_bytes());
        assert_eq!(files_in(&public).len(), shown, "{value}");
    }
    // A run removes the link, however it was created.
    std::os::unix::fs::symlink("../private/dev", public.join("dev")).unwrap();
    site.post("dev", &message("bert@example.com", "again", "x\n"));
    site.ok(&["run"]);
    assert!(files_in(&public).is_empty());
    site.ok(&["list", "set", "dev", "archive_private=no"]);
    site.ok(&["list", "rm", "--yes", "dev"]);
    assert!(files_in(&public).is_empty());
}

#[test]
fn killed_anywhere_on_the_way_every_post_is_archived_once() {
    for point in POINTS {
        let site = site();
        site.ok(&["list", "set", "dev", "digestable=no"]);
        site.post("dev", &message("bert@example.com", "post0", "x\n"));
        site.ok(&["run"]);
        for post in 1..4 {
            site.post("dev", &message("bert@example.com", &format!("post{post}"), "x\n"));
        }
        let fault = format!("{point}:1");
        let status = site.command(&["run"]).env("DORMOUSE_FAULT", fault).output().unwrap().status;
        assert!(!status.success(), "nothing passes the point {point}");
        site.ok(&["run"]);
        check_agreement(&site, "dev", 4);
    }
}

#[test]
fn killed_while_another_process_indexes_no_post_leaves_the_mbox() {
    for point in ["archive.written", "archive.synced", "archive.appended"] {
        let site = site();
        site.post("dev", &message("bert@example.com", "post0", "x\n"));
        site.ok(&["run"]);
        // The lock that a rebuild holds from its start to its end.
        let path = site.dir().join("archives/index/dev.following");
        let following = fs::OpenOptions::new().write(true).open(path).unwrap();
        following.lock().unwrap();
        for post in 1..5 {
            site.post("dev", &message("bert@example.com", &format!("post{post}"), "x\n"));
            let mut run = site.command(&["run"]);
            if post % 2 == 0 {
                run.env("DORMOUSE_FAULT", format!("{point}:1"));
            }
            let output = run.output().unwrap();
            assert_eq!(output.status.success(), post % 2 == 1, "{point}: {}", describe(&output));
        }
        drop(following);
        site.ok(&["run"]);
        check_agreement(&site, "dev", 5);
    }
}

#[test]
fn a_killed_rebuild_continues_while_posts_arrive() {
    let site = site();
    let import = corpus(&site, 400, 100_000);
    site.ok(&["archive", "import", "dev", &import]);
    let before = files(&tree(&site, "dev"));
    check_links(&tree(&site, "dev"));
    for point in ["archive.indexed:2", "archive.committed:1", "archive.page:250"] {
        let killed = site
            .command(&["archive", "rebuild", "dev"])
            .env("DORMOUSE_FAULT", point)
            .output()
            .unwrap();
        assert!(!killed.status.success(), "nothing passes {point}: {}", describe(&killed));
    }
    // No message has lost its page meanwhile, and the rebuild continues where it was.
    assert_eq!(articles(&tree(&site, "dev")).len(), articles_of(&before));
    site.ok(&["archive", "rebuild", "dev"]);
    assert!(before == files(&tree(&site, "dev")), "a page differs after a rebuild");
    site.post("dev", &message("bert@example.com", "new", "x\n"));
    site.ok(&["run"]);
    let after = articles(&tree(&site, "dev"));
    assert_eq!(after.len(), articles_of(&before) + 1);
    assert!(after.contains_key("2026-November/000400.html"), "{:?}", after.keys().next_back());
}

fn articles_of(files: &BTreeMap<String, Vec<u8>>) -> usize {
    files.keys().filter(|name| is_article(name)).count()
}

#[test]
fn addresses_stay_when_the_index_is_lost() {
    let site = site();
    let import = corpus(&site, 150, 100_000);
    let added = site.ok(&["archive", "import", "dev", &import]);
    assert!(added.contains("150 messages added, 0 already there"), "{added}");
    let again = site.ok(&["archive", "import", "dev", &import]);
    assert!(again.contains("0 messages added, 150 already there"), "{again}");
    site.ok(&["list", "set", "dev", "archive_volume_frequency=year"]);
    let before = files(&tree(&site, "dev"));
    for file in files_in(&site.dir().join("archives/index")) {
        fs::remove_file(site.dir().join("archives/index").join(file)).unwrap();
    }
    let rebuilt = site.ok(&["archive", "rebuild", "dev"]);
    assert!(rebuilt.contains("150 messages"), "{rebuilt}");
    let after = files(&tree(&site, "dev"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let exported = site.run(&["archive", "export", "dev"]).stdout;
    assert_eq!(exported, fs::read(mbox(&site, "dev")).unwrap());
}

#[test]
fn many_messages_in_a_volume_are_on_many_pages_of_its_indexes() {
    let site = site();
    let import = corpus(&site, 1_000, 60);
    site.ok(&["archive", "import", "dev", &import]);
    let root = tree(&site, "dev");
    let names: Vec<String> = files_in(&root.join("2004-January"));
    for order in ["thread", "date", "subject", "author"] {
        let pages: Vec<&String> = names
            .iter()
            .filter(|name| {
                name.starts_with(&format!("{order}.")) || name.starts_with(&format!("{order}-"))
            })
            .collect();
        assert!(pages.len() > 2, "{order}: {pages:?}");
        let mut numbers = Vec::new();
        for page in pages {
            let text = read(root.join("2004-January").join(page));
            numbers.extend(between(&text, "<li id=\"", "\"").into_iter().map(str::to_owned));
        }
        assert_eq!(numbers.len(), 1_000, "{order}");
        assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>().len(), 1_000, "{order}");
    }
    check_links(&root);
}

#[test]
fn a_removed_message_leaves_a_tombstone_and_moves_nobody() {
    for fault in ["archive.removing:1", "archive.blanked:1"] {
        removed_and_killed_at(fault);
    }
}

fn removed_and_killed_at(fault: &str) {
    let site = site();
    for name in ["one", "two", "three"] {
        let text = format!(
            "From: bert@example.com\nSubject: {name}\nMessage-ID: <{name}@test.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nwords of {name}\n--b\nContent-Type: image/png; name={name}.png\n\n{name}\n--b--\n"
        );
        site.post("dev", text.as_bytes());
    }
    site.ok(&["run"]);
    let root = tree(&site, "dev");
    let before: Vec<String> = articles(&root).into_keys().collect();
    let killed = site
        .command(&["archive", "rm", "dev", "<two@test.example>"])
        .env("DORMOUSE_FAULT", fault)
        .output()
        .unwrap();
    assert!(!killed.status.success(), "{fault}");
    site.post("dev", &message("bert@example.com", "four", "x\n"));
    site.ok(&["run"]);
    let after = articles(&root);
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|name| after.contains_key(name)));
    assert!(after["2026-November/000001.html"].contains("This message was removed"));
    for (name, bytes) in files(&site.dir().join("archives/private")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("words of two") && !name.contains("two.png"), "{name}");
    }
    assert_eq!(site.ok(&["archive", "search", "dev", "words"]).matches("words of").count(), 2);
    check_links(&root);
    site.ok(&["archive", "rebuild", "dev"]);
    assert_eq!(articles(&root), after);
    let missing = site.run(&["archive", "rm", "dev", "two@test.example"]);
    assert_eq!(missing.status.code(), Some(66), "{}", describe(&missing));
}

#[test]
fn words_are_masked_in_every_byte_of_the_archive_and_nothing_moves() {
    for fault in ["archive.redacting:1", "archive.redacted:1", "archive.page:9"] {
        redacted_and_killed_at(fault);
    }
}

fn redacted_and_killed_at(fault: &str) {
    let site = site();
    for name in ["one", "two", "three"] {
        let coded = format!("From here,\n>From there: the {name}-word of M=C3=BCller");
        let text = format!(
            "From: bert@example.com\nSubject: {name}\nMessage-ID: <{name}@test.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n{coded}\n--b\nContent-Type: text/csv; name={name}.csv\n\n1,{name}-word\n--b--\n"
        );
        site.post("dev", text.as_bytes());
    }
    site.ok(&["run"]);
    let root = tree(&site, "dev");
    let before = articles(&root);
    let length = fs::metadata(mbox(&site, "dev")).unwrap().len();
    let words = ["archive", "redact", "dev", "<two@test.example>", "TWO-word"];
    // If the point was not reached, the command has completed.
    let killed = site.command(&words).env("DORMOUSE_FAULT", fault).output().unwrap();
    assert_eq!(killed.status.success(), fault == "archive.page:9", "{fault}");
    site.post("dev", &message("bert@example.com", "four", "x\n"));
    site.ok(&["run"]);
    assert!(fs::metadata(mbox(&site, "dev")).unwrap().len() > length);
    let after = articles(&root);
    assert!(before.keys().all(|name| after.contains_key(name)));
    assert!(after["2026-November/000001.html"].contains("the xxxxxxxx of Müller"), "{after:?}");
    for (name, bytes) in files(&site.dir().join("archives")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("two-word"), "{fault}: {name}");
    }
    assert_eq!(site.ok(&["archive", "search", "dev", "word"]).matches("word of").count(), 2);
    assert_eq!(site.ok(&["archive", "search", "dev", "xxxxxxxx"]).matches("xxxxxxxx").count(), 1);
    check_links(&root);
    site.ok(&["archive", "rebuild", "dev"]);
    assert_eq!(articles(&root), after);
    let again = site.run(&words);
    assert_eq!(again.status.code(), Some(65), "{}", describe(&again));
    let header = site.run(&["archive", "redact", "dev", "one@test.example", "one"]);
    assert_eq!(header.status.code(), Some(65), "{}", describe(&header));
    assert_eq!(articles(&root), after);
}

#[test]
fn messages_are_found_by_words_author_subject_and_date() {
    let site = site();
    site.plain_list("other", &[]);
    for (list, number, author, date, words) in [
        ("dev", 1, "Anna Berg", "4 Mar 2024", "green tea and biscuits"),
        ("dev", 2, "Jörg Weiß", "5 Apr 2024", "green apples, no tea"),
        ("other", 3, "Anna Čapek", "6 May 2024", "black tea"),
    ] {
        let text = format!(
            "From: {author} <a{number}@mail.example>\nSubject: letter {number}\nMessage-ID: <{number}@x>\nDate: {date} 10:00:00 +0000\nX-Mark: x\n\n{words}\n"
        );
        site.ok(&["list", "set", list, "archive_volume_frequency=year"]);
        let path = site.dir().join("one.mbox");
        fs::write(&path, format!("From a@x Mon Mar  4 10:00:00 2024\n{text}\n")).unwrap();
        site.ok(&["archive", "import", list, path.to_str().unwrap()]);
        let again = site.feed(&["archive", "import", list, "-"], &fs::read(&path).unwrap());
        let said = describe(&again);
        assert!(said.contains("0 messages added, 1 already there"), "{said}");
    }
    let found = |args: &[&str]| {
        let output = site.ok(&[&["archive", "search", "--json"], args].concat());
        let mut numbers: Vec<String> =
            between(&output, "\"message_id\": \"", "@x").into_iter().map(str::to_owned).collect();
        numbers.dedup();
        numbers.join(",")
    };
    assert_eq!(found(&["dev", "green tea"]), "2,1");
    assert_eq!(found(&["dev", "\"green tea\""]), "1");
    assert_eq!(found(&["dev", "green tea", "from:Anna Berg"]), "1");
    assert_eq!(found(&["dev", "green", "tea"]), "2,1");
    assert_eq!(found(&["dev", "tea -apples"]), "1");
    assert_eq!(found(&["dev", "tea", "-apples"]), "1");
    assert_eq!(found(&["dev", "from:jorg"]), "2");
    assert_eq!(found(&["dev", "from:a1@mail.example"]), "1");
    assert_eq!(found(&["dev", "tea after:2024-04"]), "2");
    assert_eq!(found(&["dev", "before:2024-04"]), "1");
    assert_eq!(found(&["--all", "from:anna tea"]), "3,1");
    assert_eq!(found(&["--all", "subject:letter bisc*"]), "1");
    assert_eq!(found(&["dev", "nothing-of-the-kind"]), "");
    assert_eq!(site.run(&["archive", "search", "dev", "before:soon"]).status.code(), Some(64));
    let shown = site.ok(&["archive", "search", "dev", "biscuits"]);
    assert!(shown.contains("https://lists.example.org/pipermail/dev/2024/000000.html"), "{shown}");
    let one = site.ok(&["archive", "search", "dev", "tea", "--limit", "1"]);
    assert!(one.contains("green apples") && one.contains("there are more than these 1"), "{one}");
    let both = site.ok(&["archive", "search", "dev", "tea", "--limit", "2"]);
    assert!(!both.contains("there are more"), "{both}");
    let mail =
        format!("From: a@x\nMessage-ID: <9@x>\n\n{}the needle is here\n", "hay\n".repeat(300));
    let mbox = format!("From a@x Mon Mar  4 10:00:00 2024\n{mail}\n");
    site.feed(&["archive", "import", "dev", "-"], mbox.as_bytes());
    let shown = site.ok(&["archive", "search", "dev", "needle"]);
    assert!(shown.contains("…hay") && shown.contains("the needle is here"), "{shown}");
}

#[test]
fn hostile_mail_becomes_harmless_pages() {
    let site = site();
    let html = "<p onclick=\"evil()\">Hi<script>evil()</script><img src=\"http://tracker.example/x.gif\"><a href=\"javascript:evil()\">x</a></p>";
    for (number, fields, body) in [
        (1, "Content-Type: text/html".to_owned(), html.to_owned()),
        (
            2,
            "Content-Type: image/svg+xml; name=\"../../evil.svg\"".to_owned(),
            "<svg onload=\"evil()\"/>".to_owned(),
        ),
        (3, "Content-Type: text/html".to_owned(), "<div>".repeat(100_000)),
        (4, "Content-Type: multipart/mixed; boundary=\"b".to_owned(), "--b\n".repeat(5_000)),
        (5, "X-Long: ".to_owned() + &"x".repeat(100_000), ">".repeat(100_000)),
        (
            6,
            "Content-Type: application/octet-stream; name=\"page.html\"".to_owned(),
            html.to_owned(),
        ),
    ] {
        let mail = format!(
            "From: \"<script>evil()</script>\" <bert@example.com>\nSubject: </title><script>evil()</script>\nMessage-ID: <{number}\"><script>evil()</script>@x>\n{fields}\n\n{body}\n"
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    let root = tree(&site, "dev");
    assert_eq!(articles(&root).len(), 6);
    for (name, bytes) in files(&root) {
        assert!(name != "evil.svg" && !name.ends_with(".svg"), "{name}");
        if !name.ends_with(".html") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for bad in ["<script", "onclick=\"", "javascript:evil", "src=\"http", "<svg"] {
            assert!(!text.contains(bad), "{bad} in {name}");
        }
    }
    check_links(&root);
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Returns the title of a page.
fn title(page: &str) -> String {
    let lower = page.to_lowercase();
    let start = lower.find("<h1>").unwrap() + 4;
    let end = lower.find("</h1>").unwrap();
    let text = page[start..end].trim().replace("&#228;", "ä").replace("&#246;", "ö");
    text.replace("&#233;", "é").replace("&#223;", "ß").replace("&amp;", "&")
}

#[test]
fn pages_are_where_pipermail_had_them_with_their_titles_threads_and_order() {
    let samples = mailman21::site().join("archives/private");
    for (kept_tree, list) in ["announce", "cafe-talk", "leute", "ops-alerts"]
        .into_iter()
        .flat_map(|list| [(true, list), (false, list)])
    {
        let site = TestSite::new(DORMOUSE);
        site.plain_list(list, &[]);
        let prefix = match list {
            "announce" => "[Announce] ",
            "cafe-talk" => "[Cafe] ",
            _ => "",
        };
        site.ok(&["list", "set", list, &format!("subject_prefix={prefix}"), "scrub_nondigest=no"]);
        let pipermail = samples.join(list);
        if kept_tree {
            copy_tree(&pipermail, &tree(&site, list));
        }
        copy_tree(&samples.join(format!("{list}.mbox")), mbox(&site, list).parent().unwrap());
        site.ok(&["archive", "rebuild", list]);
        let (theirs, ours) = (latin(&pipermail), articles(&tree(&site, list)));
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{list}");
        for (name, page) in &theirs {
            assert_eq!(title(page), title(&ours[name]), "{list}/{name}");
        }
        let volumes: BTreeSet<&str> =
            ours.keys().map(|name| name.split('/').next().unwrap()).collect();
        for volume in volumes {
            for order in ["thread", "date", "subject", "author"] {
                let name = format!("{volume}/{order}.html");
                let theirs = latin_text(&pipermail.join(&name));
                let ours = read(tree(&site, list).join(&name));
                let numbers = |page: &str, start: &str| -> Vec<String> {
                    between(page, start, "\"")
                        .into_iter()
                        .filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
                        .map(str::to_owned)
                        .collect()
                };
                assert_eq!(
                    numbers(&theirs, "NAME=\""),
                    numbers(&ours, "<li id=\""),
                    "{list}/{name}"
                );
            }
        }
        if kept_tree && pipermail.join("attachments").is_dir() {
            for (name, bytes) in files(&pipermail.join("attachments")) {
                let kept = fs::read(tree(&site, list).join("attachments").join(&name)).unwrap();
                assert_eq!(kept, bytes, "{list}: {name}");
            }
        }
    }
}

fn latin_text(path: &Path) -> String {
    fs::read(path).unwrap().into_iter().map(char::from).collect()
}

fn latin(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for volume in files_in(root) {
        for file in files_in(&root.join(&volume)) {
            if file.starts_with('0') && file.ends_with(".html") {
                found.insert(
                    format!("{volume}/{file}"),
                    latin_text(&root.join(&volume).join(&file)),
                );
            }
        }
    }
    found
}

fn has(tool: &str) -> bool {
    let found =
        Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        skipped::skip(format!("there is no {tool}"));
    }
    found
}

#[test]
fn a_validator_finds_nothing_wrong_with_any_page() {
    if !has("tidy") {
        return;
    }
    let site = site();
    let import = corpus(&site, 250, 20_000);
    site.ok(&["archive", "import", "dev", &import]);
    let root = tree(&site, "dev");
    let pages: Vec<PathBuf> = files(&root)
        .into_keys()
        .filter(|name| name.ends_with(".html") && !name.starts_with("id/"))
        .filter(|name| !name.starts_with("attachments/"))
        .map(|name| root.join(name))
        .collect();
    let output = Command::new("tidy").args(["-q", "-e"]).args(&pages).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // The checker is older than these attributes.
    let is_known = |line: &&str| line.contains("\"aria-current\"") || line.contains("\"loading\"");
    let wrong: Vec<&str> =
        said.lines().filter(|line| !line.is_empty() && !is_known(line)).collect();
    assert!(wrong.is_empty() && pages.len() > 250, "{wrong:#?}");
}

/// Serves a directory to one browser, and records the requests.
fn serve(root: PathBuf) -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path =
                request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap().to_owned();
            let body = fs::read(root.join(path.trim_start_matches('/'))).unwrap_or_default();
            let kind = match path.rsplit('.').next() {
                Some("css") => "text/css",
                Some("png") => "image/png",
                _ => "text/html",
            };
            notes.lock().unwrap().push(path);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // The browser may have disconnected.
            let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (address, asked)
}

#[test]
fn a_browser_shows_a_message_and_loads_only_its_own_parts() {
    if !has("chromium") {
        return;
    }
    let site = site();
    site.post("dev", "From: Bert <bert@example.com>\nSubject: in a browser\nMessage-ID: <1@x>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nContent-Type: text/html; charset=utf-8\n\n<p>Grüße</p><script>document.title='evil'</script><img src=\"/tracked.gif\">\n".as_bytes());
    site.ok(&["run"]);
    let (address, asked) = serve(tree(&site, "dev"));
    let profile = site.dir().join("profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("{address}/2026-November/000000.html"))
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(
        page.contains("<title>in a browser – Dev</title>") && page.contains("Grüße"),
        "{}",
        describe(&output)
    );
    let asked = asked.lock().unwrap();
    assert!(asked.iter().any(|path| path == "/style.css"), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("tracked")), "{asked:?}");
}

#[test]
fn a_new_list_does_not_show_what_a_removed_one_said_in_private() {
    let site = site();
    site.ok(&["list", "set", "dev", "archive_private=yes"]);
    site.post("dev", &message("a@example.com", "secret", "x\n"));
    site.ok(&["run"]);
    let removed = site.ok(&["list", "rm", "--yes", "dev"]);
    assert!(removed.contains("its archive stays"), "{removed}");
    let made = site.ok(&["list", "create", "dev", "--owner", "eve@example.org"]);
    assert!(made.contains("archive_private=no"), "{made}");
    site.ok(&["list", "set", "dev", "generic_nonmember_action=accept"]);
    site.post("dev", &message("a@example.com", "open", "x\n"));
    site.ok(&["run"]);
    assert!(read(tree(&site, "dev").join("index.html")).contains("dev"));
    assert!(!site.dir().join("archives/public/dev").exists());
    site.ok(&["list", "rm", "--yes", "dev", "--archives"]);
    assert!(!tree(&site, "dev").exists() && !mbox(&site, "dev").exists());
    let made = site.ok(&["list", "create", "dev", "--owner", "eve@example.org"]);
    assert!(!made.contains("archive_private"), "{made}");
}

#[test]
fn a_reply_that_arrived_first_is_shown_below_its_parent() {
    let site = site();
    let mail = |id: &str, minute: u32, subject: &str, more: &str| {
        format!(
            "From: anna@example.org\nTo: dev@lists.example.org\nSubject: {subject}\n\
             Message-ID: <{id}@x>\n{more}Date: Tue, 5 Mar 2024 10:{minute:02}:00 +0000\n\n{id}\n"
        )
    };
    let answer = mail("p1", 1, "[PATCH 1/2] first", "In-Reply-To: <p0@x>\nReferences: <p0@x>\n");
    let cover = mail("p0", 0, "[PATCH 0/2] cover", "");
    for post in [answer, cover] {
        site.post("dev", post.as_bytes());
        site.ok(&["run"]);
    }
    let pages = articles(&tree(&site, "dev"));
    let page = |number: &str| {
        let found = pages.iter().find(|(name, _)| name.ends_with(number));
        found.unwrap_or_else(|| panic!("{number}: {:?}", pages.keys())).1
    };
    assert!(page("000000.html").contains("class=\"parent\""), "{}", page("000000.html"));
    assert!(page("000001.html").contains("<h2>Replies</h2>"), "{}", page("000001.html"));
    check_links(&tree(&site, "dev"));
    let before = files(&tree(&site, "dev"));
    site.ok(&["archive", "rebuild", "dev"]);
    assert_eq!(articles_of(&files(&tree(&site, "dev"))), articles_of(&before));
    assert_eq!(articles(&tree(&site, "dev")), pages);
}

#[test]
fn different_messages_of_one_id_are_imported_and_the_same_one_only_once() {
    let site = site();
    let entry = |day: &str, from: &str, subject: &str, text: &str| {
        format!(
            "From x@y Tue Mar  {day} 10:00:00 2024\nFrom: {from}\nSubject: {subject}\n\
             Message-ID: <same@x>\nDate: Tue, 5 Mar 2024 10:00:00 +0000\n\n{text}\n\n"
        )
    };
    let path = site.dir().join("in.mbox");
    let import = |entries: &[String]| {
        fs::write(&path, entries.concat()).unwrap();
        site.ok(&["archive", "import", "dev", path.to_str().unwrap()])
    };
    let one = entry("5", "anna@example.org", "first", "one");
    let others = [
        entry("5", "anna@example.org", "first", "two"),
        entry("5", "anna@example.org", "second", "one"),
        entry("5", "bert@example.org", "first", "one"),
    ];
    // The same message may have arrived by another route, or have other line ends.
    let same = [entry("6", "anna@example.org", "first", "one"), one.replace("one\n", "one \n")];
    let told = import(&[&[one.clone()][..], &others, &same].concat());
    assert!(told.contains("4 messages added, 2 already there"), "{told}");
    let told = import(&[&others[..], &same, &[one]].concat());
    assert!(told.contains("0 messages added, 6 already there"), "{told}");
    let pages = articles(&tree(&site, "dev"));
    assert_eq!(pages.len(), 4, "{:?}", pages.keys());
    site.ok(&["archive", "rebuild", "dev"]);
    assert_eq!(articles(&tree(&site, "dev")).len(), 4);
    // A removed message stays removed.
    site.ok(&["archive", "rm", "dev", "<same@x>"]);
    assert!(import(&others).contains("0 messages added"));
    assert_eq!(articles(&tree(&site, "dev")).len(), 4);
}

#[test]
fn an_archive_speaks_the_lists_language_and_another_after_a_rebuild() {
    let site = site();
    let settings = ["archive=yes", "archive_private=yes", "available_languages=de\nen\nfr\nja\nar"];
    site.ok(&[&["list", "set", "dev"][..], &settings, &["preferred_language=de"]].concat());
    let mail = |id: &str, more: &str| {
        format!(
            "From: Anna <anna@example.org>\nTo: dev@lists.example.org\nSubject: Tee\n\
             Message-ID: <{id}@x>\n{more}Date: Thu, 26 Nov 2026 12:00:00 +0000\n\nHallo\n"
        )
    };
    site.post("dev", mail("1", "").as_bytes());
    site.post("dev", mail("2", "In-Reply-To: <1@x>\n").as_bytes());
    site.ok(&["run"]);
    for (language, direction, front, listing, article) in [
        ("de", "", "November 2026", "1 Antwort", "An die Liste antworten"),
        ("fr", "", "novembre 2026", "1 réponse", "Répondre à la liste"),
        ("ja", "", "2026年11月", "返信 1 件", "リストに返信"),
        // A text without translation is in English, in the direction of the language.
        ("ar", " dir=\"rtl\"", "2026", "1 reply", "Reply to the list"),
        ("en", "", "November 2026", "1 reply", "Reply to the list"),
    ] {
        if language != "de" {
            site.ok(&["list", "set", "dev", &format!("preferred_language={language}")]);
            site.ok(&["archive", "rebuild", "dev"]);
        }
        let tree = tree(&site, "dev");
        for (file, words) in [
            ("index.html", front),
            ("2026-November/thread.html", listing),
            ("2026-November/000000.html", article),
        ] {
            let page = read(tree.join(file));
            let html = format!("<html lang=\"{language}\"{direction}>");
            assert!(page.contains(&html), "{language}: {file}: {page}");
            assert!(page.replace('\u{a0}', " ").contains(words), "{language}: {file}: {page}");
        }
        check_links(&tree);
    }
}
