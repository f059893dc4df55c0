//! One message: received bytes, surgical header edits, MIME, addresses, notices.
