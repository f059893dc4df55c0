//! Sessions on the web, and the links for signing in. Only the hashes of tokens are stored.

use crate::db::{self, Row, params};
use crate::{ListId, Read, StoreError, Tx};
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

/// What a visitor has proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// To receive the mail of an address.
    Address(AddressKey),
    /// To know the password of a list's member with this address.
    Member(ListId, AddressKey),
    /// To know the password of a list's owners.
    Owner(ListId),
    /// To know the password of a list's moderators.
    Moderator(ListId),
    /// To know the site's password.
    Site,
}

impl Proof {
    /// Returns the kind and subject for the database.
    fn columns(&self) -> (&'static str, String) {
        match self {
            Proof::Address(address) => ("address", address.to_string()),
            Proof::Member(list, address) => ("member", format!("{list} {address}")),
            Proof::Owner(list) => ("owner", list.to_string()),
            Proof::Moderator(list) => ("moderator", list.to_string()),
            Proof::Site => ("site", String::new()),
        }
    }

    /// Returns the proof of a row. An unknown row, from another version of this program, proves
    /// nothing.
    fn of(kind: &str, subject: &str) -> Option<Proof> {
        Some(match kind {
            "address" => Proof::Address(AddressKey::of(subject)),
            "member" => {
                let (list, address) = subject.split_once(' ')?;
                Proof::Member(list.parse().ok()?, AddressKey::of(address))
            }
            "owner" => Proof::Owner(subject.parse().ok()?),
            "moderator" => Proof::Moderator(subject.parse().ok()?),
            "site" => Proof::Site,
            _ => return None,
        })
    }
}

/// A proof, and what invalidates it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proved {
    /// What was proved.
    pub proof: Proof,
    /// A fingerprint of the password that proved it; empty if it was not a password.
    pub fingerprint: String,
    /// When it was proved.
    pub at: Timestamp,
}

/// A session of a signed-in visitor.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitorSession {
    /// The session's number.
    pub id: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The network from which it was started.
    pub network: String,
    /// The browser's `User-Agent`.
    pub agent: String,
    /// What was proved.
    pub proofs: Vec<Proved>,
}

/// A link that signs an address in.
#[derive(Debug, Clone, PartialEq)]
pub struct SignIn {
    /// The address.
    pub address: AddressKey,
    /// The page to open after signing in.
    pub goal: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

const COLUMNS: &str = "s.id, s.created_at, s.expires_at, s.network, s.agent";

fn read(row: &Row<'_>) -> db::Result<VisitorSession> {
    Ok(VisitorSession {
        id: row.get(0)?,
        created_at: row.get(1)?,
        expires_at: row.get(2)?,
        network: row.get(3)?,
        agent: row.get(4)?,
        proofs: Vec::new(),
    })
}

impl Read {
    /// Returns the session with the hash of a token, if it has not expired at `now`.
    pub fn session(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<VisitorSession>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from session s where s.token_hash = ?1 and s.expires_at > ?2"
        );
        let found = self.first(&sql, params![token_hash, now], read)?;
        found.map(|session| self.with_proofs(session)).transpose()
    }

    /// Returns the sessions with this proof that have not expired at `now`, the newest first.
    pub fn sessions_with(
        &self,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Vec<VisitorSession>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from session s join session_proof p on p.session_id = s.id
             where p.kind = ?1 and p.subject = ?2 and s.expires_at > ?3
             order by s.created_at desc, s.id desc"
        );
        let (kind, subject) = proof.columns();
        let found = self.rows(&sql, params![kind, subject, now], read)?;
        found.into_iter().map(|session| self.with_proofs(session)).collect()
    }

    fn with_proofs(&self, mut session: VisitorSession) -> Result<VisitorSession, StoreError> {
        let sql = "select kind, subject, fingerprint, proved_at from session_proof
                   where session_id = ?1 order by kind, subject";
        let rows = self.rows(sql, params![session.id], |row| {
            let (kind, subject): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((kind, subject, row.get(2)?, row.get(3)?))
        })?;
        session.proofs = rows
            .into_iter()
            .filter_map(|(kind, subject, fingerprint, at)| {
                Proof::of(&kind, &subject).map(|proof| Proved { proof, fingerprint, at })
            })
            .collect();
        Ok(session)
    }

    /// Returns the link with the hash of a token, if it has not expired at `now`, without using it
    /// up.
    pub fn sign_in(&self, token_hash: &str, now: Timestamp) -> Result<Option<SignIn>, StoreError> {
        let sql = "select address, goal, expires_at from sign_in
                   where token_hash = ?1 and expires_at > ?2";
        self.first(sql, params![token_hash, now], |row| {
            Ok(SignIn { address: row.get(0)?, goal: row.get(1)?, expires_at: row.get(2)? })
        })
    }
}

