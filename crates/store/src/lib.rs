//! Sites, lists, members and their settings.
