//! The types of site settings with a closed set of values.

use crate::value::choice;

choice! {
    /// When the connection to the MTA is encrypted.
    TlsPolicy {
        /// Never to this machine itself, otherwise if the MTA offers it.
        Auto = 0 "auto",
        /// Always, with a valid certificate; otherwise nothing is sent.
        Required = 1 "required",
        /// Never.
        Never = 2 "never",
    }
}

choice! {
    /// When the DKIM signatures of incoming posts are removed.
    RemoveDkim {
        /// On anonymous lists, because they identify the sender's domain.
        Anonymous = 0 "anonymous",
        /// Also if From is replaced by the list's address.
        Munged = 1 "munged",
        /// Always.
        Always = 2 "always",
        /// Always, after they are copied to headers with other names.
        Renamed = 3 "renamed",
    }
}

choice! {
    /// What to do if a DMARC policy cannot be looked up.
    OnFailure {
        /// Act as if the domain had none.
        Accept = 0 "accept",
        /// Act as if it forbade lists to pass its mail on.
        Mitigate = 1 "mitigate",
    }
}

choice! {
    /// What happens to HTML in places that can only contain text.
    ScrubHtml {
        /// It is removed.
        Remove = 0 "remove",
        /// It is stored as a page that shows its source.
        Escape = 1 "escape",
        /// Its source is included in the text.
        Inline = 2 "inline",
        /// It is stored unchanged.
        Store = 3 "store",
        /// It is stored without anything that a browser would run or load.
        Clean = 4 "clean",
    }
}

choice! {
    /// Whether notices are sent to non-members.
    ToStrangers {
        /// Never.
        Never = 0 "never",
        /// If the MTA has authenticated the address.
        Authenticated = 1 "authenticated",
        /// Always.
        Always = 2 "always",
    }
}
