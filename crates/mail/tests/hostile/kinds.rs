//! Mail that is hostile to programs: each kind at any size. The tests of the whole program use it, too.

fn html_of(body: String) -> Vec<u8> {
    format!("From: a@x.example\nContent-Type: text/html\n\n{body}").into_bytes()
}

fn mail(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"From: a@x.example\n", fields.as_bytes(), b"\n", body.as_ref()].concat()
}

fn field(name: &str, value: &str) -> Vec<u8> {
    mail(&format!("{name}: {value}\n"), "x")
}

fn subject_of(value: &str) -> Vec<u8> {
    field("Subject", value)
}

fn coded(encoding: &str, body: String) -> Vec<u8> {
    mail(&format!("Content-Transfer-Encoding: {encoding}\n"), body)
}

fn text_in(charset: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    mail(&format!("Content-Type: text/plain; charset={charset}\n"), body)
}

fn multipart(kind: &str, body: String) -> Vec<u8> {
    mail(&format!("Content-Type: multipart/{kind}; boundary=b\n"), body)
}

/// A delivery report with these fields.
fn report(fields: String) -> Vec<u8> {
    let head = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n";
    let parts = format!(
        "--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n{fields}\n--b--\n"
    );
    [b"From: MAILER-DAEMON@x.example\n", head.as_bytes(), b"\n", parts.as_bytes()].concat()
}

/// A report for people.
fn failure(text: String) -> Vec<u8> {
    format!("From: MAILER-DAEMON@x.example\nSubject: Undeliverable mail\n\n{text}").into_bytes()
}

/// About `size` bytes of repeated text, which depends on a counter.
fn many(size: usize, made: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(size + 64);
    let mut number = 0;
    while out.len() < size {
        out.push_str(&made(number));
        number += 1;
    }
    out
}

fn again(size: usize, text: &str) -> String {
    many(size, |_| text.to_owned())
}

/// Generates mail of about a number of bytes.
pub type Made = fn(usize) -> Vec<u8>;

/// Hostile HTML.
pub const HTML: &[(&str, Made)] = &[
    ("attributes of one tag", |n| html_of(format!("<a {}>x", many(n, |i| format!("a{i} "))))),
    ("the same attribute", |n| html_of(format!("<a {}>x", again(n, "href=x ")))),
    ("one long attribute", |n| html_of(format!("<a href=\"{}\">x</a>", again(n, "x")))),
    ("tags that stay open", |n| html_of(again(n, "<div>"))),
    ("formats in each other", |n| html_of(many(n, |i| format!("<b id={i}>")))),
    ("formats across paragraphs", |n| html_of(many(n, |i| format!("<p><b id={i}></p>x")))),
    ("ends of nothing", |n| html_of(again(n, "</ul></blockquote></a>"))),
    ("ends of other things", |n| {
        html_of(format!("{}{}", again(n / 2, "<blockquote>x"), again(n / 2, "</ul></ol>")))
    }),
    ("lists in each other", |n| html_of(again(n, "<ol><li>x"))),
    ("tables in each other", |n| html_of(again(n, "<table><tr><td>x"))),
    ("cells of one row", |n| html_of(format!("<table><tr>{}", again(n, "<td>x")))),
    ("rows", |n| html_of(format!("<table>{}", again(n, "<tr><td>x<td>y")))),
    ("text between cells", |n| html_of(format!("<table>{}", again(n, "x<br>")))),
    ("links", |n| html_of(many(n, |i| format!("<a href=\"http://x.example/{i}\">y</a>")))),
    ("links that stay open", |n| html_of(many(n, |i| format!("<a href=http://x/{i}>y")))),
    ("links that show themselves", |n| html_of(again(n, "<a href=http://x>http://x</a>"))),
    ("entities", |n| html_of(again(n, "&amp;&auml&#228;&#x;&nonsense;"))),
    ("an entity without end", |n| html_of(format!("&#{}", again(n, "9")))),
    ("comments", |n| html_of(again(n, "<!-- x --!><!--"))),
    ("less-than signs", |n| html_of(again(n, "<"))),
    ("code", |n| html_of(format!("<pre>{}", again(n, "x\n\n")))),
    ("breaks", |n| html_of(again(n, "x<br>"))),
    ("blanks", |n| html_of(again(n, " \n\t"))),
    ("long words", |n| html_of(again(n, "\u{5b57}"))),
    ("marks of passwords", |n| html_of(again(n, "<p>Approved: <b>"))),
    ("pictures", |n| html_of(again(n, "<img src=cid:x alt=y>"))),
    ("quotations", |n| html_of(again(n, "<blockquote>x</blockquote>"))),
    ("styles", |n| html_of(again(n, "<style>x</style><script>"))),
];

