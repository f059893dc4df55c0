//! A site's appearance: its colour, kept readable, and its logo.

use crate::page::{self, STYLE};
use crate::server::App;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dormouse_store::Config;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

/// The maximum size of a logo, in bytes.
const LARGEST: u64 = 512 * 1024;
/// The minimum contrast of text (WCAG 2.2, 1.4.3), and a little more.
const CONTRAST: f64 = 4.6;
/// The backgrounds in `style.css`: light mode's paper, cards and white letters; dark mode's paper,
/// cards and dark letters.
const BY_DAY: [Colour; 3] =
    [Colour(0xf6, 0xf5, 0xf1), Colour(0xff, 0xff, 0xff), Colour(0xff, 0xff, 0xff)];
const BY_NIGHT: [Colour; 3] =
    [Colour(0x16, 0x19, 0x1e), Colour(0x1e, 0x22, 0x29), Colour(0x0d, 0x1a, 0x13)];

/// The logo.
pub fn routes() -> Router<Arc<App>> {
    crate::desk::at("/logo", axum::routing::get(logo))
}

/// A site's appearance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looks {
    /// The addition to the stylesheet.
    pub style: String,
    /// Whether there is a logo.
    pub has_logo: bool,
    /// The Content-Security-Policy of pages.
    pub policy: String,
}

impl Looks {
    /// The appearance that a site's settings give.
    pub fn of(config: &Config) -> Looks {
        let style = Colour::parse(&config.web_colour).map(style).unwrap_or_default();
        let has_logo = !config.web_logo.trim().is_empty();
        let mut hashes = hash(STYLE);
        if !style.is_empty() {
            hashes.push_str(&format!(" {}", hash(&style)));
        }
        let images = if has_logo { "img-src 'self'; " } else { "" };
        // Nothing else is loaded, no script runs, and no site may frame the page.
        let policy = format!(
            "default-src 'none'; style-src {hashes}; {images}form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        Looks { style, has_logo, policy }
    }
}

/// A style's hash for the policy.
fn hash(style: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(Sha256::digest(style.as_bytes())))
}

/// The rules for the site's colour of buttons and links, in light and dark mode.
fn style(colour: Colour) -> String {
    let day = colour.until_readable(Colour(0, 0, 0), BY_DAY);
    let night = colour.until_readable(Colour(0xff, 0xff, 0xff), BY_NIGHT);
    format!(
        ":root {{ --go: {day}; --link: {day}; }} \
         @media (prefers-color-scheme: dark) {{ :root {{ --go: {night}; --link: {night}; }} }}"
    )
}

/// An RGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour(u8, u8, u8);

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Colour {
    /// Parses `#1a6f45`.
    fn parse(text: &str) -> Option<Colour> {
        let digits = text.trim().strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let number = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Colour(number[1], number[2], number[3]))
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let part = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(self.0) + 0.7152 * part(self.1) + 0.0722 * part(self.2)
    }

    /// The contrast ratio to another colour, from 1 to 21.
    fn contrast(self, other: Colour) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The first colour on the way to `end` that is readable on all of `grounds`.
    fn until_readable(self, end: Colour, grounds: [Colour; 3]) -> Colour {
        let mixed = |share: u16| {
            let part = |from: u8, to: u8| {
                let sum = u16::from(from) * (100 - share) + u16::from(to) * share;
                u8::try_from(sum / 100).unwrap_or(to)
            };
            Colour(part(self.0, end.0), part(self.1, end.1), part(self.2, end.2))
        };
        let is_readable =
            |colour: &Colour| grounds.iter().all(|ground| colour.contrast(*ground) >= CONTRAST);
        (0..=100).map(mixed).find(is_readable).unwrap_or(end)
    }
}

/// The media type of a picture, by its name.
fn kind(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

async fn logo(State(app): State<Arc<App>>) -> Response {
    crate::desk::blocking(move || {
        let name = app.site.config().web_logo.trim();
        let path = app.site.dir().join(name);
        let Some(kind) = kind(&path).filter(|_| !name.is_empty()) else { return page::not_found() };
        let is_small = std::fs::metadata(&path).is_ok_and(|found| found.len() <= LARGEST);
        match std::fs::read(&path) {
            Ok(bytes) if is_small => {
                let headers = [
                    (header::CONTENT_TYPE, kind),
                    (header::CACHE_CONTROL, "public, max-age=3600"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                    // Scripts in an SVG do not run even if it is opened by itself.
                    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
                ];
                (headers, bytes).into_response()
            }
            Ok(_) => {
                tracing::warn!(
                    "{}: a logo of more than {LARGEST} bytes is not sent",
                    path.display()
                );
                page::not_found()
            }
            Err(error) => {
                tracing::warn!("{}: the logo cannot be read: {error}", path.display());
                page::not_found()
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_colour_everything_can_be_read() {
        for red in (0..=255).step_by(51) {
            for green in (0..=255).step_by(51) {
                for blue in (0..=255).step_by(51) {
                    let colour = Colour(red, green, blue);
                    for (end, grounds) in
                        [(Colour(0, 0, 0), BY_DAY), (Colour(0xff, 0xff, 0xff), BY_NIGHT)]
                    {
                        let shown = colour.until_readable(end, grounds);
                        for ground in grounds {
                            assert!(shown.contrast(ground) >= 4.5, "{colour} as {shown}");
                        }
                    }
                }
            }
        }
        // A readable colour stays unchanged.
        let green = Colour::parse("#1a6f45").unwrap();
        assert_eq!(green.until_readable(Colour(0, 0, 0), BY_DAY), green);
    }

    #[test]
    fn colours_are_read_and_nothing_else() {
        assert_eq!(Colour::parse(" #1A6f45 "), Some(Colour(0x1a, 0x6f, 0x45)));
        for wrong in ["", "1a6f45", "#1a6f4", "#1a6f455", "red", "#ggg000", "#1a6f45;}"] {
            assert_eq!(Colour::parse(wrong), None, "{wrong}");
        }
    }
}
