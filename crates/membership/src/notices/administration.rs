//! Tells a list's owners what the site's administrator did.

use super::Notices;
use super::draft::Draft;
use crate::Output;

impl Notices<'_> {
    /// To the owner of a list that has just been created (docs/spec/cli.md "newlist"), with its password
    /// if it has one.
    pub fn list_made(&self, owner: &str, password: Option<&str>) -> Output {
        Draft::to_person(self, "list-made", owner)
            .from(self.site_bounces())
            .field("password", password.unwrap_or_default())
            .field("posts", self.list.address())
            .field("request", self.list.sub_address("request"))
            .field("join", self.list.sub_address("join"))
            .field("leave", self.list.sub_address("leave"))
            .text_field(
                "deciding",
                if password.is_some() { "newlistpassword" } else { "newlistnopassword" },
            )
            .field("admin_url", self.list.info_url(self.site.config()))
            .write("newlist")
    }

    /// To the owners: the list has another password (docs/spec/cli.md "change_pw").
    pub fn password_changed(&self, password: &str) -> Output {
        Draft::to_owners(self, "password-changed")
            .field("password", password)
            .field("admin_url", self.list.info_url(self.site.config()))
            .write("newpassword")
    }

    /// To the owners: members that were added together (docs/spec/cli.md "add_members").
    pub fn members_added(&self, report: &str) -> Output {
        Draft::to_owners(self, "members-added").field("report", report).write("membersadded")
    }
}
