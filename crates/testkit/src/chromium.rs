//! A real headless browser, driven over a pipe (Chrome DevTools Protocol).

use crate::waiting::eventually_or;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// Chromium with one page open.
pub struct Chromium {
    process: Child,
    input: RefCell<ChildStdin>,
    output: RefCell<BufReader<ChildStdout>>,
    number: Cell<u64>,
    session: RefCell<String>,
    /// Its profile, removed when it is dropped.
    _profile: TempDir,
}

impl Chromium {
    /// Starts it. `None` if Chromium is not installed.
    pub fn start() -> Option<Chromium> {
        Command::new("chromium").arg("--version").stdout(Stdio::null()).status().ok()?;
        let profile = TempDir::new().expect("a temporary directory can be created");
        // It reads commands from file descriptor 3 and writes responses to 4.
        let script = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut process = Command::new("sh")
            .args(["-c", script, "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = RefCell::new(process.stdin.take()?);
        let output = RefCell::new(BufReader::new(process.stdout.take()?));
        let (number, session) = (Cell::new(0), RefCell::default());
        let browser = Chromium { process, input, output, number, session, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().expect("Chromium opens a session").to_owned();
        browser.session.replace(session);
        Some(browser)
    }

    /// Sends a command and returns its result.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Gives a command, and waits for its answer: its result or an error.
    fn ask(&self, method: &str, params: Value) -> Value {
        let number = self.number.get() + 1;
        self.number.set(number);
        let mut command = json!({ "id": number, "method": method, "params": params });
        let session = self.session.borrow().clone();
        if !session.is_empty() {
            command["sessionId"] = session.into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.input.borrow_mut().write_all(&bytes).expect("Chromium listens");
        loop {
            let mut answer = Vec::new();
            let read =
                self.output.borrow_mut().read_until(0, &mut answer).expect("Chromium answers");
            assert!(read > 0, "Chromium ended");
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            if answer["id"] == number {
                return answer;
            }
        }
    }

    /// Evaluates an expression on the page and returns its value. This works with the page's own
    /// scripts disabled.
    pub fn eval(&self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Sets the window's width, the colour scheme, and whether pages may run scripts.
    pub fn look(&self, width: u32, is_dark: bool, runs_scripts: bool) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
        let scripts = json!({ "value": !runs_scripts });
        self.call("Emulation.setScriptExecutionDisabled", scripts);
    }

    /// Navigates to an address and waits until its page has loaded.
    pub fn go(&self, url: &str) {
        self.until_another_page(|| {
            self.call("Page.navigate", json!({ "url": url }));
        });
    }

    /// Types into the field that a selector matches.
    pub fn type_into(&self, selector: &str, text: &str) {
        let selector = json!(selector);
        self.eval(&format!("document.querySelector({selector}).focus()"));
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Clicks what a selector matches, such as a summary or a checkbox.
    pub fn touch(&self, selector: &str) {
        self.eval(&format!("document.querySelector({}).click()", json!(selector)));
    }

    /// Clicks what a selector matches and waits for the page it leads to.
    pub fn press(&self, selector: &str) {
        self.until_another_page(|| self.touch(selector));
    }

    /// Acts on a visible button, link, label or summary with this text: the one whose text is
    /// exactly that, or else the first that begins with it.
    fn at_words(&self, words: &str, act: &str) {
        let script = format!(
            "(() => {{
                const words = {words};
                const said = e => (e.getAttribute('aria-label') || e.textContent).trim().replace(/\\s+/g, ' ');
                const all = where => [...document.querySelectorAll(where)].filter(e => e.checkVisibility());
                const seen = [...all('main :is(button, a[href], summary, label)'), ...all('nav a[href]')];
                const found = seen.find(e => said(e) === words) || seen.find(e => said(e).startsWith(words));
                if (!found) return false;
                {act};
                return true;
            }})()",
            words = json!(words)
        );
        let found = self.eval(&script);
        assert!(found == true, "nobody sees {words:?} here:\n{}", self.text());
    }

    /// Clicks the button or link with the text `words` and waits for the page it leads to.
    pub fn choose(&self, words: &str) {
        self.until_another_page(|| self.at_words(words, "found.click()"));
    }

    /// Clicks the summary or the label with the text `words`, to open a section or to tick a box.
    pub fn tick(&self, words: &str) {
        self.at_words(words, "found.click()");
    }

    /// Replaces the content of the field with that label; in a list of choices it selects the one
    /// that begins with `text`.
    pub fn fill(&self, label: &str, text: &str) {
        let into = format!(
            "const field = found.control; field.focus();
             if (field.tagName === 'SELECT')
                 field.value = [...field.options].find(o => o.text.startsWith({text})).value;
             else field.select()",
            text = json!(text)
        );
        self.at_words(label, &into);
        if self.eval("document.activeElement.tagName") != "SELECT" {
            self.call("Input.insertText", json!({ "text": text }));
        }
    }

    fn until_another_page(&self, act: impl FnOnce()) {
        self.eval("window.isOld = true");
        act();
        let is_there = "!window.isOld && document.readyState === 'complete'";
        // Between two pages there is no page to ask, and evaluation fails.
        eventually_or("another page", || self.try_eval(is_there), || self.text());
    }

    fn try_eval(&self, expression: &str) -> bool {
        let asked =
            json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        // The page may disappear during the evaluation, which is an error.
        self.ask("Runtime.evaluate", asked)["result"]["result"]["value"] == true
    }

    /// Returns the page's text as shown.
    pub fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Returns what axe-core, whose source is `axe`, finds wrong with the page: the rule, its
    /// message and the element. With `only_colours` it checks contrast only, which is enough if
    /// nothing but colours has changed.
    pub fn axe(&self, axe: &str, only_colours: bool) -> Vec<String> {
        if self.eval("typeof axe") != "object" {
            self.call("Runtime.evaluate", json!({ "expression": axe }));
        }
        let rules = match only_colours {
            true => "{ type: 'rule', values: ['color-contrast'] }",
            false => "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']",
        };
        let run = "axe.run(document, { runOnly: RULES, resultTypes: ['violations'] })
                   .then(found => found.violations.flatMap(rule => rule.nodes.map(node =>
                       `${rule.id}: ${rule.help}: ${node.html.slice(0, 160)}: ${node.failureSummary}`)))";
        let run = run.replace("RULES", rules);
        let asked = json!({ "expression": run, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "axe: {answer}");
        serde_json::from_value(answer["result"]["value"].clone()).expect("a list of texts")
    }

    /// Takes a screenshot of the window as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        BASE64.decode(shot["data"].as_str().expect("Chromium sends a picture")).expect("base64")
    }

    /// Returns the targets of the page's links, without fragments.
    pub fn links(&self) -> Vec<String> {
        let found = self.eval("[...document.links].map(link => link.href.split('#')[0])");
        serde_json::from_value(found).expect("a list of texts")
    }

    /// Returns by how many pixels the page is wider than the window.
    pub fn overflow(&self) -> i64 {
        let wider = "document.documentElement.scrollWidth - window.innerWidth";
        self.eval(wider).as_i64().unwrap_or(i64::MAX)
    }

    /// Returns the elements without an accessible name: fields without a label, buttons and links
    /// without a text.
    pub fn unnamed(&self) -> Vec<String> {
        let found = self.eval(
            "[...document.querySelectorAll('input:not([type=hidden]),select,textarea,button:not([hidden]),a[href]')]
             .filter(e => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.ariaLabel)
             .map(e => e.outerHTML.slice(0, 100))",
        );
        serde_json::from_value(found).expect("a list of texts")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
