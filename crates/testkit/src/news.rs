//! A news server for tests: stores and serves articles, and fails on request.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The server. Dropping it frees the port.
pub struct NewsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

type Script = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
    /// User and password, if it requires a login.
    account: Option<(String, String)>,
    one_at_a_time: bool,
    script: Script,
}

#[derive(Default)]
struct State {
    /// Number and text, with CR LF.
    articles: Vec<(u64, String)>,
    commands: Vec<String>,
}

impl NewsServer {
    /// Starts a server without a login. `script` may return a reply of its own to a command, or to
    /// `.`, the end of an article; an empty reply closes the connection.
    pub fn start(script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> NewsServer {
        NewsServer::serve(None, false, Box::new(script))
    }

    /// Starts a server that greets a client only when the previous one has left.
    pub fn one_at_a_time() -> NewsServer {
        NewsServer::serve(None, true, Box::new(|_| None))
    }

    /// Starts a server that requires a login.
    pub fn with_account(user: &str, password: &str) -> NewsServer {
        let account = (user.to_owned(), password.to_owned());
        NewsServer::serve(Some(account), false, Box::new(|_| None))
    }

    fn serve(account: Option<(String, String)>, one_at_a_time: bool, script: Script) -> NewsServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("the socket has an address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            stop: AtomicBool::new(false),
            account,
            one_at_a_time,
            script,
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.stop.load(Ordering::Relaxed) {
                    break;
                }
                // Some tests break connections off on purpose.
                let Ok(stream) = stream else { continue };
                if theirs.one_at_a_time {
                    let _ended = theirs.converse(stream);
                } else {
                    let theirs = Arc::clone(&theirs);
                    std::thread::spawn(move || theirs.converse(stream));
                }
            }
        });
        NewsServer { address, shared, thread: Some(thread) }
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds an article with the next number.
    pub fn add(&self, article: &str) {
        self.shared.add(article.replace('\n', "\r\n"));
    }

    /// Adds an article that no longer exists: only its number is used.
    pub fn add_gone(&self) {
        self.add("");
    }

    /// Returns every article, with line feeds.
    pub fn articles(&self) -> Vec<String> {
        let state = self.shared.state();
        state.articles.iter().map(|(_, text)| text.replace("\r\n", "\n")).collect()
    }

    /// Returns every command so far.
    pub fn commands(&self) -> Vec<String> {
        self.shared.state().commands.clone()
    }
}

impl Drop for NewsServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, text: String) {
        let mut state = self.state();
        let number = state.articles.last().map_or(1, |(number, _)| number + 1);
        state.articles.push((number, text));
    }

    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        // In one write: a second one would wait for the acknowledgement of the first.
        let say = |text: &str| (&stream).write_all(format!("{text}\r\n").as_bytes());
        let mut known = self.account.is_none();
        say("200 ready")?;
        while let Some(line) = lines.next() {
            let line = line?.trim_end().to_owned();
            self.state().commands.push(line.clone());
            if let Some(answer) = (self.script)(&line) {
                if answer.is_empty() {
                    return Ok(());
                }
                say(&answer)?;
                continue;
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb {
                "MODE" => say("200 reader")?,
                "QUIT" => return say("205 goodbye"),
                "AUTHINFO" => {
                    let (user, password) = self.account.clone().unwrap_or_default();
                    match rest.split_once(' ') {
                        Some(("USER", given)) if given == user => say("381 password")?,
                        Some(("PASS", given)) if given == password => {
                            known = true;
                            say("281 welcome")?;
                        }
                        _ => say("481 no")?,
                    }
                }
                _ if !known => say("480 who are you")?,
                "POST" => {
                    if self.take_article(&mut lines, &say)?.is_none() {
                        return Ok(());
                    }
                }
                "STAT" if self.has(rest) => say(&format!("223 0 {rest}"))?,
                "STAT" => say("430 no")?,
                "GROUP" => {
                    let state = self.state();
                    let last = state.articles.last().map_or(0, |(number, _)| *number);
                    say(&format!("211 {last} 1 {last} {rest}"))?;
                }
                "HEAD" | "BODY" => self.give_article(verb, rest, &say)?,
                _ => say("500 what")?,
            }
        }
        Ok(())
    }

    /// Reads an article that a client posts. `None` if the connection is to end.
    fn take_article(
        &self,
        lines: &mut impl Iterator<Item = io::Result<String>>,
        say: &impl Fn(&str) -> io::Result<()>,
    ) -> io::Result<Option<()>> {
        say("340 send it")?;
        let mut text = String::new();
        loop {
            let Some(line) = lines.next() else { return Ok(None) };
            let line = line?;
            match line.trim_end() {
                "." => break,
                line => {
                    text.push_str(line.strip_prefix('.').unwrap_or(line));
                    text.push_str("\r\n");
                }
            }
        }
        if id(&text).is_some_and(|id| self.has(&id)) {
            return say("441 duplicate").map(Some);
        }
        match (self.script)(".") {
            Some(answer) if answer.is_empty() => {
                // The article is accepted, and the reply is lost.
                self.add(text);
                Ok(None)
            }
            Some(answer) => say(&answer).map(Some),
            None => {
                self.add(text);
                say("240 taken").map(Some)
            }
        }
    }

    /// Answers HEAD or BODY.
    fn give_article(
        &self,
        verb: &str,
        wanted: &str,
        say: &impl Fn(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let found = self
            .state()
            .articles
            .iter()
            .find(|(number, text)| wanted == number.to_string() && !text.is_empty())
            .cloned();
        match found {
            None => say("423 no such article")?,
            Some((number, text)) => {
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                let (code, part) = if verb == "HEAD" { (221, head) } else { (222, body) };
                say(&format!("{code} {number} <x>"))?;
                for line in part.lines() {
                    let dot = if line.starts_with('.') { "." } else { "" };
                    say(&format!("{dot}{line}"))?;
                }
                say(".")?;
            }
        }
        Ok(())
    }

    fn has(&self, wanted: &str) -> bool {
        self.state().articles.iter().any(|(_, text)| id(text).as_deref() == Some(wanted))
    }
}

fn id(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).map(str::to_owned)
}
