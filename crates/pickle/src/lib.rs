//! Python pickles, read and written without executing anything.
