//! `Authentication-Results` (RFC 8601): the results of a host's checks of a message.

use crate::Chain;

/// The results in one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthResults {
    /// The host's identifier.
    pub authserv_id: String,
    /// The results of its methods.
    pub results: Vec<AuthResult>,
}

/// The result of one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthResult {
    /// The method, in lower case: `dkim`, `spf`, `dmarc`, …
    pub method: String,
    /// The result, in lower case: `pass`, `fail`, …
    pub result: String,
    /// The properties it is about, in order: `header.d` and its value, …, with names in lower case.
    pub properties: Vec<(String, String)>,
}

impl AuthResults {
    /// Parses a field's value, from which the caller has removed comments.
    pub fn read(value: &str) -> AuthResults {
        let mut items = split(value).into_iter();
        let first = items.next().unwrap_or_default();
        let authserv_id = first.split_whitespace().next().map(unquoted).unwrap_or_default();
        AuthResults {
            authserv_id,
            results: items.filter_map(|item| AuthResult::read(&item)).collect(),
        }
    }
}

impl AuthResults {
    /// Returns the status of the ARC chain according to the result for `arc`.
    pub fn chain(&self) -> Chain {
        let found = self.results.iter().find(|one| one.method == "arc");
        let property = |wanted: &str| {
            let properties = found.into_iter().flat_map(|one| &one.properties);
            let mut values = properties.filter(|(name, _)| name == wanted).map(|(_, value)| value);
            values.next().cloned().unwrap_or_default()
        };
        match found.map_or("none", |one| one.result.as_str()) {
            "none" => Chain::None,
            "pass" => Chain::Pass(property("header.d")),
            "temperror" => Chain::Unknown("its keys could not be looked up".to_owned()),
            _ => Chain::Fail("it was already broken on arrival".to_owned()),
        }
    }
}

impl AuthResult {
    fn read(item: &str) -> Option<AuthResult> {
        // There may be blanks around the equals signs.
        let mut tight = String::with_capacity(item.len());
        for (at, piece) in item.split('=').enumerate() {
            if at > 0 {
                tight.truncate(tight.trim_end().len());
                tight.push('=');
            }
            tight.push_str(if at > 0 { piece.trim_start() } else { piece });
        }
        let mut words = tight.split_whitespace().filter_map(|word| word.split_once('='));
        let (method, result) = words.next()?;
        // The method may have a version.
        let method = method.split('/').next().unwrap_or_default();
        Some(AuthResult {
            method: method.to_ascii_lowercase(),
            result: result.to_ascii_lowercase(),
            properties: words
                .map(|(name, value)| (name.to_ascii_lowercase(), unquoted(value)))
                .collect(),
        })
    }

    /// Returns the domain that the result is about: of a DKIM signature, of the envelope sender, or
    /// of From.
    pub fn domain(&self) -> Option<&str> {
        let names: &[&str] = match self.method.as_str() {
            "dkim" => &["header.d", "header.i"],
            "spf" => &["smtp.mailfrom"],
            "dmarc" => &["header.from"],
            _ => return None,
        };
        let value = |wanted: &&str| {
            self.properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let value = names.iter().find_map(value)?;
        Some(value.rsplit_once('@').map_or(value, |(_, domain)| domain).trim_end_matches('.'))
    }
}

/// Splits a value at semicolons outside of quotes.
fn split(value: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in value.chars() {
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = c == '\\' && !is_escaped;
        match pieces.last_mut() {
            Some(last) if c != ';' || is_quoted => last.push(c),
            _ => pieces.push(String::new()),
        }
    }
    pieces
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace('\\', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_method_says_what_it_found_about_which_domain() {
        let read = AuthResults::read(
            " mx.example 1;\r\n\tdkim=pass header.i=@a.example header.s=s;\r\n SPF = Pass \
             smtp.mailfrom=\"b;c\"@b.example; dmarc=fail header.from=c.example; dkim/1=pass \
             header.d=d.example.; iprev=pass policy.iprev=192.0.2.1; none",
        );
        assert_eq!(read.authserv_id, "mx.example");
        let found: Vec<_> = read
            .results
            .iter()
            .map(|one| (one.method.as_str(), one.result.as_str(), one.domain()))
            .collect();
        assert_eq!(
            found,
            [
                ("dkim", "pass", Some("a.example")),
                ("spf", "pass", Some("b.example")),
                ("dmarc", "fail", Some("c.example")),
                ("dkim", "pass", Some("d.example")),
                ("iprev", "pass", None),
            ]
        );
        assert_eq!(AuthResults::read("mx.example; none").results, []);
        assert_eq!(AuthResults::read("\"mx.example\"; none").authserv_id, "mx.example");
    }

    proptest! {
        #[test]
        fn anything_can_be_read(value: String) {
            AuthResults::read(&value);
        }
    }
}
