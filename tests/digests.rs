//! Digests from the post to the reader, who reads them with Python's mail library.

use dormouse_testkit::awkward;
use dormouse_testkit::site::{TestSite, describe, message};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const MIME: &str = "mime@example.org";
const PLAIN: &str = "plain@example.org";

/// A list with a reader of each kind of digest and one of single posts.
fn site() -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "--digest", MIME, PLAIN]);
    site.ok(&["member", "set", "dev", MIME, "digest=mime"]);
    site.ok(&["member", "set", "dev", PLAIN, "digest=plain"]);
    site.ok(&["list", "set", "dev", "digest_size_threshhold=0", "digest_header=Above"]);
    site
}

/// Reads a mail with Python; returns `None` and reports a skipped test if there is no Python.
fn opened(script: &str, mail: &[u8]) -> Option<Value> {
    let child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skipped::skip("no python3 on this machine");
            return None;
        }
        child => child.unwrap(),
    };
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Prints the structure (RFC 2046), the posts in order, and the defects that the library found.
const READ_MIME: &str = r#"
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
def kind(part):
    if part.is_multipart() and part.get_content_type() != 'message/rfc822':
        return [part.get_content_type()] + [kind(p) for p in part.iter_parts()]
    return part.get_content_type()
digest = [p for p in m.walk() if p.get_content_type() == 'multipart/digest'][0]
posts = [p.get_payload(0) for p in digest.iter_parts()]
json.dump({
    'kind': kind(m), 'subject': m['Subject'], 'from': m['From'], 'to': m['To'],
    'reply-to': m['Reply-To'], 'list-id': m['List-Id'],
    'default': digest.get_default_type(),
    'posts': [{'subject': p['Subject'], 'number': p['Message'], 'names': p.keys()} for p in posts],
    'bodies': [p.get_payload(decode=True).decode('latin-1') if not p.is_multipart() else '' for p in posts],
    'texts': [p.get_content() for p in m.iter_parts() if p.get_content_type() == 'text/plain'],
    'defects': [str(d) for p in m.walk() for d in p.defects if p in (m, digest)],
}, sys.stdout)
"#;

