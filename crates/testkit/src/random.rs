//! Random lists and random mail for proptest: what the posting pipeline must withstand.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The settings that the pipeline reads, with values worth trying; some are invalid on purpose.
const SETTINGS: &[(&str, &[&str])] = &[
    ("accept_these_nonmembers", &["^a", "@other\n@none", "anna@x.example"]),
    ("acceptable_aliases", &["^list", "(", "else@x.example"]),
    ("administrivia", &["yes", "no"]),
    ("admin_immed_notify", &["yes", "no"]),
    ("anonymous_list", &["yes"]),
    ("archive", &["yes", "no"]),
    ("archive_private", &["yes"]),
    ("autorespond_postings", &["yes"]),
    ("autoresponse_graceperiod", &["0", "90"]),
    ("autoresponse_postings_text", &["Thanks, %(listname)s %(nobody)s %", "%("]),
    ("bounce_matching_headers", &["x-spam: yes\nsubject: (\n# note", "no colon"]),
    ("collapse_alternatives", &["yes", "no"]),
    ("convert_html_to_plaintext", &["yes", "no"]),
    ("default_member_moderation", &["yes"]),
    ("description", &["Grüße ☃", "a \"quoted\" <list>", ""]),
    ("digestable", &["yes", "no"]),
    ("discard_these_nonmembers", &["^b.*example$", "(?P<x>a)(?P=x)"]),
    ("dmarc_moderation_action", &["0", "1", "2", "3", "4"]),
    ("dmarc_moderation_addresses", &["^.*", "anna@x.example"]),
    ("dmarc_wrapped_message_text", &["wrapped ☃"]),
    ("drop_cc", &["yes", "no"]),
    ("emergency", &["yes"]),
    ("equivalent_domains", &["x.example,y.example;;,"]),
    ("filter_action", &["0", "1", "2", "3"]),
    ("filter_content", &["yes", "no"]),
    ("filter_mime_types", &["image", "text/html\nmessage/rfc822"]),
    ("first_strip_reply_to", &["yes", "no"]),
    ("forward_auto_discards", &["yes", "no"]),
    ("from_is_list", &["0", "1", "2"]),
    ("gateway_to_news", &["yes"]),
    ("generic_nonmember_action", &["0", "0", "1", "2", "3"]),
    (
        "header_filter_rules",
        &[
            r#"[["^subject: .*b", 3, 0]]"#,
            r#"[["(", 2, 0], ["^subject: .*c", 2, 0]]"#,
            r#"[["^x-.*", 7, 0]]"#,
            r#"[["^to: ", 6, 0]]"#,
            r#"[[null, "x"], 7, "no rule"]"#,
            r#"[["^((a+)+)+$", 3, 0]]"#,
        ],
    ),
    ("hold_these_nonmembers", &["^c", "(?<!a)b"]),
    ("include_list_post_header", &["yes", "no"]),
    ("include_rfc2369_headers", &["yes", "no"]),
    ("include_sender_header", &["yes", "no"]),
    ("linked_newsgroup", &["comp.lang.rust"]),
    ("max_message_size", &["0", "1", "40"]),
    ("max_num_recipients", &["0", "1", "3"]),
    ("member_moderation_action", &["0", "1", "2"]),
    ("member_verbosity_threshold", &["0", "1", "5"]),
    (
        "msg_footer",
        &["", "foot", "-- \nfür %(user_name)s, %(real_name)s %", "$real_name ${user_name}"],
    ),
    ("msg_header", &["", "☃", "head\n"]),
    ("news_moderation", &["0", "2"]),
    ("nntp_host", &["news.example"]),
    ("pass_filename_extensions", &["", "txt"]),
    ("pass_mime_types", &["", "text,multipart", "image/png"]),
    ("personalize", &["0", "1", "2"]),
    ("pipeline", &["", "", "", "SpamDetect\nToOutgoing", "NoSuchHandler"]),
    ("regular_exclude_lists", &["other@lists.example.org", "no address"]),
    ("regular_include_lists", &["other@lists.example.org"]),
    ("reject_these_nonmembers", &["^d"]),
    ("reply_goes_to_list", &["0", "1", "2"]),
    ("reply_to_address", &["", "r@x.example", "no address ☃"]),
    ("require_explicit_destination", &["yes", "no", "no"]),
    ("respond_to_post_requests", &["yes", "no"]),
    ("scrub_nondigest", &["yes"]),
    ("subject_prefix", &["", "[L] ", "[L %05d] ", "[☃%d]", "%d"]),
    ("topics", &[r#"[["t", "a\nb", "", 0], ["u", "(", "", 0]]"#, r#"[1, [], ["x"], ["y", null]]"#]),
    ("topics_bodylines_limit", &["-1", "0", "5"]),
    ("topics_enabled", &["yes"]),
    ("use_dollar_strings", &["yes"]),
];

/// Returns settings of a list: some of those that the pipeline reads, each with one of its values.
pub fn settings() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    vec((0..SETTINGS.len(), any::<Index>()), 0..16).prop_map(|chosen| {
        let mut settings: Vec<(&str, &str)> = Vec::new();
        for (place, value) in chosen {
            let (name, values) = SETTINGS[place];
            if !settings.iter().any(|(known, _)| *known == name) {
                settings.push((name, values[value.index(values.len())]));
            }
        }
        settings
    })
}

/// Returns mail of any kind: most of it looks like mail, some of it is noise.
pub fn mail() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => looks_like_mail(),
        1 => vec(any::<u8>(), 0..200),
        1 => Just(Vec::new()),
    ]
}

