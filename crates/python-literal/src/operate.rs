//! Operators applied to two values.

use crate::{Literal, Operator, format};

/// The maximum size of a result, in values and bytes of strings.
const LARGEST: usize = 1 << 20;

impl Operator {
    /// The value of `left operator right`; the error says why it has none. `and` and `or` do not
    /// evaluate the right side if the left one decides: see [`crate::Scope::evaluate`].
    pub fn apply(self, left: Literal, right: Literal) -> Result<Literal, String> {
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
            (Equal, left, right) => Literal::Bool(left.equals(&right)),
            (NotEqual, left, right) => Literal::Bool(!left.equals(&right)),
            (Add, Literal::Bytes(mut left), Literal::Bytes(right)) => {
                left.extend(right);
                Literal::Bytes(left)
            }
            (Add, left, right) if left.is_string() && right.is_string() => {
                Literal::Text(left.to_text() + &right.to_text())
            }
            (Add, Literal::List(mut left), Literal::List(right)) => {
                left.extend(right);
                Literal::List(left)
            }
            (Add, Literal::Tuple(mut left), Literal::Tuple(right)) => {
                left.extend(right);
                Literal::Tuple(left)
            }
            (Modulo, Literal::Bytes(pattern), values) => {
                let pattern = Literal::Bytes(pattern).to_text();
                Literal::Bytes(format::fill(&pattern, &values)?.into_bytes())
            }
            (Modulo, Literal::Text(pattern), values) => {
                Literal::Text(format::fill(&pattern, &values)?)
            }
            (Multiply, left, right) if left.is_repeatable() => left.repeat(&right)?,
            (Multiply, left, right) if right.is_repeatable() => right.repeat(&left)?,
            (operator, left, right) => operator.calculate(&left, &right)?,
        };
        if value.size() > LARGEST { Err(TOO_LARGE.to_owned()) } else { Ok(value) }
    }

    fn calculate(self, left: &Literal, right: &Literal) -> Result<Literal, String> {
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
            return number.map(Literal::Int).ok_or_else(wrong);
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
        if number.is_finite() { Ok(Literal::Float(number)) } else { Err(wrong()) }
    }
}

const TOO_LARGE: &str = "the value is too large";

impl Literal {
    fn is_string(&self) -> bool {
        matches!(self, Literal::Bytes(_) | Literal::Text(_))
    }

    fn is_repeatable(&self) -> bool {
        self.is_string() || matches!(self, Literal::List(_) | Literal::Tuple(_))
    }

    fn repeat(self, count: &Literal) -> Result<Literal, String> {
        let count = count.as_int().ok_or("it is multiplied by something that is not a number")?;
        let count = usize::try_from(count).unwrap_or(0);
        if count.checked_mul(self.size()).is_none_or(|size| size > LARGEST) {
            return Err(TOO_LARGE.to_owned());
        }
        let all = |items: Vec<Literal>| std::iter::repeat_n(items, count).flatten().collect();
        Ok(match self {
            Literal::Bytes(bytes) => Literal::Bytes(bytes.repeat(count)),
            Literal::Text(text) => Literal::Text(text.repeat(count)),
            Literal::List(items) => Literal::List(all(items)),
            Literal::Tuple(items) => Literal::Tuple(all(items)),
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
