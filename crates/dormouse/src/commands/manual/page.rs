//! One page of the manual.

/// A page in `man`'s format and as text.
pub struct Page {
    /// The name, such as `dormouse-list-create`.
    pub name: String,
    /// The section of the manual.
    pub section: u8,
    /// A short description.
    pub summary: String,
    /// For `man`.
    pub roff: String,
    /// For terminals without `man`.
    pub text: String,
}

impl Page {
    /// Whether this page is asked for: `run` means `dormouse-run`.
    pub fn is_about(&self, wanted: &str) -> bool {
        self.name == wanted || self.name.strip_prefix("dormouse-") == Some(wanted)
    }
}

/// Returns the day of this version, `2026-11-26`, which is in the changelog of the package.
fn day() -> String {
    let changelog = include_str!("../../../../../debian/changelog");
    let line = changelog.lines().find(|line| line.starts_with(" -- ")).unwrap_or_default();
    let date = line.rsplit("  ").next().unwrap_or_default();
    jiff::fmt::rfc2822::parse(date).map(|zoned| zoned.date().to_string()).unwrap_or_default()
}

/// Returns the head of a page.
pub fn head(name: &str, section: u8, summary: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH {} {section} \"{}\" \"dormouse {version}\" \"dormouse\"\n.ad l\n.SH NAME\n{} \\- {}\n",
        name.to_uppercase(),
        day(),
        escape(name),
        escape(&summary.replace('`', ""))
    )
}

/// Formats text with commands, names and values between backticks, which become bold.
pub fn marked(text: &str) -> String {
    if text.matches('`').count() % 2 == 1 {
        return escape(text);
    }
    let mut out = String::new();
    for (number, piece) in text.split('`').enumerate() {
        let piece = if number == 0 { escape(piece) } else { within_line(piece) };
        out.push_str(&if number % 2 == 1 { format!("\\fB{piece}\\fR") } else { piece });
    }
    out
}

/// The maximum width of a line in the page's source.
const WIDTH: usize = 78;

/// Folds long lines, which tools for such files complain about. The formatted page is the same.
pub fn folded(roff: &str) -> String {
    let mut out = String::new();
    let mut is_filled = true;
    for line in roff.lines().map(str::trim_end) {
        is_filled = match line {
            ".nf" => false,
            ".fi" => true,
            _ => is_filled,
        };
        let mut rest = line;
        while !line.starts_with('.')
            && let Some(at) = place_to_fold(rest)
        {
            let (first, after) = rest.split_at(at);
            if is_filled {
                out.push_str(first.trim_end());
                out.push('\n');
                rest = after.trim_start();
                if rest.starts_with(['.', '\'']) {
                    out.push_str("\\&");
                }
            } else {
                // A backslash at the end continues the line.
                out.push_str(first);
                out.push_str("\\\n");
                rest = after;
            }
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// Returns the blank at which a line is folded: the last one that fits, or the first one.
fn place_to_fold(line: &str) -> Option<usize> {
    let mut width = 0;
    let mut place = None;
    for (at, letter) in line.char_indices() {
        // `man` reads `\[u2014]` for a letter beyond ASCII.
        width += if letter.is_ascii() { 1 } else { "\\[u2014]".len() };
        if width > WIDTH && place.is_some() {
            return place;
        }
        if letter == ' ' && !line[..at].trim().is_empty() {
            place = Some(at + 1);
        }
    }
    place.filter(|_| width > WIDTH)
}

/// Escapes text so that `man` prints it unchanged.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        // At the start of a line these begin a request.
        if line.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        for letter in line.chars() {
            match letter {
                '\\' => out.push_str("\\e"),
                '-' => out.push_str("\\-"),
                '~' => out.push_str("\\(ti"),
                '^' => out.push_str("\\(ha"),
                '`' => out.push_str("\\(ga"),
                _ => out.push(letter),
            }
        }
    }
    out
}

/// Does the same for text in the middle of a line, where nothing is a request.
pub fn within_line(text: &str) -> String {
    let escaped = escape(text);
    escaped.strip_prefix("\\&").map_or(escaped.clone(), str::to_owned)
}

/// Formats a reference to a page, which is not hyphenated.
pub fn reference(name: &str, section: u8) -> String {
    format!("\\fB\\%{}\\fR({section})", escape(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_and_read_the_same() {
        let long = format!("{} .x {}", "a".repeat(76), "b ".repeat(50));
        let short = folded(&format!(".TP\n{long}\n.nf\n  {long}\n.fi\n"));
        assert!(short.lines().all(|line| line.len() <= 80), "{short}");
        assert!(short.contains(&format!("{}\n\\&.x b", "a".repeat(76))), "{short}");
        let continued = short.replace("\\\n", "");
        assert!(continued.contains(&format!(".nf\n  {}\n.fi", long.trim_end())), "{continued}");
        assert_eq!(folded(".SH A\nshort\n"), ".SH A\nshort\n");
    }

    #[test]
    fn words_between_backticks_are_bold() {
        assert_eq!(marked("set `a-b` or `.c`."), "set \\fBa\\-b\\fR or \\fB.c\\fR.");
        assert_eq!(marked("a ` alone"), "a \\(ga alone");
    }

    #[test]
    fn the_day_is_that_of_the_package() {
        assert_eq!(day().len(), "2026-11-26".len());
    }

    #[test]
    fn text_is_no_request() {
        assert_eq!(escape(".x\n'y\na\\b-c"), "\\&.x\n\\&'y\na\\eb\\-c");
    }
}
