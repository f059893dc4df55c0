//! A site as seen by an attacker and a lawyer: passwords that must not leave, people who must be
//! erased, mail that must not be caused. Each test plants something unique and searches the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dormouse_clock::Timestamp;
use dormouse_membership::password;
use dormouse_store::{Site, Store};
use dormouse_testkit::site::{TestSite, describe};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");
const OWNER: &str = "owner@example.org";

/// A list with one reader of each kind, whose owners have a password.
fn site(secret: &str) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.ok(&["config", "set", "web.listen", "127.0.0.1:8024"]);
    site.plain_list("dev", &["anna@example.org", "mod@example.org"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "--digest", "digest@example.org"]);
    site.ok(&["list", "set", "dev", "generic_nonmember_action=hold", "digest_send_periodic=yes"]);
    let hash = password::hash(secret).unwrap();
    store(&site).write(|tx| tx.set_setting("dev", "password", &hash)).unwrap();
    site
}

fn store(site: &TestSite) -> Store {
    Store::open(&Site::open(&site.dir()).unwrap()).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns all decodings in which somebody may read the bytes.
fn readings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![bytes.to_vec()];
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text)
            .unwrap();
        found.push(text);
    }
    let decoded = dormouse_mail::transfer::quoted_printable_decode(&found[found.len() - 1]);
    found.push(decoded);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut block = String::new();
    for line in text.lines().chain([""]) {
        let line = line.trim();
        let is_base64 = line.len() >= 4
            && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        if is_base64 {
            block.push_str(line);
        } else if !block.is_empty() {
            found.push(dormouse_mail::transfer::base64_decode(block.as_bytes()));
            block.clear();
        }
    }
    let words: Vec<Vec<u8>> = text
        .lines()
        .filter(|line| line.contains("=?"))
        .map(|line| dormouse_mail::encoded_word::decode(line.as_bytes()).into_bytes())
        .collect();
    found.extend(words);
    let unescaped: Vec<Vec<u8>> = found
        .iter()
        .map(|bytes| {
            html_escape::decode_html_entities(&String::from_utf8_lossy(bytes))
                .into_owned()
                .into_bytes()
        })
        .collect();
    found.extend(unescaped);
    found
}

fn dense(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Returns the files below a directory that contain something, in any decoding.
fn holders(dir: &Path, needles: &[&str]) -> Vec<String> {
    let mut holders = Vec::new();
    for file in files(dir) {
        let bytes = fs::read(&file).unwrap();
        for reading in readings(&bytes) {
            let reading = dense(&reading).to_ascii_lowercase();
            for needle in needles {
                let needle = dense(needle.as_bytes()).to_ascii_lowercase();
                if memchr::memmem::find(&reading, &needle).is_some() {
                    holders.push(format!(
                        "{needle:?} in {}",
                        file.display(),
                        needle = String::from_utf8_lossy(&needle)
                    ));
                }
            }
        }
    }
    holders.sort();
    holders.dedup();
    holders
}

const PLAIN: &str = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";

fn mixed(first: &str, second: &str) -> String {
    format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n{first}\n--b\n{second}\n--b--\n"
    )
}

fn alternative(secret: &str, html: &str) -> String {
    mixed(
        &format!("{PLAIN}\nApproved: {secret}\nhello\n"),
        &format!(
            "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{html}"
        ),
    )
    .replace("multipart/mixed", "multipart/alternative")
}

fn encoded(kind: &str, text: &str) -> String {
    let content = match kind {
        "base64" => BASE64.encode(text),
        _ => String::from_utf8(dormouse_mail::transfer::quoted_printable_encode(
            text.as_bytes(),
            b"\n",
        ))
        .unwrap(),
    };
    format!(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {kind}\n\n{content}"
    )
}

