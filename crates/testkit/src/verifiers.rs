//! Two verifiers of signatures and of chains of seals that share no code with each other or with
//! dormouse: dkimpy, and Perl's Mail::DKIM, which supports RSA only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The texts of TXT records by name.
#[derive(Debug, Default, Clone)]
pub struct Records(pub HashMap<String, String>);

impl Records {
    /// Parses lines of a zone file, as `dormouse dkim dns` prints them.
    pub fn of_zone(zone: &str) -> Records {
        let record = |line: &str| {
            let (name, rest) = line.split_once(" IN TXT ").expect("a TXT record");
            let text = rest.split('"').skip(1).step_by(2).collect::<String>();
            (name.trim_end_matches('.').to_owned(), text)
        };
        Records(zone.lines().map(record).collect())
    }
}

/// The verdict on a signature: its domain and selector, or what is wrong with it.
pub type Verdict = Result<(String, String), String>;

/// The verdict on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// On its chain of seals: `none`, `pass` or `fail`.
    pub chain: String,
    /// On each signature.
    pub signatures: Vec<Verdict>,
}

/// Both verifiers.
pub struct Verifiers;

/// Takes the records and a directory. For each message in it, prints a line for the chain and a
/// line for each signature, each beginning with the file's name: the algorithm, then `good` with
/// domain and selector, or `bad` with the reason.
const DKIMPY: [&str; 3] = [
    "python3",
    "-c",
    r#"
import os, sys, dkim, nacl
records = dict(line.split("\t", 1) for line in open(sys.argv[1]).read().splitlines())
def text_of(name, timeout=5):
    return records.get(name.decode().rstrip("."), "").encode()
for file in sorted(os.listdir(sys.argv[2])):
    message = open(os.path.join(sys.argv[2], file), "rb").read()
    chain, _, why = dkim.ARC(message).verify(dnsfunc=text_of)
    # Of a chain that says itself that it is broken, it says nothing.
    print(file, "chain", (chain or b"fail").decode(), str(why).replace("\n", " ").replace("\t", " "), sep="\t")
    count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.DKIM(message).headers)
    for index in range(count):
        one = dkim.DKIM(message)
        try:
            good, why = one.verify(idx=index, dnsfunc=text_of), "it does not fit"
        except dkim.DKIMException as error:
            good, why = False, str(error)
        algorithm = one.signature_fields[b"a"].decode()
        if good:
            print(file, algorithm, "good", one.domain.decode(), one.selector.decode(), sep="\t")
        else:
            print(file, algorithm, "bad", why.replace("\n", " "), sep="\t")
"#,
];

