//! Posts, bounces and members of the last days, as SVG in the page and as a table.

use crate::desk::PageProblem;
use crate::page::{self, Frame};
use crate::seat::{Moderates, Room, RunsSite, Seat, list_page, room_page};
use crate::server::App;
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use dormouse_clock::Timestamp;
use dormouse_mail::date;
use dormouse_membership::account::{Power, Standing};
use dormouse_store::{Count, Daily, DomainReturns, ListId, Read};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The number of days shown.
const DAYS: usize = 90;
/// The number of receiving domains shown.
const DOMAINS: usize = 50;
/// A chart's size, in SVG units.
const WIDTH: usize = 720;
const HEIGHT: usize = 120;
const SECONDS_A_DAY: u64 = 86_400;

/// The pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new().merge(list_page::<Moderates>("/charts/{list}", of_list, None)).merge(room_page::<
        RunsSite,
    >(
        "/site/charts",
        of_site,
        None,
    ))
}

#[derive(Template)]
#[template(path = "charts.html")]
struct ChartsPage {
    frame: Frame,
    title: String,
    back: String,
    charts: Vec<Chart>,
    days: Vec<Day>,
    /// Bounces by receiving domain, if the reader may know where members have their mailboxes.
    returns: Option<Vec<DomainReturns>>,
}

/// The numbers of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Day {
    day: String,
    posts: u64,
    bounces: u64,
    joined: u64,
    left: u64,
    /// At the end of the day.
    members: u64,
}

impl Day {
    fn is_empty(&self) -> bool {
        self.posts + self.bounces + self.joined + self.left == 0
    }
}

/// A chart.
#[derive(Debug, PartialEq, Eq)]
struct Chart {
    name: &'static str,
    title: String,
    /// A description for people who do not see it.
    says: String,
    first: String,
    last: String,
    lowest: u64,
    highest: u64,
    shape: Shape,
}

/// The form of a chart.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// A bar for each day: left, top, and height.
    Bars(Vec<(usize, usize, usize)>),
    /// A line through all days: its points.
    Line(String),
}

impl Chart {
    fn bars(&self) -> &[(usize, usize, usize)] {
        match &self.shape {
            Shape::Bars(bars) => bars,
            Shape::Line(_) => &[],
        }
    }

    fn points(&self) -> &str {
        match &self.shape {
            Shape::Bars(_) => "",
            Shape::Line(points) => points,
        }
    }

    fn of(
        frame: &Frame,
        name: &'static str,
        title: String,
        days: &[Day],
        value: fn(&Day) -> u64,
    ) -> Chart {
        let values: Vec<u64> = days.iter().map(value).collect();
        let highest = values.iter().copied().max().unwrap_or(0);
        let step = WIDTH / DAYS;
        let tall = |value: u64| scaled(value, 0, highest);
        let bars = values.iter().enumerate().filter(|(_, value)| **value > 0);
        let bars = bars.map(|(at, &value)| {
            // Even the smallest value must be visible.
            let height = tall(value).max(2);
            (at * step, HEIGHT - height, height)
        });
        let all: u64 = values.iter().sum();
        Chart {
            says: frame
                .say("{all} in 90 days, at most {highest} in a day.")
                .with("all", all)
                .with("highest", highest)
                .to_string(),
            shape: Shape::Bars(bars.collect()),
            lowest: 0,
            highest,
            ..Chart::blank(name, title, days)
        }
    }

    fn members(frame: &Frame, days: &[Day]) -> Chart {
        let lowest = days.iter().map(|day| day.members).min().unwrap_or(0);
        let highest = days.iter().map(|day| day.members).max().unwrap_or(0);
        let step = WIDTH / DAYS;
        let points = days.iter().enumerate().map(|(at, day)| {
            format!("{},{}", at * step + step / 2, HEIGHT - scaled(day.members, lowest, highest))
        });
        let (first, last) = (days.first(), days.last());
        let members = |day: Option<&Day>| day.map_or(0, |day| day.members);
        Chart {
            says: frame
                .say("From {first} to {last}.")
                .with("first", members(first))
                .with("last", members(last))
                .to_string(),
            shape: Shape::Line(points.collect::<Vec<_>>().join(" ")),
            lowest,
            highest,
            ..Chart::blank("members", frame.say("Members").to_string(), days)
        }
    }

    fn blank(name: &'static str, title: String, days: &[Day]) -> Chart {
        let day = |day: Option<&Day>| day.map(|day| day.day.clone()).unwrap_or_default();
        Chart {
            name,
            title,
            says: String::new(),
            first: day(days.first()),
            last: day(days.last()),
            lowest: 0,
            highest: 0,
            shape: Shape::Bars(Vec::new()),
        }
    }
}

/// Where a value is between two others, in SVG units.
fn scaled(value: u64, lowest: u64, highest: u64) -> usize {
    let (value, range) = (value.saturating_sub(lowest), highest.saturating_sub(lowest));
    if range == 0 {
        return HEIGHT / 2;
    }
    let share = u128::from(value) * HEIGHT as u128 / u128::from(range);
    usize::try_from(share).unwrap_or(HEIGHT).min(HEIGHT)
}

