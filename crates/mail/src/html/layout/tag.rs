//! A start tag, as the tokenizer reads it.

/// A start tag, with the relevant attributes.
#[derive(Default)]
pub struct Tag {
    pub name: Vec<u8>,
    pub href: Option<String>,
    pub alt: Option<String>,
    pub start: Option<String>,
    current: Option<Attribute>,
}

#[derive(Clone, Copy)]
enum Attribute {
    Href,
    Alt,
    Start,
}

impl Tag {
    pub fn open(&mut self, name: &[u8]) {
        *self = Tag { name: name.to_vec(), ..Tag::default() };
    }

    fn slot(&mut self, attribute: Attribute) -> &mut Option<String> {
        match attribute {
            Attribute::Href => &mut self.href,
            Attribute::Alt => &mut self.alt,
            Attribute::Start => &mut self.start,
        }
    }

    pub fn attribute(&mut self, name: &[u8]) {
        let wanted = match name {
            b"href" => Some(Attribute::Href),
            b"alt" => Some(Attribute::Alt),
            b"start" => Some(Attribute::Start),
            _ => None,
        };
        // The first attribute of a name counts.
        self.current = wanted.filter(|wanted| self.slot(*wanted).is_none());
        if let Some(current) = self.current {
            *self.slot(current) = Some(String::new());
        }
    }

    pub fn value(&mut self, value: &[u8]) {
        if let Some(current) = self.current
            && let Some(text) = self.slot(current)
        {
            text.push_str(&String::from_utf8_lossy(value));
        }
    }
}
