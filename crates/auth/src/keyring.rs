//! The keys of a site: `dkim/DOMAIN/SELECTOR.pem` below its directory, readable by its owner only.

use crate::key::{is_domain, is_selector};
use crate::{AuthError, Key};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The keys of a site.
#[derive(Debug, Clone)]
pub struct Keyring {
    dir: PathBuf,
}

impl Keyring {
    /// Returns the keyring of the site in this directory.
    pub fn of_site(dir: &Path) -> Keyring {
        Keyring { dir: dir.join("dkim") }
    }

    /// Returns the path of a key's file.
    pub fn path(&self, domain: &str, selector: &str) -> PathBuf {
        self.dir_of(domain).join(format!("{}.pem", selector.to_ascii_lowercase()))
    }

    fn dir_of(&self, domain: &str) -> PathBuf {
        self.dir.join(domain.to_ascii_lowercase())
    }

    /// Stores a new key durably, and returns the path of its file.
    ///
    /// # Errors
    /// [`AuthError::Exists`] if there is already a key with this name, or [`AuthError::Io`].
    pub fn add(&self, key: &Key) -> Result<PathBuf, AuthError> {
        let path = self.path(key.domain(), key.selector());
        let dir = self.dir_of(key.domain());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(AuthError::io("create the directory", &dir))?;
        let mut file =
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(AuthError::Exists(path));
                }
                Err(error) => return Err(AuthError::io("create", &path)(error)),
            };
        file.write_all(key.to_pem().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(AuthError::io("write", &path))?;
        for dir in [&dir, &self.dir] {
            sync_dir(dir)?;
        }
        Ok(path)
    }

    /// Removes a key, and returns whether there was one.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn remove(&self, domain: &str, selector: &str) -> Result<bool, AuthError> {
        if !is_domain(domain) || !is_selector(selector) {
            return Ok(false);
        }
        let path = self.path(domain, selector);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync_dir(path.parent().unwrap_or(&self.dir))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(AuthError::io("remove", &path)(error)),
        }
    }

    /// Returns the keys of exactly this domain, perhaps none. RSA keys come first, because some
    /// receivers only check the first signatures.
    ///
    /// # Errors
    /// If a key cannot be read, because mail that should be signed must not be sent unsigned.
    pub fn of_domain(&self, domain: &str) -> Result<Vec<Key>, AuthError> {
        if !is_domain(domain) {
            return Ok(Vec::new());
        }
        let mut keys = Vec::new();
        for selector in selectors(&self.dir_of(domain))? {
            let path = self.path(domain, &selector);
            let text = fs::read_to_string(&path).map_err(AuthError::io("read", &path))?;
            keys.push(Key::from_pem(domain, &selector, &text, &path)?);
        }
        keys.sort_by(|a, b| (a.algorithm(), a.selector()).cmp(&(b.algorithm(), b.selector())));
        Ok(keys)
    }

    /// Returns the keys that sign mail of this host: its own, or those of the nearest parent
    /// domain, whose signatures are aligned with it as well (RFC 7489 §3.1.1).
    ///
    /// # Errors
    /// As [`Keyring::of_domain`].
    pub fn for_host(&self, host: &str) -> Result<Vec<Key>, AuthError> {
        match self.domain_for(host)? {
            Some(domain) => self.of_domain(domain),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the domain whose keys sign mail of this host; `None` if there are no keys for it.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn domain_for<'h>(&self, host: &'h str) -> Result<Option<&'h str>, AuthError> {
        if !self.dir.exists() {
            return Ok(None);
        }
        let mut domain = host;
        loop {
            if is_domain(domain) && !selectors(&self.dir_of(domain))?.is_empty() {
                return Ok(Some(domain));
            }
            match domain.split_once('.') {
                Some((_, above)) if above.contains('.') => domain = above,
                _ => return Ok(None),
            }
        }
    }

    /// Returns all keys, by domain, with RSA first.
    ///
    /// # Errors
    /// As [`Keyring::of_domain`].
    pub fn all(&self) -> Result<Vec<Key>, AuthError> {
        let mut keys = Vec::new();
        for domain in names(&self.dir)? {
            keys.extend(self.of_domain(&domain)?);
        }
        Ok(keys)
    }
}

/// Returns the selectors of the keys in a directory.
fn selectors(dir: &Path) -> Result<Vec<String>, AuthError> {
    let selector = |name: String| {
        let selector = name.strip_suffix(".pem").filter(|selector| is_selector(selector))?;
        Some(selector.to_owned())
    };
    Ok(names(dir)?.into_iter().filter_map(selector).collect())
}

/// Returns the sorted names in a directory; none if it is missing.
fn names(dir: &Path) -> Result<Vec<String>, AuthError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(AuthError::io("read the directory", dir)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(AuthError::io("read the directory", dir))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn sync_dir(dir: &Path) -> Result<(), AuthError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(AuthError::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use std::os::unix::fs::PermissionsExt as _;

    fn ring_with(domain: &str, selectors: &[&str]) -> (tempfile::TempDir, Keyring) {
        let dir = tempfile::tempdir().unwrap();
        let ring = Keyring::of_site(dir.path());
        for selector in selectors {
            ring.add(&Key::generate(domain, selector, Algorithm::Ed25519).unwrap()).unwrap();
        }
        (dir, ring)
    }

    #[test]
    fn keys_are_found_for_their_domain_and_hosts_below_it() {
        let (_dir, ring) = ring_with("example.org", &["b", "a"]);
        let found = |host: &str| -> Vec<String> {
            ring.for_host(host).unwrap().iter().map(|key| key.selector().to_owned()).collect()
        };
        assert_eq!(found("example.org"), ["a", "b"]);
        assert_eq!(found("Lists.Example.ORG"), ["a", "b"]);
        assert!(found("other.example").is_empty() && found("org").is_empty());
        assert_eq!(ring.domain_for("Lists.Example.ORG").unwrap(), Some("Example.ORG"));
        assert_eq!(ring.domain_for("example.net").unwrap(), None);
        assert_eq!(ring.all().unwrap().len(), 2);
    }

    #[test]
    fn a_key_is_never_replaced_and_can_be_removed() {
        let (_dir, ring) = ring_with("example.org", &["a"]);
        let again = Key::generate("example.org", "A", Algorithm::Ed25519).unwrap();
        assert!(matches!(ring.add(&again), Err(AuthError::Exists(_))));
        assert!(ring.remove("example.org", "a").unwrap());
        assert!(!ring.remove("example.org", "a").unwrap());
        assert!(!ring.remove("example.org", "../../x").unwrap());
    }

    #[test]
    fn nobody_else_can_read_a_key() {
        let (_dir, ring) = ring_with("example.org", &["a"]);
        let mode = fs::metadata(ring.path("example.org", "a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_an_error_and_not_a_missing_key() {
        let (_dir, ring) = ring_with("example.org", &["a"]);
        fs::write(ring.path("example.org", "a"), "x").unwrap();
        assert!(matches!(ring.for_host("lists.example.org"), Err(AuthError::BadKey { .. })));
    }
}