/// Prints the parts (RFC 1153).
const READ_PLAIN: &str = r#"
import email, email.policy, json, re, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text = m.get_content()
preamble, rest = text.split('\n' + '-' * 70 + '\n\n', 1)
*posts, trailer = rest.split('\n' + '-' * 30 + '\n\n')
end, stars = trailer.rstrip('\n').split('\n')
parsed = [email.message_from_string(p, policy=email.policy.default) for p in posts]
json.dump({
    'type': m.get_content_type(), 'charset': m.get_content_charset(), 'subject': m['Subject'],
    'preamble': preamble, 'end': end, 'stars': stars,
    'posts': [{'subject': p['Subject'], 'names': p.keys(), 'body': p.get_payload()} for p in parsed],
    'defects': [str(d) for d in m.defects],
}, sys.stdout)
"#;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn subjects(value: &Value) -> Vec<String> {
    value["posts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|post| post["subject"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn python_opens_both_forms_and_finds_every_post_in_order() {
    let site = site();
    for number in 1..=12 {
        let body = format!("text of post {number}\n{}\nGr\u{fc}\u{df}e\n", "-".repeat(30));
        let mut mail = message("anna@example.org", &format!("post{number}"), "");
        mail.splice(
            0..0,
            *b"Received: from x\nX-Spam: y\nContent-Type: text/plain; charset=utf-8\n",
        );
        mail.extend_from_slice(body.as_bytes());
        site.post("dev", &mail);
    }
    site.ok(&["run"]);
    assert!(site.maildir(MIME).is_empty());
    let sent = site.ok(&["digest", "send", "dev"]);
    assert_eq!(sent, "dev: volume 1, issue 1: 12 posts\n");
    site.ok(&["run"]);
    assert!(site.ok(&["digest", "send", "--all"]).contains("no posts"));
    assert_eq!(site.maildir("anna@example.org").len(), 12, "posts one by one, and no digest");
    let expected: Vec<String> = (1..=12).map(|number| format!("post{number}")).collect();

    let [mime] = &site.maildir(MIME)[..] else { panic!("one digest") };
    let Some(read) = opened(READ_MIME, mime) else { return };
    assert_eq!(subjects(&read), expected);
    let digest: Vec<&str> =
        std::iter::once("multipart/digest").chain(["message/rfc822"; 12]).collect();
    let text = "text/plain";
    let kind = serde_json::json!(["multipart/mixed", text, text, text, digest, text, text]);
    assert_eq!(read["kind"], kind);
    assert_eq!(read["default"], "text/plain", "of the digest itself; its parts are messages");
    assert_eq!(read["defects"], serde_json::json!([]));
    assert_eq!(read["subject"], "Dev Digest, Vol 1, Issue 1");
    assert_eq!(read["from"], "dev-request@lists.example.org");
    assert_eq!(read["to"], "dev@lists.example.org");
    assert_eq!(read["reply-to"], "dev@lists.example.org");
    assert!(read["list-id"].as_str().unwrap().contains("<dev.lists.example.org>"));
    let names =
        ["Content-Type", "From", "To", "Subject", "Message-ID", "Date", "Precedence", "Message"];
    for (index, post) in read["posts"].as_array().unwrap().iter().enumerate() {
        assert_eq!(texts(&post["names"]), names);
        assert_eq!(post["number"], (index + 1).to_string());
    }
    assert!(texts(&read["bodies"])[0].starts_with("text of post 1\n------"));
    let contents = &texts(&read["texts"])[2];
    assert!(contents.contains("\n  12. post12 (anna@example.org)\n"), "{contents}");

    let [plain] = &site.maildir(PLAIN)[..] else { panic!("one digest") };
    let read = opened(READ_PLAIN, plain).unwrap();
    assert_eq!((&read["type"], &read["charset"]), (&"text/plain".into(), &"utf-8".into()));
    assert_eq!(read["defects"], serde_json::json!([]));
    let mut with_footer = expected;
    with_footer.push("Digest Footer".to_owned());
    assert_eq!(subjects(&read), with_footer);
    let post = &read["posts"][0];
    assert_eq!(texts(&post["names"]), ["Message", "Date", "From", "To", "Subject", "Message-ID"]);
    let body = format!("text of post 1\n {}\nGr\u{fc}\u{df}e\n", "-".repeat(29));
    assert_eq!(post["body"], body);
    let end = read["end"].as_str().unwrap();
    assert_eq!(end, "End of Dev Digest, Vol 1, Issue 1");
    assert_eq!(read["stars"], "*".repeat(end.len()));
    assert!(read["preamble"].as_str().unwrap().contains("\nAbove\n"));
}

#[test]
fn awkward_mail_is_in_the_digest_like_any_other() {
    let site = site();
    let mails = awkward::mails();
    for mail in &mails {
        site.post("dev", &mail.bytes);
    }
    let mut long = message("anna@example.org", "long", "");
    long.extend_from_slice(&b"x".repeat(5000));
    long.extend_from_slice(b"\nnul\0\n");
    site.post("dev", &long);
    site.ok(&["run"]);
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    let digest = site.maildir(MIME).remove(0);
    assert!(!digest.contains(&0), "no NUL");
    assert!(digest.split(|&byte| byte == b'\n').all(|line| line.len() <= 999), "no endless line");
    let Some(read) = opened(READ_MIME, &digest) else { return };
    assert_eq!(subjects(&read).len(), mails.len() + 1);
    assert_eq!(read["defects"], serde_json::json!([]));
    let plain = site.maildir(PLAIN).remove(0);
    let read = opened(READ_PLAIN, &plain).unwrap();
    assert_eq!(subjects(&read).len(), mails.len() + 2, "and the footer");
    assert!(site.files("shunt", "pck").is_empty());
}

#[test]
fn a_digest_that_has_grown_large_goes_out_in_the_same_run() {
    let site = site();
    site.ok(&["list", "set", "dev", "digest_size_threshhold=1"]);
    site.post("dev", &message("anna@example.org", "small", "x\n"));
    site.ok(&["run"]);
    assert!(site.maildir(MIME).is_empty());
    site.post("dev", &message("anna@example.org", "large", &"x\n".repeat(600)));
    site.ok(&["run"]);
    assert_eq!(site.maildir(MIME).len(), 1);
    assert_eq!(site.maildir(PLAIN).len(), 1);
    let rows: Value = serde_json::from_str(&site.ok(&["digest", "ls", "--json"])).unwrap();
    assert_eq!((&rows[0]["issue"], &rows[0]["posts"]), (&2.into(), &0.into()));
}

