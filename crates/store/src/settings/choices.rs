//! What a list's settings offer a choice of.

use crate::value::choice;

choice! {
    /// What happens to a moderated member's post.
    MemberAction {
        /// It waits for a moderator.
        Hold = 0 "hold",
        /// It goes back.
        Reject = 1 "reject",
        /// It is dropped.
        Discard = 2 "discard",
    }
}
choice! {
    /// What happens to a stranger's post.
    NonmemberAction {
        /// It passes.
        Accept = 0 "accept",
        /// It waits for a moderator.
        Hold = 1 "hold",
        /// It goes back.
        Reject = 2 "reject",
        /// It is dropped.
        Discard = 3 "discard",
    }
}
choice! {
    /// Where answers go.
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
    /// Whether each recipient gets a copy of its own.
    Personalize {
        /// No.
        No = 0 "no",
        /// Yes, with fields for the recipient in header and footer texts.
        Yes = 1 "yes",
        /// Yes, and the To header names the recipient.
        Full = 2 "full",
    }
}
choice! {
    /// What must show that a member's post is from there.
    PostAuthentication {
        /// Nothing.
        Off = 0 "off",
        /// A DKIM signature or SPF, of the domain in From or one of its organization.
        Dmarc = 1 "dmarc",
        /// A DKIM signature of such a domain.
        Dkim = 2 "dkim",
    }
}
choice! {
    /// Whose posts may wait until the time in their Deferred-Delivery field.
    ScheduledPosts {
        /// Nobody's; the field says nothing.
        Nobody = 0 "nobody",
        /// Those of owners and moderators.
        Moderators = 1 "moderators",
        /// Those of members, too.
        Members = 2 "members",
    }
}

choice! {
    /// What happens to a post that claims to be a member's and does not show it.
    UnprovedAction {
        /// It waits for a moderator.
        Hold = 0 "hold",
        /// It goes back.
        Reject = 1 "reject",
    }
}
choice! {
    /// Who finds a link in `List-Unsubscribe` that ends the membership with one click (RFC 8058).
    OneClick {
        /// Readers whose copy is their own anyway: VERP, digests one by one, personalised lists.
        Personal = 0 "personal",
        /// Every reader; each post is handed over once for each recipient.
        Every = 1 "every",
    }
}
choice! {
    /// Whether the From header is the list's.
    FromIsList {
        /// No.
        No = 0 "no",
        /// From names the list, Reply-To the poster.
        Munge = 1 "munge",
        /// The post is wrapped in a message from the list.
        Wrap = 2 "wrap",
    }
}
choice! {
    /// What happens when the sender's domain forbids lists to pass its mail on.
    DmarcAction {
        /// Nothing.
        Accept = 0 "accept",
        /// From names the list.
        Munge = 1 "munge",
        /// The post is wrapped.
        Wrap = 2 "wrap",
        /// It goes back.
        Reject = 3 "reject",
        /// It is dropped.
        Discard = 4 "discard",
    }
}
choice! {
    /// Whether the return paths of posts carry a tag that only this site can make.
    ReturnPathTag {
        /// No.
        No = 0 "no",
        /// Yes; bounces without one are believed, too.
        Yes = 1 "yes",
        /// Yes; bounces without one are forged.
        Required = 2 "required",
    }
}
choice! {
    /// What follows when a reader marks a list's mail as unwanted.
    ComplaintAction {
        /// The owners hear of it.
        Tell = 0 "tell",
        /// The reader leaves the list, and the owners hear of it.
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
    /// Who sees the members.
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
    /// How long a volume is.
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
    /// Whether mail for `-request` is answered automatically.
    AutorespondRequests {
        /// No.
        No = 0 "no",
        /// Yes, and not carried out.
        Discard = 1 "answer-only",
        /// Yes, and carried out.
        Process = 2 "answer-and-process",
    }
}
choice! {
    /// What happens to what the content filter takes out whole.
    FilterAction {
        /// It is dropped.
        Discard = 0 "discard",
        /// It goes back.
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
        /// The group is, the list is open.
        OpenList = 1 "open-list",
        /// Both are.
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
        /// When it must be.
        AsNeeded = 2 "as-needed",
    }
}

impl NewsModeration {
    /// Whether posts to the list are moderated by it.
    pub fn is_moderated(self) -> bool {
        self == NewsModeration::Moderated
    }
}

impl Personalize {
    /// Whether there are copies of one's own.
    pub fn is_on(self) -> bool {
        self != Personalize::No
    }

    /// Whether To names the recipient.
    pub fn is_full(self) -> bool {
        self == Personalize::Full
    }
}
