//! Evaluating expressions.

use crate::{Expr, Literal, Operator, Sign};

type Lookup<'f> = &'f dyn Fn(&str) -> Option<Literal>;
type Function<'f> = &'f dyn Fn(&str, &[Literal]) -> Option<Result<Literal, String>>;

/// The values of names and calls. By itself it knows `True`, `False`, `None` and the words that
/// Mailman's settings use for them.
#[derive(Clone, Copy, Default)]
pub struct Scope<'f> {
    /// The value of a name, dotted or not.
    pub names: Option<Lookup<'f>>,
    /// The value of a call of a pure function; the error says what is wrong with its arguments.
    pub calls: Option<Function<'f>>,
}

impl Scope<'_> {
    /// The value of an expression; the error says what is unknown.
    pub fn evaluate(&self, expr: &Expr) -> Result<Literal, String> {
        let all = |items: &[Expr]| -> Result<Vec<Literal>, String> {
            items.iter().map(|item| self.evaluate(item)).collect()
        };
        Ok(match expr {
            Expr::Int(number) => Literal::Int(*number),
            Expr::Float(number) => Literal::Float(*number),
            Expr::Bytes(bytes) => Literal::Bytes(bytes.clone()),
            Expr::Text(text) => Literal::Text(text.clone()),
            Expr::Tuple(items) => Literal::Tuple(all(items)?),
            Expr::List(items) => Literal::List(all(items)?),
            Expr::Dict(entries) => {
                let mut found = Vec::new();
                for (key, value) in entries {
                    set(&mut found, self.evaluate(key)?, self.evaluate(value)?);
                }
                Literal::Dict(found)
            }
            Expr::Name(_) | Expr::Attribute(..) => {
                let name = expr.dotted().ok_or("it asks a value for an attribute")?;
                return self.name(&name).ok_or_else(|| format!("{name} is not known here"));
            }
            Expr::Index(of, index) => return self.evaluate(of)?.item(&self.evaluate(index)?),
            Expr::Call(function, arguments, named) => {
                return self.call(function, &all(arguments)?, !named.is_empty());
            }
            Expr::Unary(Sign::Not, of) => Literal::Bool(!self.evaluate(of)?.is_true()),
            Expr::Unary(sign, of) => {
                let value = self.evaluate(of)?;
                let number = value.as_int();
                let changed = match (sign, &value) {
                    (Sign::Minus, Literal::Float(number)) => Some(Literal::Float(-number)),
                    (Sign::Plus, Literal::Float(number)) => Some(Literal::Float(*number)),
                    (Sign::Minus, _) => number.and_then(i64::checked_neg).map(Literal::Int),
                    (Sign::Invert, _) => number.map(|number| Literal::Int(!number)),
                    _ => number.map(Literal::Int),
                };
                changed.ok_or_else(|| format!("a sign before {}", value.kind()))?
            }
            Expr::Binary(operator, left, right) => {
                let left = self.evaluate(left)?;
                match operator {
                    Operator::And if !left.is_true() => left,
                    Operator::Or if left.is_true() => left,
                    _ => return operator.apply(left, self.evaluate(right)?),
                }
            }
            Expr::Choice(condition, value, other) => {
                let chosen = if self.evaluate(condition)?.is_true() { value } else { other };
                return self.evaluate(chosen);
            }
        })
    }

    /// A call of something in the scope, or of a value's method.
    fn call(&self, function: &Expr, arguments: &[Literal], named: bool) -> Result<Literal, String> {
        let name = function.dotted().unwrap_or_else(|| "something".to_owned());
        let refused = || format!("it calls {name}, and nothing is executed");
        if named {
            return Err(refused());
        }
        if let Some(value) = self.calls.and_then(|calls| calls(&name, arguments)) {
            return value;
        }
        let Expr::Attribute(of, called) = function else { return Err(refused()) };
        method(&self.evaluate(of).map_err(|_| refused())?, called, arguments)
    }

    fn name(&self, name: &str) -> Option<Literal> {
        if let Some(value) = self.names.and_then(|names| names(name)) {
            return Some(value);
        }
        match name {
            "None" => Some(Literal::None),
            "True" | "Yes" | "yes" | "On" | "on" | "true" => Some(Literal::Bool(true)),
            "False" | "No" | "no" | "Off" | "off" | "false" => Some(Literal::Bool(false)),
            _ => None,
        }
    }
}

/// The result of a string's method, if it only computes.
fn method(of: &Literal, method: &str, arguments: &[Literal]) -> Result<Literal, String> {
    let text = of.to_text();
    let like = |result: String| match of {
        Literal::Text(_) => Literal::Text(result),
        _ => Literal::from(&*result),
    };
    match (of, method, arguments) {
        (Literal::Bytes(_) | Literal::Text(_), "lower", []) => Ok(like(text.to_lowercase())),
        (Literal::Bytes(_) | Literal::Text(_), "upper", []) => Ok(like(text.to_uppercase())),
        (Literal::Bytes(_) | Literal::Text(_), "strip", []) => Ok(like(text.trim().to_owned())),
        (Literal::Bytes(_) | Literal::Text(_), "split", []) => {
            Ok(Literal::List(text.split_whitespace().map(|word| like(word.to_owned())).collect()))
        }
        (Literal::Bytes(_) | Literal::Text(_), "join", [items]) => {
            let items = items.items().unwrap_or_default();
            Ok(like(items.iter().map(Literal::to_text).collect::<Vec<_>>().join(&text)))
        }
        _ => Err(format!("{method}() is not read")),
    }
}

/// Sets an entry of a dictionary.
pub fn set(entries: &mut Vec<(Literal, Literal)>, key: Literal, value: Literal) {
    match entries.iter_mut().find(|(known, _)| known.equals(&key)) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}
