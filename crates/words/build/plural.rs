//! `Plural-Forms` expressions: C, of one variable `n`, turned into Rust on `n: u64`.

/// The Rust expression, a `u64`.
pub fn to_rust(text: &str) -> Result<String, String> {
    let mut reader = Reader { rest: text.trim().trim_end_matches(';') };
    let expression = reader.choice()?;
    match reader.rest.trim() {
        "" => Ok(expression),
        rest => Err(format!("{rest:?} is unexpected")),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

/// Operators with two operands, the weakest first, and whether their result is a truth value.
const BINARY: [&[(&str, bool)]; 6] = [
    &[("||", true)],
    &[("&&", true)],
    &[("==", true), ("!=", true)],
    &[("<=", true), (">=", true), ("<", true), (">", true)],
    &[("+", false), ("-", false)],
    &[("*", false), ("/", false), ("%", false)],
];

impl Reader<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `a ? b : c`
    fn choice(&mut self) -> Result<String, String> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.choice()?;
        if !self.take(":") {
            return Err("a '?' has no ':'".to_owned());
        }
        let no = self.choice()?;
        Ok(format!("(if {condition} != 0 {{ {yes} }} else {{ {no} }})"))
    }

    fn binary(&mut self, level: usize) -> Result<String, String> {
        let Some(operators) = BINARY.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some((operator, is_truth)) =
            operators.iter().find(|(operator, _)| self.take(operator))
        {
            let right = self.binary(level + 1)?;
            left = match *operator {
                "||" | "&&" => format!("u64::from({left} != 0 {operator} {right} != 0)"),
                _ if *is_truth => format!("u64::from({left} {operator} {right})"),
                _ => format!("({left} {operator} {right})"),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<String, String> {
        if self.take("!") {
            return Ok(format!("u64::from({} == 0)", self.unary()?));
        }
        if self.take("(") {
            let inner = self.choice()?;
            return if self.take(")") { Ok(inner) } else { Err("a ')' is missing".to_owned()) };
        }
        if self.take("n") {
            return Ok("n".to_owned());
        }
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit());
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if number.is_empty() {
            return Err(format!("a number is expected before {rest:?}"));
        }
        self.rest = rest;
        Ok(format!("{number}_u64"))
    }
}
