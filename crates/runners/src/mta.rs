//! Creates the transport to the MTA from the site's settings.

use dormouse_delivery::{Credentials, Pin, SessionOptions, TlsPolicy, TokenCommand, Transport};
use dormouse_store::config::TlsPolicy as Setting;
use dormouse_store::{Site, StoreError};
use std::fs;

/// Returns the transport and its options.
///
/// # Errors
/// If a setting does not name a transport, or a password cannot be read.
pub fn from_settings(site: &Site) -> Result<(Transport, SessionOptions), StoreError> {
    let config = site.config();
    let wrong = |problem: String| StoreError::Config { path: site.config_file(), problem };
    let mut transport: Transport = config
        .delivery_url
        .parse()
        .map_err(|error| wrong(format!("delivery.url: {:?}: {error}", config.delivery_url)))?;
    if let Transport::Maildir(dir) = &mut transport {
        *dir = site.dir().join(&dir);
    }
    // The user may be in the URL or in a separate setting; the password is in a file.
    let in_url = match &transport {
        Transport::Smtp(endpoint) if endpoint.password.is_none() => endpoint.user.as_deref(),
        _ => None,
    };
    let user = Some(config.delivery_user.as_str()).filter(|user| !user.is_empty()).or(in_url);
    let file = config.delivery_password_file.trim();
    let command = config.delivery_token_command.trim();
    let token = match user {
        Some(user) if !command.is_empty() => Some((user.to_owned(), TokenCommand::new(command))),
        None if !command.is_empty() => {
            return Err(wrong(
                "delivery.token_command is set, and delivery.user is not".to_owned(),
            ));
        }
        _ => None,
    };
    let pins = config.delivery_tls_pins.iter().map(|pin| pin.parse::<Pin>());
    let pins = pins
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(format!("delivery.tls_pins: {}", error.problem)))?;
    let credentials = match user {
        Some(_) if token.is_some() => None,
        Some(user) if file.is_empty() => {
            let setting =
                if config.delivery_user.is_empty() { "delivery.url" } else { "delivery.user" };
            return Err(wrong(format!(
                "{setting} names the user {user:?}, and delivery.password_file no file with the \
                 password"
            )));
        }
        user => credentials(site, user.unwrap_or_default(), file)?,
    };
    let named = |name: &str| Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
    let options = SessionOptions {
        timeout: config.delivery_timeout.duration(),
        helo: named(&config.delivery_helo).or_else(|| named(&config.host)),
        tls: match config.delivery_tls {
            Setting::Auto => TlsPolicy::Auto,
            Setting::Required => TlsPolicy::Required,
            Setting::Never => TlsPolicy::Never,
        },
        credentials,
        pins,
        token,
        xverp: config.delivery_xverp,
        ..SessionOptions::default()
    };
    Ok((transport, options))
}

/// Returns a user with the password from a file of the site; `None` without a user.
pub(crate) fn credentials(
    site: &Site,
    user: &str,
    password_file: &str,
) -> Result<Option<Credentials>, StoreError> {
    if user.is_empty() {
        return Ok(None);
    }
    let path = site.resolve(password_file);
    let password = fs::read_to_string(&path).map_err(|source| StoreError::Io {
        action: "read the password in",
        path,
        source,
    })?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Some(Credentials { user: user.to_owned(), password }))
}
