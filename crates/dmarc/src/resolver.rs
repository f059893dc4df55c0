//! Lookups in the DNS.

use crate::policy::{PREFIX, RECORD};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::{Resolver as Library, TokioResolver};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The relevant records of a name. Irrelevant ones are left out because answers are cached: for a
/// policy, only texts that begin like one count, and at most two are kept (two are already an
/// error); for a DKIM key, only texts that may be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// These records; none if the name does not exist.
    Records(Vec<String>),
    /// The lookup failed, for this reason.
    Failed(String),
}

/// All texts of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxtRecords {
    /// The texts at the name, or at the one that it is an alias of.
    pub texts: Vec<String>,
    /// The name that it is an alias of (CNAME).
    pub alias: Option<String>,
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// A server in the settings is not an address.
    #[error("{0:?} is not the address of a name server, such as 192.0.2.1 or 192.0.2.1:53")]
    BadServer(String),
    /// The host's own settings cannot be read.
    #[error("the host's name servers are not known (/etc/resolv.conf): {0}")]
    NoSystem(#[source] NetError),
    /// The library cannot be started.
    #[error("names cannot be looked up: {0}")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Queries name servers, those of the host or others.
pub struct Resolver {
    library: TokioResolver,
    runtime: tokio::runtime::Runtime,
    timeout: Duration,
}

/// The maximum length of a policy in bytes.
const LONGEST: usize = 1024;
/// An RSA key of 8192 bits takes some 1500 bytes.
const LONGEST_KEY: usize = 2048;
/// The minimum and maximum time for which an answer is cached.
const KEPT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// How long a negative answer without a time to live is cached (RFC 2308 §5 allows more).
const NOTHING_KEPT: Duration = Duration::from_secs(300);
/// The maximum for negative answers (RFC 2308 §5 recommends one to three hours).
const NOTHING_KEPT_MOST: Duration = Duration::from_secs(3 * 3600);
/// How long a failure is cached (RFC 2308 §7 allows five minutes).
const FAILURE_KEPT: Duration = Duration::from_secs(60);

impl Resolver {
    /// A resolver that queries `servers` (`ADDRESS` or `ADDRESS:PORT`), or those of the host if it
    /// is empty. Each call returns within `timeout`, however many names it looks up.
    pub fn new(servers: &[String], timeout: Duration) -> Result<Resolver, ResolverError> {
        let mut builder = if servers.is_empty() {
            Library::builder_tokio().map_err(ResolverError::NoSystem)?
        } else {
            let servers = servers.iter().map(|server| name_server(server));
            let config = ResolverConfig::from_name_servers(servers.collect::<Result<_, _>>()?);
            Library::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = timeout.mul_f64(0.6);
        options.attempts = 1;
        // Answers are cached in the database, beyond the end of this process.
        options.cache_size = 0;
        let library = builder.build().map_err(|error| ResolverError::Start(Box::new(error)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ResolverError::Start(Box::new(error)))?;
        Ok(Resolver { library, runtime, timeout })
    }

    /// Looks up all names, and returns each answer with the time for which it may be cached.
    pub fn texts(&self, names: Vec<String>) -> Vec<(String, Answer, Duration)> {
        self.runtime.block_on(async {
            let deadline = tokio::time::Instant::now() + self.timeout;
            let mut asked = JoinSet::new();
            for name in names {
                let library = self.library.clone();
                asked.spawn(async move {
                    let answer = tokio::time::timeout_at(deadline, ask(&library, &name)).await;
                    let (answer, kept) = answer.unwrap_or_else(|_| {
                        (Answer::Failed("no name server answered in time".to_owned()), FAILURE_KEPT)
                    });
                    (name, answer, kept)
                });
            }
            asked.join_all().await
        })
    }

    /// Looks up one name, uncached, and whether it is an alias.
    ///
    /// # Errors
    /// The reason, if the lookup fails.
    pub fn look(&self, name: &str) -> Result<TxtRecords, String> {
        let nothing = TxtRecords { texts: Vec::new(), alias: None };
        let Ok(name) = Name::from_utf8(format!("{name}.")) else { return Ok(nothing) };
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(self.timeout, self.library.txt_lookup(name)).await
        });
        match answer {
            Err(_) => Err("no name server answered in time".to_owned()),
            Ok(Ok(found)) => Ok(TxtRecords {
                texts: texts(&found)
                    .map(|text| String::from_utf8_lossy(&text).into_owned())
                    .collect(),
                alias: found.answers().iter().find_map(|record| match &record.data {
                    RData::CNAME(target) => {
                        Some(target.to_string().trim_end_matches('.').to_owned())
                    }
                    _ => None,
                }),
            }),
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Ok(nothing),
            Ok(Err(error)) => Err(error.to_string()),
        }
    }
}

/// The texts of an answer.
fn texts(found: &Lookup) -> impl Iterator<Item = Vec<u8>> {
    found.answers().iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    })
}

/// Filters the texts by the kind of the name.
fn of_kind(name: &str, texts: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    let (most, longest) = if name.starts_with(PREFIX) { (2, LONGEST) } else { (3, LONGEST_KEY) };
    let is_wanted = |text: &Vec<u8>| match name.starts_with(PREFIX) {
        true => text.starts_with(RECORD.as_bytes()),
        false => text.windows(2).any(|pair| pair == b"p="),
    };
    let text =
        |text: Vec<u8>| String::from_utf8_lossy(&text[..text.len().min(longest)]).into_owned();
    texts.filter(is_wanted).map(text).take(most).collect()
}

