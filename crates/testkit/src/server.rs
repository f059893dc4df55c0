//! The built command's web pages, as a browser requests them.

use crate::site::TestSite;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

/// A server that is stopped when dropped.
pub struct Server {
    /// `None` if it was started elsewhere.
    process: Option<Child>,
    address: SocketAddr,
}

impl Server {
    /// Serves a site's pages on a free port.
    pub fn start(site: &TestSite) -> Server {
        Server::start_with(site, &[])
    }

    /// Like [`Server::start`], with additional environment variables.
    pub fn start_with(site: &TestSite, environment: &[(&str, &str)]) -> Server {
        let mut process = site
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its output is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the server prints its address");
        let address = line.trim().trim_start_matches("serving on http://").trim_end_matches('/');
        Server { address: address.parse().expect("an address"), process: Some(process) }
    }

    /// Refers to a server that is already running, such as a reverse proxy.
    pub fn at(address: SocketAddr) -> Server {
        Server { process: None, address }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of the process; `None` if it was started elsewhere.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Returns the response to a GET: head and body.
    pub fn get(&self, path: &str) -> String {
        self.get_with("", path)
    }

    /// Submits a form and returns the response.
    pub fn post(&self, path: &str, form: &str) -> String {
        self.post_from("", path, form)
    }

    /// Like [`Server::post`], from a client whose address the reverse proxy has passed on.
    pub fn post_from(&self, address: &str, path: &str, form: &str) -> String {
        match address {
            "" => self.post_with("", path, form),
            address => self.post_with(&format!("X-Forwarded-For: {address}\r\n"), path, form),
        }
    }

    /// Returns the response to a GET with additional header lines, each with its line end.
    pub fn get_with(&self, headers: &str, path: &str) -> String {
        let request = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        ask(self.address, &format!("GET {path} {request}{headers}\r\n"))
    }

    /// Submits a form with additional header lines and returns the response.
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

    /// Returns the response to a request sent as it is.
    pub fn raw(&self, request: &str) -> String {
        ask(self.address, request)
    }

    /// Returns the response to a GET from a client whose address the reverse proxy has passed on.
    pub fn get_from(&self, address: &str, path: &str) -> String {
        self.get_with(&format!("X-Forwarded-For: {address}\r\n"), path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may already have exited.
            let _gone = process.kill();
            let _status = process.wait();
        }
    }
}

/// Sends a request to a server and returns the response.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    // A server that refuses a large request closes the connection without reading all of it.
    let _unread = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    assert!(read.is_ok() || !answer.is_empty(), "it answers: {read:?}");
    String::from_utf8(answer).expect("UTF-8")
}
