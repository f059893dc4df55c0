//! The table of the known keys: name, spelling, type, how it is read and, if this program writes it,
//! how it is written.

use super::{
    Edit, Envelope, Wrong, WrongValue, address, addresses, flag, header, headers, int, keys_of,
    maybe, queue, text, text_or_texts, texts, time, write_flag, write_headers, write_int,
    write_keys, write_queue, write_text, write_texts, write_time,
};
use crate::{Metadata, Queue};
use dormouse_clock::Timestamp;
use std::borrow::Cow;

/// Defines the accessors and the check of all of them, and for keys that this program writes, the
/// methods that write them.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident $key:literal: $type:ty = $read:ident
        $(, $value:ty => $write:ident)?;)*) => {
        impl<'m> Envelope<'m> {
            /// Reads an entry's metadata.
            ///
            /// # Errors
            /// When a known key has a value that it cannot have.
            pub fn read(metadata: &'m Metadata) -> Result<Envelope<'m>, WrongValue> {
                // Every entry is read several times, and most have few of the keys.
                for (key, value) in metadata.values() {
                    let Some(spelled) = key.as_bytes() else { continue };
                    $(if spelled == $key.as_bytes() {
                        if let Err(Wrong { found, wanted }) = $read(value) {
                            return Err(WrongValue { key: $key, found, wanted });
                        }
                        continue;
                    })*
                }
                Ok(Envelope { metadata })
            }

            $($(#[$doc])*
            pub fn $name(&self) -> $type {
                self.value($key, $read)
            })*
        }

        impl Edit<'_> {
            $($(#[doc = concat!("Sets `", $key, "`.")]
            pub fn $name(self, value: $value) -> Self {
                $write(self.metadata, $key, value);
                self
            })?)*
        }

        /// The names of the known keys.
        #[derive(Debug)]
        pub struct Keys {
            $($(#[$doc])*
            pub $name: &'static str,)*
        }

        /// Each known key as it is spelled in the metadata.
        pub const KEY: Keys = Keys { $($name: $key),* };

        /// Every key that is known.
        #[cfg(test)]
        pub(super) const KNOWN: &[&str] = &[$($key),*];
    };
}

keys! {
    /// The list.
    listname "listname": Option<Cow<'m, str>> = text, &str => write_text;
    /// When the mail was first received.
    received_time "received_time": Option<Timestamp> = time, Timestamp => write_time;
    /// How many Mailman processes have died while they held it.
    bak_count "_bak_count": Option<i64> = int, i64 => write_int;
    /// It was sent to the list's own address.
    to_list "tolist": bool = flag, bool => write_flag;
    /// It is for the list's owners.
    to_owner "toowner": bool = flag, bool => write_flag;
    /// It was sent to `-request`.
    to_request "torequest": bool = flag, bool => write_flag;
    /// It was sent to `-join`.
    to_join "tojoin": bool = flag, bool => write_flag;
    /// It was sent to `-leave`.
    to_leave "toleave": bool = flag, bool => write_flag;
    /// It was sent to `-confirm`.
    to_confirm "toconfirm": bool = flag, bool => write_flag;
    /// The envelope sender for sending, if not the list's bounce address.
    envsender "envsender": Option<Cow<'m, str>> = address, &str => write_text;
    /// The envelope sender on arrival.
    envelope_sender "envelope_sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The envelope recipient on arrival.
    envelope_recipient "envelope_recipient": Option<Cow<'m, str>> = text, &str => write_text;
    /// The remaining handlers.
    pipeline "pipeline": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The recipients.
    recips "recips": Option<Vec<String>> = addresses, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The lists whose members are the recipients.
    recips_members_of "recips_members_of": Option<Vec<String>> = text_or_texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Addresses to exclude.
    recips_except "recips_except": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Lists whose members are excluded.
    recips_except_members_of "recips_except_members_of": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Topics in which recipients must be interested.
    recips_topics "recips_topics": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// The digest that the post will be in: for members who switch to digests or back, this decides how they
    /// get it.
    recips_issue "recips_issue": Option<i64> = int, i64 => write_int;
    /// Includes members whatever their kind of delivery.
    recips_everyone "recips_everyone": bool = flag, bool => write_flag;
    /// The digest that it is.
    recips_digest "recips_digest": Option<Cow<'m, str>> = text, &str => write_text;
    /// Only recipients with this language.
    recips_language "recips_language": Option<Cow<'m, str>> = text, &str => write_text;
    /// Only recipients with none of these languages.
    recips_except_languages "recips_except_languages": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Only recipients at these domains.
    recips_at "recips_at": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Only recipients at none of these domains.
    recips_not_at "recips_not_at": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// Only this share of the recipients, such as `2/3`.
    recips_share "recips_share": Option<Cow<'m, str>> = text, &str => write_text;
    /// Data for completing the digest's issue.
    digest_closes "digest_closes": Option<Cow<'m, str>> = text, &str => write_text;
    /// A moderator or a password approved it.
    approved "approved": bool = flag, bool => write_flag;
    /// The same, for lists in an emergency.
    admin_approved "adminapproved": bool = flag, bool => write_flag;
    /// It is an article of a newsgroup.
    from_usenet "fromusenet": bool = flag, bool => write_flag;
    /// The list server wrote it itself.
    fast_track "_fasttrack": bool = flag, bool => write_flag;
    /// Whether a password in it approves it: 1 right, 2 wrong.
    approval "approval": Option<i64> = int, i64 => write_int;
    /// Whether a password in it makes it urgent: 1 right, 2 wrong.
    urgent_approval "urgent_approval": Option<i64> = int, i64 => write_int;
    /// A password could not be removed from it cleanly.
    password_stuck "password_stuck": bool = flag, bool => write_flag;
    /// The member who was moderated.
    sender "sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The handler that held it.
    held_by "held_by": Option<Cow<'m, str>> = text, &str => write_text;
    /// The text for the sender if it is rejected.
    rejection_notice "rejection_notice": Option<Cow<'m, str>> = text, &str => write_text;
    /// 1: the list is put into `From`; 2: into the `From` of a wrapping message.
    from_is_list "from_is_list": Option<i64> = int, i64 => write_int;
    /// The sender before the pipeline changed it.
    original_sender "original_sender": Option<Cow<'m, str>> = text, &str => write_text;
    /// The subject before the pipeline changed it.
    original_subject "origsubj": Option<Cow<'m, str>> = header, &str => write_text;
    /// The subject without the list's prefix.
    stripped_subject "stripped_subject": Option<Cow<'m, str>> = header, &str => write_text;
    /// Headers for the wrapping message.
    add_header "add_header": Vec<(String, String)> = headers, &[(String, String)] => write_headers;
    /// Recipients who also get a copy in another way.
    have_copy "add-dup-header": Vec<String> = keys_of, &[String] => write_keys;
    /// The topics it matches.
    topic_hits "topichits": Option<Vec<String>> = texts, impl IntoIterator<Item = impl AsRef<str>> => write_texts;
    /// It is a digest.
    is_digest "isdigest": bool = flag, bool => write_flag;
    /// The list's header and footer are not added.
    no_decoration "nodecorate": bool = flag, bool => write_flag;
    /// They were already added.
    decorated "decorated": bool = flag, bool => write_flag;
    /// It is a notice.
    reduced_list_headers "reduced_list_headers": bool = flag, bool => write_flag;
    /// It gets no subject prefix.
    no_prefix "noprefix": bool = flag, bool => write_flag;
    /// The results of checking its signatures, as in `Authentication-Results` (RFC 8601), without a
    /// host's name.
    auth_results "auth_results": Option<Cow<'m, str>> = text, &str => write_text;
    /// It never gets an automatic reply.
    no_ack "noack": bool = flag, bool => write_flag;
    /// Whether the envelope sender contains the recipient, if that is decided.
    verp "verp": Option<bool> = maybe, bool => write_flag;
    /// Whether each recipient may get a separate copy, if that is decided.
    personalize "personalize": Option<bool> = maybe, bool => write_flag;
    /// When it may be tried again.
    deliver_after "deliver_after": Option<Timestamp> = time, Timestamp => write_time;
    /// When it is given up.
    deliver_until "deliver_until": Option<Timestamp> = time, Timestamp => write_time;
    /// How many recipients were left last time.
    last_recip_count "last_recip_count": Option<i64> = int, i64 => write_int;
    /// When its author wants it to be sent.
    scheduled_for "scheduled_for": Option<Timestamp> = time, Timestamp => write_time;
    /// The cookie of a bounce probe.
    probe_token "probe_token": Option<Cow<'m, str>> = text, &str => write_text;
    /// How often an article has been tried.
    news_attempts "news_attempts": Option<i64> = int, i64 => write_int;
    /// The directory of the queue from which it went to `shunt`.
    which_queue "whichq": Option<Cow<'m, str>> = text, &str => write_text;
    /// Why it is in `shunt`.
    shunt_reason "shunt_reason": Option<Cow<'m, str>> = text, &str => write_text;
    /// Why it is in `retry`.
    retry_reason "retry_reason": Option<Cow<'m, str>> = text, &str => write_text;
    /// The queue to which it returns from `retry`, if not `out`.
    retry_for "retry_for": Option<Queue> = queue, Queue => write_queue;
    /// Another host has passed it on: the archive is here.
    passed_on "passed_on": bool = flag, bool => write_flag;
}
