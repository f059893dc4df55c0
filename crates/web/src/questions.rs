//! Questions in plain words for owners, and the settings for each answer. The table of settings has the
//! meaning and the allowed values of a setting.

use dormouse_words::msgid;

/// Settings that belong together: the answer to a question, or a purpose of a list.
pub struct Answer {
    /// Its name in forms.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// An explanation; may be empty.
    pub doc: &'static str,
    /// The settings, with values as they are typed.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A question with one answer to select.
pub struct Question {
    /// Its name in forms.
    pub name: &'static str,
    /// The question.
    pub title: &'static str,
    /// The answers.
    pub answers: &'static [Answer],
}

/// A page of related questions.
pub struct Guide {
    /// Its name in addresses of pages.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// The questions.
    pub questions: &'static [Question],
    /// Settings that are typed.
    pub typed: &'static [&'static str],
    /// Whether it shows an example post.
    pub has_example: bool,
}

/// Purposes of lists.
pub const PRESETS: [Answer; 5] = [
    Answer {
        name: "discussion",
        title: msgid("Discussion"),
        doc: msgid("Members write to each other. Posts by others wait for a moderator."),
        settings: &[
            ("default_member_moderation", "no"),
            ("generic_nonmember_action", "hold"),
            ("reply_goes_to_list", "poster"),
            ("subscribe_policy", "confirm"),
            ("private_roster", "members"),
            ("advertised", "yes"),
        ],
    },
    Answer {
        name: "announcement",
        title: msgid("Announcements"),
        doc: msgid("Only people you choose can post; anyone can join. Replies go to the author."),
        settings: &[
            ("default_member_moderation", "yes"),
            ("member_moderation_action", "reject"),
            ("generic_nonmember_action", "reject"),
            ("post_authentication", "dmarc"),
            ("reply_goes_to_list", "poster"),
            ("subscribe_policy", "confirm"),
            ("private_roster", "owners"),
            ("advertised", "yes"),
        ],
    },
    Answer {
        name: "newsletter",
        title: msgid("Newsletter"),
        doc: msgid(
            "Like announcements, with an unsubscribe link in each email and a hidden list of members.",
        ),
        settings: &[
            ("default_member_moderation", "yes"),
            ("member_moderation_action", "reject"),
            ("generic_nonmember_action", "reject"),
            ("post_authentication", "dmarc"),
            ("reply_goes_to_list", "poster"),
            ("subscribe_policy", "confirm"),
            ("private_roster", "owners"),
            ("subject_prefix", ""),
            ("include_list_post_header", "no"),
            ("one_click_unsubscribe", "every"),
        ],
    },
    Answer {
        name: "private",
        title: msgid("Private team"),
        doc: msgid(
            "Not listed publicly; an owner approves new members; only members read the archive.",
        ),
        settings: &[
            ("advertised", "no"),
            ("subscribe_policy", "confirm-and-approve"),
            ("private_roster", "members"),
            ("archive_private", "yes"),
            ("generic_nonmember_action", "hold"),
            ("default_member_moderation", "no"),
        ],
    },
    Answer {
        name: "classic",
        title: msgid("Classic"),
        doc: msgid(
            "As discussion, with Mailman's look: subject prefix and footer in every post. From names \
              the list where that breaks a signature that the writer's domain asks for.",
        ),
        settings: &[
            ("default_member_moderation", "no"),
            ("generic_nonmember_action", "hold"),
            ("reply_goes_to_list", "poster"),
            ("subscribe_policy", "confirm"),
            ("private_roster", "members"),
            ("advertised", "yes"),
            ("keep_signatures", "no"),
        ],
    },
];

/// The pages of questions.
pub const GUIDES: [Guide; 4] = [
    Guide {
        name: "posting",
        title: msgid("Who may post"),
        doc: msgid("Members, everybody, or only people you choose."),
        questions: &[WHO_POSTS, PROOF],
        typed: &["accept_these_nonmembers"],
        has_example: false,
    },
    Guide {
        name: "joining",
        title: msgid("Who may join and read"),
        doc: msgid("New members, the list of members, and the archive."),
        questions: &[WHO_JOINS, WHO_SEES_MEMBERS, WHO_READS, WHERE_SHOWN],
        typed: &[],
        has_example: false,
    },
    Guide {
        name: "posts",
        title: msgid("What posts look like"),
        doc: msgid("The footer, the prefix of the subject, and where replies go."),
        questions: &[REPLIES, SIGNED],
        typed: &["subject_prefix", "msg_header", "msg_footer"],
        has_example: true,
    },
    Guide {
        name: "dmarc",
        title: msgid("Senders with DMARC"),
        doc: msgid(
            "Many domains publish with DMARC that mail in their name must come from their own servers. \
             Posts that a list sends on do not, so many members would not receive them.",
        ),
        questions: &[WITH_POLICY, WHICH_POLICIES],
        typed: &[],
        has_example: false,
    },
];

