//! Named points at which a test may kill the process or let an operation fail.
//!
//! `DORMOUSE_FAULT=claim.renamed:3` kills the process with SIGKILL when it passes the point
//! `claim.renamed` for the third time. `DORMOUSE_FAIL=rename:3:EIO` makes the third renaming fail with
//! that error, `rename:3+:EIO` every one from the third on. Compiled out of release builds.

/// Passes the named point.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Passes the named point, and dies there if `DORMOUSE_FAULT` says so.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ORDER: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSES: AtomicU64 = AtomicU64::new(0);

    let order = ORDER.get_or_init(|| {
        let text = std::env::var("DORMOUSE_FAULT").ok()?;
        let (name, pass) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), pass.parse().ok()?))
    });
    if let Some((fatal, pass)) = order
        && fatal == name
        && PASSES.fetch_add(1, Ordering::Relaxed) + 1 == *pass
    {
        eprintln!("fault: killed at {name}");
        // A signal to the own process is delivered before kill() returns: no destructor runs.
        if let Err(error) =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        {
            eprintln!("fault: {error}");
        }
        std::process::abort();
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
