//! Pages of the manual that are pages of the documentation.

/// A page of the documentation.
pub struct Document {
    /// Its file in `docs/`, without the extension.
    pub file: &'static str,
    /// The name of the manual page.
    pub name: &'static str,
    /// The section of the manual.
    pub section: u8,
    /// A short description.
    pub summary: &'static str,
    /// Its Markdown.
    pub text: &'static str,
}

macro_rules! document {
    ($file:literal, $name:literal, $section:literal, $summary:literal) => {
        Document {
            file: $file,
            name: concat!("dormouse-", $name),
            section: $section,
            summary: $summary,
            text: include_str!(concat!("../../../../../docs/", $file, ".md")),
        }
    };
}

/// All of them.
pub const DOCUMENTS: [Document; 17] = [
    document!("files", "files", 5, "the files of a site"),
    document!("spool", "qfiles", 5, "the queue directories and files"),
    document!("archives", "archives", 7, "archives of lists"),
    document!("arrangements", "arrangements", 7, "how queues are processed"),
    document!("bounces", "bounces", 7, "bounces"),
    document!("commands", "commands", 7, "Mailman's commands and their replacements"),
    document!("deliverability", "deliverability", 7, "DKIM, ARC and DMARC"),
    document!("differences", "differences", 7, "differences from Mailman 2.1"),
    document!("existing-mailman", "existing-mailman", 7, "saving memory with Mailman 2.1"),
    document!("hosts", "hosts", 7, "one site on several hosts"),
    document!("installing", "installing", 7, "installation"),
    document!("languages", "languages", 7, "languages and translations"),
    document!("members", "members", 7, "joining, leaving and options"),
    document!("operating", "operating", 7, "operation"),
    document!("takeover", "takeover", 7, "moving a Mailman 2.1 site"),
    document!("waking", "waking", 7, "how systemd starts dormouse"),
    document!("web", "web", 7, "web pages"),
];

/// Returns the page that a link in the documentation leads to.
pub fn linked(target: &str) -> Option<&'static Document> {
    let file = target.split('#').next()?.strip_suffix(".md")?;
    DOCUMENTS.iter().find(|document| document.file == file)
}
