//! What an expression is worth.

use crate::{Expr, Operator, Value};

/// Longer strings and lists are not made by `*` and `+`.
const LONGEST: usize = 16 << 20;

type Lookup<'f> = &'f dyn Fn(&str) -> Option<Value>;
type Function<'f> = &'f dyn Fn(&str, &[Value]) -> Option<Result<Value, String>>;

/// What names and calls stand for. By itself it knows `True`, `False`, `None` and the words that
/// Mailman's settings use for them.
#[derive(Clone, Copy, Default)]
pub struct Scope<'f> {
    /// The value of a name, dotted or not.
    pub names: Option<Lookup<'f>>,
    /// The value of a call that is known to do no more than to compute; the error says what is
    /// wrong with its arguments.
    pub calls: Option<Function<'f>>,
}

impl Scope<'_> {
    /// The value of an expression; the error says what cannot be known.
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
                let entry = |(key, value)| Ok((self.evaluate(key)?, self.evaluate(value)?));
                let entries = entries.iter().map(|(key, value)| entry((key, value)));
                Value::Dict(entries.collect::<Result<_, String>>()?)
            }
            Expr::Name(_) | Expr::Attribute(..) => {
                let name = expr.dotted().ok_or("it asks a value for an attribute")?;
                return self.name(&name).ok_or_else(|| format!("{name} is not known here"));
            }
            Expr::Index(..) => return Err("it picks an item out of a value".to_owned()),
            Expr::Call(function, arguments, named) => {
                let name = function.dotted().unwrap_or_else(|| "something".to_owned());
                let known = self.calls.filter(|_| named.is_empty());
                let arguments = all(arguments)?;
                return known
                    .and_then(|calls| calls(&name, &arguments))
                    .unwrap_or_else(|| Err(format!("it calls {name}, and nothing is executed")));
            }
            Expr::Negative(of) => match self.evaluate(of)? {
                Value::Float(number) => Value::Float(-number),
                other => {
                    let number = other.as_int().and_then(i64::checked_neg);
                    number.map(Value::Int).ok_or_else(|| format!("- before {}", other.kind()))?
                }
            },
            Expr::Not(of) => Value::Bool(!truth(&self.evaluate(of)?)),
            Expr::Binary(operator, left, right) => {
                return combine(*operator, self.evaluate(left)?, self.evaluate(right)?);
            }
        })
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

fn truth(value: &Value) -> bool {
    match value {
        Value::None => false,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.as_float() != Some(0.0),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::Text(text) => !text.is_empty(),
        Value::Tuple(items) | Value::List(items) => !items.is_empty(),
        Value::Dict(entries) => !entries.is_empty(),
    }
}

fn combine(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    use Operator::{Add, Divide, Modulo, Multiply, Or, Subtract};
    let wrong = format!("{} and {} cannot be combined so", left.kind(), right.kind());
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        let number = match operator {
            Add => a.checked_add(b),
            Subtract => a.checked_sub(b),
            Multiply => a.checked_mul(b),
            Divide => floor(a, b),
            Modulo => floor(a, b).map(|whole| a.wrapping_sub(whole.wrapping_mul(b))),
            Or => Some(a | b),
        };
        return number.map(Value::Int).ok_or_else(|| format!("{a} and {b}: no number of 64 bits"));
    }
    if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
        let number = match operator {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            Modulo | Or => return Err(wrong),
        };
        return if number.is_finite() { Ok(Value::Float(number)) } else { Err(wrong) };
    }
    match (operator, left, right) {
        (Add, Value::Bytes(mut a), Value::Bytes(b)) if a.len() + b.len() <= LONGEST => {
            a.extend(b);
            Ok(Value::Bytes(a))
        }
        (Add, a @ (Value::Bytes(_) | Value::Text(_)), b @ (Value::Bytes(_) | Value::Text(_))) => {
            let both = a.as_text().unwrap_or_default() + &b.as_text().unwrap_or_default();
            if both.len() <= LONGEST { Ok(Value::Text(both)) } else { Err(wrong) }
        }
        (Add, Value::List(mut a), Value::List(b)) if a.len() + b.len() <= LONGEST => {
            a.extend(b);
            Ok(Value::List(a))
        }
        (Add, Value::Tuple(mut a), Value::Tuple(b)) if a.len() + b.len() <= LONGEST => {
            a.extend(b);
            Ok(Value::Tuple(a))
        }
        _ => Err(wrong),
    }
}

/// Division that rounds down, as Python 2's.
fn floor(a: i64, b: i64) -> Option<i64> {
    let whole = a.checked_div(b)?;
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { whole - 1 } else { whole })
}
