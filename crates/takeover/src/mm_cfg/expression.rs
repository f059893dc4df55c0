//! Expressions of Python: those that only compute.

use super::token::Token;
use super::value::PyValue;
use std::collections::BTreeMap;

/// How deep expressions nest, and how large values get, at the most.
const DEEPEST: usize = 60;
const LARGEST: usize = 1 << 20;

/// Evaluates an expression with these names. The error says what cannot be read.
pub fn evaluate(tokens: &[Token], names: &BTreeMap<String, PyValue>) -> Result<PyValue, String> {
    let mut parser = Parser { tokens, at: 0, depth: 0, names };
    let value = parser.tuple()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err("it is no plain expression".to_owned()),
    }
}

/// The arguments between a pair of brackets, as the tokens behind a called name.
pub fn arguments(
    tokens: &[Token],
    names: &BTreeMap<String, PyValue>,
) -> Result<Vec<PyValue>, String> {
    let mut parser = Parser { tokens, at: 0, depth: 0, names };
    parser.expect("(")?;
    let (arguments, named) = parser.arguments()?;
    if parser.peek().is_some() || !named.is_empty() {
        return Err("it is no plain call".to_owned());
    }
    Ok(arguments)
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
    names: &'t BTreeMap<String, PyValue>,
}

/// Arguments by place, and by name.
type Arguments = (Vec<PyValue>, Vec<(String, PyValue)>);

