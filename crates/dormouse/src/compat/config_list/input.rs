//! Reads a file of assignments. Nothing in it is executed: anything else is
//! an error with its line.

use super::options;
use super::values;
use dormouse_python_literal::{Expr, Literal, Operator, ParseError, Scope, Statement, What, parse};
use dormouse_store::check::{Subject, Wrong};
use dormouse_store::takeover::STATE_NUMBERS;
use dormouse_store::{List, ListSettings, ListState};
use dormouse_takeover::place_of_attribute;
use std::collections::HashMap;

/// The assignments of a file, and remarks on them.
#[derive(Debug, Default, PartialEq)]
pub struct Declared {
    /// Settings with their values as texts.
    pub changes: Vec<(String, String)>,
    /// Numbers that belong to the list's state.
    pub numbers: Vec<(String, f64)>,
    /// Lines for standard error.
    pub remarks: Vec<String>,
}

/// Reads a file for a list. `is_list` says whether there is a list of a name.
///
/// # Errors
/// Everything in the file that is not an assignment.
pub fn read(
    list: &List,
    state: &ListState,
    source: &[u8],
    verbose: bool,
    is_list: &dyn Fn(&str) -> bool,
) -> Result<Declared, Vec<ParseError>> {
    let file = parse(source);
    let mut reader =
        Reader { list, state, names: HashMap::new(), order: Vec::new(), problems: file.problems };
    let mut declared = Declared::default();
    for statement in &file.statements {
        reader.statement(statement, &mut declared.remarks);
    }
    if !reader.problems.is_empty() {
        reader.problems.sort_by_key(|problem| problem.line);
        return Err(reader.problems);
    }
    for name in &reader.order {
        declare(list, name, &reader.names[name], verbose, is_list, &mut declared);
    }
    Ok(declared)
}

/// Adds an assigned name to the changes, or says why it is ignored.
fn declare(
    list: &List,
    name: &str,
    value: &Literal,
    verbose: bool,
    is_list: &dyn Fn(&str) -> bool,
    declared: &mut Declared,
) {
    let is_number = STATE_NUMBERS.contains(&name);
    if !is_number && !ListSettings::is_known(name) {
        declared.remarks.push(match place_of_attribute(name) {
            Some(place) => format!("attribute \"{name}\" ignored: it is here: {place}"),
            None => format!("attribute \"{name}\" ignored"),
        });
        return;
    }
    if verbose {
        declared.remarks.push(format!("attribute \"{name}\" changed"));
    }
    if is_number {
        match number(value) {
            Some(number) => {
                declared.remarks.push(format!("Non-standard property restored: {name}"));
                declared.numbers.push((name.to_owned(), number));
            }
            None => {
                declared.remarks.push(format!("Invalid value for property: {name}"));
                declared.remarks.push(format!("    {value} is not a number from 0 up"));
            }
        }
        return;
    }
    if options::kind(name).is_none() {
        declared.remarks.push(format!("Non-standard property restored: {name}"));
    }
    judge(list, name, value, is_list, declared);
}

/// Returns a number that is valid for a list's state.
fn number(value: &Literal) -> Option<f64> {
    let number: f64 = value.to_string().parse().ok()?;
    (0.0..1e15).contains(&number).then_some(number)
}

