//! Sends an archive's files unchanged.

use axum::body::Body;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The size of a read, in bytes.
const CHUNK: u64 = 64 * 1024;

/// Media types by file name ending; other files are sent as plain bytes.
const KINDS: [(&str, &str); 9] = [
    // Without a charset: pages declare theirs, and Pipermail's have others.
    ("html", "text/html"),
    ("txt", "text/plain; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("xml", "application/atom+xml"),
    ("gz", "application/gzip"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];
const BYTES: &str = "application/octet-stream";

/// Pages load the archive's own style and images, and nothing else.
const PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";
/// Attachments come from anyone.
const ATTACHMENT: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// What an address leads to.
pub enum StaticTarget {
    /// A file.
    File(FileToSend),
    /// A directory whose address lacks the final slash.
    Directory,
}

/// An open file.
pub struct FileToSend {
    file: File,
    length: u64,
    kind: &'static str,
    /// Whether browsers must save it instead of showing it.
    is_download: bool,
    is_attachment: bool,
}

/// Whether a relative path stays below its start.
pub fn is_inside(path: &str) -> bool {
    let is_name = |name: &str| {
        !name.starts_with('.')
            && !name.contains(|letter: char| letter.is_control() || letter == '\\')
    };
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        if name.is_empty() && !is_last || !is_name(name) {
            return false;
        }
    }
    true
}

/// Finds what a path leads to in a directory; symbolic links cannot leave it. A directory stands for
/// its `index.html`.
pub fn find(root: &Path, path: &str) -> io::Result<Option<StaticTarget>> {
    if !is_inside(path) {
        return Ok(None);
    }
    let wanted = match path.is_empty() || path.ends_with('/') {
        true => format!("{path}index.html"),
        false => path.to_owned(),
    };
    let looked_up = || -> io::Result<(PathBuf, File)> {
        let found = root.join(&wanted).canonicalize()?;
        if !found.starts_with(root.canonicalize()?) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = File::open(&found)?;
        Ok((found, file))
    };
    let (found, file) = match looked_up() {
        Ok(looked_up) => looked_up,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename => Ok(None),
                _ => Err(error),
            };
        }
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(Some(StaticTarget::Directory));
    }
    let ending = found.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let known = KINDS.iter().find(|(name, _)| ending.as_deref() == Some(*name));
    let kind = known.map_or(BYTES, |(_, kind)| *kind);
    let is_attachment = path.starts_with("attachments/");
    let is_image = kind.starts_with("image/");
    Ok(Some(StaticTarget::File(FileToSend {
        file,
        length: metadata.len(),
        kind: if is_attachment && !is_image { BYTES } else { kind },
        is_download: is_attachment || kind == BYTES,
        is_attachment,
    })))
}

impl FileToSend {
    /// The response with the file's content, which is streamed.
    pub fn send(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind.to_owned()),
            (header::CONTENT_LENGTH, self.length.to_string()),
            (
                header::CONTENT_SECURITY_POLICY,
                if self.is_attachment { ATTACHMENT } else { PAGE }.to_owned(),
            ),
            (header::CACHE_CONTROL, "private, no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::X_FRAME_OPTIONS, "DENY".to_owned()),
            (header::REFERRER_POLICY, "no-referrer".to_owned()),
            (HeaderName::from_static("x-robots-tag"), "noindex".to_owned()),
        ];
        let download = self.is_download.then_some([(header::CONTENT_DISPOSITION, "attachment")]);
        let chunks = stream::try_unfold((self.file, self.length), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let read = move || -> io::Result<_> {
                let mut bytes = vec![0; CHUNK.min(left) as usize];
                file.read_exact(&mut bytes)?;
                let left = left - bytes.len() as u64;
                Ok(Some((bytes, (file, left))))
            };
            tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
        });
        (headers, download, Body::from_stream(chunks)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_is_found() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        fs::create_dir_all(root.join("2024-March")).unwrap();
        fs::write(home.path().join("secret"), "x").unwrap();
        fs::write(root.join("2024-March/000001.html"), "x").unwrap();
        fs::write(root.join("2024-March/.new"), "x").unwrap();
        symlink("../2024-March/000001.html", root.join("2024-March/index.html")).unwrap();
        symlink("../secret", root.join("leak")).unwrap();
        symlink("../../..", root.join("2024-March/up")).unwrap();
        let is_file =
            |path: &str| matches!(find(&root, path).unwrap(), Some(StaticTarget::File(_)));
        assert!(is_file("2024-March/000001.html") && is_file("2024-March/"));
        assert!(matches!(find(&root, "2024-March").unwrap(), Some(StaticTarget::Directory)));
        for path in [
            "..",
            "../secret",
            "2024-March/../../secret",
            "/etc/passwd",
            "leak",
            "2024-March/up/secret",
            "2024-March/.new",
            "2024-March//000001.html",
            "./2024-March/",
            "..\\secret",
            "a\0b",
            "",
            "2024-March/000001.html/",
            &"x".repeat(5_000),
        ] {
            assert!(find(&root, path).unwrap().is_none(), "{path}");
        }
    }

    #[test]
    fn attachments_are_downloads_and_pages_are_not() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("attachments/a")).unwrap();
        for (path, kind, is_download) in [
            ("index.html", "text/html", false),
            ("style.css", "text/css; charset=utf-8", false),
            ("attachments/a/page.html", BYTES, true),
            ("attachments/a/photo.PNG", "image/png", true),
            ("attachments/a/plan", BYTES, true),
            ("dev.mbox", BYTES, true),
        ] {
            fs::write(home.path().join(path), "x").unwrap();
            let Some(StaticTarget::File(found)) = find(home.path(), path).unwrap() else {
                panic!("{path}")
            };
            assert_eq!((found.kind, found.is_download), (kind, is_download), "{path}");
        }
    }
}
