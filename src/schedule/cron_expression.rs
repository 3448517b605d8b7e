//! Cron expressions as people have them: one that is none is refused with what it would be here.

/// What the fields are, for whoever writes one.
const FORM: &str = "second, minute, hour, day of month, month, day of week, as in \"0 */5 * * * *\"";
/// Days of the week as a crontab numbers them, in which Sunday is 7 too.
const DAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// Reads an expression.
///
/// # Errors
/// A text that goes on from the name of the setting: what is wrong and what would be right.
pub fn parse_cron(text: &str) -> Result<cron::Schedule, String> {
    text.parse().map_err(|error| wrong(text, &error))
}

fn wrong(text: &str, error: &cron::error::Error) -> String {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if let [time @ .., weekday] = fields.as_slice()
        && fields.len() == 5
    {
        // A crontab has no seconds, and counts the days of the week from 0.
        let here = format!("0 {} {}", time.join(" "), days_by_name(weekday));
        return match here.parse::<cron::Schedule>() {
            Ok(_) => format!("has five fields, as in a crontab; put the seconds in front: `{here}`"),
            Err(error) => format!("has five fields, as in a crontab, and not six ({}); write {FORM}", reason(&error)),
        };
    }
    if let [_, _, _, _, _, weekday, ..] = fields.as_slice()
        && days(weekday).any(|day| day == "0")
    {
        return "has a day of the week 0; Sunday is 1 or SUN here, and Saturday 7 or SAT".to_owned();
    }
    format!("is not a cron expression ({}); write {FORM}", reason(error))
}

/// The days that a field names, without its steps.
fn days(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').filter_map(|part| part.split('/').next()).flat_map(|range| range.split('-'))
}

/// A crontab's field with names in the place of numbers, which mean other days here.
fn days_by_name(field: &str) -> String {
    let named =
        |day: &str| day.parse().ok().and_then(|day: usize| DAYS.get(day)).map_or_else(|| day.to_owned(), ToString::to_string);
    let part = |part: &str| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let range = range.split('-').map(named).collect::<Vec<_>>().join("-");
        step.map_or_else(|| range.clone(), |step| format!("{range}/{step}"))
    };
    field.split(',').map(part).collect::<Vec<_>>().join(",")
}

/// The parser's reason in one line. It draws the expression with a `^` below, which points nowhere in a line, and says "less than" of the
/// greatest that is allowed.
fn reason(error: &cron::error::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().filter(|line| !line.trim().chars().all(|c| c == '^' || c == '|'));
    let words = lines.flat_map(str::split_whitespace).filter(|word| *word != "^").collect::<Vec<_>>().join(" ");
    words.replace("must be less than ", "must be at most ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_of_a_crontab_is_refused_with_what_it_is_here() {
        for (text, here) in [
            ("0 3 * * *", "0 0 3 * * *"),
            ("*/5 * * * *", "0 */5 * * * *"),
            ("0 0 * * 0", "0 0 0 * * SUN"),
            ("30 2 * * 1", "0 30 2 * * MON"),
            ("30 2 * * 7", "0 30 2 * * SUN"),
            ("0 8 * * 1-5", "0 0 8 * * MON-FRI"),
            ("0 8 1 * 1,3,5", "0 0 8 1 * MON,WED,FRI"),
            ("0 8 * * MON-FRI", "0 0 8 * * MON-FRI"),
        ] {
            assert_eq!(
                parse_cron(text).unwrap_err(),
                format!("has five fields, as in a crontab; put the seconds in front: `{here}`")
            );
            assert!(parse_cron(here).is_ok());
        }
    }

    #[test]
    fn every_error_says_what_would_be_right_and_draws_nothing() {
        for (text, says) in [
            ("61 3 * * *", "has five fields, as in a crontab, and not six ("),
            ("0 0 3 * * 0", "Sunday is 1 or SUN"),
            ("0 0 3 * * 0-4", "Sunday is 1 or SUN"),
            ("60 * * * * *", "Seconds must be at most 59"),
            ("every hour", "write second, minute, hour, day of month, month, day of week"),
            ("", "write second, minute"),
            ("* * *", "write second, minute"),
        ] {
            let error = parse_cron(text).unwrap_err();
            assert!(error.contains(says) && !error.contains(['^', '\n']), "{text}: {error}");
        }
        assert!(parse_cron("0 0 3 * * * 2030").is_ok() && parse_cron("0 0 3 * * 1").is_ok());
    }
}
