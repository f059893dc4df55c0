//! What the site's settings offer a choice of.

use crate::value::choice;

choice! {
    /// When the connection to the MTA is encrypted.
    TlsPolicy {
        /// Never to this machine itself, else where it is offered.
        Auto = 0 "auto",
        /// Always, with a valid certificate; without it nothing is sent.
        Required = 1 "required",
        /// Never.
        Never = 2 "never",
    }
}

choice! {
    /// When the signatures of senders' domains are removed.
    RemoveDkim {
        /// On anonymous lists, which would be no more so with them.
        Anonymous = 0 "anonymous",
        /// Also when From names the list.
        Munged = 1 "munged",
        /// Always.
        Always = 2 "always",
        /// Always, after they were copied to headers of other names.
        Renamed = 3 "renamed",
    }
}

choice! {
    /// What is done when a DMARC policy cannot be looked up.
    OnFailure {
        /// As if the domain had none.
        Accept = 0 "accept",
        /// As if it forbade lists to pass its mail on.
        Mitigate = 1 "mitigate",
    }
}

choice! {
    /// What becomes of HTML where only text can stand.
    ScrubHtml {
        /// It goes.
        Remove = 0 "remove",
        /// It is kept as a page that shows its source.
        Escape = 1 "escape",
        /// Its source stays in the text.
        Inline = 2 "inline",
        /// It is kept as it is.
        Store = 3 "store",
        /// It is kept without what a browser would run or load.
        Clean = 4 "clean",
    }
}

choice! {
    /// Whether people who are not members are written to.
    ToStrangers {
        /// Never.
        Never = 0 "never",
        /// When the MTA found that the address is theirs.
        Authenticated = 1 "authenticated",
        /// Always.
        Always = 2 "always",
    }
}
