//! The sandbox of the services. A test runs a drain with all options. Together they score about 1
//! of 10 in `systemd-analyze security` (10 is unprotected), and a start takes about 25 ms longer.

use super::{Manager, Plan, quote};
use std::path::Path;

/// Options that need no privileges: seccomp filters and one flag.
const EVERYWHERE: &str = "\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
";

/// Options that need root: capabilities, namespaces, devices. Not `RestrictSUIDSGID=`, which
/// forbids creating the directories of queues and archives with the set-group-ID bit. Not
/// `ProcSubset=pid`, because an archive reads the boot ID.
const SYSTEM_ONLY: &str = "\
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
DevicePolicy=closed
";

/// Options for a service that only moves files. The empty assignment resets the address families.
const NO_NETWORK: &str = "\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_UNIX
PrivateNetwork=yes
IPAddressDeny=any
";

const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Whether a service needs the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Needed,
    Unused,
}

/// Returns the sandboxing lines of a service's `[Service]` section.
pub fn lines(plan: &Plan, network: Network) -> String {
    let mut lines = EVERYWHERE.to_owned();
    if plan.manager == Manager::User {
        return lines;
    }
    lines.push_str(SYSTEM_ONLY);
    // A site below a hidden directory would be hidden, too.
    lines.push_str(if is_below(plan, &HOMES) {
        "ProtectHome=read-only\n"
    } else {
        "ProtectHome=yes\n"
    });
    lines.push_str(if is_below(plan, &TEMPORARY) { "PrivateTmp=no\n" } else { "PrivateTmp=yes\n" });
    let mut writable = vec![quote::path_in_list(&plan.site.to_string_lossy())];
    if !plan.qfiles.starts_with(&plan.site) {
        writable.push(quote::path_in_list(&plan.qfiles.to_string_lossy()));
    }
    // The directory may belong to another program, and may not exist yet.
    let metrics = plan.metrics.as_deref().and_then(Path::parent);
    if let Some(dir) = metrics.filter(|dir| !dir.starts_with(&plan.site)) {
        writable.push(format!("-{}", quote::path_in_list(&dir.to_string_lossy())));
    }
    lines.push_str(&format!("ReadWritePaths={}\n", writable.join(" ")));
    if network == Network::Unused {
        lines.push_str(NO_NETWORK);
    }
    lines
}

fn is_below(plan: &Plan, hidden: &[&str]) -> bool {
    [&plan.site, &plan.qfiles, &plan.binary]
        .iter()
        .any(|path| hidden.iter().any(|hidden| path.starts_with(Path::new(hidden))))
}
