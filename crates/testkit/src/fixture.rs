//! A site in a temporary directory with a list, for tests of code that works on the store.

use dormouse_clock::Timestamp;
use dormouse_store::{
    Config, List, MemberOption, MemberOptions, NewMember, Site, Store, StoreError, Tx,
};
use tempfile::TempDir;

/// A site with pages and the list `dev@lists.example`.
pub struct Fixture {
    _home: TempDir,
    /// The site.
    pub site: Site,
    /// Its store.
    pub store: Store,
}

impl Fixture {
    /// Creates a site whose list has these settings.
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
        Config::set(&self.site.config_file(), key, value).unwrap();
        self.site = Site::open(self.site.dir()).unwrap();
    }

    /// Creates another list.
    pub fn list(&self, name: &str, settings: &[(&str, &str)]) {
        let owner = "owner@x.example".to_owned();
        let list = name.parse().unwrap();
        self.write(|tx| tx.create_list(&list, "lists.example", &[owner]).map(drop));
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

    /// Adds a member to a list with these options and no others.
    pub fn member_of(&self, list: &str, address: &str, options: &[MemberOption]) {
        let list = self.get(list);
        let new =
            NewMember { address: address.to_owned(), real_name: String::new(), digest: false };
        self.write(|tx| tx.add_member(&list, &new, Timestamp::from_seconds(1.0), "test").map(drop));
        let mut member = self.store.read().member(list.id, address).unwrap().unwrap();
        member.options = MemberOptions::from_bits(0);
        for option in options {
            member.options = member.options.with(*option, true);
        }
        self.write(|tx| tx.update_member(list.id, &member, Timestamp::from_seconds(1.0)));
    }

    /// Returns the current state of a list.
    pub fn get(&self, list: &str) -> List {
        self.store.read().list(list).unwrap().unwrap()
    }

    /// Runs a transaction on the store.
    pub fn write<T>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
        self.store.write(change).unwrap()
    }
}
