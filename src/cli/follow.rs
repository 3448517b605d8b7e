//! `telescribe follow` and `unfollow`: crawl public groups and channels without joining them.

use std::process::ExitCode;

use super::client::{Api, Globals, Target};
use super::output::{Out, ended};
use super::peers::title;
use crate::views::{CoveragePage, FollowBody, FollowView, UnfollowBody, UnfollowView};

/// Crawl public groups and channels without joining them, or list those that are crawled so
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe follow @example_channel https://t.me/s/example_group
  telescribe follow

The program must be running. Each name is looked up once, by one account; looking up has a strict rate limit. Nothing is
joined, so nobody in the group or channel can see that it is read. What is to be followed on every machine stands in
`crawl.follow` of the configuration.")]
pub struct FollowArgs {
    /// @username, or a link as it was copied: https://t.me/username; without one, what is followed is listed
    #[arg(value_name = "PEER", allow_negative_numbers = true)]
    pub peers: Vec<String>,
    /// The account that looks it up; by default a signed-in one that is a member of few peers
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// Stop crawling public groups and channels that no account has joined; what was archived stays
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  telescribe unfollow @example_channel

The program must be running. A name that stands in `crawl.follow` of the configuration is followed again, so remove it there.")]
pub struct UnfollowArgs {
    /// Marked id, @username, or a link as it was copied: https://t.me/username
    #[arg(value_name = "PEER", required = true, allow_negative_numbers = true)]
    pub peers: Vec<String>,
}

/// Runs `follow` on standard output.
///
/// # Errors
/// When no server could be reached, or a peer cannot be followed.
pub async fn follow(args: FollowArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write_followed(&args, globals, &mut Out::stdout()).await)
}

/// Runs `unfollow` on standard output.
///
/// # Errors
/// When no server could be reached, or a peer is not followed.
pub async fn unfollow(args: UnfollowArgs, globals: &Globals) -> anyhow::Result<ExitCode> {
    ended(write_unfollowed(&args, globals, &mut Out::stdout()).await)
}

/// Runs `follow`.
///
/// # Errors
/// See [`follow`].
pub async fn write_followed(args: &FollowArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    if args.peers.is_empty() {
        return list(&api, globals, out).await;
    }
    for peer in &args.peers {
        let body = FollowBody { peer: peer.clone(), account: args.account.clone() };
        let received = api.post::<FollowView>(&Target::new("/v1/follow"), &body).await?;
        if globals.json {
            out.json(&received.json)?;
            continue;
        }
        let FollowView { account, peer, outcome } = &received.view;
        let what = if outcome == FollowView::ALREADY { "was followed before" } else { "is followed" };
        out.line(format_args!("{} {what}, through account {account}", out.strong(&title(peer))))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `unfollow`.
///
/// # Errors
/// See [`unfollow`].
pub async fn write_unfollowed(args: &UnfollowArgs, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let api = Api::open(globals).await?;
    for peer in &args.peers {
        let received = api.post::<UnfollowView>(&Target::new("/v1/unfollow"), &UnfollowBody { peer: peer.clone() }).await?;
        if globals.json {
            out.json(&received.json)?;
        } else {
            out.line(format_args!("{} is followed no longer; what was archived stays", out.strong(&title(&received.view.peer))))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn list(api: &Api, globals: &Globals, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut is_any = false;
    api.each_page::<CoveragePage>(Target::new("/v1/coverage"), |page| {
        for (coverage, json) in page.entries().filter(|(coverage, _)| coverage.followed) {
            is_any = true;
            if globals.json {
                out.json(json)?;
            } else {
                out.line(format_args!("{:>16}  {}", coverage.peer.id, out.strong(&title(&coverage.peer))))?;
            }
        }
        Ok(())
    })
    .await?;
    if !is_any && !globals.json {
        out.line("nothing is followed; `telescribe follow @NAME` follows a channel or group without joining it")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
