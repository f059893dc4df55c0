//! Compressed copies of the volumes' texts (docs/spec/archives.md §9).

use crate::place::{remove_file, write_public};
use crate::{Archive, ArchiveError, ArchivePlace};
use dormouse_store::{List, Site};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Compresses every text of a list's archive that has changed since the last time, and returns how
/// many there were.
pub fn gzip(site: &Site, list: &List) -> Result<u64, ArchiveError> {
    let place = ArchivePlace::of(site, &list.name);
    if !place.changed().exists() {
        return Ok(0);
    }
    let archive = Archive::open(site, list)?;
    // Later changes are left for the next time.
    remove_file(&place.changed())?;
    let mut count = 0;
    for volume in archive.index().volumes()? {
        let text = place.tree().join(format!("{}.txt", volume.name));
        let packed = place.tree().join(format!("{}.txt.gz", volume.name));
        let Some(changed) = modified(&text)? else { continue };
        if modified(&packed)?.is_some_and(|done| done > changed) {
            continue;
        }
        let input = File::open(&text).map_err(ArchiveError::io("open", &text))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        io::copy(&mut &input, &mut encoder).map_err(ArchiveError::io("read", &text))?;
        let bytes = encoder.finish().map_err(ArchiveError::io("compress", &text))?;
        write_public(&packed, &bytes)?;
        archive.index().write(|index| index.set_gzipped(volume.id, true))?;
        count += 1;
    }
    if count > 0 {
        archive.write_contents()?;
    }
    Ok(count)
}

fn modified(path: &Path) -> Result<Option<SystemTime>, ArchiveError> {
    match fs::metadata(path).and_then(|found| found.modified()) {
        Ok(time) => Ok(Some(time)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::io("look at", path)(error)),
    }
}
