//! The numbers of lists, held posts and requests, as distinct types.

use crate::db::{FromValue, Param, ToParam, Value};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Creates it from a number in a link or in a command.
            pub const fn new(number: i64) -> $name {
                $name(number)
            }

            /// Returns the number for a link or for display.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<$name, ParseIntError> {
                text.parse().map($name)
            }
        }

        impl ToParam for $name {
            fn to_param(&self) -> Param<'_> {
                Param::Integer(Some(self.0))
            }
        }

        impl ToParam for Option<$name> {
            fn to_param(&self) -> Param<'_> {
                Param::Integer(self.map($name::number))
            }
        }

        impl FromValue for $name {
            fn from_value(value: Value<'_>) -> Option<$name> {
                i64::from_value(value).map($name)
            }
        }
    )+};
}

numbers! {
    /// A list's number in the store. It stays when the list is renamed.
    ListId;
    /// A held post's number. It is never given to another post on the same site.
    HeldId;
    /// The number of a request to join or leave that waits for a moderator. It is never given to
    /// another request on the same site.
    RequestId;
}
