//! The client of an OpenID provider: its requests, and the checks of the responses (OpenID Connect Core
//! 1.0, authorization code flow with PKCE, RFC 7636).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use dormouse_archive::percent;
use dormouse_store::Site;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest response accepted, in bytes.
const LARGEST: u64 = 256 * 1024;
/// The algorithms with keys that only the provider has.
const SIGNED_BY_ITS_KEY: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why signing in with a provider failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The provider could not be reached, or refused the request.
    #[error("{0}: {1}")]
    Asking(String, Box<ureq::Error>),
    /// The response cannot be parsed.
    #[error("{0} is not what OpenID Connect says: {1}")]
    Answer(String, String),
    /// The ID token is not valid.
    #[error("the ID token is not valid: {0}")]
    Token(String),
    /// The file with the secret cannot be read.
    #[error("cannot read {0}: {1}")]
    Secret(std::path::PathBuf, std::io::Error),
    /// The provider does not confirm that the address is this person's.
    #[error("it names no verified email address")]
    Unverified,
}

/// A provider, as its own document describes it (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
pub struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
}

/// The random values of one attempt to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// This site as the provider's client.
#[derive(Debug)]
pub struct Client {
    pub issuer: String,
    pub id: String,
    pub secret: Option<String>,
    /// Where the provider sends browsers back to.
    pub redirect: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    #[serde(default)]
    access_token: Option<String>,
}

/// The claims about a person.
#[derive(Debug, Default, Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
}

impl Claims {
    fn verified(&self) -> Option<String> {
        self.email.clone().filter(|_| self.email_verified == Some(true))
    }
}

impl Client {
    /// The client that the site's settings describe; `None` if there is no provider.
    pub fn of(site: &Site) -> Result<Option<Client>, Trouble> {
        let config = site.config();
        if config.web_oidc_issuer.trim().is_empty() {
            return Ok(None);
        }
        let secret = match config.web_oidc_secret_file.trim() {
            "" => None,
            file => {
                let path = site.resolve(file);
                let text = std::fs::read_to_string(&path);
                Some(text.map_err(|error| Trouble::Secret(path, error))?.trim().to_owned())
            }
        };
        let base = match config.web_url.trim() {
            "" => format!("https://{}/mailman/", config.host),
            url => format!("{}/", url.trim_end_matches('/').replace("%(hostname)s", &config.host)),
        };
        Ok(Some(Client {
            issuer: config.web_oidc_issuer.trim().to_owned(),
            id: config.web_oidc_client.trim().to_owned(),
            secret,
            redirect: format!("{base}oidc/callback"),
        }))
    }
}

impl Provider {
    /// Fetches a provider's configuration.
    pub fn discover(client: &Client) -> Result<Provider, Trouble> {
        let issuer = client.issuer.trim_end_matches('/');
        let place = format!("{issuer}/.well-known/openid-configuration");
        let provider: Provider = get(&place, None)?;
        provider.checked(client, &place)
    }

    /// Refuses a configuration of another issuer, or with addresses without encryption.
    fn checked(self, client: &Client, place: &str) -> Result<Provider, Trouble> {
        let wrong = |why: &str| Err(Trouble::Answer(place.to_owned(), why.to_owned()));
        if self.issuer != client.issuer {
            return wrong("it is about another issuer");
        }
        let is_encrypted = client.issuer.starts_with("https://");
        let is_open = |place: &String| is_encrypted && !place.starts_with("https://");
        if is_open(&self.authorization_endpoint)
            || is_open(&self.token_endpoint)
            || is_open(&self.jwks_uri)
            || self.userinfo_endpoint.as_ref().is_some_and(is_open)
        {
            return wrong("it names an address without https");
        }
        Ok(self)
    }

