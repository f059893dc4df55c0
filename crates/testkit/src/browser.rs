//! A minimal browser: keeps cookies and submits forms.

use crate::server::Server;
use crate::site::TestSite;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A browser that talks to one server.
pub struct Browser<'s> {
    server: &'s Server,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl<'s> Browser<'s> {
    /// Creates a browser without cookies.
    pub fn new(server: &'s Server) -> Browser<'s> {
        Browser { server, cookies: RefCell::default() }
    }

    /// Creates a browser that has signed in by the link mailed to an address.
    pub fn signed_in(server: &'s Server, site: &TestSite, address: &str) -> Browser<'s> {
        let browser = Browser::new(server);
        browser.sign_in(site, address, "");
        browser
    }

    /// Creates a browser that has signed in with a password: that of a list, or of the site if
    /// `list` is empty.
    pub fn with_password(server: &'s Server, list: &str, password: &str) -> Browser<'s> {
        let browser = Browser::new(server);
        let answer = browser.post("/mailman/signin", &format!("list={list}&password={password}"));
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        browser
    }

    /// Signs in by mail and returns the response that redirects to the page `next`.
    pub fn sign_in(&self, site: &TestSite, address: &str, next: &str) -> String {
        let before = site.maildir(address).len();
        let form = format!("email={}&next={}", encoded(address), encoded(next));
        let answer = self.post("/mailman/signin", &form);
        assert!(answer.contains("Check your email"), "{answer}");
        site.ok(&["run"]);
        let mails = site.maildir(address);
        assert_eq!(mails.len(), before + 1, "a mail to {address}");
        let link = path_in(&mails[before], "/mailman/signin/");
        let answer = self.post(&link, "sign-in=1");
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        answer
    }

    /// Returns the header lines that the browser sends.
    fn headers(&self) -> String {
        let cookies = self.cookies.borrow();
        let pairs: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) }
    }

    fn keep(&self, answer: String) -> String {
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        for cookie in head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            match cookie.contains("Max-Age=0") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    /// Returns the cookies.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.borrow().clone()
    }

    /// Sets a cookie from elsewhere.
    pub fn put_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    /// Returns the response to a GET: head and body.
    pub fn get(&self, path: &str) -> String {
        self.keep(self.server.get_with(&self.headers(), path))
    }

    /// Submits a form as it is and returns the response.
    pub fn post(&self, path: &str, form: &str) -> String {
        self.keep(self.server.post_with(&self.headers(), path, form))
    }

    /// Like [`Browser::post`], with additional header lines.
    pub fn post_with(&self, headers: &str, path: &str, form: &str) -> String {
        let headers = format!("{}{headers}", self.headers());
        self.keep(self.server.post_with(&headers, path, form))
    }

    /// Submits a form of a page, with the key that the page's forms carry, and returns the
    /// response.
    pub fn send(&self, page: &str, path: &str, form: &str) -> String {
        let shown = self.get(page);
        let key = value(&shown, "key").unwrap_or_else(|| panic!("no key on {page}: {shown}"));
        self.post(path, &format!("key={key}&{form}"))
    }

    /// Returns the page that a response redirects to.
    pub fn follow(&self, answer: &str) -> String {
        self.get(&location(answer).unwrap_or_else(|| panic!("leads nowhere: {answer}")))
    }
}

/// Returns the value of a page's first field of that name.
pub fn value(page: &str, name: &str) -> Option<String> {
    let start = page.find(&format!("name=\"{name}\" value=\""))?;
    page[start..].split('"').nth(3).map(str::to_owned)
}

/// Returns the location that a response redirects to.
pub fn location(answer: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned)
}

/// Returns a text percent-encoded for a form.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns the path of the first link in a mail that begins with `start`.
pub fn path_in(mail: &[u8], start: &str) -> String {
    let mail = String::from_utf8_lossy(mail);
    let at = mail.find(start).unwrap_or_else(|| panic!("no {start}: {mail}"));
    mail[at..]
        .split(|letter: char| letter.is_whitespace() || letter == '>')
        .next()
        .unwrap()
        .to_owned()
}
