//! Mail as a list collects it over years: threads, charsets, attachments, patches, and broken
//! messages. The same seed gives the same mail.

mod vocabulary;

use std::collections::VecDeque;
use std::io::{self, Write};
use vocabulary::{FAMILY, GIVEN, SENTENCES, TOPICS};

/// An endless sequence of messages.
#[derive(Debug)]
pub struct Corpus {
    state: u64,
    number: u64,
    /// Seconds since the epoch.
    time: i64,
    /// Seconds between two messages, on average.
    pace: i64,
    recent: VecDeque<Posted>,
}

#[derive(Debug, Clone)]
struct Posted {
    id: String,
    references: String,
    subject: String,
    author: String,
    text: String,
}

impl Corpus {
    /// Creates a sequence of messages from 2004 on, one every `pace` seconds on average.
    pub fn new(seed: u64, pace: i64) -> Corpus {
        Corpus {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            number: 0,
            time: 1_073_000_000,
            pace,
            recent: VecDeque::new(),
        }
    }

    /// Writes the next messages as an mbox.
    pub fn write_mbox(&mut self, count: usize, out: &mut impl Write) -> io::Result<()> {
        for message in self.take(count) {
            out.write_all(b"From sender@example.org Mon Jan  5 10:00:00 2004\n")?;
            for line in message.split_inclusive(|&byte| byte == b'\n') {
                if line.starts_with(b"From ") {
                    out.write_all(b">")?;
                }
                out.write_all(line)?;
            }
            out.write_all(b"\n\n")?;
        }
        Ok(())
    }

    /// Returns a random number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    /// Returns one of many thousands of words, some of them much more often than others.
    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 24] = [
            "ka", "lo", "mi", "ter", "ver", "son", "pla", "gre", "hun", "dor", "bel", "fi", "zu",
            "ran", "tek", "nis", "ol", "qua", "wer", "jan", "xi", "est", "um", "ary",
        ];
        let mut rank = self.below(60_000) + 1;
        rank = rank * (self.below(1_000) + 1) / 1_000 + 1;
        let mut word = String::new();
        while rank > 0 {
            word.push_str(SYLLABLES[rank % 24]);
            rank /= 24;
        }
        word
    }

    fn paragraph(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.below(4) {
            let sentence = if self.percent(35) {
                let words: Vec<String> = (0..4 + self.below(8)).map(|_| self.word()).collect();
                format!("About {}.", words.join(" "))
            } else {
                self.pick(&SENTENCES).to_owned()
            };
            text.push_str(&sentence);
            text.push(' ');
        }
        wrapped(text.trim_end())
    }

    fn body(&mut self, answered: Option<&Posted>) -> String {
        let mut text = String::new();
        if let Some(posted) = answered {
            let name = posted.author.split(" <").next().unwrap_or_default().trim_matches('"');
            text.push_str(&format!("On Monday {name} wrote:\n"));
            let most = 3 + self.below(20);
            for line in posted.text.lines().take_while(|line| *line != "-- ").take(most) {
                text.push_str(if line.is_empty() { ">\n" } else { "> " });
                if !line.is_empty() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            text.push('\n');
        } else if self.percent(60) {
            text.push_str("Hello everybody,\n\n");
        }
        for _ in 0..1 + self.below(4) {
            text.push_str(&self.paragraph());
            text.push_str("\n\n");
        }
        match self.below(12) {
            0 => text.push_str("- first, the easy part\n- then what is left\n- and the tests\n\n"),
            1 => text.push_str("version      time     memory\n1.0          12.3 s   104 MB\n1.1           6.1 s    98 MB\n\n"),
            2 => text.push_str("    $ dormouse status\n    in: 0, out: 3\n\n"),
            3 => text.push_str("From here on it is only a guess.\n\n"),
            _ => {}
        }
        text
    }

    fn patch(&mut self) -> String {
        let name = self.word();
        let number = 10 + self.below(400);
        format!(
            "---\n {name}.c | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)\n\ndiff --git a/src/{name}.c b/src/{name}.c\nindex 3f2c1ab..9d0e77c 100644\n--- a/src/{name}.c\n+++ b/src/{name}.c\n@@ -{number},7 +{number},7 @@ static int {name}(const char *path)\n \tif (fd < 0)\n \t\treturn -errno;\n \n-\tif (rename(tmp, path))\n-\t\treturn -1;\n+\tif (rename(tmp, path) || fsync(dir))\n+\t\treturn -errno;\n \n \treturn 0;\n }}\n-- \n2.40.1\n"
        )
    }
}