const WHO_POSTS: Question = Question {
    name: "who",
    title: msgid("Whose posts are sent to the list?"),
    answers: &[
        Answer {
            name: "members",
            title: msgid("Those of members"),
            doc: msgid("Posts by others wait for a moderator."),
            settings: &[("default_member_moderation", "no"), ("generic_nonmember_action", "hold")],
        },
        Answer {
            name: "only-members",
            title: msgid("Only those of members"),
            doc: msgid("Posts by others are returned."),
            settings: &[
                ("default_member_moderation", "no"),
                ("generic_nonmember_action", "reject"),
            ],
        },
        Answer {
            name: "everybody",
            title: msgid("Everybody's"),
            doc: msgid("Expect spam, unless a filter in front of the list removes it."),
            settings: &[
                ("default_member_moderation", "no"),
                ("generic_nonmember_action", "accept"),
            ],
        },
        Answer {
            name: "moderated",
            title: msgid("Those that a moderator approves"),
            doc: msgid("Every post waits for a moderator, except those of members you trust."),
            settings: &[
                ("default_member_moderation", "yes"),
                ("member_moderation_action", "hold"),
                ("generic_nonmember_action", "hold"),
            ],
        },
        Answer {
            name: "chosen",
            title: msgid("Only those of people you choose"),
            doc: msgid("All other posts are returned."),
            settings: &[
                ("default_member_moderation", "yes"),
                ("member_moderation_action", "reject"),
                ("generic_nonmember_action", "reject"),
            ],
        },
    ],
};

const PROOF: Question = Question {
    name: "proof",
    title: msgid("Must a post prove that it is from the member it names?"),
    answers: &[
        Answer {
            name: "no",
            title: msgid("No"),
            doc: msgid("Anyone who writes a member's address into From can post."),
            settings: &[("post_authentication", "off")],
        },
        Answer {
            name: "hold",
            title: msgid("Yes; others wait for a moderator"),
            doc: msgid("A signature or the sending server must show it (DKIM or SPF)."),
            settings: &[("post_authentication", "dmarc"), ("post_authentication_action", "hold")],
        },
        Answer {
            name: "reject",
            title: msgid("Yes; others are returned"),
            doc: msgid("A signature or the sending server must show it (DKIM or SPF)."),
            settings: &[("post_authentication", "dmarc"), ("post_authentication_action", "reject")],
        },
    ],
};

const WHO_JOINS: Question = Question {
    name: "who",
    title: msgid("Who may join?"),
    answers: &[
        Answer {
            name: "confirm",
            title: msgid("Anyone who confirms it by email"),
            doc: "",
            settings: &[("subscribe_policy", "confirm")],
        },
        Answer {
            name: "approve",
            title: msgid("Anyone who confirms it by email and is approved by a moderator"),
            doc: "",
            settings: &[("subscribe_policy", "confirm-and-approve")],
        },
        Answer {
            name: "unconfirmed",
            title: msgid("Anyone whom a moderator approves, without a confirmation"),
            doc: msgid("Nothing shows that a request comes from the owner of the address."),
            settings: &[("subscribe_policy", "approve")],
        },
    ],
};

const WHO_SEES_MEMBERS: Question = Question {
    name: "roster",
    title: msgid("Who sees the list of members?"),
    answers: &[
        Answer {
            name: "owners",
            title: msgid("Owners and moderators"),
            doc: "",
            settings: &[("private_roster", "owners")],
        },
        Answer {
            name: "members",
            title: msgid("Members"),
            doc: "",
            settings: &[("private_roster", "members")],
        },
        Answer {
            name: "everybody",
            title: msgid("Everybody"),
            doc: "",
            settings: &[("private_roster", "anyone")],
        },
    ],
};

const WHO_READS: Question = Question {
    name: "archive",
    title: msgid("Who reads the archive?"),
    answers: &[
        Answer {
            name: "everybody",
            title: msgid("Everybody"),
            doc: "",
            settings: &[("archive", "yes"), ("archive_private", "no")],
        },
        Answer {
            name: "members",
            title: msgid("Members"),
            doc: "",
            settings: &[("archive", "yes"), ("archive_private", "yes")],
        },
        Answer {
            name: "off",
            title: msgid("Posts are not archived"),
            doc: msgid("What is already in the archive stays."),
            settings: &[("archive", "no")],
        },
    ],
};

const WHERE_SHOWN: Question = Question {
    name: "shown",
    title: msgid("Does the public list of mailing lists show it?"),
    answers: &[
        Answer { name: "yes", title: msgid("Yes"), doc: "", settings: &[("advertised", "yes")] },
        Answer { name: "no", title: msgid("No"), doc: "", settings: &[("advertised", "no")] },
    ],
};

