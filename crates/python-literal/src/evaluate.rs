//! Evaluating expressions.

use crate::{Expr, Operator, Sign, Value};

type Lookup<'f> = &'f dyn Fn(&str) -> Option<Value>;
type Function<'f> = &'f dyn Fn(&str, &[Value]) -> Option<Result<Value, String>>;

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
    pub fn evaluate(&self, expr: &Expr) -> Result<Value, String> {
        let all = |items: &[Expr]| -> Result<Vec<Value>, String> {
            items.iter().map(|item| self.evaluate(item)).collect()
        };
        Ok(match expr {
            Expr::Int(number) => Value::Int(*number),
            Expr::Float(number) => Value::Float(*number),
            Expr::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Tuple(items) => Value::Tuple(all(items)?),
            Expr::List(items) => Value::List(all(items)?),
            Expr::Dict(entries) => {
                let mut found = Vec::new();
                for (key, value) in entries {
                    set(&mut found, self.evaluate(key)?, self.evaluate(value)?);
                }
                Value::Dict(found)
            }
            Expr::Name(_) | Expr::Attribute(..) => {
                let name = expr.dotted().ok_or("it asks a value for an attribute")?;
                return self.name(&name).ok_or_else(|| format!("{name} is not known here"));
            }
            Expr::Index(of, index) => return self.evaluate(of)?.item(&self.evaluate(index)?),
            Expr::Call(function, arguments, named) => {
                return self.call(function, &all(arguments)?, !named.is_empty());
            }
            Expr::Unary(Sign::Not, of) => Value::Bool(!self.evaluate(of)?.is_true()),
            Expr::Unary(sign, of) => {
                let value = self.evaluate(of)?;
                let number = value.as_int();
                let changed = match (sign, &value) {
                    (Sign::Minus, Value::Float(number)) => Some(Value::Float(-number)),
                    (Sign::Plus, Value::Float(number)) => Some(Value::Float(*number)),
                    (Sign::Minus, _) => number.and_then(i64::checked_neg).map(Value::Int),
                    (Sign::Invert, _) => number.map(|number| Value::Int(!number)),
                    _ => number.map(Value::Int),
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
    fn call(&self, function: &Expr, arguments: &[Value], named: bool) -> Result<Value, String> {
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

    fn name(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.names.and_then(|names| names(name)) {
            return Some(value);
        }
        match name {
            "None" => Some(Value::None),
            "True" | "Yes" | "yes" | "On" | "on" | "true" => Some(Value::Bool(true)),
            "False" | "No" | "no" | "Off" | "off" | "false" => Some(Value::Bool(false)),
            _ => None,
        }
    }
}

/// The result of a string's method, if it only computes.
fn method(of: &Value, method: &str, arguments: &[Value]) -> Result<Value, String> {
    let text = of.to_text();
    let like = |result: String| match of {
        Value::Text(_) => Value::Text(result),
        _ => Value::from(&*result),
    };
    match (of, method, arguments) {
        (Value::Bytes(_) | Value::Text(_), "lower", []) => Ok(like(text.to_lowercase())),
        (Value::Bytes(_) | Value::Text(_), "upper", []) => Ok(like(text.to_uppercase())),
        (Value::Bytes(_) | Value::Text(_), "strip", []) => Ok(like(text.trim().to_owned())),
        (Value::Bytes(_) | Value::Text(_), "split", []) => {
            Ok(Value::List(text.split_whitespace().map(|word| like(word.to_owned())).collect()))
        }
        (Value::Bytes(_) | Value::Text(_), "join", [items]) => {
            let items = items.items().unwrap_or_default();
            Ok(like(items.iter().map(Value::to_text).collect::<Vec<_>>().join(&text)))
        }
        _ => Err(format!("{method}() is not read")),
    }
}

/// Sets an entry of a dictionary.
pub fn set(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(known, _)| known.equals(&key)) {
        Some(entry) => entry.1 = value,
        None => entries.push((key, value)),
    }
}
