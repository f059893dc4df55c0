//! Listening sockets, passed or created.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, sockopt};
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Where a program listens.
#[derive(Debug, Clone)]
pub enum Listen {
    /// On the socket that systemd or inetd passed.
    Passed,
    /// On a new socket: `ADDRESS:PORT`, or a path.
    On(String),
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// At an address.
    Tcp(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

fn give_to(path: &Path, group: &str) -> io::Result<()> {
    let known = nix::unistd::Group::from_name(group)?;
    let known = known.ok_or_else(|| io::Error::other("there is no such group"))?;
    std::os::unix::fs::chown(path, None, Some(known.gid.as_raw()))
}

impl Socket {
    /// Returns the socket that was passed to this process: by systemd's protocol
    /// (sd_listen_fds(3)), or as standard input, as inetd does with `wait`.
    pub fn passed() -> io::Result<Option<Socket>> {
        let mut passed = listenfd::ListenFd::from_env();
        if let Ok(Some(socket)) = passed.take_unix_listener(0) {
            return Ok(Some(Socket::Unix(socket)));
        }
        if let Some(socket) = passed.take_tcp_listener(0)? {
            return Ok(Some(Socket::Tcp(socket)));
        }
        let input = io::stdin();
        if !sockopt::socket_acceptconn(&input).unwrap_or(false) {
            return Ok(None);
        }
        let socket = input.as_fd().try_clone_to_owned()?;
        Ok(match sockopt::socket_domain(&socket)? {
            AddressFamily::UNIX => Some(Socket::Unix(socket.into())),
            AddressFamily::INET | AddressFamily::INET6 => Some(Socket::Tcp(socket.into())),
            _ => None,
        })
    }

    /// Creates a socket at `ADDRESS:PORT`, or at a path, to which only this account and a group can
    /// connect; only this account if the group's name is empty. Replaces the socket of a dead
    /// process at the path.
    pub fn bind(place: &str, group: &str) -> io::Result<Socket> {
        if let Ok(address) = place.parse::<SocketAddr>() {
            return TcpListener::bind(address).map(Socket::Tcp);
        }
        let path = Path::new(place);
        let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        if is_socket
            && UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        {
            fs::remove_file(path)?;
        }
        let socket = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
        if !group.is_empty()
            && let Err(error) = give_to(path, group)
        {
            tracing::warn!(
                "{place}: cannot give it to the group {group}: {error}; only this account may \
                 connect (web.group, lmtp.group)"
            );
        }
        Ok(Socket::Unix(socket))
    }

    /// Duplicates the socket for a child process.
    pub fn for_child(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn only_the_socket_of_a_dead_process_is_replaced() {
        let home = TempDir::new().unwrap();
        let place = home.path().join("lmtp.sock");
        let place = place.to_str().unwrap();
        let bind = |place: &str| Socket::bind(place, "");
        drop(bind(place).unwrap());
        let alive = bind(place).unwrap();
        assert_eq!(fs::metadata(place).unwrap().permissions().mode() & 0o777, 0o660);
        let refused = bind(place).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(alive);
        let file = home.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(bind(file.to_str().unwrap()).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    /// Clients of the socket are trusted with X-Forwarded-For.
    #[test]
    fn a_socket_for_a_group_is_for_nobody_else() {
        let home = TempDir::new().unwrap();
        let own = nix::unistd::Group::from_gid(nix::unistd::getegid()).unwrap();
        let own = own.map_or(String::new(), |group| group.name);
        for (number, group) in [own.as_str(), "", "no-such-group"].into_iter().enumerate() {
            let place = home.path().join(number.to_string());
            let _socket = Socket::bind(place.to_str().unwrap(), group).unwrap();
            assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o660);
        }
    }

    #[test]
    fn an_address_is_not_a_path() {
        let socket = Socket::bind("127.0.0.1:0", "").unwrap();
        assert!(matches!(socket, Socket::Tcp(_)));
    }
}
