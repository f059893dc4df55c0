//! Operators applied to two values.

use crate::{Operator, Value, format};

/// The maximum size of a result, in values and bytes of strings.
const LARGEST: usize = 1 << 20;

impl Operator {
    /// The value of `left operator right`; the error says why it has none. `and` and `or` do not
    /// evaluate the right side if the left one decides: see [`crate::Scope::evaluate`].
    pub fn apply(self, left: Value, right: Value) -> Result<Value, String> {
        use Operator::{Add, And, Equal, Modulo, Multiply, NotEqual, Or};
        let value = match (self, left, right) {
            (And, left, right) => {
                if left.is_true() {
                    right
                } else {
                    left
                }
            }
            (Or, left, right) => {
                if left.is_true() {
                    left
                } else {
                    right
                }
            }
            (Equal, left, right) => Value::Bool(left.equals(&right)),
            (NotEqual, left, right) => Value::Bool(!left.equals(&right)),
            (Add, Value::Bytes(mut left), Value::Bytes(right)) => {
                left.extend(right);
                Value::Bytes(left)
            }
            (Add, left, right) if left.is_string() && right.is_string() => {
                Value::Text(left.to_text() + &right.to_text())
            }
            (Add, Value::List(mut left), Value::List(right)) => {
                left.extend(right);
                Value::List(left)
            }
            (Add, Value::Tuple(mut left), Value::Tuple(right)) => {
                left.extend(right);
                Value::Tuple(left)
            }
            (Modulo, Value::Bytes(pattern), values) => {
                let pattern = Value::Bytes(pattern).to_text();
                Value::Bytes(format::fill(&pattern, &values)?.into_bytes())
            }
            (Modulo, Value::Text(pattern), values) => Value::Text(format::fill(&pattern, &values)?),
            (Multiply, left, right) if left.is_repeatable() => left.repeat(&right)?,
            (Multiply, left, right) if right.is_repeatable() => right.repeat(&left)?,
            (operator, left, right) => operator.calculate(&left, &right)?,
        };
        if value.size() > LARGEST { Err(TOO_LARGE.to_owned()) } else { Ok(value) }
    }

    fn calculate(self, left: &Value, right: &Value) -> Result<Value, String> {
        use Operator::{
            Add, BitAnd, BitOr, BitXor, Divide, FloorDivide, Modulo, Multiply, Power, ShiftLeft,
            ShiftRight, Subtract,
        };
        let wrong = || format!("{left} and {right} cannot be combined in this way");
        if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
            let bits = u32::try_from(b).ok().filter(|bits| *bits < 63);
            let number = match self {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                // Python 2 rounds down.
                Divide | FloorDivide => floor(a, b),
                Modulo => floor(a, b).map(|whole| a.wrapping_sub(whole.wrapping_mul(b))),
                Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
                BitOr => Some(a | b),
                BitAnd => Some(a & b),
                BitXor => Some(a ^ b),
                ShiftLeft => bits.and_then(|bits| a.checked_mul(1 << bits)),
                ShiftRight => bits.map(|bits| a >> bits),
                _ => None,
            };
            return number.map(Value::Int).ok_or_else(wrong);
        }
        let (a, b) = left.as_float().zip(right.as_float()).ok_or_else(wrong)?;
        let number = match self {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            FloorDivide => (a / b).floor(),
            Modulo => a - b * (a / b).floor(),
            _ => return Err(wrong()),
        };
        if number.is_finite() { Ok(Value::Float(number)) } else { Err(wrong()) }
    }
}

const TOO_LARGE: &str = "the value is too large";

impl Value {
    fn is_string(&self) -> bool {
        matches!(self, Value::Bytes(_) | Value::Text(_))
    }

    fn is_repeatable(&self) -> bool {
        self.is_string() || matches!(self, Value::List(_) | Value::Tuple(_))
    }

    fn repeat(self, count: &Value) -> Result<Value, String> {
        let count = count.as_int().ok_or("it is multiplied by something that is not a number")?;
        let count = usize::try_from(count).unwrap_or(0);
        if count.checked_mul(self.size()).is_none_or(|size| size > LARGEST) {
            return Err(TOO_LARGE.to_owned());
        }
        let all = |items: Vec<Value>| std::iter::repeat_n(items, count).flatten().collect();
        Ok(match self {
            Value::Bytes(bytes) => Value::Bytes(bytes.repeat(count)),
            Value::Text(text) => Value::Text(text.repeat(count)),
            Value::List(items) => Value::List(all(items)),
            Value::Tuple(items) => Value::Tuple(all(items)),
            other => other,
        })
    }
}

/// Division that rounds down.
fn floor(a: i64, b: i64) -> Option<i64> {
    let whole = a.checked_div(b)?;
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { whole - 1 } else { whole })
}
