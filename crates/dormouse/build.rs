//! Links the programs so that they start fast.

use std::env::var;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let is_glibc = var("CARGO_CFG_TARGET_ENV").is_ok_and(|kind| kind == "gnu")
        && var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    let is_static =
        var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|features| features.contains("crt-static"));
    if !is_glibc || is_static {
        return Ok(());
    }
    // A position-independent program relocates every pointer in its tables at each start, page by
    // page: half of the page faults of accepting a mail. `--features pie` builds one anyway.
    let is_movable = var("CARGO_FEATURE_PIE").is_ok();
    if !is_movable {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
    // Functions that a run executes are placed next to each other, so that a start causes fewer page
    // faults (`cargo bench --bench order`). LLD and GNU ld know how; others are named in the flags.
    println!("cargo::rerun-if-changed=start.ld");
    let is_optimized = var("OPT_LEVEL").is_ok_and(|level| level != "0");
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if is_optimized && !flags.contains("fuse-ld") {
        let root = PathBuf::from(var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
        let script = root.join("start.ld");
        println!("cargo::rustc-link-arg-bin=dormouse-full=-T{}", script.display());
    }
    let [Some(_), Some(c), Some(math)] = ["libgcc_eh.a", "libc.a", "libm.a"].map(installed) else {
        return Ok(());
    };
    let out = PathBuf::from(var("OUT_DIR").map_err(io::Error::other)?);
    // The unwinder is part of each program: loading it as a library takes a tenth of a start.
    let unwinder = out.join("unwinder");
    stand_in(&unwinder, "libgcc_s.so", "INPUT(-lgcc_eh -lgcc)")?;
    println!("cargo::rustc-link-arg-bins=-L{}", unwinder.display());
    // The small program never makes the C library load plug-ins (hosts, accounts), so that it needs
    // no dynamic linker.
    let whole = out.join("whole");
    stand_in(&whole, "libc.so", &format!("INPUT({})", c.display()))?;
    stand_in(&whole, "libm.so", &format!("INPUT({})", math.display()))?;
    println!("cargo::rustc-link-arg-bin=dormouse=-L{}", whole.display());
    let how = if is_movable { "-static-pie" } else { "-static" };
    println!("cargo::rustc-link-arg-bin=dormouse={how}");
    Ok(())
}

/// A library to be linked statically, if it is installed.
fn installed(library: &str) -> Option<PathBuf> {
    let compiler = var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    let asked = Command::new(compiler).arg(format!("-print-file-name={library}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    // A name without a directory is one that was not found.
    path.is_absolute().then_some(path)
}

/// A linker script in place of a library.
fn stand_in(directory: &Path, library: &str, script: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join(library), script)
}