impl Iterator for Corpus {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.number += 1;
        let pace = usize::try_from(self.pace).unwrap_or(1).max(1);
        self.time += self.below(pace * 2) as i64;
        let answers = !self.recent.is_empty() && self.percent(72);
        let answered = answers.then(|| {
            let most = self.recent.len();
            let back = self.below(most).min(self.below(most)).min(self.below(most));
            self.recent[most - 1 - back].clone()
        });
        let (given, family) = (self.pick(&GIVEN), self.pick(&FAMILY));
        let address = format!(
            "{}{}@{}.example",
            plain_letters(given),
            self.below(9),
            self.pick(&["mail", "uni", "firm", "home", "post"])
        );
        let author = format!("{} <{address}>", encoded(&format!("{given} {family}")));
        let subject = match &answered {
            Some(posted) if posted.subject.starts_with("Re: ") => posted.subject.clone(),
            Some(posted) => format!("Re: {}", posted.subject),
            None => {
                let topic = self.pick(&TOPICS).to_owned();
                if self.percent(60) { format!("{topic}: {}", self.word()) } else { topic }
            }
        };
        let id =
            format!("{}.{}@{}", self.time, self.number, address.split('@').nth(1).unwrap_or("x"));
        let mut text = self.body(answered.as_ref());
        let is_patch = subject.starts_with("[PATCH") && answered.is_none();
        if is_patch {
            text.push_str(&self.patch());
        } else {
            text.push_str(&format!("{given}\n"));
            if self.percent(40) {
                text.push_str(&format!(
                    "-- \n{given} {family}\nhttps://{}.example/\n",
                    plain_letters(given)
                ));
            }
        }
        let (head, references) = self.head(&author, &subject, &id, answered.as_ref());
        let message = self.mime(&head, &text);
        self.recent.push_back(Posted {
            id,
            references,
            subject,
            author: format!("{given} {family} <{address}>"),
            text,
        });
        if self.recent.len() > 40 {
            self.recent.pop_front();
        }
        Some(message)
    }
}

