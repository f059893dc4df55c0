//! Parallel work on all processors.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The number of items for a thread in one go; fewer are not worth the overhead.
const GROUP: usize = 16;
/// The maximum number of groups waiting between threads.
const BACKLOG: usize = 8;

/// The number of processors. To ask the system takes several calls.
fn threads() -> usize {
    static THREADS: LazyLock<usize> =
        LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));
    *THREADS
}

fn groups<T>(mut items: impl Iterator<Item = T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let group: Vec<T> = items.by_ref().take(size).collect();
        (!group.is_empty()).then_some(group)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies `work` to each item on other threads. `take` gets the results on this one, in the order
/// of the items. Stops at the first error.
pub fn map<T: Send, R: Send, E: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, E> + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    if items.len() < GROUP {
        return items.into_iter().try_for_each(|item| take(work(item)?));
    }
    let groups = Mutex::new(groups(items.into_iter(), GROUP).enumerate());
    let (send, results) = sync_channel(BACKLOG);
    thread::scope(|scope| {
        for _ in 0..threads() {
            let (send, groups, work) = (send.clone(), &groups, &work);
            scope.spawn(move || {
                loop {
                    let Some((place, group)) = lock(groups).next() else { return };
                    let results: Vec<_> = group.into_iter().map(work).collect();
                    // After an error, the receiver has been dropped.
                    if send.send((place, results)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (place, results) in results {
            early.insert(place, results);
            while let Some(results) = early.remove(&next) {
                results.into_iter().try_for_each(|result| take(result?))?;
                next += 1;
            }
        }
        Ok(())
    })
}

/// Converts each item with `make` on this thread, in order, and applies `work` to the results on
/// others. Stops at the first error.
pub fn each<T, U: Send, E: Send>(
    items: Vec<T>,
    make: impl FnMut(T) -> Result<Option<U>, E>,
    work: impl Fn(U) -> Result<(), E> + Sync,
) -> Result<(), E> {
    each_of_size(GROUP, items, make, work)
}

/// The same for a few items that take long.
pub fn each_long<T, U: Send, E: Send>(
    items: Vec<T>,
    make: impl FnMut(T) -> Result<Option<U>, E>,
    work: impl Fn(U) -> Result<(), E> + Sync,
) -> Result<(), E> {
    each_of_size(1, items, make, work)
}

fn each_of_size<T, U: Send, E: Send>(
    size: usize,
    items: Vec<T>,
    mut make: impl FnMut(T) -> Result<Option<U>, E>,
    work: impl Fn(U) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if items.len() <= size {
        return items.into_iter().try_for_each(|item| make(item)?.map_or(Ok(()), &work));
    }
    let (send, jobs) = sync_channel(BACKLOG);
    let jobs = Mutex::new(jobs);
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads() {
            let (jobs, failed, work) = (&jobs, &failed, &work);
            scope.spawn(move || {
                loop {
                    let next = lock(jobs).recv();
                    let Ok(jobs) = next else { return };
                    // After an error, waiting items are only discarded.
                    if lock(failed).is_none()
                        && let Err(error) = Vec::into_iter(jobs).try_for_each(work)
                    {
                        lock(failed).get_or_insert(error);
                    }
                }
            });
        }
        for group in groups(items.into_iter(), size) {
            if lock(&failed).is_some() {
                break;
            }
            let mut jobs = Vec::with_capacity(size);
            for item in group {
                jobs.extend(make(item)?);
            }
            if send.send(jobs).is_err() {
                break;
            }
        }
        drop(send);
        Ok(())
    })?;
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn what_comes_of_items_comes_in_their_order() {
        for count in [0, 5, 1_000] {
            let mut taken = Vec::new();
            let items: Vec<usize> = (0..count).collect();
            let doubled = |item: usize| {
                if item.is_multiple_of(97) {
                    thread::yield_now();
                }
                Ok::<usize, ()>(item * 2)
            };
            map(items, doubled, |result| {
                taken.push(result);
                Ok(())
            })
            .unwrap();
            assert_eq!(taken, (0..count).map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_it() {
        for count in [10, 1_000] {
            let items: Vec<usize> = (0..count).collect();
            let odd = |item| if item == 7 { Err(item) } else { Ok(item) };
            assert_eq!(map(items.clone(), odd, |_| Ok(())), Err(7));
            let late = |item| if item == 8 { Err(item) } else { Ok(()) };
            assert_eq!(map(items.clone(), Ok, late), Err(8));
            let done = AtomicUsize::new(0);
            let work = |item| {
                done.fetch_add(1, Ordering::Relaxed);
                odd(item).map(|_| ())
            };
            assert_eq!(each(items.clone(), |item| Ok(Some(item)), work), Err(7));
            assert!(done.load(Ordering::Relaxed) <= count);
            let make = |item| if item == 9 { Err(item) } else { Ok(Some(item)) };
            assert_eq!(each(items, make, |_| Ok(())), Err(9));
        }
    }

    #[test]
    fn each_item_is_worked_on_once() {
        for count in [0, 5, 1_000] {
            let sum = AtomicUsize::new(0);
            let wanted: usize = (0..count).filter(|item: &usize| item.is_multiple_of(2)).sum();
            let even = |item: usize| Ok::<_, ()>(item.is_multiple_of(2).then_some(item));
            let add = |item| {
                sum.fetch_add(item, Ordering::Relaxed);
                Ok(())
            };
            each((0..count).collect(), even, add).unwrap();
            each_long((0..count).collect(), even, add).unwrap();
            assert_eq!(sum.into_inner(), 2 * wanted);
        }
    }
}