/// Binary operators by how strongly they bind, the weakest first.
const LEVELS: [&[&str]; 6] =
    [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "//", "%"]];

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(found)) if found == word)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.accept(sign) { Ok(()) } else { Err(format!("{sign:?} is missing")) }
    }

    /// Expressions with commas between them are a tuple.
    fn tuple(&mut self) -> Result<PyValue, String> {
        let first = self.choice()?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(",") {
            if self.peek().is_none() || self.is_sign(")") {
                break;
            }
            items.push(self.choice()?);
        }
        Ok(PyValue::Tuple(items))
    }

    /// `a if c else b`
    fn choice(&mut self) -> Result<PyValue, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it nests too deep".to_owned());
        }
        let mut value = self.either()?;
        if self.accept_word("if") {
            let condition = self.either()?;
            if !self.accept_word("else") {
                return Err("\"else\" is missing".to_owned());
            }
            let other = self.choice()?;
            if !condition.is_true() {
                value = other;
            }
        }
        self.depth -= 1;
        Ok(value)
    }

    fn either(&mut self) -> Result<PyValue, String> {
        let mut value = self.both()?;
        while self.accept_word("or") {
            let other = self.both()?;
            if !value.is_true() {
                value = other;
            }
        }
        Ok(value)
    }

    fn both(&mut self) -> Result<PyValue, String> {
        let mut value = self.not()?;
        while self.accept_word("and") {
            let other = self.not()?;
            if value.is_true() {
                value = other;
            }
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<PyValue, String> {
        let mut turns = 0;
        while self.accept_word("not") {
            turns += 1;
        }
        let value = self.comparison()?;
        Ok(if turns == 0 { value } else { PyValue::Bool(value.is_true() == (turns % 2 == 0)) })
    }

    fn comparison(&mut self) -> Result<PyValue, String> {
        let left = self.binary(0)?;
        let same = match self.peek() {
            Some(Token::Sign("==")) => true,
            Some(Token::Sign("!=" | "<>")) => false,
            Some(Token::Sign("<" | ">" | "<=" | ">=")) => {
                return Err("comparisons other than == are not read".to_owned());
            }
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.binary(0)?;
        let equal = match (left.as_float(), right.as_float()) {
            (Some(left), Some(right)) => left == right,
            _ => left == right,
        };
        Ok(PyValue::Bool(equal == same))
    }

    fn binary(&mut self, level: usize) -> Result<PyValue, String> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut value = self.binary(level + 1)?;
        while let Some(Token::Sign(sign)) = self.peek()
            && signs.contains(sign)
        {
            self.at += 1;
            let other = self.binary(level + 1)?;
            value = apply(sign, value, other)?;
        }
        Ok(value)
    }

    fn unary(&mut self) -> Result<PyValue, String> {
        let sign = match self.peek() {
            Some(Token::Sign(sign @ ("-" | "+" | "~"))) => *sign,
            _ => return self.power(),
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it nests too deep".to_owned());
        }
        let value = self.unary()?;
        self.depth -= 1;
        let wrong = || format!("{sign}{value} is no number");
        match (sign, &value) {
            ("-", PyValue::Float(value)) => Ok(PyValue::Float(-value)),
            ("+", PyValue::Float(_)) => Ok(value),
            ("-", _) => {
                value.as_int().and_then(i64::checked_neg).map(PyValue::Int).ok_or_else(wrong)
            }
            ("~", _) => value.as_int().map(|value| PyValue::Int(!value)).ok_or_else(wrong),
            _ => value.as_int().map(PyValue::Int).ok_or_else(wrong),
        }
    }

    fn power(&mut self) -> Result<PyValue, String> {
        let base = self.postfix()?;
        if !self.accept("**") {
            return Ok(base);
        }
        let exponent = self.unary()?;
        let power = base.as_int().zip(exponent.as_int()).and_then(|(base, exponent)| {
            u32::try_from(exponent).ok().and_then(|exponent| base.checked_pow(exponent))
        });
        power.map(PyValue::Int).ok_or_else(|| "the power is too large or no number".to_owned())
    }

    fn postfix(&mut self) -> Result<PyValue, String> {
        if let Some(Token::Name(_)) = self.peek() {
            return self.named();
        }
        let value = self.atom()?;
        self.behind(value)
    }

    /// Indexes and methods behind a value.
    fn behind(&mut self, mut value: PyValue) -> Result<PyValue, String> {
        loop {
            if self.accept("[") {
                let index = self.tuple()?;
                self.expect("]")?;
                value = item(&value, &index)?;
            } else if self.accept(".") {
                let Some(Token::Name(method)) = self.peek() else {
                    return Err("a name is missing behind the dot".to_owned());
                };
                self.at += 1;
                self.expect("(")?;
                let (arguments, _) = self.arguments()?;
                value = call_method(&value, method, &arguments)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// A name, with what is behind its dots, and perhaps called.
    fn named(&mut self) -> Result<PyValue, String> {
        let Some(Token::Name(name)) = self.peek() else { return Err("a name is missing".into()) };
        self.at += 1;
        if matches!(name.as_str(), "lambda" | "for" | "in" | "is" | "yield" | "print") {
            return Err(format!("{name} is not read"));
        }
        if let Some(value) = self.names.get(name.as_str()) {
            return self.behind(value.clone());
        }
        let mut path = name.clone();
        while self.is_sign(".")
            && let Some(Token::Name(part)) = self.tokens.get(self.at + 1)
        {
            self.at += 2;
            path.push('.');
            path.push_str(part);
        }
        if self.accept("(") {
            let (arguments, named) = self.arguments()?;
            let value = call(&path, &arguments, &named)?;
            return self.behind(value);
        }
        Err(format!("{path} is not known"))
    }

    fn arguments(&mut self) -> Result<Arguments, String> {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        while !self.accept(")") {
            if let (Some(Token::Name(name)), Some(Token::Sign("="))) =
                (self.peek(), self.tokens.get(self.at + 1))
            {
                self.at += 2;
                let value = self.choice()?;
                named.push((name.clone(), value));
            } else {
                arguments.push(self.choice()?);
            }
            if !self.accept(",") && !self.is_sign(")") {
                return Err("\")\" is missing".to_owned());
            }
        }
        Ok((arguments, named))
    }

    fn atom(&mut self) -> Result<PyValue, String> {
        let token = self.peek().ok_or("the expression ends too early")?;
        self.at += 1;
        match token {
            Token::Int(value) => Ok(PyValue::Int(*value)),
            Token::Float(value) => Ok(PyValue::Float(*value)),
            Token::Text(text) => {
                let mut text = text.clone();
                // Strings side by side are one.
                while let Some(Token::Text(more)) = self.peek() {
                    self.at += 1;
                    text.push_str(more);
                }
                Ok(PyValue::Text(text))
            }
            Token::Sign("(") => {
                if self.accept(")") {
                    return Ok(PyValue::Tuple(Vec::new()));
                }
                let value = self.tuple()?;
                self.expect(")")?;
                Ok(value)
            }
            Token::Sign("[") => {
                let mut items = Vec::new();
                while !self.accept("]") {
                    items.push(self.choice()?);
                    if !self.accept(",") && !self.is_sign("]") {
                        return Err("\"]\" is missing".to_owned());
                    }
                }
                Ok(PyValue::List(items))
            }
            Token::Sign("{") => {
                let mut entries = Vec::new();
                while !self.accept("}") {
                    let key = self.choice()?;
                    self.expect(":")?;
                    let value = self.choice()?;
                    set(&mut entries, key, value);
                    if !self.accept(",") && !self.is_sign("}") {
                        return Err("\"}\" is missing".to_owned());
                    }
                }
                Ok(PyValue::Dict(entries))
            }
            Token::Sign(sign) => Err(format!("{sign:?} is not expected here")),
            Token::Name(name) => Err(format!("{name} is not expected here")),
        }
    }
}

/// Sets an entry of a dictionary.
pub fn set(entries: &mut Vec<(PyValue, PyValue)>, key: PyValue, value: PyValue) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}

/// A binary operator applied.
pub fn apply(sign: &str, left: PyValue, right: PyValue) -> Result<PyValue, String> {
    let value = match (sign, left, right) {
        ("+", PyValue::Text(left), PyValue::Text(right)) => PyValue::Text(left + &right),
        ("+", PyValue::List(mut left), PyValue::List(right)) => {
            left.extend(right);
            PyValue::List(left)
        }
        ("+", PyValue::Tuple(mut left), PyValue::Tuple(right)) => {
            left.extend(right);
            PyValue::Tuple(left)
        }
        ("%", PyValue::Text(format), values) => PyValue::Text(fill(&format, &values)?),
        ("*", PyValue::Text(text), count) | ("*", count, PyValue::Text(text)) => {
            PyValue::Text(text.repeat(times(&count, text.len())?))
        }
        ("*", PyValue::List(items), count) | ("*", count, PyValue::List(items)) => {
            let size = items.iter().map(PyValue::size).sum();
            let count = times(&count, size)?;
            PyValue::List(std::iter::repeat_n(items, count).flatten().collect())
        }
        (sign, left, right) => calculate(sign, &left, &right)?,
    };
    if value.size() > LARGEST { Err("the value is too large".to_owned()) } else { Ok(value) }
}

fn times(count: &PyValue, size: usize) -> Result<usize, String> {
    let count = count.as_int().ok_or("it is multiplied by what is no number")?;
    let count = usize::try_from(count).unwrap_or(0);
    match count.checked_mul(size.max(1)) {
        Some(total) if total <= LARGEST => Ok(count),
        _ => Err("the value is too large".to_owned()),
    }
}

fn calculate(sign: &str, left: &PyValue, right: &PyValue) -> Result<PyValue, String> {
    let wrong = || format!("{left} {sign} {right} cannot be computed");
    let is_real = |value: &PyValue| matches!(value, PyValue::Float(_));
    if is_real(left) || is_real(right) {
        let (left, right) = left.as_float().zip(right.as_float()).ok_or_else(wrong)?;
        let value = match sign {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "/" => left / right,
            "//" => (left / right).floor(),
            "%" => left - right * (left / right).floor(),
            _ => return Err(wrong()),
        };
        return if value.is_finite() { Ok(PyValue::Float(value)) } else { Err(wrong()) };
    }
    let (left, right) = left.as_int().zip(right.as_int()).ok_or_else(wrong)?;
    let shift = u32::try_from(right).ok().filter(|bits| *bits < 63);
    let value = match sign {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        // Python 2 rounds down.
        "/" | "//" => left.checked_div(right).map(|whole| {
            if left % right != 0 && (left < 0) != (right < 0) { whole - 1 } else { whole }
        }),
        "%" => left
            .checked_rem(right)
            .map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest }),
        "|" => Some(left | right),
        "&" => Some(left & right),
        "^" => Some(left ^ right),
        "<<" => shift.and_then(|bits| left.checked_mul(1 << bits)),
        ">>" => shift.map(|bits| left >> bits),
        _ => None,
    };
    value.map(PyValue::Int).ok_or_else(wrong)
}

/// `%` formatting: `%s %r %d %i %f %x` with names, width and places, and `%%`.
fn fill(format: &str, values: &PyValue) -> Result<String, String> {
    let mut out = String::new();
    let mut letters = format.chars().peekable();
    let single = [values.clone()];
    let row: &[PyValue] = match values {
        PyValue::Tuple(items) => items,
        _ => &single,
    };
    let mut next = row.iter();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut named = None;
        if letters.next_if_eq(&'(').is_some() {
            let name: String = letters.by_ref().take_while(|letter| *letter != ')').collect();
            named = Some(item(values, &PyValue::Text(name))?);
        }
        let mut spec = String::new();
        while let Some(letter) = letters.next_if(|l| l.is_ascii_digit() || "-+ .#".contains(*l)) {
            spec.push(letter);
        }
        let value = match named {
            Some(value) => value,
            None => next.next().cloned().ok_or("a value for the format is missing")?,
        };
        let (width, places) = spec.split_once('.').unwrap_or((&spec, ""));
        let number = || value.as_float().ok_or_else(|| format!("{value} is no number"));
        let text = match letters.next() {
            Some('s') => value.to_text(),
            Some('r') => value.to_string(),
            Some('d' | 'i') => (number()?.trunc() as i64).to_string(),
            Some('x') => format!("{:x}", number()?.trunc() as i64),
            Some('f') => {
                let places = places.parse().unwrap_or(6usize).min(30);
                format!("{:.places$}", number()?)
            }
            _ => return Err("a % in the format is not read".to_owned()),
        };
        let (left, zero) = (width.starts_with('-'), width.starts_with('0'));
        let width: usize = width.trim_start_matches(['-', '+', ' ', '#']).parse().unwrap_or(0);
        let pad = width.min(1000).saturating_sub(text.chars().count());
        let fill = if zero { "0" } else { " " }.repeat(pad);
        out.push_str(&if left { text + &fill } else { fill + &text });
    }
    Ok(out)
}

