//! Removes signatures of senders' domains (docs/spec/pipeline.md §2.13).

use super::{Flow, HandlerError, Post, from_munge, signatures};
use dormouse_store::{FromIsList, RemoveDkim};

const SIGNATURES: [&str; 3] = ["DomainKey-Signature", "DKIM-Signature", "Authentication-Results"];
/// Seals (RFC 8617) contain what earlier hosts found out about the sender.
const SEALS: [&str; 3] = ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"];

/// Removes them as `remove_dkim_headers` says, and the seals on anonymous lists.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    signatures::settle(post)?;
    let anonymous = post.list.settings.anonymous_list;
    if anonymous {
        for name in SEALS {
            post.message.remove(name);
        }
    }
    let remove = match post.config.remove_dkim {
        RemoveDkim::Anonymous => anonymous,
        RemoveDkim::Munged => anonymous || from_munge::mode(post) != FromIsList::No,
        RemoveDkim::Always | RemoveDkim::Renamed => true,
    };
    if !remove {
        return Ok(Flow::Next);
    }
    for name in SIGNATURES {
        if post.config.remove_dkim == RemoveDkim::Renamed {
            let values: Vec<Vec<u8>> =
                post.message.fields_named(name).map(|field| field.value().to_vec()).collect();
            for value in values {
                post.message.append_raw(&format!("X-Mailman-Original-{name}"), &value);
            }
        }
        post.message.remove(name);
    }
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const RAW: &str = "From: a@x.example\nDKIM-Signature: d\nDomainKey-Signature: k\nAuthentication-Results: r\nARC-Seal: s\n\nx\n";

    #[test]
    fn each_way_of_the_site_removes_what_it_should() {
        // site setting, anonymous, From names the list: are they removed?
        let cases = [
            ("anonymous", "no", "munge", false),
            ("anonymous", "yes", "no", true),
            ("munged", "no", "no", false),
            ("munged", "no", "munge", true),
            ("munged", "no", "wrap", true),
            ("munged", "yes", "no", true),
            ("always", "no", "no", true),
            ("renamed", "no", "no", true),
        ];
        for (setting, anonymous, munge, removed) in cases {
            let mut fixture =
                Fixture::new(&[("anonymous_list", anonymous), ("from_is_list", munge)]);
            fixture.config("remove_dkim_headers", setting);
            let outcome = fixture.run(run, RAW, |_| {});
            let what = format!("{setting} {anonymous} {munge}");
            assert_eq!(!outcome.message.has("DKIM-Signature"), removed, "{what}");
            assert_eq!(!outcome.message.has("DomainKey-Signature"), removed, "{what}");
            assert_eq!(!outcome.message.has("Authentication-Results"), removed, "{what}");
            let renamed = setting == "renamed";
            assert_eq!(outcome.message.has("X-Mailman-Original-DKIM-Signature"), renamed, "{what}");
            assert_eq!(outcome.message.has("ARC-Seal"), anonymous == "no", "{what}");
        }
    }
}
