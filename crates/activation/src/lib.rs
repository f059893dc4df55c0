//! systemd units and the wait for new entries.