impl Corpus {
    fn mime(&mut self, head: &str, text: &str) -> Vec<u8> {
        let utf8 = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
        let whole =
            |fields: &str, body: &[u8]| [head.as_bytes(), fields.as_bytes(), b"\n", body].concat();
        match self.below(100) {
            0..50 => whole(utf8, text.as_bytes()),
            50..58 => whole("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n", quoted_printable(text).as_bytes()),
            58..64 => {
                let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
                whole("MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n", &latin)
            }
            64..67 => {
                // "Привет всем," in KOI8-R.
                let hello = b"\xf0\xd2\xc9\xd7\xc5\xd4 \xd7\xd3\xc5\xcd,\n\n";
                let ascii: Vec<u8> = text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'?' }).collect();
                whole("MIME-Version: 1.0\nContent-Type: text/plain; charset=koi8-r\n", &[hello.as_slice(), &ascii].concat())
            }
            67..69 => whole("MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-2022-jp\n", b"\x1b$B$3$s$K$A$O\x1b(B\n\ndormouse\n"),
            69..73 => whole("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n", text.replace("and\n", "and \n").as_bytes()),
            73..85 => {
                let html: String = text.split("\n\n").map(|part| format!("<p>{}</p>\n", part.replace('&', "&amp;").replace('<', "&lt;"))).collect();
                whole(
                    "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"alt\"\n",
                    format!("--alt\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--alt\nContent-Type: text/html; charset=utf-8\n\n<html><head><script>alert(1)</script></head><body>{html}<img src=\"http://tracker.example/p.gif\"></body></html>\n--alt--\n").as_bytes(),
                )
            }
            85..87 => whole("MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n", format!("<div>{}</div>\n", text.replace('<', "&lt;").replace("\n\n", "<br><br>")).as_bytes()),
            87..91 => self.with_file(head, text, "image/png", "screenshot.png", PNG),
            91..94 => self.with_file(head, text, "application/pdf", "Übersicht.pdf", "JVBERi0xLjQKJcOkw7zDtsOfCg=="),
            94..96 => {
                let patch = "Content-Type: text/x-patch; name=\"fix.patch\"\nContent-Disposition: attachment; filename=\"fix.patch\"\n\n--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-old\n+new\n";
                whole("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"mix\"\n", format!("--mix\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--mix\n{patch}--mix--\n").as_bytes())
            }
            96 => whole("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"gone\"\n", text.as_bytes()),
            97 => whole("this is no header line\nX-Empty:\n", format!("{text}\0\u{1}\n").as_bytes()),
            98 => whole("Content-Type: text/plain; charset=martian\nContent-Transfer-Encoding: x-odd\n", b"\xff\xfe odd \x80 bytes\n"),
            _ => whole("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"fwd\"\n", format!("--fwd\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--fwd\nContent-Type: message/rfc822\n\nFrom: inner@example.org\nSubject: forwarded\n\ninner body\n--fwd--\n").as_bytes()),
        }
    }

    fn with_file(
        &mut self,
        head: &str,
        text: &str,
        kind: &str,
        name: &str,
        base64: &str,
    ) -> Vec<u8> {
        let name = encoded(name);
        format!("{head}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"mix\"\n\n--mix\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n--mix\nContent-Type: {kind}; name=\"{name}\"\nContent-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n{base64}\n--mix--\n").into_bytes()
    }
}

impl Corpus {
    /// The header, with a few of the mistakes that occur, and the message's references.
    fn head(
        &mut self,
        author: &str,
        subject: &str,
        id: &str,
        answered: Option<&Posted>,
    ) -> (String, String) {
        let mut head =
            format!("From: {author}\nTo: dev@lists.example.org\nSubject: {}\n", encoded(subject));
        if !self.percent(1) {
            head.push_str(&format!("Date: {}\n", date(self.time)));
        } else if self.percent(50) {
            head.push_str("Date: the other day\n");
        }
        if !self.percent(1) {
            head.push_str(&format!("Message-ID: <{id}>\n"));
        }
        let mut references = String::new();
        if let Some(posted) = answered {
            references = format!("{} <{}>", posted.references, posted.id).trim().to_owned();
            let last: Vec<&str> = references.rsplit(' ').take(8).collect();
            references = last.into_iter().rev().collect::<Vec<_>>().join("\n ");
            if !self.percent(8) {
                head.push_str(&format!("In-Reply-To: <{}>\nReferences: {references}\n", posted.id));
            }
        }
        (head, references)
    }
}

