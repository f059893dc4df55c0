//! Conversion of values for the server.

use super::super::{Error, Param, Result, Value};
use bytes::BytesMut;
use postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use std::error::Error as StdError;
use std::sync::LazyLock;

/// A type that the server determines.
static ANY: LazyLock<Type> =
    LazyLock::new(|| Type::new("any".to_owned(), 0, Kind::Simple, "pg_catalog".to_owned()));

/// Returns the type with which a value is sent.
pub(super) fn type_of(param: &Param<'_>) -> Type {
    match param {
        Param::Null => ANY.clone(),
        Param::Integer(_) => Type::INT8,
        Param::Real(_) => Type::FLOAT8,
        Param::Text(_) => Type::TEXT,
        Param::Blob(_) => Type::BYTEA,
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Param::Null => Ok(IsNull::Yes),
            Param::Integer(number) => number.to_sql(ty, out),
            Param::Real(number) => number.to_sql(ty, out),
            // The server's texts cannot contain NUL.
            Param::Text(Some(text)) if text.contains('\0') => {
                text.replace('\0', "\u{FFFD}").to_sql(ty, out)
            }
            Param::Text(text) => text.to_sql(ty, out),
            Param::Blob(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value of any type that this program's tables have.
struct Any<'r>(Value<'r>);

impl<'r> FromSql<'r> for Any<'r> {
    fn from_sql(
        ty: &Type,
        raw: &'r [u8],
    ) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Any(match *ty {
            Type::BOOL => Value::Integer(bool::from_sql(ty, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Value::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Value::Integer(i64::from_sql(ty, raw)?),
            Type::FLOAT4 => Value::Real(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Value::Blob(raw),
            _ => Value::Text(std::str::from_utf8(raw)?),
        }))
    }

    fn from_sql_null(_ty: &Type) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Any(Value::Null))
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }
}

/// Returns the value of a column.
pub(crate) fn value(row: &postgres::Row, column: usize) -> Result<Value<'_>> {
    let Any(value) = row.try_get(column).map_err(Error::from)?;
    Ok(value)
}
