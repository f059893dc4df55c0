//! Statements and expressions.

mod tree;

pub use tree::{Expr, File, Operator, Sign, Statement, What};

use crate::ParseError;
use crate::token::{Placed, Token, tokens};

/// The maximum depth of expressions.
const DEEPEST: usize = 60;

/// The maximum number of operators in a statement: each makes its expression one level deeper.
const MOST_OPERATORS: usize = 1000;

/// Operators by precedence, the weakest first; `not` comes before the first.
const LEVELS: [&[(&str, Operator)]; 7] = [
    &[("==", Operator::Equal), ("!=", Operator::NotEqual), ("<>", Operator::NotEqual)],
    &[("|", Operator::BitOr)],
    &[("^", Operator::BitXor)],
    &[("&", Operator::BitAnd)],
    &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("//", Operator::FloorDivide),
        ("%", Operator::Modulo),
    ],
];

/// Words that begin other statements.
const KEYWORDS: [&str; 22] = [
    "import", "from", "if", "elif", "else", "for", "while", "try", "except", "finally", "with",
    "def", "class", "return", "del", "pass", "print", "raise", "global", "exec", "assert",
    "lambda",
];

/// Parses a file. An invalid statement is a problem, and parsing continues with the next.
pub fn parse(source: &[u8]) -> File {
    let (tokens, unclosed) = tokens(source);
    let mut parser = Parser { tokens, at: 0, depth: 0, operators: 0 };
    let mut file = File { statements: Vec::new(), problems: Vec::new() };
    while let Some(first) = parser.tokens.get(parser.at).cloned() {
        if matches!(first.token, Token::End | Token::Mark(";")) {
            parser.at += 1;
            continue;
        }
        match parser.statement() {
            Ok(what) => {
                file.statements.push(Statement { line: first.line, indent: first.column, what });
            }
            Err(what) => {
                let line = parser.place().map_or(first.line, |place| place.line);
                let broken = What::Broken { problem: what.clone() };
                let statement = Statement { line: first.line, indent: first.column, what: broken };
                file.statements.push(statement);
                file.problems.push(ParseError { line, what });
                parser.skip_line();
            }
        }
    }
    if let Some(unclosed) = unclosed {
        // Errors after an unclosed bracket are consequences of it.
        file.problems.retain(|problem| problem.line < unclosed.line);
        file.problems.push(unclosed);
    }
    file
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
    operators: usize,
}

type Parsed<T> = Result<T, String>;

/// Positional and named arguments.
type Arguments = (Vec<Expr>, Vec<(String, Expr)>);

impl Parser {
    fn place(&self) -> Option<&Placed> {
        self.tokens.get(self.at)
    }