impl Tx<'_> {
    /// Starts a session, and deletes expired ones.
    pub fn begin_session(
        &self,
        token_hash: &str,
        session: &VisitorSession,
    ) -> Result<(), StoreError> {
        self.execute("delete from session where expires_at <= ?1", params![session.created_at])?;
        self.execute(
            "insert into session (token_hash, created_at, expires_at, network, agent)
             values (?1, ?2, ?3, ?4, ?5)",
            params![
                token_hash,
                session.created_at,
                session.expires_at,
                session.network,
                session.agent
            ],
        )?;
        for Proved { proof, fingerprint, at } in &session.proofs {
            let (kind, subject) = proof.columns();
            self.execute(
                "insert into session_proof (session_id, kind, subject, fingerprint, proved_at)
                 select id, ?2, ?3, ?4, ?5 from session where token_hash = ?1",
                params![token_hash, kind, subject, fingerprint, at],
            )?;
        }
        Ok(())
    }

    /// Ends a session. Returns false if it had already ended.
    pub fn end_session(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "delete from session where id = ?1";
        self.execute(sql, params![id]).map(|ended| ended > 0)
    }

    /// Ends all sessions with this proof, and returns how many there were.
    pub fn end_sessions_with(&self, proof: &Proof) -> Result<usize, StoreError> {
        let (kind, subject) = proof.columns();
        let sql = "delete from session where id in
                   (select session_id from session_proof where kind = ?1 and subject = ?2)";
        self.execute(sql, params![kind, subject])
    }

    /// Adds a link for signing in, and deletes expired ones.
    pub fn add_sign_in(
        &self,
        token_hash: &str,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute("delete from sign_in where expires_at <= ?1", params![now])?;
        self.execute(
            "insert into sign_in (token_hash, address, goal, created_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5)",
            params![token_hash, sign_in.address, sign_in.goal, now, sign_in.expires_at],
        )?;
        Ok(())
    }

    /// Returns and deletes a link for signing in, which can be used once, if it has not expired at
    /// `now`.
    pub fn take_sign_in(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<SignIn>, StoreError> {
        let found = self.read().sign_in(token_hash, now)?;
        if found.is_some() {
            self.execute("delete from sign_in where token_hash = ?1", params![token_hash])?;
        }
        Ok(found)
    }

    /// Deletes the sessions of an address and its links for signing in, and returns how many there
    /// were.
    pub(crate) fn forget_sessions(&self, address: &str) -> Result<usize, StoreError> {
        let key = AddressKey::of(address);
        let sessions = "delete from session where id in
                        (select session_id from session_proof
                         where (kind = 'address' and subject = ?1)
                            or (kind = 'member' and subject like '% ' || ?1))";
        let links = "delete from sign_in where address = ?1";
        Ok(self.execute(sessions, params![&key])? + self.execute(links, params![&key])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::time;
    use crate::{Store, testing};

    #[test]
    fn a_session_keeps_its_proofs_and_ends_with_any_of_them() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let proofs = [
            Proof::Address(AddressKey::of("anna@x.example")),
            Proof::Member(ListId::new(7), AddressKey::of("anna@x.example")),
            Proof::Owner(ListId::new(7)),
            Proof::Moderator(ListId::new(8)),
            Proof::Site,
        ];
        let proved =
            proofs.clone().map(|proof| Proved { proof, fingerprint: "f".into(), at: time(2.0) });
        let session = VisitorSession {
            id: 0,
            created_at: time(1.0),
            expires_at: time(100.0),
            network: "192.0.2.0/24".into(),
            agent: "Browser".into(),
            proofs: proved.to_vec(),
        };
        for proof in &proofs {
            store.write(|tx| tx.begin_session("hash", &session)).unwrap();
            let found = store.read().session("hash", time(99.0)).unwrap().unwrap();
            assert_eq!(found.proofs.len(), proofs.len());
            assert!(found.proofs.iter().all(|found| proofs.contains(&found.proof)));
            assert_eq!(store.read().session("hash", time(100.0)).unwrap(), None);
            assert_eq!(store.read().session("other", time(99.0)).unwrap(), None);
            assert_eq!(store.read().sessions_with(proof, time(99.0)).unwrap(), [found]);
            assert_eq!(store.write(|tx| tx.end_sessions_with(proof)).unwrap(), 1);
            assert_eq!(store.read().session("hash", time(99.0)).unwrap(), None);
        }
    }

    #[test]
    fn a_link_is_good_once_and_until_its_end() {
        let home = tempfile::tempdir().unwrap();
        let site = testing::site(home.path(), "l.example").unwrap();
        let store = Store::open(&site).unwrap();
        let link = SignIn {
            address: AddressKey::of("anna@x.example"),
            goal: "/mailman/mine".into(),
            expires_at: time(10.0),
        };
        store.write(|tx| tx.add_sign_in("hash", &link, time(1.0))).unwrap();
        assert_eq!(store.read().sign_in("hash", time(10.0)).unwrap(), None);
        assert_eq!(store.read().sign_in("hash", time(9.0)).unwrap().as_ref(), Some(&link));
        let take = || store.write(|tx| tx.take_sign_in("hash", time(9.0))).unwrap();
        assert_eq!(take(), Some(link));
        assert_eq!(take(), None);
    }
}