const REPLIES: Question = Question {
    name: "replies",
    title: msgid("Where do replies go?"),
    answers: &[
        Answer {
            name: "poster",
            title: msgid("To the author"),
            doc: msgid("A reply to all goes to the list as well."),
            settings: &[("reply_goes_to_list", "poster")],
        },
        Answer {
            name: "list",
            title: msgid("To the list"),
            doc: msgid("Private replies may reach everybody by mistake."),
            settings: &[("reply_goes_to_list", "list")],
        },
    ],
};

const SIGNED: Question = Question {
    name: "signed",
    title: msgid("Which posts get the prefix and the footer?"),
    answers: &[
        Answer {
            name: "unsigned",
            title: msgid("Those whose signature they do not break"),
            doc: msgid("Signed posts (DKIM) stay as they are and keep their author in From."),
            settings: &[("keep_signatures", "yes")],
        },
        Answer {
            name: "all",
            title: msgid("All posts"),
            doc: "",
            settings: &[("keep_signatures", "no")],
        },
    ],
};

const WITH_POLICY: Question = Question {
    name: "action",
    title: msgid("What happens to posts from such domains?"),
    answers: &[
        Answer {
            name: "munge",
            title: msgid("From shows the author's name with the list's address"),
            doc: msgid("Replies still reach the author. This is what most lists do."),
            settings: &[("dmarc_moderation_action", "munge")],
        },
        Answer {
            name: "wrap",
            title: msgid("They are sent as an attachment of an email from the list"),
            doc: msgid("They stay unchanged, but some mail programs show them badly."),
            settings: &[("dmarc_moderation_action", "wrap")],
        },
        Answer {
            name: "reject",
            title: msgid("They are returned"),
            doc: "",
            settings: &[("dmarc_moderation_action", "reject")],
        },
        Answer {
            name: "accept",
            title: msgid("They are sent as they are"),
            doc: msgid(
                "Many members do not receive them, and these bounces count against the members.",
            ),
            settings: &[("dmarc_moderation_action", "accept")],
        },
    ],
};

const WHICH_POLICIES: Question = Question {
    name: "policies",
    title: msgid("Which domains does this apply to?"),
    answers: &[
        Answer {
            name: "quarantine",
            title: msgid("Those that ask for such mail to be refused or treated as spam"),
            doc: "",
            settings: &[
                ("dmarc_quarantine_moderation_action", "yes"),
                ("dmarc_none_moderation_action", "no"),
            ],
        },
        Answer {
            name: "reject",
            title: msgid("Only those that ask for it to be refused"),
            doc: "",
            settings: &[
                ("dmarc_quarantine_moderation_action", "no"),
                ("dmarc_none_moderation_action", "no"),
            ],
        },
        Answer {
            name: "none",
            title: msgid("All with DMARC, even those that only observe"),
            doc: "",
            settings: &[
                ("dmarc_quarantine_moderation_action", "yes"),
                ("dmarc_none_moderation_action", "yes"),
            ],
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_store::ListSettings;

    /// The settings of all answers.
    fn all() -> Vec<(String, &'static [(&'static str, &'static str)])> {
        let of_guides = GUIDES.iter().flat_map(|guide| {
            guide
                .questions
                .iter()
                .flat_map(|question| question.answers)
                .map(|answer| (format!("{}: {}", guide.name, answer.title), answer.settings))
        });
        let presets = PRESETS.iter().map(|preset| (preset.name.to_owned(), preset.settings));
        of_guides.chain(presets).collect()
    }

    #[test]
    fn every_answer_names_settings_and_values_that_there_are() {
        for (answer, settings) in all() {
            for (name, value) in settings {
                let mut list = ListSettings::default();
                assert_eq!(list.put(name, value), Ok(()), "{answer}");
                assert_eq!(list.get(name).as_deref(), Some(*value), "{answer}: as it is shown");
            }
        }
    }

    #[test]
    fn no_two_answers_to_a_question_are_in_effect_together_and_no_two_questions_disagree() {
        for guide in &GUIDES {
            let mut asked: Vec<&str> = guide.typed.to_vec();
            for question in guide.questions {
                for answer in question.answers {
                    let mut list = ListSettings::default();
                    answer.settings.iter().for_each(|(name, value)| list.put(name, value).unwrap());
                    let is_met = |other: &&Answer| {
                        other
                            .settings
                            .iter()
                            .all(|(name, value)| list.get(name).as_deref() == Some(*value))
                    };
                    let met = question.answers.iter().filter(is_met).count();
                    assert_eq!(met, 1, "{}: {}", guide.name, answer.name);
                }
                let mut names: Vec<&str> = question
                    .answers
                    .iter()
                    .flat_map(|answer| answer.settings.iter().map(|(name, _)| *name))
                    .collect();
                names.sort_unstable();
                names.dedup();
                assert!(
                    names.iter().all(|name| !asked.contains(name)),
                    "{}: {names:?}",
                    guide.name
                );
                asked.extend(names);
            }
        }
    }
}