#[test]
fn beside_runs_every_post_is_in_one_digest() {
    let site = site();
    site.ok(&["config", "set", "run.batch", "4"]);
    let posts = 40;
    for post in 0..posts {
        site.post("dev", &message("anna@example.org", &format!("post{post}"), "x\n"));
    }
    let mut drains = [site.start_drain(), site.start_drain()];
    while drains.iter_mut().any(|drain| drain.try_wait().unwrap().is_none()) {
        site.ok(&["digest", "send", "dev"]);
    }
    site.ok(&["run"]);
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    for reader in [MIME, PLAIN] {
        let mails = site.maildir(reader);
        let all: String =
            mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect();
        for post in 0..posts {
            let times = all.matches(&format!("\nMessage-ID: <post{post}@test.example>")).count();
            assert_eq!(times, 1, "post{post} for {reader}");
        }
    }
}

#[test]
fn killed_between_a_post_and_its_digest_the_next_run_sends_it() {
    let site = site();
    site.ok(&["list", "set", "dev", "digest_size_threshhold=1", "digest_send_periodic=no"]);
    site.post("dev", &message("anna@example.org", "large", &"x\n".repeat(600)));
    let killed =
        site.command(&["run"]).env("DORMOUSE_FAULT", "batch.carried-out:1").output().unwrap();
    assert!(!killed.status.success(), "{}", describe(&killed));
    assert!(site.files("in", "pck").is_empty() && site.files("in", "bak").is_empty());
    site.ok(&["run"]);
    assert_eq!(site.maildir(MIME).len(), 1);
    assert_eq!(site.dir().join("due/senddigests").exists(), site.is_shared());
}

#[test]
fn a_post_whose_drain_was_killed_is_in_one_digest_though_that_was_sent_meanwhile() {
    for point in ["incoming.stored", "batch.staged", "batch.synced", "batch.decided"] {
        let site = site();
        site.post("dev", &message("anna@example.org", "one", "x\n"));
        let killed = site.command(&["run"]).env("DORMOUSE_FAULT", format!("{point}:1")).output();
        let killed = killed.unwrap();
        assert!(!killed.status.success(), "{point}: {}", describe(&killed));
        // The entry has not been recovered yet.
        site.ok(&["digest", "send", "dev"]);
        site.ok(&["run"]);
        site.post("dev", &message("anna@example.org", "two", "x\n"));
        site.ok(&["run"]);
        site.ok(&["digest", "send", "dev"]);
        site.ok(&["run"]);
        for reader in [MIME, PLAIN] {
            let all: String = site
                .maildir(reader)
                .iter()
                .map(|mail| String::from_utf8_lossy(mail).into_owned())
                .collect();
            for subject in ["one", "two"] {
                let times = all.matches(&format!("\nSubject: {subject}\n")).count();
                assert_eq!(times, 1, "{point}: {subject} for {reader}: {all}");
            }
        }
        assert_eq!(site.maildir("anna@example.org").len(), 2, "{point}");
    }
}

#[test]
fn a_digest_is_sent_once_if_killed_after_the_hand_over() {
    for point in ["digest.handed-over", "batch.decided", "batch.staged"] {
        let site = site();
        site.post("dev", &message("anna@example.org", "one", "x\n"));
        site.ok(&["run"]);
        let killed = site
            .command(&["digest", "send", "dev"])
            .env("DORMOUSE_FAULT", format!("{point}:1"))
            .output()
            .unwrap();
        assert!(!killed.status.success(), "{point}: {}", describe(&killed));
        site.post("dev", &message("anna@example.org", "two", "x\n"));
        site.ok(&["digest", "send", "dev"]);
        site.ok(&["run"]);
        site.ok(&["digest", "send", "dev"]);
        site.ok(&["run"]);
        site.ok(&["digest", "send", "dev"]);
        site.ok(&["run"]);
        for reader in [MIME, PLAIN] {
            let all: String = site
                .maildir(reader)
                .iter()
                .map(|mail| String::from_utf8_lossy(mail).into_owned())
                .collect();
            for post in ["one", "two"] {
                let times = all.matches(&format!("\nMessage-ID: <{post}@test.example>")).count();
                assert_eq!(times, 1, "{point}: {post} for {reader}");
            }
        }
    }
}

