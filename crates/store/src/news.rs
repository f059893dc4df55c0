//! The last article of a newsgroup that was passed on to its list.

use crate::db::params;
use crate::{ListId, Read, StoreError, Tx};

impl Read {
    /// Returns the number of the last article that was passed on, here or on the Mailman site from
    /// which the list was imported; `None` if there is none.
    pub fn news_watermark(&self, list_id: ListId) -> Result<Option<u64>, StoreError> {
        let found = self.first(
            "select article, usenet_watermark from list
             left join news_watermark on list_id = id where id = ?1",
            params![list_id],
            |row| Ok(row.get::<Option<i64>>(0)?.max(row.get(1)?)),
        )?;
        Ok(found.flatten().and_then(|article| u64::try_from(article).ok()))
    }
}

impl Tx<'_> {
    /// Sets the number of the last article that was passed on.
    pub fn set_news_watermark(&self, list_id: ListId, article: u64) -> Result<(), StoreError> {
        let article = i64::try_from(article).unwrap_or(i64::MAX);
        self.execute(
            "insert into news_watermark (list_id, article) values (?1, ?2)
             on conflict (list_id) do update set article = excluded.article",
            params![list_id, article],
        )
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use crate::takeover::ListState;
    use crate::{ListSettings, Store, testing};

    #[test]
    fn a_list_that_came_over_goes_on_where_its_gateway_was() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let put = |watermark| {
            let state = ListState { usenet_watermark: watermark, ..ListState::default() };
            store
                .write(|tx| tx.put_list(&"dev".parse().unwrap(), &ListSettings::default(), &state))
                .unwrap()
                .id
        };
        let list = put(None);
        let now = || store.read().news_watermark(list).unwrap();
        assert_eq!(now(), None);
        put(Some(7));
        assert_eq!(now(), Some(7));
        store.write(|tx| tx.set_news_watermark(list, 9)).unwrap();
        put(Some(8));
        assert_eq!(now(), Some(9), "what has been passed on here is not passed on again");
        assert_eq!(store.read().list_state(list).unwrap().unwrap().usenet_watermark, Some(9));
    }
}
