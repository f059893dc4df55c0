//! The schema, as numbered migrations.

use crate::db::{self, Begin, Db, Engine as _};
use crate::{Due, Read, Store, StoreError};

/// Step n migrates a database from number n − 1 to n. A released step is never edited.
const STEPS: &[&str] = &[
    include_str!("schema/0001_spine.sql"),
    include_str!("schema/0002_moderation.sql"),
    include_str!("schema/0003_pipeline.sql"),
    include_str!("schema/0004_pending.sql"),
    include_str!("schema/0005_bounces.sql"),
    include_str!("schema/0006_digests.sql"),
    include_str!("schema/0007_membership.sql"),
    include_str!("schema/0008_site_password.sql"),
    include_str!("schema/0009_news.sql"),
    include_str!("schema/0010_takeover.sql"),
    include_str!("schema/0011_answered_by_list.sql"),
    include_str!("schema/0018_moved.sql"),
    include_str!("schema/0019_settled.sql"),
    include_str!("schema/0020_one_budget.sql"),
    include_str!("schema/0021_sessions.sql"),
    include_str!("schema/0024_setting_change.sql"),
    include_str!("schema/0033_former_name.sql"),
    include_str!("schema/0034_site_change.sql"),
    include_str!("schema/0035_daily_count.sql"),
    include_str!("schema/0037_decided.sql"),
    include_str!("schema/0042_decided_request.sql"),
    include_str!("schema/0040_pace.sql"),
    include_str!("schema/0044_adopted_spool.sql"),
    include_str!("schema/0041_paced_part.sql"),
    include_str!("schema/0045_member_count.sql"),
];

/// Returns the number of the schema that this program needs.
pub fn newest() -> i64 {
    STEPS.len() as i64
}

/// Migrates a database to the newest schema, in one transaction.
pub fn up(store: &Store) -> Result<(), StoreError> {
    if store.read().run(|db| Ok(db.is_known()))? {
        return Ok(());
    }
    let found = number(store.read())?;
    if found == 0 {
        return Err(StoreError::Empty(store.read().path().to_owned()));
    }
    if found < newest() {
        steps(store)?;
    }
    store.keep_markers()?;
    note_known(store.read())
}

/// Remembers that the schema is current, so that this process need not query it again.
fn note_known(store: &Read) -> Result<(), StoreError> {
    store.run(|db| {
        db.note_known();
        Ok(())
    })
}

fn steps(store: &Store) -> Result<(), StoreError> {
    store.write(|tx| {
        // Another process may have migrated the database meanwhile.
        let done = usize::try_from(number(tx.read())?).unwrap_or(0);
        // Work may be left from before markers existed, so each job must run once.
        Due::ALL.iter().for_each(|&job| tx.note_due(job));
        for (index, step) in STEPS.iter().enumerate().skip(done) {
            tx.read().run(|db| {
                db.run_step(step)?;
                db.set_schema_number(index as i64 + 1)
            })?;
        }
        Ok(())
    })
}

/// Creates the tables if a database is empty. Returns whether it already had some.
pub fn found_if_empty(store: &Read) -> Result<bool, StoreError> {
    if number(store)? > 0 {
        return Ok(true);
    }
    store.run(|db| {
        db.prepare_schema()?;
        let transaction = db.begin(Begin::Writing)?;
        // Another process may have created them meanwhile.
        let is_there = db.schema_number()? > 0;
        if !is_there {
            found(db)?;
        }
        transaction.commit().map(|()| is_there)
    })
}

/// Creates the tables in an empty database, inside a transaction.
pub fn found(db: &Db) -> db::Result<()> {
    db.found_schema()?;
    STEPS.iter().try_for_each(|step| db.run_step(step))?;
    db.set_schema_number(newest())
}

/// Rejects a database with a newer or older schema.
pub fn check(store: &Read) -> Result<(), StoreError> {
    if store.run(|db| Ok(db.is_known()))? {
        return Ok(());
    }
    match number(store)? {
        0 => Err(StoreError::Empty(store.path().to_owned())),
        found if found == newest() => note_known(store),
        found => Err(StoreError::Older { path: store.path().to_owned(), found }),
    }
}

pub fn number(store: &Read) -> Result<i64, StoreError> {
    let found = store.run(Db::schema_number)?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { path: store.path().to_owned(), found, known });
    }
    Ok(found)
}
