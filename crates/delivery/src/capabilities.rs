//! What a server offers (RFC 5321 §4.1.1.1).

use crate::reply;

/// The service extensions named in a server's answer to EHLO or LHLO that matter here.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870) with the largest message in octets; 0 means that there is no fixed limit.
    pub size: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// XVERP, Postfix's: the server writes each recipient into the sender's address.
    pub xverp: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// AUTH PLAIN (RFC 4954, RFC 4616).
    pub auth_plain: bool,
    /// AUTH LOGIN.
    pub auth_login: bool,
    /// AUTH XOAUTH2.
    pub auth_xoauth2: bool,
    /// It keeps the bytes unchanged, and no server reads them: a Maildir.
    pub verbatim: bool,
}

impl Capabilities {
    /// Reads a whole reply; its first line is the server's name.
    pub(crate) fn parse(reply: &[u8]) -> Capabilities {
        let mut offered = Capabilities::default();
        for line in reply::lines(reply).skip(1) {
            let line = String::from_utf8_lossy(line);
            // Some old servers write AUTH=LOGIN.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next().map(str::to_ascii_uppercase).as_deref() {
                Some("PIPELINING") => offered.pipelining = true,
                Some("SIZE") => {
                    offered.size =
                        Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0));
                }
                Some("8BITMIME") => offered.eight_bit_mime = true,
                Some("SMTPUTF8") => offered.smtputf8 = true,
                Some("XVERP") => offered.xverp = true,
                Some("STARTTLS") => offered.starttls = true,
                Some("AUTH") => {
                    for mechanism in words {
                        offered.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                        offered.auth_xoauth2 |= mechanism.eq_ignore_ascii_case("XOAUTH2");
                        offered.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                    }
                }
                _ => {}
            }
        }
        offered
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;
    use proptest::prelude::*;

    #[test]
    fn an_answer_of_postfix_is_understood() {
        let offered = Capabilities::parse(
            b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ETRN\r\n250-STARTTLS\r\n\
              250-AUTH PLAIN LOGIN XOAUTH2 CRAM-MD5\r\n250-XVERP\r\n250-8bitmime\r\n250 SMTPUTF8\r\n",
        );
        let all = Capabilities {
            pipelining: true,
            size: Some(10_240_000),
            eight_bit_mime: true,
            smtputf8: true,
            xverp: true,
            starttls: true,
            auth_plain: true,
            auth_login: true,
            auth_xoauth2: true,
            verbatim: false,
        };
        assert_eq!(offered, all);
    }

    #[test]
    fn a_servers_name_is_no_offer() {
        assert_eq!(Capabilities::parse(b"250 PIPELINING\r\n"), Capabilities::default());
    }

    #[test]
    fn size_may_come_without_a_limit_and_auth_with_an_equals_sign() {
        let offered = Capabilities::parse(b"250-x\r\n250-SIZE\r\n250 AUTH=LOGIN\r\n");
        assert_eq!(offered.size, Some(0));
        assert!(offered.auth_login && !offered.auth_plain);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Capabilities::parse(&bytes);
        }
    }
}