struct Reader<'l> {
    list: &'l List,
    state: &'l ListState,
    names: HashMap<String, Literal>,
    /// The names in the order of their first assignment.
    order: Vec<String>,
    problems: Vec<ParseError>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, what: String) {
        self.problems.push(ParseError { line, what });
    }

    /// Keeps the value of an assignment; anything else is wrong.
    fn statement(&mut self, statement: &Statement, remarks: &mut Vec<String>) {
        let line = statement.line;
        match &statement.what {
            What::Other { keyword } if matches!(keyword.as_str(), "import" | "from" | "pass") => {
                if keyword != "pass" {
                    remarks.push(format!("line {line}: nothing is imported"));
                }
            }
            // It is reported with the file's problems.
            What::Broken { .. } => {}
            What::Other { keyword } => {
                self.wrong(
                    line,
                    format!("{keyword} is not an assignment, and nothing is executed"),
                );
            }
            _ if statement.indent > 0 => {
                self.wrong(
                    line,
                    "it depends on something else, and nothing is executed".to_owned(),
                );
            }
            What::Assign { targets, value } => match self.evaluate(value) {
                Ok(value) => targets.iter().for_each(|target| self.assign(line, target, &value)),
                Err(problem) => self.wrong(line, problem),
            },
            What::Augment { target, operator, value } => {
                let whole =
                    Expr::Binary(*operator, Box::new(target.clone()), Box::new(value.clone()));
                match self.evaluate(&whole) {
                    Ok(value) => self.assign(line, target, &value),
                    Err(problem) => self.wrong(line, problem),
                }
            }
            What::Expression(expr) => self.expression(line, expr),
        }
    }

    fn evaluate(&self, expr: &Expr) -> Result<Literal, String> {
        let names = |name: &str| {
            let name = name.strip_prefix("mlist.").unwrap_or(name);
            self.names.get(name).cloned().or_else(|| self.current(name))
        };
        Scope { names: Some(&names), calls: None }.evaluate(expr)
    }

    /// Returns the current value of a setting.
    fn current(&self, name: &str) -> Option<Literal> {
        if let Some(number) = self.state.number(name) {
            let is_whole = number.fract() == 0.0;
            return Some(if is_whole {
                Literal::Int(number as i64)
            } else {
                Literal::Float(number)
            });
        }
        values::to_python(&self.list.settings, name, options::kind(name)?).ok()
    }

    fn assign(&mut self, line: usize, target: &Expr, value: &Literal) {
        let name = target.dotted();
        let name = name.as_deref().map(|name| name.strip_prefix("mlist.").unwrap_or(name));
        match name.filter(|name| !name.contains('.')) {
            Some(name) => {
                if self.names.insert(name.to_owned(), value.clone()).is_none() {
                    self.order.push(name.to_owned());
                }
            }
            None => self.wrong(line, "only names and mlist.NAME can be assigned to".to_owned()),
        }
    }

    /// Reads an expression: a text by itself is a comment; `mlist.NAME.append(item)` is an
    /// assignment.
    fn expression(&mut self, line: usize, expr: &Expr) {
        let Expr::Call(function, arguments, _) = expr else {
            if !matches!(expr, Expr::Bytes(_) | Expr::Text(_)) {
                self.wrong(line, "it assigns nothing".to_owned());
            }
            return;
        };
        let name = function.dotted().unwrap_or_default();
        // Saving and locking happen anyway.
        if matches!(name.as_str(), "mlist.Save" | "mlist.Lock" | "mlist.Unlock") {
            return;
        }
        let (Some((target, "append")), [item]) = (name.rsplit_once('.'), arguments.as_slice())
        else {
            return self.wrong(line, format!("it calls {name}, and nothing is executed"));
        };
        let target = target.split('.').fold(None, |of: Option<Expr>, part| {
            Some(match of {
                None => Expr::Name(part.to_owned()),
                Some(of) => Expr::Attribute(Box::new(of), part.to_owned()),
            })
        });
        let Some(target) = target else { return };
        let items = Expr::List(vec![item.clone()]);
        let whole = Expr::Binary(Operator::Add, Box::new(target.clone()), Box::new(items));
        match self.evaluate(&whole) {
            Ok(value) => self.assign(line, &target, &value),
            Err(problem) => self.wrong(line, problem),
        }
    }
}

/// Takes one setting, with remarks in the words of Mailman's command.
fn judge(
    list: &List,
    name: &str,
    value: &Literal,
    is_list: &dyn Fn(&str) -> bool,
    declared: &mut Declared,
) {
    let text =
        options::kind(name).map_or_else(|| raw(value), |kind| values::to_setting(kind, value));
    let checked = text.map_err(Wrong::Value).and_then(|text| {
        let mut settings = list.settings.clone();
        settings.put(name, &text)?;
        ListSettings::check(name, Subject { name: &list.name, settings: &settings, is_list })?;
        Ok(text)
    });
    match checked {
        Ok(text) => declared.changes.push((name.to_owned(), text)),
        Err(Wrong::Address(_)) => {
            declared.remarks.push(format!("Bad email address for option {name}: {value}"));
        }
        Err(Wrong::Value(problem)) => {
            declared.remarks.push(format!("Invalid value for property: {name}"));
            declared.remarks.push(format!("    {problem}"));
        }
    }
}

