use super::*;
use crate::FailedAddress;

fn kind(status: &str, reason: &str) -> FailureKind {
    FailedAddress::new("a@b.example", Status::parse(status), reason).kind
}

#[test]
fn codes_are_found_and_machines_addresses_are_not() {
    let find = |text| said(text).map(|status| status.to_string());
    assert_eq!(find("550 5.1.1 <a@b>: no"), Some("5.1.1".to_owned()));
    assert_eq!(find("from 5.1.1.4 said (#5.1.1)."), Some("5.1.1".to_owned()));
    assert_eq!(find("version 6.5.4, 5.1, 10.5.1.1, 5.1234.1"), None);
    assert_eq!(find("said 550-5.7.26 This"), Some("5.7.26".to_owned()));
    assert_eq!(reply_code("said: 550-5.1.1 no"), Some(550));
    assert_eq!(reply_code("host mx4.x.example[192.0.2.55]: 452 4.2.2 full"), Some(452));
    assert_eq!(reply_code("5.1.1"), None);
}

#[test]
fn permanent_temporary_and_policy_failures_are_distinguished() {
    for (status, reason, expected) in [
        ("5.1.1", "", FailureKind::Permanent),
        ("5.4.4", "", FailureKind::Permanent),
        ("4.4.1", "", FailureKind::Temporary),
        ("5.2.2", "", FailureKind::Temporary),
        ("5.4.7", "", FailureKind::Temporary),
        ("5.7.26", "", FailureKind::Policy),
        ("4.7.0", "", FailureKind::Policy),
        ("5.6.1", "", FailureKind::Policy),
        ("5.1.8", "", FailureKind::Policy),
        ("5.0.0", "550 5.1.1 unknown", FailureKind::Permanent),
        ("5.0.0", "554 5.7.1 spam", FailureKind::Policy),
        ("5.0.0", "554 rejected by DMARC policy of x.example", FailureKind::Policy),
        ("5.0.0", "550 User unknown; see our spam policy", FailureKind::Permanent),
        ("5.0.0", "smtp; 552 mailbox full", FailureKind::Temporary),
        ("", "Listed at zen.spamhaus.org", FailureKind::Policy),
        ("", "research@x.example is unknown", FailureKind::Permanent),
        ("", "421 please wait", FailureKind::Temporary),
        ("", "", FailureKind::Permanent),
    ] {
        assert_eq!(kind(status, reason), expected, "{status} {reason}");
    }
}

