//! `cron disabled`.

use clap::Args;
use dormouse_store::Delivery;

// Which members the job treats. The letters are Mailman's.
#[derive(Debug, Args)]
pub struct DisabledArgs {
    /// Also members whose delivery an owner turned off.
    #[arg(short = 'o', long)]
    pub byadmin: bool,
    /// Also members who turned delivery off themselves.
    #[arg(short = 'm', long)]
    pub byuser: bool,
    /// Also members whose delivery is off for an unknown reason.
    #[arg(short = 'u', long)]
    pub unknown: bool,
    /// Not members whose delivery was turned off because of bounces.
    #[arg(short = 'b', long)]
    pub notbybounce: bool,
    /// All members whose delivery is off.
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Also members whose next reminder is not due.
    #[arg(short = 'f', long)]
    pub force: bool,
    /// Only these lists.
    #[arg(short = 'l', long = "listname", value_name = "LIST")]
    pub lists: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl DisabledArgs {
    /// Returns the selected reasons.
    pub fn reasons(&self) -> Vec<Delivery> {
        [
            (Delivery::ByBounce, self.all || !self.notbybounce),
            (Delivery::ByAdmin, self.all || self.byadmin),
            (Delivery::ByUser, self.all || self.byuser),
            (Delivery::Unknown, self.all || self.unknown),
        ]
        .into_iter()
        .filter_map(|(reason, is_meant)| is_meant.then_some(reason))
        .collect()
    }
}
