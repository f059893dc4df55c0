//! What the tests share: an SMTP sink, throw-away sites, awkward mail.