/// Texts of large providers, with other names.
#[test]
fn the_most_particular_of_status_and_words_decides() {
    for (status, reason, expected) in [
        // Full mailboxes, with any status
        ("5.1.1", "552 5.2.2 Over quota", FailureKind::Temporary),
        (
            "5.1.1",
            "550 sorry, mailbox anna@x.example is over quota (#5.1.1)",
            FailureKind::Temporary,
        ),
        (
            "5.0.0",
            "550-5.2.2 The email account that you tried to reach is 550-5.2.2 over quota. Please direct 550 5.2.2 the recipient",
            FailureKind::Temporary,
        ),
        (
            "5.7.0",
            "The recipient mailbox has exceeded its disk space limit.",
            FailureKind::Temporary,
        ),
        (
            "5.0.0",
            "552-5.2.2 The recipient's inbox is out of storage space",
            FailureKind::Temporary,
        ),
        (
            "5.1.1",
            "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]",
            FailureKind::Temporary,
        ),
        (
            "",
            "552 1 Requested mail action aborted, mailbox not found or over quota",
            FailureKind::Temporary,
        ),
        ("5.0.0", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception", FailureKind::Temporary),
        ("5.1.1", "550 Postfach ist voll", FailureKind::Temporary),
        ("5.0.0", "550 Casella piena (Msgs:900)", FailureKind::Temporary),
        ("5.0.0", "550 邮箱已满", FailureKind::Temporary),
        // Timeouts
        (
            "5.4.316",
            "550 5.4.316 Message expired, connection refused(Socket error code 10061)",
            FailureKind::Temporary,
        ),
        (
            "5.4.300",
            "550 5.4.300 Message expired -> 421 4.4.1 Connection timed out",
            FailureKind::Temporary,
        ),
        (
            "5.0.0",
            "delivery temporarily suspended: connect to mx.x.example: Connection refused",
            FailureKind::Temporary,
        ),
        ("5.1.2", "retry timeout exceeded", FailureKind::Temporary),
        (
            "5.0.0",
            "Unable to deliver message after multiple retries, giving up.",
            FailureKind::Temporary,
        ),
        // Loops and broken systems on their side
        ("5.4.6", "554 5.4.6 Too many hops", FailureKind::Temporary),
        (
            "5.1.1",
            "554 5.4.14 Hop count exceeded - possible mail loop ATTR1",
            FailureKind::Temporary,
        ),
        ("5.0.0", "mail for x.example loops back to myself", FailureKind::Temporary),
        (
            "",
            "This message is looping: it already has my Delivered-To line. (#5.4.6)",
            FailureKind::Temporary,
        ),
        // Block lists and reputation
        ("5.1.1", "550 5.7.1 IP address blacklisted by recipient", FailureKind::Policy),
        ("5.1.3", "553 http://www.spamhaus.org/query/bl?ip=192.0.2.222", FailureKind::Policy),
        (
            "5.3.0",
            "553 5.3.0 flpd - DNSBL:ATTRBL 521< 192.0.2.7 >_is_blocked. For assistance forward this error to abuse_rbl@x.example",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "554 IP=192.0.2.7 - A problem occurred. (Ask your postmaster for help or to contact tosa@x.example to clarify.) (BL)",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "554 IP=192.0.2.7 - None/bad reputation. Ask your postmaster for help. (NOWL)",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "554-x.example (mx004) Nemesis ESMTP Service not available 554-No SMTP service 554-IP address is black listed. 554 For explanation visit",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "550-Requested action not taken: mailbox unavailable 550-Sorry, your helo has been denied.",
            FailureKind::Policy,
        ),
        (
            "5.1.0",
            "550 5.1.0 <l-bounces@y.example> sender rejected. Please see https://x.example/codes for more information. AUP#In-1310",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "554 pamx1.x.example ESMTP server not available AUP#Out-1500",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "554 smtp-16.x.example IP blacklisted by CSI. For remediation please use",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "550 5.7.606 Access denied, banned sending IP [192.0.2.225]",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "550 SC-001 (COL004) Unfortunately, messages from 192.0.2.7 weren't sent. Please contact your provider since part of their network is on our block list",
            FailureKind::Policy,
        ),
        (
            "4.0.0",
            "553 5.7.2 [TSS09] All messages from 192.0.2.7 will be permanently deferred; Retrying will NOT succeed.",
            FailureKind::Policy,
        ),
        // Limits
        (
            "5.2.1",
            "550-5.2.1 The user you are trying to contact is receiving mail at a rate that 550-5.2.1 prevents additional messages from being delivered.",
            FailureKind::Policy,
        ),
        (
            "5.2.1",
            "450-4.2.1 The user you are trying to contact is receiving mail too quickly.",
            FailureKind::Policy,
        ),
        (
            "5.2.121",
            "550 5.2.121 Recipient's per hour message receive rate limit exceeded",
            FailureKind::Policy,
        ),
        ("5.0.0", "550 Ip frequency limited [V2Vk Blocked IP 192.0.2.22].", FailureKind::Policy),
        ("5.0.0", "550 Connection frequency limited", FailureKind::Policy),
        ("5.0.0", "550 Domain frequency limited [x.example]", FailureKind::Policy),
        ("5.4.5", "550 5.4.5 Daily sending quota exceeded.", FailureKind::Policy),
        (
            "4.7.0",
            "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "421 smtp.x.example Service refuse. Veuillez essayer plus tard. OFR004_104",
            FailureKind::Policy,
        ),
        ("5.0.0", "451 RP:TRC 192.0.2.7", FailureKind::Policy),
        // Senders that could not be verified
        (
            "5.1.1",
            "550-Verification failed for <l-bounces@y.example> 550-The mail server could not deliver mail 550 Sender verify failed",
            FailureKind::Policy,
        ),
        (
            "5.1.1",
            "550 5.1.1 <l-bounces@y.example>: Sender address rejected: User unknown in virtual mailbox table",
            FailureKind::Policy,
        ),
        (
            "5.1.8",
            "553 5.1.8 <l-bounces@y.example>... Domain of sender address does not exist",
            FailureKind::Policy,
        ),
        ("5.0.0", "550 Could not verify sender address: no such user", FailureKind::Policy),
        (
            "5.0.0",
            "host mx.x.example[192.0.2.1] said: 550 no such user (in reply to MAIL FROM command)",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "host mx.x.example[192.0.2.1] refused to talk to me: 554 go away",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "553 Requested action not taken: NULL sender is not allowed",
            FailureKind::Policy,
        ),
        // Content, viruses, rules
        ("5.1.1", "554 5.7.1 Virus found", FailureKind::Policy),
        ("5.0.0", "550 This message contains malware (Eicar-Test-Signature)", FailureKind::Policy),
        ("5.0.0", "550 Mail content denied", FailureKind::Policy),
        (
            "5.0.0",
            "554 DT:SPM 163 mx12,x 1417680000,http://mail.x.example/help/help_spam_16.htm",
            FailureKind::Policy,
        ),
        (
            "5.0.0",
            "550 spam message rejected. Please visit http://help.x.example/notspam-support/id",
            FailureKind::Policy,
        ),
        ("5.7.1", "554 5.7.1 [1] Message rejected under suspicion of SPAM", FailureKind::Policy),
        ("5.2.0", "550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]", FailureKind::Policy),
        ("5.0.0", "550 administrative prohibition", FailureKind::Policy),
        ("5.1.1", "554 5.7.9 Message not accepted for policy reasons.", FailureKind::Policy),
        (
            "5.0.0",
            "SMTP error from remote mail server after end of data: 550 Rejected",
            FailureKind::Policy,
        ),
        ("5.0.0", "552 Message size exceeds fixed limit", FailureKind::Policy),
        (
            "5.0.0",
            "450 4.7.1 <a@x.example>: Recipient address rejected: Greylisted",
            FailureKind::Policy,
        ),
        // The address, with other reasons in addition
        ("5.7.1", "550 5.7.1 550 User Unknown: anna@x.example", FailureKind::Permanent),
        (
            "5.0.0",
            "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]",
            FailureKind::Permanent,
        ),
        (
            "5.0.0",
            "554 delivery error: dd This user doesn't have a x.example account (anna@x.example) [0]",
            FailureKind::Permanent,
        ),
        (
            "5.0.0",
            "554 30 Sorry, your message to anna@x.example cannot be delivered. This mailbox is disabled (554.30).",
            FailureKind::Permanent,
        ),
        (
            "5.2.1",
            "550 5.2.1 The email account that you tried to reach is disabled.",
            FailureKind::Permanent,
        ),
        (
            "5.5.0",
            "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
            FailureKind::Permanent,
        ),
        ("5.4.310", "550 5.4.310 DNS domain x.example does not exist", FailureKind::Permanent),
        ("5.7.13", "525 5.7.13 Disabled recipient address", FailureKind::Permanent),
        (
            "5.0.0",
            "550 Message was not accepted -- invalid mailbox. Local mailbox anna@x.example is unavailable: user not found",
            FailureKind::Permanent,
        ),
        (
            "5.4.1",
            "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
            FailureKind::Permanent,
        ),
    ] {
        assert_eq!(kind(status, reason), expected, "{status} {reason}");
    }
}

#[test]
fn a_success_is_not_a_failure_whatever_its_text() {
    let judge = |status, reason| {
        FailureDetails { stated: Status::parse(status), reason, beside: "" }.judge()
    };
    assert_eq!(judge("2.1.5", "250 2.1.5 Ok"), None);
    assert_eq!(judge("2.0.0", ""), None);
    assert_eq!(judge("", "250 queued"), None);
    // A version is not a status.
    assert!(judge("5.0.0", "mailer 2.8.1 said no").is_some());
}

#[test]
fn of_a_success_and_a_failure_in_one_report_the_most_specific_counts() {
    let judge = |stated, reason| {
        let details = FailureDetails { stated: Status::parse(stated), reason, beside: "" };
        details.judge().map(|judgement| judgement.kind)
    };
    for (stated, reason, expected) in [
        // The server that refused says more than a vague success.
        ("2.0.0", "550 5.1.1 unknown", Some(FailureKind::Permanent)),
        ("2.0.0", "550 User unknown", Some(FailureKind::Permanent)),
        ("2.5.0", "452 4.2.2 over quota", Some(FailureKind::Temporary)),
        ("2.0.0", "554 5.7.1 blocked using zen.spamhaus.org", Some(FailureKind::Policy)),
        // It does not if it only says that it refused.
        ("2.0.0", "550", None),
        ("2.0.0", "550 5.0.0 no", None),
        ("2.0.0", "mailbox full", None),
        // A specific success says more than a vague failure.
        ("2.1.5", "550", None),
        ("2.1.5", "550 5.0.0", None),
        ("5.0.0", "250 2.1.5 Ok", None),
        ("5.0.0", "250 Ok", None),
        ("5.1.1", "250 2.1.5 Ok", None),
        ("4.4.1", "2.1.5 valid", None),
        ("", "251 user not local; will forward", None),
        ("", "250-2.0.0 Ok", None),
        ("2.1.5", "252 cannot verify", None),
        // Two of the same kind contradict each other: the server's own reply counts.
        ("2.1.5", "550 5.1.1 unknown", Some(FailureKind::Permanent)),
        ("5.1.1", "250 Ok", Some(FailureKind::Permanent)),
        // A reply that goes on is none of success.
        ("5.0.0", "250 Ok, then 550 5.1.1 user unknown", Some(FailureKind::Permanent)),
        ("5.0.0", "2500 bytes of nonsense", Some(FailureKind::Permanent)),
    ] {
        assert_eq!(judge(stated, reason), expected, "{stated} {reason}");
    }
}

#[test]
fn the_text_for_people_tells_where_the_rest_is_vague() {
    let judge = |status, reason, beside| {
        FailureDetails { stated: Status::parse(status), reason, beside }.judge().unwrap().kind
    };
    let full = "anna@x.example: 550 5.2.2 mailbox full";
    assert_eq!(judge("5.0.0", "", full), FailureKind::Temporary);
    assert_eq!(judge("5.1.1", "", "554 listed at zen.spamhaus.org"), FailureKind::Policy);
    assert_eq!(judge("5.0.0", "550 user unknown", full), FailureKind::Permanent);
    // Incidental remarks are not a reason.
    assert_eq!(
        judge("5.1.1", "", "Please see our policy on spam, and try later."),
        FailureKind::Permanent
    );
}
