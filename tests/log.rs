//! The log: the journal with its fields, and Mailman's log files.

use dormouse_testkit::site::{TestSite, describe, files_in, message};
use dormouse_testkit::surroundings::on_small_disk;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org", "bert@example.org"]);
    site
}

fn logged(site: &TestSite, file: &str) -> Vec<String> {
    let text = fs::read_to_string(site.dir().join("logs").join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Returns the text of a line in Mailman's form, `Nov 27 02:10:01 2026 (4711) text`.
fn text_of(line: &str) -> &str {
    let (head, text) = line.split_once(") ").unwrap();
    let (time, process) = head.rsplit_once(" (").unwrap();
    assert!(process.parse::<u32>().is_ok(), "{line}");
    let words: Vec<&str> = time.split(' ').collect();
    assert_eq!(words.iter().map(|word| word.len()).collect::<Vec<_>>(), [3, 2, 8, 4], "{line}");
    text
}

#[test]
fn mailmans_log_files_are_written_where_a_site_wants_them() {
    let site = site();
    site.post("dev", &message("anna@example.org", "before", "x\n"));
    site.ok(&["run"]);
    assert!(logged(&site, "post").is_empty(), "nobody asked for it");

    site.ok(&["config", "set", "log.mailman", "yes"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold"]);
    site.post("dev", &message("anna@example.org", "after", "x\n"));
    site.post("dev", &message("stranger@example.net", "spam", "x\n"));
    site.ok(&["member", "rm", "dev", "bert@example.org"]);
    site.ok(&["run"]);
    // Notices are logged, too, as in Mailman.
    let posts = logged(&site, "post");
    let from_anna =
        |line: &&String| text_of(line).starts_with("post to dev from anna@example.org, size=");
    let annas: Vec<_> = posts.iter().filter(from_anna).collect();
    assert_eq!(annas.len(), 1, "{posts:?}");
    assert!(annas[0].contains(", message-id=<") && annas[0].contains(">, success"), "{annas:?}");
    let vette = logged(&site, "vette");
    assert!(
        vette
            .iter()
            .any(|line| text_of(line).starts_with("dev post from stranger@example.net held")),
        "{vette:?}"
    );
    let subscribe = logged(&site, "subscribe");
    assert!(
        subscribe.iter().any(|line| text_of(line).starts_with("dev: deleted bert@example.org")),
        "{subscribe:?}"
    );

    // After logrotate has renamed a file, a new one is created.
    let file = site.dir().join("logs/post");
    fs::rename(&file, site.dir().join("logs/post.1")).unwrap();
    site.post("dev", &message("anna@example.org", "rotated", "x\n"));
    site.ok(&["run"]);
    assert_eq!(logged(&site, "post").len(), 1);

    // Mail does not depend on the log.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    site.post("dev", &message("anna@example.org", "no file", "x\n"));
    let output = site.run(&["run"]);
    assert!(output.status.success(), "{}", describe(&output));
    assert!(describe(&output).contains("logs/post"), "{}", describe(&output));
    assert!(files_in(&site.queue("out")).iter().all(|name| !name.ends_with(".pck")));
}

/// Parses an entry in journald's protocol: `NAME=value`, or the name, the value's length in eight
/// bytes, and the value (systemd's JOURNAL_NATIVE_PROTOCOL).
fn fields(mut datagram: &[u8]) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    while let Some(end) = datagram.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8(datagram[..end].to_vec()).unwrap();
        datagram = &datagram[end + 1..];
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let length = u64::from_le_bytes(datagram[..8].try_into().unwrap()) as usize;
                let value = String::from_utf8(datagram[8..8 + length].to_vec()).unwrap();
                datagram = &datagram[8 + length + 1..];
                (line, value)
            }
        };
        fields.insert(name, value);
    }
    fields
}

/// Runs a drain whose standard error is the journal, and returns the entries and the lines.
fn in_journal(site: &TestSite, journal: &UnixDatagram) -> (Vec<HashMap<String, String>>, String) {
    let path = site.dir().join("stderr");
    let file = File::create(&path).unwrap();
    let found = file.metadata().unwrap();
    let status = site
        .command(&["run"])
        .env("JOURNAL_STREAM", format!("{}:{}", found.dev(), found.ino()))
        .stderr(file)
        .status()
        .unwrap();
    assert!(status.success());
    let (mut entries, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
    while let Ok(length) = journal.recv(&mut buffer) {
        // An empty datagram only checks the connection.
        entries.extend((length > 0).then(|| fields(&buffer[..length])));
    }
    (entries, fs::read_to_string(path).unwrap())
}

#[test]
fn the_journal_has_the_steps_of_a_message_with_fields_of_their_own() {
    let name = "the_journal_has_the_steps_of_a_message_with_fields_of_their_own";
    on_small_disk(name, 1024, |disk| {
        // Our own journal, instead of the system's.
        let mounted = Command::new("mount").arg("--bind").arg(disk).arg("/run").status().unwrap();
        assert!(mounted.success());
        let place = Path::new("/run/systemd/journal");
        fs::create_dir_all(place).unwrap();
        let journal = UnixDatagram::bind(place.join("socket")).unwrap();
        journal.set_nonblocking(true).unwrap();

        let site = site();
        site.post("dev", &message("anna@example.org", "one", "x\n"));
        let (entries, lines) = in_journal(&site, &journal);
        let steps: Vec<(&str, &str)> = entries
            .iter()
            .map(|entry| (entry["DORMOUSE_STEP"].as_str(), entry["DORMOUSE_QUEUE"].as_str()))
            .collect();
        assert!(
            steps.contains(&("passed", "in")) && steps.contains(&("accepted", "out")),
            "{steps:?}"
        );
        for entry in &entries {
            assert_eq!(entry["DORMOUSE_LIST"], "dev");
            assert_eq!(entry["SYSLOG_IDENTIFIER"], "dormouse");
            assert_eq!(entry["PRIORITY"], "6", "{entry:?}");
            let id = &entry["DORMOUSE_MESSAGE_ID"];
            assert!(id.starts_with('<') && id.ends_with('>') && id.contains('@'), "{entry:?}");
            assert!(!lines.contains(&entry["MESSAGE"]), "it is told once: {lines}");
        }

        site.ok(&["config", "set", "log.journal", "no"]);
        site.post("dev", &message("anna@example.org", "two", "x\n"));
        let (entries, _) = in_journal(&site, &journal);
        assert!(entries.is_empty(), "{entries:?}");
    });
}
