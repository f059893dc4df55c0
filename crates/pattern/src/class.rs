//! What stands in square brackets, and the classes that have a letter.

use crate::Flags;

/// The inside of the class `\d`, `\w` or `\s`, by its letter in lower case.
pub fn inside(letter: char, flags: Flags) -> &'static str {
    match (letter, flags.unicode) {
        ('d', false) => "0-9",
        ('d', true) => r"\p{Nd}",
        ('w', false) => "a-zA-Z0-9_",
        // Python: letters, numbers of every kind, and the underscore; no combining marks.
        ('w', true) => r"\p{L}\p{N}_",
        ('s', false) => r" \t\n\r\x0b\x0c",
        (_, _) => r"\s\x1c-\x1f",
    }
}

/// The class itself; a capital letter means all others.
pub fn named(letter: char, flags: Flags) -> String {
    let inside = inside(letter.to_ascii_lowercase(), flags);
    if letter.is_ascii_uppercase() { format!("[^{inside}]") } else { format!("[{inside}]") }
}

/// A character that means itself, in a class or outside of one.
pub fn literal(character: char) -> String {
    if character.is_alphanumeric() || !character.is_ascii() {
        character.to_string()
    } else {
        format!(r"\x{:02x}", u32::from(character))
    }
}