    fn peek(&self) -> &Token {
        self.place().map_or(&Token::End, |placed| &placed.token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(found) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(found) if found == word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.take(mark) { Ok(()) } else { Err(self.unexpected(&format!("{mark} is missing"))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.peek() {
            Token::Bad(what) => what.clone(),
            Token::End => format!("{wanted} at the end of the line"),
            Token::Mark(mark) => format!("{wanted} before {mark}"),
            Token::Name(name) => format!("{wanted} before {name}"),
            _ => format!("{wanted} before a value"),
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.tokens.len() && *self.peek() != Token::End {
            self.at += 1;
        }
    }

    fn statement(&mut self) -> Parsed<What> {
        if let Token::Name(name) = self.peek()
            && KEYWORDS.contains(&name.as_str())
        {
            let keyword = name.clone();
            self.skip_line();
            return Ok(What::Other { keyword });
        }
        self.operators = 0;
        let mut parts = vec![self.bare_tuple()?];
        while self.take("=") {
            parts.push(self.bare_tuple()?);
        }
        let augments = [
            ("+=", Operator::Add),
            ("-=", Operator::Subtract),
            ("*=", Operator::Multiply),
            ("/=", Operator::Divide),
            ("%=", Operator::Modulo),
            ("//=", Operator::FloorDivide),
            ("**=", Operator::Power),
            ("|=", Operator::BitOr),
            ("^=", Operator::BitXor),
            ("&=", Operator::BitAnd),
            ("<<=", Operator::ShiftLeft),
            (">>=", Operator::ShiftRight),
        ];
        let what = match (parts.pop(), parts.is_empty()) {
            (Some(value), false) => {
                if let Some(wrong) = parts.iter().find(|target| !is_target(target)) {
                    return Err(format!("nothing can be assigned to {}", kind(wrong)));
                }
                What::Assign { targets: parts, value }
            }
            (Some(target), true) => match augments.iter().find(|(mark, _)| self.take(mark)) {
                Some((_, operator)) if is_target(&target) => {
                    What::Augment { target, operator: *operator, value: self.bare_tuple()? }
                }
                Some(_) => return Err(format!("{} cannot be changed", kind(&target))),
                None => What::Expression(target),
            },
            (None, _) => return Err("there is nothing".to_owned()),
        };
        match self.peek() {
            Token::End | Token::Mark(";") => Ok(what),
            _ => Err(self.unexpected("something else was meant")),
        }
    }

    /// `a, b` without parentheses, or one expression.
    fn bare_tuple(&mut self) -> Parsed<Expr> {
        let first = self.expression()?;
        if !matches!(self.peek(), Token::Mark(",")) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            if matches!(self.peek(), Token::End | Token::Mark(";" | "=")) {
                break;
            }
            items.push(self.expression()?);
        }
        Ok(Expr::Tuple(items))
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.depth -= 1;
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        let parsed = self.choice();
        self.depth -= 1;
        parsed
    }

    fn choice(&mut self) -> Parsed<Expr> {
        let value = self.either()?;
        if !self.take_word("if") {
            return Ok(value);
        }
        let condition = self.either()?;
        if !self.take_word("else") {
            return Err(self.unexpected("else is missing"));
        }
        let other = self.expression()?;
        Ok(Expr::Choice(Box::new(condition), Box::new(value), Box::new(other)))
    }

    fn either(&mut self) -> Parsed<Expr> {
        let mut left = self.both()?;
        while self.take_word("or") {
            let right = self.both()?;
            left = self.binary(Operator::Or, left, right)?;
        }
        Ok(left)
    }

    fn both(&mut self) -> Parsed<Expr> {
        let mut left = self.negated()?;
        while self.take_word("and") {
            let right = self.negated()?;
            left = self.binary(Operator::And, left, right)?;
        }
        Ok(left)
    }

    fn negated(&mut self) -> Parsed<Expr> {
        if !self.take_word("not") {
            return self.level(0);
        }
        let of = self.nested(Parser::negated)?;
        Ok(Expr::Unary(Sign::Not, Box::new(of)))
    }

    /// Operators that bind at least as strongly as those of a level.
    fn level(&mut self, level: usize) -> Parsed<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.signed() };
        let mut left = self.level(level + 1)?;
        loop {
            let Token::Mark(mark) = self.peek() else { return Ok(left) };
            let Some((_, operator)) = operators.iter().find(|(known, _)| known == mark) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.level(level + 1)?;
            left = self.binary(*operator, left, right)?;
        }
    }

    fn binary(&mut self, operator: Operator, left: Expr, right: Expr) -> Parsed<Expr> {
        self.operators += 1;
        if self.operators > MOST_OPERATORS {
            return Err(format!("it has more than {MOST_OPERATORS} operators"));
        }
        Ok(Expr::Binary(operator, Box::new(left), Box::new(right)))
    }

    fn signed(&mut self) -> Parsed<Expr> {
        for (mark, sign) in [("-", Sign::Minus), ("+", Sign::Plus), ("~", Sign::Invert)] {
            if self.take(mark) {
                return Ok(Expr::Unary(sign, Box::new(self.nested(Parser::signed)?)));
            }
        }
        let base = self.trailed()?;
        if !self.take("**") {
            return Ok(base);
        }
        let exponent = self.nested(Parser::signed)?;
        self.binary(Operator::Power, base, exponent)
    }

    /// The operand of a sign, which may be another sign.
    fn nested(&mut self, parse: fn(&mut Parser) -> Parsed<Expr>) -> Parsed<Expr> {
        self.depth += 1;
        let parsed = if self.depth > DEEPEST {
            Err(format!("it is nested more than {DEEPEST} deep"))
        } else {
            parse(self)
        };
        self.depth -= 1;
        parsed
    }

    fn trailed(&mut self) -> Parsed<Expr> {
        let mut of = self.atom()?;
        // Each step makes the expression one level deeper, and dropping it recurses.
        for _ in 0..DEEPEST {
            of = if self.take(".") {
                match self.next() {
                    Token::Name(name) => Expr::Attribute(Box::new(of), name),
                    _ => {
                        self.at -= 1;
                        return Err(self.unexpected("a name is missing"));
                    }
                }
            } else if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                Expr::Index(Box::new(of), Box::new(index))
            } else if self.take("(") {
                let (arguments, named) = self.arguments()?;
                Expr::Call(Box::new(of), arguments, named)
            } else {
                return Ok(of);
            };
        }
        Err(format!("it is nested more than {DEEPEST} deep"))
    }