fn item(value: &PyValue, index: &PyValue) -> Result<PyValue, String> {
    let missing = || format!("there is no {index} in the value");
    match value {
        PyValue::Dict(entries) => {
            let found = entries.iter().find(|(key, _)| key == index);
            found.map(|(_, value)| value.clone()).ok_or_else(missing)
        }
        PyValue::List(items) | PyValue::Tuple(items) => {
            let index = index.as_int().ok_or_else(missing)?;
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if index < 0 { index + length } else { index };
            let found = usize::try_from(index).ok().and_then(|index| items.get(index));
            found.cloned().ok_or_else(missing)
        }
        _ => Err(missing()),
    }
}

fn call_method(value: &PyValue, method: &str, arguments: &[PyValue]) -> Result<PyValue, String> {
    match (value, method, arguments) {
        (PyValue::Text(text), "lower", []) => Ok(PyValue::Text(text.to_lowercase())),
        (PyValue::Text(text), "upper", []) => Ok(PyValue::Text(text.to_uppercase())),
        (PyValue::Text(text), "strip", []) => Ok(PyValue::Text(text.trim().to_owned())),
        (PyValue::Text(text), "split", []) => Ok(PyValue::List(
            text.split_whitespace().map(|word| PyValue::Text(word.into())).collect(),
        )),
        (PyValue::Text(text), "join", [items]) => {
            let parts: Vec<String> = items.items().iter().map(PyValue::to_text).collect();
            Ok(PyValue::Text(parts.join(text)))
        }
        _ => Err(format!("{method}() is not read")),
    }
}

