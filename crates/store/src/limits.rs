//! Limits on mail to receiving domains: the setting `delivery.limits`.

use crate::units::Span;
use crate::value::{SettingValue, nearest};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A number in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number.
    pub count: u64,
    /// The period.
    pub period: Duration,
}

/// The units of a rate's period, with their seconds.
const PERIODS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)];

/// The limits of a group of domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Domains in lower case, `*.example.net` for all below one, `*` for any.
    domains: Vec<String>,
    /// Whether it applies to each domain separately.
    is_each: bool,
    /// The maximum number of simultaneous connections with mail for the group.
    pub connections: Option<u64>,
    /// The maximum number of the group's recipients in one transaction.
    pub recipients: Option<u64>,
    /// The maximum number of the group's recipients in a period.
    pub rate: Option<Rate>,
}

/// The limits of all groups. The first that matches a domain applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryLimits(Vec<Limit>);

impl DeliveryLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the limit for a domain in lower case.
    pub fn of(&self, domain: &str) -> Option<&Limit> {
        self.0.iter().find(|limit| limit.domains.iter().any(|pattern| names(pattern, domain)))
    }

    /// Returns the smallest number of connections that any group is limited to.
    pub fn fewest_connections(&self) -> Option<u64> {
        self.0.iter().filter_map(|limit| limit.connections).min()
    }
}

/// Whether a domain, or a pattern for domains, matches a domain in lower case.
pub fn names(pattern: &str, domain: &str) -> bool {
    let pattern = &*pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(below) => domain.len() > below.len() && domain.ends_with(below),
        None => pattern == domain,
    }
}

/// Checks that a text is a domain, or a pattern for domains.
pub(crate) fn domain_or_pattern(text: &str) -> Result<(), String> {
    let bare = match text.strip_prefix('*') {
        Some("") => return Ok(()),
        Some(below) => below.strip_prefix('.').unwrap_or(""),
        None => text,
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
    };
    if bare.split('.').all(is_label) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a domain such as example.net, *.example.net or *"))
    }
}

impl Limit {
    /// Returns the name under which a domain's mail is counted: the group, or the domain itself.
    pub fn name<'n>(&self, domain: &'n str) -> Cow<'n, str> {
        if self.is_each { Cow::Borrowed(domain) } else { Cow::Owned(self.domains.join(" ")) }
    }

    fn read(line: &str) -> Result<Limit, String> {
        let wrong = |problem: &str| {
            format!(
                "{line:?}: {problem}; write it like `example.net *.example.net: connections=2 recipients=50 rate=600/min`"
            )
        };
        let (domains, words) =
            line.rsplit_once(':').ok_or_else(|| wrong("no colon after the domains"))?;
        let mut limit = Limit {
            domains: domains.split_whitespace().map(str::to_lowercase).collect(),
            is_each: false,
            connections: None,
            recipients: None,
            rate: None,
        };
        if limit.domains.is_empty() {
            return Err(wrong("it names no domain"));
        }
        limit
            .domains
            .iter()
            .try_for_each(|domain| domain_or_pattern(domain).map_err(|problem| wrong(&problem)))?;
        for word in words.split_whitespace() {
            limit.put(word).map_err(|problem| wrong(&problem))?;
        }
        if (limit.connections, limit.recipients, limit.rate) == (None, None, None) {
            return Err(wrong("it limits nothing"));
        }
        Ok(limit)
    }

    fn put(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || match value.parse::<u64>() {
            Ok(number @ 1..=1_000_000_000) => Ok(number),
            _ => Err(format!("{key} must be a number of 1 or more, but is {value:?}")),
        };
        match key {
            "each" if matches!(value, "" | "yes" | "true") => self.is_each = true,
            "each" if matches!(value, "no" | "false") => self.is_each = false,
            "connections" => self.connections = Some(number()?),
            "recipients" => self.recipients = Some(number()?),
            "rate" => self.rate = Some(Rate::read(value)?),
            _ => {
                let known = ["each", "connections", "recipients", "rate"];
                let near = nearest(key, known.into_iter());
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                return Err(format!("there is no limit {word:?}{near}"));
            }
        }
        Ok(())
    }
}