    /// The address at which a browser signs in.
    pub fn place(&self, client: &Client, attempt: &Attempt) -> String {
        let challenge = BASE64.encode(Sha256::digest(attempt.verifier.as_bytes()));
        let between = if self.authorization_endpoint.contains('?') { '&' } else { '?' };
        let query = [
            ("response_type", "code"),
            ("scope", "openid email"),
            ("client_id", &client.id),
            ("redirect_uri", &client.redirect),
            ("state", &attempt.state),
            ("nonce", &attempt.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .join("&");
        format!("{}{between}{query}", self.authorization_endpoint)
    }

    /// Returns the verified email address of the person for whom a code was issued.
    pub fn address(
        &self,
        client: &Client,
        attempt: &Attempt,
        code: &str,
    ) -> Result<String, Trouble> {
        let tokens = self.tokens(client, attempt, code)?;
        let keys: JwkSet = get(&self.jwks_uri, None)?;
        let claims = believed(client, attempt, &keys, &tokens.id_token)?;
        if let Some(address) = claims.verified() {
            return Ok(address);
        }
        let (Some(place), Some(access)) = (&self.userinfo_endpoint, &tokens.access_token) else {
            return Err(Trouble::Unverified);
        };
        let more: Claims = get(place, Some(access))?;
        // Claims about another subject are ignored (OpenID Connect Core 1.0 §5.3.2).
        if more.sub != claims.sub {
            return Err(Trouble::Token("userinfo is about another person".to_owned()));
        }
        more.verified().ok_or(Trouble::Unverified)
    }

    fn tokens(&self, client: &Client, attempt: &Attempt, code: &str) -> Result<Tokens, Trouble> {
        let place = &self.token_endpoint;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect),
            ("code_verifier", &attempt.verifier),
        ];
        let mut request = agent().post(place).header("Accept", "application/json");
        match &client.secret {
            Some(secret) => {
                // Both parts are form-encoded first (RFC 6749 §2.3.1).
                let pair = format!("{}:{}", percent(&client.id), percent(secret));
                let basic = format!("Basic {}", STANDARD.encode(pair));
                request = request.header("Authorization", basic);
            }
            None => form.push(("client_id", &client.id)),
        }
        let answer = request.send_form(form);
        read(place, answer.map_err(|error| Trouble::Asking(place.clone(), Box::new(error)))?)
    }
}