async fn ask(library: &TokioResolver, asked: &str) -> (Answer, Duration) {
    // The closing dot keeps the host's search domains out of it. A name that cannot be queried
    // cannot have records either.
    let Ok(name) = Name::from_utf8(format!("{asked}.")) else {
        return (Answer::Records(Vec::new()), NOTHING_KEPT);
    };
    match library.txt_lookup(name).await {
        Ok(found) => {
            let kept = found.valid_until().saturating_duration_since(Instant::now());
            (Answer::Records(of_kind(asked, texts(&found))), kept.clamp(KEPT.0, KEPT.1))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            let kept = nothing.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            let kept = kept.unwrap_or(NOTHING_KEPT).clamp(KEPT.0, NOTHING_KEPT_MOST);
            (Answer::Records(Vec::new()), kept)
        }
        Err(error) => (Answer::Failed(error.to_string()), FAILURE_KEPT),
    }
}

fn name_server(text: &str) -> Result<NameServerConfig, ResolverError> {
    let bad = |_| ResolverError::BadServer(text.to_owned());
    let address = match text.parse() {
        Ok(ip) => SocketAddr::new(ip, 53),
        Err(_) => text.parse::<SocketAddr>().map_err(bad)?,
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    Ok(NameServerConfig::new(address.ip(), true, connections.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_testkit::dns::NameServer;

    fn resolver(server: &NameServer, timeout: Duration) -> Resolver {
        Resolver::new(&[server.address().to_string()], timeout).unwrap()
    }

    fn ask(resolver: &Resolver, name: &str) -> (Answer, Duration) {
        let mut answers = resolver.texts(vec![name.to_owned()]);
        let (asked, answer, kept) = answers.remove(0);
        assert_eq!(asked, name);
        (answer, kept)
    }

    fn records(texts: &[&str]) -> Answer {
        Answer::Records(texts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_servers_answers_come_with_their_time_to_live() {
        let server = NameServer::start();
        server.txt("_dmarc.a.example", "v=DMARC1; p=reject", 1800);
        let long = format!("v=DMARC1; p=reject; rua={}", "x".repeat(600));
        server.txt("_dmarc.long.example", "v=spf1 -all", 10);
        server.txt("_dmarc.long.example", &long, 10);
        server.alias("_dmarc.b.example", "_dmarc.a.example");
        server.failing("_dmarc.broken.example");
        server.txt("s._domainkey.a.example", "v=spf1 -all", 1800);
        server.txt("s._domainkey.a.example", "k=ed25519; p=AAAA", 1800);
        server.alias("t._domainkey.a.example", "s._domainkey.a.example");
        let resolver = resolver(&server, Duration::from_secs(5));

        let (answer, kept) = ask(&resolver, "_dmarc.a.example");
        assert_eq!(answer, records(&["v=DMARC1; p=reject"]));
        assert!((1795..=1800).contains(&kept.as_secs()), "{kept:?}");
        let (answer, kept) = ask(&resolver, "_dmarc.long.example");
        assert_eq!((answer, kept), (records(&[&long]), KEPT.0));
        assert_eq!(ask(&resolver, "_dmarc.b.example").0, records(&["v=DMARC1; p=reject"]));
        let key = records(&["k=ed25519; p=AAAA"]);
        assert_eq!(ask(&resolver, "s._domainkey.a.example").0, key);
        assert_eq!(ask(&resolver, "t._domainkey.a.example").0, key);
        let seen = resolver.look("t._domainkey.a.example").unwrap();
        assert_eq!(seen.alias.as_deref(), Some("s._domainkey.a.example"));
        assert_eq!(seen.texts, ["v=spf1 -all", "k=ed25519; p=AAAA"]);
        assert_eq!(resolver.look("u._domainkey.a.example").unwrap().texts.len(), 0);
        assert!(resolver.look("_dmarc.broken.example").is_err());
        let (answer, kept) = ask(&resolver, "_dmarc.nowhere.example");
        assert_eq!((answer, kept), (records(&[]), NOTHING_KEPT));
        server.remember_nothing(900);
        let (answer, kept) = ask(&resolver, "_dmarc.nothing.example");
        assert_eq!((answer, kept.as_secs()), (records(&[]), 900));
        let (answer, kept) = ask(&resolver, "_dmarc.broken.example");
        assert!(
            matches!(&answer, Answer::Failed(why) if why.contains("Server Failure")),
            "{answer:?}"
        );
        assert_eq!(kept, FAILURE_KEPT);
    }

    #[test]
    fn a_silent_server_costs_the_time_limit_once_for_all_names() {
        let server = NameServer::silent();
        let resolver = resolver(&server, Duration::from_millis(300));
        let names = (0..50).map(|number| format!("_dmarc.d{number}.example")).collect();
        let started = Instant::now();
        let answers = resolver.texts(names);
        assert_eq!(answers.len(), 50);
        assert!(answers.iter().all(|(_, answer, _)| matches!(answer, Answer::Failed(_))));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_server_must_be_an_address() {
        assert!(name_server("192.0.2.1").is_ok());
        assert!(name_server("[2001:db8::1]:5353").is_ok());
        assert!(name_server("2001:db8::1").is_ok());
        let error = Resolver::new(&["ns.example.org".to_owned()], Duration::from_secs(1));
        assert!(
            matches!(error.err(), Some(ResolverError::BadServer(name)) if name == "ns.example.org")
        );
    }
}
