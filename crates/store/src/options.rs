//! A member's options: Mailman's bits (docs/spec/pickles.md §4).

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOption {
    /// No copies of own posts.
    DontReceiveOwnPosts = 2,
    /// A notice for each own post.
    AcknowledgePosts = 4,
    /// Digests in plain text.
    DisableMime = 8,
    /// Not shown among the members.
    ConcealSubscription = 16,
    /// No monthly mail with the password, which is not sent here: kept for the way back.
    SuppressPasswordReminder = 32,
    /// Also posts that match no topic.
    ReceiveNonmatchingTopics = 64,
    /// Posts go to a moderator.
    Moderate = 128,
    /// No copy of what is addressed to the member anyway.
    DontReceiveDuplicates = 256,
}

impl MemberOption {
    /// Every option with the word that Mailman's commands use.
    pub const ALL: [(MemberOption, &'static str); 8] = [
        (MemberOption::DontReceiveOwnPosts, "notmetoo"),
        (MemberOption::AcknowledgePosts, "ack"),
        (MemberOption::DisableMime, "plain"),
        (MemberOption::ConcealSubscription, "hide"),
        (MemberOption::SuppressPasswordReminder, "noremind"),
        (MemberOption::ReceiveNonmatchingTopics, "nmtopics"),
        (MemberOption::Moderate, "mod"),
        (MemberOption::DontReceiveDuplicates, "nodupes"),
    ];
}

/// All of a member's options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberOptions(i64);

impl MemberOptions {
    /// From Mailman's bit field; bits without a meaning are kept.
    pub fn from_bits(bits: i64) -> MemberOptions {
        MemberOptions(bits)
    }

    /// As Mailman's bit field.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// Whether an option is set.
    pub fn has(self, option: MemberOption) -> bool {
        self.0 & option as i64 != 0
    }

    /// With an option set or not.
    pub fn with(self, option: MemberOption, on: bool) -> MemberOptions {
        let bit = option as i64;
        MemberOptions(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// The words of the options that are set.
    pub fn words(self) -> Vec<&'static str> {
        MemberOption::ALL
            .iter()
            .filter(|(option, _)| self.has(*option))
            .map(|(_, word)| *word)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_mailmans_bits_and_words() {
        let options = MemberOptions::from_bits(256).with(MemberOption::Moderate, true);
        assert_eq!(options.bits(), 384);
        assert_eq!(options.words(), ["mod", "nodupes"]);
        assert!(
            !options
                .with(MemberOption::DontReceiveDuplicates, false)
                .has(MemberOption::DontReceiveDuplicates)
        );
    }
}
