//! A newsgroup server (RFC 3977): posting articles, and reading them.

use crate::{Content, Credentials};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The default port.
const PORT: u16 = 119;
/// RFC 3977 §3.1 limits replies to 512 bytes; a server that sends far more is not a news server.
const LONGEST_REPLY: u64 = 4096;
/// Larger articles are not read.
const LARGEST_ARTICLE: usize = 64 * 1024 * 1024;

/// A connection in reader mode.
#[derive(Debug)]
pub struct News {
    stream: BufReader<TcpStream>,
    host: String,
    credentials: Option<Credentials>,
}

/// A refusal by the server, or a failure to reach it.
#[derive(Debug, thiserror::Error)]
pub enum NewsError {
    /// The connection failed.
    #[error("the news server {host}: {source}")]
    Connection {
        /// Which server.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server said no.
    #[error("the news server {host} replied to {command}: {code} {text}")]
    Refused {
        /// Which server.
        host: String,
        /// What was asked.
        command: &'static str,
        /// Its code.
        code: u16,
        /// The text of the reply.
        text: String,
    },
}

impl NewsError {
    /// Whether trying again may help. A server that accepts no articles at all, or not this one,
    /// replies 440 or 441; its other replies are about its current state.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, NewsError::Refused { code: 440 | 441 | 437 | 411, .. })
    }
}

/// Which articles a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArticleRange {
    /// The lowest number.
    pub first: u64,
    /// The highest number; below `first` when there is none.
    pub last: u64,
}

impl News {
    /// Connects to `host` or `host:port`, and asks for reader mode.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses us.
    pub fn connect(
        host: &str,
        credentials: Option<Credentials>,
        timeout: Duration,
    ) -> Result<News, NewsError> {
        let failed = |source| NewsError::Connection { host: host.to_owned(), source };
        let stream = dial(host, timeout).map_err(failed)?;
        let mut news = News { stream: BufReader::new(stream), host: host.to_owned(), credentials };
        let (code, text) = news.reply()?;
        news.must("connect", &[200, 201], code, text)?;
        let (code, text) = news.ask("MODE READER", "MODE READER")?;
        // A server that is always in reader mode need not know the command.
        news.must("MODE READER", &[200, 201, 500, 501], code, text)?;
        Ok(news)
    }

    /// Posts an article. If the server already has one with that Message-ID, it counts as posted:
    /// an earlier attempt of ours was interrupted after it.
    pub fn post(&mut self, article: &Content, message_id: &str) -> Result<(), NewsError> {
        let (code, text) = self.ask("POST", "POST")?;
        self.must("POST", &[340], code, text)?;
        let mut wire = article.wire().to_vec();
        wire.extend_from_slice(b".\r\n");
        self.write(&wire)?;
        let (code, text) = self.reply()?;
        if code != 240 && is_plain(message_id) {
            let (known, _) = self.ask("STAT", &format!("STAT {message_id}"))?;
            if known == 223 {
                return Ok(());
            }
        }
        self.must("the article", &[240], code, text)
    }

