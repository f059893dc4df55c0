//! The queues (docs/spec/queue.md §2, §3).

use super::{Export, make_dir, write};
use crate::TakeoverError;
use dormouse_pipeline::progress::DeliveryProgress;
use dormouse_pipeline::recipients::Recipients;
use dormouse_spool::{Entry, Envelope, Queue, QueueFileState};
use dormouse_store::ListId;
use std::collections::BTreeMap;
use std::fs;

impl Export<'_> {
    /// Writes the entries of all queues under their names.
    pub(super) fn queues(&mut self, names: &BTreeMap<ListId, String>) -> Result<(), TakeoverError> {
        let spool = self.target.spool;
        // After a power failure accepted mail may not be in its queue.
        spool.finish_handovers()?;
        for queue in Queue::ALL {
            let dir = make_dir(&self.to.join("qfiles").join(queue.name()))?;
            for found in spool.list(queue)? {
                if found.state == QueueFileState::Preserved {
                    let file = format!("{}.psv", found.name);
                    let to = dir.join(&file);
                    fs::copy(spool.dir(queue).join(&file), &to)
                        .map_err(TakeoverError::io("copy", &to))?;
                    self.report.brought("queue entries", 1);
                    continue;
                }
                let entry = match spool.peek(queue, &found.name) {
                    Ok(Some(entry)) => entry,
                    // Finished since it was listed.
                    Ok(None) => continue,
                    Err(error) if error.is_bad_entry() => {
                        self.report.problem(format!("qfiles/{queue}/{}", found.name), error);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                let entry = self.written_out(entry, names)?;
                write(&dir.join(format!("{}.pck", found.name)), &entry.to_bytes())?;
                self.report.brought("queue entries", 1);
            }
        }
        Ok(())
    }

    /// Returns an entry with its recipients in Mailman's form: each by name, without those who
    /// already got it. Lists have Mailman's names.
    fn written_out(
        &self,
        mut entry: Entry,
        names: &BTreeMap<ListId, String>,
    ) -> Result<Entry, TakeoverError> {
        // An entry with an impossible value waits for a person there, too.
        if Envelope::read(&entry.metadata).is_ok()
            && let Ok(Some(recipients)) = Recipients::read(&entry.metadata)
        {
            let progress = DeliveryProgress::read(&entry.journal);
            let mut these: Vec<String> =
                progress.deferred.iter().map(|failure| failure.address.clone()).collect();
            let failed =
                |error: dormouse_membership::RunError| TakeoverError::Refused(error.to_string());
            let mut stream =
                recipients.stream(self.target.store.read(), &progress).map_err(failed)?;
            while let Some(next) = stream.pull()? {
                these.push(next.address.to_owned());
            }
            Recipients::These(these).write(&mut entry.metadata);
        }
        // It is in the recipients now.
        entry.journal.clear();
        if let Some(name) = entry.metadata.text("listname").map(std::borrow::Cow::into_owned)
            && let Some(list) = self.target.store.read().list(&name)?
            && let Some(mailmans) = names.get(&list.id)
        {
            entry.metadata.set_text("listname", mailmans);
        }
        Ok(entry)
    }
}
