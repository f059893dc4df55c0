//! Moves attachments out of posts, on lists with `scrub_nondigest` (docs/spec/pipeline.md §2.7,
//! docs/spec/archives.md §5).

use super::{Flow, HandlerError, Post};
use crate::scrubbing;

/// Stores attachments in the list's archive, before the post continues with links to them.
pub fn run(post: &mut Post<'_>) -> Result<Flow, HandlerError> {
    if !post.list.settings.scrub_nondigest {
        return Ok(Flow::Next);
    }
    let attachments = dormouse_store::Attachments::of(post.site, &post.list.name);
    let received = post.envelope().received_time().unwrap_or(post.now);
    let scrubbed = scrubbing::scrub(&post.message, post.list, post.config, received, &attachments)?;
    if !post.is_rehearsal {
        for attachment in &scrubbed.attachments {
            attachments.keep(&attachment.path, &attachment.content)?;
            dormouse_spool::fault::point("scrubber.kept");
        }
    }
    scrubbed.write_to(&mut post.message);
    Ok(Flow::Next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const RAW: &str = "From: a@x.example\nMessage-ID: <1@x.example>\nDate: Mon, 4 Mar 2024 10:00:00 +0100\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: image/png; name=a.png\n\nPNG\n--b--\n";
    const FILE: &str = "archives/private/dev/attachments/20240304/d0fb617c/a.png";

    #[test]
    fn attachments_are_kept_and_their_addresses_stand_in_the_post() {
        let fixture = Fixture::new(&[("scrub_nondigest", "yes")]);
        for _ in 0..2 {
            let text = fixture.run(run, RAW, |_| {}).text();
            assert!(
                text.contains("\n\nhello\n-------------- next part --------------\n"),
                "{text}"
            );
            let address =
                "URL: <https://lists.example/pipermail/dev/attachments/20240304/d0fb617c/a.png>\n";
            assert!(text.ends_with(address), "{text}");
        }
        assert_eq!(std::fs::read(fixture.site.dir().join(FILE)).unwrap(), b"PNG");
        let other = fixture.run(run, &RAW.replace("\nPNG", "\nGIF"), |_| {}).text();
        assert!(other.contains("/a-0001.png>"), "{other}");
        assert_eq!(std::fs::read(fixture.site.dir().join(FILE)).unwrap(), b"PNG");
    }

    #[test]
    fn a_rehearsal_keeps_nothing() {
        let mut fixture = Fixture::new(&[
            ("scrub_nondigest", "yes"),
            ("generic_nonmember_action", "accept"),
            ("require_explicit_destination", "no"),
        ]);
        fixture.config("dmarc.lookups", "no");
        let list = fixture.get("dev");
        let raw = RAW.as_bytes().to_vec();
        let made =
            crate::rehearsal::rehearse(&fixture.site, &fixture.store, &list, raw, None).unwrap();
        assert!(String::from_utf8_lossy(&made.message).contains("/a.png>"), "{made:?}");
        assert!(!fixture.site.dir().join("archives").exists());
    }

    #[test]
    fn settings_of_list_and_site_decide() {
        let mut fixture = Fixture::new(&[]);
        assert_eq!(fixture.run(run, RAW, |_| {}).text(), RAW);
        assert!(!fixture.site.dir().join("archives").exists());
        fixture.set("dev", &[("scrub_nondigest", "yes"), ("archive_private", "yes")]);
        let text = fixture.run(run, RAW, |_| {}).text();
        assert!(
            text.contains("URL: <https://lists.example/mailman/private/dev/attachments/"),
            "{text}"
        );
        fixture.config("scrub.keep_names", "no");
        assert!(fixture.run(run, RAW, |_| {}).text().contains("/attachment.png>"));
        let html = "Content-Type: text/html\n\n<p>hi</p>\n";
        assert!(fixture.run(run, html, |_| {}).text().contains("attachment.html>"));
        fixture.config("scrub.html", "remove");
        assert!(fixture.run(run, html, |_| {}).text().ends_with("\n\nhi\n"));
        let plain = "From: a@x.example\n\nhello\n";
        assert_eq!(fixture.run(run, plain, |_| {}).text(), plain);
    }
}
