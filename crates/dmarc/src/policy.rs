//! Which names count for a domain, and what their records mean.

use crate::Answer;

/// What a domain wants receivers to do with mail that fails authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Nothing, or it says nothing.
    None,
    /// It says `p=none`.
    Monitor,
    /// Treat it as suspicious.
    Quarantine,
    /// Reject it.
    Reject,
    /// It could not be looked up, for this reason.
    Unknown(String),
}

/// The DMARC record of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcRecord {
    /// The policy.
    pub policy: Policy,
    /// A DKIM signature counts only if it is of the very domain in From (`adkim=s`).
    pub strict_dkim: bool,
    /// The same for SPF and the envelope sender (`aspf=s`).
    pub strict_spf: bool,
}

impl From<Policy> for DmarcRecord {
    /// A policy with relaxed alignment, the default.
    fn from(policy: Policy) -> DmarcRecord {
        DmarcRecord { policy, strict_dkim: false, strict_spf: false }
    }
}

impl Default for DmarcRecord {
    fn default() -> DmarcRecord {
        Policy::None.into()
    }
}

/// Whether one domain may vouch for mail of another: they are the same, or, unless `strict`, belong
/// to the same organization by the public suffix list (RFC 7489 §3.1).
pub fn is_aligned(from: &str, vouching: &str, strict: bool) -> bool {
    let normal = |domain: &str| domain.trim_end_matches('.').to_lowercase();
    let (from, vouching) = (normal(from), normal(vouching));
    let organization = |domain: &str| psl::domain_str(domain).unwrap_or(domain).to_owned();
    from == vouching || !strict && organization(&from) == organization(&vouching)
}

/// The names whose TXT records matter, the nearer first: the domain's own, and that of its
/// organizational domain by the public suffix list (RFC 7489 §3.2, §6.6.3). No names if it cannot
/// be a domain, such as an address literal.
pub fn names(domain: &str) -> Vec<String> {
    let domain = domain.trim_end_matches('.').to_lowercase();
    let is_name = !domain.is_empty()
        && domain.len() <= LONGEST_NAME
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && !domain.contains(|c: char| c.is_control() || c.is_whitespace() || "[]\\\"".contains(c));
    if !is_name {
        return Vec::new();
    }
    let mut names = vec![format!("{PREFIX}{domain}")];
    if let Some(organizational) = psl::domain_str(&domain)
        && organizational != domain
    {
        names.push(format!("{PREFIX}{organizational}"));
    }
    names
}

/// The start of a DMARC record (docs/spec/pipeline.md §2.1: exactly this text).
pub(crate) const RECORD: &str = "v=DMARC1;";
pub(crate) const PREFIX: &str = "_dmarc.";
/// The maximum length of a name in octets (RFC 1035 §2.3.4), less the prefix.
const LONGEST_NAME: usize = 253 - PREFIX.len();

/// Reads the answers to [`names`] in their order: the first name with a record decides
/// (docs/spec/pipeline.md §2.1). An answer that is missing counts as one without records.
pub fn record<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> DmarcRecord {
    for (place, answer) in answers.into_iter().enumerate() {
        let records = match answer {
            Answer::Records(records) => records,
            Answer::Failed(why) => return Policy::Unknown(why.clone()).into(),
        };
        let mut valid = records.iter().filter(|record| record.starts_with(RECORD));
        match (valid.next(), valid.next()) {
            (None, _) => {}
            (Some(record), None) => return read(record, place > 0),
            // More than one is as good as none (RFC 7489 §6.6.3, step 5).
            (Some(_), Some(_)) => return DmarcRecord::default(),
        }
    }
    DmarcRecord::default()
}

