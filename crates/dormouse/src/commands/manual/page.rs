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

/// The head of a page.
pub fn head(name: &str, section: u8, summary: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".TH {} {section} \"\" \"dormouse {version}\" \"dormouse\"\n.ad l\n.SH NAME\n{} \\- {}\n",
        name.to_uppercase(),
        escape(name),
        escape(summary)
    )
}

/// Text that `man` prints as it is.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_request() {
        assert_eq!(escape(".x\n'y\na\\b-c"), "\\&.x\n\\&'y\na\\eb\\-c");
    }
}
