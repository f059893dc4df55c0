use super::*;

#[test]
fn every_default_can_be_read_back_from_what_is_shown() {
    let defaults = ListSettings::default();
    for entry in defaults.entries() {
        let mut settings = ListSettings::default();
        assert_eq!(settings.put(entry.name, &entry.value), Ok(()), "{}", entry.name);
        assert_eq!(settings.get(entry.name), defaults.get(entry.name));
        assert!(!entry.doc.is_empty() && !entry.group.is_empty(), "{}", entry.name);
        let kept = defaults.kept(entry.name).unwrap();
        assert_eq!(settings.put_kept(entry.name, &kept), Ok(()), "{}", entry.name);
        assert_eq!(settings.get(entry.name), defaults.get(entry.name));
    }
    assert!(GROUPS.iter().all(|group| ListSettings::is_known(group.first)));
}

/// The defaults of docs/spec/pickles.md §3.2 to §3.5, by Mailman's numbers and texts. What a list's
/// creation sets (names, owner) and what is documented as a departure is left out.
#[test]
fn defaults_are_mailmans() {
    let expected = "from_is_list=0 anonymous_list=0 first_strip_reply_to=0 reply_goes_to_list=0 \
        reply_to_address= umbrella_list=0 umbrella_member_suffix=-owner send_reminders=1 \
        send_welcome_msg=1 send_goodbye_msg=1 welcome_msg= goodbye_msg= admin_immed_notify=1 \
        admin_notify_mchanges=0 respond_to_post_requests=1 emergency=0 administrivia=1 \
        max_message_size=40 admin_member_chunksize=30 include_rfc2369_headers=1 \
        include_list_post_header=1 drop_cc=1 max_days_to_hold=0 new_member_options=256 \
        nondigestable=1 digestable=1 digest_is_default=0 mime_is_default_digest=0 \
        digest_size_threshhold=30 digest_send_periodic=1 digest_volume_frequency=1 \
        digest_header= msg_header= scrub_nondigest=0 personalize=0 regular_exclude_lists= \
        regular_include_lists= regular_exclude_ignore=1 max_num_recipients=10 advertised=1 \
        subscribe_policy=1 subscribe_auto_approval= unsubscribe_policy=0 ban_list= \
        private_roster=1 obscure_addresses=1 default_member_moderation=0 \
        member_moderation_action=0 member_moderation_notice= member_verbosity_threshold=0 \
        member_verbosity_interval=300 dmarc_quarantine_moderation_action=1 \
        dmarc_none_moderation_action=0 dmarc_moderation_notice= dmarc_moderation_addresses= \
        dmarc_wrapped_message_text= equivalent_domains= accept_these_nonmembers= \
        hold_these_nonmembers= reject_these_nonmembers= discard_these_nonmembers= \
        generic_nonmember_action=1 forward_auto_discards=1 nonmember_rejection_notice= \
        require_explicit_destination=1 header_filter_rules=[] bounce_processing=1 \
        bounce_score_threshold=5.0 bounce_info_stale_after=7 \
        bounce_you_are_disabled_warnings=3 bounce_you_are_disabled_warnings_interval=7 \
        bounce_unrecognized_goes_to_list_owner=1 bounce_notify_owner_on_bounce_increment=0 \
        bounce_notify_owner_on_disable=1 bounce_notify_owner_on_removal=1 archive=1 \
        archive_private=0 archive_volume_frequency=1 autorespond_postings=0 autorespond_admin=0 \
        autorespond_requests=0 autoresponse_postings_text= autoresponse_admin_text= \
        autoresponse_request_text= autoresponse_graceperiod=90 filter_content=0 \
        filter_mime_types= pass_mime_types=multipart,message/rfc822,application/pgp-signature,text/plain \
        filter_filename_extensions=exe,bat,cmd,com,pif,scr,vbs,cpl pass_filename_extensions= \
        collapse_alternatives=1 convert_html_to_plaintext=1 filter_action=0 topics=[] \
        topics_enabled=0 topics_bodylines_limit=5 nntp_host= linked_newsgroup= \
        gateway_to_news=0 gateway_to_mail=0 news_moderation=0 news_prefix_subject_too=1";
    let defaults = ListSettings::default();
    let mut checked = 0;
    for pair in expected.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap();
        let mut settings = ListSettings::default();
        settings.put(name, value).unwrap();
        assert_eq!(settings.get(name), defaults.get(name), "{name}");
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_wrong_name_or_value_is_refused_with_what_would_be_right() {
    let mut settings = ListSettings::default();
    assert!(settings.put("subject_prefx", "x").unwrap_err().contains("subject_prefix"));
    let error = settings.put("generic_nonmember_action", "maybe").unwrap_err();
    assert!(error.contains("hold (1)"), "{error}");
}

#[test]
fn new_members_get_the_lists_options() {
    let mut settings = ListSettings::default();
    let options = settings.new_options();
    assert!(
        options.has(MemberOption::DontReceiveDuplicates) && options.has(MemberOption::DisableMime)
    );
    settings.put("mime_is_default_digest", "yes").unwrap();
    settings.put("default_member_moderation", "yes").unwrap();
    let options = settings.new_options();
    assert!(!options.has(MemberOption::DisableMime) && options.has(MemberOption::Moderate));
}
