//! The runners, the posting pipeline and the drain.
