//! A member's options: Mailman's bits (docs/spec/pickles.md §4).

/// An option of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberOption {
    /// The member gets no copies of its own posts.
    DontReceiveOwnPosts = 2,
    /// The member gets an acknowledgement for each of its own posts.
    AcknowledgePosts = 4,
    /// The member gets digests in plain text.
    DisableMime = 8,
    /// The member is not shown in the roster.
    ConcealSubscription = 16,
    /// The member gets no monthly mail with the password. It is never sent here; the option is kept
    /// for an export to Mailman.
    SuppressPasswordReminder = 32,
    /// The member also gets posts that match no topic.
    ReceiveNonmatchingTopics = 64,
    /// The member's posts are held for a moderator.
    Moderate = 128,
    /// The member gets no copy of posts that are also addressed to it directly.
    DontReceiveDuplicates = 256,
}

impl MemberOption {
    /// All options, with the words of Mailman's commands.
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
    /// Creates it from Mailman's bit field; unknown bits are kept.
    pub fn from_bits(bits: i64) -> MemberOptions {
        MemberOptions(bits)
    }

    /// Returns Mailman's bit field.
    pub fn bits(self) -> i64 {
        self.0
    }

    /// Whether an option is set.
    pub fn has(self, option: MemberOption) -> bool {
        self.0 & option as i64 != 0
    }

    /// Returns the options with one option set or cleared.
    pub fn with(self, option: MemberOption, on: bool) -> MemberOptions {
        let bit = option as i64;
        MemberOptions(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Returns the words of the options that are set.
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
