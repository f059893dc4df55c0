//! A site is saved in one file and restored: nothing is lost, even if the site is working
//! meanwhile.

use dormouse_testkit::sink::Sink;
use dormouse_testkit::site::{TestSite, files_in};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Restores into a new directory next to the site.
fn restore(site: &TestSite, to: &Path, files: &[&Path]) -> Output {
    let mut args = vec!["--site", path(to), "restore"];
    args.extend(files.iter().map(|file| path(file)));
    site.run(&args)
}

#[test]
fn a_site_comes_back_as_it_was() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org", "bert@example.net"]);
    site.ok(&["list", "set", "dev", "archive=yes", "generic_nonmember_action=hold"]);
    site.ok(&["dkim", "create", "lists.example.org", "--selector", "s", "--algorithm", "ed25519"]);
    site.post("dev", b"From: anna@example.org\nTo: dev@lists.example.org\nSubject: kept\n\nx\n");
    site.post(
        "dev",
        b"From: stranger@example.com\nTo: dev@lists.example.org\nSubject: held\n\nx\n",
    );
    // Without an MTA the post is archived, and waits for its delivery.
    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    site.run(&["run"]);
    site.post("dev", b"From: bert@example.net\nTo: dev@lists.example.org\nSubject: fresh\n\nx\n");

    let file = site.dir().with_extension("backup");
    site.ok(&["backup", path(&file)]);
    let copy = site.dir().with_extension("copy");
    let restored = restore(&site, &copy, &[&file]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    for args in [
        &["list", "show", "dev", "--json"][..],
        &["member", "ls", "dev"],
        &["held", "show", "dev", "1"],
        &["dkim", "dns"],
        &["archive", "search", "dev", "kept"],
    ] {
        let of = |dir: &Path| site.ok(&[&["--site", path(dir)], args].concat());
        assert_eq!(of(&copy), of(&site.dir()), "{args:?}");
    }
    for (queue, number) in [("in", 1), ("retry", 2)] {
        let entries = files_in(&copy.join("qfiles").join(queue));
        assert_eq!(entries, files_in(&site.queue(queue)));
        assert_eq!(entries.len(), number, "{queue}: {entries:?}");
    }
    assert!(
        fs::read_dir(site.dir())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with(".backup-") })
    );
}

#[test]
fn nothing_accepted_is_missing_from_a_backup_under_load() {
    let site = TestSite::new(DORMOUSE);
    let sink = Sink::builder().start();
    site.ok(&["config", "set", "delivery.url", &sink.url()]);
    site.plain_list("dev", &["reader@example.org"]);
    let mut posted = 0;
    let mut post = |site: &TestSite| {
        posted += 1;
        let text = format!(
            "From: reader@example.org\nTo: dev@lists.example.org\nMessage-ID: <{posted}@x>\nSubject: n{posted}\n\nx\n"
        );
        site.post("dev", text.as_bytes());
        posted
    };
    for _ in 0..30 {
        post(&site);
    }
    let mut drain = site.start_drain();
    let file = site.dir().with_extension("backup");
    let before = post(&site);
    let mut backup = site.command(&["backup", path(&file)]).spawn().unwrap();
    while backup.try_wait().unwrap().is_none() {
        post(&site);
    }
    assert!(backup.wait().unwrap().success());
    drain.wait().unwrap();
    let subjects = |sink: &Sink| -> BTreeSet<String> {
        let subject = |raw: &[u8]| {
            let text = String::from_utf8_lossy(raw).into_owned();
            text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap()
        };
        sink.messages().iter().map(|message| subject(&message.data)).collect()
    };
    let mut seen = subjects(&sink);
    // The site is destroyed, and its backup is used in another directory.
    fs::remove_dir_all(site.dir()).unwrap();
    let restored = restore(&site, &site.dir(), &[&file]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    site.ok(&["run"]);
    seen.extend(subjects(&sink));
    let missing: Vec<_> = (1..=before).filter(|n| !seen.contains(&format!("n{n}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_incremental_backup_leaves_out_what_the_one_before_has() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "archive=yes"]);
    let post = |subject: &str| {
        let text =
            format!("From: anna@example.org\nTo: dev@lists.example.org\nSubject: {subject}\n\nx\n");
        site.post("dev", text.as_bytes());
        site.run(&["run"]);
    };
    site.ok(&["config", "set", "delivery.url", "smtp://127.0.0.1:1"]);
    post("first");
    // An old attachment, so that something is older than the first backup.
    let old = site.dir().join("archives/private/dev/attachments/old.bin");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, vec![7; 100_000]).unwrap();
    let day = std::time::Duration::from_secs(86_400);
    fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - day)
        .unwrap();
    let whole = site.dir().with_extension("whole");
    let more = site.dir().with_extension("more");
    site.ok(&["backup", path(&whole)]);
    post("second");
    site.ok(&["backup", path(&more), "--since", path(&whole)]);
    let size = |file: &Path| fs::metadata(file).unwrap().len();
    assert!(size(&more) + 100_000 <= size(&whole) + 50_000, "{} {}", size(&more), size(&whole));
    let copy = site.dir().with_extension("copy");
    assert!(restore(&site, &copy, &[&whole, &more]).status.success());
    assert_eq!(
        fs::read(copy.join("archives/private/dev/attachments/old.bin")).unwrap().len(),
        100_000
    );
    for word in ["first", "second"] {
        let found = site.ok(&["--site", path(&copy), "archive", "search", "dev", word]);
        assert!(found.contains(word), "{found}");
    }
}

#[test]
fn an_incomplete_backup_is_not_restored() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    let file = site.dir().with_extension("backup");
    site.ok(&["backup", path(&file)]);
    let whole = fs::read(&file).unwrap();
    let copy = site.dir().with_extension("copy");
    for length in [0, 700, whole.len() / 2, whole.len() - 3000] {
        fs::write(&file, &whole[..length]).unwrap();
        let failed = restore(&site, &copy, &[&file]);
        assert!(!failed.status.success(), "{length}");
        assert!(!copy.join("dormouse.toml").exists(), "{length}");
    }
    fs::write(&file, &whole).unwrap();
    assert!(restore(&site, &copy, &[&file]).status.success());
    let again = restore(&site, &copy, &[&file]);
    assert_eq!(again.status.code(), Some(73), "{}", String::from_utf8_lossy(&again.stderr));
}
