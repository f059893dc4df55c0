//! A list's members, for those whom the list's `private_roster` permits.

use crate::desk::{Desk, Fields, PageProblem, at};
use crate::page::{self, Frame};
use crate::private::{self, Reader};
use crate::server::App;
use crate::visitor::Visitor;
use crate::{session, signin};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Form, Router, routing};
use dormouse_mail::AddressKey;
use dormouse_store::{Delivery, Member, MemberOption, Roster};
use dormouse_words::msgid;
use std::cmp::Ordering;
use std::sync::Arc;

/// The page.
pub fn routes() -> Router<Arc<App>> {
    at("/roster/{list}", routing::get(ask).post(answer))
}

#[derive(Template)]
#[template(path = "roster.html")]
struct RosterPage {
    frame: Frame,
    list: String,
    action: String,
    /// The number of members, including hidden ones.
    number: u64,
    /// Members who get each post, and members who get digests.
    groups: Vec<(&'static str, Vec<Shown>)>,
    sees_hidden: bool,
    /// The address after which the next page starts, if there is one.
    after: Option<AddressKey>,
}

/// A member on the page.
struct Shown {
    address: Address,
    name: String,
    is_off: bool,
}

/// An address in pieces between which a line may break.
pub type Address = Vec<String>;

/// Breaks an address after `@` and dots. A short one fits on every screen.
pub fn breakable(address: &str) -> Address {
    const SHORT: usize = 28;
    if address.len() <= SHORT {
        return vec![address.to_owned()];
    }
    address.split_inclusive(['@', '.']).map(str::to_owned).collect()
}

async fn ask(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(query): Form<Vec<(String, String)>>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| look(desk, Fields(query).get("after"))).await
}

/// Accepts a password, as Mailman's page did, and shows the page.
async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(list): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    Desk::serve(app, visitor, list, move |desk| {
        let fields = Fields(fields);
        let password = fields.get("roster-pw");
        if password.is_empty() {
            return look(desk, "");
        }
        signin::with_password(desk, &signin::READERS, fields.get("roster-email"), password)??;
        let shown = look(desk, "")?;
        let account = desk.account.as_ref().ok_or(PageProblem::StaleForm)?;
        session::keep(&desk.visitor, account, shown)
    })
    .await
}

fn look(desk: &Desk, after: &str) -> Result<Response, PageProblem> {
    let roster = desk.list.settings.private_roster;
    match private::reader(desk)? {
        Some(Reader::Keeper) => show(desk, true, after),
        Some(Reader::Member) if roster != Roster::Owners => show(desk, false, after),
        _ if roster == Roster::Anyone => show(desk, false, after),
        _ => Err(desk.sign_in()),
    }
}

fn show(desk: &Desk, sees_hidden: bool, after: &str) -> Result<Response, PageProblem> {
    let mut found = desk.store.read().members_after(desk.list.id, &AddressKey::of(after))?;
    let last = found.last().map(|member| member.key.clone());
    let after = match last {
        Some(last) if !desk.store.read().members_after(desk.list.id, &last)?.is_empty() => {
            Some(last)
        }
        _ => None,
    };
    found.retain(|member| sees_hidden || !member.options.has(MemberOption::ConcealSubscription));
    found.sort_by(|one, other| as_people_sort(&one.key, &other.key));
    let is_obscured = desk.list.settings.obscure_addresses && !sees_hidden;
    let (digests, single): (Vec<_>, Vec<_>) = found.into_iter().partition(|member| member.digest);
    let group = |members: Vec<Member>| -> Vec<Shown> {
        members.iter().map(|member| shown(member, is_obscured)).collect()
    };
    let groups =
        vec![(msgid("Individual posts"), group(single)), (msgid("Digests"), group(digests))];
    let page = RosterPage {
        frame: desk.frame_with("page-roster"),
        list: desk.name(),
        action: desk.place("roster"),
        number: desk.store.read().count_members(desk.list.id)?,
        groups: groups.into_iter().filter(|(_, members)| !members.is_empty()).collect(),
        sees_hidden,
        after,
    };
    Ok(page::page(StatusCode::OK, &page))
}

/// Programs that collect addresses look for an @.
fn shown(member: &Member, is_obscured: bool) -> Shown {
    let address = &member.address;
    let address = if is_obscured { address.replace('@', " at ") } else { address.clone() };
    Shown {
        address: breakable(&address),
        name: member.real_name.clone(),
        is_off: member.delivery != Delivery::Enabled,
    }
}

/// Sorts names with their numbers by value: 2 before 10.
fn as_people_sort(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (Some(first), Some(second)) = (one.chars().next(), other.chars().next()) else {
            return one.len().cmp(&other.len());
        };
        if !first.is_ascii_digit() || !second.is_ascii_digit() {
            if first != second {
                return first.cmp(&second);
            }
            one = &one[first.len_utf8()..];
            other = &other[second.len_utf8()..];
            continue;
        }
        let number = |text: &str| {
            let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
            (text[..end].trim_start_matches('0').to_owned(), end)
        };
        let ((first, end), (second, other_end)) = (number(one), number(other));
        let order = first.len().cmp(&second.len()).then_with(|| first.cmp(&second));
        if order != Ordering::Equal {
            return order;
        }
        one = &one[end..];
        other = &other[other_end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_addresses_are_numbers() {
        let mut addresses =
            ["u10@x", "u2@x", "anna@x", "u2b@x", "u02@y", "u1@x10", "u1@x9", "é@x", "u@x"];
        addresses.sort_by(|one, other| as_people_sort(one, other));
        assert_eq!(
            addresses,
            ["anna@x", "u1@x9", "u1@x10", "u2@x", "u02@y", "u2b@x", "u10@x", "u@x", "é@x"]
        );
    }

    #[test]
    fn a_long_address_is_broken_behind_its_at_and_its_dots() {
        assert_eq!(breakable("a.b@c.example"), ["a.b@c.example"]);
        let long = breakable("a.b@a-rather-long-name-of-a-host.example");
        assert_eq!(long, ["a.", "b@", "a-rather-long-name-of-a-host.", "example"]);
    }
}