/// Returns every form of a password in a post: the form's name, the password, header and body.
#[allow(clippy::too_many_lines)]
fn shapes() -> Vec<(&'static str, &'static str, String)> {
    let pw = "s3cretPW";
    let html = |secret: &'static str, html: &str| (secret, alternative(secret, html));
    let nested = |inner: &str| {
        mixed(&format!("{PLAIN}\nsee below\n"), &format!("Content-Type: message/rfc822\n\n{inner}"))
    };
    let with_header = |rest: &str| format!("Approved: {pw}\n{rest}");
    let attached = |head: &str, content: &str| {
        with_header(&mixed(&format!("{PLAIN}\nsee below\n"), &format!("{head}\n{content}")))
    };
    let wide: Vec<u8> =
        format!("Approved: {pw}\r\nhello\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = BASE64.encode(wide);
    let mut shapes: Vec<(&str, (&str, String))> = vec![
        ("header", (pw, with_header("\nhello\n"))),
        ("header in capitals", (pw, format!("APPROVED:{pw}\n\nhello\n"))),
        ("x-approve", (pw, format!("X-Approve: {pw}\n\nhello\n"))),
        ("header twice", (pw, format!("Approved: {pw}\nApproved: {pw}\n\nhello\n"))),
        ("folded header", (pw, format!("Approved:\n {pw}\n\nhello\n"))),
        ("header with encoded words", ("grün&teuer", format!("Approved: {}\n\nApproved: grün&teuer\nhello\n", dormouse_mail::encoded_word::encode("grün&teuer", 60)))),
        ("blank before the colon", (pw, format!("Approved : {pw}\n\nhello\n"))),
        ("header and body", (pw, with_header(&format!("\nApproved: {pw}\nhello\n")))),
        ("header and a mistyped one in the body", (pw, with_header("\nApproved: s3cretPX\nhello\n"))),
        ("first line", (pw, format!("\nApproved: {pw}\nhello\n"))),
        ("two lines", (pw, format!("\nApproved: {pw}\nApprove: {pw}\nhello\n"))),
        ("a second line further below", (pw, format!("\nApproved: {pw}\nhello\n\nApproved: {pw}\n"))),
        ("only further below", (pw, format!("\nhello\n\nApproved: {pw}\n"))),
        ("quoted", (pw, format!("\nhello\n> Approved: {pw}\n> | *Approved:* {pw}\n"))),
        ("bold", (pw, format!("\n*Approved:* {pw}\nhello\n"))),
        ("words around it", (pw, format!("\nApproved: {pw}, please\nhello\n"))),
        ("in quotation marks", (pw, format!("\nApproved: \"{pw}\"\nhello\n"))),
        ("value on the next line", (pw, format!("\nApproved:\n{pw}\nhello\n"))),
        ("without its label again", (pw, format!("\nApproved: {pw}\nThe password is {pw}.\n"))),
        ("crlf", (pw, format!("\r\nApproved: {pw}\r\nhello\r\n"))),
        ("no-break blanks", (pw, format!("{PLAIN}\nApproved:\u{a0}{pw}\u{a0}\nhello\n"))),
        ("unseen signs", (pw, format!("{PLAIN}\n\u{feff}Approved: s3\u{200b}cretPW and s3cretPW\nApproved: {pw}\n"))),
        ("flowed", ("correct horse battery", "Content-Type: text/plain; format=flowed\n\nApproved: correct horse \nbattery\nhello\n".to_owned())),
        ("wrapped", ("correct horse battery", "\nApproved: correct horse\nbattery\nhello\n".to_owned())),
        ("quoted-printable", ("grün=1", encoded("quoted-printable", "Approved: grün=1\nhello grün=1\n"))),
        ("soft line breaks", (pw, "Content-Transfer-Encoding: quoted-printable\n\nApproved: s3=\ncretPW\nhello\n".to_owned())),
        ("base64", (pw, encoded("base64", &format!("Approved: {pw}\nhello\n")))),
        ("latin-1", ("grün", "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nApproved: gr=FCn\nhello\n".to_owned())),
        ("utf-16", (pw, format!("Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n{wide}\n"))),
        ("ampersand in HTML", html("tea&cake", "<div>Approved: tea&amp;cake</div><div>hello</div>")),
        ("angles in HTML", html("a<b>c", "<div>Approved: a&lt;b&gt;c</div><div>hello</div>")),
        ("numbers in HTML", html("tea&cake", "<div>Approved: tea&#38;c&#x61;ke</div>")),
        ("named umlauts in HTML", html("grünÄß", "<p>Approved: gr&uuml;n&Auml;&szlig;</p>")),
        ("decomposed umlauts in HTML", html("grüner", "<p>Approved: gru\u{308}ner</p>")),
        ("wrapped in HTML", html("correct horse battery", "<div>Approved: correct horse\nbattery</div><div>hello</div>")),
        ("nbsp in HTML", html("correct horse battery", "<div>Approved:&nbsp;correct&nbsp;horse <br>battery</div>")),
        ("quotes in HTML", html("say \"hi\"", "<div>Approved: say &quot;hi&quot;</div>")),
        ("in pieces in HTML", html(pw, "<b>Approved:</b> <span>s3c</span><i>ret</i>PW")),
        ("in an attribute", html(pw, "<p title='Approved: s3cretPW'>hello</p><a href='mailto:x@y?body=Approved%3A%20s3cretPW'>x</a>")),
        ("in a comment and a style", html(pw, "<!-- Approved: s3cretPW --><style>.x{content:'s3cretPW'}</style>hello")),
        ("HTML alone", (pw, format!("Content-Type: text/html\n\n<html><body><p>Approved: {pw}</p><p>hello</p></body></html>\n"))),
        ("forwarded header", (pw, with_header(&nested(&format!("From: x@y.example\nSubject: n\nApproved: {pw}\n\nnested\n"))))),
        ("forwarded body", (pw, with_header(&nested(&format!("From: x@y.example\n\nApproved: {pw}\nnested\n"))))),
        ("forwarded alone", (pw, nested(&format!("From: x@y.example\nX-Approve: {pw}\n\nnested\n")))),
        ("forwarded twice", (pw, with_header(&nested(&nested(&format!("Subject: Approved: {pw}\n\nApproved: {pw}\n")).replace("boundary=b", "boundary=c").replace("--b", "--c"))))),
        ("header of a part", (pw, mixed(&format!("{PLAIN}Approved: {pw}\n\nhello\n"), "Content-Type: text/plain\n\nmore\n"))),
        ("preamble", (pw, with_header(&format!("Content-Type: multipart/mixed; boundary=b\n\nApproved: {pw}\n--b\n\nhello\n--b--\nApproved: {pw}\n")))),
        ("subject", (pw, format!("Subject: Re: Approved: {pw} news\n\nhello\n"))),
        ("name of a file", (pw, attached(&format!("Content-Type: text/plain; name=\"{pw}.txt\"\nContent-Disposition: attachment; filename=\"{pw}.txt\"\n"), "x\n"))),
        ("encoded name of a file", (pw, attached("Content-Type: text/plain\nContent-Disposition: attachment; filename*=utf-8''s3cret%50W.txt\n", "x\n"))),
        ("attached text", (pw, attached("Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n", &format!("{}\n", BASE64.encode(format!("Approved: {pw}\n")))))),
        ("rich text", ("grünPW", format!("Approved: {}\n{}", dormouse_mail::encoded_word::encode("grünPW", 60), mixed(&format!("{PLAIN}\nhello\n"), "Content-Type: text/rtf\n\n{\\rtf1\\ansi Approved: {\\b gr\\'fcnP}W\\par hello gr\\u252?nPW}\n")))),
        ("something binary", (pw, attached("Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n", &format!("{}\n", BASE64.encode(format!("\0PNG{pw}\0")))))),
        ("sender's name", (pw, format!("From: \"Approved: {pw}\" <mod@example.org>\nApproved: {pw}\n\nhello\n"))),
        ("urgent", (pw, format!("Urgent: {pw}\n\nhello\n"))),
        ("mistyped header", ("s3cretPX", "Approved: s3cretPX\n\nhello\n".to_owned())),
        ("mistyped first line", ("s3cretPX", "\nApproved: s3cretPX\nhello\n".to_owned())),
        ("mistyped in HTML", html("tea&kake", "<p>Approved:&nbsp;tea&amp;kake</p>")),
    ];
    shapes.drain(..).map(|(name, (secret, mail))| (name, secret, mail)).collect()
}

/// A list password in every form, from members and others, to the list and its other addresses: no
/// byte of it is delivered, archived, put into digests or mailed back.
#[test]
fn a_password_of_the_list_leaves_in_no_shape() {
    let shapes = shapes();
    assert!(shapes.len() >= 50, "{}", shapes.len());
    let site = site("another");
    let mut failed = Vec::new();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, (_, secret, _)) in shapes.iter().enumerate() {
        groups.entry(secret).or_default().push(number);
    }
    for (secret, numbers) in groups {
        let is_mistyped = shapes[numbers[0]].0.starts_with("mistyped");
        let hash = password::hash(if is_mistyped { "quite another" } else { secret }).unwrap();
        store(&site).write(|tx| tx.set_setting("dev", "password", &hash)).unwrap();
        for &number in &numbers {
            let rest = &shapes[number].2;
            for (who, from) in [("member", "mod@example.org"), ("stranger", "stranger@example.com")]
            {
                let from = if rest.contains("From: \"") {
                    String::new()
                } else {
                    format!("From: {from}\n")
                };
                let subject = if rest.starts_with("Subject:") { "" } else { "Subject: shape\n" };
                for to in ["dev", "dev-owner", "dev-request", "dev-join"] {
                    let mail = format!(
                        "{from}To: {to}@lists.example.org\nMessage-ID: <{number}.{who}.{to}@x.example>\n{subject}{rest}"
                    );
                    let output = site
                        .feed(&["deliver", &format!("{to}@lists.example.org")], mail.as_bytes());
                    assert!(output.status.success(), "{}", describe(&output));
                }
            }
        }
        site.ok(&["run"]);
        assert_eq!(site.files("shunt", "pck"), Vec::<String>::new(), "{secret}");
        let mut left = holders(&site.dir().join("mail"), &[secret]);
        left.extend(holders(&site.dir().join("archives"), &[secret]));
        if !left.is_empty() {
            let names: Vec<&str> = numbers.iter().map(|number| shapes[*number].0).collect();
            failed.push(format!("{names:?}: {left:#?}"));
        }
        // The following mail is checked separately.
        fs::remove_dir_all(site.dir().join("mail")).unwrap();
    }
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    for (name, secret, _) in &shapes {
        let left = holders(&site.dir().join("mail/digest@example.org"), &[secret]);
        if !left.is_empty() {
            failed.push(format!("{name} in a digest: {left:#?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The posts are still approved, and everything but the password stays.
#[test]
fn a_right_password_approves_and_the_rest_of_the_post_stays() {
    let site = site("tea&cake");
    let posts = [
        "Approved: tea&cake\n\nhello from here\nApproved: by the board\n".to_owned(),
        "\nApproved: tea&cake\nhello from here\nApproved: by the board\n".to_owned(),
        alternative(
            "tea&cake",
            "<p>Approved: tea&amp;cake</p><p>hello from here<br>Approved: by the board</p>",
        ),
    ];
    for (number, rest) in posts.iter().enumerate() {
        let mail = format!(
            "From: stranger@example.com\nTo: dev@lists.example.org\nMessage-ID: <{number}@x.example>\nSubject: s\n{rest}"
        );
        site.post("dev", mail.as_bytes());
        site.ok(&["run"]);
        let mails = site.maildir("anna@example.org");
        assert_eq!(mails.len(), number + 1, "{rest}");
        let mail = String::from_utf8_lossy(&mails[number]).into_owned();
        assert!(
            mail.contains("hello from here") && mail.contains("Approved: by the board"),
            "{mail}"
        );
    }
    // A post from which only the password cannot be removed is held, with that reason.
    let binary = BASE64.encode("\0PNG tea&cake");
    let mail = format!(
        "From: mod@example.org\nTo: dev@lists.example.org\nSubject: s\nApproved: tea&cake\n{}",
        mixed(
            &format!("{PLAIN}\nhello\n"),
            &format!("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n{binary}\n")
        )
    );
    site.post("dev", mail.as_bytes());
    site.ok(&["run"]);
    let held = site.ok(&["held", "ls", "dev", "--json"]);
    assert!(held.contains("A password of the list stood in the post"), "{held}");
    let notice = site.maildir(OWNER).pop().unwrap();
    assert!(String::from_utf8_lossy(&notice).contains("and was removed.]"));
    // A moderator may approve it, because the password is no longer in it.
    site.ok(&["held", "approve", "dev", "1"]);
    site.ok(&["run"]);
    assert_eq!(holders(&site.dir().join("mail"), &["tea&cake"]), Vec::<String>::new());
    assert_eq!(site.maildir("anna@example.org").len(), 4);
}

/// Commands by mail may contain passwords, too, and the reply has the original attached.
#[test]
fn a_password_in_a_command_is_not_sent_back() {
    let site = site("s3cretPW");
    for (number, (subject, body)) in [
        ("who s3cretPW", ""),
        ("x", "set authenticate s3cretPW\nset ack on\nnonsense s3cretPW\n"),
        ("set authenticate s3cretPX", "set show\n"),
        ("unsubscribe s3cretPX address=anna@example.org", ""),
        ("subscribe s3cretPX digest", "end\n"),
        ("password s3cretPX s3cretPW", ""),
        ("confirm 0123456789012345678901234567890123456789", "Approved: s3cretPW\n"),
        ("help", "Approved: s3cretPX\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let mail = format!(
            "From: mod@example.org\nTo: dev-request@lists.example.org\nMessage-ID: <{number}@x.example>\nSubject: {subject}\n\n{body}"
        );
        let output = site.feed(&["deliver", "dev-request@lists.example.org"], mail.as_bytes());
        assert!(output.status.success(), "{}", describe(&output));
        site.ok(&["run"]);
        let left = holders(&site.dir().join("mail"), &["s3cretPW", "s3cretPX"]);
        assert!(left.is_empty(), "{subject}: {left:#?}");
    }
    assert!(!site.maildir("mod@example.org").is_empty());
}

/// Sends a mail, and runs the queues.
fn send(site: &TestSite, from: &str, to: &str, rest: &str) {
    let id = Timestamp::now().seconds();
    let mail = format!(
        "From: {from}\nTo: {to}@lists.example.org\nMessage-ID: <{id}@test.example>\n{rest}"
    );
    let output = site.feed(&["deliver", &format!("{to}@lists.example.org")], mail.as_bytes());
    assert!(output.status.success(), "{}", describe(&output));
    site.ok(&["run"]);
}

fn mails(site: &TestSite, address: &str) -> Vec<String> {
    site.maildir(address).iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
}

fn last_mail(site: &TestSite, address: &str) -> String {
    mails(site, address).pop().unwrap_or_else(|| panic!("no mail to {address}"))
}

fn cookie(mail: &str) -> String {
    let start = mail.find("\nSubject: confirm ").unwrap_or_else(|| panic!("{mail}"));
    mail[start..].split_whitespace().nth(2).unwrap().to_owned()
}

fn link(mail: &str, page: &str) -> String {
    let start = mail.find(&format!("/mailman/{page}/")).unwrap_or_else(|| panic!("{page}: {mail}"));
    let end = |letter: char| letter.is_whitespace() || letter == '>';
    mail[start..].split(end).next().unwrap().to_owned()
}

fn is_member(site: &TestSite, address: &str) -> bool {
    site.ok(&["member", "ls", "dev"]).lines().any(|line| line.contains(address))
}

/// A unique name and address, in every place where somebody can write them.
#[test]
#[allow(clippy::too_many_lines)]
fn who_is_erased_is_in_no_byte_of_the_site() {
    const WHO: &str = "zaphod.unikum@erased.example";
    const NAME: &str = "Zaphod Beeblebrox Unikum";
    let site = site("secret");
    site.ok(&["config", "set", "members.mails_per_address", "0"]);
    site.ok(&["config", "set", "scrub.keep_names", "yes"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "scrub_nondigest=yes",
        "admin_notify_mchanges=yes",
        "private_roster=0",
    ]);
    let from = format!("\"{NAME}\" <{WHO}>");
    // The person joins, sends commands, has a held post, and posts.
    send(&site, &from, "dev-join", "Subject: please\n\n");
    let code = cookie(&last_mail(&site, WHO));
    send(&site, &from, "dev-request", "Subject: set ack on\n\n");
    send(&site, &from, "dev-request", &format!("Subject: confirm {code}\n\n"));
    assert!(is_member(&site, WHO));
    send(&site, &from, "dev-request", "Subject: help\n\nset digest mime\n");
    send(&site, &from, "dev-request", "Subject: subscribe address=other@example.org\n\n");
    send(
        &site,
        "other@example.org",
        "dev-request",
        &format!("Subject: set show address={WHO}\n\n"),
    );
    send(&site, &from, "dev-leave", "Subject: bye\n\n");
    let attached = mixed(
        &format!("{PLAIN}\nThis is {NAME} speaking, Kakrafoon.\n"),
        &format!("Content-Type: application/x-thing; name=\"Unikum.bin\"\n\nmade by {NAME}\n"),
    );
    for (id, more) in [("one", ""), ("two", "X-No-Archive: yes\n")] {
        let mail = format!(
            "From: {from}\nTo: dev@lists.example.org\nMessage-ID: <{id}@unique.example>\nSubject: Unikum was here\n{more}{attached}"
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    assert!(!holders(&site.dir().join("archives"), &[WHO]).is_empty());
    assert!(site.ok(&["archive", "search", "dev", "Kakrafoon"]).contains("Unikum"));
    // Another member changes to this address, and this member to another one and back.
    store(&site)
        .write(|tx| -> Result<(), dormouse_store::StoreError> {
            let list = tx.read().list("dev")?.unwrap();
            let pending = dormouse_store::Pending {
                cookie: "c".repeat(40),
                list_id: list.id,
                request: dormouse_store::Request::ChangeAddress {
                    address: "anna@example.org".to_owned(),
                    new: WHO.to_uppercase(),
                    globally: false,
                },
                content: Vec::new(),
                created_at: Timestamp::from_seconds(1.0),
                expires_at: Timestamp::from_seconds(9e9),
            };
            tx.pend(&pending)?;
            tx.move_member(
                list.id,
                WHO,
                "moved@example.org",
                "by a test",
                Timestamp::from_seconds(2e9),
            )?;
            tx.move_member(
                list.id,
                "moved@example.org",
                WHO,
                "by a test",
                Timestamp::from_seconds(2e9),
            )?;
            Ok(())
        })
        .unwrap();
    site.ok(&["member", "set", "dev", WHO, "nomail=yes"]);
    site.ok(&[
        "list",
        "set",
        "dev",
        "default_member_moderation=yes",
        "member_moderation_action=hold",
    ]);
    site.ok(&["list", "create", "other", "--owner", OWNER]);
    site.ok(&["list", "set", "other", "subscribe_policy=approve", "generic_nonmember_action=hold"]);
    send(&site, &from, "other-join", "Subject: please\n\n");
    send(&site, &from, "other", &format!("Subject: held\n\nI am {NAME}.\n"));
    send(&site, &from, "dev-owner", &format!("Subject: to owners\n\nI am {NAME}.\n"));
    // Delivered mail belongs to its recipients.
    fs::remove_dir_all(site.dir().join("mail")).unwrap();
    let needles = [WHO, NAME, "Kakrafoon", "made by Zaphod"];
    let before = holders(&site.dir(), &needles);
    assert!(before.len() > 8, "{before:#?}");

    let told = site.ok(&["person", "erase", WHO]);
    assert!(told.contains("still in the archive of dev: 1 post;"), "{told}");
    site.ok(&["archive", "rm", "dev", "one@unique.example"]);
    site.ok(&["archive", "rm", "dev", "<two@unique.example>"]);
    let left = holders(&site.dir(), &needles);
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(site.run(&["person", "show", WHO]).status.code(), Some(65));
    assert_eq!(site.run(&["person", "erase", WHO]).status.code(), Some(65));
    let gone = site.run(&["archive", "rm", "dev", "two@unique.example"]);
    assert!(!gone.status.success(), "{}", describe(&gone));
    // The others have lost nothing.
    assert!(is_member(&site, "anna@example.org"));
    assert!(site.ok(&["person", "show", "other@example.org"]).contains("asked"));
}

#[test]
fn posts_go_with_their_author_if_they_shall_and_the_others_stay() {
    let site = site("secret");
    for (number, from) in
        ["anna@example.org", "mod@example.org", "anna@example.org"].iter().enumerate()
    {
        let mail = format!(
            "From: {from}\nTo: dev@lists.example.org\nMessage-ID: <{number}@test.example>\nSubject: word{number}\n\ntext{number}\n"
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    let dry = site.ok(&["person", "erase", "Anna@example.org", "--posts", "--dry-run"]);
    assert!(dry.contains("2 archived posts") && dry.contains("2 posts for a digest"), "{dry}");
    assert!(is_member(&site, "anna@example.org"));
    let done = site.ok(&["person", "erase", "Anna@example.org", "--posts"]);
    assert!(done.contains("2 archived posts"), "{done}");
    let archives = site.dir().join("archives");
    for (word, stays) in [("text0", false), ("text1", true), ("text2", false)] {
        assert_eq!(!holders(&archives, &[word]).is_empty(), stays, "{word}");
    }
    assert_eq!(holders(&archives, &["anna@example.org"]), Vec::<String>::new());
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    let digest = last_mail(&site, "digest@example.org");
    assert!(digest.contains("text1") && !digest.contains("text0"), "{digest}");
    // An address that only ends in the same way stays.
    assert!(is_member(&site, "mod@example.org"));
}

#[test]
fn a_post_removed_from_the_archive_is_in_no_digest() {
    let site = site("secret");
    for number in 0..4 {
        let mail = format!(
            "From: anna@example.org\nTo: dev@lists.example.org\nMessage-ID: <{number}@test.example>\nSubject: word{number}\n{}\ntext{number}\n",
            if number == 3 { "X-No-Archive: yes\n" } else { "" }
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    assert!(
        site.ok(&["archive", "rm", "dev", "0@test.example"])
            .contains("removed from the next digest")
    );
    assert!(
        site.ok(&["digest", "rm", "dev", "<1@test.example>"])
            .contains("removed from the next digest")
    );
    assert!(
        site.ok(&["archive", "rm", "dev", "3@test.example"])
            .contains("removed from the next digest")
    );
    assert_eq!(site.run(&["digest", "rm", "dev", "1@test.example"]).status.code(), Some(65));
    site.ok(&["digest", "send", "dev"]);
    site.ok(&["run"]);
    let digest = last_mail(&site, "digest@example.org");
    for (word, is_in) in [("text0", false), ("text1", false), ("text2", true), ("text3", false)] {
        assert_eq!(digest.contains(word), is_in, "{word}: {digest}");
    }
}

/// Forged requests to thirty lists, of every kind.
#[test]
fn whatever_is_forged_the_victim_gets_a_handful_of_mails_and_is_not_locked_out() {
    const VICTIM: &str = "victim@example.com";
    let site = site("secret");
    let lists: Vec<String> = (0..30).map(|number| format!("l{number}")).collect();
    for list in &lists {
        site.ok(&["list", "create", list, "--owner", OWNER]);
        site.ok(&["list", "set", list, "admin_immed_notify=no"]);
    }
    for (number, list) in lists.iter().enumerate() {
        for (kind, subject) in
            ["join", "request", "leave", "request"].iter().zip(["x", "help", "x", "subscribe"])
        {
            let to = format!("{list}-{kind}@lists.example.org");
            let mail = format!(
                "From: {VICTIM}\nTo: {to}\nMessage-ID: <{number}.{kind}.{subject}@x.example>\nSubject: {subject}\n\n"
            );
            for _ in 0..3 {
                let output = site.feed(&["deliver", &to], mail.as_bytes());
                assert!(output.status.success(), "{}", describe(&output));
            }
        }
    }
    site.ok(&["run"]);
    let count = mails(&site, VICTIM).len();
    assert!((1..=10).contains(&count), "{count} mails");
    // A pending code is sent again; mail that the MTA vouches for gets a reply.
    let code = cookie(&mails(&site, VICTIM)[0]);
    assert_eq!(code.len(), 40);
    site.ok(&["config", "set", "notices.authserv_id", "mx.example"]);
    let proof = "Authentication-Results: mx.example; dmarc=pass header.from=example.com\n";
    send(&site, VICTIM, "l29-join", &format!("{proof}Subject: me\n\n"));
    assert_eq!(mails(&site, VICTIM).len(), count + 1);
    assert!(last_mail(&site, VICTIM).contains("\nSubject: confirm "));
    send(&site, VICTIM, "l29-request", &format!("{proof}Subject: help\n\n"));
    assert_eq!(mails(&site, VICTIM).len(), count + 2);
}

#[test]
fn a_page_says_sent_only_when_something_was_sent() {
    let site = site("secret");
    site.ok(&["config", "set", "members.mails_per_address", "1"]);
    site.ok(&["config", "set", "members.form_min_time", "0s"]);
    let server = dormouse_testkit::server::Server::start(&site);
    let ask = |email: &str| server.post("/mailman/options/dev", &format!("email={email}"));
    for email in ["anna%40example.org", "nobody%40example.org"] {
        assert!(ask(email).contains("a link to the options was sent there"), "{email}");
    }
    // The pending code is sent again, once.
    for email in ["anna%40example.org", "nobody%40example.org"] {
        assert!(ask(email).contains("a link to the options was sent there"), "{email}");
    }
    for email in ["anna%40example.org", "nobody%40example.org"] {
        let page = ask(email);
        assert!(page.starts_with("HTTP/1.1 429") && page.contains("No email was sent"), "{page}");
    }
    site.ok(&["run"]);
    assert_eq!(mails(&site, "anna@example.org").len(), 2);
    assert_eq!(mails(&site, "nobody@example.org").len(), 0);
}

#[test]
fn a_right_password_is_let_in_however_many_were_wrong() {
    let site = site("right one");
    site.ok(&["config", "set", "members.passwords_per_origin", "2"]);
    let server = dormouse_testkit::server::Server::start(&site);
    let log_in = |password: &str| {
        server
            .post("/mailman/options/dev", &format!("email=anna%40example.org&password={password}"))
    };
    assert!(log_in("wrong").contains("do not match"));
    for _ in 0..4 {
        log_in("wrong");
    }
    let last = log_in("wrong");
    assert!(last.contains("Too many wrong passwords"), "{last}");
    assert!(log_in("right+one").contains("anna@example.org"));
}

#[test]
fn the_last_wish_counts_and_the_confirmation_shows_it() {
    let site = site("secret");
    site.ok(&["list", "set", "dev", "available_languages=en,de"]);
    site.ok(&["config", "set", "members.form_min_time", "0s"]);
    let server = dormouse_testkit::server::Server::start(&site);
    let ask = |rest: &str| {
        let page = server.get("/mailman/listinfo/dev");
        let start = page.find("name=\"form\" value=\"").unwrap() + 19;
        let form = page[start..].split('"').next().unwrap().to_owned();
        let page = server.post(
            "/mailman/subscribe/dev",
            &format!("email=bert%40example.net&form={form}&{rest}"),
        );
        assert!(page.contains("Check your email"), "{page}");
        site.ok(&["run"]);
        last_mail(&site, "bert@example.net")
    };
    let first = ask("fullname=Old+Name&digest=0&language=en");
    assert!(first.contains("Name:     Old Name") && first.contains("one by one"), "{first}");
    let since = store(&site).read().pending_for("bert@example.net").unwrap()[0].expires_at;
    let second = ask("fullname=New+Name&digest=1&language=de");
    let text =
        dormouse_mail::mime::first_text(&dormouse_mail::Message::parse(second.clone())).unwrap();
    assert!(text.contains("Name:     New Name") && text.contains("in Sammelmails"), "{text}");
    assert!(text.contains("Sprache:  de") && text.contains(" UTC"), "{text}");
    assert_eq!(cookie(&first), cookie(&second));
    assert!(store(&site).read().pending_for("bert@example.net").unwrap()[0].expires_at > since);
    // A mail without a name keeps the earlier name, and does not change the language.
    send(&site, "bert@example.net", "dev-request", "Subject: subscribe nodigest\n\n");
    send(
        &site,
        "bert@example.net",
        "dev-request",
        &format!("Subject: confirm {}\n\n", cookie(&first)),
    );
    let members = site.ok(&["member", "ls", "dev", "--json"]);
    assert!(members.contains("\"name\":\"New Name\""), "{members}");
    let list = store(&site).read().list("dev").unwrap().unwrap();
    let bert = store(&site).read().member(list.id, "bert@example.net").unwrap().unwrap();
    assert_eq!((bert.digest, bert.language.as_str()), (false, "de"));
    // A display name cannot be used for advertising.
    let spam = {
        send(
            &site,
            "\"Buy at https://spam.example now\" <carl@example.net>",
            "dev-join",
            "Subject: x\n\n",
        );
        last_mail(&site, "carl@example.net")
    };
    assert!(!spam.contains("spam.example"), "{spam}");
    // The second click shows what the first one did.
    let page = server.get(&format!("/mailman/confirm/dev/{}", cookie(&first)));
    assert!(page.starts_with("HTTP/1.1 410") && page.contains("became a member of Dev"), "{page}");
}

#[test]
fn links_that_end_a_membership_end_that_membership() {
    let site = site("secret");
    site.ok(&["list", "set", "dev", "personalize=1"]);
    let server = dormouse_testkit::server::Server::start(&site);
    let post = |number: usize| {
        let mail = format!(
            "From: mod@example.org\nTo: dev@lists.example.org\nMessage-ID: <{number}@test.example>\nSubject: s\n\ntext\n"
        );
        site.post("dev", mail.as_bytes());
        site.ok(&["run"]);
    };
    let click = |path: &str| server.post(path, "List-Unsubscribe=One-Click");
    post(0);
    let mail = last_mail(&site, "anna@example.org");
    assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");
    let old = link(&mail, "unsubscribe");
    // The address changes; both addresses are told, and the old link ends the moved membership.
    server_moves(&site, "anna@example.org", "anna@new.example");
    for address in ["anna@example.org", "anna@new.example"] {
        let told = mails(&site, address).join("\n");
        assert!(told.contains("Your address on Dev has changed"), "{told}");
        assert!(told.contains("from anna@example.org") && told.contains("to   anna@new.example"));
    }
    assert!(click(&old).contains("anna@example.org is no longer a member"));
    assert!(!is_member(&site, "anna@new.example"));
    // After joining again the old link is invalid, whichever address joins.
    site.ok(&["member", "add", "dev", "--welcome", "no", "anna@example.org", "anna@new.example"]);
    click(&old);
    assert!(is_member(&site, "anna@example.org") && is_member(&site, "anna@new.example"));
    post(1);
    let new = link(&last_mail(&site, "anna@example.org"), "unsubscribe");
    assert!(click(&new).contains("is no longer a member of Dev"));
    assert!(!is_member(&site, "anna@example.org") && is_member(&site, "anna@new.example"));
    // The member's pending requests are gone with the membership.
    site.ok(&["member", "add", "dev", "--welcome", "no", "anna@example.org"]);
    send(&site, "anna@example.org", "dev-request", "Subject: password\n\n");
    let login = mails(&site, "anna@example.org")
        .iter()
        .rev()
        .find(|mail| mail.contains("/mailman/confirm/"))
        .map(|mail| link(mail, "confirm"))
        .unwrap();
    site.ok(&["member", "rm", "dev", "anna@example.org"]);
    site.ok(&["member", "add", "dev", "--welcome", "no", "anna@example.org"]);
    assert!(server.get(&login).starts_with("HTTP/1.1 410"));
    // If a moderator decides, there is no button.
    site.ok(&["list", "set", "dev", "unsubscribe_policy=yes"]);
    post(2);
    let mail = last_mail(&site, "anna@example.org");
    assert!(
        !mail.contains("List-Unsubscribe-Post") && mail.contains("List-Unsubscribe: "),
        "{mail}"
    );
}

/// Changes a member's address on the web, and confirms it.
fn server_moves(site: &TestSite, old: &str, new: &str) {
    let cookie = "d".repeat(40);
    store(site)
        .write(|tx| -> Result<(), dormouse_store::StoreError> {
            let list_id = tx.read().list("dev")?.unwrap().id;
            let (address, new) = (old.to_owned(), new.to_owned());
            let request = dormouse_store::Request::ChangeAddress { address, new, globally: false };
            let (content, cookie) = (Vec::new(), cookie.clone());
            tx.pend(&dormouse_store::Pending {
                cookie,
                list_id,
                request,
                content,
                created_at: Timestamp::from_seconds(1.0),
                expires_at: Timestamp::from_seconds(9e9),
            })
        })
        .unwrap();
    send(site, new, "dev-request", &format!("Subject: confirm {cookie}\n\n"));
}

#[test]
fn five_hundred_posts_are_one_readable_reminder_and_few_notices() {
    let site = site("secret");
    for number in 0..60 {
        let from = if number < 50 {
            "flood@example.com".to_owned()
        } else {
            format!("s{number}@example.com")
        };
        let mail = format!(
            "From: {from}\nTo: dev@lists.example.org\nMessage-ID: <{number}@x.example>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_{number}?=\n\nx\n"
        );
        site.post("dev", mail.as_bytes());
    }
    site.ok(&["run"]);
    let told = mails(&site, OWNER);
    assert!((10..=14).contains(&told.len()), "{}", told.len());
    site.ok(&["cron", "checkdbs"]);
    site.ok(&["run"]);
    let reminder =
        dormouse_mail::mime::first_text(&dormouse_mail::Message::parse(last_mail(&site, OWNER)))
            .unwrap();
    assert!(reminder.contains("50 posts from flood@example.com"), "{reminder}");
    assert!(reminder.contains("Grüße 0") && reminder.contains("... and 47 more"), "{reminder}");
    assert!(reminder.lines().count() < 80, "{reminder}");
    assert!(reminder.contains("/mailman/admindb/dev"), "{reminder}");
    let server = dormouse_testkit::server::Server::start(&site);
    let one = link(&reminder, "held");
    assert!(server.post(&one, "decision=discard").contains("Discarded"));
    let again = server.post(&one, "decision=approve");
    assert!(
        again.starts_with("HTTP/1.1 410") && again.contains("it was discarded by a moderator"),
        "{again}"
    );
    let forged = one.replace(".review.", ".cancel.");
    assert!(server.get(&forged).starts_with("HTTP/1.1 404"), "who has no link learns nothing");
}

#[test]
fn erasing_looks_into_packed_files_and_says_which_ones_it_cannot_read() {
    use std::io::Write as _;
    let site = site("secret");
    let files = site.dir().join("archives/private/dev/attachments");
    fs::create_dir_all(&files).unwrap();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let text = b"to anna@example.org, with love".as_slice();
    for (name, bytes) in [
        ("notes.txt.gz", gzip(text)),
        ("twice.gz", gzip(&gzip(text))),
        ("harmless.gz", gzip(b"nobody")),
        ("old.7z", b"7z\xbc\xaf\x27\x1c.....".to_vec()),
        ("cut.gz", gzip(text)[..12].to_vec()),
    ] {
        fs::write(files.join(name), bytes).unwrap();
    }
    let output = site.run(&["person", "erase", "anna@example.org"]);
    assert!(output.status.success(), "{}", describe(&output));
    let said = describe(&output);
    for name in ["notes.txt.gz", "twice.gz"] {
        let line = format!("still named in the file archives/private/dev/attachments/{name}");
        assert!(said.contains(&line), "{name}: {said}");
    }
    for name in ["old.7z", "cut.gz"] {
        let line = "not searched, because of its compression or encryption: archives/private/dev";
        assert!(said.contains(&format!("{line}/attachments/{name}")), "{name}: {said}");
    }
    assert!(!said.contains("harmless.gz"), "{said}");
}
