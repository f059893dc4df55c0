//! Signing in with an OpenID provider: an independent one, which the tests start.

use dormouse_testkit::browser::{Browser, encoded, location};
use dormouse_testkit::server::{Server, ask};
use dormouse_testkit::site::TestSite;
use dormouse_testkit::waiting::eventually;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const DORMOUSE: &str = env!("CARGO_BIN_EXE_dormouse");

/// Authlib's provider, with a person whose address is verified, and others without.
struct Provider {
    process: Child,
    address: SocketAddr,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _gone = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Provider {
    /// Returns `None` if it is not installed.
    fn start() -> Option<Provider> {
        let there = Command::new("python3").args(["-c", "import oidc_provider_mock"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            skipped::skip("python3 has no oidc_provider_mock");
            return None;
        }
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let claims = |sub: &str, verified: bool| {
            format!(r#"{{"sub":"{sub}","email":"{sub}","email_verified":{verified}}}"#)
        };
        let process = Command::new("python3")
            .args(["-m", "oidc_provider_mock", "--port", &address.port().to_string()])
            .args(["--user-claims", &claims("Dev-Boss@example.org", true)])
            .args(["--user-claims", &claims("chief@example.org", false)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("the provider's start", || TcpStream::connect(address).is_ok());
        Some(Provider { process, address })
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Signs a person in at the provider, and returns the address at the site to which it
    /// redirects.
    fn sign_in(&self, place: &str, sub: &str) -> String {
        let path = place.strip_prefix(&self.issuer()).unwrap_or_else(|| panic!("{place}"));
        let body = format!("sub={}", encoded(sub));
        let answer = ask(
            self.address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: \
                 application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                self.address,
                body.len()
            ),
        );
        let is_place = |line: &&str| line.to_lowercase().starts_with("location:");
        let back = answer.lines().find(is_place).unwrap_or_else(|| panic!("{answer}"));
        let back = back.split_once(':').unwrap().1.trim();
        back.strip_prefix("https://lists.example.org")
            .unwrap_or_else(|| panic!("{back}"))
            .to_owned()
    }
}

fn site(provider: &Provider) -> TestSite {
    let site = TestSite::new(DORMOUSE);
    site.plain_list("dev", &["anna@example.org"]);
    site.ok(&["list", "set", "dev", "owner=dev-boss@example.org"]);
    std::fs::write(site.dir().join("oidc.secret"), "a secret: with %\n").unwrap();
    for (key, value) in [
        ("web.listen", "127.0.0.1:8024"),
        ("web.administrators", "chief@example.org"),
        ("web.oidc_issuer", &*provider.issuer()),
        ("web.oidc_client", "lists"),
        ("web.oidc_secret_file", "oidc.secret"),
        ("web.oidc_name", "Example <ID>"),
    ] {
        site.ok(&["config", "set", key, value]);
    }
    site
}

fn status(answer: &str) -> &str {
    &answer[9..12]
}

/// Returns a parameter of an address's query.
fn part(place: &str, name: &str) -> String {
    let start = format!("{name}=");
    let query = place.split_once('?').unwrap().1;
    query.split('&').find_map(|pair| pair.strip_prefix(&start)).unwrap_or_default().to_owned()
}

#[test]
fn signing_in_with_the_provider_leads_to_the_requested_page() {
    let Some(provider) = Provider::start() else { return };
    let site = site(&provider);
    let server = Server::start(&site);
    let browser = Browser::new(&server);
    let form = browser.get("/mailman/signin?next=%2Fmailman%2Fadmin%2Fdev");
    assert!(form.contains("Sign in with Example &#60;ID&#62;"), "{form}");
    let button = "/mailman/oidc?next=%2Fmailman%2Fadmin%2Fdev";
    assert!(form.contains(button), "{form}");
    let away = location(&browser.get(button)).unwrap();
    assert_eq!(part(&away, "code_challenge_method"), "S256");
    assert_eq!(part(&away, "response_type"), "code");
    assert!(part(&away, "state").len() >= 43 && part(&away, "nonce").len() >= 43, "{away}");
    let back = provider.sign_in(&away, "Dev-Boss@example.org");
    let done = browser.get(&back);
    assert_eq!(location(&done).as_deref(), Some("/mailman/admin/dev"), "{done}");
    let page = browser.follow(&done);
    assert!(page.contains("dev-boss@example.org"), "{page}");
    assert_eq!(status(&browser.get("/mailman/site")), "403", "an owner runs no site");
    // The response works once, and only in this browser.
    assert_eq!(status(&browser.get(&back)), "403");
    assert_eq!(status(&Browser::new(&server).get(&back)), "403");
}

#[test]
fn an_address_that_the_provider_has_not_verified_signs_nobody_in() {
    let Some(provider) = Provider::start() else { return };
    let site = site(&provider);
    let server = Server::start(&site);
    for sub in ["chief@example.org", "anna@example.org"] {
        let browser = Browser::new(&server);
        let away = location(&browser.get("/mailman/oidc")).unwrap();
        let answer = browser.get(&provider.sign_in(&away, sub));
        assert_eq!(status(&answer), "502", "{answer}");
        assert!(answer.contains("did not confirm"), "{answer}");
        assert_eq!(status(&browser.get("/mailman/account")), "303", "{sub}");
    }
}

#[test]
fn answers_that_were_not_asked_for_sign_nobody_in() {
    let Some(provider) = Provider::start() else { return };
    let site = site(&provider);
    let server = Server::start(&site);
    let attacker = Browser::new(&server);
    let theirs = location(&attacker.get("/mailman/oidc")).unwrap();
    let theirs = provider.sign_in(&theirs, "Dev-Boss@example.org");
    // A victim gets the attacker's response, without an attempt and during another one.
    let victim = Browser::new(&server);
    assert_eq!(status(&victim.get(&theirs)), "403");
    let own = location(&victim.get("/mailman/oidc")).unwrap();
    assert_eq!(status(&victim.get(&theirs)), "403");
    // The attempt is over after that.
    let mine = provider.sign_in(&own, "Dev-Boss@example.org");
    assert_eq!(status(&victim.get(&mine)), "403");
    // The attacker's code with the victim's state belongs to another attempt (nonce).
    let own = location(&victim.get("/mailman/oidc")).unwrap();
    let mixed = format!(
        "/mailman/oidc/callback?code={}&state={}",
        part(&theirs, "code"),
        part(&own, "state")
    );
    assert_eq!(status(&victim.get(&mixed)), "502");
    for wrong in ["", "?state=", "?code=x", "?error=access_denied&state=x", "?code=&state="] {
        victim.get("/mailman/oidc");
        let answer = victim.get(&format!("/mailman/oidc/callback{wrong}"));
        assert_eq!(status(&answer), "403", "{wrong}: {answer}");
    }
    victim.put_cookie("__Host-dormouse-oidc", "Zm9yZ2Vk.Zm9yZ2Vk");
    assert_eq!(status(&victim.get("/mailman/oidc/callback?code=x&state=x")), "403");
    for browser in [&victim, &attacker] {
        assert_eq!(status(&browser.get("/mailman/account")), "303");
    }
    for bad in ["https://evil.example/", "//evil.example", "/elsewhere"] {
        let browser = Browser::new(&server);
        let away = location(&browser.get(&format!("/mailman/oidc?next={}", encoded(bad)))).unwrap();
        let done = browser.get(&provider.sign_in(&away, "Dev-Boss@example.org"));
        assert_eq!(location(&done).as_deref(), Some("/mailman/mine"), "{bad}");
    }
}

#[test]
fn another_issuer_or_none_signs_nobody_in() {
    let Some(provider) = Provider::start() else { return };
    let Some(other) = Provider::start() else { return };
    let site = site(&provider);
    let server = Server::start(&site);
    // A code of another provider.
    let browser = Browser::new(&server);
    let away = location(&browser.get("/mailman/oidc")).unwrap();
    let elsewhere = away.replace(&provider.issuer(), &other.issuer());
    assert_eq!(status(&browser.get(&other.sign_in(&elsewhere, "Dev-Boss@example.org"))), "502");
    // A provider with another issuer name.
    site.ok(&["config", "set", "web.oidc_issuer", &format!("{}/", provider.issuer())]);
    assert_eq!(status(&browser.get("/mailman/oidc")), "502");
    drop(other);
    site.ok(&["config", "set", "web.oidc_issuer", "http://127.0.0.1:1"]);
    let answer = browser.get("/mailman/oidc");
    assert_eq!(status(&answer), "502");
    assert!(!answer.contains("127.0.0.1"), "{answer}");
    site.ok(&["config", "set", "web.oidc_issuer", ""]);
    assert_eq!(status(&browser.get("/mailman/oidc")), "404");
    assert!(!browser.get("/mailman/signin").contains("Sign in with"));
    let refused = site.run(&["config", "set", "web.oidc_issuer", "http://id.example.org"]);
    assert!(!refused.status.success(), "not without encryption");
}
