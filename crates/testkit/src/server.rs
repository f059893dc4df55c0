//! The built command's web pages, as a browser asks for them.

use crate::site::TestSite;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

/// A server that ends with the test.
pub struct Server {
    /// None where another one serves.
    process: Option<Child>,
    address: SocketAddr,
}

impl Server {
    /// Serves a site's pages on a free port.
    pub fn start(site: &TestSite) -> Server {
        Server::start_with(site, &[])
    }

    /// The same in another environment.
    pub fn start_with(site: &TestSite, environment: &[(&str, &str)]) -> Server {
        let mut process = site
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it serves");
        let address = line.trim().trim_start_matches("serving on http://").trim_end_matches('/');
        Server { address: address.parse().expect("an address"), process: Some(process) }
    }

    /// One that is there already, such as a web server in front.
    pub fn at(address: SocketAddr) -> Server {
        Server { process: None, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The answer to GET: head and body.
    pub fn get(&self, path: &str) -> String {
        self.get_with("", path)
    }

    /// The answer to a form that is sent.
    pub fn post(&self, path: &str, form: &str) -> String {
        self.post_from("", path, form)
    }

    /// The same from somebody whom the web server in front has seen at an address.
    pub fn post_from(&self, address: &str, path: &str, form: &str) -> String {
        match address {
            "" => self.post_with("", path, form),
            address => self.post_with(&format!("X-Forwarded-For: {address}\r\n"), path, form),
        }
    }

    /// The answer to GET with more header lines, each with its line end.
    pub fn get_with(&self, headers: &str, path: &str) -> String {
        let request = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        ask(self.address, &format!("GET {path} {request}{headers}\r\n"))
    }

    /// The answer to a form with more header lines.
    pub fn post_with(&self, headers: &str, path: &str, form: &str) -> String {
        ask(
            self.address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        )
    }

    /// The answer to a request as it stands there.
    pub fn raw(&self, request: &str) -> String {
        ask(self.address, request)
    }

    /// The answer to GET, seen at an address.
    pub fn get_from(&self, address: &str, path: &str) -> String {
        self.get_with(&format!("X-Forwarded-For: {address}\r\n"), path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself; then there is nothing to end.
            let _gone = process.kill();
            let _status = process.wait();
        }
    }
}

/// What a server says to a request.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    // One that refuses a large request does not read all of it, and then closes.
    let _unread = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    assert!(read.is_ok() || !answer.is_empty(), "it answers: {read:?}");
    String::from_utf8(answer).expect("UTF-8")
}
