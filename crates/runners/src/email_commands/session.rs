//! The state while a mail's commands are executed, and the reply at the end.

use super::script::{self, Script};
use super::{Command, Next, SessionOutcome, command, mailbox_of, origin_of};
use dormouse_mail::{AddressKey, Mailbox, conceal};
use dormouse_membership as membership;
use dormouse_membership::moderation::desk::DecisionEffect;
use dormouse_membership::role::{self, Role};
use dormouse_membership::{MembershipError, Refusal, Registry};
use dormouse_pipeline::handlers::approve;
use dormouse_pipeline::{HandlerError, Post};
use dormouse_store::{List, StoreError, Tx};
use dormouse_words::{Language, Text, count, say, verbatim};

/// One mail's commands.
pub struct CommandSession<'s, 'p> {
    /// The mail.
    pub post: &'s Post<'p>,
    /// The list's memberships, with the sender as the origin of requests.
    pub registry: Registry<'p>,
    /// The sender, as written in the mail.
    pub from: Mailbox,
    /// The sender's address, to find a member.
    pub sender: AddressKey,
    /// Held posts that were decided on.
    pub decided: Vec<DecisionEffect>,
    /// The lines of the reply.
    pub results: Vec<Text>,
    /// Whether no reply is needed, because another mail says it.
    pub is_silent: bool,
    /// The state of `set`.
    pub set: super::set::State,
    /// Whether the mail replies to one of ours: then the rest of it contains no commands.
    pub is_answer: bool,
    /// Whether somebody vouches for the sender. To others no words of the mail are sent back: From
    /// may be forged, and the words would reach an address that the forger chose.
    pub is_known: bool,
    /// The sender's language.
    pub language: Language,
    /// Whether a wrong password was given: then no other is tried for this mail, because that takes
    /// time.
    was_wrong: bool,
    /// Everything that was given as a password, right or wrong; it is never sent back.
    given: Vec<String>,
    commands: Vec<&'static str>,
    unprocessed: Vec<String>,
    ignored: Vec<String>,
}

impl<'s, 'p> CommandSession<'s, 'p> {
    /// Creates the session of a mail.
    pub fn new(post: &'s Post<'p>) -> Result<CommandSession<'s, 'p>, StoreError> {
        let from = mailbox_of(&post.message);
        let sender = post.message.sender().unwrap_or_default();
        let origin = origin_of(post, &sender);
        let is_known = post.answerable().is_known(&sender)?;
        let own = post.store.read().language_of(post.list.id, &sender)?;
        let language = Language::of(&own)
            .unwrap_or_else(|| Language::or_english(&post.list.settings.preferred_language));
        Ok(CommandSession {
            post,
            registry: Registry::new(post.site, post.store, post.list, origin),
            from,
            sender,
            decided: Vec::new(),
            results: Vec::new(),
            is_silent: false,
            set: super::set::State::default(),
            is_answer: false,
            is_known,
            language,
            was_wrong: false,
            given: Vec::new(),
            commands: Vec::new(),
            unprocessed: Vec::new(),
            ignored: Vec::new(),
        })
    }

    /// Adds a line to the reply.
    pub fn say(&mut self, text: Text) {
        self.results.push(text);
    }

    /// Separates refusals from failures, and adds the former to the reply.
    pub fn settle<T>(
        &mut self,
        result: Result<T, MembershipError>,
    ) -> Result<Option<T>, HandlerError> {
        match membership::split(result)? {
            Ok(value) => Ok(Some(value)),
            Err(refusal) => {
                self.say(refusal.text());
                Ok(None)
            }
        }
    }

    /// Does the same for an address that may not be the sender's: then the reply does not depend on
    /// whether the address is a member, nor on how often somebody asked about it.
    pub fn settle_for<T>(
        &mut self,
        address: &str,
        result: Result<T, MembershipError>,
    ) -> Result<Option<T>, HandlerError> {
        let is_secret = matches!(
            result,
            Err(MembershipError::Refused(Refusal::Member | Refusal::NotMember | Refusal::TooOften))
        );
        if is_secret && !self.is_sender(address) {
            return Ok(None);
        }
        self.settle(result)
    }

    /// Whether an address is the sender's.
    pub fn is_sender(&self, address: &str) -> bool {
        AddressKey::of(address) == self.sender
    }

    /// Returns an address as the reply names it. Others than the sender's are named only if
    /// somebody vouches for the sender.
    pub fn called(&self, address: &str) -> Text {
        if self.is_known || self.is_sender(address) {
            verbatim(address)
        } else {
            say("that address")
        }
    }

    /// Remembers something that was given as a password, so that the reply does not repeat it.
    pub fn conceal(&mut self, given: &str) {
        self.given.push(given.to_owned());
    }

