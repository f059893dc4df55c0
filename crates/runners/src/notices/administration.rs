//! What the site's administrator does, told to a list's owners.

use super::Notices;
use super::draft::Draft;
use crate::pipeline::Output;

impl Notices<'_> {
    /// To the owner of a list that has just been made (spec/cli.md "newlist").
    pub fn list_made(&self, owner: &str, password: &str) -> Output {
        Draft::to_person(self, "list-made", owner)
            .from(self.site_bounces())
            .field("password", password)
            .field("posts", self.list.address())
            .field("request", self.list.sub_address("request"))
            .field("admin_url", self.list.info_url(self.site.config()))
            .write("newlist")
    }

    /// To the owners: the list has another password (spec/cli.md "change_pw").
    pub fn password_changed(&self, password: &str) -> Output {
        Draft::to_owners(self, "password-changed")
            .field("password", password)
            .field("admin_url", self.list.info_url(self.site.config()))
            .write("newpassword")
    }

    /// To the owners: members that were added together (spec/cli.md "add_members").
    pub fn members_added(&self, report: &str) -> Output {
        Draft::to_owners(self, "members-added").field("report", report).write("membersadded")
    }
}