/// A picture of 24 by 24 pixels.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAABgAAAAYCAIAAABvFaqvAAAEHklEQVR42g3MAYaFAABAwT3YJyIi
IiIiIiJSSimllIh4REREREREdMFtDjB/vwAhQAyQAuQAJUAN0AL0ACPADLAC7AAnwA3wAvyAMCAO
SAPygDKgDmgD/n4RQoQYIUXIEUqEGqFF6BFGhBlhRdgRToQb4UX4EWFEHJFG5BFlRB3RRl+UICSI
CVKCnKAkqAlagp5gJJgJVoKd4CS4CV6CnxAmxAlpQp5QJtQJbfJFGUKGmCFlyBlKhpqhZegZRoaZ
YWXYGU6Gm+Fl+BlhRpyRZuQZZUad0WZfVCAUiAVSgVygFKgFWoFeYBSYBVaBXeAUuAVegV8QFsQF
aUFeUBbUBW3xRRVChVghVcgVSoVaoVXoFUaFWWFV2BVOhVvhVfgVYUVckVbkFWVFXdFWX9QgNIgN
UoPcoDSoDVqD3mA0mA1Wg93gNLgNXoPfEDbEDWlD3lA21A1t80UdQofYIXXIHUqH2qF16B1Gh9lh
ddgdTofb4XX4HWFH3JF25B1lR93Rdl/UI/SIPVKP3KP0qD1aj95j9Jg9Vo/d4/S4PV6P3xP2xD1p
T95T9tQ9bf9FA8KAOCANyAPKgDqgDegDxoA5YA3YA86AO+AN+APhQDyQDuQD5UA90A5fBAKIIIEM
CqiggQ4GmGCBDQ644IEPIcSQQg4l1NDyRSPCiDgijcgjyog6oo3oI8aIOWKN2CPOiDvijfgj4Ug8
ko7kI+VIPdKOXzQhTIgT0oQ8oUyoE9qEPmFMmBPWhD3hTLgT3oQ/EU7EE+lEPlFO1BPt9EUzwow4
I83IM8qMOqPN6DPGjDljzdgzzow74834M+FMPJPO5DPlTD3Tzl+0ICyIC9KCvKAsqAvagr5gLJgL
1oK94Cy4C96CvxAuxAvpQr5QLtQL7fJFK8KKuCKtyCvKirqiregrxoq5Yq3YK86Ku+Kt+CvhSryS
ruQr5Uq90q5ftCFsiBvShryhbKgb2oa+YWyYG9aGveFsuBvehr8RbsQb6Ua+UW7UG+32RTvCjrgj
7cg7yo66o+3oO8aOuWPt2DvOjrvj7fg74U68k+7kO+VOvdPuX3QgHIgH0oF8oByoB9qBfmAcmAfW
gX3gHLgH3oF/EB7EB+lBflAe1Aft8UUnwol4Ip3IJ8qJeqKd6CfGiXlindgnzol74p34J+FJfJKe
5CflSX3Snl90IVyIF9KFfKFcqBfahX5hXJgX1oV94Vy4F96FfxFexBfpRX5RXtQX7fVFN8KNeCPd
yDfKjXqj3eg3xo15Y93YN86Ne+Pd+DfhTXyT3uQ35U19095f9CA8iA/Sg/ygPKgP2oP+YDyYD9aD
/eA8uA/eg/8QPsQP6UP+UD7UD+3zRS/Ci/givcgvyov6or3oL8aL+WK92C/Oi/vivfgv4Uv8kr7k
L+VL/dK+/ANBklTu+eayFwAAAABJRU5ErkJggg==";

/// Wraps a text to lines of at most 72 characters.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 72 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

fn plain_letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

/// Returns the text, as an encoded word if it is not ASCII.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::from("=?utf-8?q?");
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('_'),
            byte if byte.is_ascii_alphanumeric() || b".:/".contains(&byte) => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("={byte:02X}")),
        }
    }
    out + "?="
}

fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'=' => out.push_str("=3D"),
            b'\n' | b' ' | 33..=126 => out.push(char::from(byte)),
            byte => out.push_str(&format!("={byte:02X}")),
        }
    }
    out
}

/// Returns the value of a Date field, in UTC.
fn date(time: i64) -> String {
    let (days, rest) = (time.div_euclid(86_400), time.rem_euclid(86_400));
    // Converts days to a date, by eras of 400 years that begin in March: leap days come last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let month = &dormouse_clock::MONTHS[usize::try_from(month - 1).unwrap_or(0)][..3];
    format!("{day} {month} {year} {:02}:{:02}:{:02} +0000", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_mail_and_another_one_other_mail() {
        let some = |seed| Corpus::new(seed, 600).take(50).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
    }

    #[test]
    fn dates_are_right() {
        assert_eq!(date(1_709_640_000), "5 Mar 2024 12:00:00 +0000");
        assert_eq!(date(951_782_400), "29 Feb 2000 00:00:00 +0000");
    }
}
