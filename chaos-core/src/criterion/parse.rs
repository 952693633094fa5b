//! The phrase lifter: from the words of a criterion to a tolerance, or nothing.
//!
//! It is lenient in spelling and strict in meaning: two comparisons, a negation that is not known, or a word that is left over
//! make a manual criterion.

use super::{BoundUnit, Comparison, Tolerance};
use crate::metrics::ERROR_RATE;

/// Signs, longest first.
const SIGNS: [(&str, Comparison); 8] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("≤", Comparison::AtMost),
    ("≥", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

/// Words, longest first, so that `no more than` is not read as `more than`.
const WORDS: [(&str, Comparison); 21] = [
    ("does not exceed", Comparison::AtMost),
    ("no more than", Comparison::AtMost),
    ("not more than", Comparison::AtMost),
    ("no less than", Comparison::AtLeast),
    ("not less than", Comparison::AtLeast),
    ("never above", Comparison::AtMost),
    ("never below", Comparison::AtLeast),
    ("not above", Comparison::AtMost),
    ("not below", Comparison::AtLeast),
    ("greater than", Comparison::Above),
    ("less than", Comparison::Below),
    ("more than", Comparison::Above),
    ("at least", Comparison::AtLeast),
    ("at most", Comparison::AtMost),
    ("exceeds", Comparison::Above),
    ("within", Comparison::AtMost),
    ("up to", Comparison::AtMost),
    ("below", Comparison::Below),
    ("under", Comparison::Below),
    ("above", Comparison::Above),
    ("over", Comparison::Above),
];

/// Verbs that turn a subject into the name of a duration: `failover completes in` is `failover_duration`.
const COMPLETION: [&str; 10] = [
    "completes in",
    "completes",
    "completed in",
    "finishes in",
    "finishes",
    "recovers in",
    "recovers",
    "takes",
    "done in",
    "done",
];

/// Words at the end of a name that say nothing.
const FILLERS: [&str; 11] =
    ["is", "are", "be", "stays", "stay", "remains", "remain", "must", "should", "will", "keeps"];

/// Words that turn a meaning round; what is not a known phrase with them is not lifted.
const NEGATIONS: [&str; 5] = ["no", "not", "never", "without", "or"];

/// A name of more words than this is a sentence, not a metric.
const MAX_NAME_WORDS: usize = 4;

/// The parts of a list of criteria. A comma within a number (`1,000`) separates nothing.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.char_indices().find(|(at, c)| separates(text, *at, *c)).map(|(at, _)| at);
        rest = end.map(|at| &text[at + 1..]);
        Some(unlisted(&text[..end.unwrap_or(text.len())]))
    })
    .filter(|part| !part.is_empty())
}

fn separates(text: &str, at: usize, c: char) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    match c {
        '\n' | ';' => true,
        ',' => !(at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1))),
        _ => false,
    }
}

/// Without its list mark: `-`, `*`, `•`, `1.`, `2)`.
fn unlisted(part: &str) -> &str {
    let part = part.trim().trim_start_matches(['-', '*', '•']).trim();
    let number = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let numbered = (number > 0).then(|| part[number..].strip_prefix([')', '.'])).flatten();
    numbered.and_then(|text| text.strip_prefix(' ')).unwrap_or(part).trim()
}

/// The clauses of a sentence.
pub(super) fn clauses(text: &str) -> impl Iterator<Item = &str> {
    parts(text).flat_map(|part| part.split(" with ")).flat_map(|part| part.split(" and ")).map(|clause| {
        let clause = clause.trim();
        ["with ", "and "].iter().find_map(|word| clause.strip_prefix(word)).unwrap_or(clause).trim()
    })
}

/// `name comparison bound` or `comparison bound name`, whatever of both is there in full, and with the unit that the metric needs.
pub(super) fn tolerance(text: &str) -> Option<Tolerance> {
    read(text).filter(|tolerance| unit_wanted(tolerance).is_none())
}