impl Rate {
    fn read(text: &str) -> Result<Rate, String> {
        let wrong = || format!("{text:?} is not a rate such as 600/min or 100/h");
        let (count, period) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.parse().ok().filter(|count| (1..=1_000_000_000).contains(count));
        let known = PERIODS.iter().find(|(name, _)| *name == period);
        let period = match known {
            Some((_, seconds)) => Duration::from_secs(*seconds),
            None => period.parse::<Span>().map_err(|_| wrong())?.duration(),
        };
        let period = Some(period).filter(|period| *period >= Duration::from_secs(1));
        Ok(Rate { count: count.ok_or_else(wrong)?, period: period.ok_or_else(wrong)? })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known =
            PERIODS.iter().find(|(_, seconds)| self.period == Duration::from_secs(*seconds));
        match known {
            Some((name, _)) => write!(f, "{}/{name}", self.count),
            None => write!(f, "{}/{}ms", self.count, self.period.as_millis()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.domains.join(" "))?;
        if self.is_each {
            f.write_str(" each")?;
        }
        if let Some(connections) = self.connections {
            write!(f, " connections={connections}")?;
        }
        if let Some(recipients) = self.recipients {
            write!(f, " recipients={recipients}")?;
        }
        if let Some(rate) = self.rate {
            write!(f, " rate={rate}")?;
        }
        Ok(())
    }
}

impl SettingValue for DeliveryLimits {
    const KIND: &'static str =
        "groups of domains, one a line: DOMAIN…: [each] connections=N recipients=N rate=N/min";

    fn read(text: &str) -> Result<Self, String> {
        Vec::<String>::read(text)?
            .iter()
            .map(|line| Limit::read(line))
            .collect::<Result<_, _>>()
            .map(DeliveryLimits)
    }

    fn write(&self) -> String {
        self.0.iter().map(|limit| format!("{limit}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_goes_by_the_first_group_that_names_it() {
        let text = "Gmail.com googlemail.com: connections=2 rate=600/min\n\
                    *.example.net example.net: recipients=5\n*: each rate=10/90s\n";
        let limits = DeliveryLimits::read(text).unwrap();
        assert_eq!(DeliveryLimits::read(&limits.write()).unwrap(), limits);
        assert_eq!(limits.fewest_connections(), Some(2));
        let name = |domain: &str| limits.of(domain).unwrap().name(domain).into_owned();
        assert_eq!(name("gmail.com"), "gmail.com googlemail.com");
        assert_eq!(name("googlemail.com"), "gmail.com googlemail.com");
        assert_eq!(name("a.b.example.net"), "*.example.net example.net");
        assert_eq!(name("example.net"), "*.example.net example.net");
        assert_eq!(name("anexample.net"), "anexample.net");
        assert_eq!(limits.of("x.org").unwrap().rate.unwrap().period, Duration::from_secs(90));
        assert!(DeliveryLimits::read("a.example: rate=1/h").unwrap().of("b.example").is_none());
        assert!(DeliveryLimits::read("").unwrap().is_empty());
    }

    #[test]
    fn a_line_without_a_limit_or_with_a_wrong_one_is_refused() {
        for (text, word) in [
            ("gmail.com", "colon"),
            (": rate=1/h", "names no domain"),
            ("gmail.com:", "limits nothing"),
            ("gmail.com: each", "limits nothing"),
            ("gmail.com: rates=1/h", "did you mean rate"),
            ("gmail.com: rate=1", "600/min"),
            ("gmail.com: rate=0/min", "600/min"),
            ("gmail.com: rate=1/0s", "600/min"),
            ("gmail.com: rate=1/fortnight", "600/min"),
            ("gmail.com: connections=0", "1 or more"),
            ("gmail.com: recipients=many", "1 or more"),
            ("a@gmail.com: recipients=1", "is not a domain"),
            ("*gmail.com: recipients=1", "is not a domain"),
            ("*.: recipients=1", "is not a domain"),
        ] {
            let problem = DeliveryLimits::read(text).unwrap_err();
            assert!(problem.contains(word), "{text}: {problem}");
        }
    }
}
