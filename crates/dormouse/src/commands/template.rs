//! `template`: the texts of notices.

use super::{find_list, open};
use crate::cli::TemplateCommand;
use crate::failure::Failure;
use crate::output::{self, Table};
use dormouse_membership::notices::templates;
use std::path::Path;
use sysexits::ExitCode;

pub fn run(dir: &Path, command: TemplateCommand) -> Result<ExitCode, Failure> {
    let (site, store) = open(dir)?;
    match command {
        TemplateCommand::Ls { list, language, json } => {
            let list = find_list(store.read(), &list)?;
            if json {
                let row = |(name, _): &(&str, &str)| {
                    let file = templates::file(&site, &list, name, &language);
                    let built_in = file.is_none();
                    serde_json::json!({ "name": name, "file": file, "built_in": built_in })
                };
                output::json(&templates::BUILT_IN.iter().map(row).collect::<Vec<_>>())?;
                return Ok(ExitCode::Ok);
            }
            let mut table = Table::new(&["Text", "From"]);
            for (name, _) in templates::BUILT_IN {
                let file = templates::file(&site, &list, name, &language);
                let from = file.map_or_else(|| "built in".to_owned(), |p| p.display().to_string());
                table.row([(*name).to_owned(), from]);
            }
            table.print()?;
        }
        TemplateCommand::Show { list, name, language } => {
            let list = find_list(store.read(), &list)?;
            if !templates::BUILT_IN.iter().any(|(known, _)| *known == name) {
                let message = format!(
                    "there is no text {name}; `dormouse template ls LIST` prints the names"
                );
                return Err(Failure::new(ExitCode::DataErr, message));
            }
            let template = templates::find(&site, &list, &name, &language);
            if let Some(subject) = template.subject {
                output::line(format_args!("Subject: {subject}\n"))?;
            }
            output::bytes(template.body.as_bytes())?;
        }
    }
    Ok(ExitCode::Ok)
}