/// What would be right, where `text` is a tolerance but for the unit of its bound.
pub(super) fn unit_hint(text: &str) -> Option<&'static str> {
    read(text).as_ref().and_then(unit_wanted)
}

/// `error_rate < 5` would be 500 %, and `latency_p99 < 500` more than eight minutes: bounds that always hold.
fn unit_wanted(tolerance: &Tolerance) -> Option<&'static str> {
    let (name, bound) = (tolerance.metric(), tolerance.bound());
    let timed = name.starts_with("latency") || name.ends_with("_duration");
    match tolerance.unit() {
        BoundUnit::Plain if name == ERROR_RATE && bound.abs() > 1.0 => Some("write 5% or 0.05"),
        BoundUnit::Plain if timed && bound != 0.0 => Some("write a unit, such as 500ms or 2s"),
        _ => None,
    }
}

fn read(text: &str) -> Option<Tolerance> {
    let text = text.trim().trim_end_matches('.');
    let found = find_comparison(text)?;
    let (left, right) = (text[..found.at].trim(), text[found.end..].trim());
    let (bound, unit, rest) = leading_bound(right)?;
    let name = match (left.is_empty(), rest.is_empty()) {
        (true, false) => metric_name(rest)?,
        (false, true) => metric_name(left)?,
        _ => return None,
    };
    let timed = found.within && unit == BoundUnit::Seconds && !name.contains("latency");
    let name = if timed && !name.ends_with("_duration") { format!("{name}_duration") } else { name };
    Tolerance::new(name, found.comparison, bound, unit).ok()
}

/// Writes a bound so that it parses again as the same number.
pub(super) fn format_bound(value: f64, unit: BoundUnit) -> String {
    match unit {
        BoundUnit::Plain => shifted(value, 0),
        BoundUnit::Percent => format!("{}%", shifted(value, 2)),
        BoundUnit::Seconds if value != 0.0 && value.abs() < 1.0 => format!("{}ms", shifted(value, 3)),
        BoundUnit::Seconds => format!("{}s", shifted(value, 0)),
    }
}

