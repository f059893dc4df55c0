//! The sandbox of the services. Every option was measured to let a drain work; together they score
//! about 1 of 10 by `systemd-analyze security` (10 is unprotected) and cost a start about 25 ms.

use super::{Manager, Plan, quote};
use std::path::Path;

/// What a manager without privileges can still do: all of it seccomp filters and one flag.
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

/// What takes root to set up: capabilities, namespaces, devices. Not `RestrictSUIDSGID=`: it forbids
/// making the directories of queues and archives, which have the set-group-id bit. Not
/// `ProcSubset=pid`: an archive asks whether the machine has started anew since it was written.
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

/// For a service that only moves files. The empty assignment takes the earlier families back.
const NO_NETWORK: &str = "\
RestrictAddressFamilies=
RestrictAddressFamilies=AF_UNIX
PrivateNetwork=yes
IPAddressDeny=any
";

const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Whether a service talks to an MTA.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Needed,
    Unused,
}

/// The lines of a service's `[Service]` section that confine it.
pub fn lines(plan: &Plan, network: Network) -> String {
    let mut lines = EVERYWHERE.to_owned();
    if plan.manager == Manager::User {
        return lines;
    }
    lines.push_str(SYSTEM_ONLY);
    // A site below a directory that is hidden would be hidden with it.
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
    // Its directory is another program's, and may not be there yet.
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
