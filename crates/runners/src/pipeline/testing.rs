//! What tests of handlers share: a site with a list, and one handler or all of them run over a
//! message.

use super::{Flow, HandlerError, Output, POSTING, Post, Verdict};
use dormouse_mail::Message;
use dormouse_spool::{Entry, EntryName, Metadata, Queue};
use dormouse_store::{List, MemberOption, NewMember, Site, Store, StoreError, Tx};
use tempfile::TempDir;

/// A site with pages and the list `dev@lists.example`.
pub struct Fixture {
    _home: TempDir,
    pub site: Site,
    pub store: Store,
}

/// What a handler left behind.
pub struct Outcome {
    pub flow: Flow,
    pub message: Message,
    pub metadata: Metadata,
    pub outputs: Vec<Output>,
}

impl Outcome {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.to_bytes()).into_owned()
    }

    /// The setting that stopped the message, with what became of it.
    pub fn stopped(&self) -> Option<(&'static str, Option<&'static str>)> {
        match &self.flow {
            Flow::Next => None,
            Flow::Hold(reason) => Some(("hold", reason.setting)),
            Flow::Reject(reason) => Some(("reject", reason.setting)),
            Flow::Discard(reason) => Some(("discard", reason.setting)),
        }
    }

    /// The recipients that stand in the metadata.
    pub fn recipients(&self) -> Vec<String> {
        let mut recipients = self.metadata.texts("recips").unwrap_or_default();
        recipients.sort();
        recipients
    }
}

type Run = fn(&mut Post<'_>) -> Result<Flow, HandlerError>;

impl Fixture {
    pub fn new(settings: &[(&str, &str)]) -> Fixture {
        let home = tempfile::tempdir().unwrap();
        let site = Site::init(home.path(), "lists.example").unwrap();
        let store = Store::open(&site).unwrap();
        let mut fixture = Fixture { _home: home, site, store };
        fixture.config("web.listen", "127.0.0.1:8024");
        fixture.list("dev", settings);
        fixture
    }

    /// Changes a setting of the site.
    pub fn config(&mut self, key: &str, value: &str) {
        dormouse_store::Config::set(&self.site.config_file(), key, value).unwrap();
        self.site = Site::open(self.site.dir()).unwrap();
    }

    /// Makes another list.
    pub fn list(&self, name: &str, settings: &[(&str, &str)]) {
        let owner = "owner@x.example".to_owned();
        self.write(|tx| tx.create_list(name, "lists.example", &[owner]).map(drop));
        self.set(name, settings);
    }

    /// Changes settings of a list.
    pub fn set(&self, name: &str, settings: &[(&str, &str)]) {
        for (key, value) in settings {
            self.write(|tx| tx.set_setting(name, key, value));
        }
    }

    /// Adds a member to `dev` with these options and no others.
    pub fn member(&self, address: &str, options: &[MemberOption]) {
        self.member_of("dev", address, options);
    }

    pub fn member_of(&self, list: &str, address: &str, options: &[MemberOption]) {
        let list = self.get(list);
        let new =
            NewMember { address: address.to_owned(), real_name: String::new(), digest: false };
        self.write(|tx| tx.add_member(&list, &new, 1.0, "test").map(drop));
        let mut member = self.store.member(list.id, address).unwrap().unwrap();
        member.options = dormouse_store::MemberOptions::from_bits(0);
        for option in options {
            member.options = member.options.with(*option, true);
        }
        self.write(|tx| tx.update_member(list.id, &member, 1.0));
    }

    pub fn get(&self, list: &str) -> List {
        self.store.list(list).unwrap().unwrap()
    }

    pub fn write<T>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
        self.store.write(change).unwrap()
    }

    /// Runs one handler over a message to `dev`.
    pub fn run(&self, run: Run, raw: &str, edit: impl FnOnce(&mut Metadata)) -> Outcome {
        self.with_post(raw, edit, |post| run(post).unwrap())
    }

    /// Runs a whole table.
    pub fn post(&self, raw: &str) -> (Verdict, Outcome) {
        let mut verdict = None;
        let outcome = self.with_post(
            raw,
            |_| {},
            |post| {
                verdict = Some(post.run(POSTING).unwrap());
                Flow::Next
            },
        );
        (verdict.unwrap(), outcome)
    }

    /// The message as it goes to the MTA.
    pub fn sent(&self, raw: &str) -> String {
        let (verdict, outcome) = self.post(raw);
        assert_eq!(verdict, Verdict::Passed);
        let out = outcome.outputs.iter().find(|output| output.queue == Queue::Out).unwrap();
        String::from_utf8_lossy(&out.entry.message).into_owned()
    }

    fn with_post(
        &self,
        raw: &str,
        edit: impl FnOnce(&mut Metadata),
        work: impl FnOnce(&mut Post<'_>) -> Flow,
    ) -> Outcome {
        let list = self.get("dev");
        let mut metadata = Metadata::new();
        metadata.set_text("listname", "dev");
        metadata.set_int("tolist", 1);
        edit(&mut metadata);
        let name = EntryName::new(1e9, raw.as_bytes(), "dev");
        self.write(|tx| {
            let entry = Entry::new(raw.as_bytes().to_vec(), metadata);
            let mut post = Post::new(&self.site, tx, &list, &name, entry);
            let flow = work(&mut post);
            let Post { message, metadata, outputs, .. } = post;
            Ok(Outcome { flow, message, metadata, outputs })
        })
    }
}