/// Hostile headers.
pub const HEADERS: &[(&str, Made)] = &[
    ("fields", |n| mail(&many(n, |i| format!("X-{i}: y\n")), "x")),
    ("fields of one name", |n| mail(&again(n, "Subject: y\n"), "x")),
    ("folds", |n| mail(&format!("Subject: x\n{}", again(n, " y\n")), "x")),
    ("blanks in a field", |n| subject_of(&format!("\u{e4} x{}y", again(n, " ")))),
    ("a field of one word", |n| subject_of(&again(n, "\u{e4}"))),
    ("encoded words", |n| subject_of(&again(n, "=?utf-8?q?=C3=A4_?= "))),
    ("halves of letters", |n| subject_of(&again(n, "=?utf-8?q?=C3?= =?utf-8?q?=A4?= "))),
    ("beginnings of words", |n| subject_of(&again(n, "=?a?q?b "))),
    ("words that shift", |n| {
        subject_of(&again(n, "=?iso-2022-jp?b?GyRCJUYl?= =?iso-2022-jp?b?OQ==?= "))
    }),
    ("addresses", |n| field("To", &many(n, |i| format!("a{i}@x.example, ")))),
    ("comments in addresses", |n| field("To", &again(n, "((a"))),
    ("quotes in addresses", |n| field("To", &again(n, "\"\\\" <"))),
    ("groups", |n| field("To", &again(n, "g: a@b;"))),
    ("routes", |n| field("To", &format!("<{}>", again(n, "@a,:")))),
    ("references", |n| field("References", &many(n, |i| format!("<{i}@x> ")))),
    ("marks of answers", |n| subject_of(&again(n, "Re [2] : "))),
    ("prefixes", |n| subject_of(&many(n, |i| format!("[dev {i}] ")))),
    ("beginnings of prefixes", |n| subject_of(&again(n, "[dev 1"))),
    ("a number in the prefix", |n| subject_of(&format!("[dev {}", again(n, "1")))),
    ("names of lists", |n| field("List-Id", &again(n, "<a.b> (c) "))),
    ("signatures", |n| {
        mail(&again(n, "DKIM-Signature: v=1; d=x.example; s=a; b=AA; h=a:b\n"), "x")
    }),
    ("hops", |n| mail(&again(n, "Received: from a by b; Mon, 3 Nov 2025 10:00:00 +0000\n"), "x")),
    ("results", |n| {
        field("Authentication-Results", &again(n, "x.example; dkim=pass (a; b) header.d=y; "))
    }),
    ("seals", |n| {
        mail(&many(n, |i| format!("ARC-Seal: i={i}; a=rsa-sha256; cv=none; d=x; s=y; b=AA\n")), "x")
    }),
    ("topics", |n| field("Keywords", &many(n, |i| format!("t{i}, ")))),
    ("parents", |n| field("In-Reply-To", &again(n, "<a@x.example"))),
    ("marks of forwarding", |n| subject_of(&again(n, "Fwd: [Fwd: "))),
    ("dates", |n| field("Date", &again(n, "3, Nov: "))),
    ("parameters", |n| {
        field("Content-Type", &format!("text/plain{}", many(n, |i| format!("; a{i}=\"b\""))))
    }),
    ("pieces of a parameter", |n| {
        field("Content-Type", &format!("text/plain{}", many(n, |i| format!("; n*{i}*=%C3%A4"))))
    }),
];

