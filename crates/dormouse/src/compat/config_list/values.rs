//! Converts settings to Python values, and back.

use super::options::OptionKind;
use dormouse_python_literal::Literal;
use dormouse_store::ListSettings;
use dormouse_store::value::SettingValue as _;

const DAY: f64 = 86_400.0;

/// Returns a setting's value as in Mailman's `config_list`.
pub fn to_python(settings: &ListSettings, name: &str, kind: OptionKind) -> Result<Literal, String> {
    let text = settings.kept(name).ok_or_else(|| format!("there is no setting {name}"))?;
    let items = |text: &str| Vec::<String>::read(text);
    Ok(match kind {
        OptionKind::Choice(_) => {
            let number = settings.number(name).ok_or_else(|| format!("{name} is not a choice"))?;
            Literal::Int(number)
        }
        OptionKind::Text | OptionKind::Host | OptionKind::Address => Literal::from(text.as_str()),
        OptionKind::Lines => Literal::from(items(&text)?.join("\n").as_str()),
        OptionKind::Whole => Literal::Int(i64::read(&text)?),
        OptionKind::Number if name == "bounce_score_threshold" => Literal::Float(f64::read(&text)?),
        OptionKind::Number => number(f64::read(&text)?),
        OptionKind::Days => number(f64::read(&text)? / DAY),
        OptionKind::Addresses
        | OptionKind::Patterns
        | OptionKind::PatternsAndLists
        | OptionKind::Names => {
            Literal::List(items(&text)?.iter().map(|item| Literal::from(item.as_str())).collect())
        }
        OptionKind::HeaderRules | OptionKind::Topics => {
            let json: serde_json::Value =
                serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
            from_json(&json, 0)?
        }
    })
}

fn number(number: f64) -> Literal {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        Literal::Int(number as i64)
    } else {
        Literal::Float(number)
    }
}

/// Converts JSON to a list of tuples.
fn from_json(json: &serde_json::Value, depth: usize) -> Result<Literal, String> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Literal::Int(0),
        Json::Bool(flag) => Literal::Int(i64::from(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Literal::Int(number),
            None => Literal::Float(number.as_f64().ok_or("a number is too large")?),
        },
        Json::String(text) => Literal::from(text.as_str()),
        Json::Array(items) if depth < 4 => {
            let items: Vec<Literal> =
                items.iter().map(|item| from_json(item, depth + 1)).collect::<Result<_, _>>()?;
            if depth == 0 { Literal::List(items) } else { Literal::Tuple(items) }
        }
        Json::Array(_) | Json::Object(_) => return Err("it is not a list of tuples".to_owned()),
    })
}