    fn arguments(&mut self) -> Parsed<Arguments> {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        while !self.take(")") {
            let argument = self.expression()?;
            match argument {
                Expr::Name(name) if self.take("=") => named.push((name, self.expression()?)),
                argument => arguments.push(argument),
            }
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok((arguments, named))
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let token = self.next();
        match token {
            Token::Int(number) => Ok(Expr::Int(number)),
            Token::Float(number) => Ok(Expr::Float(number)),
            Token::Name(name) if !KEYWORDS.contains(&name.as_str()) => Ok(Expr::Name(name)),
            Token::Bytes(_) | Token::Text(_) => {
                self.at -= 1;
                self.strings()
            }
            Token::Mark("(") => {
                let (items, is_tuple) = self.items(")")?;
                match <[Expr; 1]>::try_from(items) {
                    Ok([only]) if !is_tuple => Ok(only),
                    Ok(items) => Ok(Expr::Tuple(items.into())),
                    Err(items) => Ok(Expr::Tuple(items)),
                }
            }
            Token::Mark("[") => Ok(Expr::List(self.items("]")?.0)),
            Token::Mark("{") => self.dict(),
            _ => {
                self.at -= 1;
                Err(self.unexpected("a value is missing"))
            }
        }
    }

    /// Adjacent strings are joined; one unicode string makes all unicode.
    fn strings(&mut self) -> Parsed<Expr> {
        let mut whole: Option<Expr> = None;
        loop {
            let next = match self.peek().clone() {
                Token::Bytes(bytes) => Expr::Bytes(bytes),
                Token::Text(text) => Expr::Text(text),
                Token::Bad(what) => return Err(what),
                _ => return whole.ok_or_else(|| "a string is missing".to_owned()),
            };
            self.at += 1;
            whole = Some(match (whole, next) {
                (None, next) => next,
                (Some(Expr::Bytes(mut left)), Expr::Bytes(right)) => {
                    left.extend(right);
                    Expr::Bytes(left)
                }
                (Some(left), right) => Expr::Text(text_of(left) + &text_of(right)),
            });
        }
    }

    /// Items up to a closing bracket, and whether there was a comma among or after them, or nothing.
    fn items(&mut self, close: &str) -> Parsed<(Vec<Expr>, bool)> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            if self.take(close) {
                let is_tuple = comma || items.is_empty();
                return Ok((items, is_tuple));
            }
            if !items.is_empty() && !comma {
                return Err(self.unexpected("a comma is missing"));
            }
            items.push(self.expression()?);
            comma = self.take(",");
        }
    }

    fn dict(&mut self) -> Parsed<Expr> {
        let mut entries = Vec::new();
        while !self.take("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Dict(entries))
    }
}

fn text_of(string: Expr) -> String {
    match string {
        Expr::Text(text) => text,
        Expr::Bytes(bytes) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::new(),
    }
}

fn is_target(expr: &Expr) -> bool {
    match expr {
        Expr::Name(name) => !matches!(name.as_str(), "None" | "True" | "False"),
        Expr::Attribute(..) | Expr::Index(..) => true,
        Expr::Tuple(items) | Expr::List(items) => items.iter().all(is_target),
        _ => false,
    }
}

fn kind(expr: &Expr) -> &'static str {
    match expr {
        Expr::Int(_) | Expr::Float(_) => "a number",
        Expr::Bytes(_) | Expr::Text(_) => "a string",
        Expr::Call(..) => "the result of a call",
        Expr::Name(_) => "a constant",
        _ => "an expression",
    }
}