/// Hostile bodies.
pub const BODIES: &[(&str, Made)] = &[
    ("parts", |n| multipart("mixed", again(n, "--b\n\nx\n"))),
    ("parts of a digest", |n| multipart("digest", again(n, "--b\n\nSubject: x\n\ny\n"))),
    ("names of attachments", |n| {
        multipart("mixed", again(n, "--b\nContent-Type: image/png; name=a.png\n\n1\n"))
    }),
    ("multiparts beside each other", |n| {
        let part = |i| format!("--b\nContent-Type: multipart/mixed; boundary=c{i}\n\n--c{i}\n");
        multipart("mixed", many(n, part))
    }),
    ("multiparts in each other", |n| {
        let part = |i| format!("--b{i}\nContent-Type: multipart/mixed; boundary=b{}\n\n", i + 1);
        mail("Content-Type: multipart/mixed; boundary=b0\n", many(n, part))
    }),
    ("alternatives in each other", |n| {
        let part = |i| {
            let next = i + 1;
            format!(
                "--b{i}\n\nx\n--b{i}\nContent-Type: multipart/alternative; boundary=b{next}\n\n"
            )
        };
        mail("Content-Type: multipart/alternative; boundary=b0\n", many(n, part))
    }),
    ("lines like boundaries", |n| multipart("mixed", again(n, "--bb--\n"))),
    ("messages in messages", |n| again(n, "Content-Type: message/rfc822\n\n").into_bytes()),
    ("multiparts in messages", |n| {
        let part = |i| {
            format!(
                "Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\nContent-Type: message/rfc822\n\n"
            )
        };
        many(n, part).into_bytes()
    }),
    ("base64", |n| coded("base64", again(n, "QUJDQUJDQUJDQUJD"))),
    ("padded base64", |n| coded("base64", again(n, "QQ==\n"))),
    ("ragged base64", |n| coded("base64", many(n, |i| format!("{}\n", "Q".repeat(i % 7))))),
    ("equals signs", |n| coded("quoted-printable", again(n, "="))),
    ("soft breaks", |n| coded("quoted-printable", again(n, "= "))),
    ("a soft break of blanks", |n| coded("quoted-printable", format!("={}", again(n, " =")))),
    ("bytes that are no UTF-8", |n| text_in("utf-8", vec![0xff; n])),
    ("utf-7", |n| text_in("utf-7", again(n, "+AGEA"))),
    ("escape sequences", |n| text_in("iso-2022-jp", again(n, "\x1b$B\x1b(B\x1b$BA"))),
    ("an unknown charset", |n| text_in("x", vec![0xc3; n])),
    ("passwords", |n| mail("", again(n, "Approved: nonsense\n"))),
    ("different passwords", |n| mail("", many(n, |i| format!("Approved: n{i}\n")))),
    ("one password", |n| mail("", format!("Approved: {}\n", again(n, "x ")))),
    ("commands", |n| mail("", again(n, "subscribe a@x.example\n"))),
    ("words for a search", |n| mail("", many(n, |i| format!("w{i} ")))),
    ("links of a text", |n| mail("", many(n, |i| format!("http://x.example/{i} ")))),
    ("addresses of a text", |n| mail("", many(n, |i| format!("a{i}@x.example ")))),
    ("quotations of quotations", |n| mail("", again(n, ">>>>>>>> x\n"))),
    ("failures", |n| {
        report(many(n, |i| {
            format!("Final-Recipient: rfc822; a{i}@x.example\nAction: failed\nStatus: 5.1.1\n\n")
        }))
    }),
    ("one reason", |n| {
        report(format!(
            "Final-Recipient: rfc822; a@x.example\nAction: failed\nDiagnostic-Code: smtp; 550 {}\n",
            again(n, "mailbox ")
        ))
    }),
    ("sentences about failures", |n| {
        failure(many(n, |i| format!("<a{i}@x.example>: user unknown\n")))
    }),
    ("sentences without an end", |n| {
        failure(again(n, "did not reach the following recipient(s): "))
    }),
    ("lines of mailboxes", |n| mail("", again(n, "From a@x.example Mon Nov  3 10:00:00 2025\n"))),
    ("uuencoded files", |n| mail("", again(n, "begin 644 a\n#0V%T\n`\nend\n"))),
    ("NULs", |n| mail("", vec![0; n])),
    ("CRs", |n| mail("", vec![b'\r'; n])),
    ("empty lines", |n| mail("", vec![b'\n'; n])),
    ("one line", |n| mail("", vec![b'x'; n])),
    ("marks of signatures", |n| mail("", again(n, "-----BEGIN PGP"))),
    ("flowed quotes", |n| text_in("utf-8; format=flowed", again(n, "> x \n"))),
    ("a flowed end", |n| text_in("utf-8; format=flowed", vec![b' '; n])),
];
