//! The commands about members.

use dormouse_testkit::site::{TestSite, describe};
use serde_json::Value;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn site(lists: &[&str]) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    for list in lists {
        site.plain_list(list, &[]);
    }
    site
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn addresses(site: &TestSite, args: &[&str]) -> Vec<String> {
    let rows = json(&site.ok(&[&["member", "ls", "dev", "--json"], args].concat()));
    let rows = rows.as_array().unwrap();
    rows.iter().map(|row| row["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn options_are_set_under_mailmans_names_and_members_are_listed_by_them() {
    let site = site(&["dev"]);
    site.ok(&["member", "add", "dev", "Anna A <Anna@x.example>", "b@x.example", "c@x.example"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "available_languages=en,de",
        r#"topics=[["Rust","r","",false]]"#,
    ]);
    site.ok(&[
        "member",
        "set",
        "dev",
        "anna@X.example",
        "nomail=byuser",
        "digest=mime",
        "notmetoo=on",
        "nodupes=off",
        "ack=on",
        "hide=on",
        "mod=on",
        "nmtopics=on",
        "topics=rust",
        "language=de",
        "name=Anna B",
    ]);
    let shown = site.ok(&["member", "show", "dev", "anna@x.example"]);
    for line in [
        "address = Anna@x.example",
        "name = Anna B",
        "nomail = byuser",
        "digest = mime",
        "notmetoo = on",
        "nodupes = off",
        "ack = on",
        "hide = on",
        "mod = on",
        "nmtopics = on",
        "topics = Rust",
        "language = de",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    site.ok(&["member", "set", "dev", "b@x.example", "digest=plain"]);
    assert_eq!(addresses(&site, &["--regular"]), ["c@x.example"]);
    assert_eq!(addresses(&site, &["--digest"]), ["Anna@x.example", "b@x.example"]);
    assert_eq!(addresses(&site, &["--digest", "plain"]), ["b@x.example"]);
    assert_eq!(addresses(&site, &["--nomail", "byuser"]), ["Anna@x.example"]);
    let dry = json(&site.ok(&["member", "set", "dev", "--all", "hide=on", "--dry-run", "--json"]));
    assert_eq!(dry, serde_json::json!({ "changed": 2, "unchanged": 1, "dry_run": true }));
    let wrong = site.run(&["member", "set", "dev", "b@x.example", "digest=html", "hide=on"]);
    assert_eq!(wrong.status.code(), Some(64), "{}", describe(&wrong));
    assert!(site.ok(&["member", "show", "dev", "b@x.example"]).contains("hide = off"));
    let nobody = site.run(&["member", "set", "dev", "z@x.example", "hide=on"]);
    assert_eq!(nobody.status.code(), Some(65), "{}", describe(&nobody));
}

#[test]
fn a_membership_follows_a_file() {
    let site = site(&["dev"]);
    site.ok(&["member", "add", "dev", "stays@x.example", "goes@x.example"]);
    site.ok(&["member", "set", "dev", "stays@x.example", "hide=on"]);
    let file = b"# ours\n\nStays@x.example\nNew One <new@X.example>\nnew@x.example\n";
    let dry = site.feed(&["member", "sync", "dev", "--file", "-", "--dry-run"], file);
    assert_eq!(
        String::from_utf8_lossy(&dry.stdout),
        "would add new@x.example\nwould remove goes@x.example\nwould have added 1 member, removed 1\n"
    );
    assert_eq!(addresses(&site, &[]), ["goes@x.example", "stays@x.example"]);
    let bad = site.feed(&["member", "sync", "dev", "--file", "-"], b"new@x.example\nnobody\n");
    assert_eq!(bad.status.code(), Some(65), "{}", describe(&bad));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("nobody"), "{}", describe(&bad));
    assert_eq!(addresses(&site, &[]), ["goes@x.example", "stays@x.example"]);
    let done = site.feed(&["member", "sync", "dev", "--file", "-", "--digest", "--json"], file);
    let done = json(&String::from_utf8_lossy(&done.stdout));
    assert_eq!((&done["added"], &done["removed"]), (&1.into(), &1.into()));
    assert_eq!(done["changes"][0]["address"], "new@x.example");
    assert_eq!(addresses(&site, &["--digest"]), ["new@x.example"]);
    assert!(site.ok(&["member", "show", "dev", "stays@x.example"]).contains("hide = on"));
    let nothing = site.feed(&["member", "sync", "dev", "--file", "-", "--json"], file);
    let nothing = json(&String::from_utf8_lossy(&nothing.stdout));
    assert_eq!(nothing["changes"], serde_json::json!([]));
}

#[test]
fn an_address_changes_everywhere_with_everything_it_has_chosen() {
    let site = site(&["dev", "ops", "misc"]);
    site.ok(&["list", "set", "dev", r#"topics=[["Rust","r","",false]]"#]);
    for list in ["dev", "ops"] {
        site.ok(&["member", "add", list, "Anna <old@x.example>"]);
    }
    site.ok(&["member", "add", "ops", "new@x.example"]);
    site.ok(&[
        "member",
        "set",
        "dev",
        "old@x.example",
        "digest=mime",
        "topics=Rust",
        "hide=on",
        "nomail=bybounce",
    ]);
    site.ok(&["list", "set", "misc", "owner=old@x.example"]);
    let dry = json(&site.ok(&[
        "member",
        "move",
        "old@x.example",
        "new@x.example",
        "--list",
        "dev",
        "--dry-run",
        "--json",
    ]));
    assert_eq!((&dry[0]["list"], &dry[0]["member"]), (&"dev".into(), &true.into()));
    let moved = site.run(&["member", "move", "OLD@x.example", "new@x.example", "--owners"]);
    assert_eq!(moved.status.code(), Some(65), "on ops it is taken: {}", describe(&moved));
    let shown = site.ok(&["member", "show", "dev", "new@x.example"]);
    for line in ["name = Anna", "digest = mime", "topics = Rust", "hide = on", "nomail = off"] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    assert_eq!(site.ok(&["member", "find", "^old@"]), "ops\told@x.example\tAnna\n");
    assert!(site.ok(&["list", "show", "misc"]).contains("owner = new@x.example"));
    site.ok(&["member", "clone", "new@x.example", "copy@x.example", "--list", "dev"]);
    let found = json(&site.ok(&["member", "find", "(?i)COPY|new", "--owners", "--json"]));
    let found: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {} {}", row["list"], row["address"], row["role"]).replace('"', ""))
        .collect();
    assert_eq!(
        found,
        [
            "dev copy@x.example member",
            "dev new@x.example member",
            "misc new@x.example owner",
            "ops new@x.example member",
        ]
    );
    assert!(site.ok(&["member", "show", "dev", "copy@x.example"]).contains("topics = Rust"));
    // The person and time are recorded as for every other change.
    let acts = |address: &str| -> Vec<String> {
        let known = json(&site.ok(&["person", "show", address, "--json"]));
        let acts = known["consent"].as_array().unwrap();
        let acts = acts.iter().filter(|act| act["list"] == "dev");
        acts.map(|act| format!("{} {}", act["act"], act["how"]).replace('"', "")).collect()
    };
    let moved = "moved old@x.example to new@x.example, by the administrator";
    assert_eq!(acts("old@x.example"), ["joined added by the administrator", moved]);
    assert_eq!(acts("new@x.example"), [moved]);
    assert_eq!(acts("copy@x.example"), ["joined copied by the administrator"]);
    site.ok(&["member", "rm", "dev", "copy@x.example"]);
    assert_eq!(acts("copy@x.example")[1], "left removed by the administrator");
    let nobody = site.run(&["member", "move", "nobody@x.example", "new@x.example"]);
    assert_eq!(nobody.status.code(), Some(65), "{}", describe(&nobody));
    let broken = site.run(&["member", "find", "("]);
    assert_eq!(broken.status.code(), Some(64), "{}", describe(&broken));
}

#[test]
fn members_are_removed_by_a_file() {
    let site = site(&["dev"]);
    site.ok(&["member", "add", "dev", "a@x.example", "b@x.example", "c@x.example"]);
    let output = site.feed(
        &["member", "rm", "dev", "--file", "-"],
        b"A@x.example\n\nb@x.example\nz@x.example\n",
    );
    assert_eq!(output.status.code(), Some(65), "{}", describe(&output));
    assert_eq!(addresses(&site, &[]), ["c@x.example"]);
}

/// Returns the mails since the last call, with their recipients.
fn told(site: &TestSite) -> Vec<String> {
    let mut told: Vec<String> = site
        .files("virgin", "pck")
        .into_iter()
        .map(|name| {
            let text = site.ok(&["queue", "show", name.trim_end_matches(".pck"), "--raw"]);
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            site.ok(&["queue", "rm", name.trim_end_matches(".pck")]);
            format!("{}: {}", line("To: ").unwrap(), line("Subject: ").unwrap())
        })
        .collect();
    told.sort();
    told
}

#[test]
fn members_and_owners_hear_of_what_is_done_as_the_list_says_or_as_it_is_asked() {
    let site = site(&["dev"]);
    site.ok(&["member", "add", "dev", "a@x.example", "b@x.example"]);
    let welcomed = told(&site);
    assert_eq!(welcomed.len(), 2, "{welcomed:?}");
    assert!(welcomed[0].starts_with("a@x.example: "), "{welcomed:?}");
    site.ok(&["member", "add", "dev", "c@x.example", "d@x.example", "--welcome", "no"]);
    assert_eq!(told(&site), [""; 0]);
    site.ok(&["member", "rm", "dev", "a@x.example"]);
    let farewell = told(&site);
    assert!(farewell.len() == 1 && farewell[0].starts_with("a@x.example: "), "{farewell:?}");
    site.ok(&["member", "rm", "dev", "b@x.example", "--goodbye", "no", "--notify", "yes"]);
    let owners = told(&site);
    assert!(owners.len() == 1 && !owners[0].starts_with("b@"), "{owners:?}");
    site.ok(&["list", "set", "dev", "admin_notify_mchanges=yes", "send_welcome_msg=no"]);
    site.ok(&["member", "add", "dev", "a@x.example", "b@x.example"]);
    assert_eq!(told(&site).len(), 1, "one report of all");
    site.ok(&["member", "add", "dev", "e@x.example", "--notify", "no", "--welcome", "yes"]);
    let welcomed = told(&site);
    assert!(welcomed.len() == 1 && welcomed[0].starts_with("e@x.example: "), "{welcomed:?}");

    let sync = |args: &[&str], file: &str| {
        let args = [&["member", "sync", "dev", "--file", "-", "--notify", "no"], args].concat();
        let output = site.feed(&args, file.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = sync(&["--welcome", "yes"], "a@x.example\nf@x.example\n");
    assert!(said.ends_with("removed e@x.example\nadded 1 member, removed 4\n"), "{said}");
    let heard = told(&site);
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert!(heard[4].starts_with("f@x.example: Welcome"), "{heard:?}");
    assert_eq!(addresses(&site, &[]), ["a@x.example", "f@x.example"]);
    sync(&["--welcome", "no", "--goodbye", "no"], "g@x.example\n");
    assert_eq!(told(&site), [""; 0]);
    assert_eq!(addresses(&site, &[]), ["g@x.example"]);
}

#[test]
fn those_who_are_banned_do_not_become_members_by_any_way() {
    let site = site(&["dev", "ops"]);
    site.ok(&["list", "set", "dev", "ban_list=^.*@bad\\.example$\nb@x.example\n"]);
    site.ok(&["config", "set", "members.ban_list", "everywhere@x.example"]);
    site.ok(&["member", "add", "ops", "b@x.example", "old@x.example"]);
    let refused = |output: std::process::Output, named: &[&str]| {
        let said = describe(&output);
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(named.iter().all(|words| said.contains(words)), "{said}");
    };
    refused(
        site.run(&["member", "add", "dev", "a@bad.example", "b@x.example", "ok@x.example"]),
        &["a@bad.example: banned by ban_list: ^.*@bad", "added 1 member"],
    );
    let file = b"ok@x.example\nEverywhere@x.example\nnew@x.example\n";
    for args in [&["--dry-run"][..], &["--welcome", "no", "--goodbye", "no"], &[]] {
        let args = [&["member", "sync", "dev", "--file", "-"], args].concat();
        refused(site.feed(&args, file), &["Everywhere@x.example: banned by members.ban_list"]);
    }
    assert_eq!(addresses(&site, &[]), ["new@x.example", "ok@x.example"]);
    site.ok(&["member", "add", "dev", "old@x.example"]);
    refused(
        site.run(&["member", "move", "old@x.example", "new@bad.example"]),
        &["dev: new@bad.example is banned by ban_list", "ops: moved old@x.example"],
    );
    assert!(site.ok(&["member", "find", "^old@"]).starts_with("dev\t"));
}

#[test]
fn comments_in_a_file_of_members_do_not_count() {
    let site = site(&["dev"]);
    let add = ["member", "add", "dev", "--file", "-"];
    let added = site.feed(&add, b"# our friends\n\n  a@x.example\nB <b@x.example>\n");
    assert!(added.status.success(), "{}", describe(&added));
    assert_eq!(addresses(&site, &[]), ["a@x.example", "b@x.example"]);
    let rm = ["member", "rm", "dev", "--file", "-"];
    let removed = site.feed(&rm, b"# gone\na@x.example\n");
    assert!(removed.status.success(), "{}", describe(&removed));
    assert_eq!(addresses(&site, &[]), ["b@x.example"]);
}

#[test]
fn an_error_names_the_line_that_is_not_an_address() {
    let site = site(&["dev"]);
    let file = site.dir().join("members.txt");
    std::fs::write(&file, "# ours\nanna@example.org\n\nnot an address\nbert@example.org\n")
        .unwrap();
    let name = file.to_str().unwrap();
    let output = site.run(&["member", "add", "dev", "--file", name]);
    assert_eq!(output.status.code(), Some(65));
    let said = describe(&output);
    assert!(said.contains("members.txt, line 4: not an address: "), "{said}");
    assert!(said.contains("added 2 members"), "{said}");
    let said = describe(&site.run(&["member", "sync", "dev", "--file", name]));
    assert!(said.contains("members.txt, line 4: not an address"), "{said}");
    let said =
        describe(&site.feed(&["member", "rm", "dev", "--file", "-"], b"\nnobody@example.org\n"));
    assert!(said.contains("standard input, line 2: nobody@example.org is not a member"), "{said}");
    let said = describe(&site.run(&["member", "add", "dev", "nonsense"]));
    assert!(said.contains("not added: nonsense: "), "{said}");
}
