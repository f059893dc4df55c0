//! `%` formatting: `%s %r %d %i %f %x` with names, width and places, and `%%`.

use crate::Literal;

/// The maximum width of a field.
const WIDEST: usize = 1000;

/// Inserts values into a text.
pub(crate) fn fill(format: &str, values: &Literal) -> Result<String, String> {
    let mut out = String::new();
    let mut letters = format.chars().peekable();
    let single = [values.clone()];
    let row: &[Literal] = match values {
        Literal::Tuple(items) => items,
        _ => &single,
    };
    let mut next = row.iter();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut named = None;
        if letters.next_if_eq(&'(').is_some() {
            let name: String = letters.by_ref().take_while(|letter| *letter != ')').collect();
            named = Some(values.item(&Literal::from(&*name))?);
        }
        let mut spec = String::new();
        while let Some(letter) = letters.next_if(|l| l.is_ascii_digit() || "-+ .#".contains(*l)) {
            spec.push(letter);
        }
        let value = match named {
            Some(value) => value,
            None => next.next().cloned().ok_or("a value for the format is missing")?,
        };
        let (width, places) = spec.split_once('.').unwrap_or((&spec, ""));
        let number = || value.as_float().ok_or_else(|| format!("{value} is not a number"));
        let text = match letters.next() {
            Some('s') => value.to_text(),
            Some('r') => value.to_string(),
            Some('d' | 'i') => (number()?.trunc() as i64).to_string(),
            Some('x') => format!("{:x}", number()?.trunc() as i64),
            Some('f') => {
                let places = places.parse().unwrap_or(6usize).min(30);
                format!("{:.places$}", number()?)
            }
            _ => return Err("a % in the format is not read".to_owned()),
        };
        let (left, zero) = (width.starts_with('-'), width.starts_with('0'));
        let width: usize = width.trim_start_matches(['-', '+', ' ', '#']).parse().unwrap_or(0);
        let pad = width.min(WIDEST).saturating_sub(text.chars().count());
        let fill = if zero { "0" } else { " " }.repeat(pad);
        out.push_str(&if left { text + &fill } else { fill + &text });
    }
    Ok(out)
}