/// Parses a record, which applies to its own domain or to a domain below it.
fn read(record: &str, for_subdomain: bool) -> DmarcRecord {
    let tag = |wanted: &str| {
        let pairs = record.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_ascii_lowercase())
            .next()
    };
    let below = if for_subdomain { tag("sp") } else { None };
    let policy = match below.or_else(|| tag("p")).as_deref() {
        Some("reject") => Policy::Reject,
        Some("quarantine") => Policy::Quarantine,
        Some("none") => Policy::Monitor,
        _ => Policy::None,
    };
    let is_strict = |name: &str| tag(name).as_deref() == Some("s");
    DmarcRecord { policy, strict_dkim: is_strict("adkim"), strict_spf: is_strict("aspf") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Policy {
        record(answers).policy
    }

    #[test]
    fn alignment_is_of_organizations_unless_the_domain_is_strict() {
        for (from, vouching, relaxed, strict) in [
            ("a.example", "A.example.", true, true),
            ("lists.a.example", "a.example", true, false),
            ("a.example", "mail.a.example", true, false),
            ("x.a.example", "y.a.example", true, false),
            ("a.example", "b.example", false, false),
            ("a.co.uk", "b.co.uk", false, false),
            ("one.github.io", "two.github.io", false, false),
            ("co.uk", "a.co.uk", false, false),
            ("a.example", "xa.example", false, false),
        ] {
            assert_eq!(is_aligned(from, vouching, false), relaxed, "{from} {vouching}");
            assert_eq!(is_aligned(from, vouching, true), strict, "{from} {vouching}");
        }
        let read = record(&[records(&["v=DMARC1; p=reject; adkim=S; aspf=r"])]);
        assert!(read.strict_dkim && !read.strict_spf && read.policy == Policy::Reject);
    }

    fn records(texts: &[&str]) -> Answer {
        Answer::Records(texts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_domain_asks_itself_and_its_organization() {
        assert_eq!(names("example.org"), ["_dmarc.example.org"]);
        assert_eq!(names("A.B.Example.ORG."), ["_dmarc.a.b.example.org", "_dmarc.example.org"]);
        assert_eq!(names("mail.shop.co.uk"), ["_dmarc.mail.shop.co.uk", "_dmarc.shop.co.uk"]);
        assert_eq!(names("co.uk"), ["_dmarc.co.uk"]);
        // A suffix below which unrelated people have their own names.
        assert_eq!(names("somebody.github.io"), ["_dmarc.somebody.github.io"]);
        assert_eq!(names("münchen.example.de")[1], "_dmarc.example.de");
        for strange in ["", ".", "[192.0.2.1]", "a b.example", "a..b", &"x".repeat(64)] {
            assert!(names(strange).is_empty(), "{strange:?}");
        }
    }

    #[test]
    fn the_nearest_record_decides() {
        for (own, above, expected) in [
            (&["v=DMARC1; p=reject"][..], &[][..], Policy::Reject),
            (&["v=DMARC1;p=Quarantine;pct=5"], &[], Policy::Quarantine),
            (&["v=DMARC1; p=none; sp=reject"], &[], Policy::Monitor),
            (&[], &["v=DMARC1; p=none; sp=reject"], Policy::Reject),
            (&[], &["v=DMARC1; p=reject; sp=none"], Policy::Monitor),
            (&[], &["v=DMARC1; p=reject"], Policy::Reject),
            (&["v=DMARC1; p=none"], &["v=DMARC1; p=reject"], Policy::Monitor),
            // Other texts at the name do not count.
            (&["v=spf1 -all"], &["v=DMARC1; p=reject"], Policy::Reject),
            (&["v=spf1 -all", "v=DMARC1; p=reject"], &[], Policy::Reject),
            (
                &["v=DMARC12; p=reject", "V=DMARC1; p=reject", " v=DMARC1; p=reject"],
                &[],
                Policy::None,
            ),
            (&["v=DMARC1; p=reject", "v=DMARC1; p=none"], &["v=DMARC1; p=reject"], Policy::None),
            (&["v=DMARC1; rua=mailto:x"], &["v=DMARC1; p=reject"], Policy::None),
            (&["v=DMARC1; p=maybe"], &[], Policy::None),
            (&[], &[], Policy::None),
        ] {
            assert_eq!(policy(&[records(own), records(above)]), expected, "{own:?} {above:?}");
        }
    }

    #[test]
    fn what_could_not_be_asked_is_not_known_unless_it_does_not_matter() {
        let failed = Answer::Failed("SERVFAIL".to_owned());
        let unknown = Policy::Unknown("SERVFAIL".to_owned());
        let reject = records(&["v=DMARC1; p=reject"]);
        assert_eq!(policy(&[failed.clone(), reject.clone()]), unknown);
        assert_eq!(policy(&[records(&[]), failed.clone()]), unknown);
        assert_eq!(policy(&[reject, failed]), Policy::Reject);
    }

    proptest! {
        #[test]
        fn any_domain_and_any_record_can_be_read(domain: String, record: String) {
            for name in names(&domain) {
                prop_assert!(name.len() <= 253);
            }
            policy(&[records(&[&record]), records(&[&format!("v=DMARC1;{record}")])]);
        }
    }
}
