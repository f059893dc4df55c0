//! Settings of lists and of the site on the command line.

use dormouse_testkit::site::{TestSite, describe, message};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

fn refused(site: &TestSite, args: &[&str], words: &str) {
    let output = site.run(args);
    let said = describe(&output);
    assert_eq!(output.status.code(), Some(64), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {words} in {said}");
}

#[test]
fn one_value_is_printed_alone_and_several_lines_are_indented() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "description=Tea and more",
        "moderator=a@x.example,b@x.example",
    ]);
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "Tea and more\n");
    assert_eq!(site.ok(&["list", "show", "dev", "moderator"]), "a@x.example\nb@x.example\n");
    assert_eq!(site.ok(&["list", "show", "dev", "subject_prefix"]), "\n");
    let explained = site.ok(&["list", "show", "dev", "description", "--explain"]);
    assert!(explained.starts_with("# What the list is about"), "{explained}");
    let json = site.ok(&["list", "show", "dev", "archive", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["value"], "yes");
    refused(&site, &["list", "show", "dev", "descripton"], "did you mean description?");
    refused(&site, &["list", "show", "dev", "password"], "dormouse list password");

    assert_eq!(site.ok(&["config", "show", "host"]), "lists.example.org\n");
    assert_eq!(site.ok(&["config", "show", "web.proxies"]), "127.0.0.1\n::1\n");
    refused(&site, &["config", "show", "hosts"], "did you mean host?");
    let all = site.ok(&["config", "show"]);
    assert!(all.contains("web.proxies = 127.0.0.1\n    ::1\nweb.idle = "), "{all}");
}

#[test]
fn what_could_not_work_is_refused_whoever_sets_it() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &[]);
    let wrong = ["description=x", "host_name=bad host"];
    refused(&site, &[&["list", "set", "dev"], &wrong[..]].concat(), "host_name: \"bad host\"");
    assert_eq!(site.ok(&["list", "show", "dev", "description"]), "\n", "all changes or none");
    refused(&site, &["list", "create", "dev-owner", "--owner", "o@x.example"], "of the list dev");
    refused(&site, &["config", "set", "host", "bad host"], "host: \"bad host\"");
    refused(&site, &["config", "set", "delivery.url", "smtp://127.0.0.1:99999"], "delivery.url: ");
    refused(&site, &["config", "set", "lmtp.listen", "foo"], "lmtp.listen: ");
    assert_eq!(site.ok(&["config", "show", "host"]), "lists.example.org\n");
}

#[test]
fn a_list_gets_passwords_that_are_hashed_and_fit() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "emergency=yes"]);
    refused(&site, &["list", "set", "dev", "password=hello"], "`dormouse list password dev` asks");
    refused(&site, &["list", "password", "dev"], "--stdin");
    let both = ["list", "password", "dev", "--moderator", "--poster", "--stdin"];
    assert!(!site.feed(&both, b"x\n").status.success());
    let empty = site.feed(&["list", "password", "dev", "--stdin"], b"\n");
    assert_eq!(empty.status.code(), Some(64), "{}", describe(&empty));
    for (whose, secret) in
        [(&[][..], "owners"), (&["--moderator"], "moderate"), (&["--poster"], "post")]
    {
        let args = [&["list", "password", "dev", "--stdin"], whose].concat();
        let set = site.feed(&args, format!("{secret}\n").as_bytes());
        assert!(set.status.success(), "{}", describe(&set));
        let mail = message("anna@example.org", secret, &format!("Approved: {secret}\n\nHello.\n"));
        site.post("dev", &mail);
    }
    site.post("dev", &message("anna@example.org", "wrong", "Approved: hello\n\nHello.\n"));
    site.ok(&["run"]);
    assert_eq!(site.maildir("anna@example.org").len(), 3, "the wrong one is held");
    let kept = std::fs::read(site.dir().join("dormouse.db")).unwrap();
    let is_there = |text: &[u8]| kept.windows(text.len()).any(|part| part == text);
    assert!(!is_there(b"moderate\x00") && is_there(b"$argon2id$"));
    site.ok(&["list", "set", "dev", "post_password="]);
}
