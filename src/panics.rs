//! What a panic may say in a log: where it was, and of what kind, and nothing that was made while the program ran.
//!
//! The standard library puts what it looked at into some of its texts: a string that was cut in the middle of a character, an error that nobody
//! expected. That may be an archived message. Texts that stand in the source are given in full.

use std::any::Any;

use tokio::task::JoinError;

/// What ends the part of a made text that is about the code and not about the data.
const DATA: [char; 4] = [':', '`', '"', '\''];

/// What is known of a panic by its payload.
#[must_use]
pub fn said(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (*text).to_owned();
    }
    let Some(text) = payload.downcast_ref::<String>() else { return "no message".to_owned() };
    match text.find(DATA) {
        Some(end) => format!("{} (the rest is not logged, as it may be of a message)", text[..end].trim_end()),
        None => text.clone(),
    }
}

/// What is known of a task that ended without an outcome.
#[must_use]
pub fn of_task(error: JoinError) -> anyhow::Error {
    match error.try_into_panic() {
        Ok(panic) => anyhow::anyhow!("it panicked: {}", said(&*panic)),
        Err(_) => anyhow::anyhow!("it was ended with the program"),
    }
}

/// Has panics logged so, from now on.
pub fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        let backtrace = std::backtrace::Backtrace::capture();
        let shown = matches!(backtrace.status(), std::backtrace::BacktraceStatus::Captured);
        let backtrace = if shown { format!("\n{backtrace}") } else { String::new() };
        tracing::error!(
            "thread `{}` panicked at {place}: {}{backtrace}",
            thread.name().unwrap_or("unnamed"),
            said(panic.payload())
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_panic_says_of_what_kind_it_is_and_not_what_it_looked_at() {
        let text = String::from("a secret 今天 text");
        let of = |work: &(dyn Fn() + std::panic::RefUnwindSafe)| said(&*catch_unwind(work).unwrap_err());
        for (work, kind) in [
            (
                &(|| {
                    if !text.is_empty() {
                        panic!("a text of the source: all of it")
                    }
                }) as &(dyn Fn() + std::panic::RefUnwindSafe),
                "a text of the source: all of it",
            ),
            (&|| drop(text[..10].to_owned()), "byte index"),
            (&|| Err::<(), _>(&text).unwrap(), "called"),
            (&|| Err::<(), _>(&text).expect("a promise"), "a promise"),
            (&|| assert!(vec![1][text.len()] > 0), "index out of bounds"),
            (&|| assert_eq!(text, "another"), "assertion"),
        ] {
            let said = of(work);
            assert!(said.contains(kind) && !said.contains("secret"), "{said}");
        }
        assert_eq!(said(&7_u8), "no message");
    }
}
