//! Sizes as `docker images` prints them: powers of ten, four significant digits.

/// Formats bytes: `7.734MB`, `903MB`, `12B`.
pub(crate) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" {
        return format!("{bytes}B");
    }
    let decimals = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}{unit}")
}

/// Parses `500`, `20MB`, `1.5G`; powers of ten, as everywhere here.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let factor = match unit.trim_end_matches('B') {
        "" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => {
            return Err(format!(
                "`{text}` is not a size; use for instance 500, 20MB or 1.5G"
            ));
        }
    };
    match digits.trim().parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok((number * factor) as u64),
        _ => Err(format!(
            "`{text}` is not a size; use for instance 500, 20MB or 1.5G"
        )),
    }
}

/// Parses a size of memory: `64m` and `64MiB` are powers of two, as docker and the kernel have them.
pub(crate) fn parse_memory(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size of memory; use for instance 64m or 1g");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = text[digits.len()..].to_ascii_lowercase();
    let factor: u64 = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_read_as_docker_prints_them() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (7_734_000, "7.73MB"),
            (75_800_000, "75.8MB"),
            (903_400_000, "903MB"),
            (1_234_000_000, "1.23GB"),
        ] {
            assert_eq!(super::human(bytes), text);
        }
        assert_eq!(super::parse("1.5G"), Ok(1_500_000_000));
        assert_eq!(super::parse("20MB"), Ok(20_000_000));
        assert!(super::parse("x").is_err());
        assert_eq!(super::parse_memory("64m"), Ok(64 << 20));
        assert_eq!(super::parse_memory("1GiB"), Ok(1 << 30));
        assert_eq!(super::parse_memory("4096"), Ok(4096));
        assert!(super::parse_memory("1.5g").is_err());
    }
}
