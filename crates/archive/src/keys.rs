//! Sort keys for messages (docs/spec/archives.md §4).

use dormouse_store::archive_index::{Indexed, Order};

/// The maximum depth of threads. Deeper messages have this depth.
const DEEPEST: usize = 40;

/// Returns the key of a message in an order.
pub fn key(order: Order, message: &Indexed) -> String {
    let Indexed { number, date, message_id, .. } = message;
    let by_date = format!("{date:011}\n{message_id}\n{number:09}");
    match order {
        Order::Thread => message.thread_key.clone(),
        Order::Date => by_date,
        Order::Subject => format!("{}\n{by_date}", message.stripped),
        Order::Author => format!("{}\n{by_date}", last_name_first(&message.author).to_lowercase()),
    }
}

/// Returns the key of a message in its thread, below its parent.
pub fn thread_key(parent: Option<&str>, date: i64, number: i64) -> String {
    let parent = parent.unwrap_or_default();
    let end = parent.match_indices('-').nth(DEEPEST - 1).map_or(parent.len(), |(at, _)| at + 1);
    format!("{}{date:011}.{number}-", &parent[..end])
}

/// Whether a key begins a thread.
pub fn is_root(thread_key: &str) -> bool {
    thread_key.matches('-').count() == 1
}

/// Converts `Maria von der Heide` to `Heide von der, Maria`: names are sorted by the last word,
/// followed by words in lower case before it.
pub fn last_name_first(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let [first @ .., last] = words.as_slice() else { return name.to_owned() };
    if name.contains(',') || first.is_empty() {
        return name.to_owned();
    }
    let is_small = |word: &&&str| word.starts_with(char::is_lowercase);
    let small = first[1..].iter().rev().take_while(is_small).count();
    let (given, particles) = first.split_at(first.len() - small);
    format!("{}, {}", [&[*last], particles].concat().join(" "), given.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_by_their_last_word() {
        for (name, expected) in [
            ("Maria von der Heide", "Heide von der, Maria"),
            ("Anna Lena Berg", "Berg, Anna Lena"),
            ("Berg, Anna", "Berg, Anna"),
            ("anna", "anna"),
            ("anna berg", "berg, anna"),
            ("", ""),
        ] {
            assert_eq!(last_name_first(name), expected);
        }
    }

    #[test]
    fn answers_stand_behind_what_they_answer_however_deep() {
        let root = thread_key(None, 5, 0);
        let mut last = root.clone();
        assert!(is_root(&root));
        let next = thread_key(None, 6, 1);
        for number in 2..200 {
            let key = thread_key(Some(&last), 7, number);
            assert!(key.starts_with(&root) && key < next && !is_root(&key));
            assert!(key.len() < 1000);
            last = key;
        }
    }
}
