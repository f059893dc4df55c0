//! Points in time as people read them, in their language.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const SPANISH: [&str; 12] = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
];
const FRENCH: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// A time in seconds since the epoch, to the minute, in UTC; in English where the language is none
/// that texts are written in.
pub fn on(seconds: f64, language: &str) -> String {
    let Ok(time) = Timestamp::from_second(seconds as i64) else { return "?".to_owned() };
    let time = time.to_zoned(TimeZone::UTC);
    let (day, month, year) =
        (time.day(), usize::from(time.month().unsigned_abs()) - 1, time.year());
    let clock = format!("{:02}:{:02} UTC", time.hour(), time.minute());
    match language.split(['-', '_']).next().unwrap_or_default() {
        "de" => format!("{day}. {} {year}, {clock}", GERMAN[month]),
        "es" => format!("{day} de {} de {year}, {clock}", SPANISH[month]),
        "fr" => {
            let day = if day == 1 { "1er".to_owned() } else { day.to_string() };
            format!("{day} {} {year} à {clock}", FRENCH[month])
        }
        _ => format!("{day} {} {year}, {clock}", ENGLISH[month]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_way() {
        let at = 1_772_323_200.0;
        assert_eq!(on(at, "en"), "1 March 2026, 00:00 UTC");
        assert_eq!(on(at, "de"), "1. März 2026, 00:00 UTC");
        assert_eq!(on(at, "es"), "1 de marzo de 2026, 00:00 UTC");
        assert_eq!(on(at, "fr"), "1er mars 2026 à 00:00 UTC");
        assert_eq!(on(at, "fi"), on(at, ""));
        assert_eq!(on(f64::INFINITY, "en"), "?");
    }
}
