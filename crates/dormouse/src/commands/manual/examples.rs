//! Examples of commands: those of the documentation.

use super::documents::{DOCUMENTS, Document};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A command line of the documentation.
#[derive(Clone)]
pub struct Example {
    /// The command: `list create`.
    pub command: String,
    /// The line, with its prompt and comment.
    pub line: String,
    /// Where it is explained.
    pub document: &'static Document,
}

/// Returns all command lines of the documentation that call this program.
pub fn of(program: &clap::Command) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for document in &DOCUMENTS {
        for line in lines(document.text) {
            let command = called(program, &line);
            let is_new = examples.iter().all(|other| other.line != line);
            if !command.is_empty() && is_new {
                examples.push(Example { command, line, document });
            }
        }
    }
    examples
}

/// Returns the lines in code blocks that call this program; continued lines are joined.
fn lines(markdown: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut block = None;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let is_session = match &kind {
                    CodeBlockKind::Fenced(language) => language.as_ref() == "console",
                    CodeBlockKind::Indented => true,
                };
                block = is_session.then(String::new);
            }
            Event::Text(text) => {
                if let Some(block) = &mut block {
                    block.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                let text = block.take().unwrap_or_default().replace("\\\n", "\\\u{0}");
                let ours = text.lines().filter(|line| words(line).next() == Some("dormouse"));
                lines.extend(ours.map(|line| line.replace('\u{0}', "\n")));
            }
            _ => {}
        }
    }
    lines
}

/// Returns the words of a line after its prompt.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let line = line.strip_prefix(['$', '#']).unwrap_or(line);
    line.split_whitespace().filter(|word| *word != "\\")
}

/// Returns the command that a line calls, such as `list create`; empty if it calls none.
fn called(program: &clap::Command, line: &str) -> String {
    let mut command = program;
    let mut path = Vec::new();
    let mut words = words(line).skip(1);
    while let Some(word) = words.next() {
        if word == "--site" {
            words.next();
        } else if let Some(below) = command.find_subcommand(word) {
            path.push(below.get_name());
            command = below;
        } else {
            break;
        }
    }
    path.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory as _;

    /// The arguments of a line as a shell passes them, up to a comment, a pipe or a redirection.
    fn arguments(line: &str) -> Vec<String> {
        let mut all = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut letters = line.trim_start_matches(['$', '#', ' ']).chars();
        while let Some(letter) = letters.next() {
            match (quote, letter) {
                (Some(open), _) if letter == open => quote = None,
                (Some(_), _) => word.get_or_insert_default().push(letter),
                (None, '\'' | '"') => {
                    quote = Some(letter);
                    word.get_or_insert_default();
                }
                (None, '\\') => {
                    if let Some(next) = letters.next().filter(|next| *next != '\n') {
                        word.get_or_insert_default().push(next);
                    }
                }
                (None, '|' | '<' | '>' | ';' | '&') => break,
                (None, '#') if word.is_none() => break,
                (None, letter) if letter.is_whitespace() => all.extend(word.take()),
                (None, letter) => word.get_or_insert_default().push(letter),
            }
        }
        all.extend(word);
        all
    }

    #[test]
    fn every_command_in_the_documentation_is_understood() {
        let mut misunderstood = Vec::new();
        for document in &DOCUMENTS {
            for line in lines(document.text) {
                if let Err(error) = Cli::command().try_get_matches_from(arguments(&line))
                    && error.use_stderr()
                {
                    misunderstood.push(format!("docs/{}.md: {line}\n{error}", document.file));
                }
            }
        }
        assert!(misunderstood.is_empty(), "{}", misunderstood.join("\n"));
    }

    #[test]
    fn lines_of_sessions_are_examples_of_their_commands() {
        let text = "```console\n# dormouse list create x \\\n    --owner y\nmade x\n$ cat f | dormouse run\n\
                    ```\n\n```\ndormouse run\n```\n\n    dormouse --site /x backup f\n";
        let found = lines(text);
        assert_eq!(
            found,
            ["# dormouse list create x \\\n    --owner y", "dormouse --site /x backup f"]
        );
        let mut program = Cli::command();
        program.build();
        assert_eq!(called(&program, &found[0]), "list create");
        assert_eq!(called(&program, &found[1]), "backup");
        assert_eq!(called(&program, "$ dormouse"), "");
    }
}
