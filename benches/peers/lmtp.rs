//! Mail over LMTP.

use crate::{ours, post};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

/// The LMTP server of a site, killed when dropped.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it; it only accepts mail, which another process processes.
    pub fn start(list: &ours::Site) -> Server {
        let arguments = ["lmtp", "--listen", "127.0.0.1:0", "--intake-only"];
        let mut process =
            list.site.command(&arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on ").parse().unwrap();
        Server { process, address }
    }

    /// Sends these posts over one connection, each after the previous one was acknowledged.
    pub fn send(&self, numbers: impl Iterator<Item = usize>) {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        let mut line = String::new();
        let mut reply = |count: usize, code: &str| {
            for _ in 0..count {
                loop {
                    line.clear();
                    assert!(replies.read_line(&mut line).unwrap() > 0, "it hung up");
                    if line.as_bytes().get(3) != Some(&b'-') {
                        break;
                    }
                }
                assert!(line.starts_with(code), "{line}");
            }
        };
        reply(1, "220");
        stream.write_all(b"LHLO bench.example\r\n").unwrap();
        reply(1, "250");
        for number in numbers {
            stream
                .write_all(b"MAIL FROM:<stranger@example.com>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n")
                .unwrap();
            reply(2, "250");
            reply(1, "354");
            let body = String::from_utf8(post(number)).unwrap().replace('\n', "\r\n");
            stream.write_all(format!("{body}.\r\n").as_bytes()).unwrap();
            reply(1, "250");
        }
        stream.write_all(b"QUIT\r\n").unwrap();
        reply(1, "221");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have exited already.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
