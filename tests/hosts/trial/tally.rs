//! Counts what arrived, with one byte for each copy, because there are up to twenty million.

use dormouse_testkit::sink::Received;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

/// Set once the sender of a copy must know that it was accepted.
const KNOWN: u8 = 0x80;

/// The mail of a trial that a sink has accepted.
pub struct Tally {
    members: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// How often each post reached each member.
    copies: Vec<u8>,
    /// The numbers under which each post was sent.
    numbers: BTreeMap<usize, BTreeSet<usize>>,
    /// The last post on each connection, and its recipients.
    last: HashMap<u64, (usize, Vec<usize>)>,
    /// Other mail by its Message-ID.
    digests: BTreeMap<String, Digest>,
    notices: BTreeMap<String, usize>,
    needless: Vec<String>,
    unknown: Vec<String>,
}

/// An issue of the digest.
#[derive(Debug, Default)]
pub struct Digest {
    pub issue: String,
    /// How often it was sent.
    pub sent: usize,
    /// The posts in it.
    pub posts: Vec<String>,
}

/// The results of a trial.
#[derive(Debug)]
pub struct Outcome {
    /// Posts that did not reach everybody.
    pub missing: Vec<String>,
    /// The number of copies that arrived again.
    pub repeated: usize,
    /// Those of them whose sender must have known that they were accepted.
    pub needless: Vec<String>,
    /// The numbers under which each post was sent.
    pub numbers: BTreeMap<usize, BTreeSet<usize>>,
    pub digests: Vec<Digest>,
    /// Notices to the owner, and how often each was sent.
    pub notices: BTreeMap<String, usize>,
    /// Unexpected mail.
    pub unknown: Vec<String>,
}

impl Tally {
    pub fn new(posts: usize, members: usize) -> Tally {
        let inner = Inner {
            copies: vec![0; posts * members],
            numbers: BTreeMap::new(),
            last: HashMap::new(),
            digests: BTreeMap::new(),
            notices: BTreeMap::new(),
            needless: Vec::new(),
            unknown: Vec::new(),
        };
        Tally { members, inner: Mutex::new(inner) }
    }

    /// Counts a mail.
    pub fn take(&self, mail: &Received) {
        let text = String::from_utf8_lossy(&mail.data);
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let (subject, id) = (field("Subject: "), field("Message-ID: "));
        let mut inner = self.inner.lock().unwrap();
        inner.learn(mail.connection, self.members);
        if subject.contains("Digest, Vol") {
            let digest = inner.digests.entry(id).or_default();
            digest.sent += 1;
            digest.issue = subject;
            digest.posts = posts_in(&text);
        } else if mail.recipients.iter().any(|to| to.starts_with("owner@")) {
            *inner.notices.entry(format!("{subject} {id}")).or_default() += 1;
        } else if let Some((number, post)) = numbered(&subject) {
            inner.numbers.entry(post).or_default().insert(number);
            let member = |to: &String| to.strip_prefix('m')?.split('@').next()?.parse().ok();
            let people: Vec<usize> = mail.recipients.iter().filter_map(member).collect();
            inner.count(post, &people, self.members);
            inner.last.insert(mail.connection, (post, people));
        } else {
            inner.unknown.push(format!("{subject} for {:?}", mail.recipients));
        }
    }

    /// Returns the results for this number of posts.
    pub fn outcome(&self, posts: usize) -> Outcome {
        let mut inner = self.inner.lock().unwrap();
        let count = |copies: &u8| copies & !KNOWN;
        let of = |post: usize| &inner.copies[post * self.members..(post + 1) * self.members];
        let missed = |post: &usize| of(*post).iter().filter(|copies| count(copies) == 0).count();
        let missing = (0..posts)
            .filter(|post| missed(post) > 0)
            .map(|post| format!("post{post} did not reach {} members", missed(&post)))
            .collect();
        let repeated = inner.copies.iter().filter(|copies| count(copies) > 1).count();
        Outcome {
            missing,
            repeated,
            needless: std::mem::take(&mut inner.needless),
            numbers: std::mem::take(&mut inner.numbers),
            digests: std::mem::take(&mut inner.digests).into_values().collect(),
            notices: std::mem::take(&mut inner.notices),
            unknown: std::mem::take(&mut inner.unknown),
        }
    }
}

impl Inner {
    /// Marks the previous post of a connection as acknowledged: otherwise nothing would have
    /// followed.
    fn learn(&mut self, connection: u64, members: usize) {
        if let Some((post, people)) = self.last.remove(&connection) {
            people.iter().for_each(|member| self.copies[post * members + member] |= KNOWN);
        }
    }

    fn count(&mut self, post: usize, people: &[usize], members: usize) {
        let mut needless = 0;
        for member in people {
            let copies = &mut self.copies[post * members + member];
            needless += usize::from(*copies & KNOWN != 0);
            *copies = (*copies & KNOWN) | (*copies & !KNOWN).saturating_add(1).min(!KNOWN);
        }
        if needless > 0 {
            self.needless.push(format!("post{post} to {needless} members"));
        }
    }
}

/// Parses `[dev 7] post3` to 7 and 3.
fn numbered(subject: &str) -> Option<(usize, usize)> {
    let (number, post) = subject.strip_prefix("[dev ")?.split_once("] post")?;
    Some((number.parse().ok()?, post.trim().parse().ok()?))
}

fn posts_in(digest: &str) -> Vec<String> {
    let subjects = digest.lines().filter(|line| line.starts_with("Subject: "));
    let posts = subjects.filter_map(|line| line.rsplit(' ').next());
    posts.filter(|word| word.starts_with("post")).map(str::to_owned).collect()
}