    /// Enters a group.
    pub fn group(&mut self, name: &str) -> Result<ArticleRange, NewsError> {
        let (code, text) = self.ask("GROUP", &format!("GROUP {}", plain(name)))?;
        self.must("GROUP", &[211], code, text.clone())?;
        let mut numbers = text.split_ascii_whitespace().skip(1).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(first)), Some(Ok(last))) => Ok(ArticleRange { first, last }),
            _ => Err(self.refused("GROUP", code, text)),
        }
    }

    /// The header of an article of the group; `None` when there is no such number.
    pub fn head(&mut self, number: u64) -> Result<Option<Vec<u8>>, NewsError> {
        self.part("HEAD", number, 221)
    }

    /// The body of an article of the group; `None` when there is no such number.
    pub fn body(&mut self, number: u64) -> Result<Option<Vec<u8>>, NewsError> {
        self.part("BODY", number, 222)
    }

    /// Ends the session; a server that does not reply is not waited for.
    pub fn quit(mut self) {
        if let Err(error) = self.ask("QUIT", "QUIT") {
            tracing::debug!("{error}");
        }
    }

    fn part(
        &mut self,
        command: &'static str,
        number: u64,
        good: u16,
    ) -> Result<Option<Vec<u8>>, NewsError> {
        let (code, text) = self.ask(command, &format!("{command} {number}"))?;
        if matches!(code, 420 | 423 | 430) {
            return Ok(None);
        }
        self.must(command, &[good], code, text)?;
        self.block().map(Some).map_err(|source| self.failed(source))
    }

    /// Sends a command; if the server requires a login, logs in and sends it again (RFC 4643).
    fn ask(&mut self, command: &'static str, line: &str) -> Result<(u16, String), NewsError> {
        self.write(format!("{line}\r\n").as_bytes())?;
        let (code, text) = self.reply()?;
        let Some(Credentials { user, password }) = self.credentials.clone().filter(|_| code == 480)
        else {
            return Ok((code, text));
        };
        self.write(format!("AUTHINFO USER {}\r\n", plain(&user)).as_bytes())?;
        let (mut code, mut text) = self.reply()?;
        if code == 381 {
            self.write(format!("AUTHINFO PASS {}\r\n", plain(&password)).as_bytes())?;
            (code, text) = self.reply()?;
        }
        self.must("AUTHINFO", &[281], code, text)?;
        self.write(format!("{line}\r\n").as_bytes())?;
        let answer = self.reply()?;
        if answer.0 == 480 { Err(self.refused(command, answer.0, answer.1)) } else { Ok(answer) }
    }

    fn must(
        &self,
        command: &'static str,
        good: &[u16],
        code: u16,
        text: String,
    ) -> Result<(), NewsError> {
        if good.contains(&code) { Ok(()) } else { Err(self.refused(command, code, text)) }
    }

    fn refused(&self, command: &'static str, code: u16, text: String) -> NewsError {
        NewsError::Refused { host: self.host.clone(), command, code, text }
    }

    fn failed(&self, source: io::Error) -> NewsError {
        NewsError::Connection { host: self.host.clone(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NewsError> {
        self.stream.get_mut().write_all(bytes).map_err(|source| self.failed(source))
    }

    fn reply(&mut self) -> Result<(u16, String), NewsError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LONGEST_REPLY).read_until(b'\n', &mut line);
        read.map_err(|source| self.failed(source))?;
        parse_reply(&line).ok_or_else(|| {
            let problem = if line.is_empty() { "it hung up" } else { "that is not a reply" };
            self.failed(io::Error::new(io::ErrorKind::InvalidData, problem))
        })
    }

    /// The lines up to one with only a dot, with line feeds.
    fn block(&mut self) -> io::Result<Vec<u8>> {
        let mut block = Vec::new();
        loop {
            let start = block.len();
            let most = (LARGEST_ARTICLE - start) as u64;
            (&mut self.stream).take(most).read_until(b'\n', &mut block)?;
            if block.last() != Some(&b'\n') {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the article is truncated",
                ));
            }
            let end = if block.ends_with(b"\r\n") { 2 } else { 1 };
            block.truncate(block.len() - end);
            if block[start..] == *b"." {
                block.truncate(start);
                return Ok(block);
            }
            if block[start..].starts_with(b".") {
                block.remove(start);
            }
            block.push(b'\n');
        }
    }
}

fn dial(host: &str, timeout: Duration) -> io::Result<TcpStream> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let addresses =
        if has_port { host.to_socket_addrs()? } else { (host, PORT).to_socket_addrs()? };
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn parse_reply(line: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(line);
    let code = text.get(..3)?.parse().ok().filter(|code| (100..600).contains(code))?;
    Some((code, text[3..].trim().to_owned()))
}

/// Text for a command, which must not begin another one.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Whether a Message-ID can be part of a command.
fn is_plain(id: &str) -> bool {
    id.starts_with('<') && id.ends_with('>') && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies_have_a_code_and_words() {
        assert_eq!(parse_reply(b"211 3 1 3 a.b\r\n"), Some((211, "3 1 3 a.b".to_owned())));
        assert_eq!(parse_reply(b"240\r\n"), Some((240, String::new())));
        for wrong in [&b""[..], b"24", b"abc def", b"-20 x", "äöü".as_bytes()] {
            assert_eq!(parse_reply(wrong), None);
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_reply_or_none(line: Vec<u8>) {
            let _either = parse_reply(&line).is_some();
        }
    }
}
