//! `telescribe media rules`: which files are downloaded by which rule, and why a message's files are or are not.

use std::process::ExitCode;

use super::super::client::{Api, Globals, Target, segment};
use super::super::output::{Out, one_line};
use super::super::received::Received;
use crate::views::{FileExplainedView, FileRuleView, FileRulesView, FilesExplainedView};

/// Which rules, or what of.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe media rules
  telescribe media rules --explain @example_channel 120
  telescribe media rules --explain https://t.me/example_channel/120")]
pub(super) struct RulesArgs {
    /// Explain what the rules say of the files of this message: a peer and a message id, or the link of a message
    #[arg(long, value_names = ["PEER", "MESSAGE"], num_args = 1..=2, allow_negative_numbers = true)]
    explain: Vec<String>,
    /// The account whose message id is meant, in basic groups and private chats
    #[arg(long, value_name = "NAME", requires = "explain")]
    account: Option<String>,
}

/// Runs the command; the status is 1 where a file of the message that is explained is wanted and not stored.
pub(super) async fn write(api: &Api, args: &RulesArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let Some((peer, message)) = message(&args.explain)? else { return list(api, globals, out).await };
    let target = Target::new(format!("/v1/peers/{}/messages/{message}/media/rules", segment(&peer)));
    let target = args.account.iter().fold(target, |target, account| target.with("account", account));
    let received: Received<FilesExplainedView> = api.get(&target).await?;
    let files = &received.view.files;
    if globals.json {
        out.json(&received.json)?;
    } else if files.is_empty() {
        out.line("the message has no files")?;
    }
    for file in files.iter().filter(|_| !globals.json) {
        explain(file, out)?;
    }
    out.flush()?;
    let is_missing = |file: &FileExplainedView| matches!(file.file.state.as_str(), "wanted" | "failed");
    Ok(ExitCode::from(u8::from(files.iter().any(is_missing))))
}

/// The peer and the message that are meant.
fn message(words: &[String]) -> anyhow::Result<Option<(String, i32)>> {
    let (peer, id) = match words {
        [] => return Ok(None),
        [peer, id] => (peer.as_str(), id.as_str()),
        [link] => link
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .trim_end_matches('/')
            .rsplit_once('/')
            .ok_or_else(|| anyhow::anyhow!("name a peer and a message, or the link of a message; `{link}` is neither"))?,
        _ => anyhow::bail!("name one peer and one message"),
    };
    let id = id.parse().map_err(|_| anyhow::anyhow!("`{id}` is not the id of a message"))?;
    Ok(Some((peer.to_owned(), id)))
}

async fn list(api: &Api, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let received: Received<FileRulesView> = api.get(&Target::new("/v1/media/rules")).await?;
    if globals.json {
        out.json(&received.json)?;
    } else {
        if !received.view.enabled {
            out.line("no files are downloaded: `media.enabled` is false")?;
        }
        out.line("the first rule that is about a file decides:")?;
        for (at, rule) in received.view.rules.iter().enumerate() {
            let name = out.strong(&one_line(&rule.name));
            out.line(format_args!("{:>3}. {name}: {}", at + 1, what(rule)))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// What a rule is about, and what it does.
fn what(rule: &FileRuleView) -> String {
    let list = |words: &[String]| words.iter().map(|word| one_line(word)).collect::<Vec<_>>().join(", ");
    let mut about = Vec::new();
    if !rule.kinds.is_empty() {
        about.push(format!("kinds {}", list(&rule.kinds)));
    }
    if !rule.places.is_empty() {
        about.push(format!("places {}", list(&rule.places)));
    }
    if !rule.peers.only.is_empty() {
        about.push(format!("peers {}", list(&rule.peers.only)));
    }
    if !rule.peers.except.is_empty() {
        about.push(format!("not peers {}", list(&rule.peers.except)));
    }
    let about = if about.is_empty() { "all files".to_owned() } else { about.join("; ") };
    let action = match rule.action.as_ref() {
        "on-demand" => "only on demand".to_owned(),
        "skip" => "not downloaded".to_owned(),
        _ => {
            let size = rule.size_max.map(|size| format!(" of up to {}", indicatif::HumanBytes(size)));
            let age = rule.age_max.as_ref().map(|age| format!(" of the last {}", one_line(age)));
            format!("downloaded{}{}", size.unwrap_or_default(), age.unwrap_or_default())
        }
    };
    format!("{about}: {action}")
}

fn explain(file: &FileExplainedView, out: &mut Out) -> std::io::Result<()> {
    let line = super::for_people(&file.file, out);
    out.line(line)?;
    out.line(format_args!("  its place in the message is `{}`", one_line(&file.place)))?;
    for step in &file.said.steps {
        let said = step.passed_over.as_deref().map_or("decides".to_owned(), one_line);
        out.line(format_args!("  rule `{}`: {said}", one_line(&step.rule)))?;
    }
    out.line(format_args!("  so: {}", one_line(&file.said.verdict)))?;
    match (file.places_other, file.said.wanted, file.wanted_elsewhere) {
        (0, _, _) | (_, true, _) => Ok(()),
        (others, false, true) => {
            out.line(format_args!("  but it is wanted in one of {others} other places, so it is downloaded"))
        }
        (others, false, false) => out.line(format_args!("  nor is it wanted in any of {others} other places")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_two_words_or_by_its_link() {
        let read = |words: &[&str]| message(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let named = |peer: &str, id| Some((peer.to_owned(), id));
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["@news", "120"]).unwrap(), named("@news", 120));
        assert_eq!(read(&["https://t.me/news/120"]).unwrap(), named("https://t.me/news", 120));
        assert_eq!(read(&["https://t.me/news/120/?single"]).unwrap(), named("https://t.me/news", 120));
        assert_eq!(read(&["https://t.me/news/120?single"]).unwrap(), named("https://t.me/news", 120));
        assert!(read(&["@news"]).is_err());
        assert!(read(&["@news", "x"]).is_err());
    }
}