/// The shortest decimal that is this number, with the point moved to the right: `0.007` moved by 2 is `0.7`.
fn shifted(value: f64, places: i32) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let point = 1 + places + exponent.parse::<i32>().unwrap_or(0);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    match usize::try_from(point) {
        _ if digits.bytes().all(|digit| digit == b'0') => "0".into(),
        Ok(point) if point >= digits.len() => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
        Ok(point) if point > 0 => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

/// Where the one comparison of a text stands.
struct Found {
    at: usize,
    end: usize,
    comparison: Comparison,
    within: bool,
}

/// The comparison, if there is exactly one. Offsets hold in `text`, since an ASCII lower-casing keeps them.
fn find_comparison(text: &str) -> Option<Found> {
    let lower = text.to_ascii_lowercase();
    let mut found = None;
    let mut at = 0;
    while at < lower.len() {
        let Some((phrase, comparison)) = comparison_at(&lower, at) else {
            at += lower[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let end = at + phrase.len();
        let this = Found { at, end, comparison, within: phrase == "within" };
        if found.replace(this).is_some() {
            return None;
        }
        at = end;
    }
    found
}

fn comparison_at(text: &str, at: usize) -> Option<(&'static str, Comparison)> {
    let rest = &text[at..];
    let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
    let begins = text[..at].chars().next_back().is_none_or(char::is_whitespace);
    let ends = |word: &str| rest[word.len()..].chars().next().is_some_and(char::is_whitespace);
    let word = || WORDS.iter().find(|(word, _)| begins && rest.starts_with(word) && ends(word));
    sign.or_else(word).copied()
}

/// The bound at the beginning of `text`, its unit, and the words that follow it.
fn leading_bound(text: &str) -> Option<(f64, BoundUnit, &str)> {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (digits, tail) = (&unsigned[..end], unsigned[end..].trim_start());
    let number = |exponent: &str| {
        let number: Option<f64> = format!("{sign}{digits}{exponent}").parse().ok();
        number.filter(|number| digits.bytes().any(|byte| byte.is_ascii_digit()) && number.is_finite())
    };
    if let Some(rest) = tail.strip_prefix('%') {
        return Some((number("e-2")?, BoundUnit::Percent, rest.trim_start()));
    }
    let word_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
    let (word, rest) = (&tail[..word_end], tail[word_end..].trim_start());
    if word == "percent" {
        return Some((number("e-2")?, BoundUnit::Percent, rest));
    }
    match seconds_of(word) {
        Some((exponent, times)) => Some((number(exponent)? * times, BoundUnit::Seconds, rest)),
        None => Some((number("")?, BoundUnit::Plain, tail)),
    }
}

/// A unit of time as a power of ten and a multiple of seconds.
fn seconds_of(word: &str) -> Option<(&'static str, f64)> {
    Some(match word {
        "ns" => ("e-9", 1.0),
        "us" | "µs" => ("e-6", 1.0),
        "ms" | "milliseconds" | "millisecond" => ("e-3", 1.0),
        "s" | "sec" | "secs" | "second" | "seconds" => ("", 1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => ("", 60.0),
        "h" | "hour" | "hours" => ("", 3600.0),
        _ => return None,
    })
}

/// `Error rate` is `error_rate`, `p99 latency` is `latency_p99`, `Failover completes in` is `failover_duration`. A name with an
/// underscore or a colon is taken as it is.
fn metric_name(text: &str) -> Option<String> {
    if !text.contains(char::is_whitespace) && text.contains(['_', ':']) {
        return joined(&[text]);
    }
    let lower = text.to_ascii_lowercase();
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    while words.last().is_some_and(|word| FILLERS.contains(word)) {
        words.pop();
    }
    if words.iter().any(|word| NEGATIONS.contains(word)) {
        return None;
    }
    if let Some(subject) = completed(&words) {
        return joined(subject).map(|name| format!("{name}_duration"));
    }
    match words.as_slice() {
        [quantile] if is_quantile(quantile) => Some(format!("latency_{quantile}")),
        [quantile, rest @ ..] if is_quantile(quantile) => {
            joined(rest).map(|name| format!("{name}_{quantile}"))
        }
        words => joined(words),
    }
}

/// What is completed, where the words say that something is.
fn completed<'a>(words: &'a [&'a str]) -> Option<&'a [&'a str]> {
    COMPLETION.iter().find_map(|phrase| {
        let verb: Vec<&str> = phrase.split(' ').collect();
        words.strip_suffix(verb.as_slice())
    })
}

fn is_quantile(word: &str) -> bool {
    let digits = word.strip_prefix('p').unwrap_or_default();
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn joined(words: &[&str]) -> Option<String> {
    let named =
        |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-'));
    let fits = (1..=MAX_NAME_WORDS).contains(&words.len()) && words.iter().all(named);
    let begins = words.first()?.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let compares = words.len() == 1 && WORDS.iter().any(|(word, _)| *word == words[0]);
    (fits && begins && !compares).then(|| words.join("_"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::*, *};

    fn lifted(text: &str) -> String {
        Criterion::parse(text).tolerance().map_or_else(|| "manual".into(), ToString::to_string)
    }

    #[test]
    fn the_phrases_of_the_seed_are_lifted() {
        let of = |text: &str| {
            Criteria::parse(text).items().iter().map(|item| lifted(item.text())).collect::<Vec<_>>()
        };
        assert_eq!(of("Error rate <5%, latency p99 <1s"), ["error_rate < 5%", "latency_p99 < 1s"]);
        assert_eq!(
            of("- Failover completes in <30s\n- Error rate <1%\n- No data loss"),
            ["failover_duration < 30s", "error_rate < 1%", "manual"]
        );
        let sentence = "System automatically fails over to replica within 30s with <1% error rate";
        let lifted: Vec<_> =
            Criteria::lift(sentence).iter().map(|item| item.tolerance().unwrap().to_string()).collect();
        assert_eq!(lifted, ["error_rate < 1%"]);
        assert!(Criteria::lift("API remains available with 50% pod loss").is_empty());
    }

    #[test]
    fn lenient_spellings_mean_the_same() {
        let same = [
            (
                "error_rate < 1%",
                &[
                    "Error rate <1%",
                    "error rate is below 1 %",
                    "ERROR RATE under 1 percent",
                    "<1% error rate",
                    "less than 1% error rate.",
                    "Error rate stays below 1%",
                    "error rate should be < 1%",
                ] as &[_],
            ),
            (
                "latency_p99 <= 1s",
                &[
                    "p99 latency at most 1s",
                    "latency p99 ≤ 1 second",
                    "p99 <= 1000ms",
                    "latency p99 up to 1s",
                    "p99 latency never above 1s",
                    "latency p99 no more than 1s",
                    "p99 latency does not exceed 1s",
                    "p99 within 1s",
                ],
            ),
            (
                "replicas_up >= 2",
                &[
                    "replicas up >= 2",
                    "at least 2 replicas up",
                    "replicas up not less than 2",
                    "replicas up ≥ 2",
                    "replicas_up>=2",
                ],
            ),
            (
                "failover_duration < 90s",
                &[
                    "failover takes less than 90s",
                    "Failover completes in < 1.5m",
                    "failover finishes in under 90 seconds",
                    "failover_duration < 90000ms",
                ],
            ),
            ("failover_duration <= 30s", &["failover completes within 30s", "failover within 30 seconds"]),
            ("error_rate == 0", &["error rate = 0", "error rate == 0.0", "error_rate == -0"]),
            ("http_requests:rate5m > 0.5", &["http_requests:rate5m > .5", "http_requests:rate5m over 0.50"]),
            ("clock_offset > -5ms", &["clock offset > -5ms", "clock_offset more than -0.005s"]),
        ];
        for (canonical, spellings) in same {
            assert_eq!(lifted(canonical), canonical);
            for spelling in spellings {
                assert_eq!(lifted(spelling), canonical, "{spelling}");
            }
        }
    }

    #[test]
    fn what_is_not_certain_stays_manual() {
        for text in [
            "",
            " ",
            "<",
            "< 5",
            "error rate",
            "error rate <",
            "error rate < x",
            "No data loss",
            "50% pod loss",
            "1% < error rate < 5%",
            "error rate over 5m < 1%",
            "error rate < 1% over the last hour",
            "error rate < 1% or latency < 1s",
            "error rate != 0",
            "error rate not exactly < 5%",
            "the whole system as such stays < 5%",
            "requests < 1,000",
            "errors < 1e5",
            "errors < 1.2.3",
            "latency < 5 parsecs",
            "Überfehler < 5%",
            "err(or) < 5",
            "errors < NaN",
            "errors < inf",
            "< 5%",
            "errors < .",
            "no errors at all over 5",
            "errors =< 5",
            "overtakes",
            "5 < errors",
            "< 5 over",
        ] {
            assert_eq!(lifted(text), "manual", "{text}");
        }
        assert_eq!(lifted("overtakes < 5"), "overtakes < 5");
    }

    #[test]
    fn a_bound_without_the_unit_that_it_needs_is_not_lifted() {
        for text in [
            "error_rate < 5",
            "Error rate below 1.5",
            "<5 error rate",
            "latency_p99 < 500",
            "p99 latency at most 0.3",
            "latency < 5",
            "failover takes less than 90",
            "failover_duration < 30",
        ] {
            assert_eq!(lifted(text), "manual", "{text}");
            assert!(unit_hint(text).is_some(), "{text}");
            let metrics = Metrics::from([("error_rate", 1.0), ("latency_p99", 60.0)]);
            assert!(matches!(Criterion::parse(text).judge(&metrics), Outcome::NotEvaluated { .. }), "{text}");
        }
        for text in [
            "error_rate < 1",
            "error_rate <= 0.05",
            "error_rate < 500%",
            "latency_p99 > 0",
            "latency_p99 < 500ms",
            "cache_hit_rate < 5",
            "replicas_up >= 2",
        ] {
            assert_eq!(lifted(text), text);
            assert_eq!(unit_hint(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_split_at_their_marks_and_not_within_a_number() {
        let of = |text| parts(text).collect::<Vec<_>>();
        assert_eq!(of("1. a\n2) b; - c, d,e\n\n* f"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(of("requests < 1,000, errors < 5"), ["requests < 1,000", "errors < 5"]);
        assert_eq!(of("2 replicas"), ["2 replicas"]);
        assert!(of(" ,;\n").is_empty());
    }

    #[test]
    fn letters_whose_lower_case_has_another_length_break_nothing() {
        assert_eq!(lifted("İİİİ error rate < 5%"), "manual");
        assert_eq!(lifted("ẞ≤≥ < 5%"), "manual");
        assert_eq!(lifted("error rate < 5% İ"), "manual");
    }

    #[test]
    fn the_point_is_moved_exactly() {
        let cases = [
            (0.007, 2, "0.7"),
            (0.2, 3, "200"),
            (1.5, 0, "1.5"),
            (-0.05, 2, "-5"),
            (0.0, 2, "0"),
            (1e21, 0, "1000000000000000000000"),
            (1e-9, 3, "0.000001"),
        ];
        for (value, places, text) in cases {
            assert_eq!(shifted(value, places), text);
        }
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        use Comparison::{Above, AtLeast, AtMost, Below, Equal};
        prop::sample::select(vec![Below, AtMost, Above, AtLeast, Equal])
    }

    fn unit() -> impl Strategy<Value = BoundUnit> {
        prop::sample::select(vec![BoundUnit::Plain, BoundUnit::Percent, BoundUnit::Seconds])
    }

    proptest! {
        #[test]
        fn a_tolerance_is_read_as_it_is_written(
            name in "[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){1,3}",
            comparison in comparison(),
            bound in prop_oneof![any::<f64>(), -1e6..1e6_f64, (0..1_000_000_u32).prop_map(|n| f64::from(n) / 1000.0)],
            unit in unit(),
        ) {
            prop_assume!(bound.is_finite());
            let tolerance = Tolerance::new(name, comparison, bound, unit).unwrap();
            prop_assume!(unit_wanted(&tolerance).is_none());
            prop_assert_eq!(super::tolerance(&tolerance.to_string()), Some(tolerance));
        }

        #[test]
        fn any_text_is_kept_and_never_panics(text in any::<String>()) {
            let (one, all) = (Criterion::parse(&text), Criteria::parse(&text));
            prop_assert_eq!((one.text(), all.text()), (text.as_str(), text.as_str()));
            let _ = Criteria::lift(&text);
        }

        #[test]
        fn pieces_of_criteria_in_any_order_never_panic(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "error rate", "İ", "<", "≤", "<=", " over ", "within", " with ", "5", "%", ".", "-", "1e9", "ms", "µs", ",", "\n", " ", "p99",
            ]), 0..12),
        ) {
            let text = pieces.concat();
            for item in Criteria::parse(&text).items() {
                let again = Criterion::parse(&item.to_string());
                prop_assert_eq!(&again, item);
                if let Some(tolerance) = item.tolerance() {
                    prop_assert_eq!(super::tolerance(&tolerance.to_string()), Some(tolerance.clone()));
                }
            }
        }
    }
}
