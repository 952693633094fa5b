//! The phrase lifter: from the words of a criterion to a tolerance, or nothing.

use super::{BoundUnit, Comparison, Tolerance};
use crate::units::HumanDuration;

/// Longer phrases come first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 16] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("≤", Comparison::AtMost),
    ("≥", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    (" at most ", Comparison::AtMost),
    (" at least ", Comparison::AtLeast),
    (" less than ", Comparison::Below),
    (" more than ", Comparison::Above),
    (" below ", Comparison::Below),
    (" under ", Comparison::Below),
    (" above ", Comparison::Above),
    (" over ", Comparison::Above),
    (" within ", Comparison::AtMost),
];

/// Verbs that turn a subject into the name of a duration: `failover completes in` is `failover_duration`.
const COMPLETION: [&str; 6] = ["completes in", "completes", "finishes in", "finishes", "takes", "done in"];

/// A name of more words than this is a sentence, not a metric.
const MAX_NAME_WORDS: usize = 4;

/// The parts of a list of criteria.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ',', ';'])
        .map(|part| part.trim().trim_start_matches(['-', '*', '•']).trim())
        .filter(|part| !part.is_empty())
}

/// The clauses of a sentence.
pub(super) fn clauses(text: &str) -> impl Iterator<Item = &str> {
    parts(text).flat_map(|part| part.split(" with ")).flat_map(|part| part.split(" and ")).map(str::trim)
}

/// `name comparison bound` or `comparison bound name`, whatever of both is there in full.
pub(super) fn tolerance(text: &str) -> Option<Tolerance> {
    let text = text.trim().trim_end_matches('.');
    let (at, length, comparison) = find_comparison(text)?;
    let (left, right) = (&text[..at], &text[at + length..]);
    if left.trim().is_empty() {
        let (bound, unit, name) = leading_bound(right.trim())?;
        return Tolerance::new(metric_name(name)?, comparison, bound, unit).ok();
    }
    let (bound, unit, rest) = leading_bound(right.trim())?;
    rest.is_empty().then_some(())?;
    Tolerance::new(metric_name(left)?, comparison, bound, unit).ok()
}

/// Writes a bound so that it parses again.
pub(super) fn format_bound(value: f64, unit: BoundUnit) -> String {
    match unit {
        BoundUnit::Plain => value.to_string(),
        BoundUnit::Percent => format!("{}%", trimmed(value * 100.0)),
        BoundUnit::Seconds if value != 0.0 && value.abs() < 1.0 => format!("{}ms", trimmed(value * 1000.0)),
        BoundUnit::Seconds => format!("{}s", trimmed(value)),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn find_comparison(text: &str) -> Option<(usize, usize, Comparison)> {
    let lower = text.to_ascii_lowercase();
    COMPARISONS
        .iter()
        .find_map(|(phrase, comparison)| lower.find(phrase).map(|at| (at, phrase.len(), *comparison)))
}

/// The bound at the beginning of `text`, its unit, and the words that follow it.
fn leading_bound(text: &str) -> Option<(f64, BoundUnit, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..number_end].parse().ok()?;
    let tail = text[number_end..].trim_start();
    if let Some(rest) = tail.strip_prefix('%') {
        return Some((number / 100.0, BoundUnit::Percent, rest.trim_start()));
    }
    let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
    match short_unit(&tail[..unit_end]) {
        Some(unit) => {
            let duration: HumanDuration = format!("{}{unit}", &text[..number_end]).parse().ok()?;
            Some((duration.as_secs_f64(), BoundUnit::Seconds, tail[unit_end..].trim_start()))
        }
        None => Some((number, BoundUnit::Plain, tail)),
    }
}

fn short_unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "ns" => "ns",
        "us" | "µs" => "us",
        "ms" | "milliseconds" | "millisecond" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hour" | "hours" => "h",
        _ => return None,
    })
}

/// `Error rate` is `error_rate`, `p99 latency` is `latency_p99`, `Failover completes in` is `failover_duration`.
fn metric_name(words: &str) -> Option<String> {
    let lower = words.trim().trim_end_matches(" is").trim_end_matches(" stays").to_lowercase();
    if let Some(subject) = COMPLETION.iter().find_map(|verb| lower.strip_suffix(verb)) {
        return joined(subject).map(|name| format!("{name}_duration"));
    }
    let name = joined(&lower)?;
    Some(match name.split_once('_') {
        Some((quantile, rest)) if is_quantile(quantile) => format!("{rest}_{quantile}"),
        None if is_quantile(&name) => format!("latency_{name}"),
        _ => name,
    })
}

fn is_quantile(word: &str) -> bool {
    word.strip_prefix('p')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn joined(words: &str) -> Option<String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let named =
        |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-'));
    let fits = (1..=MAX_NAME_WORDS).contains(&words.len()) && words.iter().all(named);
    let begins =
        words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    (fits && begins).then(|| words.join("_"))
}