/// The last days up to `now`, with the counts of each. The numbers of members follow from today's,
/// backwards.
fn days(counted: Vec<Daily>, members: u64, now: Timestamp) -> Vec<Day> {
    let mut by_day: BTreeMap<String, Day> = (0..DAYS as u64)
        .map(|back| date::day(now - Duration::from_secs(back * SECONDS_A_DAY)))
        .map(|day| (day.clone(), Day { day, ..Day::default() }))
        .collect();
    for Daily { day, count, number } in counted {
        let Some(day) = by_day.get_mut(&day) else { continue };
        match count {
            Count::Posts => day.posts += number,
            Count::Bounces => day.bounces += number,
            Count::Joined => day.joined += number,
            Count::Left => day.left += number,
        }
    }
    let mut days: Vec<Day> = by_day.into_values().collect();
    let mut members = members;
    for day in days.iter_mut().rev() {
        day.members = members;
        members = (members + day.left).saturating_sub(day.joined);
    }
    days
}

fn since() -> String {
    date::day(Timestamp::now() - Duration::from_secs((DAYS as u64 - 1) * SECONDS_A_DAY))
}

fn returns(store: &Read, list: Option<ListId>) -> Result<Vec<DomainReturns>, PageProblem> {
    let since = Timestamp::now() - Duration::from_secs(DAYS as u64 * SECONDS_A_DAY);
    let mut returns = store.returns_by_domain(list, since)?;
    returns.truncate(DOMAINS);
    Ok(returns)
}

fn show(
    frame: Frame,
    title: String,
    back: String,
    days: Vec<Day>,
    returns: Option<Vec<DomainReturns>>,
) -> Response {
    let charts = vec![
        Chart::of(&frame, "posts", frame.say("Posts").to_string(), &days, |day| day.posts),
        Chart::of(&frame, "bounces", frame.say("Bounces").to_string(), &days, |day| day.bounces),
        Chart::members(&frame, &days),
    ];
    let days = days.into_iter().rev().filter(|day| !day.is_empty()).collect();
    page::page(StatusCode::OK, &ChartsPage { frame, title, back, charts, days, returns })
}

fn of_list(seat: &Seat<Moderates>) -> Result<Response, PageProblem> {
    let counted = seat.store.read().daily(Some(seat.list.id), &since())?;
    let members = seat.store.read().count_members(seat.list.id)?;
    let days = days(counted, members, Timestamp::now());
    let is_owner = matches!(seat.standing(Power::Owner), Standing::Has);
    let returns = is_owner.then(|| returns(seat.store.read(), Some(seat.list.id))).transpose()?;
    Ok(show(seat.frame(), seat.name(), seat.place("admin"), days, returns))
}

fn of_site(room: &Room<RunsSite>) -> Result<Response, PageProblem> {
    let counted = room.store.read().daily(None, &since())?;
    let members = room.store.read().count_all_members()?;
    let days = days(counted, members, Timestamp::now());
    let frame = room.frame();
    let title = frame.say("All lists").to_string();
    Ok(show(frame, title, room.place("site"), days, Some(returns(room.store.read(), None)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_members_there_were_follows_from_how_many_there_are() {
        let now = Timestamp::EPOCH + Duration::from_secs(20_000 * SECONDS_A_DAY);
        let day = |back: u64| date::day(now - Duration::from_secs(back * SECONDS_A_DAY));
        let counted = |back, count, number| Daily { day: day(back), count, number };
        let days = days(
            vec![
                counted(1, Count::Joined, 3),
                counted(0, Count::Left, 1),
                counted(0, Count::Posts, 5),
                counted(400, Count::Joined, 9),
            ],
            10,
            now,
        );
        assert_eq!(days.len(), DAYS);
        let last: Vec<u64> = days.iter().rev().take(3).map(|day| day.members).collect();
        assert_eq!(last, [10, 11, 8]);
        let frame = Frame::default();
        let posts = Chart::of(&frame, "posts", String::new(), &days, |day| day.posts);
        assert_eq!(posts.bars(), [((DAYS - 1) * 8, 0, HEIGHT)]);
        assert_eq!(posts.says, "5 in 90 days, at most 5 in a day.");
        let members = Chart::members(&frame, &days);
        assert_eq!((members.lowest, members.highest), (8, 11));
        assert_eq!(members.points().split(' ').count(), DAYS);
    }

    #[test]
    fn nothing_and_very_much_can_be_drawn() {
        for number in [0, 1, u64::MAX / 2] {
            let now = Timestamp::EPOCH + Duration::from_secs(20_000 * SECONDS_A_DAY);
            let counted = Daily { day: date::day(now), count: Count::Posts, number };
            let days = days(vec![counted], number, now);
            let frame = Frame::default();
            let chart = Chart::of(&frame, "posts", String::new(), &days, |day| day.posts);
            assert!(chart.bars().iter().all(|(left, top, tall)| {
                left + 8 <= WIDTH && top + tall <= HEIGHT && *tall > 0
            }));
            assert_eq!(chart.bars().is_empty(), number == 0);
        }
    }
}
