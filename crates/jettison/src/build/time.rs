//! The times of what a build makes.

use layer::Time;

/// Which times files and images get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// `SOURCE_DATE_EPOCH`: nothing is younger than this, and images are made at this time.
    pub epoch: Option<i64>,
    /// The time of the build.
    pub now: i64,
}

impl Timestamps {
    /// Returns a file's time, no later than the epoch.
    pub(super) fn clamp(self, time: Time) -> Time {
        match self.epoch {
            Some(epoch) if time.seconds >= epoch => Time {
                seconds: epoch,
                nanoseconds: 0,
            },
            _ => time,
        }
    }

    /// The time of entries that stand for no file.
    pub(super) fn marker(self) -> Time {
        Time::default()
    }

    /// The time of files that the build itself makes.
    pub(super) fn made(self) -> Time {
        Time {
            seconds: self.epoch.unwrap_or(self.now),
            nanoseconds: 0,
        }
    }

    /// The time that images are made at, as in RFC 3339.
    pub(super) fn created(self) -> String {
        rfc3339(self.epoch.unwrap_or(self.now))
    }
}

/// Days to dates: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
