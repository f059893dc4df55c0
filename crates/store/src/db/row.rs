//! Values of statements and rows.

use super::{Error, Result};
use crate::ListName;
use dormouse_clock::Timestamp;
use dormouse_mail::AddressKey;

/// A value in a statement. `None` is null of the variant's type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Param<'p> {
    /// Null whose type follows from its place.
    Null,
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<&'p str>),
    Blob(Option<&'p [u8]>),
}

/// A type that can be a value in a statement.
pub(crate) trait ToParam {
    /// Returns the value for the database.
    fn to_param(&self) -> Param<'_>;
}

/// The values of a statement: `params![list.id, address]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::db::ToParam::to_param(&$value)),*]
    };
}
pub(crate) use params;

impl ToParam for i64 {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(Some(*self))
    }
}

impl ToParam for u32 {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(Some(i64::from(*self)))
    }
}

impl ToParam for bool {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(Some(i64::from(*self)))
    }
}

impl ToParam for f64 {
    fn to_param(&self) -> Param<'_> {
        Param::Real(Some(*self))
    }
}

impl ToParam for Timestamp {
    fn to_param(&self) -> Param<'_> {
        Param::Real(Some(self.seconds()))
    }
}

impl ToParam for str {
    fn to_param(&self) -> Param<'_> {
        Param::Text(Some(self))
    }
}

impl ToParam for String {
    fn to_param(&self) -> Param<'_> {
        Param::Text(Some(self))
    }
}

impl ToParam for AddressKey {
    fn to_param(&self) -> Param<'_> {
        Param::Text(Some(self))
    }
}

impl ToParam for ListName {
    fn to_param(&self) -> Param<'_> {
        Param::Text(Some(self))
    }
}

impl ToParam for [u8] {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(Some(self))
    }
}

impl ToParam for Vec<u8> {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(Some(self))
    }
}

impl<T: ToParam + ?Sized> ToParam for &T {
    fn to_param(&self) -> Param<'_> {
        (**self).to_param()
    }
}

impl ToParam for Option<i64> {
    fn to_param(&self) -> Param<'_> {
        Param::Integer(*self)
    }
}

impl ToParam for Option<&str> {
    fn to_param(&self) -> Param<'_> {
        Param::Text(*self)
    }
}

impl ToParam for Option<String> {
    fn to_param(&self) -> Param<'_> {
        Param::Text(self.as_deref())
    }
}

impl ToParam for Option<Vec<u8>> {
    fn to_param(&self) -> Param<'_> {
        Param::Blob(self.as_deref())
    }
}

/// A value in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'v> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl Value<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a number",
            Value::Text(_) => "text",
            Value::Blob(_) => "bytes",
        }
    }
}

/// An owned value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl ToParam for Owned {
    fn to_param(&self) -> Param<'_> {
        match self {
            Owned::Null => Param::Null,
            Owned::Integer(number) => number.to_param(),
            Owned::Real(number) => number.to_param(),
            Owned::Text(text) => text.to_param(),
            Owned::Blob(bytes) => bytes.to_param(),
        }
    }
}

/// A type that can be read from a row.
pub(crate) trait FromValue: Sized {
    /// Returns `None` if the value has another type.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Option<i64> {
        match value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Option<bool> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for f64 {
    fn from_value(value: Value<'_>) -> Option<f64> {
        match value {
            Value::Real(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value<'_>) -> Option<Timestamp> {
        f64::from_value(value).map(Timestamp::from_seconds)
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Option<String> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromValue for AddressKey {
    fn from_value(value: Value<'_>) -> Option<AddressKey> {
        match value {
            Value::Text(text) => Some(AddressKey::of(text)),
            _ => None,
        }
    }
}

impl FromValue for ListName {
    fn from_value(value: Value<'_>) -> Option<ListName> {
        String::from_value(value).map(ListName::kept)
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Vec<u8>> {
        match value {
            Value::Blob(bytes) => Some(bytes.to_owned()),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A row of a query's result.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl Row<'_> {
    /// Returns the value of a column, counted from 0.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T> {
        let value = self.value(column)?;
        T::from_value(value).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            Error::content(format!("column {column} is {}, not {wanted}", value.kind()))
        })
    }

    /// Returns the text of a column, without copying it.
    pub fn text(&self, column: usize) -> Result<&str> {
        self.optional_text(column)?
            .ok_or_else(|| Error::content(format!("column {column} is nothing, not text")))
    }

    /// The same for a column that may be null.
    pub fn optional_text(&self, column: usize) -> Result<Option<&str>> {
        match self.value(column)? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(Error::content(format!("column {column} is {}, not text", other.kind()))),
        }
    }

    /// Returns the value of a column without conversion.
    pub fn value(&self, column: usize) -> Result<Value<'_>> {
        match self {
            Row::Sqlite(row) => super::sqlite::value(row, column),
            Row::Postgres(row) => super::postgres::value(row, column),
        }
    }
}