const MAIL_DKIM: [&str; 3] = [
    "perl",
    "-e",
    r#"
use strict; use warnings; no warnings "redefine";
use Mail::DKIM::Verifier; use Mail::DKIM::ARC::Verifier; use Net::DNS;
open my $zone, "<", $ARGV[0] or die; chomp(my @lines = <$zone>);
my %records = map { split /\t/, $_, 2 } @lines;
*Mail::DKIM::DNS::query = sub {
    my $text = $records{$_[0] =~ s/\.$//r} // return;
    return Net::DNS::RR->new(name => $_[0], type => "TXT", txtdata => [$text =~ /(.{1,255})/g]);
};
opendir my $dir, $ARGV[1] or die;
for my $file (sort grep { !/^\./ } readdir $dir) {
    open my $in, "<:raw", "$ARGV[1]/$file" or die; local $/; my $message = <$in>;
    my $arc = Mail::DKIM::ARC::Verifier->new; $arc->PRINT($message); $arc->CLOSE;
    (my $why = $arc->result_detail // "") =~ s/[\t\n]/ /g;
    print join("\t", $file, "chain", $arc->result, $why), "\n";
    my $one = Mail::DKIM::Verifier->new; $one->PRINT($message); $one->CLOSE;
    for my $signature ($one->signatures) {
        my $verdict = $signature->result eq "pass"
            ? join("\t", "good", $signature->domain, $signature->selector)
            : "bad\t" . $signature->result_detail;
        print join("\t", $file, $signature->algorithm, $verdict), "\n";
    }
}
"#,
];

/// Signs each message of a directory as mail servers do: the fields that exist and no others.
/// Mail::DKIM needs the PKCS#1 key that is embedded in the PKCS#8 one.
const SIGN: &str = r#"
use strict; use warnings; use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey; use MIME::Base64;
my ($file, $domain, $selector, $dir) = @ARGV;
open my $pem, "<", $file or die; my $text = join "", grep { !/-----/ } <$pem>;
my $key = Mail::DKIM::PrivateKey->load(Data => encode_base64(substr(decode_base64($text), 26), ""));
opendir my $all, $dir or die;
for my $name (sort grep { !/^\./ } readdir $all) {
    open my $in, "<:raw", "$dir/$name" or die; local $/; my $message = <$in>; close $in;
    my $signer = Mail::DKIM::Signer->new(Algorithm => "rsa-sha256", Method => "relaxed/relaxed",
        Domain => $domain, Selector => $selector, Key => $key);
    $signer->PRINT($message); $signer->CLOSE;
    open my $out, ">:raw", "$dir/$name" or die;
    print $out $signer->signature->as_string, "\r\n", $message;
}
"#;

impl Verifiers {
    /// Signs messages with an RSA key of 2048 bits in a PEM file (PKCS#8), with Mail::DKIM.
    pub fn sign(
        &self,
        key: &Path,
        domain: &str,
        selector: &str,
        messages: &[Vec<u8>],
    ) -> Vec<Vec<u8>> {
        let (home, dir) = written(messages);
        let mut command = Command::new("perl");
        command.args(["-e", SIGN]).arg(key).args([domain, selector]).arg(&dir);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = |number: usize| dir.join(format!("{number:06}"));
        let signed = (0..messages.len()).map(|number| std::fs::read(name(number)).unwrap());
        let signed = signed.collect();
        drop(home);
        signed
    }

    /// Returns both. `None`, with the test noted as skipped, if one is missing.
    pub fn find() -> Option<Verifiers> {
        let needed = [
            (["python3", "-c", "import dkim, nacl"], "dkimpy[ed25519] from PyPI"),
            (["perl", "-e", "use Mail::DKIM::ARC::Verifier"], "libmail-dkim-perl"),
        ];
        for ([program, flag, script], package) in needed {
            let found = Command::new(program).args([flag, script]).output();
            if !found.is_ok_and(|output| output.status.success()) {
                skipped::skip(format!("{package} is not installed"));
                return None;
            }
        }
        Some(Verifiers)
    }

    /// Returns the verdicts on the signatures of one message, on which both must agree.
    pub fn verdicts(&self, records: &Records, message: &[u8]) -> Vec<Verdict> {
        self.examine(records, &[message.to_vec()]).remove(0).signatures
    }

    /// Returns the verdicts on messages, on which both must agree.
    pub fn examine(&self, records: &Records, messages: &[Vec<u8>]) -> Vec<Examined> {
        let (home, dir) = written(messages);
        let zone = home.path().join("zone");
        let lines = records.0.iter().map(|(name, text)| format!("{name}\t{text}\n"));
        std::fs::write(&zone, lines.collect::<String>()).expect("the file can be written");
        let told = [DKIMPY, MAIL_DKIM].map(|[program, flag, script]| {
            let output =
                Command::new(program).args([flag, script]).arg(&zone).arg(&dir).output().unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program}: {complaint}");
            said(program, &String::from_utf8_lossy(&output.stdout), messages.len())
        });
        let [first, second] = told;
        for (number, (one, other)) in first.iter().zip(&second).enumerate() {
            let text = String::from_utf8_lossy(&messages[number]);
            let chains = (one.chain.0.as_str(), other.chain.0.as_str());
            assert_eq!(chains.0, chains.1, "{:?}, but {:?}\n{text}", one.chain, other.chain);
            let by_rsa = |said: &Said| -> Vec<Option<(String, String)>> {
                let rsa = said.signatures.iter().filter(|(kind, _)| kind.starts_with("rsa"));
                rsa.map(|(_, verdict)| verdict.clone().ok()).collect()
            };
            assert_eq!(by_rsa(one), by_rsa(other), "{one:?}, but {other:?}\n{text}");
        }
        let examined = |said: Said| Examined {
            chain: said.chain.0,
            signatures: said.signatures.into_iter().map(|(_, verdict)| verdict).collect(),
        };
        first.into_iter().map(examined).collect()
    }
}

/// One verifier's verdict on a message: on the chain, with the reason, and on each signature, with
/// its algorithm.
#[derive(Debug, Default, Clone)]
struct Said {
    chain: (String, String),
    signatures: Vec<(String, Verdict)>,
}

fn said(program: &str, text: &str, count: usize) -> Vec<Said> {
    let mut all = vec![Said::default(); count];
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [number, kind, verdict, rest @ ..] = words.as_slice() else {
            panic!("{program} says {line:?}");
        };
        let said = &mut all[number.parse::<usize>().expect("a message's name")];
        match (*kind, *verdict, rest) {
            ("chain", result, why) => said.chain = (result.to_owned(), why.join(" ")),
            (algorithm, "good", [domain, selector]) => {
                let good = Ok(((*domain).to_owned(), (*selector).to_owned()));
                said.signatures.push((algorithm.to_owned(), good));
            }
            (algorithm, _, why) => {
                said.signatures.push((algorithm.to_owned(), Err(why.join(" "))));
            }
        }
    }
    all
}

/// Returns a temporary directory and one in it with the messages, named by their numbers.
fn written(messages: &[Vec<u8>]) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary directory can be created");
    let dir = home.path().join("mail");
    std::fs::create_dir(&dir).expect("the directory can be created");
    for (number, message) in messages.iter().enumerate() {
        std::fs::write(dir.join(format!("{number:06}")), on_the_wire(message))
            .expect("the file can be written");
    }
    (home, dir)
}

/// Returns a message with CRLF line ends.
fn on_the_wire(raw: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(raw.len() + 64);
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                message.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                message.extend_from_slice(b"\r\n");
            }
            None => message.extend_from_slice(line),
        }
    }
    message
}