#[test]
fn the_clock_sends_digests_once_a_day_and_only_where_there_are_posts() {
    let site = site();
    let due = |name: &str| site.dir().join("due").join(name).exists();
    assert_eq!(due("senddigests"), site.is_shared());
    site.post("dev", &message("anna@example.org", "one", "x\n"));
    site.ok(&["run"]);
    assert!(due("senddigests"));
    let day = |days: u32, args: &[&str]| {
        let output = site
            .command(args)
            .env("DORMOUSE_CLOCK", format!("+{}", days * 86_400))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", describe(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(day(1, &["cron", "run"]).contains("senddigests: 1 digest sent"));
    assert_eq!(due("senddigests"), site.is_shared());
    site.ok(&["run"]);
    site.post("dev", &message("anna@example.org", "two", "x\n"));
    site.ok(&["run"]);
    assert_eq!(day(1, &["cron", "run"]), "", "not twice for a day");
    assert_eq!(day(1, &["cron", "senddigests"]), "0 digests sent\n");
    assert!(due("senddigests"));
    assert_eq!(day(2, &["cron", "senddigests"]), "1 digest sent\n");
    site.ok(&["run"]);
    assert_eq!(site.maildir(MIME).len(), 2);
    let jobs: Value = serde_json::from_str(&site.ok(&["cron", "ls", "--json"])).unwrap();
    let names: Vec<&str> =
        jobs.as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    assert!(names.contains(&"gate_news") && names.contains(&"mailpasswds"), "{names:?}");
    assert!(site.ok(&["cron", "mailpasswds"]).contains("no longer sent by mail"));
    let units = site.ok(&["units", "print", "--user"]);
    assert!(units.contains("# dormouse-cron@senddigests.timer"), "{units}");
    // The timer is active only while a list gets articles from a newsgroup.
    assert!(units.contains("# dormouse-cron@gate_news.path"), "{units}");
    assert!(!units.contains("dormouse-cron@bumpdigests"), "a person starts that: {units}");
}

/// Returns the posts of `dev` that an address got, as single posts and in digests.
fn got(site: &TestSite, address: &str) -> (Vec<String>, Vec<String>) {
    let (mut single, mut collected) = (Vec::new(), Vec::new());
    for mail in site.maildir(address) {
        let text = String::from_utf8_lossy(&mail).into_owned();
        let is_digest = text.contains("Digest, Vol");
        let words = text.lines().filter_map(|line| line.strip_prefix("Subject: post-"));
        if is_digest { &mut collected } else { &mut single }.extend(words.map(str::to_owned));
    }
    (single, collected)
}

#[test]
fn who_switches_between_digests_and_single_posts_gets_each_post_once() {
    let site = site();
    let post = |name: &str| {
        site.post("dev", &message("anna@example.org", &format!("post-{name}"), "x\n"));
    };
    let set = |address: &str, to: &str| {
        site.ok(&["member", "set", "dev", address, to]);
    };
    const TO_SINGLE: &str = PLAIN;
    const TO_DIGEST: &str = "anna@example.org";
    const BACK: &str = MIME;
    site.ok(&["member", "set", "dev", TO_DIGEST, "notmetoo=off"]);
    // Without posts for a digest, a switch takes effect immediately, and can be reverted.
    set(BACK, "digest=off");
    set(BACK, "digest=mime");
    post("a");
    site.ok(&["run"]);
    set(TO_SINGLE, "digest=off");
    set(TO_DIGEST, "digest=plain");
    set(BACK, "digest=off");
    post("b");
    site.ok(&["run"]);
    // The member switches while a post is in the queue.
    post("c");
    site.ok(&["run", "--queue", "in"]);
    set(BACK, "digest=mime");
    site.ok(&["run"]);
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    post("d");
    site.ok(&["run"]);
    // After a digest, the switch takes effect; a post in the queue belongs to the next digest.
    post("e");
    site.ok(&["run", "--queue", "in"]);
    for (address, to) in [(TO_SINGLE, "digest=plain"), (TO_DIGEST, "digest=off")] {
        set(address, to);
    }
    site.ok(&["run"]);
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    post("f");
    site.ok(&["run"]);
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.concat()
    };
    for (address, single, collected) in
        [(TO_SINGLE, "de", "abcf"), (TO_DIGEST, "abcf", "de"), (BACK, "", "abcdef")]
    {
        let (one_by_one, in_digests) = got(&site, address);
        assert_eq!(sorted(one_by_one), single, "{address} one by one");
        assert_eq!(sorted(in_digests), collected, "{address} in digests");
    }
}