/// The helpers of `Defaults.py`, and the few of Python that only compute.
fn call(name: &str, arguments: &[PyValue], named: &[(String, PyValue)]) -> Result<PyValue, String> {
    let unit = match name {
        "seconds" => 1,
        "minutes" => 60,
        "hours" => 3600,
        "days" => 86_400,
        _ => 0,
    };
    match (name, arguments) {
        _ if !named.is_empty() => Err(format!("{name}() with named arguments is not read")),
        (_, [number]) if unit > 0 => apply("*", number.clone(), PyValue::Int(unit)),
        ("os.path.join", [first, rest @ ..]) => {
            let mut path = first.to_text();
            for part in rest {
                let part = part.to_text();
                if part.starts_with('/') {
                    path = part;
                } else {
                    if !path.is_empty() && !path.ends_with('/') {
                        path.push('/');
                    }
                    path.push_str(&part);
                }
            }
            Ok(PyValue::Text(path))
        }
        // Marks a string for translation.
        ("_" | "str", [value]) => Ok(PyValue::Text(value.to_text())),
        ("int", [value]) => {
            let number = value.as_float().map(|number| number.trunc() as i64);
            let number = number.or_else(|| value.as_text()?.trim().parse().ok());
            number.map(PyValue::Int).ok_or_else(|| format!("{value} is no whole number"))
        }
        ("list", [value @ (PyValue::List(_) | PyValue::Tuple(_))]) => {
            Ok(PyValue::List(value.items().to_vec()))
        }
        ("tuple", [value @ (PyValue::List(_) | PyValue::Tuple(_))]) => {
            Ok(PyValue::Tuple(value.items().to_vec()))
        }
        _ => Err(format!("{name}() is not read")),
    }
}
