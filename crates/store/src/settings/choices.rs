//! The types of list settings with a closed set of values.

use crate::value::choice;

choice! {
    /// What happens to a moderated member's post.
    MemberAction {
        /// The post is held for a moderator.
        Hold = 0 "hold",
        /// It is rejected, and returned to its sender.
        Reject = 1 "reject",
        /// It is discarded.
        Discard = 2 "discard",
    }
}
choice! {
    /// What happens to a non-member's post.
    NonmemberAction {
        /// It is accepted.
        Accept = 0 "accept",
        /// The post is held for a moderator.
        Hold = 1 "hold",
        /// It is rejected, and returned to its sender.
        Reject = 2 "reject",
        /// It is discarded.
        Discard = 3 "discard",
    }
}
choice! {
    /// Where replies go.
    ReplyGoesTo {
        /// To the poster.
        Poster = 0 "poster",
        /// To the list.
        List = 1 "list",
        /// To `reply_to_address`.
        Explicit = 2 "explicit",
    }
}
choice! {
    /// Whether each recipient gets a separate copy.
    Personalize {
        /// No.
        No = 0 "no",
        /// Yes, with fields for the recipient in header and footer texts.
        Yes = 1 "yes",
        /// Yes, and the To header contains the recipient.
        Full = 2 "full",
    }
}
choice! {
    /// Which authentication a member's post must pass.
    PostAuthentication {
        /// Nothing.
        Off = 0 "off",
        /// A DKIM signature or SPF, of the domain in From or of one of the same organization.
        Dmarc = 1 "dmarc",
        /// A DKIM signature of such a domain.
        Dkim = 2 "dkim",
    }
}
choice! {
    /// Whose posts are delayed until the time in their Deferred-Delivery field.
    ScheduledPosts {
        /// Nobody's; the field has no effect.
        Nobody = 0 "nobody",
        /// Those of owners and moderators.
        Moderators = 1 "moderators",
        /// Those of members as well.
        Members = 2 "members",
    }
}

choice! {
    /// What happens to a member's post that does not pass the required authentication.
    UnprovedAction {
        /// The post is held for a moderator.
        Hold = 0 "hold",
        /// It is rejected, and returned to its sender.
        Reject = 1 "reject",
    }
}
choice! {
    /// Which copies of posts have a link in `List-Unsubscribe` that ends the membership with one
    /// click (RFC 8058).
    OneClick {
        /// Only copies that are separate for each reader anyway: VERP, single digests, personalized
        /// lists.
        Personal = 0 "personal",
        /// Every copy; each post is sent separately to each recipient.
        Every = 1 "every",
    }
}
choice! {
    /// Whether posts are sent from the list's address.
    FromIsList {
        /// No.
        No = 0 "no",
        /// From contains the list's address, Reply-To the poster's.
        Munge = 1 "munge",
        /// The post is wrapped in a message from the list.
        Wrap = 2 "wrap",
    }
}
choice! {
    /// What happens to a post whose sender's domain forbids lists to pass it on (DMARC).
    DmarcAction {
        /// Nothing.
        Accept = 0 "accept",
        /// From names the list.
        Munge = 1 "munge",
        /// The post is wrapped.
        Wrap = 2 "wrap",
        /// It is rejected, and returned to its sender.
        Reject = 3 "reject",
        /// It is discarded.
        Discard = 4 "discard",
    }
}
choice! {
    /// Whether the return paths of posts have a tag that only this site can create.
    ReturnPathTag {
        /// No.
        No = 0 "no",
        /// Yes; bounces without one are accepted as well.
        Yes = 1 "yes",
        /// Yes; bounces without one count as forged.
        Required = 2 "required",
    }
}
choice! {
    /// What happens when a reader reports a list's mail as unwanted.
    ComplaintAction {
        /// The owners are notified.
        Tell = 0 "tell",
        /// The reader is removed from the list, and the owners are notified.
        Unsubscribe = 1 "unsubscribe",
    }
}
choice! {
    /// Who decides on a subscription.
    SubscribePolicy {
        /// Nobody.
        Open = 0 "open",
        /// The address, by a confirmation.
        Confirm = 1 "confirm",
        /// A moderator.
        Approve = 2 "approve",
        /// Both.
        ConfirmAndApprove = 3 "confirm-and-approve",
    }
}
choice! {
    /// Who can see the members.
    Roster {
        /// Anyone.
        Anyone = 0 "anyone",
        /// Members.
        Members = 1 "members",
        /// Owners.
        Owners = 2 "owners",
    }
}
choice! {
    /// The length of a volume.
    VolumeFrequency {
        /// A year.
        Year = 0 "year",
        /// A month.
        Month = 1 "month",
        /// A quarter.
        Quarter = 2 "quarter",
        /// A week.
        Week = 3 "week",
        /// A day.
        Day = 4 "day",
    }
}
choice! {
    /// Whether mail for `-request` gets an automatic reply.
    AutorespondRequests {
        /// No.
        No = 0 "no",
        /// Yes, and its commands are not executed.
        Discard = 1 "answer-only",
        /// Yes, and its commands are executed.
        Process = 2 "answer-and-process",
    }
}
choice! {
    /// What happens to posts that the content filter removes completely.
    FilterAction {
        /// It is discarded.
        Discard = 0 "discard",
        /// It is rejected, and returned to its sender.
        Reject = 1 "reject",
        /// It goes to the owners.
        Forward = 2 "forward",
        /// It is kept in the queue `bad`.
        Preserve = 3 "preserve",
    }
}
choice! {
    /// Whether the newsgroup is moderated.
    NewsModeration {
        /// No.
        None = 0 "no",
        /// The newsgroup is moderated, the list is not.
        OpenList = 1 "open-list",
        /// Both are moderated.
        Moderated = 2 "moderated",
    }
}
choice! {
    /// When a subject prefix is encoded.
    EncodePrefixes {
        /// Never.
        Never = 0 "never",
        /// Always.
        Always = 1 "always",
        /// Only if necessary.
        AsNeeded = 2 "as-needed",
    }
}

impl NewsModeration {
    /// Whether posts to the list need the approval of the newsgroup's moderator.
    pub fn is_moderated(self) -> bool {
        self == NewsModeration::Moderated
    }
}

impl Personalize {
    /// Whether recipients get separate copies.
    pub fn is_on(self) -> bool {
        self != Personalize::No
    }

    /// Whether To contains the recipient.
    pub fn is_full(self) -> bool {
        self == Personalize::Full
    }
}