/// Returns the right side of an assignment. A text with several lines is in three double quotes,
/// one that is not ASCII in single double quotes.
pub fn literal(value: &Literal) -> String {
    let Literal::Bytes(bytes) = value else { return value.to_string() };
    let Ok(text) = std::str::from_utf8(bytes) else { return value.to_string() };
    let several = text.trim_end_matches('\n').contains('\n');
    if !several && text.is_ascii() {
        return value.to_string();
    }
    let quotes = if several { "\"\"\"" } else { "\"" };
    let mut out = quotes.to_owned();
    for letter in text.chars() {
        match letter {
            '\n' if several => out.push('\n'),
            '\n' => out.push_str("\\n"),
            '\\' | '"' => out.extend(['\\', letter]),
            // Only ASCII can be escaped in a byte string; other control characters are written as they are.
            letter if letter.is_ascii_control() => {
                out.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out + quotes
}

/// Converts a value to a setting's text, which [`ListSettings::put`] reads and
/// [`ListSettings::check`] judges.
pub fn to_setting(kind: OptionKind, value: &Literal) -> Result<String, String> {
    let text = || value.as_text().ok_or_else(|| format!("{} is not a text", value.kind()));
    Ok(match kind {
        OptionKind::Choice(names) => {
            let number = whole(value)?;
            if usize::try_from(number).is_ok_and(|number| number < names.len()) {
                number.to_string()
            } else {
                let all: Vec<String> =
                    names.iter().enumerate().map(|(at, name)| format!("{at} ({name})")).collect();
                return Err(format!("{value} is not one of {}", all.join(", ")));
            }
        }
        OptionKind::Text => text()?,
        OptionKind::Host => text()?.to_lowercase(),
        OptionKind::Address => text()?.trim().to_owned(),
        OptionKind::Whole => whole(value)?.to_string(),
        OptionKind::Number => real(value)?.to_string(),
        OptionKind::Days => format!("{:.0}s", real(value)? * DAY),
        OptionKind::Lines
        | OptionKind::Names
        | OptionKind::Addresses
        | OptionKind::Patterns
        | OptionKind::PatternsAndLists => strings(value)?.write(),
        OptionKind::HeaderRules | OptionKind::Topics => rows(kind, value)?,
    })
}

/// Parses a whole number, also if it is written as a text or with a decimal point.
fn whole(value: &Literal) -> Result<i64, String> {
    let number = real(value)?;
    if number.fract() == 0.0 && number.abs() < 1e15 {
        Ok(number as i64)
    } else {
        Err(format!("{value} is not a whole number"))
    }
}

fn real(value: &Literal) -> Result<f64, String> {
    let written = || value.as_text().and_then(|text| text.trim().parse().ok());
    let number = value.as_float().or_else(written).filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("{value} is not a number"))
}

/// Returns the strings of a list, or the lines of a text.
fn strings(value: &Literal) -> Result<Vec<String>, String> {
    if let Some(text) = value.as_text() {
        return Vec::<String>::read(&format!("{text}\n"));
    }
    let items = value.items().ok_or_else(|| format!("{} is not a list", value.kind()))?;
    let mut strings = Vec::new();
    for item in items {
        let text = item.as_text().ok_or_else(|| format!("{item} in it is not a text"))?;
        if text.contains('\n') {
            return Err(format!("{item} in it has several lines"));
        }
        if !text.trim().is_empty() {
            strings.push(text.trim().to_owned());
        }
    }
    Ok(strings)
}

/// Converts header rules or topics to JSON; each must be complete.
fn rows(kind: OptionKind, value: &Literal) -> Result<String, String> {
    let rows = value.items().ok_or_else(|| format!("{} is not a list", value.kind()))?;
    let mut json = Vec::new();
    for row in rows {
        let wrong = || match kind {
            OptionKind::Topics => format!("{row} is not (name, pattern, description, 0)"),
            _ => format!("{row} is not (patterns, action, 0)"),
        };
        let cells = row.items().ok_or_else(wrong)?;
        let text = |at: usize| cells.get(at).and_then(Literal::as_text).ok_or_else(wrong);
        let number = |at: usize| cells.get(at).and_then(Literal::as_int).ok_or_else(wrong);
        json.push(if kind == OptionKind::Topics {
            serde_json::json!([text(0)?, text(1)?, text(2)?, number(3)?])
        } else {
            serde_json::json!([text(0)?, number(1)?, number(2)?])
        });
    }
    Ok(serde_json::Value::Array(json).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_python_literal::{Scope, What, parse};
    use proptest::prelude::*;

    fn read(literal: &str) -> Literal {
        let file = parse(format!("x = {literal}\n").as_bytes());
        assert_eq!(file.problems, [], "{literal}");
        match &file.statements[0].what {
            What::Assign { value, .. } => Scope::default().evaluate(value).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_are_written_as_config_list_writes_them() {
        assert_eq!(literal(&Literal::from("")), "''");
        assert_eq!(literal(&Literal::from("it's")), "\"it's\"");
        assert_eq!(literal(&Literal::from("DF\n")), "'DF\\n'");
        assert_eq!(
            literal(&Literal::from("a\n<a href=\"x\">\\d")),
            "\"\"\"a\n<a href=\\\"x\\\">\\\\d\"\"\""
        );
        assert_eq!(literal(&Literal::from("caf\u{e9}")), "\"caf\u{e9}\"");
    }

    proptest! {
        #[test]
        fn a_text_is_read_back_as_it_was(text in "(\\PC|[\\n\\r\\t\"'\\\\\u{1}\u{85}]){0,40}") {
            // Python converts Windows line ends, even if an escape splits them.
            let value = Literal::from(text.as_str());
            prop_assert_eq!(read(&literal(&value)), value);
        }
    }
}