/// Converts the value of a setting without a page.
fn raw(value: &Literal) -> Result<String, String> {
    if let Some(items) = value.items() {
        let lines: Option<Vec<String>> = items.iter().map(Literal::as_text).collect();
        let lines = lines.ok_or_else(|| format!("{value} has items that are not texts"))?;
        return Ok(lines.iter().flat_map(|line| [line, "\n"]).collect());
    }
    match value {
        Literal::None => Ok(String::new()),
        Literal::Bool(flag) => Ok(i64::from(*flag).to_string()),
        Literal::Dict(_) => Err("a dictionary cannot be set".to_owned()),
        other => Ok(other.as_text().unwrap_or_else(|| other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dormouse_clock::Timestamp;

    fn list() -> List {
        let mut settings = ListSettings::default();
        settings.put("real_name", "Dev").unwrap();
        settings.put("ban_list", "a@example.org\n").unwrap();
        List {
            id: dormouse_store::ListId::new(1),
            name: "dev".parse().unwrap(),
            created_at: Timestamp::EPOCH,
            post_id: 1,
            last_post_time: Timestamp::EPOCH,
            settings,
        }
    }

    fn state() -> ListState {
        ListState { volume: 3, ..ListState::default() }
    }

    #[test]
    fn numbers_of_the_state_are_restored_as_mailman_restores_them() {
        for (source, number) in
            [("volume = 7", 7.0), ("mlist.volume = 7", 7.0), ("volume += 2", 5.0)]
        {
            let declared = read(&list(), &state(), source.as_bytes(), false, &|_| true).unwrap();
            assert_eq!(declared.numbers, [("volume".to_owned(), number)], "{source}");
            assert_eq!(declared.remarks, ["Non-standard property restored: volume"], "{source}");
        }
        for source in ["post_id = 'x'", "post_id = -1", "post_id = [1]"] {
            assert_eq!(remarks(source)[0], "Invalid value for property: post_id", "{source}");
        }
        assert_eq!(
            remarks("members = {}"),
            ["attribute \"members\" ignored: it is here: the members"]
        );
    }

    fn changes(source: &str) -> Vec<(String, String)> {
        read(&list(), &state(), source.as_bytes(), false, &|name| name == "misc").unwrap().changes
    }

    fn change(source: &str) -> String {
        match changes(source).as_slice() {
            [(_, text)] => text.clone(),
            other => panic!("{source}: {other:?}"),
        }
    }

    fn remarks(source: &str) -> Vec<String> {
        let declared =
            read(&list(), &state(), source.as_bytes(), false, &|name| name == "misc").unwrap();
        assert_eq!(declared.changes, [], "{source}");
        declared.remarks
    }

    #[test]
    fn declarations_are_read_in_every_notation() {
        assert_eq!(change("max_message_size = 10 * 4"), "40");
        assert_eq!(change("mlist.archive = No"), "0");
        assert_eq!(change("ban_list = ['^.*@b\\\\.example$']\n"), "^.*@b\\.example$\n");
        assert_eq!(change("ban_list += ['b@example.org']"), "a@example.org\nb@example.org\n");
        assert_eq!(
            change("mlist.ban_list.append('b@example.org')"),
            "a@example.org\nb@example.org\n"
        );
        assert_eq!(change("bounce_info_stale_after = 1.5"), "129600s");
        assert_eq!(
            change("pass_mime_types = \"\"\"multipart\ntext/plain\"\"\""),
            "multipart\ntext/plain\n"
        );
        assert_eq!(change("pass_mime_types = ['text/plain']"), "text/plain\n");
        assert_eq!(change("topics = [('Tea', 'tea', '', 0)]"), r#"[["Tea","tea","",0]]"#);
        assert_eq!(change("subscribe_policy = '3'"), "3");
        assert_eq!(change("use_dollar_strings = True"), "1");
    }

    #[test]
    fn the_last_of_several_counts() {
        assert_eq!(changes("archive = 1\narchive = 0"), [("archive".to_owned(), "0".to_owned())]);
    }

    #[test]
    fn what_cannot_be_set_is_named_as_mailman_names_it() {
        assert_eq!(remarks("nonsense = 1"), ["attribute \"nonsense\" ignored"]);
        assert_eq!(
            remarks("owner = ['nobody']"),
            ["Bad email address for option owner: ['nobody']"]
        );
        for source in [
            "archive = 2",
            "max_message_size = 'big'",
            "real_name = 'Other'",
            "header_filter_rules = [('x', 9, 0)]",
            "ban_list = ['^(']",
            "topics = ['Tea']",
            "accept_these_nonmembers = ['@dev']",
            "accept_these_nonmembers = ['@nolist']",
            "owner = []",
            "pipeline = ['NoSuch']",
            "mod_password = 'in the clear'",
            "preferred_language = 'xx'",
            "host_name = 'nowhere'",
        ] {
            let said = remarks(source);
            let name = source.split(' ').next().unwrap();
            let invalid = format!("Invalid value for property: {name}");
            let [.., said, _why] = said.as_slice() else { panic!("{source}: {said:?}") };
            assert_eq!(*said, invalid, "{source}");
        }
    }

    #[test]
    fn an_error_names_the_line_that_is_not_a_declaration() {
        for (source, expected) in [
            ("import os\nos.system('true')", "line 2: it calls os.system, and nothing is executed"),
            ("if 1:\n    archive = 0", "line 1: if is not an assignment, and nothing is executed"),
            ("\narchive = open('x')", "line 2: it calls open, and nothing is executed"),
            ("archive = unknown", "line 1: unknown is not known here"),
            ("archive = = 1", "line 1: a value is missing before ="),
            ("del archive", "line 1: del is not an assignment, and nothing is executed"),
        ] {
            let problems =
                read(&list(), &state(), source.as_bytes(), false, &|name| name == "misc")
                    .unwrap_err();
            assert_eq!(problems[0].to_string(), expected, "{source}");
        }
    }
}
