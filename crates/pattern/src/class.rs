//! The content of square brackets, and the classes named by a letter.

use crate::Flags;

/// The content of the class `\d`, `\w` or `\s`, by its letter in lower case.
pub fn inside(letter: char, flags: Flags) -> &'static str {
    match (letter, flags.unicode) {
        ('d', false) => "0-9",
        ('d', true) => r"\p{Nd}",
        ('w', false) => "a-zA-Z0-9_",
        // Python: letters, numbers of every kind, and the underscore, but no combining marks.
        ('w', true) => r"\p{L}\p{N}_",
        ('s', false) => r" \t\n\r\x0b\x0c",
        (_, _) => r"\s\x1c-\x1f",
    }
}

/// The class itself; an upper-case letter means its complement.
pub fn named(letter: char, flags: Flags) -> String {
    let inside = inside(letter.to_ascii_lowercase(), flags);
    if letter.is_ascii_uppercase() { format!("[^{inside}]") } else { format!("[{inside}]") }
}

/// A literal character, inside or outside of a class.
pub fn literal(character: char) -> String {
    if character.is_alphanumeric() || !character.is_ascii() {
        character.to_string()
    } else {
        format!(r"\x{:02x}", u32::from(character))
    }
}