    /// Checks a password, unless a wrong one was given before.
    pub fn try_password(
        &mut self,
        given: &str,
        check: impl FnOnce(&Tx<'_>, &List) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        self.conceal(given);
        let is_right = !self.was_wrong && check(self.post.store, self.post.list)?;
        self.was_wrong = !is_right;
        Ok(is_right)
    }

    /// Whether a password is the owners' or the moderators'.
    pub fn is_moderators(&mut self, password: &str) -> Result<bool, StoreError> {
        self.try_password(password, |store, list| is_moderators(store, list, password))
    }

    /// Executes one command.
    pub fn run_one(&mut self, word: &str, arguments: &[&str]) -> Result<Next, HandlerError> {
        match command(word) {
            Some(command) => self.carry_out(command, arguments),
            None => Ok(Next::Stop),
        }
    }

    fn carry_out(&mut self, command: &Command, arguments: &[&str]) -> Result<Next, HandlerError> {
        self.commands.push(command.words[0]);
        (command.run)(self, arguments)
    }

    /// Executes all commands of a mail.
    pub fn run_script(&mut self, script: &Script) -> Result<(), HandlerError> {
        let mut next = Next::Continue;
        for reading in script::readings(&script.subject) {
            if let Some((word, arguments)) = script::words(reading)
                && let Some(command) = command(&word)
            {
                next = self.carry_out(command, &arguments.collect::<Vec<_>>())?;
                break;
            }
        }
        let mut lines = script.lines.iter();
        while next == Next::Continue {
            let Some(line) = lines.next() else { break };
            let Some((word, arguments)) = script::words(line) else { continue };
            match command(&word) {
                Some(command) => {
                    next = self.carry_out(command, &arguments.collect::<Vec<_>>())?;
                }
                None => {
                    self.unprocessed.push(line.clone());
                    break;
                }
            }
        }
        self.unprocessed.extend(lines.cloned());
        self.ignored.clone_from(&script.ignored);
        if script.is_partial && !self.commands.is_empty() {
            self.results.insert(0, say("Only the first text part of your email was read."));
        }
        Ok(())
    }

    /// Returns the reply, and everything else that the commands caused.
    pub fn finish(mut self) -> Result<SessionOutcome, HandlerError> {
        super::set::finish(&mut self)?;
        let reply = self.reply()?;
        let mut mails = std::mem::take(&mut self.registry.outputs);
        mails.extend(reply);
        let problems = self.registry.take_problems();
        Ok(SessionOutcome { commands: self.commands, mails, decided: self.decided, problems })
    }

    fn reply(&mut self) -> Result<Option<dormouse_membership::Output>, HandlerError> {
        let config = self.post.config;
        if self.commands.is_empty() {
            if config.commands_drop_without_command {
                return Ok(None);
            }
            self.say(say(
                "There was no command in your email. Send the word \"help\" to learn more.",
            ));
        }
        if self.is_answer {
            self.unprocessed.clear();
            self.ignored.clear();
        }
        self.unprocessed.retain(|line| !line.is_empty());
        if !self.is_known {
            withhold(&mut self.unprocessed, self.language);
            withhold(&mut self.ignored, self.language);
        }
        if self.results.is_empty() && (self.is_silent || self.unprocessed.is_empty()) {
            return Ok(None);
        }
        let to = self.from.address.clone();
        let Some(last) = self.may_reply(&to)? else {
            tracing::info!("{}: {to} had enough answers today", self.post.list.name);
            return Ok(None);
        };
        let post = self.post;
        let (original, secrets) =
            approve::without_passwords(post.store, post.list, &post.message, &self.given)?;
        for line in self.unprocessed.iter_mut().chain(&mut self.ignored) {
            *line = conceal::conceal_text(line, &secrets);
        }
        self.unprocessed.retain(|line| !line.is_empty());
        let text = self.text(last);
        let original = self.is_known.then_some(&original);
        let language = self.language.code();
        Ok(Some(self.post.notices().command_results(&to, &text, original, language)))
    }

    /// Returns `None` if an address may get no reply today, otherwise whether it is the last one.
    fn may_reply(&self, to: &str) -> Result<Option<bool>, StoreError> {
        if to.is_empty() {
            return Ok(None);
        }
        let post = self.post;
        let left = post.answerable().spend(to)?;
        Ok(left.map(|left| left == 0))
    }

    fn text(&self, is_last: bool) -> String {
        let mut text = String::new();
        let tell = |text: Text| text.to(self.language).to_string();
        let mut section = |head: Text, items: &[String]| {
            let lines: Vec<String> = items
                .iter()
                .flat_map(|item| item.trim_end().lines())
                .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
                .collect();
            if !lines.is_empty() {
                text.push_str(&format!("- {}:\n{}\n\n", tell(head), lines.join("\n")));
            }
        };
        let results: Vec<String> =
            self.results.iter().map(|result| wrapped(&tell(result.clone()))).collect();
        section(say("Results"), &results);
        section(say("Unprocessed"), &self.unprocessed);
        section(say("Ignored"), &self.ignored);
        if is_last {
            let last = tell(say(
                "This is the last automatic reply you get today, to protect you from a flood of mail. To \
                 reach a person, write to the owners.",
            ));
            text.push_str(&format!("- {}\n\n", wrapped(&last).replace('\n', "\n  ")));
        }
        text.push_str(&format!("- {}", tell(say("Done."))));
        text
    }
}

/// Whether a password is the owners' or the moderators'.
pub fn is_moderators(store: &Tx<'_>, list: &List, password: &str) -> Result<bool, StoreError> {
    Ok(role::of_password(store, list, &[Role::Moderator, Role::Owner], password)?.is_some())
}

/// The maximum width of a line.
const WIDTH: usize = 72;

/// Returns the width of a word. Every address counts the same, so that replies about different
/// addresses have the same line breaks.
fn width_of(word: &str) -> usize {
    if word.contains('@') { 20 } else { word.chars().count() }
}

/// Wraps long lines of a text. Indented lines, as in tables, stay unchanged.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) || line.chars().count() <= WIDTH {
            lines.push(line.to_owned());
            continue;
        }
        let (mut current, mut width) = (String::new(), 0);
        for word in line.split(' ') {
            if !current.is_empty() && width + 1 + width_of(word) > WIDTH {
                lines.push(std::mem::take(&mut current));
                width = 0;
            }
            if !current.is_empty() {
                current.push(' ');
                width += 1;
            }
            current.push_str(word);
            width += width_of(word);
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// Replaces lines by their number.
fn withhold(lines: &mut Vec<String>, language: Language) {
    if !lines.is_empty() {
        let number = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let said = count(
            "{count} line that is not repeated here",
            "{count} lines that are not repeated here",
            number,
        );
        *lines = vec![said.to(language).to_string()];
    }
}
