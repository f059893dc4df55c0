//! SMTP and Maildir delivery: what became of each recipient.
