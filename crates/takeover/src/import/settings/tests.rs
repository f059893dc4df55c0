use super::*;

/// If a setting's documentation names Mailman's setting, the import uses it.
#[test]
fn every_setting_that_is_mailmans_under_another_name_is_taken() {
    let mut named = 0;
    for entry in Config::default().entries() {
        let Some((_, rest)) = entry.doc.split_once("(Mailman: ") else { continue };
        let name = rest.split([',', ')']).next().unwrap_or_default();
        named += 1;
        let place = PLACES.iter().find(|(known, _)| *known == name).map(|(_, place)| place);
        let taken = match place {
            Some(Same(key) | Span(key) | Within(key)) => *key == entry.key,
            Some(Not(_)) | None => false,
        };
        assert!(taken, "{}: {name}", entry.key);
    }
    assert!(named > 20, "{named}");
}

#[test]
fn what_was_set_there_is_set_here() {
    let mut old = MmCfg::built_in();
    old.run(
        "GLOBAL_BAN_LIST = ['spam@x.example', '^.*@bad\\\\.example$']\nVERP_PROBES = Yes\n\
             VERP_CONFIRMATIONS = 1\nPENDING_REQUEST_LIFE = days(5)\n\
             DISCARD_MESSAGE_WITH_NO_COMMAND = No\nARCHIVE_HTML_SANITIZER = 0\n\
             MIME_DIGEST_KEEP_HEADERS = ['Date', 'From']\nPLAIN_DIGEST_KEEP_HEADERS = ['Message']\n\
             SUBSCRIBE_FORM_MIN_TIME = seconds(9)\nRCPT_BASE64_HEADER_NAME = 'X-To'\n",
    );
    let wanted = wanted(&old);
    for (key, value) in [
        ("members.ban_list", "spam@x.example\n^.*@bad\\.example$\n"),
        ("bounces.probes", "yes"),
        ("members.verp_confirmations", "1"),
        ("members.confirm_within", "432000s"),
        ("commands.drop_without_command", "no"),
        ("scrub.html", "remove"),
        ("digest.mime_headers", "Date\nFrom\n"),
        ("digest.plain_headers", "Message\n"),
        ("members.form_min_time", "9s"),
        ("delivery.recipient_header", "X-To"),
    ] {
        assert!(wanted.contains(&(key, value.to_owned())), "{key}: {wanted:?}");
        assert_eq!(Config::usable(key, value), (Some(value.to_owned()), vec![]));
    }
}

#[test]
fn archives_that_were_made_in_another_way_are_named() {
    for (own, named) in [
        ("", ""),
        ("ARCHIVE_TO_MBOX = -1", "archive=no"),
        ("ARCHIVE_TO_MBOX = 1", "archive_private"),
        ("ARCHIVE_TO_MBOX = 2", ""),
        ("PUBLIC_EXTERNAL_ARCHIVER = '/bin/mhonarc'", "not called"),
        ("PUBLIC_MBOX = Yes", "was public there"),
        ("ARCHIVER_CLOBBER_DATE_POLICY = 0", "Date"),
    ] {
        let mut old = MmCfg::built_in();
        old.run(own);
        let said: Vec<_> = changed_by_code(&old).into_iter().map(|(_, text)| text).collect();
        assert_eq!(said.is_empty(), named.is_empty(), "{own}: {said:?}");
        assert!(said.iter().all(|text| text.contains(named)), "{own}: {said:?}");
    }
}

#[test]
fn attachments_keep_the_names_that_their_addresses_have() {
    for (own, keeps) in [
        ("", "no"),
        ("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME = True", "no"),
        ("SCRUBBER_DONT_USE_ATTACHMENT_FILENAME = False", "yes"),
    ] {
        let mut old = MmCfg::built_in();
        old.run(own);
        let wanted = wanted(&old);
        assert!(wanted.contains(&("scrub.keep_names", keeps.to_owned())), "{own}");
    }
}
