//! Options as Python's `getopt` reads them, which Mailman's commands use: `-ab`, `-oFILE`,
//! `-o FILE`, `--long=VALUE`, `--long VALUE`, `--lo`; none after the first other argument.

/// An option that a command knows.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    short: Option<char>,
    long: &'static str,
    takes: bool,
}

/// Creates an option without a value.
pub const fn flag(short: char, long: &'static str) -> Opt {
    Opt { short: Some(short), long, takes: false }
}

/// Creates an option with a value.
pub const fn with(short: char, long: &'static str) -> Opt {
    Opt { short: Some(short), long, takes: true }
}

/// Creates an option without a value and without a letter.
pub const fn long(long: &'static str) -> Opt {
    Opt { short: None, long, takes: false }
}

/// Every command has it.
pub const HELP: Opt = flag('h', "help");

/// The given options by their long names, and the other arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenOptions {
    given: Vec<(&'static str, String)>,
    /// The other arguments.
    pub rest: Vec<String>,
}

impl GivenOptions {
    /// Whether an option was given.
    pub fn has(&self, long: &str) -> bool {
        self.given.iter().any(|(name, _)| *name == long)
    }

    /// Returns the value of an option; the last one if it was given several times.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.given.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
    }

    /// Returns all values of an option.
    pub fn values<'o>(&'o self, long: &'o str) -> impl Iterator<Item = &'o str> {
        self.given.iter().filter(move |(name, _)| *name == long).map(|(_, value)| value.as_str())
    }
}

/// Reads a command line; errors have Python's texts.
pub fn read(args: &[String], known: &[Opt]) -> Result<GivenOptions, String> {
    let mut options = GivenOptions { given: Vec::new(), rest: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        if let Some(word) = arg.strip_prefix("--") {
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let option = find_long(name, known)?;
            let value = match (option.takes, value) {
                (false, Some(_)) => {
                    return Err(format!("option --{} must not have an argument", option.long));
                }
                (false, None) => String::new(),
                (true, Some(value)) => value.to_owned(),
                (true, None) => args
                    .next()
                    .ok_or_else(|| format!("option --{} requires argument", option.long))?
                    .clone(),
            };
            options.given.push((option.long, value));
        } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let option = known
                    .iter()
                    .find(|option| option.short == Some(letter))
                    .ok_or_else(|| format!("option -{letter} not recognized"))?;
                if !option.takes {
                    options.given.push((option.long, String::new()));
                    continue;
                }
                let behind = &arg[1 + at + letter.len_utf8()..];
                let value = match behind {
                    "" => {
                        args.next().ok_or_else(|| format!("option -{letter} requires argument"))?
                    }
                    behind => behind,
                };
                options.given.push((option.long, value.to_owned()));
                break;
            }
        } else {
            options.rest.push(arg.clone());
            break;
        }
    }
    options.rest.extend(args.cloned());
    Ok(options)
}

fn find_long(name: &str, known: &[Opt]) -> Result<Opt, String> {
    if let Some(option) = known.iter().find(|option| option.long == name) {
        return Ok(*option);
    }
    let mut near = known.iter().filter(|option| option.long.starts_with(name));
    match (near.next(), near.next()) {
        (Some(option), None) => Ok(*option),
        (Some(_), Some(_)) => Err(format!("option --{name} not a unique prefix")),
        (None, _) => Err(format!("option --{name} not recognized")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Opt; 5] =
        [HELP, flag('q', "quiet"), with('o', "output"), long("fromall"), with('f', "file")];

    fn parse(args: &[&str]) -> Result<GivenOptions, String> {
        read(&args.iter().map(ToString::to_string).collect::<Vec<_>>(), &KNOWN)
    }

    #[test]
    fn options_are_read_in_every_notation() {
        for args in [
            &["-q", "-o", "x", "list"][..],
            &["-qox", "list"],
            &["--quiet", "--output=x", "list"],
            &["--qu", "--out", "x", "--", "list"],
        ] {
            let options = parse(args).unwrap();
            assert!(options.has("quiet") && !options.has("fromall"), "{args:?}");
            assert_eq!(options.value("output"), Some("x"), "{args:?}");
            assert_eq!(options.rest, ["list"], "{args:?}");
        }
    }

    #[test]
    fn there_are_no_options_after_the_first_argument() {
        let options = parse(&["-q", "list", "-o", "x"]).unwrap();
        assert_eq!(options.rest, ["list", "-o", "x"]);
        assert_eq!(parse(&["-", "-q"]).unwrap().rest, ["-", "-q"]);
    }

    #[test]
    fn the_last_value_counts_and_all_can_be_had() {
        let options = parse(&["-oa", "-ob"]).unwrap();
        assert_eq!(options.value("output"), Some("b"));
        assert_eq!(options.values("output").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn mistakes_are_named_as_python_names_them() {
        for (args, expected) in [
            (&["-x"][..], "option -x not recognized"),
            (&["--nope"], "option --nope not recognized"),
            (&["--f"], "option --f not a unique prefix"),
            (&["-o"], "option -o requires argument"),
            (&["--output"], "option --output requires argument"),
            (&["--quiet=1"], "option --quiet must not have an argument"),
        ] {
            assert_eq!(parse(args), Err(expected.to_owned()), "{args:?}");
        }
    }
}
