//! Named points at which a test may kill the process or let an operation fail.
//!
//! `DORMOUSE_FAULT=claim.renamed:3` kills the process with SIGKILL when it passes the point
//! `claim.renamed` for the third time; `DORMOUSE_STOP` stops it there with SIGSTOP instead, until it gets
//! SIGCONT. `DORMOUSE_FAIL=rename:3:EIO` makes the third renaming fail with
//! that error, `rename:3+:EIO` every one from the third on. Compiled out of release builds.

/// Passes the named point.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Passes the named point, and dies there if `DORMOUSE_FAULT` says so, or stops if `DORMOUSE_STOP` does.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Order {
        name: String,
        pass: u64,
        signal: Signal,
    }
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    let order = ORDER.get_or_init(|| {
        let signals = [("DORMOUSE_FAULT", Signal::KILL), ("DORMOUSE_STOP", Signal::STOP)];
        let (text, signal) = signals
            .into_iter()
            .find_map(|(variable, signal)| Some((std::env::var(variable).ok()?, signal)))?;
        let (name, pass) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Order { name: name.to_owned(), pass: pass.parse().ok()?, signal })
    });
    if let Some(order) = order
        && order.name == name
        && PASSES.fetch_add(1, Ordering::Relaxed) + 1 == order.pass
    {
        eprintln!("fault: {:?} at {name}", order.signal);
        // A signal to the own process is delivered before kill() returns: no destructor runs.
        let sent = kill_process(getpid(), order.signal);
        if sent.is_err() || order.signal == Signal::KILL {
            eprintln!("fault: {sent:?}");
            std::process::abort();
        }
    }
}

/// Lets an operation of the file system fail, if a test wants it to.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn operation(_name: &str) -> std::io::Result<()> {
    Ok(())
}

/// Lets an operation of the file system fail, if `DORMOUSE_FAIL` says so.
#[cfg(debug_assertions)]
pub fn operation(name: &str) -> std::io::Result<()> {
    use rustix::io::Errno;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Order {
        name: String,
        pass: u64,
        lasting: bool,
        error: Errno,
    }
    static ORDER: OnceLock<Option<Order>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    let order = ORDER.get_or_init(|| {
        let text = std::env::var("DORMOUSE_FAIL").ok()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let pass = parts.next()?;
        let error = match parts.next()? {
            "EIO" => Errno::IO,
            "ENOSPC" => Errno::NOSPC,
            "EMFILE" => Errno::MFILE,
            _ => return None,
        };
        let lasting = pass.ends_with('+');
        Some(Order { name, pass: pass.trim_end_matches('+').parse().ok()?, lasting, error })
    });
    if let Some(order) = order
        && order.name == name
    {
        let pass = PASSES.fetch_add(1, Ordering::Relaxed) + 1;
        if pass == order.pass || order.lasting && pass > order.pass {
            eprintln!("fault: {name} fails");
            return Err(order.error.into());
        }
    }
    Ok(())
}
