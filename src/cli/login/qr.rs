//! Signing in by a QR code that is drawn on the terminal, and drawn anew before it expires.

use std::io::IsTerminal as _;
use std::time::Duration;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::super::output::tell;
use crate::model::{Clock as _, SystemClock};
use crate::telegram::{Client, LoginError, LoginLink, Push, QrLogin, SignIn, TelegramError};

/// How long codes are shown before nobody seems to be there.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many requests in a row may get no response (retries): a broken connection is made anew at the next one.
const FAILURES_MAX: usize = 3;
/// The shortest and the longest time a code is shown, should this machine's clock be wrong.
const SHOWN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The shortest time between two requests, whatever is pushed.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn sign_in(client: &Client, pushes: &mut mpsc::Receiver<Push>, api_hash: &str) -> anyhow::Result<SignIn> {
    let (mut drawn, mut failures) = (Drawn::default(), 0);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match client.login_by_qr(api_hash).await {
            Ok(QrLogin::Accepted(signed_in)) => return Ok(signed_in),
            Ok(QrLogin::Show(link)) => {
                failures = 0;
                drawn.draw(&link)?;
                sleep(PAUSE).await;
                // When the app accepts, Telegram pushes; should that be missed, the next request tells.
                tokio::select! {
                    _ = pushes.recv() => {}
                    () = sleep(left(&link)) => {}
                }
            }
            Err(LoginError::Telegram(TelegramError::Transient { .. } | TelegramError::ServerFault { .. }))
                if failures < FAILURES_MAX =>
            {
                failures += 1;
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("nobody scanned the code; run the command again, or sign in with a phone number")
}

fn left(link: &LoginLink) -> Duration {
    let left = (link.expires.to_utc() - SystemClock.now()).to_std().unwrap_or_default();
    left.clamp(SHOWN.0, SHOWN.1)
}

/// What is on the screen.
#[derive(Default)]
struct Drawn {
    url: String,
    lines: usize,
}

impl Drawn {
    /// Draws a link's code over the one before it. Where nobody looks at a screen, the link itself is what is needed.
    fn draw(&mut self, link: &LoginLink) -> anyhow::Result<()> {
        if self.url == link.url {
            return Ok(());
        }
        let screen = std::io::stderr().is_terminal();
        let mut text = String::new();
        if screen && self.lines > 0 {
            text.push_str(&format!("\x1b[{}A\x1b[J", self.lines));
        }
        let code = picture(&link.url, screen && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))?;
        text.push_str(&code);
        text.push_str(
            "\nScan it with the account's Telegram app: Settings, Devices, Link Desktop Device. It is renewed until then.",
        );
        if !screen {
            text.push_str(&format!("\n{}", link.url));
        }
        self.lines = text.lines().count();
        self.url.clone_from(&link.url);
        tell(text);
        Ok(())
    }
}

/// The code in half blocks: black on white where the terminal has colours, else light on dark, as most terminals are.
fn picture(url: &str, colours: bool) -> anyhow::Result<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L)?;
    let (dark, light) = if colours { (Dense1x2::Dark, Dense1x2::Light) } else { (Dense1x2::Light, Dense1x2::Dark) };
    let drawn = code.render::<Dense1x2>().quiet_zone(true).dark_color(dark).light_color(light).build();
    let lines = drawn.lines().map(|line| match colours {
        true => format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m"),
        false => line.to_owned(),
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "tg://login?token=8J-YgPCfmIDwn5iA8J-YgPCfmIDwn5iA8J-YgPCfmIA";

    /// What a camera sees, as rows of pixels: two in each line of text.
    fn seen(picture: &str, ink: bool) -> Vec<Vec<bool>> {
        let dark = |upper: bool| {
            move |c: char| {
                let inked = match c {
                    '\u{2588}' => true,
                    '\u{2580}' => upper,
                    '\u{2584}' => !upper,
                    _ => false,
                };
                inked == ink
            }
        };
        picture.lines().flat_map(|l| [l.chars().map(dark(true)).collect(), l.chars().map(dark(false)).collect()]).collect()
    }

    /// Reads a picture as a phone would, by an independent library.
    fn scanned(rows: &[Vec<bool>]) -> String {
        const PIXELS: usize = 4;
        let (width, height) = (rows[0].len() * PIXELS, rows.len() * PIXELS);
        let grey = |x: usize, y: usize| if rows[y / PIXELS][x / PIXELS] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
        image.detect_grids().first().expect("a code is seen").decode().unwrap().1
    }

    #[test]
    fn a_phone_reads_the_link_on_either_kind_of_terminal() {
        assert_eq!(scanned(&seen(&picture(URL, false).unwrap(), false)), URL);
        let coloured = picture(URL, true).unwrap().replace("\x1b[38;5;16;48;5;231m", "").replace("\x1b[0m", "");
        assert_eq!(scanned(&seen(&coloured, true)), URL);
    }

    #[test]
    fn a_picture_fits_a_terminal() {
        let picture = picture(URL, false).unwrap();
        assert!(picture.lines().count() <= 24 && picture.lines().all(|line| line.chars().count() <= 80));
    }
}
