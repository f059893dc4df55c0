//! Remarks on settings that are valid but have no effect, or another one, on this site.

use dormouse_membership::moderation::vouch;
use dormouse_membership::notices::templates;
use dormouse_store::check;
use dormouse_store::{DmarcAction, FilterAction, List, NonmemberAction, Site};

/// Returns what an administrator should know about the settings that `asked` selects.
pub fn of(site: &Site, list: &List, asked: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let settings = &list.settings;
    let there = templates::languages_there(site, list);
    let mut named: Vec<(&str, &str)> = vec![("preferred_language", &settings.preferred_language)];
    let others = settings.available_languages.iter();
    named.extend(others.map(|code| ("available_languages", code.as_str())));
    for (setting, code) in named {
        if asked(setting) && !there.contains(code) {
            remarks.push(format!(
                "{setting}: there are no texts in {code:?}; its readers get English ones. There \
                 are texts in {}; add others as files in templates/site/{code} (`dormouse template ls {}`)",
                there.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
                list.name
            ));
        }
    }
    for (setting, text) in
        [("msg_header", &settings.msg_header), ("msg_footer", &settings.msg_footer)]
    {
        if (asked(setting) || asked("personalize"))
            && !settings.personalize.is_on()
            && let Some(field) = check::reader_field(text, settings.use_dollar_strings)
        {
            remarks.push(format!(
                "{setting}: {field} differs for each reader, but all get the same copy of a \
                 post; with personalize=yes each gets an own copy"
            ));
        }
    }
    let Some(silence) = vouch::silence(site.config()) else { return remarks };
    const LATE: &str =
        "reject: it depends on something that is known only after the mail is accepted.";
    let cases = [
        ("dmarc_moderation_action", settings.dmarc_moderation_action == DmarcAction::Reject, LATE),
        ("filter_action", settings.filter_action == FilterAction::Reject, LATE),
        (
            "generic_nonmember_action",
            settings.generic_nonmember_action == NonmemberAction::Hold,
            "hold: posts of non-members wait for a moderator.",
        ),
    ];
    for (setting, is_so, what) in cases {
        if is_so && asked(setting) {
            remarks.push(format!("{setting}={what} {silence}"));
        }
    }
    remarks
}