/// Addresses of a member, of strangers and of the list, and invalid ones.
const ADDRESSES: &[&str] = &[
    "member@x.example",
    "Anna <anna@x.example>",
    "b@x.example",
    "c@y.example, d@y.example",
    "=?utf-8?q?=C3=A4?= <d@x.example>",
    "dev@lists.example.org",
    "a@b@c",
    "<>",
    "\"unclosed <x@y",
    "group: a@x.example, b@x.example;",
    "",
];

fn looks_like_mail() -> impl Strategy<Value = Vec<u8>> {
    let address = || select(ADDRESSES);
    let field = prop_oneof![
        2 => ("(From|To|Cc|Reply-To|Sender|Resent-To)", address())
            .prop_map(|(name, value)| format!("{name}: {value}")),
        1 => "(Subject|Keywords|X-Spam|Comments): [a-dR:e\\[\\]L %=?☃]{0,20}",
        1 => select(&[
            "Message-ID: <1@x.example>",
            "Date: Mon, 4 Mar 2024 10:00:00 +0100",
            "Approved: wrong",
            "Urgent: wrong",
            "X-Ack: yes",
            "Precedence: bulk",
            "Auto-Submitted: auto-replied",
            "X-BeenThere: list7@lists.example.org",
            "X-No-Archive: yes",
            "Content-Transfer-Encoding: base64",
            "Content-Transfer-Encoding: quoted-printable",
            "Content-Type: text/html; charset=koi8-r",
            "Content-Type: text/plain; charset=nonsense; format=flowed",
            "Content-Type: image/png; name=\"a.EXE\"",
            "DKIM-Signature: v=1; a=b",
            "no field at all",
            " folded",
        ][..])
        .prop_map(str::to_owned),
    ];
    let multipart = select(&["mixed", "alternative", "related", "signed", "digest"][..]);
    let body = "(--b\n|--b--\n|Content-Type: (text/plain|text/html|image/png|message/rfc822|multipart/mixed; boundary=b)\n|Content-Disposition: attachment; filename=\"[./a☃x]{0,5}\"\n|Approved: wrong\n|help\n|<p>[a-d ]{0,9}</p>\n|=C3=A4[a-d]{0,9}\n|[a-dA-D:☃ ]{0,30}\n|\n){0,14}";
    let line_end = select(&["\n", "\n", "\n", "\r\n"][..]);
    (address(), vec(field, 0..8), proptest::option::of(multipart), body, line_end).prop_map(
        |(from, fields, multipart, body, line_end)| {
            let mut text = format!("From: {from}\n");
            for field in fields {
                text.push_str(&field);
                text.push('\n');
            }
            if let Some(kind) = multipart {
                text.push_str(&format!("Content-Type: multipart/{kind}; boundary=b\n"));
            }
            format!("{text}\n{body}").replace('\n', line_end).into_bytes()
        },
    )
}