/// The claims of an ID token, if the provider issued it recently, for this site and this attempt.
fn believed(
    client: &Client,
    attempt: &Attempt,
    keys: &JwkSet,
    token: &str,
) -> Result<Claims, Trouble> {
    let wrong = |why: &str| Trouble::Token(why.to_owned());
    let failed = |error: jsonwebtoken::errors::Error| Trouble::Token(error.to_string());
    let header = jsonwebtoken::decode_header(token).map_err(failed)?;
    if !SIGNED_BY_ITS_KEY.contains(&header.alg) {
        return Err(wrong("it is not signed with a key of the provider's own"));
    }
    let key = match (&header.kid, keys.keys.as_slice()) {
        (Some(id), _) => keys.find(id),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let key = key.ok_or_else(|| wrong("the provider has no such key"))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[&client.issuer]);
    validation.set_audience(&[&client.id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    let key = DecodingKey::from_jwk(key).map_err(failed)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(failed)?.claims;
    if claims.nonce.as_deref() != Some(attempt.nonce.as_str()) {
        return Err(wrong("it is of another attempt"));
    }
    if claims.azp.as_ref().is_some_and(|azp| *azp != client.id) {
        return Err(wrong("it was issued to another program"));
    }
    Ok(claims)
}

/// An HTTP client that requires TLS and follows no redirects.
fn agent() -> ureq::Agent {
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> =
        found.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(crypto)
        .build();
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .tls_config(tls)
        .build()
        .into()
}

fn get<T: DeserializeOwned>(place: &str, access: Option<&str>) -> Result<T, Trouble> {
    let mut request = agent().get(place).header("Accept", "application/json");
    if let Some(access) = access {
        request = request.header("Authorization", format!("Bearer {access}"));
    }
    let answer = request.call();
    read(place, answer.map_err(|error| Trouble::Asking(place.to_owned(), Box::new(error)))?)
}

fn read<T: DeserializeOwned>(
    place: &str,
    mut answer: ureq::http::Response<ureq::Body>,
) -> Result<T, Trouble> {
    let text = answer.body_mut().with_config().limit(LARGEST).read_to_string();
    let text = text.map_err(|error| Trouble::Asking(place.to_owned(), Box::new(error)))?;
    serde_json::from_str(&text)
        .map_err(|error| Trouble::Answer(place.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};
    use std::time::{SystemTime, UNIX_EPOCH};

    struct Fixture {
        client: Client,
        attempt: Attempt,
        keys: JwkSet,
        private: EncodingKey,
    }

    fn fixture() -> Fixture {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = BASE64.encode(pair.public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x}]});
        let text = |text: &str| text.to_owned();
        Fixture {
            client: Client {
                issuer: text("https://id.example"),
                id: text("lists"),
                secret: None,
                redirect: text("https://l.example/mailman/oidc/callback"),
            },
            attempt: Attempt { state: text("s"), nonce: text("n"), verifier: text("v") },
            keys: serde_json::from_value(keys).unwrap(),
            private: EncodingKey::from_ed_der(pkcs8.as_ref()),
        }
    }

    fn claims() -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        json!({"iss": "https://id.example", "aud": "lists", "sub": "1", "exp": now + 60,
               "nonce": "n", "email": "anna@example.org", "email_verified": true})
    }

    impl Fixture {
        fn token(&self, kid: &str, claims: &Value) -> String {
            let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
            encode(&header, claims, &self.private).unwrap()
        }

        fn believed(&self, token: &str) -> Result<Claims, Trouble> {
            believed(&self.client, &self.attempt, &self.keys, token)
        }
    }

    #[test]
    fn only_what_the_provider_wrote_for_this_attempt_is_believed() {
        let fixture = fixture();
        let good = fixture.believed(&fixture.token("a", &claims())).unwrap();
        assert_eq!(good.verified().as_deref(), Some("anna@example.org"));
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!("https://id.example/")),
            ("iss", Value::Null),
            ("aud", json!("others")),
            ("aud", json!([])),
            ("azp", json!("others")),
            ("exp", json!(1_000_000)),
            ("exp", Value::Null),
            ("nonce", json!("other")),
            ("nonce", Value::Null),
            ("nbf", json!(99_999_999_999_u64)),
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            let token = fixture.token("a", &claims);
            assert!(fixture.believed(&token).is_err(), "{name}: {value}");
        }
        assert!(fixture.believed(&fixture.token("b", &claims())).is_err(), "another key");
        let other = super::tests::fixture();
        assert!(fixture.believed(&other.token("a", &claims())).is_err(), "a forged one");
    }

    #[test]
    fn a_token_that_anybody_can_sign_is_not_believed() {
        let fixture = fixture();
        let key = serde_json::to_value(&fixture.keys).unwrap()["keys"][0]["x"].to_string();
        for secret in [key.as_bytes(), b"", b"lists"] {
            let header = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
            let token = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
            assert!(fixture.believed(&token).is_err());
        }
        let body = BASE64.encode(claims().to_string());
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","kid":"a"}"#, "{}"] {
            let token = format!("{}.{body}.", BASE64.encode(header));
            assert!(fixture.believed(&token).is_err(), "{header}");
        }
    }

    #[test]
    fn an_address_that_is_not_verified_is_nobodys() {
        for verified in [json!(false), Value::Null, json!(true)] {
            let mut claims = claims();
            claims["email_verified"] = verified.clone();
            let claims: Claims = serde_json::from_value(claims).unwrap();
            assert_eq!(claims.verified().is_some(), verified == json!(true));
        }
    }

    #[test]
    fn a_provider_speaks_for_itself_alone_and_encrypted() {
        let fixture = fixture();
        let provider = |issuer: &str, token: &str| Provider {
            issuer: issuer.to_owned(),
            authorization_endpoint: "https://id.example/authorize?x=1".to_owned(),
            token_endpoint: token.to_owned(),
            jwks_uri: "https://id.example/keys".to_owned(),
            userinfo_endpoint: None,
        };
        let token = "https://id.example/token";
        let good = provider("https://id.example", token).checked(&fixture.client, "x").unwrap();
        let place = good.place(&fixture.client, &fixture.attempt);
        assert!(
            place.starts_with("https://id.example/authorize?x=1&response_type=code"),
            "{place}"
        );
        assert!(place.contains("code_challenge_method=S256") && place.contains("nonce=n"));
        for (issuer, token) in [
            ("https://evil.example", token),
            ("https://id.example/", token),
            ("https://id.example", "http://id.example/token"),
        ] {
            assert!(provider(issuer, token).checked(&fixture.client, "x").is_err(), "{issuer}");
        }
    }
}
