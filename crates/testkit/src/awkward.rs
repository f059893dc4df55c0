//! Mail as it occurs in practice: what parsers stumble over.

/// A mail with a name for failing assertions. All come from `anna@example.org`.
pub struct Awkward {
    /// What is awkward about it.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Returns the collection. Each message has a `From:` that names anna@example.org and a body after
/// the first empty line.
// Why this is one function: it is a table of messages.
pub fn mails() -> Vec<Awkward> {
    let mut mails = Vec::new();
    let mut add = |name, bytes: Vec<u8>| mails.push(Awkward { name, bytes });
    let head = "From: Anna <anna@example.org>\nTo: dev@lists.example.org\n";
    let with = |more: &[u8], body: &[u8]| [head.as_bytes(), more, b"\n", body].concat();

    add("no date, no message-id", with(b"Subject: bare\n", b"body\n"));
    add("8-bit header", with(b"Subject: Gr\xfc\xdfe aus K\xf6ln\n", b"body\n"));
    add("utf-8 header, not encoded", with("Subject: Grüße ☃\n".as_bytes(), b"body\n"));
    add("no subject", with(b"", b"body\n"));
    add(
        "crlf",
        with(b"Subject: crlf\n", b"one\ntwo\n\n\nthree\n")
            .iter()
            .flat_map(|&byte| if byte == b'\n' { vec![b'\r', b'\n'] } else { vec![byte] })
            .collect(),
    );
    add(
        "crlf header, bare lf body",
        [
            b"From: anna@example.org\r\nTo: dev@lists.example.org\r\nSubject: mixed\r\n\r\n"
                .as_slice(),
            b"one\ntwo\r\nthree\n",
        ]
        .concat(),
    );
    add("lines of dots", with(b"Subject: dots\n", b".\n..\n...\n.leading\n\n.\n"));
    add("no newline at the end", with(b"Subject: open\n", b"last line without an end"));
    add("empty body", with(b"Subject: empty\n", b""));
    add("only newlines", with(b"Subject: blank\n", b"\n\n\n\n"));
    add("from_ lines", with(b"Subject: mbox\n", b"From here on\n\nFrom there\n>From quoted\n"));
    add("trailing blanks", with(b"Subject: blanks\n", b"line  \n\t\n -- \n"));
    add(
        "5000-byte header",
        with(&[b"X-Long: ".as_slice(), &b"word ".repeat(1000), b"\n"].concat(), b"body\n"),
    );
    add(
        "5000-byte header without blanks",
        with(&[b"X-Long: ".as_slice(), &b"x".repeat(5000), b"\n"].concat(), b"body\n"),
    );
    add(
        "very long body line",
        with(b"Subject: long\n", &[b"y".repeat(5000), b"\nend\n".to_vec()].concat()),
    );
    add(
        "garbage line in the header",
        with(b"this is no header line\nSubject: garbage\n", b"body\n"),
    );
    add("blank before the colon", with(b"Subject : spaced\n", b"body\n"));
    add("nul bytes", with(b"Subject: nul\n", b"a\0b\0\n"));
    add(
        "every byte",
        with(
            b"Subject: bytes\n",
            &(0..=255u8).filter(|byte| !matches!(byte, b'\n' | b'\r')).collect::<Vec<_>>(),
        ),
    );
    add("folded subject", with(b"Subject: one\n two\n\tthree\n", b"body\n"));
    add(
        "encoded words",
        with(b"Subject: =?iso-8859-1?q?Gr=FC=DFe?= =?utf-8?b?4piD?=\n", b"body\n"),
    );
    add(
        "broken encoded word",
        with(b"Subject: =?utf-8?b?!!!?= =?nocharset?q?x?= =?utf-8?q?open\n", b"body\n"),
    );
    add("two subjects", with(b"Subject: first\nSubject: second\n", b"body\n"));
    add("multipart without its end", with(
        b"Subject: cut\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b1\n",
        b"preamble\n--b1\nContent-Type: text/plain\n\nhello\n--b1\nContent-Type: text/html\n\n<p>hel"));
    add(
        "multipart without a boundary",
        with(
            b"Subject: nob\nMIME-Version: 1.0\nContent-Type: multipart/mixed\n",
            b"--x\n\nhello\n--x--\n",
        ),
    );
    add("unknown charset and encoding", with(
        b"Subject: odd\nMIME-Version: 1.0\nContent-Type: text/plain; charset=martian\nContent-Transfer-Encoding: x-odd\n",
        b"\xff\xfe\xfd\n"));
    add("broken base64", with(
        b"Subject: b64\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n",
        b"aGVsbG8=\n!!!not base64!!!\naGVs\n"));
    add("signed", with(
        b"Subject: signed\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s; micalg=pgp-sha256; protocol=\"application/pgp-signature\"\n",
        b"--s\nContent-Type: text/plain\n\nI said so.  \n--s\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n--s--\n"));
    add(
        "mbox from_ line first",
        [
            b"From anna@example.org Mon Nov 23 10:00:00 2026\n".as_slice(),
            &with(b"Subject: fromline\n", b"body\n"),
        ]
        .concat(),
    );
    add("10 MB attachment", with(
        b"Subject: big\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=big\n",
        &[b"--big\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n".as_slice(),
          &[b"QUJD".repeat(19), b"\n".to_vec()].concat().repeat(10 * 1024 * 1024 / 77),
          b"--big--\n"].concat()));
    add("1000 parts", {
        let mut body = Vec::new();
        for part in 0..1000 {
            body.extend_from_slice(
                format!("--m\nContent-Type: text/plain\n\npart {part}\n").as_bytes(),
            );
        }
        body.extend_from_slice(b"--m--\n");
        with(
            b"Subject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n",
            &body,
        )
    });
    mails
}

/// Returns the body: everything after the first empty line, or from the first line that is not a
/// header field.
pub fn body(mail: &[u8]) -> &[u8] {
    let is_name = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
    let mut at = 0;
    for line in mail.split_inclusive(|&byte| byte == b'\n') {
        if matches!(line, b"\n" | b"\r\n") {
            return &mail[at + line.len()..];
        }
        let name = line.iter().take_while(|byte| is_name(byte)).count();
        let is_field = name > 0 && line[name..].trim_ascii_start().starts_with(b":");
        if !is_field
            && !line.starts_with(b" ")
            && !line.starts_with(b"\t")
            && !line.starts_with(b"From ")
        {
            break;
        }
        at += line.len();
    }
    &mail[at..]
}
