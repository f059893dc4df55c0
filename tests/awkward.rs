//! Awkward mail passes, and its body stays unchanged unless a setting requires a change.

use dormouse_testkit::awkward;
use dormouse_testkit::site::TestSite;

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

#[test]
fn every_awkward_mail_reaches_the_member_with_its_body_unchanged() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["bert@example.net"]);
    for mail in awkward::mails() {
        site.post("dev", &mail.bytes);
        site.ok(&["run"]);
        let mut delivered = site.maildir("bert@example.net");
        assert_eq!(delivered.len(), 1, "{}", mail.name);
        let delivered = delivered.remove(0);
        assert!(
            awkward::body(&delivered) == awkward::body(&mail.bytes),
            "the body of {:?} changed",
            mail.name
        );
        for file in std::fs::read_dir(site.dir().join("mail/bert@example.net/new")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    for queue in ["in", "out", "shunt", "bad"] {
        assert!(site.files(queue, "pck").is_empty(), "{queue}");
        assert!(site.files(queue, "psv").is_empty(), "{queue}");
    }
}

#[test]
fn the_headers_of_awkward_mail_leave_byte_for_byte_but_for_the_lists_own() {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["bert@example.net"]);
    for mail in awkward::mails().into_iter().filter(|mail| mail.bytes.len() < 100_000) {
        site.post("dev", &mail.bytes);
        site.ok(&["run"]);
        let delivered = site.maildir("bert@example.net").remove(0);
        let head = &mail.bytes[..mail.bytes.len() - awkward::body(&mail.bytes).len()];
        for line in head
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(b"From "))
        {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            assert!(
                delivered.windows(line.len()).any(|window| window == line),
                "{:?}: {:?} is missing in\n{}",
                mail.name,
                String::from_utf8_lossy(line),
                String::from_utf8_lossy(&delivered)
            );
        }
        for file in std::fs::read_dir(site.dir().join("mail/bert@example.net/new")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}
